/*
 * The file of an upload task arrives: from its start or from where it stopped, under the engine's
 * lock.
 * Source: contracts/uploadtasks.md 6.
 */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/upload_tasks.h"
#include "store/uploads.h"
#include "views/uploadtask.h"

/* Bytes of a form around its file, for what its length says of the file. */
#define FORM_MOST (64 * KIB)
/* Looks at an upload that others may be exchanging, and the time between two. */
#define TRIES  10
#define TRY_MS 20

struct sending {
	struct call *call;
	struct uploadtask task;
	struct area area;
	struct file_body body;
	struct upload *upload; /* open and locked once the file has begun */
	int64_t offset;	       /* asked for; 0 = anew */
	int64_t last, total;   /* of Content-Range; -1 = not told */
	bool by_offset;	       /* the request said where it goes on */
	bool spoiled;	       /* a target that can be none: state ERROR */
};

/* ---- what the request says */

static enum err bad_parameter(struct call *call, const char *name)
{
	return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", name);
}

static enum err read_offset(struct sending *s)
{
	const char *range = req_header(s->call->req, "Content-Range");
	const char *offset = file_body_param(s->call, &s->body, "offset");
	int64_t first = 0;

	s->last = s->total = -1;
	s->offset = 0;
	if (offset != NULL && !text_int(offset, 0, INT64_MAX, &s->offset))
		return bad_parameter(s->call, "offset");
	if (range != NULL && *range != '\0') {
		int64_t size = json_int(s->task.record, "size", -1);

		if (!content_range_parse(range, &first, &s->last, &s->total) ||
		    (offset != NULL && first != s->offset) ||
		    (s->total >= 0 && size >= 0 && s->total != size))
			return bad_parameter(s->call, "Content-Range");
		s->offset = first;
	}
	s->by_offset = s->offset > 0;
	return ERR_OK;
}

static enum err read_bool(struct sending *s, const char *name, bool def, bool *ret)
{
	const char *value = file_body_param(s->call, &s->body, name);

	*ret = def;
	if (value == NULL)
		return ERR_OK;
	if (text_ieq(value, "true") || strcmp(value, "1") == 0)
		*ret = true;
	else if (text_ieq(value, "false") || strcmp(value, "0") == 0)
		*ret = false;
	else
		return bad_parameter(s->call, name);
	return ERR_OK;
}

/*
 * The flags; their words are checked before a byte is taken, and again with the fields behind the
 * file.
 */
static enum err read_flags(struct sending *s, struct task_file *file)
{
	enum err err =
	    read_bool(s, "overwrite", s->call->ctx->config->iserver_overwrite, &file->overwrite);

	return err == ERR_OK ? read_bool(s, "unzip", false, &file->unzip) : err;
}

/* The last name in what a client called its file. */
static const char *base_name(const char *name)
{
	const char *slash = strrchr(name, '/'), *back = strrchr(name, '\\');

	if (slash == NULL || (back != NULL && back > slash))
		slash = back;
	return slash != NULL ? slash + 1 : name;
}

/* Where the file shall lie: toFile, else the task's path, else the name it came with. */
static enum err read_target(struct sending *s, char **ret)
{
	const char *given = file_body_param(s->call, &s->body, "toFile");
	const char *path = json_str(s->task.record, "path", NULL);
	enum err err;

	if (given == NULL && path != NULL) {
		*ret = mem_strdup(path);
		return ERR_OK;
	}
	if (given == NULL && s->body.filename != NULL)
		given = base_name(s->body.filename);
	if (given == NULL || *given == '\0')
		return supermap_fail(s->call, ERR_BAD_REQUEST, "upload_task_target", "toFile");
	err = area_target(&s->area, given, true, ret, &s->call->error);
	s->spoiled = err == ERR_BAD_REQUEST;
	return err;
}

/* ---- room, before the first byte */

static enum err promised_pass(struct pass *p, void *arg)
{
	return uploads_promised(p, arg);
}

/* A file of unknown size may be as long as its request: is there room for that? */
static enum err check_length(struct sending *s)
{
	const struct config *c = s->call->ctx->config;
	int64_t length = s->call->req->content_length, promised = 0, want;
	bool form = s->call->req->body_type == BODY_MULTIPART;
	struct fs_space space;
	CLEAN_FD int data = -1;
	enum err err;

