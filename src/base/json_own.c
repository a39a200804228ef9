/*
 * Reading what json_print wrote: compact, valid, nothing doubled.  So a record is built in one pass, several times faster
 * than a parser that expects anything can, and members nobody asks for are passed over.  What is rare, json-c reads.
 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"

#define DEPTH_MOST   80 /* what a form may nest, inside a record */
#define NAME_BYTES   64
#define NUMBER_BYTES 64
#define INT64_SURE   18 /* digits that fit whatever they are */
#define ARRAY_FIRST  4  /* places of a new array; json-c's own 32 are for long ones */

struct text {
	const char *at;
	const char *end;
	const char *const *without; /* NULL: nothing is passed over */
	int depth;
	bool damaged;
};

static json_object *value(struct text *t);

static json_object *made(json_object *o)
{
	if (o == NULL)
		mem_die();
	return o;
}

static json_object *damage(struct text *t)
{
	t->damaged = true;
	t->at = t->end;
	return NULL;
}

static bool take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* The value from FIRST to T, as json-c reads it. */
static json_object *by_json_c(struct text *t, const char *first)
{
	json_tokener *tok = json_tokener_new();
	json_object *o;

	if (tok == NULL)
		mem_die();
	o = json_tokener_parse_ex(tok, first, (int)(t->at - first));
	/* A bare number could go on; the NUL ends it. */
	if (o == NULL && json_tokener_get_error(tok) == json_tokener_continue)
		o = json_tokener_parse_ex(tok, "", 1);
	json_tokener_free(tok);
	return o != NULL ? o : damage(t);
}

/* From behind a string's opening quote to behind its closing one.  False: it has none. */
static bool skip_string(struct text *t)
{
	for (;;) {
		const char *quote = memchr(t->at, '"', (size_t)(t->end - t->at)), *p;

		if (quote == NULL)
			return false;
		/* Behind an odd number of backslashes it is one of the characters. */
		for (p = quote; p > t->at && p[-1] == '\\'; p--)
			;
		t->at = quote + 1;
		if ((quote - p) % 2 == 0)
			return true;
	}
}

/* To the comma or bracket behind a value. */
static bool skip_value(struct text *t)
{
	for (int depth = 0; t->at < t->end; t->at++) {
		switch (*t->at) {
		case '"':
			t->at++;
			if (!skip_string(t))
				return false;
			t->at--;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case ',':
			if (depth == 0)
				return true;
			break;
		case '}':
		case ']':
			if (depth-- == 0)
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

static json_object *string(struct text *t)
{
	const char *quote = t->at++;
	size_t len;

	if (!skip_string(t))
		return damage(t);
	len = (size_t)(t->at - quote) - 2;
	if (memchr(quote, '\\', len + 1) != NULL)
		return by_json_c(t, quote);
	return made(json_object_new_string_len(quote + 1, (int)len));
}

static json_object *number(struct text *t)
{
	const char *first = t->at;
	char digits[NUMBER_BYTES];
	bool minus = take(t, '-'), integer = true;
	int64_t n = 0;
	size_t len;

	for (; t->at < t->end && *t->at != ',' && *t->at != '}' && *t->at != ']'; t->at++) {
		if (*t->at < '0' || *t->at > '9')
			integer = false;
		else if (t->at - first < INT64_SURE)
			n = n * 10 + (*t->at - '0');
	}
	len = (size_t)(t->at - first);
	if (integer && len > (minus ? 1 : 0) && len <= INT64_SURE)
		return made(json_object_new_int64(minus ? -n : n));
	if (integer || len == 0 || len >= sizeof(digits))
		return by_json_c(t, first);
	/* Other numbers keep their spelling. */
	memcpy(digits, first, len);
	digits[len] = '\0';
	char *rest = NULL;
	double d = strtod(digits, &rest);

	return *rest == '\0' ? made(json_object_new_double_s(d, digits)) : damage(t);
}

static json_object *word(struct text *t, const char *w, json_object *meant)
{
	size_t len = strlen(w);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, w, len) != 0) {
		json_object_put(meant);
		return damage(t);
	}
	t->at += len;
	return meant;
}

static json_object *array(struct text *t)
{
	json_object *a = made(json_object_new_array_ext(ARRAY_FIRST));

	if (take(t, ']'))
		return a;
	do {
		if (json_object_array_add(a, value(t)) != 0)
			mem_die();
	} while (take(t, ','));
	if (!take(t, ']'))
		(void)damage(t);
	return a;
}

static bool is_one_of(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++)
		if (**names == *name && strcmp(*names, name) == 0)
			return true;
	return false;
}

/* The name of a member, its colon behind it: in BUF, or *RET_LONG, which the caller frees.  NULL: damaged. */
static const char *name_of(struct text *t, char buf[NAME_BYTES], char **ret_long)
{
	const char *quote = t->at;
	json_object *o;
	size_t len;

	if (!take(t, '"') || !skip_string(t))
		return NULL;
	len = (size_t)(t->at - quote) - 2;
	if (len < NAME_BYTES && memchr(quote, '\\', len + 1) == NULL) {
		memcpy(buf, quote + 1, len);
		buf[len] = '\0';
		return take(t, ':') ? buf : NULL;
	}
	o = by_json_c(t, quote);
	*ret_long = mem_strdup(json_object_get_string(o));
	json_object_put(o);
	return take(t, ':') ? *ret_long : NULL;
}

static json_object *object(struct text *t)
{
	json_object *o = made(json_object_new_object());

	if (take(t, '}'))
		return o;
	do {
		char buf[NAME_BYTES];
		CLEAN_FREE char *longer = NULL;
		const char *name = name_of(t, buf, &longer);

		if (name == NULL) {
			(void)damage(t);
		} else if (is_one_of(t->without, name)) {
			if (!skip_value(t))
				(void)damage(t);
		} else if (json_object_object_add_ex(o, name, value(t), JSON_C_OBJECT_ADD_KEY_IS_NEW) != 0) {
			mem_die();
		}
	} while (take(t, ','));
	if (!take(t, '}'))
		(void)damage(t);
	return o;
}

static json_object *value(struct text *t)
{
	json_object *o = NULL;

	if (t->at == t->end || t->depth == DEPTH_MOST)
		return damage(t);
	t->depth++;
	switch (*t->at) {
	case '{':
		t->at++;
		o = object(t);
		break;
	case '[':
		t->at++;
		o = array(t);
		break;
	case '"':
		o = string(t);
		break;
	case 't':
		o = word(t, "true", made(json_object_new_boolean(1)));
		break;
	case 'f':
		o = word(t, "false", made(json_object_new_boolean(0)));
		break;
	case 'n':
		o = word(t, "null", NULL);
		break;
	default:
		o = number(t);
		break;
	}
	t->depth--;
	return o;
}

json_object *json_own_read(const char *text, size_t len, const char *const *without)
{
	struct text t = {.at = text, .end = text + len, .without = without};
	json_object *o = value(&t);

	if (!t.damaged && t.at == t.end)
		return o;
	json_object_put(o);
	return NULL;
}
