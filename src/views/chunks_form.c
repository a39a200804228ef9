/*
 * Multipart bodies.  When everything a library says stands before its bytes they go to their place
 * at once; otherwise into a spool, until the rest of the form has told.
 */
#include "views/chunks_work.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/files.h"

/* ---- the sink */

static enum err too_many(struct chunks_work *w, int64_t limit)
{
	return call_fail(w->call, ERR_TOO_LARGE,
			 problem_arg_int(problem_new("files_limit"), "limit", limit));
}

static enum err push_begin(struct chunks_work *w, const char *type, struct error *error)
{
	const struct chunk *c = &w->chunk;
	enum err err = work_open(w, type);

	if (err != ERR_OK)
		return err;
	if (c->mode == UPLOAD_PARTS)
		return upload_push_part(w->upload, c->number, error);
	return upload_push_range(w->upload, c->first, c->len, error);
}

static enum err part_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct chunks_work *w = arg;
	int64_t most = w->call->ctx->config->max_files;

	if (w->upload != NULL)
		return call_fail(w->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_body"), "field", field));
	if ((int64_t)w->n >= most)
		return too_many(w, most);
	w->parts = mem_resize(w->parts, w->n + 1, sizeof(*w->parts));
	struct chunks_part *p = &w->parts[w->n++];
	*p = (struct chunks_part){
	    .field = mem_strdup(field), .name = mem_strdup(filename), .type = mem_strdup(type)};
	w->request.n_files = w->n;
	w->request.part_field = w->parts[0].field;
	w->request.part_name = w->parts[0].name;
	if (w->n == 1) {
		/* What is wrong now may be mended by the fields behind. */
		chunk_done(&w->chunk);
		enum err err = chunk_read(&w->request, &w->chunk);
		if (err == ERR_OK && w->chunk.settled && w->chunk.kind == CHUNK_KIND_BYTES &&
		    !work_is_guest(w->call, &w->chunk))
			return push_begin(w, p->type, error);
	}
	return spool_begin(w->call->ctx->engine, &p->spool, error);
}

static enum err part_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct chunks_work *w = arg;
	struct chunks_part *p = &w->parts[w->n - 1];

	p->size += (int64_t)n;
	if (p->spool == NULL)
		return upload_push(w->upload, bytes, n, error);
	return spool_push(p->spool, bytes, n, error);
}

static enum err part_end(void *arg, struct error *error)
{
	struct chunks_work *w = arg;

	if (w->parts[w->n - 1].spool != NULL)
		return ERR_OK;
	return upload_push_end(w->upload, true, error);
}

void work_parts_free(struct chunks_work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		spool_end(w->parts[i].spool);
		free(w->parts[i].field);
		free(w->parts[i].name);
		free(w->parts[i].type);
	}
	free(w->parts);
	w->parts = NULL;
	w->n = 0;
}

/* ---- whole files: all or none */

static enum err store_part(struct chunks_work *w, const struct principal *owner,
			   const struct chunk *c, struct chunks_part *p, struct upload **ret)
{
	struct call *call = w->call;
	CLEAN_FREE char *own = text_display_name(p->name);

	if (own == NULL)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", p->field));
	/* Of several files each has its part's name; one alone may be told in a field. */
	const char *name = w->n == 1 ? c->name : *own != '\0' ? own : "upload";
	struct upload_spec spec = {.owner = *owner,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = name,
				   .rel_path = w->n == 1 ? c->rel_path : NULL,
				   .media_type = p->type,
				   .length = -1,
				   .address = call->req->address};
	enum err err = upload_create(call->ctx->engine, &spec, ret, &call->error);
	if (err == ERR_OK)
		err = upload_take(*ret, p->spool, &call->error);
	if (err == ERR_OK)
		err = upload_push_end(*ret, false, &call->error);
	return err;
}

