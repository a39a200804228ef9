/*
 * A data item's file arrives: from its start or from where it stopped.
 * Source: contracts/datas.md 9; contracts/uploadtasks.md 6.
 */
#include <string.h>
#include <strings.h>
#include "views/file_body.h"
#include "views/mycontent_file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "views/views.h"

#define FORM_MOST                                                                                  \
	(64 * KIB) /* bytes of a form around its file, for what its length says of the file */

struct filling {
	struct call *call;
	json_object *model; /* owned */
	struct file_body body;
	struct upload *upload; /* open and locked once the file has begun */
	int64_t offset;	       /* asked for; 0 = anew */
	int64_t last, total;   /* of Content-Range; -1 = not told */
	bool noted;	       /* the item knows the upload */
};

static int64_t promised_size(const struct filling *f)
{
	return json_int(json_obj(f->model, "work"), "fileSize", -1);
}

static bool replaces(const struct filling *f)
{
	return json_str(f->model, "upload", NULL) != NULL;
}

/* ---- what the request says */

static enum err read_offset(struct filling *f)
{
	const char *range = req_header(f->call->req, "Content-Range");
	const char *offset = file_body_param(f->call, &f->body, "offset");
	int64_t first = 0, size = promised_size(f);

	f->last = f->total = -1;
	f->offset = 0;
	if (offset != NULL && !text_int(offset, 0, INT64_MAX, &f->offset))
		return supermap_fail(f->call, ERR_BAD_REQUEST, "supermap_parameter", "offset");
	if (range == NULL || *range == '\0')
		return ERR_OK;
	if (!content_range_parse(range, &first, &f->last, &f->total) ||
	    (offset != NULL && first != f->offset) ||
	    (f->total >= 0 && size >= 0 && f->total != size))
		return supermap_fail(f->call, ERR_BAD_REQUEST, "supermap_parameter",
				     "Content-Range");
	f->offset = first;
	return ERR_OK;
}

/* How long the file will be as far as its request tells: -1 = unknown. */
static int64_t expected_size(const struct filling *f)
{
	int64_t length = f->call->req->content_length;

	if (f->total >= 0)
		return f->total;
	if (promised_size(f) >= 0)
		return promised_size(f);
	return length < 0 ? -1 : f->offset + length;
}

/* Columns and encoding as fields beside the file. */
static json_object *meta_of(const struct filling *f)
{
	static const char *const names[] = {"xIndex",	 "yIndex",	   "fieldTypes",
					    "separator", "firstRowIsHead", "fileEncoding"};
	json_object *old = json_obj(f->model, "dataMetaInfo"), *meta = NULL;
	int64_t n;
	bool yes;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *v = file_body_param(f->call, &f->body, names[i]);
		if (v == NULL)
			continue;
		if (meta == NULL)
			meta = old != NULL ? json_copy(old) : json_object_new_object();
		if (i < 2 && text_int(v, 0, INT32_MAX, &n))
			json_set_int(meta, names[i], n);
		else if (i == 4 && text_bool(v, &yes))
			json_set_bool(meta, names[i], yes);
		else
			json_set_str(meta, names[i], v);
	}
	return meta;
}

/* ---- the upload */

static enum err busy(struct call *call)
{
	call->error = (struct error){0};
	return supermap_fail(call, ERR_CONFLICT, "upload_task_busy", NULL);
}

static enum err wrong_offset(struct call *call, int64_t right)
{
	return call_fail(call, ERR_CONFLICT,
			 problem_arg_int(problem_new("upload_task_offset"), "offset", right));
}

