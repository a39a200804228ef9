/*
 * /chunks: the upload libraries of browsers, and plain uploads.  Everything they say is translated
 * into calls of the upload engine; chunk_dialect knows their words. Source:
 * contracts/transports.md 6.
 */
#include "views/chunks_work.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/views.h"

#define ID_BODY_BYTES 1024 /* FilePond's DELETE has an id as its body */

/* ---- which upload */

/* The id under the key of C, "" = none. */
static enum err find_by_key(struct call *call, const struct chunk *c, bool fresh, char ret_id[33])
{
	char key[65];

	upload_key(&call->who, call->req->address, chunk_dialect_name(c->dialect), c->key, key);
	return upload_by_key(call->ctx->engine, key, fresh, ret_id, &call->error);
}

/* Fine Uploader's word for an upload: the id we gave it, or the one it made itself. */
static enum err find_by_word(struct call *call, const char *word, char ret_id[33])
{
	const struct chunk c = {.dialect = CHUNK_FINE, .key = {word}};
	struct upload_info info = {0};

	/* An id of ours need not be looked up twice by whoever is told "not found". */
	enum err err = upload_status(call->ctx->engine, word, &call->who, &info, NULL);
	if (err == ERR_OK)
		memcpy(ret_id, info.id, 33);
	upload_info_done(&info);
	if (err != ERR_NOT_FOUND)
		return err;
	err = find_by_key(call, &c, false, ret_id);
	if (err == ERR_OK && *ret_id == '\0')
		err = error_set(&call->error, ERR_NOT_FOUND, "no upload of that name");
	return err;
}

/* ---- GET, HEAD: is this piece here? */

static bool covered(struct upload *u, const struct chunk *c)
{
	if (c->mode == UPLOAD_PARTS)
		return upload_has_part(u, c->number);
	return c->len >= 0 && upload_covers(u, c->first, c->len);
}

static enum err answer_offset(struct call *call, const char *id)
{
	struct upload_info info = {0};
	enum err err = upload_status(call->ctx->engine, id, &call->who, &info, &call->error);

	if (err != ERR_OK)
		return err;
	reply_text(call->reply, 200, "text/plain; charset=utf-8", "");
	reply_header_int(call->reply, "Upload-Offset", info.offset);
	if (info.length >= 0)
		reply_header_int(call->reply, "Upload-Length", info.length);
	upload_info_done(&info);
	return ERR_OK;
}

static enum err ask(struct call *call, const struct chunk *c)
{
	/* A client that looks before it sends begins anew, unless nothing may be written here. */
	bool fresh = !c->keeps_key && !call->ctx->config->read_only && !call->who.read_only;
	struct upload *u = NULL;
	char id[33] = "";
	bool here = false;
	/* What his neighbour has sent a guest must send himself, to have it compared. */
	enum err err = work_is_guest(call, c) ? ERR_OK : find_by_key(call, c, fresh, id);

	if (err == ERR_OK && *id != '\0')
		err = upload_open(call->ctx->engine, id, &call->who, UPLOAD_WANT_STATUS, &u,
				  &call->error);
	if (err == ERR_OK && u != NULL)
		here = covered(u, c);
	upload_close(u);
	/* Gone between the two look-ups: not here. */
	if (err == ERR_NOT_FOUND || err == ERR_GONE) {
		call->error = (struct error){0};
		err = ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	if (!here) {
		/* 404 would end Flow.js and simple-uploader.js. */
		call->reply->status = 204;
		call->reply->body = REPLY_NOTHING;
		return ERR_OK;
	}
	struct chunks_result r = {
	    .dialect = c->dialect, .ids = mem_array(1, sizeof(*r.ids)), .n = 1, .upto = -1};
	memcpy(r.ids[0], id, sizeof(id));
	err = chunks_answer(call, &r);
	chunks_result_done(&r);
	return err;
}

/* Its body, if any, could only be a plain file. */
static bool names_no_library(const struct call *call)
{
	struct chunk_request request = chunks_request(call);

	return chunk_detect(&request) == CHUNK_RAW;
}

/*
 * blueimp asks for a file by its name before it resumes, but a name alone tells no two files apart:
 * it begins, and the Range it gets with the first piece leads it on behind what is here.
 *
 * Source: jQuery File Upload, "Chunked file uploads".
 */
static void begin_anew(struct call *call)
{
	json_object *m = json_object_new_object();

	json_set_str(m, "file", NULL);
	chunks_answer_model(call, 200, m);
}

static enum err chunks_get(struct call *call)
{
	struct chunk_request request = chunks_request(call);
	struct chunk c = {0};
	bool plain = names_no_library(call);

