#include "http/request.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "http/field.h"
#include "http/path.h"

static enum method method_of(const char *name)
{
	static const char *const names[METHOD__MAX] = {
	    [METHOD_GET] = "GET",	  [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
	    [METHOD_PUT] = "PUT",	  [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
	    [METHOD_OPTIONS] = "OPTIONS",
	};

	for (int m = 0; m < METHOD__MAX; m++)
		if (names[m] != NULL && strcmp(names[m], name) == 0)
			return (enum method)m;
	return METHOD_OTHER;
}

/* ---- what may be said at all */

struct header_check {
	const struct config *config;
	int64_t total;
	struct error *error;
};

static void check_header(const char *name, const char *value, void *arg)
{
	struct header_check *c = arg;
	int64_t len = (int64_t)strlen(name) + (int64_t)strlen(value);

	c->total += len;
	if (strpbrk(value, "\r\n") != NULL) {
		field_fail(c->error, ERR_BAD_REQUEST, "bad_text", "line end inside %s", name);
	} else if (len > c->config->header_bytes || c->total > c->config->headers_bytes) {
		bool one = len > c->config->header_bytes;
		field_fail(c->error, ERR_HEADERS, one ? "limits.header" : "limits.headers",
			   "%s has %lld bytes, all %lld", name, (long long)len,
			   (long long)c->total);
	}
}

static enum err check_sizes(struct req *req)
{
	struct header_check c = {req->config, 0, &req->error};
	const char *uri = wire_env(req->wire, "REQUEST_URI"),
		   *query = wire_env(req->wire, "QUERY_STRING");
	size_t line = strlen(req->method_name) + (uri != NULL	  ? strlen(uri)
						  : query != NULL ? strlen(query)
								  : 0);

	if ((int64_t)line > req->config->request_line_bytes)
		return field_fail(&req->error, ERR_URI_LONG, "limits.request_line",
				  "request line of %zu bytes", line);
	wire_each(req->wire, "HTTP_", check_header, &c);
	wire_each(req->wire, "CONTENT_TYPE", check_header, &c);
	return req->error.err;
}

/* ---- the body: how long, of what kind */

static enum err body_length(struct req *req)
{
	const char *length = wire_env(req->wire, "CONTENT_LENGTH");
	const char *coding = wire_env(req->wire, "HTTP_TRANSFER_ENCODING");

	req->content_length = -1;
	if (length != NULL && *length != '\0') {
		/* text_int takes a sign, a length has none. */
		if (*length == '-' || !text_int(length, 0, INT64_MAX, &req->content_length)) {
			req->content_length = -1;
			return error_set(&req->error, ERR_BAD_REQUEST, "CONTENT_LENGTH");
		}
		return ERR_OK;
	}
	req->chunked = coding != NULL && strcasestr(coding, "chunked") != NULL;
	return ERR_OK;
}

static void body_type(struct req *req)
{
	const char *type = wire_env(req->wire, "CONTENT_TYPE"), *rest;
	bool body = req->content_length > 0 || req->chunked;

	req->content_type = field_type(type != NULL ? type : "", &rest);
	if (*req->content_type == '\0') {
		req->body_type = body ? BODY_OTHER : BODY_NONE;
	} else if (strcmp(req->content_type, "application/x-www-form-urlencoded") == 0) {
		req->body_type = BODY_URLENCODED;
	} else if (strcmp(req->content_type, "application/json") == 0) {
		req->body_type = BODY_JSON;
	} else if (strcmp(req->content_type, "multipart/form-data") == 0) {
		/* Without a usable boundary it stays NULL; whoever wants the form then says so. */
		req->body_type = BODY_MULTIPART;
		(void)field_boundary(type, (size_t)req->config->boundary_bytes, &req->boundary,
				     NULL);
	} else {
		req->body_type = BODY_OTHER;
	}
}

static enum err query_read(struct req *req)
{
	const char *query = wire_env(req->wire, "QUERY_STRING"),
		   *uri = wire_env(req->wire, "REQUEST_URI");

	if (query == NULL && uri != NULL && (uri = strchr(uri, '?')) != NULL)
		query = uri + 1;
	if (query == NULL)
		return ERR_OK;
	return pairs_decode(&req->query, query, strlen(query), (size_t)req->config->form_fields,
			    &req->error);
}

static void lang_read(struct req *req)
{
	const char *asked = req_query(req, "lang");

	req->lang = negotiate_lang(req);
	req->lang_set = asked != NULL && (text_ieq(asked, "en") || text_ieq(asked, "zh"));
}

void req_init(struct req *req, struct wire *wire, const struct config *config)
{
	*req = (struct req){.wire = wire, .config = config, .content_length = -1};
	const char *method = wire_env(wire, "REQUEST_METHOD"),
		   *cookies = wire_env(wire, "HTTP_COOKIE");

	token_hex(req->id, 32);
	req->method_name = mem_strdup(method != NULL ? method : "");
	req->method = method_of(req->method_name);
	address_find(wire, config, req->address, &req->https);
	/* All parts are filled whatever went wrong before: the error's answer needs them.  The
	 * first error stands. */
	if (*req->method_name == '\0')
		error_set(&req->error, ERR_BAD_REQUEST, "no method");
	(void)check_sizes(req);
	(void)path_find(wire, config, &req->mount, &req->path, &req->raw_path, &req->error);
	(void)body_length(req);
	body_type(req);
	(void)query_read(req);
	if (cookies != NULL)
		(void)cookies_parse(&req->cookies, cookies, config, &req->error);
	lang_read(req);
}

void req_done(struct req *req)
{
	free(req->method_name);
	free(req->path);
	free(req->raw_path);
	free(req->mount);
	free(req->content_type);
	free(req->boundary);
	pairs_done(&req->query);
	pairs_done(&req->cookies);
	*req = (struct req){0};
}

const char *req_header(const struct req *req, const char *name)
{
	char variable[128] = "HTTP_";
	size_t n = strlen(name);

	if (text_ieq(name, "Content-Type"))
		return wire_env(req->wire, "CONTENT_TYPE");
	if (text_ieq(name, "Content-Length"))
		return wire_env(req->wire, "CONTENT_LENGTH");
	if (n >= sizeof(variable) - 5)
		return NULL;
	for (size_t i = 0; i <= n; i++) {
		char c = name[i];
		variable[5 + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	const char *value = wire_env(req->wire, variable);
	/* Apache hands Authorization over under this name where only a rewrite rule can pass it on.
	 */
	if (value == NULL && text_ieq(name, "Authorization"))
		value = wire_env(req->wire, "REDIRECT_HTTP_AUTHORIZATION");
	return value;
}

const char *req_query(const struct req *req, const char *name)
{
	return pairs_get(&req->query, name);
}
