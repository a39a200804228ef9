/*
 * The URLs of uploads, /files/ and /files/<id>: which protocol a request speaks, and what all of
 * them share; status, list and removal. Source: contracts/transports.md 2.
 */
#include "views/files.h"

#include <string.h>
#include "views/errors.h"
#include "views/identity.h"
#include "views/views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/sfield.h"

#define PAGE_SIZE 100 /* uploads on a page of the list */
#define PAGE_MOST 1000000

/* ---- which protocol */

enum files_protocol {
	FILES_FREE,  /* HEAD, GET, DELETE that name no protocol */
	FILES_PLAIN, /* the body of one POST or PUT is the file, or a form of files */
	FILES_TUS,
	FILES_IETF,
	FILES_UNVERSIONED, /* a tus client that forgot its header */
};

static bool has_body(const struct req *req)
{
	return req->method == METHOD_POST || req->method == METHOD_PUT;
}

/* Fields that only a tus client sends. */
static bool tus_without_version(const struct req *req)
{
	bool marked = req_header(req, "Upload-Complete") != NULL ||
		      req_header(req, "Upload-Incomplete") != NULL;

	if (req->method == METHOD_PATCH)
		return true;
	return req->method == METHOD_POST &&
	       (req_header(req, "Upload-Metadata") != NULL ||
		req_header(req, "Upload-Defer-Length") != NULL ||
		req_header(req, "Upload-Concat") != NULL ||
		(req_header(req, "Upload-Length") != NULL && !marked));
}

static enum files_protocol protocol_of(const struct req *req)
{
	int64_t version;
	bool mark;

	if (req_header(req, "Tus-Resumable") != NULL)
		return FILES_TUS;
	if (sfield_integer(req_header(req, "Upload-Draft-Interop-Version"), &version) ||
	    sfield_boolean(req_header(req, "Upload-Complete"), &mark) ||
	    sfield_boolean(req_header(req, "Upload-Incomplete"), &mark))
		return FILES_IETF;
	if (req->method == METHOD_PATCH &&
	    strcmp(req->content_type, "application/offset+octet-stream") != 0)
		return FILES_IETF;
	if (tus_without_version(req))
		return FILES_UNVERSIONED;
	return has_body(req) ? FILES_PLAIN : FILES_FREE;
}

/* ---- what requests say */

static ssize_t read_wire(void *arg, void *buf, size_t size, int wait_ms)
{
	return wire_read(arg, buf, size, wait_ms);
}

static void settle_wire(void *arg)
{
	wire_settle(arg);
}

bool files_has_body(const struct req *req)
{
	return req->content_length > 0 || (req->content_length < 0 && req->chunked);
}

struct body files_body(const struct req *req)
{
	return (struct body){.read = read_wire,
			     .settle = settle_wire,
			     .arg = req->wire,
			     .length = req->content_length,
			     .chunked = req->chunked};
}

enum err files_unpacked(struct call *call)
{
	const char *coding = req_header(call->req, "Content-Encoding");

	if (coding == NULL || *coding == '\0' || text_ieq(coding, "identity") ||
	    !files_has_body(call->req))
		return ERR_OK;
	return call_fail(call, ERR_TYPE, problem_str(problem_new("body_packed"), "value", coding));
}

int files_number(const struct req *req, const char *header, int64_t *ret)
{
	const char *text = req_header(req, header);

	if (text == NULL)
		return 0;
	return *text != '-' && text_int(text, 0, INT64_MAX, ret) ? 1 : -1;
}

enum err files_bad_header(struct call *call, enum err err, const char *header)
{
	return call_fail(call, err, problem_str(problem_new("bad_header"), "field", header));
}

struct principal files_creator(struct call *call)
{
	struct principal who = call->who;

	identity_keep(call);
	call->who = who;
	return who;
}

static bool is_key(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7F)
			return false;
	return n > 0 && n <= 128;
}

