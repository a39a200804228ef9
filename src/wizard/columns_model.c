/*
 * The csv page's model.  Source: contracts/wizard.md 9.8.
 */
#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/columns_form.h"
#include "wizard/earlier.h"
#include "wizard/fields.h"

#define PREVIEW_ROWS 20
#define CELL_CHARS   200

/* What stands preselected on the page. */
struct selection {
	const char *mode, *lat, *lng, *geometry, *bad_rows;
	bool guessed;
};

static json_object *copy_of(const json_object *from, const char *key)
{
	return json_copy(json_get(from, key));
}

static const char *name_at(const json_object *layer, int i)
{
	json_object *columns = json_arr(layer, "columns");

	return i < 0 ? NULL : json_str(json_object_array_get_idx(columns, (size_t)i), "name", NULL);
}

/* A name the user typed as the select spells it; as typed when there is no such column. */
static const char *spelled(const json_object *layer, const char *name)
{
	int i = name != NULL ? columns_find(layer, name) : -1;

	return i >= 0 ? name_at(layer, i) : name;
}

static void select_columns(const struct session *s, const json_object *layer,
			   const json_object *fields, const json_object *stored,
			   const struct column_guess *g, struct selection *ret)
{
	struct columns_choice typed, before;

	columns_choice(layer, fields, &typed);
	*ret = (struct selection){.bad_rows = json_str(stored, "bad_rows", "keep")};
	if (fields != NULL && fields_text(fields, "bad_rows") != NULL)
		ret->bad_rows = fields_text(fields, "bad_rows");
	if (fields != NULL && (fields_count(fields, "geometry") > 0 || typed.lat != NULL ||
			       typed.lng != NULL || typed.geometry != NULL)) {
		ret->mode = typed.mode != NULL ? typed.mode : "latlng";
		ret->lat = spelled(layer, typed.lat);
		ret->lng = spelled(layer, typed.lng);
		ret->geometry = spelled(layer, typed.geometry);
	} else if (stored != NULL) {
		ret->mode = json_str(stored, "geometry", "latlng");
		ret->lat = json_str(stored, "lat", NULL);
		ret->lng = json_str(stored, "lng", NULL);
		ret->geometry = json_str(stored, "geom_column", NULL);
	} else if (earlier_choice(s, layer, &before)) {
		ret->mode = before.mode;
		ret->lat = before.lat;
		ret->lng = before.lng;
		ret->geometry = before.geometry;
	} else {
		ret->mode = g->geometry >= 0 ? "column" : "latlng";
		ret->geometry = name_at(layer, g->geometry);
		ret->lat = name_at(layer, g->lat);
		ret->lng = name_at(layer, g->lng);
		ret->guessed = g->lat >= 0 || g->geometry >= 0;
	}
}

/* A delimiter as the page's choices and the inspection spell it. */
static const char *delimiter_word(const char *s)
{
	char character[5];

	columns_delimiter(s, character);
	return *character == '\t' ? "tab" : *character == ' ' ? "space" : s;
}

static json_object *dialect_of(const json_object *layer, const json_object *fields)
{
	static const char *const keys[] = {"charset", "charset_source", "delimiter",
					   "header",  "decimal",	"quote"};
	const json_object *read = json_obj(layer, "dialect");
	json_object *d = json_object_new_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *typed = fields_text(fields, keys[i]);

		if (typed != NULL && *typed != '\0' && strcmp(keys[i], "delimiter") == 0)
			json_set_str(d, keys[i], delimiter_word(typed));
		else if (typed != NULL && *typed != '\0')
			json_set_str(d, keys[i], typed);
		else
			json_set(d, keys[i], copy_of(read, keys[i]));
	}
	return d;
}

/* Column I of the page: as inspected, with what was typed or stored about it. */
static json_object *column_of(const struct session *s, const json_object *c,
			      const json_object *stored, const json_object *fields, size_t i)
{
	static const char *const kept[] = {"name", "original", "type",	   "nulls",
					   "min",  "max",      "first_bad"};
	json_object *o = json_set_int(json_object_new_object(), "i", (int64_t)i), *item;
	const json_object *own = c, *before = stored == NULL ? earlier_column(s, c) : NULL;
	const char *original = json_str(c, "original", ""), *typed;
	char field[40];
	bool use;

	for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
		json_set(o, kept[k], copy_of(c, kept[k]));
	if (*original == '\0')
		original = json_str(c, "name", "");
	json_set_int(o, "is_latitude", is_latitude(original));
	json_set_int(o, "is_longitude", is_longitude(original));
	JSON_EACH(item, json_arr(stored, "columns"))
	if (json_int(item, "i", -1) == (int64_t)i)
		own = item;
	(void)snprintf(field, sizeof(field), "col_%zu_name", i);
	typed = fields_text(fields, field);
	json_set_str(o, "new_name",
		     typed != NULL ? typed : json_str(before, "name", json_str(own, "name", "")));
	(void)snprintf(field, sizeof(field), "col_%zu_type", i);
	typed = fields_text(fields, field);
	/* Text takes every value; for anything else this file's own values speak. */
	if (typed == NULL && strcmp(json_str(before, "type", ""), "text") == 0)
		typed = "text";
	json_set_str(o, "new_type",
		     typed != NULL && *typed != '\0' ? typed : json_str(own, "type", "text"));
	(void)snprintf(field, sizeof(field), "col_%zu_use", i);
	typed = fields_text(fields, field);
	if (typed == NULL || !text_bool(typed, &use))
		use = json_bool(before != NULL ? before : own, "use", true);
	return json_set_bool(o, "use", use);
}

