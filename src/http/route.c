#include "http/route.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ID_MOST ((INT64_C(1) << 53) - 1) /* what a JavaScript number holds exactly */

enum param { PARAM_SEGMENT, PARAM_INT, PARAM_ALPHA, PARAM_REST };

static enum param param_kind(const char *name, size_t len, size_t *ret_name_len)
{
	static const struct {
		const char *suffix;
		enum param kind;
	} kinds[] = {{":int", PARAM_INT}, {":alpha", PARAM_ALPHA}, {":rest", PARAM_REST}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t n = strlen(kinds[i].suffix);
		if (len > n && memcmp(name + len - n, kinds[i].suffix, n) == 0) {
			*ret_name_len = len - n;
			return kinds[i].kind;
		}
	}
	*ret_name_len = len;
	return PARAM_SEGMENT;
}

static bool value_fits(enum param kind, const char *s, size_t len)
{
	CLEAN_FREE char *value = mem_strndup(s, len);
	int64_t n;

	switch (kind) {
	case PARAM_INT:
		return text_id(value, ID_MOST, &n);
	case PARAM_ALPHA:
		return strspn(value, "abcdefghijklmnopqrstuvwxyz") == len;
	case PARAM_SEGMENT:
	case PARAM_REST:
		return true;
	}
	return false;
}

/*
 * Match PATH against PATTERN from here on.  A parameter takes as little as lets the rest match;
 * patterns are our own and hold few parameters, so trying is cheap.
 */
static bool match_rest(const char *pattern, const char *path, struct pairs *params)
{
	while (*pattern != '{') {
		if (*pattern != *path)
			return false;
		if (*path == '\0')
			return true;
		pattern++;
		path++;
	}
	const char *close = strchr(pattern, '}');
	if (close == NULL)
		return false;
	size_t name_len, n_before = params->n;
	enum param kind = param_kind(pattern + 1, (size_t)(close - pattern) - 1, &name_len);
	size_t most = kind == PARAM_REST ? strlen(path) : strcspn(path, "/");
	CLEAN_FREE char *name = mem_strndup(pattern + 1, name_len);

	/* With nothing or a slash behind it, only the whole segment can match. */
	bool whole = close[1] == '\0' || (close[1] == '/' && kind != PARAM_REST);
	for (size_t n = whole ? most : 1; n >= 1 && n <= most; n++) {
		if (!value_fits(kind, path, n))
			continue;
		CLEAN_FREE char *value = mem_strndup(path, n);
		pairs_add(params, name, value);
		if (match_rest(close + 1, path + n, params))
			return true;
		while (params->n > n_before) {
			params->n--;
			free(params->v[params->n].name);
			free(params->v[params->n].value);
		}
	}
	return false;
}

/* May PATH match PATTERN, as far as its first parameter? */
static bool begins(const char *pattern, const char *path)
{
	while (*pattern != '{' && *pattern == *path && *path != '\0') {
		pattern++;
		path++;
	}
	return *pattern == '{' || *pattern == *path;
}

/* How much PATTERN leaves open: 0 nothing, 1 segments, 2 anything. */
static int openness(const char *pattern)
{
	return strstr(pattern, ":rest}") != NULL ? 2 : strchr(pattern, '{') != NULL ? 1 : 0;
}

enum err route_find(const struct route *table, size_t n, enum method method, const char *path,
		    struct route_match *ret)
{
	const struct route *first = NULL;

	*ret = (struct route_match){0};
	for (size_t i = 0; i < n; i++) {
		const struct route *r = &table[i];
		struct pairs params = {0};

		if (!begins(r->path, path) ||
		    (first != NULL && openness(r->path) > openness(first->path)))
			continue;
		if (!match_rest(r->path, path, &params)) {
			pairs_done(&params);
			continue;
		}
		unsigned methods = r->methods | METHOD_BIT(METHOD_OPTIONS);
		if ((methods & METHOD_BIT(METHOD_GET)) != 0)
			methods |= METHOD_BIT(METHOD_HEAD);
		ret->allow |= methods;
		/* OPTIONS goes to the row that asks for it, else to the first: its answer lists
		 * what all rows allow. */
		bool wanted = method == METHOD_OPTIONS
				  ? (r->methods & METHOD_BIT(METHOD_OPTIONS)) != 0
				  : method != METHOD_OTHER && (methods & METHOD_BIT(method)) != 0;
		if ((wanted && ret->route == NULL) || (method == METHOD_OPTIONS && first == NULL)) {
			pairs_done(&ret->params);
			ret->params = params;
			params = (struct pairs){0};
		}
		if (wanted && ret->route == NULL)
			ret->route = r;
		if (first == NULL)
			first = r;
		pairs_done(&params);
	}
	if (first == NULL)
		return ERR_NOT_FOUND;
	if (ret->route == NULL && method == METHOD_OPTIONS)
		ret->route = first;
	return ret->route != NULL ? ERR_OK : ERR_METHOD;
}
