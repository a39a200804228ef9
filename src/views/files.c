/*
 * Plain uploads: a PUT or POST body is one file; GeoNode's /upload/new/ and /upload/remove/.
 * Source: contracts/transports.md 1, 2; wizard.md 2.
 */
#include <string.h>
#include "views/identity.h"
#include "views/wizard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"
#include "wizard/bundle.h"

static ssize_t read_wire(void *arg, void *buf, size_t size, int wait_ms)
{
	return wire_read(arg, buf, size, wait_ms);
}

static json_object *upload_json(const struct call *call, const struct upload_info *info)
{
	static const char *const states[] = { "created", "receiving", "complete", "expired" };
	json_object *m = json_object_new_object();
	CLEAN_FREE char *url = call_url(call, "/files/%s", info->id);
	char expires[32];
	json_set_str(m, "id", info->id);
	json_set_str(m, "url", url);
	json_set_str(m, "name", info->name);
	json_set_int(m, "size", info->state == UPLOAD_COMPLETE ? info->offset : info->length);
	json_set_int(m, "received", info->offset);
	json_set_str(m, "state", states[info->state]);
	json_set_bool(m, "assembling", info->assembling);
	if (info->expires > 0)
		clock_iso(info->expires, expires);
	json_set_str(m, "expires", info->expires > 0 ? expires : NULL);
	json_set_str(m, "adapter", info->adapter);
	return m;
}

/* The name: last path segment, else Content-Disposition, else "upload". */
static char *name_of(const struct call *call)
{
	const char *rest = pairs_get(&call->params, "name");
	const char *query = req_query(call->req, "name");
	if (rest != NULL && *rest != '\0')
		return text_display_name(rest);
	if (query != NULL && *query != '\0')
		return text_display_name(query);
	const char *cd = req_header(call->req, "Content-Disposition");
	CLEAN_FREE char *sent = cd != NULL ? disposition_name(cd) : NULL;
	return sent != NULL ? text_display_name(sent) : mem_strdup("upload");
}

/* POST or PUT of one file's bytes. */
enum err files_put_view(struct call *call)
{
	struct req *req = call->req;
	CLEAN_FREE char *name = name_of(call);
	struct upload *u = NULL;
	int64_t offset = 0;

	if (name == NULL)
		return call_fail(call, ERR_BAD_REQUEST, problem_str(problem_new("bad_text"), "field", "name"));
	if (req->content_length < 0 && !req->chunked)
		return error_set(&call->error, ERR_NEED_LENGTH, "no length");
	/* Without a length a cut cannot be told from the end: only a declared one completes. */
	if (req->content_length < 0)
		return error_set(&call->error, ERR_NEED_LENGTH, "chunked without length");
	struct upload_spec spec = { .owner = call->who, .adapter = "put", .mode = UPLOAD_APPEND,
		.name = *name != '\0' ? name : "upload", .media_type = req->content_type, .length = req->content_length,
		.address = req->address };
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);
	if (err != ERR_OK)
		return err;
	struct body body = { .read = read_wire, .arg = req->wire, .length = req->content_length, .chunked = req->chunked };
	char id[33];
	memcpy(id, upload_id(u), sizeof(id));
	err = upload_append(u, 0, &body, NULL, true, &offset, &call->error);
	/* A plain body cannot be resumed: nobody was told its id. */
	if (err != ERR_OK)
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
	upload_close(u);
	if (err != ERR_OK)
		return err;
	struct upload_info info = {0};
	err = upload_get(call->ctx->engine, id, &call->who, &info, &call->error);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *where = call_url(call, "/files/%s", id);
	reply_model(call->reply, 201, "json", upload_json(call, &info));
	call->reply->format = FORMAT_JSON;
	reply_header(call->reply, "Location", where);
	upload_info_done(&info);
	return ERR_OK;
}

static enum err remove_upload(struct call *call, const char *id)
{
	struct upload *u = NULL;
	enum err err = upload_open(call->ctx->engine, id, &call->who, UPLOAD_WANT_REMOVE, &u, &call->error);
	if (err == ERR_OK)
		err = upload_remove(u, UPLOAD_DELETED, &call->error);
	upload_close(u);
	return err;
}

enum err files_status_view(struct call *call)
{
	const char *id = pairs_get(&call->params, "id");
	struct upload_info info = {0};