enum err files_create(struct call *call, struct upload_spec *spec, struct upload **ret,
		      bool *ret_created)
{
	const char *sent = req_header(call->req, "Idempotency-Key");
	char key[65];

	spec->owner = files_creator(call);
	spec->address = call->req->address;
	*ret_created = true;
	if (sent == NULL)
		return upload_create(call->ctx->engine, spec, ret, &call->error);
	if (!is_key(sent))
		return files_bad_header(call, ERR_BAD_REQUEST, "Idempotency-Key");
	upload_key(&spec->owner, call->req->address, "idempotency",
		   (const char *const[]){sent, NULL}, key);
	spec->key = key;
	spec->late = false;
	enum err err = upload_claim(call->ctx->engine, spec, false, ret, ret_created, &call->error);
	spec->key = NULL;
	return err;
}

/* ---- what answers say */

void files_location(struct call *call, const char *id)
{
	CLEAN_FREE char *where = call_public_url(call, "/files/%s", id);

	reply_header(call->reply, "Location", where);
}

void files_expires(struct call *call, int64_t expires_ms)
{
	char text[32];

	if (expires_ms <= 0)
		return;
	clock_http(expires_ms, text);
	reply_header(call->reply, "Upload-Expires", text);
}

void files_limit(struct call *call, int64_t expires_ms, const char *lifetime)
{
	const struct config *c = call->ctx->config;
	int64_t left = (expires_ms - clock_now_ms()) / 1000;
	CLEAN_FREE char *append = mem_strdup("");
	CLEAN_FREE char *life = mem_strdup("");

	if (c->upload_max_request > 0) {
		free(append);
		append = mem_printf(", max-append-size=%lld", (long long)c->upload_max_request);
	}
	if (expires_ms > 0) {
		free(life);
		life = mem_printf(", %s=%lld", lifetime, (long long)(left > 0 ? left : 0));
	}
	CLEAN_FREE char *text =
	    mem_printf("max-size=%lld%s%s", (long long)c->upload_max_size, append, life);
	reply_header(call->reply, "Upload-Limit", text);
}

enum err files_nothing(struct call *call, int status)
{
	call->reply->status = status;
	call->reply->body = REPLY_NOTHING;
	return ERR_OK;
}

json_object *files_final_model(const struct call *call, const char *id, const char *name,
			       int64_t size)
{
	CLEAN_FREE char *url = call_public_url(call, "/files/%s", id);
	json_object *m = json_object_new_object();

	json_set_str(m, "id", id);
	json_set_str(m, "url", url);
	json_set_str(m, "name", name);
	json_set_int(m, "size", size);
	json_set_str(m, "state", "complete");
	return m;
}

static const char *state_word(const struct upload_info *info)
{
	static const char *const words[UPLOAD_STATE__MAX] = {"created", "receiving", "complete",
							     "expired"};

	return words[info->state];
}

static json_object *status_model(const struct call *call, const struct upload_info *info)
{
	CLEAN_FREE char *url = call_public_url(call, "/files/%s", info->id);
	json_object *m = json_object_new_object();
	char expires[32];

	json_set_str(m, "id", info->id);
	json_set_str(m, "url", url);
	json_set_str(m, "name", info->name);
	json_set_int(m, "size", info->state == UPLOAD_COMPLETE ? info->offset : info->length);
	json_set_int(m, "received", info->received > info->offset ? info->received : info->offset);
	json_set_str(m, "state", state_word(info));
	json_set_bool(m, "assembling", info->assembling);
	if (info->expires > 0)
		clock_iso(info->expires, expires);
	json_set_str(m, "expires", info->expires > 0 ? expires : NULL);
	json_set_str(m, "adapter", info->adapter);
	return m;
}

/* ---- one upload */

static enum err item_delete(struct call *call)
{
	struct upload *u = NULL;
	enum err err = upload_open(call->ctx->engine, pairs_get(&call->params, "id"), &call->who,
				   UPLOAD_WANT_REMOVE, &u, &call->error);

