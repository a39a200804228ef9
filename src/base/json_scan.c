#include "base/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

#define NUMBER_MAX 1000 /* characters; 767 tell any double from its neighbours */
#define INT64_SURE 18	/* digits that fit whatever they are */

/*
 * What json-c 0.16 takes from the heap for each, measured.  An empty object is 800 bytes for the
 * two of "{}": without a budget a body of 1 MiB would cost 260.
 */
#define COST_VALUE  80
#define COST_ARRAY  80	  /* besides */
#define COST_OBJECT 720	  /* besides */
#define COST_MEMBER 96	  /* the key, and its share of the table */
#define COST_FREE   65536 /* however short the text may be */

struct scanner {
	const char *text;
	size_t len;
	size_t at;
	size_t members;
	const struct json_limits *limits;
	size_t cost; /* in memory, so far */
	size_t budget;
	bool nul; /* \u0000 is a character like others */
};

static bool value(struct scanner *s, int depth);

static bool pay(struct scanner *s, size_t cost)
{
	s->cost += cost;
	return s->cost <= s->budget;
}

static void skip_space(struct scanner *s)
{
	for (; s->at < s->len; s->at++) {
		char c = s->text[s->at];

		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return;
	}
}

/* The next character, '\0' at the end: no token holds one. */
static char peek(const struct scanner *s)
{
	return s->at < s->len ? s->text[s->at] : '\0';
}

static bool take(struct scanner *s, char c)
{
	if (s->at >= s->len || s->text[s->at] != c)
		return false;
	s->at++;
	return true;
}

static bool word(struct scanner *s, const char *w)
{
	size_t n = strlen(w);

	if (s->len - s->at < n || memcmp(s->text + s->at, w, n) != 0)
		return false;
	s->at += n;
	return true;
}

static size_t digits(struct scanner *s)
{
	size_t first = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at - first;
}

/* An integer must fit int64, any other number a finite double. */
static bool number_fits(const char *p, size_t n, bool integer)
{
	char copy[NUMBER_MAX + 1];
	int64_t i;
	double d;

	if (n > NUMBER_MAX)
		return false;
	if (integer && n <= INT64_SURE)
		return true;
	memcpy(copy, p, n);
	copy[n] = '\0';
	return integer ? text_int(copy, INT64_MIN, INT64_MAX, &i) : text_double(copy, &d);
}

static bool number(struct scanner *s)
{
	size_t first = s->at;
	bool integer = true;

	(void)take(s, '-');
	if (!take(s, '0') && digits(s) == 0)
		return false;
	if (take(s, '.')) {
		integer = false;
		if (digits(s) == 0)
			return false;
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		integer = false;
		s->at++;
		if (!take(s, '-'))
			(void)take(s, '+');
		if (digits(s) == 0)
			return false;
	}
	return number_fits(s->text + first, s->at - first, integer);
}

/* Four hex digits, -1 when they are not. */
static int32_t hex4(struct scanner *s)
{
	int32_t v = 0;

	for (int i = 0; i < 4; i++) {
		char c = peek(s);

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + ((c | 32) - 'a' + 10);
		else
			return -1;
		s->at++;
	}
	return v;
}

static bool escape(struct scanner *s)
{
	int32_t u;

	if (peek(s) != '\0' && strchr("\"\\/bfnrt", peek(s)) != NULL) {
		s->at++;
		return true;
	}
	if (!take(s, 'u'))
		return false;
	u = hex4(s);
	/* A NUL would end the string for strlen(); a low surrogate needs the high one before it. */
	if (u < 0 || (u == 0 && !s->nul) || (u >= 0xDC00 && u <= 0xDFFF))
		return false;
	if (u < 0xD800 || u > 0xDBFF)
		return true;
	if (!word(s, "\\u"))
		return false;
	u = hex4(s);
	return u >= 0xDC00 && u <= 0xDFFF;
}

/* Most characters of most strings: ASCII that stands for itself. */
static void skip_plain(struct scanner *s)
{
	size_t at = s->at;

	while (at < s->len && (signed char)s->text[at] >= 0x20 && s->text[at] != '"' &&
	       s->text[at] != '\\')
		at++;
	s->at = at;
}

static bool string(struct scanner *s)
{
	if (!take(s, '"'))
		return false;
	for (skip_plain(s); s->at < s->len; skip_plain(s)) {
		unsigned char c = (unsigned char)s->text[s->at];
		int32_t cp;
		size_t n = 1;

		if (c == '"') {
			s->at++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c == '\\') {
			s->at++;
			if (!escape(s))
				return false;
			continue;
		}
		if (c >= 0x80)
			n = text_decode(s->text + s->at, s->len - s->at, &cp);
		if (n == 0)
			return false;
		s->at += n;
	}
	return false;
}

static bool array(struct scanner *s, int depth)
{
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		if (!value(s, depth))
			return false;
	} while (take(s, ','));
	return take(s, ']');
}

static bool object(struct scanner *s, int depth)
{
	size_t keys = 0;

	skip_space(s);
	if (take(s, '}'))
		return true;
	do {
		skip_space(s);
		if (!string(s))
			return false;
		skip_space(s);
		if (!take(s, ':') || !value(s, depth))
			return false;
		if (++keys > s->limits->keys || !pay(s, COST_MEMBER))
			return false;
	} while (take(s, ','));
	s->members += keys;
	return take(s, '}');
}

/* One value with the white space round it; DEPTH arrays and objects are open. */
static bool value(struct scanner *s, int depth)
{
	bool good = pay(s, COST_VALUE);

	if (!good)
		return false;
	skip_space(s);
	switch (peek(s)) {
	case '{':
		s->at++;
		good = depth < s->limits->depth && pay(s, COST_OBJECT) && object(s, depth + 1);
		break;
	case '[':
		s->at++;
		good = depth < s->limits->depth && pay(s, COST_ARRAY) && array(s, depth + 1);
		break;
	case '"':
		good = string(s);
		break;
	case 't':
		good = word(s, "true");
		break;
	case 'f':
		good = word(s, "false");
		break;
	case 'n':
		good = word(s, "null");
		break;
	default:
		good = number(s);
		break;
	}
	skip_space(s);
	return good;
}

static enum err scan(const char *text, size_t len, const struct json_limits *limits, bool nul,
		     struct json_scan *ret)
{
	struct scanner s = {.text = text, .len = len, .limits = limits, .nul = nul};

	s.budget = limits->bytes > COST_FREE / 8 ? limits->bytes * 8 : COST_FREE;

	if (len > limits->bytes)
		return ERR_TOO_LARGE;
	skip_space(&s);
	ret->start = s.at;
	if (!value(&s, 0))
		return s.cost > s.budget ? ERR_TOO_LARGE : ERR_BAD_REQUEST;
	if (s.at != len)
		return ERR_BAD_REQUEST;
	ret->end = s.at;
	ret->members = s.members;
	return ERR_OK;
}

enum err json_scan(const char *text, size_t len, const struct json_limits *limits,
		   struct json_scan *ret)
{
	return scan(text, len, limits, false, ret);
}

enum err json_scan_bytes(const char *text, size_t len, const struct json_limits *limits,
			 struct json_scan *ret)
{
	return scan(text, len, limits, true, ret);
}