/* A new upload for the item, in place of OLD (open and locked; NULL = none), which goes. */
static enum err start_anew(struct filling *f, struct upload *old)
{
	struct call *call = f->call;
	struct upload *u = NULL;
	bool raw = call->req->body_type != BODY_MULTIPART;
	int64_t size = promised_size(f), length = call->req->content_length;
	struct upload_spec spec = {.owner = call->who,
				   .adapter = "iportal",
				   .mode = UPLOAD_APPEND,
				   .name = json_str(f->model, "fileName", "upload"),
				   .length = size >= 0 ? size
					     : raw     ? length
						       : -1,
				   .hash = 1u << DIGEST_MD5,
				   .address = call->req->address};
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);

	if (err != ERR_OK)
		return err;
	err = mycontent_note_filling(call, f->model, upload_id(u), expected_size(f));
	if (err != ERR_OK) {
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
		upload_close(u);
		return err == ERR_CONFLICT ? busy(call) : err;
	}
	if (old != NULL)
		(void)upload_remove(old, UPLOAD_DELETED, NULL);
	f->upload = u;
	f->noted = true;
	return ERR_OK;
}

/* Open or make what this request writes to. */
static enum err take_upload(struct filling *f)
{
	struct call *call = f->call;
	const char *id = mycontent_filling(f->model);
	struct upload *u = NULL;
	enum err err = ERR_NOT_FOUND;

	if (*id != '\0')
		err = upload_open(call->ctx->engine, id, NULL, UPLOAD_WANT_TAKEOVER, &u,
				  &call->error);
	if (err == ERR_LOCKED)
		return busy(call);
	if (err == ERR_NOT_FOUND || err == ERR_GONE) {
		call->error = (struct error){0};
		err = ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	if (f->offset > 0 && (u == NULL || upload_offset(u) != f->offset)) {
		err = wrong_offset(call, u != NULL ? upload_offset(u) : 0);
	} else if (u != NULL && f->offset > 0) {
		f->upload = u;
		f->noted = true;
		return ERR_OK;
	} else {
		err = start_anew(f, u);
	}
	upload_close(u);
	return err;
}

/* ---- the body */

static enum err file_begin(void *arg, struct error *error)
{
	struct filling *f = arg;
	const struct config *c = f->call->ctx->config;
	int64_t length = f->call->req->content_length;
	bool form = f->call->req->body_type == BODY_MULTIPART;
	enum err err = read_offset(f);

	(void)error;
	if (err == ERR_OK && length - (form ? FORM_MOST : 0) > c->upload_max_size - f->offset)
		err = error_set(&f->call->error, ERR_TOO_LARGE, "over upload.max_size");
	return err == ERR_OK ? take_upload(f) : err;
}

static enum err file_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct filling *f = arg;

	return upload_push(f->upload, bytes, n, error);
}

static enum err file_idle(void *arg, struct error *error)
{
	struct filling *f = arg;

	/* No bytes, but it asks whether a newcomer waits. */
	return upload_push(f->upload, "", 0, error);
}

static enum err check_size(struct filling *f)
{
	int64_t size = promised_size(f), got = upload_offset(f->upload);

	if (size >= 0 && got > size)
		return error_set(&f->call->error, ERR_EXCEEDED, "more bytes than fileSize");
	if ((size >= 0 && got < size) || (f->last >= 0 && got <= f->last))
		return error_set(&f->call->error, ERR_CUT, "fewer bytes than announced");
	return ERR_OK;
}

static enum err check_md5(struct filling *f)
{
	const char *want = json_str(json_obj(f->model, "work"), "md5", NULL);
	char md5[33];
	enum err err = want != NULL ? upload_md5(f->upload, md5, &f->call->error) : ERR_OK;

	if (err != ERR_OK || want == NULL || token_equal(md5, want))
		return err;
	return supermap_fail(f->call, ERR_DIGEST, "upload_task_md5", NULL);
}

static enum err hold_pass(struct pass *p, void *arg)
{
	return upload_hold(p, arg, 1);
}

static enum err finish(struct filling *f)
{
	CLEAN_JSON json_object *meta = meta_of(f);
	CLEAN_FREE char *id = mem_strdup(upload_id(f->upload));
	enum err err = upload_push_end(f->upload, false, &f->call->error);

