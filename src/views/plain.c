/*
 * Whole files in one request: the body of a PUT or POST is one file, or a form brings several;
 * GeoNode's /upload/new/ and /upload/remove/. Source: contracts/transports.md 2, 6 (form, raw);
 * wizard.md 2.
 */
#include "views/files.h"

#include <string.h>
#include "views/identity.h"
#include "views/wizard.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"
#include "wizard/bundle.h"

/* What the clients of section 6 read, and the final answer of a resumable upload besides. */
static json_object *whole_model(const struct call *call, const char *id, const char *name,
				int64_t size)
{
	json_object *m = files_final_model(call, id, name, size);

	json_set_bool(m, "success", true);
	json_set_str(m, "uploadUid", id);
	json_set_int(m, "received", size);
	json_set_bool(m, "complete", true);
	return m;
}

/* ---- the body is the file */

/* Percent-encoded, as browsers' scripts write names into a header.  NULL: no text. */
static char *encoded_name(const char *sent)
{
	char *name = NULL;

	return field_unescape(sent, strlen(sent), false, &name) == ERR_OK ? name : NULL;
}

/* The name: last path segment, ?name=, X-File-Name, Content-Disposition.  NULL: it is no text.
 * Caller frees. */
static char *name_of(const struct call *call)
{
	const char *rest = pairs_get(&call->params, "id"), *query = req_query(call->req, "name");
	const char *header = req_header(call->req, "X-File-Name"),
		   *cd = req_header(call->req, "Content-Disposition");

	if (rest != NULL && *rest != '\0')
		return text_display_name(rest);
	if (query != NULL && *query != '\0')
		return text_display_name(query);
	CLEAN_FREE char *sent = header != NULL && *header != '\0' ? encoded_name(header)
				: cd != NULL			  ? disposition_name(cd)
								  : mem_strdup("upload");
	if (sent == NULL)
		return header != NULL ? NULL : mem_strdup("upload");
	return text_display_name(sent);
}

/* A plain body cannot be resumed, since nobody was told its id: whole or nothing. */
static enum err receive_whole(struct call *call, struct upload *u)
{
	struct body body = files_body(call->req);
	int64_t offset = 0;
	enum err err = upload_append(u, 0, &body, NULL, true, &offset, &call->error);

	if (err != ERR_OK)
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
	return err;
}

enum err plain_raw(struct call *call)
{
	const struct req *req = call->req;
	CLEAN_FREE char *name = name_of(call);
	struct upload *u = NULL;
	bool created = false;

	if (name == NULL)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", "name"));
	enum err err = files_unpacked(call);
	if (err != ERR_OK)
		return err;
	/* Without a length a cut cannot be told from the end. */
	if (req->content_length < 0)
		return error_set(&call->error, ERR_NEED_LENGTH, "no length");
	struct upload_spec spec = {.adapter = "put",
				   .mode = UPLOAD_APPEND,
				   .name = *name != '\0' ? name : "upload",
				   .media_type =
				       *req->content_type != '\0' ? req->content_type : NULL,
				   .length = req->content_length};
	err = files_create(call, &spec, &u, &created);
	if (err == ERR_OK && !upload_is_complete(u))
		err = receive_whole(call, u);
	if (err == ERR_OK) {
		files_location(call, upload_id(u));
		reply_model(call->reply, 201, "json",
			    whole_model(call, upload_id(u), spec.name, upload_length(u)));
		call->reply->format = FORMAT_JSON;
	}
	upload_close(u);
	return err;
}

/* ---- each file part is one */

struct files {
	struct call *call;
	struct principal who;
	struct upload **v;
	char **names;
	size_t n, room;
};

static enum err file_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct files *f = arg;
	CLEAN_FREE char *name = text_display_name(filename);

	if (name == NULL)
		return call_fail(f->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", field));
	if (f->n == f->room) {
		f->room = f->room == 0 ? 8 : 2 * f->room;
		f->v = mem_resize(f->v, f->room, sizeof(*f->v));
		f->names = mem_resize(f->names, f->room, sizeof(*f->names));
	}
	struct upload_spec spec = {.owner = f->who,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = *name != '\0' ? name : "upload",
				   .media_type = type,
				   .length = -1,
				   .address = f->call->req->address};
	struct upload *u = NULL;
	enum err err = upload_create(f->call->ctx->engine, &spec, &u, error);
	if (err != ERR_OK)
		return err;
	f->v[f->n] = u;
	f->names[f->n++] = mem_strdup(spec.name);
	return ERR_OK;
}

