#include <string.h>

#include "base/mem.h"
#include "http/field.h"

const char *pairs_get(const struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (strcmp(pairs->v[i].name, name) == 0)
			return pairs->v[i].value;
	return NULL;
}

/* Room for one more; the array grows at powers of two, so that its size need not be kept. */
static struct pair *pairs_room(struct pairs *pairs)
{
	size_t n = pairs->n;

	if ((n & (n - 1)) == 0)
		pairs->v = mem_resize(pairs->v, n == 0 ? 1 : 2 * n, sizeof(*pairs->v));
	return &pairs->v[pairs->n++];
}

void pairs_add(struct pairs *pairs, const char *name, const char *value)
{
	struct pair p = {mem_strdup(name), mem_strdup(value)};

	*pairs_room(pairs) = p;
}

void pairs_done(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->v[i].name);
		free(pairs->v[i].value);
	}
	free(pairs->v);
	free(pairs->bad);
	*pairs = (struct pairs){0};
}

/* One name or value; with ANY, bytes that are no text become PAIRS_NO_TEXT. */
static enum err unescape(const char *s, size_t len, bool any, char **ret)
{
	CLEAN_FREE char *bytes = NULL;
	size_t n;
	enum err err = field_unescape(s, len, true, ret);

	if (err == ERR_OK || !any || !field_unescape_bytes(s, len, true, &bytes, &n))
		return err;
	*ret = mem_strdup(PAIRS_NO_TEXT);
	return ERR_OK;
}

static enum err decode(struct pairs *pairs, const char *s, size_t len, size_t max, bool any,
		       struct error *error)
{
	const char *end = s + len;

	while (s < end) {
		const char *amp = memchr(s, '&', (size_t)(end - s));
		size_t n = (size_t)((amp != NULL ? amp : end) - s);
		const char *eq = memchr(s, '=', n);
		size_t name_len = eq != NULL ? (size_t)(eq - s) : n;
		struct pair p = {0};

		if (n > 0) {
			if (pairs->n >= max)
				return field_fail(error, ERR_TOO_LARGE, "limits.form_fields",
						  "more than %zu fields", max);
			if (unescape(s, name_len, any, &p.name) != ERR_OK ||
			    unescape(eq != NULL ? eq + 1 : s, eq != NULL ? n - name_len - 1 : 0,
				     any, &p.value) != ERR_OK) {
				free(pairs->bad);
				pairs->bad = p.name;
				return field_fail(error, ERR_BAD_REQUEST, "bad_text",
						  "broken escape or encoding in a field");
			}
			*pairs_room(pairs) = p;
		}
		s += n + 1;
	}
	return ERR_OK;
}

enum err pairs_decode(struct pairs *pairs, const char *s, size_t len, size_t max,
		      struct error *error)
{
	return decode(pairs, s, len, max, false, error);
}

enum err pairs_decode_any(struct pairs *pairs, const char *s, size_t len, size_t max,
			  struct error *error)
{
	return decode(pairs, s, len, max, true, error);
}
