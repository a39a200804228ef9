#include "wizard/shape.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

#define TEXT_BYTES 4096
#define KEY_BYTES  1024
#define CELLS_MAX  5000

static enum err wrong(const struct shape *s, struct error *error)
{
	return error_set(error, ERR_BAD_REQUEST, "member %s is not what it should be", s->name);
}

static bool is_number(json_object *v)
{
	if (json_object_is_type(v, json_type_int))
		return true;
	return json_object_is_type(v, json_type_double) && isfinite(json_object_get_double(v));
}

static bool is_text(json_object *v, int64_t max)
{
	return json_object_is_type(v, json_type_string) && json_object_get_string_len(v) <= max &&
	       strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v);
}

static bool is_cell(json_object *v, int64_t max)
{
	return v == NULL || is_text(v, max) || is_number(v) ||
	       json_object_is_type(v, json_type_boolean);
}

static bool is_key(json_object *v, int64_t max)
{
	const char *s;

	if (!is_text(v, max))
		return false;
	s = json_object_get_string(v);
	return *s != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == strlen(s);
}

static bool is_word(json_object *v, const char *words)
{
	const char *s, *p = words;
	size_t n;

	if (!is_text(v, KEY_BYTES))
		return false;
	s = json_object_get_string(v);
	n = strlen(s);
	for (;;) {
		size_t len = strcspn(p, "|");

		if (len == n && strncmp(p, s, n) == 0)
			return true;
		if (p[len] == '\0')
			return false;
		p += len + 1;
	}
}

static bool is_int(json_object *v, const struct shape *s)
{
	int64_t n;

	if (!json_object_is_type(v, json_type_int))
		return false;
	n = json_object_get_int64(v);
	return n >= s->min && n <= s->max;
}

static bool are_texts(json_object *v, int64_t max)
{
	json_object *item;

	if (!json_object_is_type(v, json_type_array) || json_len(v) > (size_t)max)
		return false;
	JSON_EACH(item, v)
	if (!is_text(item, TEXT_BYTES))
		return false;
	return true;
}

static bool are_numbers(json_object *v, int64_t n)
{
	json_object *item;

	if (!json_object_is_type(v, json_type_array) || json_len(v) != (size_t)n)
		return false;
	JSON_EACH(item, v)
	if (!is_number(item))
		return false;
	return true;
}

static bool are_cells(json_object *v, int64_t max)
{
	json_object *cell;

	if (!json_object_is_type(v, json_type_array) || json_len(v) > (size_t)max)
		return false;
	JSON_EACH(cell, v)
	if (!is_cell(cell, TEXT_BYTES))
		return false;
	return true;
}

static bool are_rows(json_object *v, int64_t max)
{
	json_object *row;

	if (!json_object_is_type(v, json_type_array) || json_len(v) > (size_t)max)
		return false;
	JSON_EACH(row, v)
	if (!are_cells(row, CELLS_MAX))
		return false;
	return true;
}

static bool is_map(json_object *v, int64_t max)
{
	if (!json_object_is_type(v, json_type_object) || json_object_object_length(v) > max)
		return false;
	json_object_object_foreach(
	    v, key, member) if (strlen(key) > KEY_BYTES ||
				(!is_text(member, TEXT_BYTES) && !is_number(member))) return false;
	return true;
}

static enum err check_map_objects(json_object *v, const struct shape *s, struct error *error)
{
	if (!json_object_is_type(v, json_type_object) || json_object_object_length(v) > s->max)
		return wrong(s, error);
	json_object_object_foreach(v, key, member)
	{
		enum err e;

		if (strlen(key) > KEY_BYTES)
			return wrong(s, error);
		e = shape_check(member, s->sub, error);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static bool is_simple(json_object *v, const struct shape *s)
{
	switch (s->type) {
	case SHAPE_INT:
		return is_int(v, s);
	case SHAPE_NUMBER:
		return is_number(v);
	case SHAPE_BOOL:
		return json_object_is_type(v, json_type_boolean);
	case SHAPE_TEXT:
		return is_text(v, s->max);
	case SHAPE_WORD:
		return is_word(v, s->words);
	case SHAPE_KEY:
		return is_key(v, s->max);
	case SHAPE_SCALAR:
		return is_text(v, s->max) || is_number(v);
	case SHAPE_CELL:
		return is_cell(v, s->max);
	case SHAPE_TEXTS:
		return are_texts(v, s->max);
	case SHAPE_NUMBERS:
		return are_numbers(v, s->max);
	case SHAPE_CELLS:
		return are_cells(v, s->max);
	case SHAPE_ROWS:
		return are_rows(v, s->max);
	case SHAPE_MAP:
		return is_map(v, s->max);
	case SHAPE_OBJECT:
	case SHAPE_LIST:
	case SHAPE_MAP_OBJECT:
		break;
	}
	return false;
}

/* The same for an array of such objects. */
static enum err check_list(json_object *list, const struct shape *table, size_t max,
			   struct error *error)
{
	json_object *item;

	if (!json_object_is_type(list, json_type_array) || json_len(list) > max)
		return error_set(error, ERR_BAD_REQUEST, "a list is missing or too long");
	JSON_EACH(item, list)
	{
		enum err e = shape_check(item, table, error);

		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err check_member(json_object *v, const struct shape *s, struct error *error)
{
	if (s->type == SHAPE_OBJECT)
		return json_object_is_type(v, json_type_object) ? shape_check(v, s->sub, error)
								: wrong(s, error);
	if (s->type == SHAPE_LIST)
		return check_list(v, s->sub, (size_t)s->max, error);
	if (s->type == SHAPE_MAP_OBJECT)
		return check_map_objects(v, s, error);
	return is_simple(v, s) ? ERR_OK : wrong(s, error);
}

static bool is_known(const struct shape *table, const char *key)
{
	for (const struct shape *s = table; s->name != NULL; s++)
		if (strcmp(s->name, key) == 0)
			return true;
	return false;
}

static void drop_unknown(json_object *o, const struct shape *table)
{
	bool again = true;

	/* Deleting ends json-c's iteration, so start over; unknown members are rare. */
	while (again) {
		again = false;
		json_object_object_foreach(o, key, member)
		{
			(void)member;
			if (is_known(table, key))
				continue;
			json_object_object_del(o, key);
			again = true;
			break;
		}
	}
}

enum err shape_check(json_object *o, const struct shape *table, struct error *error)
{
	if (!json_object_is_type(o, json_type_object))
		return error_set(error, ERR_BAD_REQUEST, "an object is missing");
	drop_unknown(o, table);
	for (const struct shape *s = table; s->name != NULL; s++) {
		json_object *v = json_get(o, s->name);
		enum err e;

		if (v == NULL && s->required)
			return error_set(error, ERR_BAD_REQUEST, "member %s is missing", s->name);
		if (v == NULL)
			continue;
		e = check_member(v, s, error);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}
