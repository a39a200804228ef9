/*
 * What SuperMap's clients are answered: one model in five forms, and where our resources stand.
 */
#include "views/supermap.h"

#include <stdarg.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"
#include "views/ctx.h"
#include "views/errors.h"
#include "views/wizard.h"

#define CALLBACK_MAX 128

/* Pages of this family run nothing and load nothing of others. */
static const char page_policy[] =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'";

static bool is_catalogue(const struct call *call)
{
	return text_starts(call->req->path, "/iportal/web/");
}

static void common_headers(struct call *call)
{
	if (!is_catalogue(call))
		return;
	reply_header(call->reply, "Cache-Control", "private, no-cache");
	reply_header(call->reply, "Vary", "Origin");
}

/* The name of a function and nothing else: it becomes program text in a foreign page. */
static bool callback_ok(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
			      s[i] == '_' || s[i] == '$';
		bool later = (s[i] >= '0' && s[i] <= '9') || s[i] == '.';
		if (!letter && (i == 0 || !later))
			return false;
	}
	return len > 0 && len <= CALLBACK_MAX;
}

enum err supermap_callback(struct call *call, const char **ret)
{
	const char *callback = supermap_query(call, "callback");

	if (callback == NULL)
		callback = "callback";
	if (!callback_ok(callback)) {
		call->supermap.format = SUPERMAP_JSON;
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "callback");
	}
	*ret = callback;
	return ERR_OK;
}

static enum err answer_script(struct call *call, int status, const char *json)
{
	const char *callback = NULL;
	enum err err = supermap_callback(call, &callback);

	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *text = mem_printf("%s(%s,%d);", callback, json, status);
	reply_text(call->reply, 200, "application/javascript;charset=UTF-8", text);
	return ERR_OK;
}

static enum err answer_page(struct call *call, int status, json_object *model)
{
	json_object *m = json_object_new_object();
	CLEAN_FREE char *text = represent(model, FORMAT_RJSON, NULL, NULL);

	json_set_str(m, "text", text);
	json_object_put(model);
	return supermap_page(call, status, "datas_model", "title.datas_model", m);
}

enum err supermap_page(struct call *call, int status, const char *template_name,
		       const char *title_key, json_object *model)
{
	call_page(call, model, title_key);
	reply_model(call->reply, status, template_name, model);
	call->reply->format = FORMAT_HTML;
	reply_header(call->reply, "Content-Security-Policy", page_policy);
	common_headers(call);
	return ERR_OK;
}

enum err supermap_answer(struct call *call, int status, const char *xml_root, json_object *model)
{
	static const char json_type[] = "application/json;charset=UTF-8";
	enum supermap_format f = call->supermap.format;
	enum format format = f == SUPERMAP_RJSON ? FORMAT_RJSON
			     : f == SUPERMAP_XML ? FORMAT_XML
						 : FORMAT_JSON;
	enum err err = ERR_OK;

	if (f == SUPERMAP_HTML)
		return answer_page(call, status, model);
	if (xml_root == NULL)
		xml_root = json_object_is_type(model, json_type_array) ? "list" : "MethodResult";
	char *text = represent(model, format, xml_root, NULL);
	json_object_put(model);
	if (f == SUPERMAP_JSONP) {
		err = answer_script(call, status, text);
		free(text);
	} else {
		reply_text_take(call->reply, status,
				format == FORMAT_XML ? represent_type(FORMAT_XML) : json_type,
				text);
	}
	common_headers(call);
	return err;
}

enum err supermap_done(struct call *call)
{
	json_object *m = json_object_new_object();

	json_set_bool(m, "succeed", true);
	return supermap_answer(call, 200, NULL, m);
}

enum err supermap_fail(struct call *call, enum err err, const char *code, const char *field)
{
	json_object *p = problem_new(code);

	return call_fail(call, err, field != NULL ? problem_str(p, "field", field) : p);
}

/* The family's clients know fewer numbers. */
static int status_of(enum err err)
{
	int status = err_status(err);

	switch (status) {
	case 403:
		return 401;
	case 410:
		return 404;
	case 423:
	case 412:
		return 409;
	case 415:
		return 400;
	default:
		return status;
	}
}

