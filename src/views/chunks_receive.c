/*
 * Bytes on their way from a request into the engine.  When everything a library says stands before
 * its bytes they go to their place at once; otherwise into a spool, until the rest of the form has
 * told.
 */
#include "views/chunks.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "views/files.h"

#define OVERTAKEN_MS 2000

/* A file part that waits for the fields behind it. */
struct part {
	struct spool *spool;
	char *field, *name, *type;
	int64_t size;
};

/* One request. */
struct work {
	struct call *call;
	struct chunk_request request;
	struct chunk chunk;    /* what the request means, by what is known so far */
	struct upload *upload; /* open for the bytes of a piece */
	bool created;	       /* by this request */
	bool closed;	       /* UPLOAD is not to be written any more */
	struct part *parts;
	size_t n;
};

static ssize_t read_wire(void *arg, void *buf, size_t size, int wait_ms)
{
	return wire_read(arg, buf, size, wait_ms);
}

static struct body wire_body(const struct req *req)
{
	return (struct body){.read = read_wire,
			     .arg = req->wire,
			     .length = req->content_length,
			     .chunked = req->chunked};
}

/* ---- a piece finds its upload */

/* Fine Uploader goes on with an upload it remembers: one that is gone must be begun anew. */
static enum err check_resume(struct work *w, const char key[65])
{
	const char *resume = form_get(&w->call->form, "qqresume");
	char id[33] = "";
	bool yes;

	if (resume == NULL)
		resume = req_query(w->call->req, "qqresume");
	if (w->chunk.dialect != CHUNK_FINE || resume == NULL || !text_bool(resume, &yes) || !yes)
		return ERR_OK;
	enum err err = upload_by_key(w->call->ctx->engine, key, false, id, &w->call->error);
	if (err == ERR_OK && *id == '\0')
		err = error_set(&w->call->error, ERR_NOT_FOUND, "nothing to go on with");
	return err;
}

/*
 * A later chunk found its upload complete.  Either it is a repetition, because an answer was lost;
 * or the same file is being sent again, and this chunk overtook the first one, which begins a new
 * upload under the key.  So the first one gets a moment.
 */
static void wait_for_first_chunk(struct call *call, const char key[65], const char *id)
{
	int64_t until = clock_mono_ms() + OVERTAKEN_MS;
	char now[33] = "";
	int slot = -1;
	bool other = false;

	if (!wait_slot_take(call->ctx, &slot))
		return;
	while (!other && clock_mono_ms() < until && !transport_stopping()) {
		clock_sleep_ms(20);
		other = upload_by_key(call->ctx->engine, key, false, now, NULL) == ERR_OK &&
			strcmp(now, id) != 0;
	}
	wait_slot_give(slot);
}

static enum err claim(struct work *w, const char *type)
{
	struct call *call = w->call;
	const struct chunk *c = &w->chunk;
	struct engine *engine = call->ctx->engine;
	char key[65], id[33];

	upload_key(&call->who, call->req->address, chunk_dialect_name(c->dialect), c->key, key);
	enum err err = check_resume(w, key);
	if (err != ERR_OK)
		return err;
	struct upload_spec spec = {.owner = call->who,
				   .adapter = chunk_dialect_name(c->dialect),
				   .mode = c->mode,
				   .name = c->name,
				   .rel_path = c->rel_path,
				   .media_type = type,
				   .length = c->total,
				   .address = call->req->address,
				   .parts = c->count,
				   .key = key};
	bool fresh = c->begins && !c->keeps_key;
	err = upload_claim(engine, &spec, fresh, &w->upload, &w->created, &call->error);
	if (err == ERR_OK && !c->begins && !c->keeps_key && upload_is_complete(w->upload)) {
		memcpy(id, upload_id(w->upload), sizeof(id));
		upload_close(w->upload);
		w->upload = NULL;
		wait_for_first_chunk(call, key, id);
		err = upload_claim(engine, &spec, fresh, &w->upload, &w->created, &call->error);
	}
	if (err == ERR_OK && c->restarts && !w->created)
		err = upload_restart(w->upload, &call->error);
	return err;
}

/* FilePond names its upload itself, and tells the file's name and length again with every piece. */
static enum err open_named(struct work *w)
{
	struct call *call = w->call;
	const struct chunk *c = &w->chunk;
	enum err err = upload_open(call->ctx->engine, c->id, &call->who, UPLOAD_WANT_WRITE,
				   &w->upload, &call->error);

