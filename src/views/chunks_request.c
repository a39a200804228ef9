/*
 * From a call to what the dialects look at.
 */
#include "views/chunks.h"

#include <string.h>
#include "base/text.h"

bool chunks_owns_path(const char *path)
{
	return text_starts(path, "/chunks") && (path[7] == '\0' || path[7] == '/');
}

/* The path behind /chunks, and the dialect it begins with. */
static const char *split(const struct call *call, enum chunk_dialect *ret)
{
	const char *rest = pairs_get(&call->params, "rest");

	*ret = CHUNK_NONE;
	if (rest == NULL)
		return "";
	size_t len = strcspn(rest, "/");
	*ret = chunk_dialect_by_name(rest, len);
	if (*ret != CHUNK_NONE)
		rest += len + (rest[len] == '/');
	return rest;
}

const char *chunks_tail(const struct call *call)
{
	enum chunk_dialect forced;

	return split(call, &forced);
}

struct chunk_request chunks_request(const struct call *call)
{
	const struct req *req = call->req;
	struct chunk_request r = {
	    .form = &call->form.fields,
	    .query = &req->query,
	    .multipart = req->body_type == BODY_MULTIPART,
	    .n_files = call->form.n_files,
	    .content_range = req_header(req, "Content-Range"),
	    .content_disposition = req_header(req, "Content-Disposition"),
	    .x_file_name = req_header(req, "X-File-Name"),
	    .upload_offset = req_header(req, "Upload-Offset"),
	    .upload_length = req_header(req, "Upload-Length"),
	    .upload_name = req_header(req, "Upload-Name"),
	};
	const char *tail = split(call, &r.forced);

	if (req->method == METHOD_PUT && *tail != '\0')
		r.path_name = tail;
	return r;
}

enum err chunks_refuse(struct call *call, enum err err, const struct chunk *c)
{
	if (c->bad_field == NULL)
		return call_fail(call, err, problem_new("chunk_unknown"));
	const char *code = c->bad_value == NULL ? "chunk_missing" : "chunk_field";
	json_object *p = problem_str(problem_new(code), "field", c->bad_field);
	if (c->bad_value != NULL)
		problem_str(p, "value", c->bad_value);
	return call_fail(call, err, p);
}
