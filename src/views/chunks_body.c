/*
 * Bodies that are the bytes: pieces whose fields stand in the query or the head, and whole files.
 */
#include "views/chunks_work.h"

#include "base/clock.h"
#include "base/mem.h"
#include "views/files.h"

#define PIECE	  ((size_t)64 * 1024)
#define SLICE_MS  500	    /* how often a waiting reader looks whether we are to stop */
#define STOP_MOST (1 << 20) /* a body with less than this to come is finished even then */

static enum err receive_whole(struct chunks_work *w, struct chunks_result *ret)
{
	struct call *call = w->call;
	const struct req *req = call->req;
	struct body body = files_body(req);
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
		work_result(ret, upload_id(u));
	upload_close(u);
	return err;
}

/* N bytes of the request into SPOOL, all of them or an error. */
static enum err read_whole(const struct req *req, struct spool *spool, int64_t n,
			   struct error *error)
{
	int64_t until = clock_mono_ms() + req->config->upload_body_idle_s * 1000;
	CLEAN_FREE char *buf = mem_alloc(PIECE);

	while (n > 0) {
		ssize_t got = wire_read(req->wire, buf, PIECE, SLICE_MS);
		if (got == 0 || got == -2)
			return error_set(error, ERR_CUT, "body cut");
		if (transport_stopping() && n > STOP_MOST)
			return error_set(error, ERR_STOPPING, "stopping");
		if (got < 0 && clock_mono_ms() >= until)
			return error_set(error, ERR_CUT, "no byte for too long");
		if (got < 0)
			continue;
		until = clock_mono_ms() + req->config->upload_body_idle_s * 1000;
		enum err err = spool_push(spool, buf, (size_t)got, error);
		if (err != ERR_OK)
			return err;
		n -= got;
	}
	return ERR_OK;
}

/*
 * FilePond, asking how far its upload is, takes every piece as sent that begins before the offset
 * it is told: a piece that was cut must not count.  So its pieces are kept once they are whole.
 */
static enum err receive_patch(struct chunks_work *w)
{
	struct call *call = w->call;
	struct upload_info info = {0};
	struct spool *spool = NULL;

	if (w->request.upload_offset == NULL)
		return chunks_refuse(call, ERR_BAD_REQUEST,
				     &(struct chunk){.bad_field = "Upload-Offset"});
	enum err err =
	    upload_status(call->ctx->engine, w->chunk.id, &call->who, &info, &call->error);
	upload_info_done(&info);
	if (err == ERR_OK)
		err = spool_begin(call->ctx->engine, &spool, &call->error);
	if (err == ERR_OK)
		err = read_whole(call->req, spool, call->req->content_length, &call->error);
	if (err == ERR_OK) {
		struct body body = spool_body(spool);
		err = work_put(w, &body, NULL);
	}
	spool_end(spool);
	return err;
}

/* A piece that may turn out to be of another file is compared before it is stored. */
static enum err receive_guest(struct chunks_work *w, int64_t bytes)
{
	struct call *call = w->call;
	struct spool *spool = NULL;
	enum err err = spool_begin(call->ctx->engine, &spool, &call->error);

	if (err == ERR_OK)
		err = read_whole(call->req, spool, bytes, &call->error);
	if (err == ERR_OK)
		err = work_put_guest(w, spool, NULL);
	spool_end(spool);
	return err;
}

enum err work_body(struct chunks_work *w, struct chunks_result *ret)
{
	struct call *call = w->call;
	const struct req *req = call->req;
	struct chunk *c = &w->chunk;
	struct body body = files_body(req);
	enum err err = chunk_read(&w->request, c);

	if (err != ERR_OK)
		return chunks_refuse(call, err, c);
	err = files_unpacked(call);
	if (err != ERR_OK)
		return err;
	if (c->kind == CHUNK_KIND_WHOLE)
		return receive_whole(w, ret);
	/* Where nothing says how long the bytes are, their end could be a cut. */
	if (req->chunked && (c->mode == UPLOAD_PARTS || c->len < 0))
		return error_set(&call->error, ERR_NEED_LENGTH, "chunked");
	if (req->content_length < 0 && !req->chunked)
		body.length = 0;
	if (body.length >= 0 && c->len >= 0 && body.length != c->len)
		return error_set(&call->error, ERR_LENGTH, "body of another length");
	if (c->total < 0 && c->id == NULL && c->mode == UPLOAD_RANGE)
		c->total = body.length;
	if (work_is_guest(call, c))
		err = receive_guest(w, body.length >= 0 ? body.length : c->len);
	else
		err = c->id != NULL ? receive_patch(w) : work_put(w, &body, NULL);
	if (err == ERR_OK)
		work_result(ret, upload_id(w->upload));
	return err;
}
