/*
 * POST /etl/api/upload_file_api/: a file, or rows, of a signed request become an upload and a task
 * that imports it; the answer waits for it a while.  Source: contracts/signed-api.md 7.
 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "signed/ds.h"
#include "signed/mailbox.h"
#include "signed/writer.h"
#include "store/users.h"
#include "views/signed.h"
#include "views/views.h"

#define MAILS_MAX 10
#define DAY_MS	  (24 * 3600 * 1000LL)
#define ATTEMPTS  2 /* of the worker: a second one when the first was killed */

struct file_call {
	struct signed_call s;
	const char *filename, *contents, *upload_id; /* NULL = not sent, or empty */
	char *label;				     /* display name; owned */
	json_object *mail;			     /* addresses; owned */
	struct principal who;			     /* the account's user */
	struct upload *upload;			     /* new, hidden until the commit */
	json_object *task;			     /* owned */
	json_object *old;			     /* entry that has our key; owned */
};

/* ---- step 9: what was sent */

static const char *sent(const struct signed_call *s, const char *name)
{
	const char *value = signed_field(s, name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static bool check_mail(struct file_call *f)
{
	const struct signed_call *s = &f->s;
	const char *text = sent(s, "mail");

	f->mail = json_object_new_array();
	if (text != NULL &&
	    !mailbox_list(text, s->call->ctx->config->mail_domains, MAILS_MAX, f->mail))
		return refuse(&f->s.refusal, REFUSE_BAD, "mail");
	return true;
}

/* One source: a file, the name of one that was sent before, rows, or an upload. */
static bool check_source(struct file_call *f)
{
	struct signed_call *s = &f->s;
	bool file = s->file.name != NULL;

	f->filename = sent(s, "filename");
	f->contents = signed_field(s, "contents");
	f->upload_id = sent(s, "upload");
	if (file && f->filename != NULL)
		return refuse(&s->refusal, REFUSE_BAD, "both file and filename");
	if (file + (f->contents != NULL) + (f->upload_id != NULL) > 1 ||
	    (f->upload_id != NULL && f->filename != NULL))
		return refuse(&s->refusal, REFUSE_BAD,
			      "more than one of file, contents and upload");
	if (!file && f->filename == NULL && f->contents == NULL && f->upload_id == NULL)
		return refuse(&s->refusal, REFUSE_BAD, "no file");
	return true;
}

/* A display name of what a client calls a file; false: it has none. */
static bool name_of(const char *text, char **ret)
{
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	}
	*ret = text_display_name(text);
	return *ret != NULL && **ret != '\0';
}

static bool check_contents(struct file_call *f)
{
	struct signed_call *s = &f->s;
	struct write_order order = {.receiver = s->receiver,
				    .op = OP_INSERT,
				    .visitor = s->visitor,
				    .stamp_ms = s->stamp_ms,
				    .max_bad = 1};
	struct ds *ds = NULL;
	bool ok;

	if (strcmp(f->contents, PAIRS_NO_TEXT) == 0)
		return refuse(&s->refusal, REFUSE_BAD, "contents is not UTF-8 text");
	if (!ds_open(f->contents, strlen(f->contents), s->receiver->max_rows, &ds, &s->refusal))
		return false;
	order.rows = ds_rows(ds);
	if (ds_count(ds) == 0 && !s->receiver->allow_empty)
		ok = refuse(&s->refusal, REFUSE_BAD, "no rows");
	else
		ok = write_check(s->call->ctx->targets, &order, &s->refusal);
	ds_free(ds);
	return ok;
}

static bool check_upload(struct file_call *f)
{
	struct signed_call *s = &f->s;
	struct upload_info info = {0};
	enum err err = ERR_NOT_FOUND;

	if (token_is_hex(f->upload_id, 32))
		err =
		    upload_get(s->call->ctx->engine, f->upload_id, &f->who, &info, &s->call->error);
	if (err == ERR_OK)
		f->label = mem_strdup(info.name);
	upload_info_done(&info);
	if (err == ERR_INCOMPLETE)
		return refuse(&s->refusal, REFUSE_BAD, "the upload is not complete");
	if (err == ERR_NOT_FOUND || err == ERR_GONE)
		return refuse(&s->refusal, REFUSE_NO_FILE, "%s", "");
	return err == ERR_OK || signed_err(s, err);
}

static bool check_file(struct file_call *f)
{
	struct signed_call *s = &f->s;
	const char *name = s->file.name != NULL ? s->file.name : f->filename;

	if (f->upload_id != NULL)
		return check_upload(f);
	if (name == NULL)
		name = "contents";
	if (s->file.name == NULL && f->contents == NULL) {
		f->label = mem_strdup(name); /* compared as it is, never used as a path */
		return true;
	}
	if (!name_of(name, &f->label))
		return refuse(&s->refusal, REFUSE_BAD, "file name");
	return f->contents == NULL || check_contents(f);
}

static bool check_content(struct file_call *f)
{
	return check_source(f) && check_mail(f) && check_file(f);
}

/* ---- the upload */

/* Whose the upload and the task are: the user may exist or not. */
static void find_owner(struct file_call *f)
{
	const char *user = json_str(f->s.account, "user", f->s.visitor);

	(void)snprintf(f->who.name, sizeof(f->who.name), "%s", user);
	(void)snprintf(f->who.owner, sizeof(f->who.owner), "u:%s", user);
}

static enum err make_upload(struct file_call *f)
{
	struct signed_call *s = &f->s;
	struct engine *engine = s->call->ctx->engine;
	struct upload_spec spec = {.owner = f->who,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = f->label,
				   .length = f->contents != NULL ? (int64_t)strlen(f->contents)
								 : s->file.bytes,
				   .address = s->call->req->address};
	enum err err = ERR_OK;

	if (f->contents != NULL)
		err = spool_begin(engine, &s->file.spool, &s->call->error);
	if (err == ERR_OK && f->contents != NULL)
		err = spool_push(s->file.spool, f->contents, strlen(f->contents), &s->call->error);
	if (err == ERR_OK)
		err = upload_create(engine, &spec, &f->upload, &s->call->error);
	if (err == ERR_OK)
		err = upload_take(f->upload, s->file.spool, &s->call->error);
	return err;
}

/* ---- the task, in one transaction with everything it needs */

static json_object *new_task(const struct file_call *f)
{
	const struct signed_call *s = &f->s;
	json_object *t = json_object_new_object();
	int64_t days = json_int(s->receiver->file, "keep", 30);
	char mark[65];

	signed_once_hex(&s->once, mark);
	json_set_str(t, "kind", "import-table");
	json_set_str(t, "owner", f->who.owner);
	json_set_str(t, "account", s->visitor);
	json_set_str(t, "receiver", s->receiver->name);
	json_set_int(t, "receiver_id", s->receiver->id);
	json_set_str(t, "filename", f->label);
	json_set_bool(t, "contents_form", f->contents != NULL);
	json_set_bool(t, "own", f->upload_id == NULL);
	json_set(t, "mail", json_copy(f->mail));
	json_set_str(t, "mark", mark);
	if (s->once.on)
		json_set_str(t, "replay", mark);
	json_set_str(t, "address", s->call->req->address);
	json_set_int(t, "stamp", s->stamp_ms);
	json_set_int(t, "most", ATTEMPTS);
	json_set_int(t, "until", s->now_ms + days * DAY_MS);
	return t;
}

/* The file that was sent before under this name: what it was goes for the new task, too. */
static enum err find_again(struct pass *p, struct file_call *f, char ret_id[33])
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = tasks_of_file(p, f->s.visitor, f->s.receiver->id, f->label, &old);
	json_object *id = json_at(json_arr(old, "uploads"), 0);

	if (err == ERR_OK && (id == NULL || json_object_get_string_len(id) != 32))
		err = ERR_NOT_FOUND;
	if (err != ERR_OK)
		return err;
	memcpy(ret_id, json_object_get_string(id), 33);
	json_set_bool(f->task, "own", json_bool(old, "own", true));
	json_set_bool(f->task, "contents_form", json_bool(old, "contents_form", false));
	/* It is kept no longer than it was to be, but for this import. */
	if (json_int(old, "until", 0) > f->s.now_ms + DAY_MS)
		json_set_int(f->task, "until", json_int(old, "until", 0));
	else
		json_set_int(f->task, "until", f->s.now_ms + DAY_MS);
	return ERR_OK;
}

