#include "wizard/earlier.h"

#include <string.h>
#include "base/json.h"

#define SOURCE_MAX 47 /* a code; a definition of one's own is asked for again */

static const json_object *earlier(const struct session *s)
{
	return json_obj(s->doc, "earlier");
}

/* ---- kept */

static void put_column(json_object *o, const char *key, json_object *columns, int64_t i)
{
	const json_object *c = i < 0 ? NULL : json_at(columns, (size_t)i);

	if (c != NULL)
		json_set_str(o, key, json_str(c, "original", json_str(c, "name", "")));
}

json_object *earlier_answers(const struct session *s, const json_object *order)
{
	static const char *const kept[] = {"original", "name", "type", "use"};
	json_object *o = json_object_new_object(), *list = json_object_new_array(), *c;
	json_object *columns = json_arr(order, "columns"), *time;
	const json_object *geometry = json_obj(order, "geometry");

	json_set_str(o, "geometry", json_str(geometry, "mode", "native"));
	put_column(o, "lat", columns, json_int(geometry, "lat", -1));
	put_column(o, "lng", columns, json_int(geometry, "lng", -1));
	put_column(o, "geom_column", columns, json_int(geometry, "column", -1));
	JSON_EACH(c, columns)
	{
		json_object *item = json_object_new_object();

		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			json_set(item, kept[i], json_copy(json_get(c, kept[i])));
		json_object_array_add(list, item);
	}
	json_set(o, "columns", list);
	json_set_str(o, "source", json_str(json_obj(order, "srs"), "source", ""));
	time = session_has_input(s, STEP_TIME) ? json_copy(session_input(s, STEP_TIME)) : NULL;
	if (time != NULL)
		json_object_object_del(time, "hash");
	return json_set(o, "time", time);
}

/* ---- shown again */

static const char *there(const json_object *layer, const char *key, const json_object *e)
{
	const char *name = json_str(e, key, "");
	int i = *name != '\0' ? columns_find(layer, name) : -1;

	return i < 0 ? NULL
		     : json_str(json_at(json_arr(layer, "columns"), (size_t)i), "name", NULL);
}

bool earlier_choice(const struct session *s, const json_object *layer, struct columns_choice *ret)
{
	static const char *const modes[] = {"latlng", "column", "none"};
	const json_object *e = earlier(s);
	struct columns_choice c = {0};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(json_str(e, "geometry", ""), modes[i]) == 0)
			c.mode = modes[i];
	if (c.mode == NULL)
		return false;
	c.lat = there(layer, "lat", e);
	c.lng = there(layer, "lng", e);
	c.geometry = there(layer, "geom_column", e);
	if (c.mode == modes[0] ? c.lat == NULL || c.lng == NULL
			       : c.mode == modes[1] && c.geometry == NULL)
		return false;
	*ret = c;
	return true;
}

const json_object *earlier_column(const struct session *s, const json_object *column)
{
	const char *original = json_str(column, "original", json_str(column, "name", ""));
	json_object *c;

	JSON_EACH(c, json_arr(earlier(s), "columns"))
	if (strcmp(json_str(c, "original", ""), original) == 0)
		return c;
	return NULL;
}

const char *earlier_source(const struct session *s)
{
	const char *source = json_str(earlier(s), "source", "");

	return strlen(source) <= SOURCE_MAX ? source : "";
}

const json_object *earlier_time(const struct session *s, const json_object *layer)
{
	static const char *const names[] = {"time_attribute",	  "text_attribute",
					    "year_attribute",	  "end_time_attribute",
					    "end_text_attribute", "end_year_attribute"};
	const json_object *time = json_obj(earlier(s), "time");

	for (size_t i = 0; time != NULL && i < sizeof(names) / sizeof(*names); i++) {
		const char *name = json_str(time, names[i], "");

		if (*name != '\0' && columns_find(layer, name) < 0)
			return NULL;
	}
	return time;
}