	if (err == ERR_OK && c->total >= 0 && upload_length(w->upload) != c->total)
		return chunks_refuse(call, ERR_LENGTH,
				     &(struct chunk){.bad_field = "Upload-Length",
						     .bad_value = w->request.upload_length});
	if (err == ERR_OK && w->request.upload_name != NULL)
		err = upload_set_name(w->upload, c->name, &call->error);
	return err;
}

static enum err open_target(struct work *w, const char *type)
{
	return w->chunk.id != NULL ? open_named(w) : claim(w, type);
}

/* ---- whose fault is it: what is kept after an error */

/* After an error: an upload that this request began with nothing to keep goes again. */
static void abandon(struct work *w, enum err err)
{
	if (w->upload != NULL && w->created && chunk_error_is_final(err) && err != ERR_NO_SPACE)
		(void)upload_remove(w->upload, UPLOAD_INVALID, NULL);
	upload_close(w->upload);
	w->upload = NULL;
}

/* ---- multipart: the sink */

static enum err too_many(struct work *w, int64_t limit)
{
	return call_fail(w->call, ERR_TOO_LARGE,
			 problem_arg_int(problem_new("files_limit"), "limit", limit));
}

static enum err push_begin(struct work *w, const char *type, struct error *error)
{
	const struct chunk *c = &w->chunk;
	enum err err = open_target(w, type);

	if (err != ERR_OK)
		return err;
	if (c->mode == UPLOAD_PARTS)
		return upload_push_part(w->upload, c->number, error);
	return upload_push_range(w->upload, c->first, c->len, error);
}

static enum err part_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct work *w = arg;
	int64_t most = w->call->ctx->config->max_files;

	if (w->upload != NULL)
		return call_fail(w->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_body"), "field", field));
	if ((int64_t)w->n >= most)
		return too_many(w, most);
	w->parts = mem_resize(w->parts, w->n + 1, sizeof(*w->parts));
	struct part *p = &w->parts[w->n++];
	*p = (struct part){
	    .field = mem_strdup(field), .name = mem_strdup(filename), .type = mem_strdup(type)};
	w->request.n_files = w->n;
	w->request.part_field = w->parts[0].field;
	w->request.part_name = w->parts[0].name;
	if (w->n == 1) {
		/* What is wrong now may be mended by the fields behind. */
		chunk_done(&w->chunk);
		enum err err = chunk_read(&w->request, &w->chunk);
		if (err == ERR_OK && w->chunk.settled && w->chunk.kind == CHUNK_KIND_BYTES)
			return push_begin(w, p->type, error);
	}
	return spool_begin(w->call->ctx->engine, &p->spool, error);
}

static enum err part_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct work *w = arg;
	struct part *p = &w->parts[w->n - 1];

	p->size += (int64_t)n;
	if (p->spool == NULL)
		return upload_push(w->upload, bytes, n, error);
	return spool_push(p->spool, bytes, n, error);
}

static enum err part_end(void *arg, struct error *error)
{
	struct work *w = arg;

	if (w->parts[w->n - 1].spool != NULL)
		return ERR_OK;
	return upload_push_end(w->upload, true, error);
}

static void parts_free(struct work *w)
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

/* What the answer to an error says of the files: their names, and what was the matter. */
static void note_files(struct work *w)
{
	json_object *files = json_object_new_array();

	for (size_t i = 0; i < w->n; i++) {
		json_object *f = json_object_new_object();
		CLEAN_FREE char *name = text_display_name(w->parts[i].name);
		json_set_str(f, "name", name);
		json_set_int(f, "size", w->parts[i].size);
		json_object_array_add(files, f);
	}
	json_object_put(w->call->told);
	w->call->told = files;
}

static enum err store_part(struct work *w, const struct principal *owner, const struct chunk *c,
			   struct part *p, struct upload **ret)
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

static enum err store_files(struct work *w, const struct chunk *c, struct chunks_result *ret)
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

/* ---- what has been read becomes an upload */

static void result_one(struct chunks_result *ret, const char *id)
{
	ret->ids = mem_array(1, sizeof(*ret->ids));
	memcpy(ret->ids[0], id, strlen(id) + 1);
	ret->n = 1;
}

static enum err create_empty(struct work *w, const struct chunk *c, struct chunks_result *ret)
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
		result_one(ret, upload_id(u));
	upload_close(u);
	return err;
}

/* BODY goes where the chunk says. */
static enum err put_bytes(struct work *w, struct body *body, const char *type)
{
	const struct chunk *c = &w->chunk;
	enum err err = open_target(w, type);

	/* FilePond's last piece may be empty. */
	if (err != ERR_OK || (c->id != NULL && body->length == 0))
		return err;
	if (c->mode == UPLOAD_PARTS)
		return upload_put_part(w->upload, c->number, body, &w->call->error);
	return upload_put_range(w->upload, c->first, c->len, body, &w->call->error);
}

