#include "base/json_build.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define ARRAY_FIRST 4 /* places of a new array; json-c's own 32 are for long ones */

struct builder {
	const char *at; /* inside the value: something always follows, if only its end */
	const char *end;
	const char *without; /* members of this name are passed over; NULL = none */
	char *scratch;	     /* a name, a number or an unescaped string, with its NUL */
	size_t size;
	bool doubled; /* an object names a member twice */
};

static json_object *value(struct builder *b);

static json_object *made(json_object *o)
{
	if (o == NULL)
		mem_die();
	return o;
}

/* Room for N characters and a NUL. */
static char *room(struct builder *b, size_t n)
{
	if (b->size <= n) {
		b->size = n + 64;
		b->scratch = mem_resize(b->scratch, b->size, 1);
	}
	return b->scratch;
}

static void skip_space(struct builder *b)
{
	while (*b->at == ' ' || *b->at == '\t' || *b->at == '\r' || *b->at == '\n')
		b->at++;
}

/* The quote that ends the string P stands in. */
static const char *string_end(const char *p)
{
	while (*p != '"')
		p += *p == '\\' ? 2 : 1;
	return p;
}

static int32_t hex4(const char *p)
{
	char digits[5] = {p[0], p[1], p[2], p[3], '\0'};

	return (int32_t)strtol(digits, NULL, 16);
}

/* The character *P stands on, a backslash, means; its length in OUT. */
static size_t unescape(const char **p, char out[4])
{
	static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
	char c = (*p)[1];
	const char *letter = strchr(letters, c);
	int32_t cp;

	*p += 2;
	if (c != 'u') {
		*out = letter != NULL ? meant[letter - letters] : c;
		return 1;
	}
	cp = hex4(*p);
	*p += 4;
	if (cp >= 0xD800 && cp <= 0xDBFF) {
		cp = 0x10000 + ((cp - 0xD800) << 10) + (hex4(*p + 2) - 0xDC00);
		*p += 6;
	}
	return text_encode(cp, out);
}

/* What stands from P to END, in the scratch; no escape is shorter than what it means. */
static const char *unescaped(struct builder *b, const char *p, const char *end, size_t *ret_len)
{
	char *first = room(b, (size_t)(end - p)), *out = first;

	while (p < end) {
		if (*p == '\\')
			out += unescape(&p, out);
		else
			*out++ = *p++;
	}
	*out = '\0';
	*ret_len = (size_t)(out - first);
	return first;
}

static json_object *string(struct builder *b)
{
	const char *p = b->at + 1, *end = string_end(p);
	size_t len = (size_t)(end - p);

	b->at = end + 1;
	if (memchr(p, '\\', len) != NULL)
		p = unescaped(b, p, end, &len);
	return made(json_object_new_string_len(p, (int)len));
}

/* Numbers keep the spelling they came in. */
static json_object *number(struct builder *b)
{
	const char *first = b->at;
	char *digits;
	size_t len;

	while (b->at < b->end && strchr("+-.0123456789Ee", *b->at) != NULL)
		b->at++;
	len = (size_t)(b->at - first);
	digits = room(b, len);
	memcpy(digits, first, len);
	digits[len] = '\0';
	if (strpbrk(digits, ".Ee") != NULL)
		return made(json_object_new_double_s(strtod(digits, NULL), digits));
	return made(json_object_new_int64(strtoll(digits, NULL, 10)));
}

static json_object *array(struct builder *b)
{
	json_object *a = made(json_object_new_array_ext(ARRAY_FIRST));

	b->at++;
	skip_space(b);
	while (*b->at != ']') {
		if (json_object_array_add(a, value(b)) != 0)
			mem_die();
		skip_space(b);
		if (*b->at == ',')
			b->at++;
	}
	b->at++;
	return a;
}

/* To the comma or brace behind a member's value. */
static void skip_value(struct builder *b)
{
	for (int depth = 0;; b->at++) {
		if (*b->at == '"')
			b->at = string_end(b->at + 1);
		else if (*b->at == '{' || *b->at == '[')
			depth++;
		else if (depth == 0 && (*b->at == ',' || *b->at == '}'))
			return;
		else if (*b->at == '}' || *b->at == ']')
			depth--;
	}
}

static bool left_out(const struct builder *b, const char *name, size_t len)
{
	return b->without != NULL && strlen(b->without) == len &&
	       memcmp(b->without, name, len) == 0;
}

static json_object *object(struct builder *b)
{
	json_object *o = made(json_object_new_object());
	int n = 0;

	b->at++;
	skip_space(b);
	while (*b->at != '}') {
		const char *name = b->at + 1, *end = string_end(name);
		size_t len = (size_t)(end - name);

		b->at = end + 1;
		skip_space(b);
		b->at++; /* the colon */
		if (left_out(b, name, len)) {
			skip_value(b);
		} else {
			json_object *member = value(b);

			/* The name after it: the value needs the scratch too. */
			if (json_object_object_add(o, unescaped(b, name, end, &len), member) != 0)
				mem_die();
			n++;
		}
		skip_space(b);
		if (*b->at == ',') {
			b->at++;
			skip_space(b);
		}
	}
	b->at++;
	if (json_object_object_length(o) != n)
		b->doubled = true;
	return o;
}

static json_object *value(struct builder *b)
{
	skip_space(b);
	switch (*b->at) {
	case '{':
		return object(b);
	case '[':
		return array(b);
	case '"':
		return string(b);
	case 't':
		b->at += strlen("true");
		return made(json_object_new_boolean(1));
	case 'f':
		b->at += strlen("false");
		return made(json_object_new_boolean(0));
	case 'n':
		b->at += strlen("null");
		return NULL;
	default:
		return number(b);
	}
}

enum err json_build(const char *text, size_t len, const char *without, json_object **ret)
{
	struct builder b = {.at = text, .end = text + len, .without = without};
	json_object *o = value(&b);

	free(b.scratch);
	if (b.doubled) {
		json_object_put(o);
		return ERR_BAD_REQUEST;
	}
	*ret = o;
	return ERR_OK;
}
