#include "wizard/final.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/choice.h"
#include "wizard/srs.h"

/* ---- columns */

struct diff {
	json_object *matched, *missing, *extra, *changed, *errors;
	bool append;
	bool ignore_extra, skip_rows;
};

/* Columns the import itself adds or that a catalogue shows but nobody sends. */
static bool is_ours(const char *name)
{
	return text_ieq(name, "fid") || text_ieq(name, "geom") || text_ieq(name, "_time_start") ||
	       text_ieq(name, "_time_end");
}

/* The columns LAYER will have: the csv step may have renamed, retyped or dropped some. */
static json_object *columns_of(const struct session *s, const json_object *layer)
{
	json_object *chosen = json_arr(choice_csv(s, layer), "columns"),
		    *list = json_object_new_array(), *c;

	JSON_EACH(c, chosen != NULL ? chosen : json_arr(layer, "columns"))
	if (json_bool(c, "use", true))
		json_object_array_add(list, json_object_get(c));
	return list;
}

static const json_object *find(json_object *columns, const char *name)
{
	json_object *c;

	JSON_EACH(c, columns)
	{
		CLEAN_FREE char *a = text_fold(json_str(c, "name", "")), *b = text_fold(name);

		if (a != NULL && b != NULL && strcmp(a, b) == 0)
			return c;
	}
	return NULL;
}

/* Can values of type FROM go into a column of type TO without loss? */
static bool fits(const char *from, const char *to)
{
	if (strcmp(from, to) == 0 || strcmp(to, "text") == 0)
		return true;
	if (strcmp(to, "real") == 0)
		return strcmp(from, "integer") == 0 || strcmp(from, "boolean") == 0;
	if (strcmp(to, "integer") == 0)
		return strcmp(from, "boolean") == 0;
	return strcmp(to, "datetime") == 0 && strcmp(from, "date") == 0;
}

/* COLUMN as the jail found it in the file; NULL = it did not. */
static const json_object *inspected(const json_object *layer, const json_object *column)
{
	json_object *c;

	JSON_EACH(c, json_arr(layer, "columns"))
	if (json_int(c, "i", -1) == json_int(column, "i", -2))
		return c;
	return NULL;
}

/* Without a single value a column is text for want of a better type, and fits everywhere. */
static bool is_empty(const json_object *layer, const json_object *column)
{
	return json_int(inspected(layer, column), "nulls", -1) == json_int(layer, "count", -2);
}

/* The first cell the jail found that is not of type TO. */
static const json_object *first_misfit(const json_object *layer, const json_object *column,
				       const char *to)
{
	const json_object *c = inspected(layer, column),
			  *bad = json_obj(json_obj(c, "type_bad"), to);

	return bad != NULL ? bad : json_obj(c, "first_bad");
}

static json_object *changed_item(const char *name, const char *from, const char *to)
{
	json_object *o = json_set_str(json_object_new_object(), "name", name);

	return json_set_str(json_set_str(o, "from", from), "to", to);
}

static void compare_type(const json_object *layer, const json_object *new, const json_object *old,
			 struct diff *d)
{
	const char *name = json_str(old, "name", ""), *from = json_str(old, "type", "text"),
		   *to = json_str(new, "type", "text");
	const json_object *bad;
	json_object *p;

	json_object_array_add(d->matched, json_object_new_string(name));
	if (strcmp(from, to) == 0)
		return;
	json_object_array_add(d->changed, changed_item(name, from, to));
	if (!d->append || d->skip_rows || fits(to, from) || is_empty(layer, new))
		return;
	p = problem_str(problem_new("schema_mismatch"), "column", name);
	problem_str(p, "file", json_str(layer, "file", NULL));
	problem_arg(problem_arg(problem_arg(p, "from", from), "to", to), "reason", "type");
	bad = first_misfit(layer, new, from);
	if (bad != NULL) {
		problem_arg(p, "reason", "value");
		problem_int(p, "row", json_int(bad, "row", 0));
		problem_str(p, "value",
			    json_get(bad, "value") != NULL
				? json_object_get_string(json_get(bad, "value"))
				: "");
	}
	problems_add(&d->errors, p);
}

static void compare_columns(const json_object *layer, json_object *news, json_object *olds,
			    struct diff *d)
{
	json_object *c, *p;

	JSON_EACH(c, olds)
	{
		const char *name = json_str(c, "name", "");
		const json_object *new = find(news, name);

		if (is_ours(name))
			continue;
		if (new != NULL)
			compare_type(layer, new, c, d);
		else
			json_object_array_add(d->missing, json_object_new_string(name));
	}
	JSON_EACH(c, news)
	{
		const char *name = json_str(c, "name", "");

		if (is_ours(name) || find(olds, name) != NULL)
			continue;
		json_object_array_add(d->extra, json_object_new_string(name));
		if (!d->append || d->ignore_extra)
			continue;
		p = problem_str(problem_new("schema_mismatch"), "column", name);
		problem_str(p, "file", json_str(layer, "file", NULL));
		problems_add(&d->errors, problem_arg(p, "reason", "extra"));
	}
}

/* ---- kind, geometry, CRS, rows */