static enum err file_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct files *f = arg;

	return upload_push(f->v[f->n - 1], bytes, n, error);
}

static enum err file_end(void *arg, struct error *error)
{
	struct files *f = arg;

	return upload_push_end(f->v[f->n - 1], false, error);
}

static void files_done(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		upload_close(f->v[i]);
		free(f->names[i]);
	}
	free(f->v);
	free(f->names);
}

/* The first file's answer, and what browsers' libraries read of all of them. */
static json_object *files_model(const struct files *f)
{
	json_object *m =
	    whole_model(f->call, upload_id(f->v[0]), f->names[0], upload_length(f->v[0]));
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < f->n; i++) {
		CLEAN_FREE char *url = call_public_url(f->call, "/files/%s", upload_id(f->v[i]));
		json_object *one = json_object_new_object();
		json_set_str(one, "name", f->names[i]);
		json_set_int(one, "size", upload_length(f->v[i]));
		json_set_str(one, "id", upload_id(f->v[i]));
		json_set_str(one, "url", url);
		json_set_str(one, "deleteUrl", url);
		json_set_str(one, "deleteType", "DELETE");
		json_object_array_add(list, one);
	}
	json_set(m, "files", list);
	return m;
}

enum err plain_form(struct call *call)
{
	struct files f = {.call = call, .who = files_creator(call)};
	struct form_sink sink = {
	    .begin = file_begin, .data = file_data, .end = file_end, .arg = &f};
	enum err err = form_read(call->req, &call->form, &sink, &call->error);

	if (err == ERR_OK && f.n == 0)
		err = call_fail(call, ERR_BAD_REQUEST, problem_new("file_missing"));
	if (err == ERR_OK)
		err = uploads_commit(call->ctx->engine, f.v, f.n, NULL, NULL, &call->error);
	if (err == ERR_OK) {
		if (f.n == 1)
			files_location(call, upload_id(f.v[0]));
		reply_model(call->reply, 200, "json", files_model(&f));
		call->reply->format = FORMAT_JSON;
	}
	files_done(&f);
	return err;
}

/* ---- GeoNode's single-file adapter: multipart field "file" */

struct one {
	struct call *call;
	struct upload *upload;
	char *name;
	char head[4096]; /* first bytes: what the file is */
	size_t head_len;
};

static enum err one_begin(void *arg, const char *field, const char *filename, const char *type,
			  struct error *error)
{
	struct one *o = arg;
	if (strcmp(field, "file") != 0 || o->upload != NULL)
		return call_fail(o->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_body"), "field", field));
	o->name = text_display_name(filename);
	if (o->name == NULL)
		return call_fail(o->call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", field));
	struct upload_spec spec = {.owner = o->call->who,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = *o->name != '\0' ? o->name : "upload",
				   .media_type = type,
				   .length = -1,
				   .address = o->call->req->address};
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
	json_object *wrong =
	    bundle_check_content(o->name, upload_offset(o->upload), o->head, o->head_len);
	bool known = bundle_is_accepted(o->name, o->call->ctx->config->extra_drivers);
	json_object_put(wrong);
	return known && wrong == NULL;
}

enum err upload_new_view(struct call *call)
{
	struct one o = {.call = call};
	struct form_sink sink = {.begin = one_begin, .data = one_data, .end = one_end, .arg = &o};
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

static enum err remove_upload(struct call *call, const char *id)
{
	struct upload *u = NULL;
	enum err err =
	    upload_open(call->ctx->engine, id, &call->who, UPLOAD_WANT_REMOVE, &u, &call->error);
	if (err == ERR_OK)
		err = upload_remove(u, UPLOAD_DELETED, &call->error);
	upload_close(u);
	return err;
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