static enum err store_files(struct chunks_work *w, const struct chunk *c, struct chunks_result *ret)
{
	struct engine *engine = w->call->ctx->engine;
	struct upload **uploads = mem_array(w->n, sizeof(*uploads));
	struct principal owner = files_creator(w->call);
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < w->n; i++)
		err = store_part(w, &owner, c, &w->parts[i], &uploads[i]);
	if (err == ERR_OK)
		err = uploads_commit(engine, uploads, w->n, NULL, NULL, &w->call->error);
	if (err == ERR_OK)
		ret->ids = mem_array(w->n, sizeof(*ret->ids));
	for (size_t i = 0; i < w->n; i++) {
		if (err == ERR_OK)
			memcpy(ret->ids[ret->n++], upload_id(uploads[i]), 33);
		else if (uploads[i] != NULL)
			(void)upload_remove(uploads[i], UPLOAD_DELETED, NULL);
		upload_close(uploads[i]);
	}
	free(uploads);
	return err;
}

/* ---- the form is whole */

static enum err create_empty(struct chunks_work *w, const struct chunk *c,
			     struct chunks_result *ret)
{
	struct call *call = w->call;
	struct upload *u = NULL;

	struct upload_spec spec = {.owner = files_creator(call),
				   .adapter = "filepond",
				   .mode = UPLOAD_RANGE,
				   .name = c->name,
				   .length = c->total,
				   .address = call->req->address};
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);
	if (err == ERR_OK && c->total == 0)
		err = upload_finish(u, &call->error);
	if (err == ERR_OK)
		work_result(ret, upload_id(u));
	upload_close(u);
	return err;
}

/* What was sent as a text field instead of a file part is base64. */
static bool is_base64(const struct call *call)
{
	for (size_t i = 0; i < call->form.fields.n; i++)
		if (text_starts(call->form.fields.v[i].value, "data:"))
			return true;
	return false;
}

static enum err no_file(struct chunks_work *w)
{
	if (w->chunk.kind == CHUNK_KIND_BYTES && is_base64(w->call))
		return error_set(&w->call->error, ERR_TYPE, "base64 chunks");
	return call_fail(w->call, ERR_BAD_REQUEST,
			 problem_str(problem_new("file_missing"), "field", "file"));
}

/* The form is whole: everything is known now. */
static enum err settle(struct chunks_work *w, struct chunks_result *ret)
{
	struct chunk early = w->chunk;
	enum err err;

	w->chunk = (struct chunk){0};
	err = chunk_read(&w->request, &w->chunk);
	if (err != ERR_OK) {
		err = chunks_refuse(w->call, err, &w->chunk);
	} else if (w->upload != NULL) {
		/* Fields behind the data that say something else than those before it. */
		if (!chunk_equal(&early, &w->chunk))
			err = call_fail(w->call, ERR_BAD_REQUEST, problem_new("bad_body"));
		else
			work_result(ret, upload_id(w->upload));
	} else if (w->chunk.kind == CHUNK_KIND_CREATE) {
		err = create_empty(w, &w->chunk, ret);
	} else if (w->n == 0) {
		err = no_file(w);
	} else if (w->chunk.kind == CHUNK_KIND_WHOLE) {
		err = store_files(w, &w->chunk, ret);
	} else if (w->n > 1) {
		err = call_fail(w->call, ERR_BAD_REQUEST, problem_new("bad_body"));
	} else {
		struct body body = spool_body(w->parts[0].spool);
		/* Fine Uploader's whole files may come without their length. */
		if (w->chunk.total < 0 && w->chunk.mode == UPLOAD_RANGE)
			w->chunk.total = w->parts[0].size;
		err = work_is_guest(w->call, &w->chunk)
			  ? work_put_guest(w, w->parts[0].spool, w->parts[0].type)
			  : work_put(w, &body, w->parts[0].type);
		if (err == ERR_OK)
			work_result(ret, upload_id(w->upload));
	}
	chunk_done(&early);
	return err;
}

enum err work_form(struct chunks_work *w, struct chunks_result *ret)
{
	struct call *call = w->call;
	struct form_sink sink = {.begin = part_begin, .data = part_data, .end = part_end, .arg = w};
	enum err err = form_read(call->req, &call->form, &sink, &call->error);

	if (err == ERR_OK)
		return settle(w, ret);
	/* A text field too long for one, where a file part is due: base64. */
	if (err == ERR_TOO_LARGE && w->n == 0 &&
	    strcmp(call->error.code, "limits.text_field") == 0 &&
	    chunk_detect(&w->request) != CHUNK_NONE) {
		call->error = (struct error){0};
		err = error_set(&call->error, ERR_TYPE, "base64 chunks");
	}
	return err;
}