	if (plain && req_query(call->req, "file") != NULL) {
		begin_anew(call);
		return ERR_OK;
	}
	if (plain)
		return call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	enum err err = chunk_read(&request, &c);
	if (err != ERR_OK)
		err = chunks_refuse(call, err, &c);
	else if (c.id != NULL)
		err = answer_offset(call, c.id);
	else if (c.kind == CHUNK_KIND_BYTES)
		err = ask(call, &c);
	else
		err = call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	chunk_done(&c);
	return err;
}

/* ---- DELETE */

static enum err remove_word(struct call *call, const char *word, bool text)
{
	struct upload *u = NULL;
	char id[33] = "";
	enum err err = find_by_word(call, word, id);

	if (err == ERR_OK)
		err = upload_open(call->ctx->engine, id, &call->who, UPLOAD_WANT_REMOVE, &u,
				  &call->error);
	if (err == ERR_OK)
		err = upload_remove(u, UPLOAD_DELETED, &call->error);
	upload_close(u);
	if (err != ERR_OK)
		return err;
	if (text) {
		reply_text(call->reply, 200, "text/plain; charset=utf-8", "");
		return ERR_OK;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", true);
	json_set_str(m, "id", id);
	chunks_answer_model(call, 200, m);
	return ERR_OK;
}

static enum err chunks_delete(struct call *call)
{
	const char *word = chunks_tail(call);
	CLEAN_FREE char *body = NULL;
	size_t len = 0;
	bool text = false;

	if (*word == '\0')
		word = req_query(call->req, "qquuid");
	if (word == NULL) {
		word = req_query(call->req, "patch");
		text = word != NULL;
	}
	if (word == NULL) {
		enum err err = form_body(call->req, ID_BODY_BYTES, "limits.text_field", &body, &len,
					 &call->error);
		if (err != ERR_OK)
			return err;
		body[strcspn(body, "\r\n")] = '\0';
		word = body;
		text = true;
	}
	if (*word == '\0')
		return call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	return remove_word(call, word, text);
}

/* ---- POST without bytes: Fine Uploader says that it has sent all, or takes it back */

static enum err fine_done(struct call *call, const char *uuid)
{
	struct upload_info info = {0};
	char id[33] = "";
	enum err err = find_by_word(call, uuid, id);

	if (err == ERR_OK)
		err = upload_status(call->ctx->engine, id, &call->who, &info, &call->error);
	if (err == ERR_OK && info.state != UPLOAD_COMPLETE && !info.assembling)
		err = call_incomplete(call, ERR_INCOMPLETE, info.name, &info);
	upload_info_done(&info);
	if (err != ERR_OK)
		return err;
	struct chunks_result r = {
	    .dialect = CHUNK_FINE, .ids = mem_array(1, sizeof(*r.ids)), .n = 1};
	memcpy(r.ids[0], id, sizeof(id));
	err = chunks_answer(call, &r);
	chunks_result_done(&r);
	return err;
}

static enum err chunks_form(struct call *call)
{
	enum err err = form_read(call->req, &call->form, NULL, &call->error);
	const char *method = form_get(&call->form, "_method"),
		   *uuid = form_get(&call->form, "qquuid");

	if (err != ERR_OK)
		return err;
	if (uuid == NULL)
		return call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	if (method != NULL && strcmp(method, "DELETE") == 0)
		return remove_word(call, uuid, false);
	return fine_done(call, uuid);
}

/* ---- the view */

enum err chunks_view(struct call *call)
{
	struct chunks_result r = {0};

	if (call->req->method == METHOD_GET || call->req->method == METHOD_HEAD)
		return chunks_get(call);
	if (call->req->method == METHOD_DELETE)
		return chunks_delete(call);
	if (call->req->method == METHOD_POST && call->req->body_type == BODY_URLENCODED)
		return chunks_form(call);
	if (call->req->method == METHOD_PATCH && names_no_library(call))
		return call_fail(call, ERR_BAD_REQUEST, problem_new("chunk_unknown"));
	enum err err = chunks_receive(call, &r);
	if (err == ERR_OK)
		err = chunks_answer(call, &r);
	chunks_result_done(&r);
	return err;
}