	if (length < 0)
		return ERR_OK;
	if (length - (form ? FORM_MOST : 0) > c->upload_max_size - s->offset)
		return error_set(&s->call->error, ERR_TOO_LARGE, "over upload.max_size");
	if (json_int(s->task.record, "size", -1) >= 0)
		return ERR_OK;
	err = uploadtask_room(s->call, &s->area, length);
	if (err != ERR_OK)
		return err;
	err = store_pass(s->call->ctx->store, PASS_READ, "promised", promised_pass, &promised,
			 &s->call->error);
	data = fs_open_dir(AT_FDCWD, c->data_dir);
	if (err == ERR_OK && data >= 0)
		err = fs_space(data, &space, &s->call->error);
	if (err != ERR_OK || data < 0)
		return err;
	if (__builtin_add_overflow(length, promised, &want) ||
	    __builtin_add_overflow(want, c->upload_min_free, &want) || space.bytes < want)
		return error_set(&s->call->error, ERR_NO_SPACE, "under upload.min_free");
	return ERR_OK;
}

/* ---- the upload */

static enum err wrong_offset(struct sending *s, int64_t right)
{
	json_object *p = problem_new("upload_task_offset");

	return call_fail(s->call, ERR_CONFLICT, problem_arg_int(p, "offset", right));
}

static enum err busy(struct call *call)
{
	call->error = (struct error){0};
	return supermap_fail(call, ERR_CONFLICT, "upload_task_busy", NULL);
}

/*
 * A new upload under the old task.  First the record forgets the old one, so that a crash in
 * between leaves a task that can be started again; of two who try, one finds the record changed.
 */
static enum err start_anew(struct sending *s)
{
	struct uploadtask *t = &s->task;
	CLEAN_FREE char *old = mem_strdup(json_str(t->record, "upload", NULL));
	struct upload *u = NULL;
	enum err err;

	json_set_str(t->record, "state", "error");
	json_set_str(t->record, "upload", NULL);
	json_set_str(t->record, "md5_real", NULL);
	json_set(t->record, "partial", NULL);
	json_set_int(t->record, "expires", clock_now_ms() + TASK_KEEP_MS(s->call->ctx->config));
	err = old == NULL ? ERR_OK : uploadtask_store(t, PASS_SYNC, old);
	if (err == ERR_OK && s->upload != NULL)
		err = upload_remove(s->upload, UPLOAD_DELETED, &s->call->error);
	upload_close(s->upload);
	s->upload = NULL;
	if (err == ERR_OK)
		err = uploadtask_create_upload(s->call, json_str(t->record, "path", NULL),
					       json_int(t->record, "size", -1), &u);
	if (err != ERR_OK)
		return err == ERR_CONFLICT ? busy(s->call) : err;
	json_set_str(t->record, "state", "open");
	json_set_str(t->record, "upload", upload_id(u));
	json_set_int(t->record, "total", -1);
	json_set_int(t->record, "expires", uploadtask_end(s->call, clock_now_ms()));
	err = uploadtask_store(t, PASS_SYNC, NULL);
	if (err != ERR_OK) {
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
		upload_close(u);
		return err == ERR_CONFLICT ? busy(s->call) : err;
	}
	s->upload = u;
	return ERR_OK;
}

/* The task's upload, locked.  ERR_GONE: it is another one by now, or none. */
static enum err open_upload(struct sending *s)
{
	const char *id = json_str(s->task.record, "upload", "");
	struct upload_info info = {0};
	enum err err = upload_status(s->call->ctx->engine, id, NULL, &info, &s->call->error);
	bool placing = err == ERR_OK && info.writing && info.state == UPLOAD_COMPLETE;

	/* Whole and being placed: silent, but not stalled. */
	upload_info_done(&info);
	if (placing)
		return busy(s->call);
	if (err == ERR_OK)
		err = upload_open(s->call->ctx->engine, id, &s->call->who, UPLOAD_WANT_TAKEOVER,
				  &s->upload, &s->call->error);
	if (err == ERR_LOCKED)
		return busy(s->call);
	if (err == ERR_NOT_FOUND)
		err = ERR_GONE;
	if (err == ERR_GONE)
		s->call->error = (struct error){0};
	return err;
}

