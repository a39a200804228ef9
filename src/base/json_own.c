/*
 * Reading what json_print wrote: compact and valid, so json-c needs no checks before it, and
 * members nobody asks for are cut from the text, which costs far less than reading them.
 */
#include <stdint.h>
#include <string.h>
#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"

#define DEPTH_MOST 80 /* what a form may nest, inside a record */

/* From behind a string's opening quote to behind its closing one; END: it has none. */
static const char *string_end(const char *p, const char *end)
{
	for (const char *from = p;;) {
		const char *quote = memchr(p, '"', (size_t)(end - p)), *back = quote;

		if (quote == NULL)
			return end;
		/* Behind an odd number of backslashes it is one of the characters. */
		while (back > from && back[-1] == '\\')
			back--;
		p = quote + 1;
		if ((quote - back) % 2 == 0)
			return p;
	}
}

/* To the comma or bracket behind a value; END: there is none. */
static const char *value_end(const char *p, const char *end)
{
	for (int depth = 0; p < end; p++) {
		if (*p == '"')
			p = string_end(p + 1, end) - 1;
		else if (*p == '{' || *p == '[')
			depth++;
		else if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
			return p;
		else if (*p == '}' || *p == ']')
			depth--;
	}
	return end;
}

static bool is_one_of(const char *const *names, const char *name, size_t len)
{
	for (; *names != NULL; names++)
		if (**names == *name && strlen(*names) == len && memcmp(*names, name, len) == 0)
			return true;
	return false;
}

/* Each with a comma that parts it from a neighbour. */
char *json_own_cut(const char *text, size_t len, const char *const *without, size_t *ret_len)
{
	const char *end = text + len, *kept = text, *p = text;
	char *copy = mem_alloc(len + 1), *out = copy;

	while ((p = memchr(p, '"', (size_t)(end - p))) != NULL) {
		const char *name = p + 1;

		p = string_end(name, end);
		/* Of strings only names have a colon behind them. */
		if (p == end || *p != ':' || !is_one_of(without, name, (size_t)(p - name) - 1))
			continue;
		out = mempcpy(out, kept, (size_t)(name - 1 - kept));
		kept = p = value_end(p + 1, end);
		if (p == end)
			break;
		if (*p == ',')
			kept = ++p;
		else if (out > copy && out[-1] == ',')
			out--;
	}
	out = mempcpy(out, kept, (size_t)(end - kept));
	*ret_len = (size_t)(out - copy);
	return copy;
}

/*
 * The strict mode of json-c 0.18 takes all beyond ASCII for control characters: there the grammar
 * is checked before.
 */
#define STRICT_IS_WRONG (json_c_version_num() == (18 << 8))

json_object *json_own_read(struct json_tokener **reader, const char *text, size_t len)
{
	static const struct json_limits any = {SIZE_MAX / 8, DEPTH_MOST, SIZE_MAX};
	struct json_scan scan;
	json_object *o;

	if (*reader == NULL && (*reader = json_tokener_new_ex(DEPTH_MOST)) == NULL)
		mem_die();
	json_tokener_reset(*reader);
	if (STRICT_IS_WRONG && json_scan_bytes(text, len, &any, &scan) != ERR_OK)
		return NULL;
	json_tokener_set_flags(*reader, STRICT_IS_WRONG ? 0 : JSON_TOKENER_STRICT);
	return json_tok_all(*reader, text, len, &o) ? o : NULL;
}

void json_reader_free(struct json_tokener *reader)
{
	if (reader != NULL)
		json_tokener_free(reader);
}
