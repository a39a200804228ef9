/*
 * The save step: files stream into uploads, names and first bytes are judged, one commit makes
 * uploads, session and inspect task, and the inspection is waited for.
 * Source: contracts/wizard.md 8.
 */
#include <string.h>
#include "views/identity.h"
#include "views/target.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/queue.h"
#include "wizard/bundle.h"
#include "wizard/final.h"
#include "wizard/spill.h"
#include "wizard/task.h"

/* first bytes kept of each file: enough for every magic number and the start of text */
#define HEAD_BYTES 4096

/* One file of the request. */
struct part {
	char *field;
	char *name;	       /* display name, with its folders where the client told them */
	struct upload *upload; /* open, made by this request; NULL when named by upload= */
	char id[33];
	int64_t size; /* bytes */
	char head[HEAD_BYTES];
	size_t head_len;
};

struct save {
	struct call *call;
	struct part **parts;
	size_t n;
	int64_t total; /* bytes of all parts */
	json_object *warnings;
	/* those named by upload= were made for this session alone: they go with it */
	bool own;
	/* the commit */
	json_object *record;
	json_object *task;
	char *nonce;
	int64_t id;
	bool repeated; /* the nonce has a session already */
};

/* ---- files arrive */

static enum err size_limit(struct save *s, int64_t sent)
{
	CLEAN_FREE char *limit = text_bytes(s->call->ctx->config->max_session_bytes);
	CLEAN_FREE char *bytes = text_bytes(sent);
	json_object *p = problem_new("size_limit");
	problem_arg(p, "limit", limit);
	problem_arg(p, "sent", bytes);
	return call_fail(s->call, ERR_TOO_LARGE, p);
}

static enum err part_add(struct save *s, const char *field, const char *name, struct part **ret)
{
	int64_t most = s->call->ctx->config->max_files;
	if ((int64_t)s->n >= most)
		return call_fail(s->call, ERR_TOO_LARGE,
				 problem_arg_int(problem_new("files_limit"), "limit", most));
	struct part *p = mem_alloc(sizeof(*p));
	p->field = mem_strdup(field);
	p->name = mem_strdup(name);
	s->parts = mem_resize(s->parts, s->n + 1, sizeof(*s->parts));
	s->parts[s->n++] = p;
	*ret = p;
	return ERR_OK;
}

static enum err part_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct save *s = arg;
	struct part *p = NULL;
	CLEAN_FREE char *name = text_display_name(filename);

	if (name == NULL)
		return call_fail(s->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", field));
	enum err err = part_add(s, field, *name != '\0' ? name : "upload", &p);
	if (err != ERR_OK)
		return err;
	struct upload_spec spec = {.owner = s->call->who,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = p->name,
				   .media_type = type,
				   .length = -1,
				   .address = s->call->req->address};
	err = upload_create(s->call->ctx->engine, &spec, &p->upload, error);
	if (err == ERR_OK)
		memcpy(p->id, upload_id(p->upload), sizeof(p->id));
	return err;
}

static enum err part_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct save *s = arg;
	struct part *p = s->parts[s->n - 1];
	if (p->head_len < HEAD_BYTES) {
		size_t room = HEAD_BYTES - p->head_len, take = n < room ? n : room;
		memcpy(p->head + p->head_len, bytes, take);
		p->head_len += take;
	}
	p->size += (int64_t)n;
	s->total += (int64_t)n;
	/*
	 * A part sent twice under two names counts once; until then only twice the limit is too
	 * much.
	 */
	if (s->total > 2 * s->call->ctx->config->max_session_bytes)
		return size_limit(s, s->total);
	return upload_push(p->upload, bytes, n, error);
}

static enum err part_end(void *arg, struct error *error)
{
	struct save *s = arg;
	return upload_push_end(s->parts[s->n - 1]->upload, false, error);
}

static void part_free(struct part *p)
{
	upload_close(p->upload);
	free(p->field);
	free(p->name);
	free(p);
}

/* Whatever this request received and did not keep goes; uploads named by upload= stay. */
static void parts_drop(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->parts[i]->upload != NULL)
			(void)upload_remove(s->parts[i]->upload, UPLOAD_DELETED, NULL);
		part_free(s->parts[i]);
	}
	free(s->parts);
	s->parts = NULL;
	s->n = 0;
}

static void part_remove(struct save *s, size_t i)
{
	if (s->parts[i]->upload != NULL)
		(void)upload_remove(s->parts[i]->upload, UPLOAD_DELETED, NULL);
	part_free(s->parts[i]);
	memmove(s->parts + i, s->parts + i + 1, (s->n - i - 1) * sizeof(*s->parts));
	s->n--;
}

