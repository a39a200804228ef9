/*
 * The upload that a piece belongs to: by the client's own key, or by an id of ours.
 */
#include "views/chunks_work.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define OVERTAKEN_MS 2000 /* what a first chunk may come later than one behind it */

/* Fine Uploader goes on with an upload it remembers: one that is gone must be begun anew. */
static enum err check_resume(struct chunks_work *w, const char key[65])
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

static enum err claim_once(struct chunks_work *w, const char *type, const char key[65], bool fresh)
{
	struct call *call = w->call;
	const struct chunk *c = &w->chunk;
	const struct upload_spec spec = {.owner = call->who,
					 .adapter = chunk_dialect_name(c->dialect),
					 .mode = c->mode,
					 .name = c->name,
					 .rel_path = c->rel_path,
					 .media_type = type,
					 .length = c->total,
					 .address = call->req->address,
					 .parts = c->count,
					 .key = key};

	return upload_claim(call->ctx->engine, &spec, fresh, &w->upload, &w->created, &call->error);
}

/* The upload of a later chunk is complete: give it up for the one that a first chunk begins. */
static bool give_way(struct chunks_work *w, const char key[65])
{
	char id[33];

	if (w->chunk.begins || w->chunk.keeps_key || !upload_is_complete(w->upload))
		return false;
	memcpy(id, upload_id(w->upload), sizeof(id));
	upload_close(w->upload);
	w->upload = NULL;
	wait_for_first_chunk(w->call, key, id);
	return true;
}

static enum err claim(struct chunks_work *w, const char *type)
{
	struct call *call = w->call;
	const struct chunk *c = &w->chunk;
	bool fresh = c->begins && !c->keeps_key;
	char key[65];

	upload_key(&call->who, call->req->address, chunk_dialect_name(c->dialect), c->key, key);
	enum err err = check_resume(w, key);
	if (err == ERR_OK)
		err = claim_once(w, type, key, fresh);
	if (err == ERR_OK && give_way(w, key))
		err = claim_once(w, type, key, fresh);
	if (err == ERR_OK && c->restarts && !w->created)
		err = upload_restart(w->upload, &call->error);
	return err;
}

/* FilePond names its upload itself, and tells the file's name and length again with every piece. */
static enum err open_named(struct chunks_work *w)
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

enum err work_open(struct chunks_work *w, const char *type)
{
	return w->chunk.id != NULL ? open_named(w) : claim(w, type);
}

void work_abandon(struct chunks_work *w, enum err err)
{
	if (w->upload != NULL && w->created && chunk_error_is_final(err) && err != ERR_NO_SPACE)
		(void)upload_remove(w->upload, UPLOAD_INVALID, NULL);
	upload_close(w->upload);
	w->upload = NULL;
}

void work_result(struct chunks_result *ret, const char *id)
{
	ret->ids = mem_array(1, sizeof(*ret->ids));
	memcpy(ret->ids[0], id, strlen(id) + 1);
	ret->n = 1;
}

/* ---- guests whom only their address tells apart */

bool work_is_guest(const struct call *call, const struct chunk *c)
{
	return strcmp(call->who.owner, "-") == 0 && c->kind == CHUNK_KIND_BYTES && c->id == NULL &&
	       !c->keeps_key;
}

static enum err put_bytes(struct chunks_work *w, struct body *body)
{
	const struct chunk *c = &w->chunk;

	if (c->mode == UPLOAD_PARTS)
		return upload_put_part(w->upload, c->number, body, &w->call->error);
	return upload_put_range(w->upload, c->first, c->len, body, &w->call->error);
}

/*
 * Two visitors behind one address may send files that a library calls the same.  So nothing that
 * one has stored gives way to other bytes, and a complete upload keeps its key for its minute: who
 * is told of success for every piece has his own file.
 */
enum err work_put_guest(struct chunks_work *w, struct spool *spool, const char *type)
{
	struct call *call = w->call;
	const struct chunk *c = &w->chunk;
	struct body body = spool_body(spool);
	CLEAN_FD int lock = -1;
	bool agrees = false;
	char key[65];

	upload_key(&call->who, call->req->address, chunk_dialect_name(c->dialect), c->key, key);
	enum err err = upload_key_lock(call->ctx->engine, key, &lock, &call->error);
	if (err == ERR_OK)
		err = claim_once(w, type, key, false);
	if (err == ERR_OK)
		err = upload_agrees(w->upload, c->first, c->number, &body, &agrees, &call->error);
	if (err == ERR_OK && !agrees)
		err = call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_another"));
	body = spool_body(spool);
	return err == ERR_OK ? put_bytes(w, &body) : err;
}

enum err work_put(struct chunks_work *w, struct body *body, const char *type)
{
	const struct chunk *c = &w->chunk;
	enum err err = work_open(w, type);

	/* FilePond's last piece may be empty. */
	if (err != ERR_OK || (c->id != NULL && body->length == 0))
		return err;
	return put_bytes(w, body);
}
