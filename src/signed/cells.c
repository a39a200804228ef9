#include "signed/cells.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define FEW_NAMES 16 /* compared pair by pair */

void cells_done(struct cells *c)
{
	free(c->values);
	free(c->names);
	free(c->buf);
	c->values = c->names = NULL;
	c->buf = NULL;
}

__attribute__((format(printf, 2, 3))) static bool fail(struct cells *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, args);
	va_end(args);
	return false;
}

static bool not_json(struct cells *c)
{
	return fail(c, "not JSON at byte %zu", c->at + 1);
}

char cells_peek(struct cells *c)
{
	if (c->at < c->len && (unsigned char)c->text[c->at] > ' ')
		return c->text[c->at];
	while (c->at < c->len && (c->text[c->at] == ' ' || c->text[c->at] == '\n' ||
				  c->text[c->at] == '\r' || c->text[c->at] == '\t'))
		c->at++;
	return c->at < c->len ? c->text[c->at] : '\0';
}

bool cells_take(struct cells *c, char wanted)
{
	if (cells_peek(c) != wanted || c->at >= c->len)
		return false;
	c->at++;
	return true;
}

static char *buf_room(struct cells *c, size_t n)
{
	if (c->buf_room - c->buf_len < n) {
		c->buf_room = c->buf_room * 2 + n + 256;
		c->buf = mem_resize(c->buf, c->buf_room, 1);
	}
	return c->buf + c->buf_len;
}

static void buf_add(struct cells *c, const char *p, size_t n)
{
	if (n > 0)
		memcpy(buf_room(c, n), p, n);
	c->buf_len += n;
}

/* Four hex digits at the reader, -1 when they are not. */
static int32_t hex4(struct cells *c)
{
	int32_t v = 0;

	if (c->len - c->at < 4)
		return -1;
	for (int i = 0; i < 4; i++, c->at++) {
		char d = c->text[c->at];

		if (d >= '0' && d <= '9')
			v = v * 16 + (d - '0');
		else if ((d | 32) >= 'a' && (d | 32) <= 'f')
			v = v * 16 + ((d | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* \uXXXX, or two of them that make one character; the reader stands behind the first 'u'. */
static bool escape_unicode(struct cells *c)
{
	int32_t cp = hex4(c), low;
	char utf8[4];

	if (cp < 0)
		return not_json(c);
	if (cp == 0)
		return fail(c, "a NUL character");
	if (cp >= 0xD800 && cp <= 0xDBFF) {
		if (c->len - c->at < 2 || memcmp(c->text + c->at, "\\u", 2) != 0)
			return fail(c, "half a character (a lone surrogate)");
		c->at += 2;
		low = hex4(c);
		if (low < 0xDC00 || low > 0xDFFF)
			return fail(c, "half a character (a lone surrogate)");
		cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
	} else if (cp >= 0xDC00 && cp <= 0xDFFF) {
		return fail(c, "half a character (a lone surrogate)");
	}
	buf_add(c, utf8, text_encode(cp, utf8));
	return true;
}

static bool escape(struct cells *c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit;

	c->at++; /* the backslash */
	if (c->at >= c->len)
		return not_json(c);
	if (c->text[c->at] == 'u') {
		c->at++;
		return escape_unicode(c);
	}
	hit = memchr(from, c->text[c->at], sizeof(from) - 1);
	if (hit == NULL)
		return not_json(c);
	buf_add(c, to + (hit - from), 1);
	c->at++;
	return true;
}

/*
 * How many of the N bytes at P stand for themselves: no quote, backslash or control, HIGH or below
 * 0x80.  Eight at a time: the lowest bit that is found is right, those above it may not be.
 */
static size_t plain_run(const char *p, size_t n, bool high)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	size_t at = 0;

	for (; n - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
		uint64_t x, quote, slash, found;

		memcpy(&x, p + at, sizeof(x));
		x = le64toh(x);
		quote = x ^ ones * '"';
		slash = x ^ ones * '\\';
		found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
			((x - ones * ' ') & ~x) | (high ? 0 : x);
		if ((found & tops) != 0)
			return at + (size_t)__builtin_ctzll(found & tops) / 8;
	}
	while (at < n && p[at] != '"' && p[at] != '\\' && (unsigned char)p[at] >= ' ' &&
	       (high || (unsigned char)p[at] < 0x80))
		at++;
	return at;
}

/* Move over characters that stand for themselves; false: invalid ones. */
static bool plain(struct cells *c)
{
	for (;;) {
		int32_t cp;
		size_t n;

		c->at += plain_run(c->text + c->at, c->len - c->at, c->checked);
		if (c->at == c->len || (unsigned char)c->text[c->at] < 0x20)
			return not_json(c);
		if (c->text[c->at] == '"' || c->text[c->at] == '\\')
			return true;
		do {
			n = text_decode(c->text + c->at, c->len - c->at, &cp);
			if (n == 0)
				return fail(c, "not UTF-8 at byte %zu", c->at + 1);
			c->at += n;
		} while (c->at < c->len && (unsigned char)c->text[c->at] >= 0x80);
	}
}

/*
 * A string at the reader.  Decoded text is known by its place in the buffer, which may still move:
 * settle() turns that into an address.
 */
static bool string(struct cells *c, struct value *ret)
{
	size_t first = ++c->at, place = c->buf_len;
	bool decoded = false;

	for (;;) {
		size_t from = c->at;

		if (!plain(c))
			return false;
		if (c->text[c->at] == '"' && !decoded)
			break;
		buf_add(c, c->text + from, c->at - from);
		decoded = true;
		if (c->text[c->at] == '"')
			break;
		if (!escape(c))
			return false;
	}
	*ret = (struct value){.kind = VALUE_TEXT};
	ret->len = decoded ? c->buf_len - place : c->at - first;
	ret->text = decoded ? NULL : c->text + first;
	ret->number = (int64_t)place;
	c->at++;
	return true;
}

static void settle(struct cells *c, struct value *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].kind != VALUE_TEXT)
			continue;
		if (v[i].text == NULL)
			v[i].text = c->buf + v[i].number;
		v[i].number = 0;
	}
}

