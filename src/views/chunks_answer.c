/*
 * Answers of /chunks: every library reads its own form.
 */
#include "views/chunks.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/errors.h"
#include "views/files.h"
#include "views/wizard.h"

#define TEXT "text/plain; charset=utf-8"

/* ---- JSON, or the same as text */

/* Pages that send a form into a frame cannot show JSON: they ask for text or HTML alone. */
static bool takes_json(const struct req *req)
{
	const char *accept = req_header(req, "Accept");

	return accept == NULL || *accept == '\0' || negotiate_q(accept, "application/json") > 0 ||
	       negotiate_q(accept, "*/*") > 0;
}

void chunks_answer_model(struct call *call, int status, json_object *model)
{
	if (takes_json(call->req)) {
		reply_model(call->reply, status, "json", model);
		call->reply->format = FORMAT_JSON;
		return;
	}
	CLEAN_FREE char *text = json_print(model, NULL);
	json_object_put(model);
	reply_text(call->reply, status, TEXT, text);
}

/* The members every answer has. */
static json_object *chunks_model(const struct call *call, const struct upload_info *info)
{
	bool complete = info->state == UPLOAD_COMPLETE;
	json_object *m = json_object_new_object();
	CLEAN_FREE char *url = call_url(call, "/files/%s", info->id);

	json_set_bool(m, "success", true);
	json_set_str(m, "id", info->id);
	json_set_str(m, "uploadUid", info->id);
	json_set_str(m, "url", url);
	json_set_str(m, "name", info->name);
	/* Plupload's parts do not say how long their file will be. */
	if (complete || info->length >= 0)
		json_set_int(m, "size", complete ? info->offset : info->length);
	else
		json_set_str(m, "size", NULL);
	json_set_int(m, "received", complete ? info->offset : info->received);
	json_set_bool(m, "complete", complete);
	if (info->assembling)
		json_set_bool(m, "assembling", true);
	return m;
}

/* ---- one item of blueimp's "files" */

static json_object *file_item(const struct call *call, const struct upload_info *info)
{
	json_object *f = json_object_new_object();
	CLEAN_FREE char *url = call_url(call, "/files/%s", info->id);

	json_set_str(f, "name", info->name);
	json_set_int(f, "size", info->length >= 0 ? info->length : info->offset);
	json_set_str(f, "id", info->id);
	json_set_str(f, "url", url);
	json_set_str(f, "deleteUrl", url);
	json_set_str(f, "deleteType", "DELETE");
	return f;
}

/* ---- by dialect */

/* FilePond: the id when it asked for one, the offset when it sent a piece. */
static enum err answer_filepond(struct call *call, const struct chunks_result *r,
				const struct upload_info *info)
{
	if (r->kind == CHUNK_KIND_BYTES) {
		call->reply->status = 204;
		call->reply->body = REPLY_NOTHING;
		reply_header_int(call->reply, "Upload-Offset", info->offset);
		return ERR_OK;
	}
	reply_text(call->reply, 201, TEXT, info->id);
	return ERR_OK;
}

/* blueimp goes on behind the last byte of what it is told here. */
static void tell_range(struct call *call, const struct upload_info *info, int64_t upto)
{
	int64_t end = upto >= 0 && upto < info->offset ? upto : info->offset;

	if (info->state == UPLOAD_COMPLETE || end == 0)
		return;
	CLEAN_FREE char *range = mem_printf("0-%lld", (long long)end - 1);
	reply_header(call->reply, "Range", range);
}

static enum err answer_one(struct call *call, const struct chunks_result *r,
			   const struct upload_info *info, json_object *files)
{
	bool complete = info->state == UPLOAD_COMPLETE, put = call->req->method == METHOD_PUT;
	int status = r->dialect == CHUNK_RAW || (put && complete) ? 201 : 200;

	if (info->assembling)
		call_wake_worker_now(call);
	if (r->dialect == CHUNK_FILEPOND) {
		json_object_put(files);
		return answer_filepond(call, r, info);
	}
	if (r->dialect == CHUNK_CONTENTRANGE)
		tell_range(call, info, r->upto);
	json_object *m = chunks_model(call, info);
	if (r->dialect == CHUNK_FORM || r->dialect == CHUNK_CONTENTRANGE)
		json_set(m, "files", files);
	else
		json_object_put(files);
	/* Fine Uploader's own id ends a minute after its upload: from now on the file is called by
	 * ours. */
	if (r->dialect == CHUNK_FINE && complete)
		json_set_str(m, "newUuid", info->id);
	if (status == 201)
		files_location(call, info->id);
	chunks_answer_model(call, status, m);
	return ERR_OK;
}

enum err chunks_answer(struct call *call, const struct chunks_result *r)
{
	struct upload_info first = {0};
	json_object *files = json_object_new_array();
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < r->n; i++) {
		struct upload_info info = {0};
		err = upload_status(call->ctx->engine, r->ids[i], &call->who, &info, &call->error);
		if (err == ERR_OK)
			json_object_array_add(files, file_item(call, &info));
		if (err == ERR_OK && i == 0)
			first = info;
		else
			upload_info_done(&info);
	}
	if (err == ERR_OK)
		err = answer_one(call, r, &first, files);
	else
		json_object_put(files);
	upload_info_done(&first);
	return err;
}

/* ---- errors */

/* The files of the request as blueimp wants them: each with the sentence. */
static json_object *failed_files(struct call *call, const char *sentence)
{
	json_object *list =
			call->told != NULL ? json_object_get(call->told) : json_object_new_array(),
		    *f = NULL;

	JSON_EACH(f, list)
	json_set_str(f, "error", sentence);
	return list;
}

void chunks_print_error(struct call *call, enum err err, const json_object *details)
{
	struct chunk_request request = chunks_request(call);
	const char *sentence = json_str(json_at(details, 0), "message", "");

	if (json_len(call->told) > 0 && request.n_files == 0)
		request.n_files = json_len(call->told);
	enum chunk_dialect dialect = chunk_detect(&request);
	int status = chunk_error_status(dialect, err);
	if (dialect == CHUNK_FILEPOND) {
		CLEAN_FREE char *text = mem_printf("%s: %s\n", err_name(err), sentence);
		reply_text(call->reply, status, TEXT, text);
		return;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", false);
	json_set_str(m, "error", sentence);
	json_set_str(m, "code", err_name(err));
	/* What Fine Uploader remembers is gone: it begins anew. */
	if (dialect == CHUNK_FINE && err == ERR_NOT_FOUND)
		json_set_bool(m, "reset", true);
	else if (dialect == CHUNK_FINE && chunk_error_is_final(err))
		json_set_bool(m, "preventRetry", true);
	if (dialect == CHUNK_FORM || dialect == CHUNK_CONTENTRANGE)
		json_set(m, "files", failed_files(call, sentence));
	chunks_answer_model(call, status, m);
}