	if (call->req->method == METHOD_DELETE) {
		enum err err = remove_upload(call, id);
		if (err == ERR_OK) {
			call->reply->status = 204;
			call->reply->body = REPLY_NOTHING;
		}
		return err;
	}
	enum err err = upload_status(call->ctx->engine, id, &call->who, &info, &call->error);
	if (err != ERR_OK)
		return err;
	reply_header_int(call->reply, "Upload-Offset", info.offset);
	if (info.length >= 0)
		reply_header_int(call->reply, "Upload-Length", info.length);
	const char *accept = req_header(call->req, "Accept");
	if (accept != NULL && negotiate_q(accept, "application/json") > 0) {
		reply_model(call->reply, 200, "json", upload_json(call, &info));
		call->reply->format = FORMAT_JSON;
	} else {
		call->reply->status = call->req->method == METHOD_HEAD ? 200 : 204;
		call->reply->body = REPLY_NOTHING;
	}
	upload_info_done(&info);
	return ERR_OK;
}

/* ---- GeoNode's single-file adapter: multipart field "file" */

struct one {
	struct call *call;
	struct upload *upload;
	char *name;
	char head[4096];      /* first bytes: what the file is */
	size_t head_len;
};

static enum err one_begin(void *arg, const char *field, const char *filename, const char *type, struct error *error)
{
	struct one *o = arg;
	if (strcmp(field, "file") != 0 || o->upload != NULL)
		return call_fail(o->call, ERR_BAD_REQUEST, problem_str(problem_new("bad_body"), "field", field));
	o->name = text_display_name(filename);
	if (o->name == NULL)
		return call_fail(o->call, ERR_BAD_REQUEST, problem_str(problem_new("bad_text"), "field", field));
	struct upload_spec spec = { .owner = o->call->who, .adapter = "form", .mode = UPLOAD_APPEND,
		.name = *o->name != '\0' ? o->name : "upload", .media_type = type, .length = -1, .address = o->call->req->address };
	return upload_create(o->call->ctx->engine, &spec, &o->upload, error);
}

static enum err one_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct one *o = arg;
	size_t room = sizeof(o->head) - o->head_len, take = n < room ? n : room;
	memcpy(o->head + o->head_len, bytes, take);
	o->head_len += take;
	return upload_push(o->upload, bytes, n, error);
}

static enum err one_end(void *arg, struct error *error)
{
	struct one *o = arg;
	return upload_push_end(o->upload, false, error);
}

/* A file no wizard would take, alone or beside others: side files wait for their main file. */
static bool is_usable(const struct one *o)
{
	if (o->upload == NULL || upload_offset(o->upload) == 0)
		return false;
	json_object *wrong = bundle_check_content(o->name, upload_offset(o->upload), o->head, o->head_len);
	bool known = bundle_is_accepted(o->name, o->call->ctx->config->extra_drivers);
	json_object_put(wrong);
	return known && wrong == NULL;
}

enum err upload_new_view(struct call *call)
{
	struct one o = { .call = call };
	struct form_sink sink = { .begin = one_begin, .data = one_data, .end = one_end, .arg = &o };
	identity_keep(call);
	enum err err = form_read(call->req, &call->form, &sink, &call->error);

	if (err == ERR_OK)
		err = dispatch_csrf(call);
	bool usable = err == ERR_OK && is_usable(&o);
	if (err == ERR_OK && usable)
		err = uploads_commit(call->ctx->engine, &o.upload, 1, NULL, NULL, &call->error);
	json_object *list = json_object_new_array(), *item = json_object_new_object();
	if (err == ERR_OK && usable) {
		CLEAN_FREE char *url = call_url(call, "/upload/?upload=%s", upload_id(o.upload));
		CLEAN_FREE char *del = call_url(call, "/upload/remove/%s", upload_id(o.upload));
		json_set_str(item, "name", o.name);
		json_set_str(item, "url", url);
		json_set(item, "thumbnail_url", NULL);
		json_set_str(item, "delete_url", del);
		json_set_str(item, "delete_type", "DELETE");
	} else if (o.upload != NULL) {
		(void)upload_remove(o.upload, UPLOAD_DELETED, NULL);
	}
	json_object_array_add(list, item);
	upload_close(o.upload);
	free(o.name);
	if (err != ERR_OK && err_status(err) != 400) {
		json_object_put(list);
		return err;
	}
	reply_model(call->reply, err == ERR_OK && usable ? 200 : 400, "json", list);
	call->reply->format = FORMAT_JSON;
	reply_header(call->reply, "Content-Disposition", "inline; filename=files.json");
	return ERR_OK;
}

enum err upload_remove_view(struct call *call)
{
	enum err err = remove_upload(call, pairs_get(&call->params, "id"));
	if (err != ERR_OK)
		return err;
	reply_model(call->reply, 200, "json", json_object_new_boolean(true));
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}