static size_t digits(struct cells *c)
{
	size_t first = c->at;

	while (c->at < c->len && c->text[c->at] >= '0' && c->text[c->at] <= '9')
		c->at++;
	return c->at - first;
}

static char here(const struct cells *c)
{
	return c->at < c->len ? c->text[c->at] : '\0';
}

/* Digits as a negative number, which reaches one further than a positive one. */
static bool to_int64(const char *p, size_t n, int64_t *ret)
{
	bool minus = *p == '-';
	int64_t v = 0;

	for (size_t i = minus; i < n; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, p[i] - '0', &v))
			return false;
	if (!minus && v == INT64_MIN)
		return false;
	*ret = minus ? v : -v;
	return true;
}

static bool number(struct cells *c, struct value *ret)
{
	size_t first = c->at;
	bool integer = true;

	if (here(c) == '-')
		c->at++;
	if (here(c) == '0')
		c->at++;
	else if (digits(c) == 0)
		return not_json(c);
	if (here(c) == '.') {
		integer = false;
		c->at++;
		if (digits(c) == 0)
			return not_json(c);
	}
	if (here(c) == 'e' || here(c) == 'E') {
		integer = false;
		c->at++;
		if (here(c) == '-' || here(c) == '+')
			c->at++;
		if (digits(c) == 0)
			return not_json(c);
	}
	*ret = (struct value){.kind = VALUE_NUMBER, .text = c->text + first, .len = c->at - first};
	if (ret->len > CELLS_NUMBER_MAX)
		return fail(c, "a number of over %d characters", CELLS_NUMBER_MAX);
	if (integer && to_int64(ret->text, ret->len, &ret->number))
		ret->kind = VALUE_INTEGER;
	return true;
}

static bool word(struct cells *c, const char *name, enum value_kind kind, struct value *ret)
{
	size_t n = strlen(name);

	if (c->len - c->at < n || memcmp(c->text + c->at, name, n) != 0)
		return not_json(c);
	c->at += n;
	*ret = (struct value){.kind = kind};
	return true;
}

/* Behind the bracket that closes the one at the reader; false: none does. */
static bool skip_nested(struct cells *c)
{
	int open = 0;
	bool quoted = false;

	for (; c->at < c->len; c->at++) {
		char d = c->text[c->at];

		if (d == '\\' && quoted)
			c->at++;
		else if (d == '"')
			quoted = !quoted;
		else if (!quoted && (d == '[' || d == '{'))
			open++;
		else if (!quoted && (d == ']' || d == '}') && --open == 0) {
			c->at++;
			return true;
		}
	}
	c->at = c->len;
	return not_json(c);
}