static enum err accept_pass(struct pass *p, void *arg)
{
	struct file_call *f = arg;
	json_object *uploads = json_object_new_array();
	char id[33] = "";
	enum err err = ERR_OK;

	json_object_put(f->old);
	json_object_put(f->task);
	f->old = NULL;
	f->task = new_task(f);
	if (f->upload != NULL)
		memcpy(id, upload_id(f->upload), sizeof(id));
	else if (f->upload_id != NULL)
		memcpy(id, f->upload_id, sizeof(id));
	else
		err = find_again(p, f, id);
	json_object_array_add(uploads, json_object_new_string(id));
	json_set(f->task, "uploads", uploads);
	if (err == ERR_OK)
		err = upload_hold(p, id, 1);
	return err == ERR_OK ? signed_claim(p, &f->s, f->task, &f->old) : err;
}

/* True: the task is there, ours or that of the first request (f->s.once.replayed). */
static bool accept(struct file_call *f)
{
	struct signed_call *s = &f->s;
	enum err err = ERR_OK;

	if (s->file.name != NULL || f->contents != NULL)
		err = make_upload(f);
	if (err == ERR_OK)
		err = uploads_commit(s->call->ctx->engine, &f->upload, f->upload != NULL ? 1 : 0,
				     accept_pass, f, &s->call->error);
	s->counted = err == ERR_OK;
	if (err != ERR_OK)
		s->task = 0;
	if (err == ERR_CONFLICT && f->old != NULL) {
		if (!signed_once_same(s, f->old))
			return false;
		s->once.replayed = true;
		s->task = json_int(f->old, "task", 0);
		return true;
	}
	if (err == ERR_NOT_FOUND)
		return refuse(&s->refusal, REFUSE_NO_FILE, "%s", "");
	return err == ERR_OK || signed_err(s, err);
}