/* GeoNode's page sends the main file twice: equal name, size and content are stored once. */
static void drop_doubles(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t j = s->n; j-- > i + 1;) {
			struct part *a = s->parts[i], *b = s->parts[j];
			if (a->upload == NULL || b->upload == NULL ||
			    strcmp(a->name, b->name) != 0 || a->size != b->size ||
			    !upload_same_content(a->upload, b->upload))
				continue;
			s->total -= b->size;
			part_remove(s, j);
		}
	}
}

/* Named before in this request? */
static bool is_taken(const struct save *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->parts[i]->upload == NULL && strcmp(s->parts[i]->id, id) == 0)
			return true;
	}
	return false;
}

static enum err refuse_upload(struct call *call, enum err err, const char *id)
{
	struct upload_info info = {0};

	/* What is wrong with us is not the upload's fault. */
	if (err != ERR_NOT_FOUND && err != ERR_GONE && err != ERR_INCOMPLETE)
		return err;
	call->error = (struct error){0};
	if (err == ERR_INCOMPLETE &&
	    upload_status(call->ctx->engine, id, &call->who, &info, NULL) == ERR_OK)
		err = call_incomplete(call, ERR_CONFLICT, id, &info);
	else
		err = call_fail(call, ERR_NOT_FOUND,
				problem_str(problem_new("upload_unknown"), "value", id));
	upload_info_done(&info);
	return err;
}

/*
 * upload=<id>: complete uploads made through any transport.  A folder told with them keeps files of
 * one name apart, as in an archive.
 */
static enum err take_uploads(struct save *s)
{
	struct call *call = s->call;
	const char *own = form_get(&call->form, "upload_own");
	if (own != NULL && *own != '\0' && !text_bool(own, &s->own))
		return call_fail(
		    call, ERR_BAD_REQUEST,
		    problem_str(problem_str(problem_new("bad_boolean"), "field", "upload_own"),
				"value", own));
	for (size_t i = 0; i < call->form.fields.n; i++) {
		struct pair *f = &call->form.fields.v[i];
		struct upload_info info = {0};
		if (strcmp(f->name, "upload") != 0 || *f->value == '\0')
			continue;
		if (is_taken(s, f->value))
			continue;
		enum err err =
		    upload_get(call->ctx->engine, f->value, &call->who, &info, &call->error);
		if (err != ERR_OK)
			return refuse_upload(call, err, f->value);
		struct part *p = NULL;
		err = part_add(s, "upload", info.rel_path != NULL ? info.rel_path : info.name, &p);
		if (err != ERR_OK) {
			upload_info_done(&info);
			return err;
		}
		memcpy(p->id, info.id, sizeof(p->id));
		p->size = info.offset;
		s->total += p->size;
		p->head_len = upload_head(call->ctx->engine, &info, p->head, sizeof(p->head));
		upload_info_done(&info);
	}
	return ERR_OK;
}

/* ---- what the files are */

/* G2's forms have server-side paths; ours refuse them. */
static enum err refuse_paths(struct call *call)
{
	for (size_t i = 0; i < call->form.fields.n; i++) {
		struct pair *f = &call->form.fields.v[i];
		if (text_ends_icase(f->name, "_file_path") && *f->value != '\0')
			return call_fail(
			    call, ERR_BAD_REQUEST,
			    problem_str(problem_new("path_not_allowed"), "field", f->name));
	}
	return ERR_OK;
}

/* Bundles from names and first bytes; fills kind, bundles and warnings of RECORD's session. */
static enum err judge_files(struct save *s, struct session *session)
{
	struct bundle_set set = {0};
	struct bundle_file *files = mem_array(s->n, sizeof(*files));
	json_object *uploads = json_object_new_array(), *p = NULL;

	for (size_t i = 0; i < s->n; i++) {
		files[i] = (struct bundle_file){.name = s->parts[i]->name,
						.size = s->parts[i]->size,
						.head = s->parts[i]->head,
						.head_len = s->parts[i]->head_len};
	}
	bundle_sort(files, s->n, false, s->call->ctx->config->extra_drivers, &set);
	session->kind = set.kind;
	for (size_t i = 0; i < s->n; i++) {
		json_object *u = json_object_new_object();
		json_set_str(u, "id", s->parts[i]->id);
		json_set_str(u, "name", s->parts[i]->name);
		json_set_int(u, "size", s->parts[i]->size);
		json_set_bool(u, "own", s->parts[i]->upload != NULL || s->own);
		json_set_bool(u, "named", s->parts[i]->upload == NULL);
		json_set_str(u, "role",
			     files[i].role == 1	  ? "main"
			     : files[i].role == 2 ? "side"
						  : "unused");
		json_object_array_add(uploads, u);
	}
	json_set(session->doc, "uploads", uploads);
	JSON_EACH(p, set.warnings)
	problems_add(&s->warnings, json_object_get(p));
	enum err err = ERR_OK;
	JSON_EACH(p, set.problems)
	err = call_fail(s->call, ERR_BAD_REQUEST, json_object_get(p));
	bundle_set_done(&set);
	free(files);
	return err;
}

