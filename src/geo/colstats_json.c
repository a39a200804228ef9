/*
 * COLUMN objects (wizard/message.h) from column statistics.
 */
#include <string.h>
#include "base/text.h"
#include "geo/colstats_impl.h"

#define ORIGINAL_MAX 1000 /* bytes of a column's name that are told; prose may stand there */

static const char *const fit_names[FIT__N] = {"integer", "real", "date", "datetime", "boolean"};

static json_object *found_json(const struct found *f, bool with_line)
{
	json_object *o;

	if (f->value == NULL)
		return NULL;
	o = json_set_int(json_object_new_object(), "row", f->at.row);
	if (with_line && f->at.line > 0)
		json_set_int(o, "line", f->at.line);
	return json_set_str(o, "value", f->value);
}

/* Contract 9.1: at least 90 % read as decimal comma, none has a decimal point alone. */
static bool is_comma_column(const struct colstats *c, const struct column *col)
{
	if (c->decimal != 0)
		return c->decimal == ',';
	return c->comma_possible && !col->point && col->commas > 0 &&
	       col->commas * 10 >= (col->values - col->as[1].words) * 9;
}

static const char *type_of(const struct column *col, const struct reading *r)
{
	int64_t n = col->values - r->words;

	if (n > 0 && r->types[CELL_INTEGER] == n)
		return "integer";
	if (n > 0 && r->types[CELL_INTEGER] + r->types[CELL_REAL] == n)
		return "real";
	if (col->values == 0 || r->words > 0)
		return "text";
	if (r->types[CELL_DATE] == n)
		return "date";
	if (r->types[CELL_DATE] + r->types[CELL_DATETIME] == n)
		return "datetime";
	return r->types[CELL_BOOLEAN] == n ? "boolean" : "text";
}

static void set_range(json_object *o, const struct column *col, const struct reading *r,
		      const char *type, bool numbers)
{
	json_set(o, "min", NULL);
	json_set(o, "max", NULL);
	if ((strcmp(type, "date") == 0 || strcmp(type, "datetime") == 0) &&
	    col->first_day[0] != '\0') {
		json_set_str(o, "min", col->first_day);
		json_set_str(o, "max", col->last_day);
	} else if (numbers && strcmp(type, "integer") == 0 && r->min >= -1e15 && r->max <= 1e15) {
		json_set_int(o, "min", (int64_t)r->min);
		json_set_int(o, "max", (int64_t)r->max);
	} else if (numbers) {
		json_set_num(o, "min", r->min);
		json_set_num(o, "max", r->max);
	}
}

static json_object *geom_json(const struct column *col)
{
	const struct geom *g = col->geom;
	json_object *o;

	if (g == NULL || g->ok == 0)
		return NULL;
	o = json_set_str(json_object_new_object(), "format", geomcell_name(g->format));
	json_set_int(o, "ok", g->ok);
	json_set_int(o, "srid", g->mixed_srid ? 0 : g->srid);
	return json_set(o, "first_bad", found_json(&g->bad, true));
}

static json_object *zone_json(const struct reading *r)
{
	int best = 13;

	for (int z = 13; z < ZONES; z++)
		if (z != 24 && r->zones[z] > r->zones[best])
			best = z;
	if (r->zones[best] == 0)
		return NULL;
	return json_set_int(json_set_int(json_object_new_object(), "zone", best), "ok",
			    r->zones[best]);
}

json_object *colstats_column(struct colstats *c, size_t i, const char *name, const char *original,
			     const char *type)
{
	struct column *col = &c->v[i];
	bool comma = is_comma_column(c, col);
	const struct reading *r = &col->as[comma];
	bool declared = type != NULL;
	json_object *o = json_set_int(json_object_new_object(), "i", (int64_t)i),
		    *list = json_object_new_array();
	int64_t words =
	    r->numeric * 10 >= (col->values - r->words) * 9 && r->numeric > 0 ? r->words : 0;

	if (!declared)
		type = type_of(col, r);
	json_set_str(o, "name", name);
	json_set(o, "original",
		 json_object_new_string_len(
		     original, (int)text_cut(original, strlen(original), ORIGINAL_MAX)));
	json_set_str(o, "type", type);
	json_set_int(o, "nulls", col->nulls + words);
	json_set_int(o, "values", col->values - words);
	set_range(o, col, r, type, r->numeric > 0 && r->numeric * 10 >= (col->values - words) * 9);
	for (size_t k = 0; k < col->n_samples; k++)
		json_object_array_add(list, json_object_new_string(col->samples[k]));
	json_set(o, "samples", list);
	json_set_int(o, "numeric", r->numeric);
	json_set_int(o, "lat_ok", r->lat);
	json_set_int(o, "lng_ok", r->lng);
	json_set_int(o, "years_ok", r->years);
	json_set_bool(o, "year_range",
		      r->numeric > 0 && r->not_year == 0 && r->numeric == col->values - words);
	json_set_bool(o, "dms", r->angles > 0);
	json_set(o, "first_bad", found_json(&r->not_number, true));
	json_set(o, "geom", geom_json(col));
	json_set(o, "time", col->guess == NULL ? NULL : when_guess_end(col->guess));
	json_set_bool(o, "decimal_comma", comma);
	list = json_object_new_object();
	for (size_t k = 0; k < FIT__N && !declared; k++)
		if (r->misfit[k].value != NULL)
			json_set(list, fit_names[k], found_json(&r->misfit[k], false));
	json_set(o, "type_bad", list);
	json_set_int(o, "survey_x", r->survey);
	return json_set(o, "survey_zone", zone_json(r));
}

bool colstats_extent(const struct colstats *c, size_t i, double ret[4])
{
	const struct column *col = &c->v[i];

	if (col->geom == NULL || !col->geom->has_extent || col->geom->ok * 10 < col->values * 9)
		return false;
	memcpy(ret, col->geom->extent, sizeof col->geom->extent);
	return true;
}