/* What LAYER becomes in the catalogue. */
static const char *type_of(const struct session *s, const json_object *layer)
{
	if (strcmp(json_str(layer, "kind", ""), "raster") == 0)
		return "raster";
	return srs_layer_has_geometry(s, layer) ? "vector" : "table";
}

/* "Polygon Z" and "MultiPolygon" → "Polygon". */
static const char *single(const char *geometry, char out[64])
{
	size_t n;

	if (strncasecmp(geometry, "Multi", 5) == 0)
		geometry += 5;
	while (*geometry == ' ')
		geometry++;
	n = strcspn(geometry, " ");
	if (n > 63)
		n = 63;
	memcpy(out, geometry, n);
	out[n] = '\0';
	return out;
}

static bool is_any(const char *geometry)
{
	return *geometry == '\0' || text_ieq(geometry, "Unknown") ||
	       text_ieq(geometry, "Geometry") || text_ieq(geometry, "Any");
}

static const char *geometry_of(const struct session *s, const json_object *layer)
{
	const char *how = choice_geometry(s, layer), *file = json_str(layer, "geometry", "Unknown");

	if (strcmp(how, "latlng") == 0)
		return "Point";
	/*
	 * A shapefile's lines and polygons may have many parts each: the job makes all of them
	 * multi.
	 */
	if (strcmp(how, "native") == 0 && s->kind == KIND_SHP)
		return strcmp(file, "Polygon") == 0	 ? "MultiPolygon"
		       : strcmp(file, "LineString") == 0 ? "MultiLineString"
							 : file;
	return strcmp(how, "native") == 0 ? file : strcmp(how, "column") == 0 ? "Unknown" : "None";
}

static json_object *from_to(const char *from, const char *to, bool same)
{
	json_object *o =
	    json_set_str(json_set_str(json_object_new_object(), "from", from), "to", to);

	return json_set_bool(o, "same", same);
}

static void compare_geometry(const char *from, const char *to, struct diff *d, json_object *out)
{
	char a[64], b[64];
	bool same = text_ieq(from, to), fit;

	/* Single goes into multi; anything into "any"; what is not known yet is judged by the
	 * import. */
	fit = same || is_any(from) || is_any(to) || text_ieq(single(from, a), single(to, b));
	json_set(out, "geometry", from_to(from, to, same));
	if (d->append && !fit)
		problems_add(&d->errors, problem_arg(problem_arg(problem_new("geometry_mismatch"),
								 "from", from),
						     "to", to));
}

static const char *new_crs(const struct session *s, const json_object *layer, char buf[48])
{
	const char *target = json_str(session_input(s, STEP_SRS), "target", "");

	if (!srs_layer_has_geometry(s, layer))
		return "";
	return *target != '\0' ? target : srs_layer_source(s, layer, buf);
}

json_object *final_diff(const struct session *s, const json_object *layer,
			const json_object *dataset, const char *mode, bool ignore_extra,
			bool skip_rows)
{
	struct diff d = {json_object_new_array(),
			 json_object_new_array(),
			 json_object_new_array(),
			 json_object_new_array(),
			 NULL,
			 strcmp(mode, "append") == 0,
			 ignore_extra,
			 skip_rows};
	CLEAN_JSON json_object *news = columns_of(s, layer);
	const char *type = type_of(s, layer), *old_type = json_str(dataset, "type", ""), *crs;
	const char *old_crs = json_str(json_obj(dataset, "crs"), "code", "");
	int64_t before = json_int(dataset, "count", 0), rows = json_int(layer, "count", 0);
	json_object *o = json_object_new_object(), *p;
	char buf[48];

	/* Of rasters only mosaics take more. */
	if (strcmp(type, old_type) != 0 ||
	    (d.append && strcmp(type, "raster") == 0 && json_obj(layer, "mosaic") == NULL)) {
		p = problem_arg(problem_arg(problem_new("kind_mismatch"), "from", old_type), "to",
				type);
		problems_add(&d.errors, problem_str(p, "file", json_str(layer, "file", NULL)));
	}
	compare_columns(layer, news, json_arr(dataset, "columns"), &d);
	if (strcmp(type, "vector") == 0 && strcmp(old_type, "vector") == 0)
		compare_geometry(json_str(dataset, "geometry", "Unknown"), geometry_of(s, layer),
				 &d, o);
	else
		json_set(o, "geometry", NULL);
	crs = new_crs(s, layer, buf);
	json_set(o, "matched", d.matched);
	json_set(o, "missing", d.missing);
	json_set(o, "extra", d.extra);
	json_set(o, "changed", d.changed);
	json_set(o, "crs",
		 from_to(old_crs, strlen(crs) < sizeof(buf) ? crs : "", strcmp(old_crs, crs) == 0));
	json_set_int(o, "rows_before", before);
	json_set(o, "rows_after",
		 rows < 0 ? NULL : json_object_new_int64(d.append ? before + rows : rows));
	/* Where a person can do something about it. */
	JSON_EACH(p, d.errors)
	problem_str(p, "field", "dataset");
	return json_set(o, "errors", d.errors != NULL ? d.errors : json_object_new_array());
}
