#include "base/json.h"

#include <math.h>
#include <string.h>
#include "base/json_build.h"
#include "base/json_scan.h"
#include "base/mem.h"

const struct json_limits json_limits_form = {1 << 20, 32, 10000};
const struct json_limits json_limits_job = {16 << 20, 32, 10000};

enum err json_read(const char *text, size_t len, const struct json_limits *limits,
    json_object **ret)
{
	return json_read_without(text, len, limits, NULL, ret);
}

enum err json_read_without(const char *text, size_t len, const struct json_limits *limits,
    const char *without, json_object **ret)
{
	struct json_scan scan;
	enum err e = json_scan(text, len, limits, &scan);

	return e == ERR_OK ? json_build(text + scan.start, scan.end - scan.start, without, ret) : e;
}

json_object *json_read_own(struct json_tokener **reader, const char *text, size_t len)
{
	if (*reader == NULL && (*reader = json_tokener_new()) == NULL)
		mem_die();
	json_tokener_reset(*reader);
	return json_tokener_parse_ex(*reader, text, (int)len);
}

void json_reader_free(struct json_tokener *reader)
{
	if (reader != NULL)
		json_tokener_free(reader);
}

/* Copy S with U+00A0 and, for SCRIPT, every '<' written as escapes: both stand only inside strings. */
static char *escaped(const char *s, size_t len, bool script, size_t *ret_len)
{
	size_t extra = 0, at = 0;
	char *out;

	/* Few texts hold one. */
	if (memchr(s, '\xC2', len) == NULL && (!script || memchr(s, '<', len) == NULL)) {
		if (ret_len != NULL)
			*ret_len = len;
		return mem_strndup(s, len);
	}
	for (size_t i = 0; i < len; i++)
		extra += s[i] == '<' || s[i] == '\xC2' ? strlen("\\u00a0") : 0;
	out = mem_alloc(len + extra + 1);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\xC2' && s[i + 1] == '\xA0') {
			memcpy(out + at, "\\u00a0", 6);
			at += 6;
			i++;
		} else if (script && s[i] == '<') {
			memcpy(out + at, "\\u003c", 6);
			at += 6;
		} else {
			out[at++] = s[i];
		}
	}
	out[at] = '\0';
	if (ret_len != NULL)
		*ret_len = at;
	return out;
}

static char *print(const json_object *o, bool script, size_t *ret_len)
{
	size_t len;
	int flags = JSON_C_TO_STRING_PLAIN | (script ? 0 : JSON_C_TO_STRING_NOSLASHESCAPE);
	const char *s = json_object_to_json_string_length((json_object *)o, flags, &len);

	if (s == NULL)
		mem_die();
	return escaped(s, len, script, ret_len);
}

/* Seventeen digits would show 23.1 as 23.100000000000001; fifteen are what a double is sure of. */
__attribute__((constructor)) static void set_double_format(void)
{
	(void)json_c_set_serialization_double_format("%.15g", JSON_C_OPTION_GLOBAL);
}

char *json_print(const json_object *o, size_t *ret_len)
{
	return print(o, false, ret_len);
}

char *json_print_script(const json_object *o)
{
	return print(o, true, NULL);
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
	return json_set(o, key, json_object_new_int64(value));
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