void supermap_error(struct call *call, enum err err, const json_object *details)
{
	int status = status_of(err);
	json_object *m = json_object_new_object(), *e = json_object_new_object();

	if (call->mode == MODE_HTML && call->supermap.format == SUPERMAP_HTML) {
		json_object_put(e);
		error_members(call, m, json_copy(details));
		json_set_int(m, "http_status", status);
		(void)supermap_page(call, status, "error", "title.error", m);
		return;
	}
	if (call->supermap.format == SUPERMAP_PNG || call->supermap.format == SUPERMAP_HTML ||
	    call->supermap.unknown)
		call->supermap.format = SUPERMAP_JSON;
	json_set_bool(m, "succeed", false);
	json_set_int(e, "code", status);
	json_set_str(e, "errorMsg", json_str(json_at(details, 0), "message", ""));
	json_set(m, "error", e);
	if (supermap_answer(call, status, NULL, json_object_get(m)) != ERR_OK) {
		/* The callback was no name: the second time around the answer is JSON. */
		json_set_int(e, "code", 400);
		(void)supermap_answer(call, 400, NULL, json_object_get(m));
	}
	json_object_put(m);
}

/* ---- where our resources stand */

static bool host_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 255 &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:[]-") ==
		   n;
}

/* The address of the last hop is one of trusted_proxies. */
static bool by_proxy(const struct call *call)
{
	const char *remote = wire_env(call->req->wire, "REMOTE_ADDR");

	return remote != NULL && address_listed(remote, call->ctx->config->trusted_proxies);
}

/* What a trusted proxy says about the outside, NULL: nothing. */
static const char *forwarded(const struct call *call, const char *name)
{
	const char *v = by_proxy(call) ? req_header(call->req, name) : NULL;

	return v != NULL && *v != '\0' && strpbrk(v, ", \t\"<>\\") == NULL ? v : NULL;
}

/*
 * What to call ourselves to a client that sent no Host: lighttpd has no name then, but its address.
 */
static char *server_name(const struct req *req)
{
	const char *name = wire_env(req->wire, "SERVER_NAME");

	if (name == NULL || *name == '\0')
		name = wire_env(req->wire, "SERVER_ADDR");
	if (name == NULL || *name == '\0')
		name = "localhost";
	bool bare_ipv6 = *name != '[' && strchr(name, ':') != NULL;
	return mem_printf(bare_ipv6 ? "[%s]" : "%s", name);
}

static char *base_url(const struct call *call)
{
	const struct req *req = call->req;
	const char *proto = forwarded(call, "X-Forwarded-Proto"),
		   *host = forwarded(call, "X-Forwarded-Host");
	const char *prefix = forwarded(call, "X-Forwarded-Prefix");
	const char *port = wire_env(req->wire, "SERVER_PORT");
	bool https = proto != NULL ? text_ieq(proto, "https") : req->https;

	if (*call->ctx->config->public_url != '\0')
		return mem_strdup(call->ctx->config->public_url);
	if (host == NULL || !host_ok(host))
		host = req_header(req, "Host");
	if (prefix == NULL || *prefix != '/' || text_starts(prefix, "//"))
		prefix = "";
	size_t cut = strlen(prefix);
	while (cut > 0 && prefix[cut - 1] == '/')
		cut--;
	if (host != NULL && host_ok(host))
		return mem_printf("%s://%s%.*s%s", https ? "https" : "http", host, (int)cut, prefix,
				  req->mount);
	CLEAN_FREE char *name = server_name(req);
	return mem_printf("%s://%s:%s%.*s%s", https ? "https" : "http", name,
			  port != NULL ? port : "80", (int)cut, prefix, req->mount);
}

char *supermap_url(const struct call *call, const char *fmt, ...)
{
	CLEAN_FREE char *base = base_url(call);
	char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&path, fmt, ap) < 0)
		mem_die();
	va_end(ap);
	char *url = mem_printf("%s%s", base, path);
	free(path);
	return url;
}

const char *supermap_suffix(const struct call *call)
{
	static const char *const names[SUPERMAP_FORMAT__MAX] = {
	    [SUPERMAP_RJSON] = "rjson", [SUPERMAP_JSON] = "json",   [SUPERMAP_XML] = "xml",
	    [SUPERMAP_HTML] = "html",	[SUPERMAP_JSONP] = "jsonp", [SUPERMAP_PNG] = "png",
	};

	return names[call->supermap.format];
}
