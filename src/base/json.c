#include "base/json.h"

#include <math.h>
#include <string.h>
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/text.h"

const struct json_limits json_limits_form = {1 << 20, 32, 10000};
const struct json_limits json_limits_job = {16 << 20, 32, 10000};

/* Members of all objects in O together. */
static size_t members(const json_object *o)
{
	size_t n = 0;

	if (json_object_is_type(o, json_type_array)) {
		json_object *item;

		JSON_EACH(item, o)
		n += members(item);
	} else if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach((json_object *)o, key, member)
		{
			(void)key;
			n += 1 + members(member);
		}
	}
	return n;
}

static int32_t hex4(const char *p)
{
	char digits[5] = {p[0], p[1], p[2], p[3], '\0'};

	return (int32_t)strtol(digits, NULL, 16);
}

/*
 * TEXT with each pair of surrogates that is written as two escapes written as its character: json-c
 * 0.16 takes
 * U+xD800 to U+xDFFF, told so, for halves and loses them.  Caller frees; NULL: there is none.  The
 * grammar was checked.
 */
static char *without_pairs(const char *text, size_t len, size_t *ret_len)
{
	char *copy = NULL, *out = NULL;

	if (memmem(text, len, "\\ud", 3) == NULL && memmem(text, len, "\\uD", 3) == NULL)
		return NULL;
	copy = out = mem_alloc(len + 1);
	for (const char *p = text, *end = text + len; p < end;) {
		int32_t high = *p == '\\' && p[1] == 'u' ? hex4(p + 2) : 0;

		if (high >= 0xD800 && high <= 0xDBFF) {
			out += text_encode(
			    0x10000 + ((high - 0xD800) << 10) + (hex4(p + 8) - 0xDC00), out);
			p += 12;
			continue;
		}
		/* A backslash takes the next character with it. */
		if (*p == '\\')
			*out++ = *p++;
		*out++ = *p++;
	}
	*ret_len = (size_t)(out - copy);
	return copy;
}

bool json_tok_all(struct json_tokener *tok, const char *text, size_t len, json_object **ret)
{
	*ret = json_tokener_parse_ex(tok, text, (int)len);
	/* A bare number or word could go on; the NUL ends it. */
	if (json_tokener_get_error(tok) == json_tokener_continue)
		*ret = json_tokener_parse_ex(tok, "", 1);
	return json_tokener_get_error(tok) == json_tokener_success;
}

/* LEN bytes, whose grammar was checked, with MEMBERS in all objects. */
static enum err parse(const char *text, size_t len, int depth, size_t n_members, json_object **ret)
{
	CLEAN_FREE char *plain = without_pairs(text, len, &len);
	/* json-c counts the level of scalars too */
	json_tokener *tok = json_tokener_new_ex(depth + 2);
	json_object *o;
	bool ok;

	if (tok == NULL)
		mem_die();
	/*
	 * Not its strict mode: the grammar was checked, and that of json-c 0.18 refuses all beyond
	 * ASCII.
	 */
	json_tokener_set_flags(tok, JSON_TOKENER_VALIDATE_UTF8);
	ok = json_tok_all(tok, plain != NULL ? plain : text, len, &o);
	json_tokener_free(tok);
	/* json-c keeps the last of equal keys, so a missing member is a doubled key. */
	if (!ok || members(o) != n_members) {
		json_object_put(o);
		return ERR_BAD_REQUEST;
	}
	*ret = o;
	return ERR_OK;
}

enum err json_read(const char *text, size_t len, const struct json_limits *limits,
		   json_object **ret)
{
	struct json_scan scan;
	enum err e = json_scan(text, len, limits, &scan);

	if (e != ERR_OK)
		return e;
	return parse(text + scan.start, scan.end - scan.start, limits->depth, scan.members, ret);
}

json_object *json_get(const json_object *o, const char *key)
{
	json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	(void)json_object_object_get_ex(o, key, &v);
	return v;
}

/* The member KEY of O if it has TYPE, else NULL. */
static json_object *typed(const json_object *o, const char *key, enum json_type type)
{
	json_object *v = json_get(o, key);

	return json_object_is_type(v, type) ? v : NULL;
}

json_object *json_new(int members)
{
	json_object *o = json_object_new_object();

	/* A table grows when it is two thirds full. */
	if (o == NULL || lh_table_resize(json_object_get_object(o), 2 * members) != 0)
		mem_die();
	return o;
}

void json_add(json_object *o, const char *key, json_object *value)
{
	/* The name is neither looked for nor copied. */
	if (json_object_object_add_ex(
		o, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT) != 0)
		mem_die();
}

const char *json_str(const json_object *o, const char *key, const char *def)
{
	json_object *v = typed(o, key, json_type_string);

	return v != NULL ? json_object_get_string(v) : def;
}

int64_t json_int(const json_object *o, const char *key, int64_t def)
{
	json_object *v = typed(o, key, json_type_int);

	return v != NULL ? json_object_get_int64(v) : def;
}

double json_num(const json_object *o, const char *key, double def)
{
	json_object *v = json_get(o, key);

	if (json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int))
		return json_object_get_double(v);
	return def;
}

bool json_bool(const json_object *o, const char *key, bool def)
{
	json_object *v = typed(o, key, json_type_boolean);

	return v != NULL ? json_object_get_boolean(v) != 0 : def;
}

json_object *json_arr(const json_object *o, const char *key)
{
	return typed(o, key, json_type_array);
}

json_object *json_obj(const json_object *o, const char *key)
{
	return typed(o, key, json_type_object);
}

size_t json_len(const json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

json_object *json_set(json_object *o, const char *key, json_object *value)
{
	if (json_object_object_add(o, key, value) != 0)
		mem_die();
	return o;
}

json_object *json_set_str(json_object *o, const char *key, const char *value)
{
	json_object *v = NULL;

	if (value != NULL && (v = json_object_new_string(value)) == NULL)
		mem_die();
	return json_set(o, key, v);
}

json_object *json_set_int(json_object *o, const char *key, int64_t value)
{
	return json_set(o, key, json_int_new(value));
}

json_object *json_set_num(json_object *o, const char *key, double value)
{
	char digits[40];

	if (!isfinite(value))
		return json_set(o, key, NULL);
	/* The shortest spelling that reads back the same: 0.1, not json-c's 0.10000000000000001. */
	for (int precision = 15; precision <= 17; precision++) {
		(void)snprintf(digits, sizeof(digits), "%.*g", precision, value);
		if (!(strtod(digits, NULL) < value) && !(strtod(digits, NULL) > value))
			break;
	}
	if (strpbrk(digits, ".e") == NULL)
		(void)strncat(digits, ".0", sizeof(digits) - strlen(digits) - 1);
	return json_set(o, key, json_object_new_double_s(value, digits));
}

json_object *json_set_bool(json_object *o, const char *key, bool value)
{
	return json_set(o, key, json_object_new_boolean(value));
}

json_object *json_copy(const json_object *o)
{
	json_object *copy = NULL;

	if (o == NULL)
		return NULL;
	if (json_object_deep_copy((json_object *)o, &copy, NULL) != 0)
		mem_die();
	return copy;
}

bool json_equal(const json_object *a, const json_object *b)
{
	return json_object_equal((json_object *)a, (json_object *)b) != 0;
}
