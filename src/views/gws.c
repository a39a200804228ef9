/*
 * GBD WebSuite's chunk upload: POST /_/uploadChunk, /_/uploadFinish, and POST /_ with the command
 * inside.
 * Source: contracts/transports.md 5.
 */
#include "views/gws.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/files.h"
#include "views/views.h"

#define ADAPTER "gws"

static enum err bad(struct call *call, enum err err, const char *field)
{
	return call_fail(call, err, problem_str(problem_new("bad_body"), "field", field));
}

static enum err unknown(struct call *call, const char *uid)
{
	return call_fail(call, ERR_NOT_FOUND,
			 problem_str(problem_new("upload_unknown"), "value", uid));
}

/* The upload UID, if it is this caller's and came this way. */
static enum err find_upload(struct call *call, const char *uid, struct upload_info *ret)
{
	enum err err = token_is_hex(uid, 32)
			   ? upload_status(call->ctx->engine, uid, &call->who, ret, &call->error)
			   : ERR_NOT_FOUND;

	if (err == ERR_OK && strcmp(ret->adapter, ADAPTER) != 0) {
		upload_info_done(ret);
		err = ERR_NOT_FOUND;
	}
	return err == ERR_NOT_FOUND ? unknown(call, uid) : err;
}

static json_object *uid_model(const char *uid)
{
	json_object *m = json_object_new_object();

	json_set_str(m, "uploadUid", uid);
	return m;
}

/* ---- chunks */

static enum err first_chunk(struct call *call, struct gws_input *in)
{
	int64_t total = gws_number(in, "totalSize"), count = gws_number(in, "chunkCount"),
		number = gws_number(in, "chunkNumber");
	CLEAN_FREE char *sent = gws_text(in, "fileName");
	CLEAN_FREE char *name = text_display_name(sent);
	struct upload *u = NULL;

	if (name == NULL || strlen(sent) != flat_find(&in->fields, "fileName")->len)
		return bad(call, ERR_BAD_REQUEST, "fileName");
	if (total < 0)
		return bad(call, ERR_LENGTH, "totalSize");
	if (count < 1 || count > call->ctx->config->upload_max_parts)
		return bad(call, ERR_LENGTH, "chunkCount");
	if (number < 0 || number >= count)
		return bad(call, ERR_LENGTH, "chunkNumber");
	struct upload_spec spec = {.owner = files_creator(call),
				   .adapter = ADAPTER,
				   .mode = UPLOAD_PARTS,
				   .name = *name != '\0' ? name : "upload",
				   .length = total,
				   .parts = (uint32_t)count,
				   .address = call->req->address,
				   .late = true,
				   .by_mark = true};
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);
	if (err != ERR_OK)
		return err;
	struct body body = gws_content(call, in);
	err = upload_put_part(u, (uint32_t)number, &body, &call->error);
	if (err == ERR_OK)
		err = upload_keep(u, &call->error);
	if (err == ERR_OK)
		gws_answer(call, 200, uid_model(upload_id(u)));
	upload_close(u);
	return err;
}

static enum err later_chunk(struct call *call, struct gws_input *in, const char *uid)
{
	int64_t number = gws_number(in, "chunkNumber");
	struct upload_info info = {0};
	struct upload *u = NULL;
	enum err err = find_upload(call, uid, &info);

	if (err != ERR_OK)
		return err;
	if (info.state == UPLOAD_EXPIRED)
		err = error_set(&call->error, ERR_GONE, "expired");
	else if (number < 0 || number >= (int64_t)info.parts)
		err = bad(call, ERR_LENGTH, "chunkNumber");
	else if (info.state != UPLOAD_COMPLETE)
		err = upload_open(call->ctx->engine, uid, &call->who, UPLOAD_WANT_WRITE, &u,
				  &call->error);
	if (err == ERR_OK && u != NULL) {
		struct body body = gws_content(call, in);
		err = upload_put_part(u, (uint32_t)number, &body, &call->error);
	}
	if (err == ERR_OK)
		gws_answer(call, 200, uid_model(uid));
	upload_close(u);
	upload_info_done(&info);
	return err;
}

/* ---- the end */

/* The digest the client says the file has, if it says so. */
static bool read_sha256(struct gws_input *in, struct checksum *ret, bool *ret_given)
{
	CLEAN_FREE char *text = gws_text(in, "sha256");

	ret->algorithm = DIGEST_SHA256;
	*ret_given = *text != '\0';
	if (*ret_given && (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64))
		return false;
	for (size_t i = 0; *ret_given && i < 32; i++) {
		unsigned v = 0;
		for (size_t k = 0; k < 2; k++) {
			char c = (char)(text[2 * i + k] | 32);
			v = v * 16 + (unsigned)(text[2 * i + k] <= '9' ? text[2 * i + k] - '0'
								       : c - 'a' + 10);
		}
		ret->value[i] = (unsigned char)v;
	}
	return true;
}

static enum err complete(struct call *call, const char *uid, const struct checksum *sum)
{
	struct upload *u = NULL;
	enum err err =
	    upload_open(call->ctx->engine, uid, &call->who, UPLOAD_WANT_WRITE, &u, &call->error);

	if (err == ERR_OK && sum != NULL)
		err = upload_expect(u, sum, &call->error);
	if (err == ERR_OK)
		err = upload_finish(u, &call->error);
	upload_close(u);
	return err;
}

static enum err finish(struct call *call, struct gws_input *in)
{
	CLEAN_FREE char *uid = gws_text(in, "uploadUid");
	struct upload_info info = {0};
	struct checksum sum = {0};
	bool given = false;

	if (!read_sha256(in, &sum, &given))
		return bad(call, ERR_BAD_REQUEST, "sha256");
	enum err err = find_upload(call, uid, &info);
	if (err != ERR_OK)
		return err;
	upload_info_done(&info);
	err = complete(call, uid, given ? &sum : NULL);
	/* Not upload_get: a long file is all there, but the worker still joins its parts. */
	if (err == ERR_OK)
		err = upload_status(call->ctx->engine, uid, &call->who, &info, &call->error);
	if (err != ERR_OK)
		return err;
	if (info.assembling)
		call_wake_worker_now(call);
	json_object *m = uid_model(uid);
	json_set_str(m, "fileName", info.name);
	json_set_int(m, "totalSize", info.length);
	gws_answer(call, 200, m);
	upload_info_done(&info);
	return ERR_OK;
}

/* ---- views */

enum err gws_view(struct call *call)
{
	struct gws_input in = {0};
	enum err err = gws_input_read(call, &in);

	if (err == ERR_OK && in.command == GWS_FINISH) {
		err = finish(call, &in);
	} else if (err == ERR_OK) {
		const struct flat_member *m = flat_find(&in.fields, "uploadUid");
		CLEAN_FREE char *uid = gws_text(&in, "uploadUid");
		err =
		    m == NULL || m->len == 0 ? first_chunk(call, &in) : later_chunk(call, &in, uid);
	}
	gws_input_done(&in);
	return err;
}

/* What needs nobody: the original has nothing to get, and says so with what its framework says. */
enum err gws_idle_view(struct call *call)
{
	if (call->req->method == METHOD_GET)
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	reply_text(call->reply, 200, "text/plain", "");
	if (call->req->method == METHOD_OPTIONS)
		dispatch_allow(call->reply, METHOD_BIT(METHOD_POST));
	return ERR_OK;
}