	if (err == ERR_OK)
		err = upload_remove(u, UPLOAD_DELETED, &call->error);
	upload_close(u);
	return err == ERR_OK ? files_nothing(call, 204) : err;
}

/*
 * What a client that asks wants to go on from: whoever writes is stopped first, so that the offset
 * told is accepted next.
 */
static enum err settle(struct call *call, struct upload_info *info)
{
	struct upload *u = NULL;

	if (info->mode == UPLOAD_PARTS && info->state < UPLOAD_COMPLETE)
		info->offset = 0; /* what has come is no prefix */
	if (info->mode != UPLOAD_APPEND || info->state >= UPLOAD_COMPLETE || call->who.read_only)
		return ERR_OK;
	enum err err = upload_open(call->ctx->engine, info->id, &call->who, UPLOAD_WANT_WRITE, &u,
				   &call->error);
	if (err != ERR_OK)
		return err;
	info->offset = upload_offset(u);
	if (upload_is_complete(u))
		info->state = UPLOAD_COMPLETE;
	upload_close(u);
	return ERR_OK;
}

/* HEAD of one upload in the words of the protocol; also GET. */
static enum err item_head(struct call *call, struct upload_info *info)
{
	enum files_protocol protocol = protocol_of(call->req);
	enum err err = settle(call, info);
	int version = protocol == FILES_IETF ? resumable_version(call->req) : 8;
	bool tus = protocol == FILES_TUS, get = call->req->method == METHOD_GET;

	if (err != ERR_OK)
		return err;
	if (protocol != FILES_IETF)
		tus_describe(call, info);
	if (!tus)
		resumable_describe(call, info, version);
	return files_nothing(call, tus && !get ? 200 : 204);
}

static enum err item_get(struct call *call)
{
	const char *accept = req_header(call->req, "Accept");
	bool json = call->req->method == METHOD_GET && accept != NULL &&
		    negotiate_q(accept, "application/json") > 0;
	struct upload_info info = {0};
	enum err err = upload_status(call->ctx->engine, pairs_get(&call->params, "id"), &call->who,
				     &info, &call->error);

	if (err != ERR_OK)
		return err;
	if (json) {
		reply_model(call->reply, 200, "json", status_model(call, &info));
		call->reply->format = FORMAT_JSON;
	} else {
		err = item_head(call, &info);
	}
	upload_info_done(&info);
	return err;
}

/* ---- all of one owner */

static enum err list(struct call *call)
{
	const char *page_text = req_query(call->req, "page");
	struct upload_info *v = NULL;
	int64_t page = 1;
	size_t n = 0;

	if (strcmp(call->who.owner, "-") == 0)
		return call_fail(call, ERR_AUTH, problem_new("login_required"));
	if (page_text != NULL && !text_int(page_text, 1, PAGE_MOST, &page))
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_body"), "field", "page"));
	enum err err = uploads_of(call->ctx->engine, call->who.owner,
				  (size_t)(page - 1) * PAGE_SIZE, PAGE_SIZE, &v, &n, &call->error);
	if (err != ERR_OK)
		return err;
	json_object *all = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		json_object_array_add(all, status_model(call, &v[i]));
		upload_info_done(&v[i]);
	}
	free(v);
	reply_model(call->reply, 200, "json", all);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

/* ---- the rows of the route table */

enum err files_options_view(struct call *call)
{
	bool item = pairs_get(&call->params, "id") != NULL;

	dispatch_allow(call->reply, METHOD_BIT(METHOD_GET) | METHOD_BIT(METHOD_PUT) |
					(item ? METHOD_BIT(METHOD_PATCH) | METHOD_BIT(METHOD_DELETE)
					      : METHOD_BIT(METHOD_POST)));
	tus_options(call);
	files_limit(call, 0, NULL);
	return files_nothing(call, 204);
}