/* What was sent as a text field instead of a file part is base64. */
static bool is_base64(const struct call *call)
{
	for (size_t i = 0; i < call->form.fields.n; i++)
		if (text_starts(call->form.fields.v[i].value, "data:"))
			return true;
	return false;
}

static enum err no_file(struct work *w)
{
	if (w->chunk.kind == CHUNK_KIND_BYTES && is_base64(w->call))
		return error_set(&w->call->error, ERR_TYPE, "base64 chunks");
	return call_fail(w->call, ERR_BAD_REQUEST,
			 problem_str(problem_new("file_missing"), "field", "file"));
}

/* The form is whole: everything is known now. */
static enum err settle(struct work *w, struct chunks_result *ret)
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
			result_one(ret, upload_id(w->upload));
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
		err = put_bytes(w, &body, w->parts[0].type);
		if (err == ERR_OK)
			result_one(ret, upload_id(w->upload));
	}
	chunk_done(&early);
	return err;
}

static enum err receive_form(struct work *w, struct chunks_result *ret)
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

/* ---- a body that is the bytes */

static enum err receive_whole(struct work *w, struct chunks_result *ret)
{
	struct call *call = w->call;
	const struct req *req = call->req;
	struct body body = wire_body(req);
	struct upload *u = NULL;
	int64_t offset = 0;

	if (req->content_length < 0)
		return error_set(&call->error, ERR_NEED_LENGTH, "no length");
	/* Nothing, without a name: nobody means an empty file by that. */
	if (req->content_length == 0 && req->method != METHOD_PUT)
		return call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	struct upload_spec spec = {.owner = files_creator(call),
				   .adapter = "put",
				   .mode = UPLOAD_APPEND,
				   .name = w->chunk.name,
				   .rel_path = w->chunk.rel_path,
				   .media_type =
				       *req->content_type != '\0' ? req->content_type : NULL,
				   .length = req->content_length,
				   .address = req->address};
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);
	if (err != ERR_OK)
		return err;
	err = upload_append(u, 0, &body, NULL, true, &offset, &call->error);
	/* Nobody was told its id: it cannot be gone on with. */
	if (err != ERR_OK)
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
	else
		result_one(ret, upload_id(u));
	upload_close(u);
	return err;
}

static enum err receive_body(struct work *w, struct chunks_result *ret)
{
	struct call *call = w->call;
	const struct req *req = call->req;
	struct chunk *c = &w->chunk;
	struct body body = wire_body(req);
	enum err err = chunk_read(&w->request, c);

	if (err != ERR_OK)
		return chunks_refuse(call, err, c);
	if (c->kind == CHUNK_KIND_WHOLE)
		return receive_whole(w, ret);
	if (c->id != NULL && w->request.upload_offset == NULL)
		return chunks_refuse(call, ERR_BAD_REQUEST,
				     &(struct chunk){.bad_field = "Upload-Offset"});
	/* Where nothing says how long the bytes are, their end could be a cut. */
	if (req->chunked && (c->mode == UPLOAD_PARTS || c->len < 0))
		return error_set(&call->error, ERR_NEED_LENGTH, "chunked");
	if (req->content_length < 0 && !req->chunked)
		body.length = 0;
	if (body.length >= 0 && c->len >= 0 && body.length != c->len)
		return error_set(&call->error, ERR_LENGTH, "body of another length");
	if (c->total < 0 && c->id == NULL && c->mode == UPLOAD_RANGE)
		c->total = body.length;
	err = put_bytes(w, &body, NULL);
	if (err == ERR_OK)
		result_one(ret, upload_id(w->upload));
	return err;
}

enum err chunks_receive(struct call *call, struct chunks_result *ret)
{
	struct work w = {.call = call, .request = chunks_request(call)};
	enum err err;

	ret->raw = !w.request.multipart;
	err = ret->raw ? receive_body(&w, ret) : receive_form(&w, ret);
	/* All parts are there and are not as long as the file was said to be. */
	if (err == ERR_INCOMPLETE) {
		call->error = (struct error){0};
		err = error_set(&call->error, ERR_LENGTH, "sum of the parts");
	}
	if (err != ERR_OK) {
		abandon(&w, err);
		note_files(&w);
	}
	upload_close(w.upload);
	ret->dialect = w.chunk.dialect;
	ret->kind = w.chunk.kind;
	chunk_done(&w.chunk);
	parts_free(&w);
	return err;
}

void chunks_result_done(struct chunks_result *r)
{
	free(r->ids);
	r->ids = NULL;
	r->n = 0;
}