static bool nested(struct cells *c, struct value *ret)
{
	const struct json_limits limits = {CELLS_NESTED_MAX, c->depth, CELLS_NESTED_KEYS};
	size_t first = c->at;
	CLEAN_JSON json_object *tree = NULL;

	if (!skip_nested(c))
		return false;
	*ret = (struct value){.kind = VALUE_JSON, .text = c->text + first, .len = c->at - first};
	if (c->checked)
		return true;
	if (ret->len > CELLS_NESTED_MAX)
		return fail(c, "an array or object of over %d bytes in a cell", CELLS_NESTED_MAX);
	if (c->depth > 0 && json_read(ret->text, ret->len, &limits, &tree) == ERR_OK)
		return true;
	return fail(c, "the array or object at byte %zu is no JSON, too deep or has a doubled name",
		    first + 1);
}

static bool value(struct cells *c, struct value *ret)
{
	switch (cells_peek(c)) {
	case '"':
		return string(c, ret);
	case '{':
	case '[':
		return nested(c, ret);
	case 't':
		return word(c, "true", VALUE_TRUE, ret);
	case 'f':
		return word(c, "false", VALUE_FALSE, ret);
	case 'n':
		return word(c, "null", VALUE_NULL, ret);
	default:
		return number(c, ret);
	}
}

/* Room for one more cell. */
static bool grow(struct cells *c)
{
	if (c->n < c->room)
		return true;
	if (c->room >= CELLS_MAX)
		return fail(c, "over %d cells", CELLS_MAX);
	c->room = c->room * 2 + 16 < CELLS_MAX ? c->room * 2 + 16 : CELLS_MAX;
	c->values = mem_resize(c->values, c->room, sizeof(*c->values));
	c->names = mem_resize(c->names, c->room, sizeof(*c->names));
	return true;
}

static void begin(struct cells *c)
{
	c->n = 0;
	c->buf_len = 0;
	(void)cells_peek(c);
	c->at++; /* the bracket */
}

bool cells_array(struct cells *c)
{
	begin(c);
	if (cells_take(c, ']'))
		return true;
	do {
		if (!grow(c) || !value(c, &c->values[c->n]))
			return false;
		c->n++;
	} while (cells_take(c, ','));
	if (!cells_take(c, ']'))
		return not_json(c);
	settle(c, c->values, c->n);
	return true;
}

bool cells_object(struct cells *c)
{
	size_t twice;

	begin(c);
	if (cells_take(c, '}'))
		return true;
	do {
		if (!grow(c))
			return false;
		if (cells_peek(c) != '"')
			return not_json(c);
		if (!string(c, &c->names[c->n]))
			return false;
		if (!cells_take(c, ':'))
			return not_json(c);
		if (!value(c, &c->values[c->n]))
			return false;
		c->n++;
	} while (cells_take(c, ','));
	if (!cells_take(c, '}'))
		return not_json(c);
	settle(c, c->values, c->n);
	settle(c, c->names, c->n);
	if (c->checked)
		return true;
	twice = cells_twice(c->names, c->n);
	if (twice < c->n)
		return fail(c, "the field \"%.*s\" is there twice", (int)c->names[twice].len,
			    c->names[twice].text);
	return true;
}

static int compare(const struct value *a, const struct value *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->text, b->text, a->len);
}

static int compare_places(const void *a, const void *b)
{
	return compare(*(const struct value *const *)a, *(const struct value *const *)b);
}

/* Of many names, sorted: comparing each with each would let a request of such rows take minutes. */
static size_t twice_of_many(const struct value *names, size_t n)
{
	const struct value **sorted = mem_array(n, sizeof(*sorted));
	size_t found = n;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &names[i];
	qsort(sorted, n, sizeof(*sorted), compare_places);
	for (size_t i = 1; i < n && found == n; i++)
		if (compare(sorted[i - 1], sorted[i]) == 0)
			found = (size_t)(sorted[i] - names);
	free(sorted);
	return found;
}

size_t cells_twice(const struct value *names, size_t n)
{
	if (n > FEW_NAMES)
		return twice_of_many(names, n);
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (compare(&names[i], &names[j]) == 0)
				return i;
	return n;
}