/* Open or make what this request writes to. */
static enum err take_upload(struct sending *s)
{
	enum err err;

	for (int tries = 1;; tries++) {
		const char *state = json_str(s->task.record, "state", "");

		if (strcmp(state, "completed") == 0)
			return supermap_fail(s->call, ERR_CONFLICT, "upload_task_completed", NULL);
		if (strcmp(state, "error") == 0)
			return s->by_offset ? wrong_offset(s, 0) : start_anew(s);
		err = open_upload(s);
		if (err != ERR_GONE || tries == TRIES)
			break;
		CLEAN_FREE char *before = mem_strdup(json_str(s->task.record, "upload", ""));
		err = uploadtask_reload(&s->task);
		if (err != ERR_OK)
			return err;
		/* The same upload still, and gone: it has expired, or whoever took it is about to
		 * say so. */
		if (strcmp(before, json_str(s->task.record, "upload", "")) == 0)
			clock_sleep_ms(TRY_MS);
	}
	if (err == ERR_NOT_FOUND || err == ERR_GONE)
		return supermap_fail(s->call, ERR_NOT_FOUND, "upload_task_unknown", NULL);
	if (err != ERR_OK)
		return err;
	if (s->by_offset)
		return upload_offset(s->upload) == s->offset
			   ? ERR_OK
			   : wrong_offset(s, upload_offset(s->upload));
	return upload_offset(s->upload) > 0 || upload_is_complete(s->upload) ? start_anew(s)
									     : ERR_OK;
}

/* What others tell while it comes: its target and how long it will be. */
static enum err note(struct sending *s, const char *path)
{
	json_object *r = s->task.record;
	int64_t length = s->call->req->content_length;
	int64_t total = s->total >= 0 ? s->total : length >= 0 ? s->offset + length : -1;

	if (strcmp(json_str(r, "path", ""), path) == 0 &&
	    (json_int(r, "size", -1) >= 0 || json_int(r, "total", -1) == total))
		return ERR_OK;
	json_set_str(r, "path", path);
	json_set_int(r, "total", total);
	return uploadtask_store(&s->task, PASS_WRITE_NOSYNC, json_str(r, "upload", ""));
}

/* ---- the body */

/* A raw body of no bytes is a file only when an empty one was announced, or nothing is missing. */
static enum err check_body(struct sending *s)
{
	if (s->call->req->content_length != 0 || s->by_offset ||
	    json_int(s->task.record, "size", -1) == 0)
		return ERR_OK;
	(void)error_set(&s->call->error, ERR_BAD_REQUEST, "no body");
	return error_code(&s->call->error, ERR_BAD_REQUEST, "file_missing");
}

/* Is the file as long as announced? */
static enum err check_size(struct sending *s)
{
	int64_t size = json_int(s->task.record, "size", -1), got = upload_offset(s->upload);

	if (size < 0)
		size = s->total;

	if (size >= 0 && got > size)
		return error_set(&s->call->error, ERR_EXCEEDED, "more bytes than fileSize");
	if ((size >= 0 && got < size) || (s->last >= 0 && got <= s->last))
		return error_set(&s->call->error, ERR_CUT, "fewer bytes than announced");
	return ERR_OK;
}

static enum err file_begin(void *arg, struct error *error)
{
	struct sending *s = arg;
	CLEAN_FREE char *path = NULL;
	struct task_file flags = {0};
	enum err err = read_offset(s);

	(void)error;
	if (err == ERR_OK)
		err = check_body(s);
	if (err == ERR_OK)
		err = read_flags(s, &flags);
	if (err == ERR_OK)
		err = read_target(s, &path);
	if (err == ERR_OK)
		err = check_length(s);
	if (err == ERR_OK || s->spoiled) {
		struct error why = s->call->error;
		/* A busy or finished task says so first. */
		enum err taken = take_upload(s);
		if (taken != ERR_OK)
			return taken;
		if (s->spoiled)
			s->call->error = why;
	}
	return err == ERR_OK ? note(s, path) : err;
}