/* A title for the session: the main file's name without its extension. */
static char *session_name(const struct save *s)
{
	const char *name = s->n > 0 ? s->parts[0]->name : "upload";
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->parts[i]->field, "base_file") == 0)
			name = s->parts[i]->name;
	}
	const char *slash = strrchr(name, '/');
	name = slash != NULL ? slash + 1 : name;
	const char *dot = strrchr(name, '.');
	size_t len = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
	return mem_strndup(name, text_cut(name, len, 64));
}

/* A dataset that may not be changed is told before the wizard is gone through. */
static enum err check_target(struct call *call, struct session *session, json_object *input,
			     bool time_said)
{
	json_object *dataset = NULL;
	if (json_int(input, "layer_id", 0) == 0)
		return ERR_OK;
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(input, "layer_id", 0));
	enum err err = target_find(call, id, &dataset);
	if (err != ERR_OK)
		return err;
	/* The pages begin with what was answered the last time. */
	json_set(session->doc, "earlier", json_copy(json_obj(dataset, "answers")));
	if (!time_said && json_obj(dataset, "time") != NULL)
		json_set_bool(input, "time", true);
	json_object_put(dataset);
	return ERR_OK;
}

static enum err check_fields(struct save *s, struct session *session)
{
	struct call *call = s->call;
	json_object *fields = form_fields(&call->form), *input = NULL, *errors = NULL, *p = NULL;
	static const char *const target[] = {"layer_id", "mode"};
	for (size_t i = 0; i < sizeof(target) / sizeof(*target); i++) {
		const char *value = req_query(call->req, target[i]);
		if (value != NULL && json_get(fields, target[i]) == NULL)
			json_set_str(fields, target[i], value);
	}
	save_check(fields, subject_exists, call, &input, &errors, &s->warnings);
	bool time_said = json_get(fields, "time") != NULL;
	json_object_put(fields);
	enum err err = ERR_OK;
	JSON_EACH(p, errors)
	err = call_fail(call, ERR_BAD_REQUEST, json_object_get(p));
	json_object_put(errors);
	if (err == ERR_OK)
		err = check_target(call, session, input, time_said);
	if (err != ERR_OK) {
		json_object_put(input);
		return err;
	}
	json_set_bool(session->doc, "non_interactive", json_bool(input, "non_interactive", false));
	/* The step table knows the session alone: what the site switched off was not asked for. */
	if (!call->ctx->config->time_enabled)
		json_set_bool(input, "time", false);
	(void)session_set_input(session, STEP_SAVE, input);
	return ERR_OK;
}

/* ---- one commit */

static enum err commit_pass(struct pass *p, void *arg)
{
	struct save *s = arg;
	size_t open = 0;
	enum err err = sessions_count_open(p, s->call->who.owner, &open);
	s->repeated = false;
	if (err == ERR_OK && (int64_t)open >= s->call->ctx->config->max_open_sessions)
		return ERR_RATE;
	for (size_t i = 0; err == ERR_OK && i < s->n; i++)
		err = upload_hold(p, s->parts[i]->id, 1);
	if (err != ERR_OK)
		return err;
	err = queue_create(p, s->record, s->nonce, s->task, &s->id);
	s->repeated = err == ERR_CONFLICT;
	return err;
}

static enum err commit(struct save *s, struct session *session)
{
	struct call *call = s->call;
	const struct config *c = call->ctx->config;
	struct upload **own = mem_array(s->n, sizeof(*own));
	size_t n_own = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->parts[i]->upload != NULL)
			own[n_own++] = s->parts[i]->upload;
	}
	const char *nonce = form_get(&call->form, "nonce");
	if (nonce == NULL || *nonce == '\0')
		nonce = req_header(call->req, "Idempotency-Key");
	s->nonce =
	    nonce != NULL && *nonce != '\0' && strlen(nonce) <= 128 ? mem_strdup(nonce) : NULL;
	s->record = spill_record(session, clock_now_ms());
	s->task = task_inspect(session, c);
	enum err err = uploads_commit(call->ctx->engine, own, n_own, commit_pass, s, &call->error);
	free(own);
	if (err == ERR_RATE && *call->error.code == '\0') {
		call->error = (struct error){0};
		return call_fail(call, err,
				 problem_arg_int(problem_new("open_sessions_limit"), "limit",
						 c->max_open_sessions));
	}
	if (err == ERR_CONFLICT && s->repeated) {
		call->error = (struct error){0};
		parts_drop(s);
		return ERR_OK;
	}
	return err;
}

