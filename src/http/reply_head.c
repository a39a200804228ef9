#include "http/reply_int.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

const char *reply_reason(int status)
{
	static const struct {
		int status;
		const char *words;
	} rows[] = {{104, "Upload Resumption Supported"},
		    {200, "OK"},
		    {201, "Created"},
		    {202, "Accepted"},
		    {204, "No Content"},
		    {206, "Partial Content"},
		    {301, "Moved Permanently"},
		    {302, "Found"},
		    {303, "See Other"},
		    {304, "Not Modified"},
		    {307, "Temporary Redirect"},
		    {308, "Permanent Redirect"},
		    {400, "Bad Request"},
		    {401, "Unauthorized"},
		    {403, "Forbidden"},
		    {404, "Not Found"},
		    {405, "Method Not Allowed"},
		    {406, "Not Acceptable"},
		    {409, "Conflict"},
		    {410, "Gone"},
		    {411, "Length Required"},
		    {412, "Precondition Failed"},
		    {413, "Content Too Large"},
		    {414, "URI Too Long"},
		    {415, "Unsupported Media Type"},
		    {416, "Range Not Satisfiable"},
		    {423, "Locked"},
		    {429, "Too Many Requests"},
		    {431, "Request Header Fields Too Large"},
		    {460, "Checksum Mismatch"},
		    {500, "Internal Server Error"},
		    {501, "Not Implemented"},
		    {503, "Service Unavailable"},
		    {504, "Gateway Timeout"},
		    {507, "Insufficient Storage"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].status == status)
			return rows[i].words;
	return "Unknown";
}

const char *reply_header_of(const struct reply *r, const char *name)
{
	for (size_t i = 0; i < r->headers.n; i++)
		if (text_ieq(r->headers.v[i].name, name))
			return r->headers.v[i].value;
	return NULL;
}

static void put(struct sending *s, const char *name, const char *value)
{
	buf_str(&s->head, name);
	buf_add(&s->head, ": ", 2);
	buf_str(&s->head, value);
	buf_add(&s->head, "\r\n", 2);
}

/* A header of ours, unless the view said something else. */
static void put_default(struct sending *s, const char *name, const char *value)
{
	if (reply_header_of(s->reply, name) == NULL)
		put(s, name, value);
}

/* The origin of the background map's tiles, for img-src; "" when there is none that can stand
 * there. */
static char *tile_origin(const struct config *c)
{
	const char *url = c->tile_url != NULL ? c->tile_url : "";
	const char *host = strstr(url, "://");

	if (host == NULL || (!text_starts(url, "https://") && !text_starts(url, "http://")))
		return mem_strdup("");
	CLEAN_FREE char *name = mem_strndup(host + 3, strcspn(host + 3, "/?#"));
	/* "{s}.tile.example.org" stands for several hosts. */
	bool many = text_starts(name, "{s}.");
	const char *rest = many ? name + 4 : name;
	if (*rest == '\0' ||
	    strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:") !=
		strlen(rest))
		return mem_strdup("");
	return mem_printf(" %.*s://%s%s", (int)(host - url), url, many ? "*." : "", rest);
}

static void security_headers(struct sending *s)
{
	struct reply *r = s->reply;

	put_default(s, "X-Content-Type-Options", "nosniff");
	put_default(s, "Referrer-Policy", "same-origin");
	if (s->html) {
		CLEAN_FREE char *tiles = tile_origin(s->req->config);
		CLEAN_FREE char *policy =
		    mem_printf("default-src 'none'; script-src 'self'; style-src 'self'; "
			       "img-src 'self' data:%s; font-src 'self'; connect-src 'self'; "
			       "form-action 'self'; base-uri 'none'; "
			       "frame-ancestors 'none'",
			       tiles);
		put_default(s, "Content-Security-Policy", policy);
		put_default(s, "X-Frame-Options", "DENY");
		put_default(s, "Cross-Origin-Opener-Policy", "same-origin");
	} else if (r->user_content) {
		put_default(s, "Content-Security-Policy", "sandbox; default-src 'none'");
		put_default(s, "Cross-Origin-Resource-Policy", "same-origin");
	} else {
		put_default(s, "Content-Security-Policy",
			    "default-src 'none'; frame-ancestors 'none'");
	}
	if (s->req->config->hsts && s->req->https)
		put_default(s, "Strict-Transport-Security", "max-age=31536000");
}

static void cache_headers(struct sending *s)
{
	static const char ours[] = "Accept, X-Requested-With, Cookie, Accept-Language";
	const char *vary = reply_header_of(s->reply, "Vary");

	if (s->reply->cacheable) {
		put_default(s, "Cache-Control", "public, max-age=300");
		if (vary != NULL)
			put(s, "Vary", vary);
		return;
	}
	put_default(s, "Cache-Control", "no-store");
	/* What the view adds ("Origin") is said besides. */
	CLEAN_FREE char *both = vary != NULL ? mem_printf("%s, %s", ours, vary) : NULL;
	put(s, "Vary", both != NULL ? both : ours);
}

static int64_t body_length(const struct sending *s)
{
	if (s->reply->body == REPLY_FILE)
		return s->last - s->first + 1;
	return s->reply->body == REPLY_NOTHING ? 0 : (int64_t)s->text_len;
}

void reply_head_print(struct sending *s)
{
	struct reply *r = s->reply;

	buf_str(&s->head, "Status: ");
	buf_int(&s->head, r->status);
	buf_char(&s->head, ' ');
	buf_str(&s->head, reply_reason(r->status));
	buf_str(&s->head, "\r\n");
	if (s->type != NULL)
		put_default(s, "Content-Type", s->type);
	if (!s->no_length && !s->by_server) {
		buf_str(&s->head, "Content-Length: ");
		buf_int(&s->head, body_length(s));
		buf_str(&s->head, "\r\n");
	}
	put(s, "X-Slipway", "1");
	put(s, "X-Request-Id", s->req->id);
	security_headers(s);
	cache_headers(s);
	if (s->type != NULL && (r->download_name != NULL || r->user_content)) {
		CLEAN_FREE char *d = r->download_name != NULL ? disposition(r->download_name)
							      : mem_strdup("attachment");
		put_default(s, "Content-Disposition", d);
	}
	for (size_t i = 0; i < r->headers.n; i++)
		if (!text_ieq(r->headers.v[i].name, "Vary"))
			put(s, r->headers.v[i].name, r->headers.v[i].value);
	for (size_t i = 0; i < r->cookies.n; i++)
		put(s, "Set-Cookie", r->cookies.v[i].value);
	buf_str(&s->head, "\r\n");
}
