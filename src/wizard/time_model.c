#include "wizard/time_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "wizard/earlier.h"
#include "wizard/fields.h"

const char *time_zone_text(int minutes, char out[16])
{
	int m = abs(minutes);

	if (m == 0)
		(void)snprintf(out, 16, "UTC");
	else
		(void)snprintf(out, 16, "%c%02d:%02d", minutes < 0 ? '-' : '+', m / 60 % 24,
			       m % 60);
	return out;
}

static void add_word(json_object *list, const char *word)
{
	json_object_array_add(list, json_object_new_string(word));
}

static json_object *words_of(const char *const *words)
{
	json_object *list = json_object_new_array();

	for (; *words != NULL; words++)
		add_word(list, *words);
	return list;
}

/* A moment given as ms, as ISO text or as a year. */
static json_object *moment(const json_object *column, const char *key, char kind)
{
	json_object *v = json_get(column, key);
	const char *s = v != NULL ? json_object_get_string(v) : NULL;
	int64_t ms = json_int(column, key, 0), last;
	char iso[32];

	if (s == NULL)
		return NULL;
	if (kind == 'd')
		return json_object_new_string(s);
	if (kind == 'y' && !when_parse_year(s, strlen(s), &ms, &last))
		return NULL;
	clock_iso(ms, iso);
	return json_object_new_string(iso);
}

static json_object *parse_of(const json_object *column, char kind)
{
	const json_object *time = json_obj(column, "time"), *range = kind == 't' ? time : column;
	json_object *o = json_object_new_object();

	json_set_int(o, "ok",
		     kind == 't' ? json_int(time, "ok", 0) : json_int(column, "values", 0));
	json_set_int(o, "bad", kind == 't' ? json_int(time, "bad", 0) : 0);
	json_set_str(o, "format", kind == 't' ? json_str(time, "format", NULL) : NULL);
	json_set_bool(o, "ambiguous", kind == 't' && json_bool(time, "ambiguous", false));
	if (kind == 't' && json_arr(time, "formats") != NULL)
		json_set(o, "formats", json_copy(json_arr(time, "formats")));
	json_set(o, "first_bad",
		 kind == 't' && json_obj(time, "first_bad") != NULL
		     ? json_copy(json_obj(time, "first_bad"))
		     : NULL);
	json_set(o, "min", moment(range, "min", kind));
	return json_set(o, "max", moment(range, "max", kind));
}

/* What the page's fields show: what was typed, else what is stored. */
static json_object *selected(const struct session *s, const json_object *layer,
			     const json_object *form)
{
	static const char *const names[] = {"time_attribute",	     "text_attribute",
					    "year_attribute",	     "end_time_attribute",
					    "end_text_attribute",    "end_year_attribute",
					    "text_attribute_format", "end_text_attribute_format",
					    "presentation_strategy", "precision_value",
					    "precision_step",	     "time_zone"};
	const json_object *from = form != NULL ? form : session_input(s, STEP_TIME);
	json_object *o = json_object_new_object();

	if (from == NULL)
		from = earlier_time(s, layer);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *v = fields_choice(from, names[i]);

		json_set_str(o, names[i], v != NULL ? v : "");
	}
	if (*json_str(o, "presentation_strategy", "") == '\0')
		json_set_str(o, "presentation_strategy", time_strategies[0]);
	if (*json_str(o, "time_zone", "") == '\0')
		json_set_str(o, "time_zone", "UTC");
	return o;
}

json_object *time_model(const struct session *s, const json_object *layer, const json_object *form)
{
	json_object *o = json_object_new_object(), *dates = json_object_new_array(),
		    *texts = json_object_new_array();
	json_object *years = json_object_new_array(), *attributes = json_object_new_array(),
		    *parse = json_object_new_object();
	json_object *column, *rows = json_arr(json_obj(layer, "preview"), "rows");
	json_object *list = json_object_new_array();

	JSON_EACH(column, json_arr(layer, "columns"))
	{
		const char *name = json_str(column, "name", "");
		char kind = when_eligible(column);

		json_object_array_add(
		    attributes, json_set_str(json_set_str(json_object_new_object(), "name", name),
					     "type", json_str(column, "type", "")));
		if (kind == 0)
			continue;
		add_word(kind == 'd' ? dates : kind == 't' ? texts : years, name);
		json_set(parse, name, parse_of(column, kind));
		/* The same as a list: a page walks lists, a script looks names up. */
		json_object_array_add(list, json_set_str(parse_of(column, kind), "name", name));
	}
	json_set_str(o, "layer", json_str(layer, "name", ""));
	json_set(o, "time_names", dates);
	json_set(o, "text_names", texts);
	json_set(o, "year_names", years);
	json_set(o, "layer_attributes", attributes);
	json_set(o, "layer_values", rows != NULL ? json_copy(rows) : json_object_new_array());
	json_set(o, "parse", parse);
	json_set(o, "columns", list);
	json_set(o, "strategies", words_of(time_strategies));
	json_set(o, "steps", words_of(time_steps));
	json_set(o, "selected", selected(s, layer, form));
	return o;
}