static enum err file_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct sending *s = arg;

	if (upload_is_complete(s->upload))
		return error_set(error, ERR_EXCEEDED, "bytes behind the end of a whole file");
	return upload_push(s->upload, bytes, n, error);
}

static enum err file_idle(void *arg, struct error *error)
{
	struct sending *s = arg;

	/* No bytes, but it asks whether a newcomer waits. */
	return upload_is_complete(s->upload) ? ERR_OK : upload_push(s->upload, "", 0, error);
}

/* The body ended before its end: what came of the file is kept, with its digest. */
static void keep_partial(struct sending *s, enum err why)
{
	json_object *partial = json_object_new_object();
	char md5[33];

	(void)upload_push_end(s->upload, false, NULL);
	json_set_int(partial, "bytes", upload_offset(s->upload));
	/* A newcomer waits for the lock, and reading it all may take long. */
	if (why == ERR_DISPLACED || upload_md5(s->upload, md5, NULL) != ERR_OK) {
		json_object_put(partial);
		return;
	}
	json_set_str(partial, "md5", md5);
	json_set(s->task.record, "partial", partial);
	(void)uploadtask_store(&s->task, PASS_WRITE_NOSYNC, json_str(s->task.record, "upload", ""));
}

/* What becomes of the task when its file's body failed with ERR. */
static void after_failure(struct sending *s, enum err err)
{
	struct error why = s->call->error;

	s->call->error = (struct error){0};
	bool full = err == ERR_EXCEEDED || err == ERR_TOO_LARGE || err == ERR_QUOTA;
	if (s->spoiled || (s->body.begun && full))
		uploadtask_give_up(&s->task, s->upload, NULL);
	else if (err == ERR_BAD_REQUEST && s->body.begun && !s->by_offset)
		(void)start_anew(s); /* no file came of it: as it was */
	else if (s->body.begun)
		keep_partial(s, err);
	s->call->error = why;
	if (err == ERR_NO_SPACE && s->body.begun)
		problems_add(&s->call->problems, problem_new("upload_task_disk"));
}

/* The parameters as they are now that all fields have been read. */
static enum err read_file(struct sending *s, struct task_file *file)
{
	int64_t asked = s->offset;
	enum err err = read_offset(s);

	if (err == ERR_OK && s->offset != asked) {
		/* A field behind the file names another place: the bytes are at the wrong one. */
		s->spoiled = true;
		err = bad_parameter(s->call, "offset");
	}
	if (err == ERR_OK)
		err = read_flags(s, file);
	return err == ERR_OK ? read_target(s, &file->path) : err;
}

static enum err receive(struct sending *s)
{
	struct file_sink sink = {.begin = file_begin,
				 .data = file_data,
				 .idle = file_idle,
				 .arg = s,
				 .sized = json_int(s->task.record, "size", -1) >= 0};
	struct task_file file = {0};
	enum err err = file_body_read(s->call, &sink, &s->body, &s->call->error);

	if (err == ERR_OK)
		err = check_size(s);
	if (err == ERR_OK)
		err = read_file(s, &file);
	if (err != ERR_OK)
		after_failure(s, err);
	else
		err = uploadtask_finish(&s->task, s->upload, &s->area, &file);
	free(file.path);
	return err;
}

enum err uploadtask_send(struct call *call)
{
	struct sending s = {.call = call};
	struct task_file flags = {0};
	enum err err = uploadtask_load(call, false, &s.task);

	/* What the address alone makes impossible needs no body. */
	if (err == ERR_OK)
		err = read_offset(&s);
	if (err == ERR_OK)
		err = read_flags(&s, &flags);
	if (err == ERR_OK && strcmp(json_str(s.task.record, "state", ""), "completed") == 0)
		err = supermap_fail(call, ERR_CONFLICT, "upload_task_completed", NULL);
	if (err == ERR_OK)
		err = area_open(call->ctx->config, call->who.name, &s.area, &call->error);
	if (err == ERR_OK)
		err = receive(&s);
	upload_close(s.upload);
	file_body_done(&s.body);
	area_close(&s.area);
	uploadtask_done(&s.task);
	return err;
}
