#include <string.h>

#include "base/mem.h"
#include "http/field.h"

/* Of RFC 6265 only what browsers send: name=value pairs, values as they are. */
enum err cookies_parse(struct pairs *ret, const char *header, const struct config *config,
		       struct error *error)
{
	if (strlen(header) > (size_t)config->cookie_bytes)
		return field_fail(error, ERR_BAD_REQUEST, "limits.cookie_bytes",
				  "cookies of %zu bytes", strlen(header));
	for (const char *s = header; *s != '\0';) {
		s += strspn(s, " \t;");
		size_t len = strcspn(s, ";");
		const char *next = s + len;
		while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
			len--;
		const char *eq = memchr(s, '=', len);
		if (eq != NULL && eq > s) {
			if (ret->n >= (size_t)config->cookies)
				return field_fail(error, ERR_BAD_REQUEST, "limits.cookies",
						  "more than %zu cookies", ret->n);
			CLEAN_FREE char *name = mem_strndup(s, (size_t)(eq - s));
			CLEAN_FREE char *value = mem_strndup(eq + 1, len - (size_t)(eq + 1 - s));
			pairs_add(ret, name, value);
		}
		s = next;
	}
	return ERR_OK;
}

const char *req_cookie(const struct req *req, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < req->cookies.n; i++) {
		if (strcmp(req->cookies.v[i].name, name) != 0)
			continue;
		/* Somebody planted one of the two: neither is believed. */
		if (found != NULL && strcmp(found, req->cookies.v[i].value) != 0)
			return NULL;
		found = req->cookies.v[i].value;
	}
	return found;
}