static void set_candidates(json_object *model, const json_object *layer)
{
	json_object *points = json_object_new_array(), *geometries = json_object_new_array(), *c;

	JSON_EACH(c, json_arr(layer, "columns"))
	{
		const char *name = json_str(c, "name", ""),
			   *original = json_str(c, "original", name);
		const json_object *geom = json_obj(c, "geom");
		int64_t values = json_int(c, "values", 0);

		if (columns_is_numeric(c) || is_latitude(original) > 0 ||
		    is_longitude(original) > 0)
			json_object_array_add(points, json_object_new_string(name));
		if (values > 0 && json_int(geom, "ok", 0) * 10 >= values * 9)
			json_object_array_add(
			    geometries,
			    json_set(json_set_str(json_object_new_object(), "column", name),
				     "format", copy_of(geom, "format")));
	}
	json_set(model, "point_candidates", points);
	json_set(model, "geometry_candidates", geometries);
}

/* The first CELL_CHARS characters. */
static json_object *short_cell(json_object *cell)
{
	const char *s = json_object_get_string(cell);
	size_t len, at = 0;
	int32_t cp;

	if (!json_object_is_type(cell, json_type_string))
		return json_copy(cell);
	len = strlen(s);
	for (size_t n = 0; at < len && n < CELL_CHARS; n++) {
		size_t step = text_decode(s + at, len - at, &cp);

		at += step > 0 ? step : 1;
	}
	return json_object_new_string_len(s, (int)at);
}

static json_object *preview_of(const json_object *layer)
{
	const json_object *from = json_obj(layer, "preview");
	json_object *o = json_object_new_object(), *rows = json_object_new_array(), *row, *cell;

	JSON_EACH(row, json_arr(from, "rows"))
	{
		json_object *r = json_object_new_object(), *cells = json_object_new_array();

		if (json_len(rows) == PREVIEW_ROWS) {
			json_object_put(r);
			json_object_put(cells);
			break;
		}
		JSON_EACH(cell, json_arr(row, "cells"))
		json_object_array_add(cells, short_cell(cell));
		json_set(r, "row", copy_of(row, "row"));
		json_object_array_add(rows, json_set(r, "cells", cells));
	}
	json_set(o, "columns", copy_of(from, "columns"));
	json_set(o, "rows", rows);
	return json_set(o, "total_rows",
			json_get(from, "total_rows") != NULL ? copy_of(from, "total_rows")
							     : copy_of(layer, "count"));
}

json_object *columns_model(const struct session *s, const json_object *layer,
			   const json_object *fields)
{
	const json_object *stored = session_table_input(s, json_int(layer, "i", 0));
	json_object *m = json_object_new_object(), *columns = json_object_new_array(), *c;
	json_object *warnings = json_arr(layer, "warnings");
	struct column_guess g;
	struct selection sel;
	size_t i = 0;

	columns_guess(layer, &g);
	select_columns(s, layer, fields, stored, &g, &sel);
	JSON_EACH(c, json_arr(layer, "columns"))
	json_object_array_add(columns, column_of(s, c, stored, fields, i++));
	json_set(m, "layer", copy_of(layer, "name"));
	json_set_int(m, "layer_i", json_int(layer, "i", 0));
	json_set(m, "file", copy_of(layer, "file"));
	json_set(m, "sheets", copy_of(layer, "sheets"));
	/* another one was read before this is shown */
	json_set_str(m, "sheet", json_str(layer, "sheet", NULL));
	json_set(m, "dialect", dialect_of(layer, fields));
	json_set(m, "columns", columns);
	set_candidates(m, layer);
	json_set_str(m, "geometry", sel.mode);
	json_set_str(m, "selected_lat", sel.lat);
	json_set_str(m, "selected_lng", sel.lng);
	json_set_str(m, "selected_geometry", sel.geometry);
	json_set_str(m, "bad_rows", sel.bad_rows);
	json_set_bool(m, "guessed_lat_or_lng", sel.guessed);
	json_set_bool(m, "present_choices", true);
	/* Keys of texts: the words stand in templates. */
	json_set_str(m, "reason", g.reason);
	json_set_int(m, "percent_bad", g.percent_bad);
	json_set_str(m, "crs_guess", g.crs[0] != '\0' ? g.crs : NULL);
	json_set_str(m, "possible_data_problems",
		     json_len(warnings) > 0 ? problem_code(json_object_array_get_idx(warnings, 0))
					    : NULL);
	json_set(m, "preview", preview_of(layer));
	return m;
}