/* ---- the answer */

static bool is_strict_post(const struct call *call)
{
	return call->mode == MODE_STRICT;
}

/*
 * Inspection found within the wait that the file is no good: the save itself fails and leaves
 * nothing.
 */
static enum err fail_save(struct turn *t)
{
	struct call *call = t->call;
	const char *code = json_str(t->s->doc, "code", "inspect_failed");
	enum err fault = failure_fault(code);
	json_object *p = NULL, *u = NULL;
	JSON_EACH(p, json_arr(t->s->doc, "problems"))
	(void)call_fail(call, fault, json_object_get(p));
	/* What came before this request outlives it: the next try names it again. */
	JSON_EACH(u, json_arr(t->s->doc, "uploads"))
	{
		if (json_bool(u, "named", false))
			json_set_bool(u, "own", false);
	}
	if (call->problems == NULL)
		(void)call_fail(call, fault, problem_new(code));
	enum err err = session_remove(t);
	return err == ERR_OK ? fault : err;
}

/*
 * Is the file no good?  What is short just now may be there in a moment: nobody need send gigabytes
 * again for that.
 */
static bool file_refused(const struct session *s)
{
	return s->state == STATE_INVALID && !session_inspected(s) && !session_not_started(s);
}

static enum err answer(struct save *s)
{
	struct call *call = s->call;
	struct turn t;
	enum err err = turn_begin(call, s->id, s->repeated, &t);
	if (err != ERR_OK)
		return err;
	if (s->repeated)
		err = start_anew(&t);
	call_wake_worker(call);
	if (err == ERR_OK)
		err = turn_wait(&t, call->ctx->config->inspect_wait_s);
	if (err == ERR_OK && file_refused(t.s)) {
		err = fail_save(&t);
	} else if (err == ERR_OK) {
		t.warnings = s->warnings;
		s->warnings = NULL;
		err = next_step_response(&t);
		if (err == ERR_OK && is_strict_post(call) && call->reply->status == 200) {
			CLEAN_FREE char *where =
			    call_url(call, "/upload/?id=%lld", (long long)s->id);
			call->reply->status = 201;
			reply_header(call->reply, "Location", where);
		}
	}
	turn_end(&t);
	return err;
}

static enum err receive(struct save *s)
{
	struct call *call = s->call;
	const struct config *c = call->ctx->config;
	struct form_sink sink = {.begin = part_begin, .data = part_data, .end = part_end, .arg = s};

	if (call->req->content_length > c->max_session_bytes + MIB)
		return size_limit(s, call->req->content_length);
	enum err err = form_read(call->req, &call->form, &sink, &call->error);
	if (err == ERR_OK)
		err = dispatch_csrf(call);
	if (err == ERR_OK)
		err = refuse_paths(call);
	if (err == ERR_OK)
		err = take_uploads(s);
	if (err != ERR_OK)
		return err;
	drop_doubles(s);
	if (s->total > c->max_session_bytes)
		return size_limit(s, s->total);
	if (s->n == 0)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("file_missing"), "field", "files"));
	return ERR_OK;
}

/* After an error every byte of this request is forgotten; a page keeps what was typed. */
static enum err save_post(struct call *call)
{
	struct save s = {.call = call};
	struct session *session = NULL;
	int64_t now = clock_now_ms();
	identity_keep(call);
	enum err err = receive(&s);

	if (err == ERR_OK) {
		CLEAN_FREE char *name = session_name(&s);
		session = session_new(call->who.owner, name, now,
				      now + call->ctx->config->session_expiry_hours * 3600000);
		turn_recall_crs(call, session);
		err = judge_files(&s, session);
	}
	if (err == ERR_OK)
		err = check_fields(&s, session);
	if (err == ERR_OK)
		err = commit(&s, session);
	if (err == ERR_OK) {
		for (size_t i = 0; i < s.n; i++)
			part_free(s.parts[i]);
		free(s.parts);
		s.parts = NULL;
		s.n = 0;
		err = answer(&s);
	} else {
		parts_drop(&s);
	}
	session_free(session);
	json_object_put(s.record);
	json_object_put(s.task);
	json_object_put(s.warnings);
	free(s.nonce);
	return err;
}

enum err save_step_view(struct call *call)
{
	if (call->req->method != METHOD_POST)
		return save_page(call, 200);
	enum err err = save_post(call);
	/* People get their page back with the sentence above it; scripts get the error shape. */
	if (call->mode == MODE_HTML && call->problems != NULL &&
	    (err == ERR_BAD_REQUEST || err == ERR_TOO_LARGE || err == ERR_NOT_FOUND ||
	     err == ERR_CONFLICT || err == ERR_RATE)) {
		call->reply->close_early = true;
		return save_page(call, err_status(err));
	}
	return err;
}