	if (err == ERR_OK)
		err = uploads_commit(f->call->ctx->engine, &f->upload, 1, hold_pass, id,
				     &f->call->error);
	return err == ERR_OK ? mycontent_settle(f->call, f->model, meta) : err;
}

/* What becomes of the item when its file's body failed with ERR. */
static void after_failure(struct filling *f, enum err err)
{
	struct error why = f->call->error;
	bool cut = err == ERR_CUT || err == ERR_NO_SPACE || err == ERR_STOPPING ||
		   (f->offset > 0 && err == ERR_BAD_REQUEST);

	if (!f->noted || f->upload == NULL || err == ERR_DISPLACED)
		return;
	f->call->error = (struct error){0};
	/* A first filling can go on later; a failed replacement leaves the old file alone. */
	if (cut && !replaces(f)) {
		(void)upload_push_end(f->upload, false, NULL);
	} else if (!upload_is_complete(f->upload)) {
		(void)upload_remove(f->upload, UPLOAD_INVALID, NULL);
		(void)mycontent_give_up(f->call, f->model);
	} else if (err != ERR_CONFLICT && err != ERR_NOT_FOUND) {
		/* Held already, but the item could not be told.  (Else: settled, or let go.) */
		mycontent_let_go(f->call, upload_id(f->upload));
		(void)mycontent_give_up(f->call, f->model);
	}
	f->call->error = why;
}

static enum err receive(struct filling *f)
{
	struct file_sink sink = {.begin = file_begin,
				 .data = file_data,
				 .idle = file_idle,
				 .arg = f,
				 .sized = promised_size(f) >= 0};
	enum err err = file_body_read(f->call, &sink, &f->body, &f->call->error);

	if (err == ERR_OK)
		err = check_size(f);
	if (err == ERR_OK)
		err = check_md5(f);
	if (err == ERR_OK)
		err = finish(f);
	if (err != ERR_OK)
		after_failure(f, err);
	return err;
}

enum err mycontent_upload_view(struct call *call)
{
	struct filling f = {.call = call};
	enum err err = datas_find(call, ITEM_DELETE, &f.model);

	if (err == ERR_OK && call->req->content_length == 0)
		err = supermap_fail(call, ERR_BAD_REQUEST, "datas_no_file", NULL);
	if (err == ERR_OK)
		err = mycontent_heal(call, &f.model);
	if (err == ERR_OK)
		err = read_offset(&f);
	if (err == ERR_OK)
		err = receive(&f);
	if (err == ERR_OK) {
		mycontent_publish_again(call, json_int(f.model, "id", 0));
		err = mycontent_post_result(call, 200, json_int(f.model, "id", 0));
	}
	upload_close(f.upload);
	file_body_done(&f.body);
	json_object_put(f.model);
	return err;
}

/* ---- how far is it? */

enum err mycontent_progress_view(struct call *call)
{
	json_object *model = NULL, *m = NULL;
	struct upload_info info = {0};
	int64_t read = -1;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	if (err == ERR_OK)
		err = mycontent_heal(call, &model);
	if (err == ERR_OK && *mycontent_filling(model) != '\0' &&
	    upload_status(call->ctx->engine, mycontent_filling(model), NULL, &info, NULL) ==
		ERR_OK &&
	    info.writing) {
		int64_t total = json_int(json_obj(model, "work"), "expected", -1);
		read = total > 0
			   ? (info.stored >= total
				  ? 99
				  : (int64_t)((__uint128_t)info.stored * 100 / (__uint128_t)total))
			   : 0;
	}
	upload_info_done(&info);
	if (err == ERR_OK) {
		m = json_object_new_object();
		json_set_str(m, "id", read < 0 ? "null" : json_str(model, "storageId", ""));
		json_set_int(m, "read", read);
		json_set_int(m, "total", read < 0 ? -1 : 100);
		err = supermap_answer(call, 200, "Progress", m);
	}
	json_object_put(model);
	return err;
}