/* ---- the answer */

struct ending {
	int64_t id;
	json_object *task; /* owned; NULL = it is gone */
};

static enum err ending_pass(struct pass *p, void *arg)
{
	struct ending *e = arg;
	enum err err;

	json_object_put(e->task);
	e->task = NULL;
	err = tasks_get(p, e->id, &e->task);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err tell(struct signed_call *s)
{
	struct ending e = {.id = s->task};
	enum err err =
	    store_pass(s->call->ctx->store, PASS_READ, "import", ending_pass, &e, &s->call->error);
	const char *state = json_str(e.task, "state", "");

	if (err != ERR_OK && !signed_err(s, err))
		err = signed_refuse(s);
	else if (strcmp(state, "done") == 0)
		err = signed_answer_file(s, 200, "success", "uploaded");
	else if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)
		err = signed_answer_file(s, 504, "timeout", "Pls wait for mail");
	else
		err = signed_answer_file(s, 200, "error",
					 json_str(e.task, "message", "database error: other"));
	json_object_put(e.task);
	return err;
}

static enum err wait_and_tell(struct file_call *f)
{
	struct signed_call *s = &f->s;

	call_wake_worker_now(s->call);
	(void)call_wait_task(s->call, s->task, s->call->ctx->config->signed_wait_s);
	return tell(s);
}

static bool identified(struct signed_call *s)
{
	if (!signed_check_head(s) || !signed_read(s))
		return false;
	if (signed_field(s, "type") != NULL && signed_field(s, "title") != NULL)
		return refuse(&s->refusal, REFUSE_BAD, "both type and title");
	return signed_check_who(s);
}

static bool take(struct file_call *f)
{
	struct signed_call *s = &f->s;

	if (!signed_check_receiver(s))
		return false;
	find_owner(f);
	if (!check_content(f))
		return false;
	if (s->call->ctx->config->read_only)
		return refuse(&s->refusal, REFUSE_UNREACHABLE, "%s", "");
	signed_once_prepare(s);
	return accept(f);
}

enum err upload_file_api_view(struct call *call)
{
	struct file_call f = {0};
	struct signed_call *s = &f.s;

	if (!call->ctx->config->signed_enabled)
		return ERR_NOT_FOUND;
	signed_begin(s, call, SIGNED_FILE);
	(void)(identified(s) && take(&f) ? wait_and_tell(&f) : signed_refuse(s));
	upload_close(f.upload);
	signed_end(s);
	json_object_put(f.mail);
	json_object_put(f.task);
	json_object_put(f.old);
	free(f.label);
	return ERR_OK;
}