static enum err create(struct call *call)
{
	switch (protocol_of(call->req)) {
	case FILES_TUS:
		return tus_create(call);
	case FILES_IETF:
		if (resumable_creates(call->req))
			return resumable_create(call);
		break;
	case FILES_UNVERSIONED:
		return error_set(&call->error, ERR_VERSION, "tus without its version");
	case FILES_FREE:
	case FILES_PLAIN:
		break;
	}
	return call->req->body_type == BODY_MULTIPART ? plain_form(call) : plain_raw(call);
}

enum err files_view(struct call *call)
{
	return call->req->method == METHOD_POST || call->req->method == METHOD_PUT ? create(call)
										   : list(call);
}

static enum err item_tus(struct call *call)
{
	enum err err = tus_version(call);

	if (err != ERR_OK)
		return err;
	if (call->req->method == METHOD_PATCH)
		return tus_patch(call);
	return call->req->method == METHOD_DELETE ? item_delete(call) : item_get(call);
}

static enum err item_ietf(struct call *call)
{
	enum err err = resumable_fields(call);

	if (err == ERR_OK && call->req->method == METHOD_PATCH)
		err = resumable_patch(call);
	else if (err == ERR_OK)
		err = call->req->method == METHOD_DELETE ? item_delete(call) : item_get(call);
	if (err != ERR_GONE || resumable_version(call->req) == 8)
		return err;
	/* Older drafts know no difference. */
	call->error = (struct error){0};
	return error_set(&call->error, ERR_NOT_FOUND, "upload is gone");
}

enum err files_item_view(struct call *call)
{
	if (call->req->method == METHOD_PUT)
		return create(call);
	switch (protocol_of(call->req)) {
	case FILES_TUS:
		return item_tus(call);
	case FILES_IETF:
		return item_ietf(call);
	case FILES_UNVERSIONED:
		return error_set(&call->error, ERR_VERSION, "tus without its version");
	case FILES_FREE:
	case FILES_PLAIN:
		break;
	}
	return call->req->method == METHOD_DELETE ? item_delete(call) : item_get(call);
}

/* ---- before the row is found */

static bool is_below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static void override_method(struct req *req)
{
	static const char *const names[METHOD__MAX] = {
	    [METHOD_GET] = "GET",	 [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
	    [METHOD_PUT] = "PUT",	 [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
	    [METHOD_OPTIONS] = "OPTIONS"};
	const char *asked = req_header(req, "X-HTTP-Method-Override");

	if (asked == NULL)
		return;
	for (int m = 0; m < METHOD__MAX; m++) {
		if (names[m] == NULL || strcmp(names[m], asked) != 0)
			continue;
		free(req->method_name);
		req->method_name = mem_strdup(asked);
		req->method = (enum method)m;
		return;
	}
	(void)error_set(&req->error, ERR_BAD_REQUEST, "X-HTTP-Method-Override");
}

void files_begin(struct call *call)
{
	bool files = is_below(call->req->path, "/files");

	if (files)
		call->style = STYLE_FILES;
	if (files || is_below(call->req->path, "/chunks"))
		override_method(call->req);
}

/* ---- errors */

void files_print_error(struct call *call, enum err err, const json_object *details)
{
	enum files_protocol protocol = protocol_of(call->req);
	struct reply *r = call->reply;
	bool tus = protocol == FILES_TUS || protocol == FILES_UNVERSIONED;

	if (protocol == FILES_IETF) {
		resumable_print_error(call, err, details);
		return;
	}
	if (!tus && call->mode == MODE_STRICT) {
		errors_print_model(call, err, details);
		return;
	}
	CLEAN_FREE char *text =
	    mem_printf("%s: %s\n", err_name(err), json_str(json_at(details, 0), "message", ""));
	reply_text(r, tus && (err == ERR_CHECKSUM || err == ERR_DIGEST) ? 460 : err_status(err),
		   "text/plain; charset=utf-8", text);
	if (tus)
		reply_header(r, "Tus-Resumable", TUS_VERSION);
	if (err == ERR_VERSION)
		reply_header(r, "Tus-Version", TUS_VERSION);
	if (err_status(err) == 413)
		files_limit(call, 0, NULL);
}
