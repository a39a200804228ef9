#include "wizard/fields.h"

#include <string.h>
#include "base/text.h"

static const char *scalar(json_object *v)
{
	if (v == NULL || json_object_is_type(v, json_type_object) ||
	    json_object_is_type(v, json_type_array))
		return NULL;
	return json_object_get_string(v);
}

size_t fields_count(const json_object *fields, const char *name)
{
	json_object *v = json_get(fields, name);

	if (v == NULL)
		return 0;
	return json_object_is_type(v, json_type_array) ? json_len(v) : 1;
}

const char *fields_at(const json_object *fields, const char *name, size_t i)
{
	json_object *v = json_get(fields, name);

	if (json_object_is_type(v, json_type_array))
		return i < json_len(v) ? scalar(json_object_array_get_idx(v, i)) : NULL;
	return i == 0 ? scalar(v) : NULL;
}

const char *fields_text(const json_object *fields, const char *name)
{
	size_t n = fields_count(fields, name);

	return n > 0 ? fields_at(fields, name, n - 1) : NULL;
}

const char *fields_choice(const json_object *fields, const char *name)
{
	const char *s = fields_text(fields, name);

	if (s == NULL || *s == '\0' || strcmp(s, "None") == 0 || strcmp(s, "<None>") == 0)
		return NULL;
	return s;
}

bool fields_bool(const json_object *fields, const char *name, bool def, json_object **errors)
{
	const char *s = fields_text(fields, name);
	bool v;

	if (s == NULL)
		return def;
	if (text_bool(s, &v))
		return v;
	problems_add(errors, problem_str(problem_str(problem_new("bad_boolean"), "field", name),
					 "value", s));
	return def;
}

size_t fields_length(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

json_object *fields_box(const double v[4])
{
	json_object *box = json_object_new_array_ext(4);
	CLEAN_JSON json_object *o = json_object_new_object();

	/* json_set_num knows how to print; an array takes what it made. */
	for (size_t i = 0; i < 4; i++)
		json_object_array_add(box,
				      json_object_get(json_get(json_set_num(o, "n", v[i]), "n")));
	return box;
}
