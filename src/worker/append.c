/*
 * What a dataset's model says after rows were appended: the old content's description and the new
 * rows' together. The job looked at the whole file for count, extent and times, but at the new rows
 * only for columns.
 */
#include <string.h>
#include "worker/append.h"

static json_object *by_name(json_object *columns, const char *name)
{
	json_object *c = NULL;
	JSON_EACH(c, columns)
	{
		if (strcmp(json_str(c, "name", ""), name) == 0)
			return c;
	}
	return NULL;
}

/* The smaller (SIGN -1) or larger (1) of two numbers or two texts; NULL counts as "nothing known".
 */
static json_object *outer(json_object *a, json_object *b, int sign)
{
	bool texts =
	    json_object_is_type(a, json_type_string) && json_object_is_type(b, json_type_string);
	if (a == NULL || b == NULL)
		return json_copy(a != NULL ? a : b);
	double d = texts ? (double)strcmp(json_object_get_string(a), json_object_get_string(b))
			 : json_object_get_double(a) - json_object_get_double(b);
	return json_copy(d * sign >= 0 ? a : b);
}

static json_object *column(const json_object *was, const json_object *fresh, int64_t added)
{
	json_object *c = json_copy(was);
	json_set_int(c, "nulls",
		     json_int(was, "nulls", 0) +
			 (fresh != NULL ? json_int(fresh, "nulls", 0) : added));
	if (fresh != NULL) {
		json_set(c, "min", outer(json_get(was, "min"), json_get(fresh, "min"), -1));
		json_set(c, "max", outer(json_get(was, "max"), json_get(fresh, "max"), 1));
	}
	return c;
}

/* How times are shown stays; where they begin and end, the job measured. */
static json_object *with_times(const json_object *was, const json_object *fresh)
{
	static const char *const measured[] = {"start", "end", "positions"};
	json_object *t = json_copy(was);

	for (size_t i = 0; fresh != NULL && i < sizeof(measured) / sizeof(*measured); i++)
		json_set(t, measured[i], json_copy(json_get(fresh, measured[i])));
	return t;
}

void append_model(json_object *m, const json_object *old, const json_object *item)
{
	static const char *const whole[] = {"type", "geometry", "crs", "rows"};
	json_object *columns = json_object_new_array(), *c = NULL, *s = NULL;
	json_object *sources = json_copy(json_arr(old, "source"));
	int64_t added = json_int(json_obj(item, "rows"), "imported", 0);

	JSON_EACH(c, json_arr(old, "columns"))
	json_object_array_add(
	    columns, column(c, by_name(json_arr(item, "columns"), json_str(c, "name", "")), added));
	json_set(m, "columns", columns);
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		json_set(m, whole[i], json_copy(json_get(old, whole[i])));
	if (json_obj(old, "time") != NULL)
		json_set(m, "time", with_times(json_obj(old, "time"), json_obj(m, "time")));
	if (sources == NULL)
		sources = json_object_new_array();
	JSON_EACH(s, json_arr(m, "source"))
	{
		json_set_int(s, "n", (int64_t)json_len(sources) + 1);
		json_object_array_add(sources, json_object_get(s));
	}
	json_set(m, "source", sources);
	json_set_bool(m, "originals", json_bool(old, "originals", false));
}
