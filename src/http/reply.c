#include "http/reply.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

void reply_init(struct reply *r)
{
	*r = (struct reply){.status = 200, .file_fd = -1};
}

/* Drop what an earlier decision left: an error's answer replaces a page that was half made. */
static void drop_body(struct reply *r)
{
	json_object_put(r->model);
	free(r->text);
	free(r->type);
	if (r->file_fd >= 0)
		(void)close(r->file_fd);
	free(r->file_etag);
	free(r->download_name);
	free(r->sendfile_path);
	r->model = NULL;
	r->text = r->type = r->file_etag = r->download_name = r->sendfile_path = NULL;
	r->text_len = 0;
	r->file_fd = -1;
	r->file_size = 0;
	r->user_content = r->cacheable = false;
}

void reply_done(struct reply *r)
{
	drop_body(r);
	pairs_done(&r->headers);
	pairs_done(&r->cookies);
}

/* Bytes that would end a header line, or another's. */
static bool is_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7F)
			return false;
	return true;
}

static bool is_header_name(const char *s)
{
	return *s != '\0' &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
		   strlen(s);
}

static bool refuse(struct reply *r, const char *name)
{
	log_line(LOG_LEVEL_ERROR, NULL, "header %s refused: control characters in it", name);
	r->broken = true;
	return false;
}

void reply_header(struct reply *r, const char *name, const char *value)
{
	if (!is_header_name(name) || !is_clean(value)) {
		(void)refuse(r, is_header_name(name) ? name : "?");
		return;
	}
	for (size_t i = 0; i < r->headers.n; i++) {
		struct pair *p = &r->headers.v[i];
		if (text_ieq(p->name, name)) {
			free(p->value);
			p->value = mem_strdup(value);
			return;
		}
	}
	pairs_add(&r->headers, name, value);
}

void reply_header_int(struct reply *r, const char *name, int64_t value)
{
	CLEAN_FREE char *s = mem_printf("%lld", (long long)value);

	reply_header(r, name, s);
}

void reply_redirect(struct reply *r, int status, const char *location)
{
	drop_body(r);
	r->status = status;
	r->body = REPLY_NOTHING;
	reply_header(r, "Location", location);
}

void reply_model(struct reply *r, int status, const char *template_name, json_object *model)
{
	if (model != r->model)
		drop_body(r);
	r->status = status;
	r->body = REPLY_MODEL;
	r->template_name = template_name;
	r->model = model;
}

void reply_text_take(struct reply *r, int status, const char *type, char *text)
{
	/* TYPE may be what the reply holds already. */
	char *type_copy = mem_strdup(type);

	drop_body(r);
	r->status = status;
	r->body = REPLY_TEXT;
	r->text = text;
	r->text_len = strlen(text);
	r->type = type_copy;
}

void reply_text(struct reply *r, int status, const char *type, const char *text)
{
	reply_text_take(r, status, type, mem_strdup(text));
}

void reply_file(struct reply *r, int fd, int64_t size, const char *type, const char *etag,
		const char *download_name)
{
	drop_body(r);
	r->body = REPLY_FILE;
	r->file_fd = fd;
	r->file_size = size;
	r->type = mem_strdup(type);
	r->file_etag = mem_strdup(etag);
	r->download_name = mem_strdup(download_name);
}

/* RFC 6265 cookie-octet. */
static bool is_cookie_value(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7F || strchr("\",;\\", *s) != NULL)
			return false;
	return true;
}

void reply_cookie(struct reply *r, const struct req *req, const struct cookie *c)
{
	char age[40] = "";

	if (!is_header_name(c->name) || !is_cookie_value(c->value)) {
		(void)refuse(r, "Set-Cookie");
		return;
	}
	if (c->max_age >= 0)
		(void)snprintf(age, sizeof(age), "; Max-Age=%lld", (long long)c->max_age);
	/* SameSite=None is only believed together with Secure. */
	bool none = c->same_site_none && req->https;
	CLEAN_FREE char *value = mem_printf("%s=%s; Path=%s%s%s; SameSite=%s%s", c->name, c->value,
					    *req->mount != '\0' ? req->mount : "/", age,
					    c->http_only ? "; HttpOnly" : "", none ? "None" : "Lax",
					    req->https ? "; Secure" : "");
	for (size_t i = 0; i < r->cookies.n; i++) {
		if (strcmp(r->cookies.v[i].name, c->name) == 0) {
			free(r->cookies.v[i].value);
			r->cookies.v[i].value = value;
			value = NULL;
			return;
		}
	}
	pairs_add(&r->cookies, c->name, value);
}
