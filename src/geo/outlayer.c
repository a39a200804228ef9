#include "geo/outlayer.h"

#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/source.h"
#include "wizard/names.h"

static const struct {
	const char *name; /* of the job's columns */
	enum gpkg_type type;
} types[] = {
    {"integer", GPKG_INTEGER}, {"real", GPKG_REAL},	    {"text", GPKG_TEXT},
    {"date", GPKG_DATE},       {"datetime", GPKG_DATETIME}, {"boolean", GPKG_BOOLEAN},
    {"time", GPKG_TEXT},       {"binary", GPKG_BLOB},
};

static enum gpkg_type type_of(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return GPKG_TEXT;
}

static const char *name_of(const struct out_column *c)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].type == c->type &&
		    (!c->is_time_of_day || strcmp(types[i].name, "time") == 0))
			return types[i].name;
	return "text";
}

enum err out_failed(struct outlayer *o, const struct error *error)
{
	const char *code = error->code[0] != '\0'	? error->code
			   : error->err == ERR_NO_SPACE ? "disk_full"
							: "import_failed";

	(void)snprintf(o->job->detail, sizeof o->job->detail, "%s", error->text);
	return job_fail(
	    o->job, problem_str(problem_str(problem_new(code), "file", o->file), "layer", o->name));
}

static void take_columns(struct outlayer *o)
{
	json_object *list = json_arr(o->spec, "columns"), *c;
	const char *decimal = json_str(o->spec, "decimal", "");

	o->col = mem_array(json_len(list) + 1, sizeof *o->col);
	JSON_EACH(c, list)
	{
		struct out_column *col = &o->col[o->n];

		if (!json_bool(c, "use", true))
			continue;
		col->src = (size_t)json_int(c, "i", 0);
		col->name = json_str(c, "name", "");
		col->original = json_str(c, "original", col->name);
		col->type = type_of(json_str(c, "type", "text"));
		col->is_time_of_day = strcmp(json_str(c, "type", ""), "time") == 0;
		col->decimal_comma = decimal[0] == ',' ||
				     (decimal[0] != '.' && json_bool(c, "decimal_comma", false));
		o->n++;
	}
}

static void take_time(const json_object *spec, const char *key, struct out_time *ret)
{
	const json_object *t = json_obj(json_obj(spec, "time"), key);
	json_object *c;
	const char *kind = json_str(t, "kind", "date"), *format = json_str(t, "format", "");

	*ret = (struct out_time){.column = (int)json_int(t, "column", -1), .at = SIZE_MAX};
	JSON_EACH(c, json_arr(spec, "columns"))
	if (t != NULL && json_int(c, "i", -2) == ret->column)
		ret->original = json_str(c, "original", json_str(c, "name", NULL));
	ret->kind = kind[0] == 't' ? 't' : kind[0] == 'y' ? 'y' : 'd';
	if (t != NULL && ret->kind == 't' && format[0] != '\0')
		ret->format = when_format_new(format, NULL);
}

/* The CRS read and the CRS written; a transformation when they differ. */
static enum err take_srs(struct outlayer *o)
{
	const json_object *srs = json_obj(o->spec, "srs");
	const char *target = json_str(srs, "target", "");

	o->source = srs_of(json_str(srs, "source", ""));
	o->geographic = o->source != NULL && OSRIsGeographic(o->source);
	if (o->srs == NULL && target[0] != '\0' && (o->srs = srs_of(target)) == NULL)
		return job_fail(o->job,
				problem_str(problem_new("target_invalid"), "value", target));
	if (o->srs == NULL && o->source != NULL)
		o->srs = OSRClone(o->source);
	if (o->srs == NULL || o->source == NULL || OSRIsSame(o->srs, o->source))
		return ERR_OK;
	o->ct = OCTNewCoordinateTransformation(o->source, o->srs);
	if (o->ct == NULL)
		return job_fail(o->job, problem_arg(problem_arg(problem_new("srs_transform"),
								"source", OSRGetName(o->source)),
						    "target", OSRGetName(o->srs)));
	return ERR_OK;
}

size_t out_columns_most(bool with_geometry)
{
	/* SQLite's 2000, the number of the row and the geometry included. */
	return with_geometry ? 1998 : 1999;
}

/* The file's columns in order: the source's, then the times. */
static enum err open_file(struct outlayer *o, const char *geometry)
{
	struct gpkg_column *c = mem_array(o->n + 2, sizeof *c);
	struct error error = {0};
	size_t n = o->n;
	enum err err;

	for (size_t i = 0; i < o->n; i++)
		c[i] = (struct gpkg_column){o->col[i].name, o->col[i].type};
	if (o->start.column >= 0 &&
	    (!o->append || json_get(o->target_columns, "_time_start") != NULL)) {
		o->start.at = n;
		c[n++] = (struct gpkg_column){"_time_start", GPKG_INTEGER};
	}
	if (o->start.at != SIZE_MAX && o->end.column >= 0 &&
	    (!o->append || json_get(o->target_columns, "_time_end") != NULL)) {
		o->end.at = n;
		c[n++] = (struct gpkg_column){"_time_end", GPKG_INTEGER};
	}
	if (n > out_columns_most(geometry != NULL))
		err = job_fail(
		    o->job, problem_arg_int(
				problem_str(problem_new("csv_too_many_columns"), "file", o->file),
				"limit", (int64_t)out_columns_most(geometry != NULL)));
	else if (o->append)
		err = gpkg_append(o->path, o->table, c, n, &o->g, &error);
	else
		err = gpkg_create(o->path, json_str(o->spec, "table", "layer"),
				  json_str(o->spec, "title", NULL), geometry, o->srs, c, n, &o->g,
				  &error);
	free(c);
	return err == ERR_OK || error.err == ERR_OK ? err : out_failed(o, &error);
}

enum err out_begin(struct job *job, const json_object *spec, const char *file, const char *geometry,
		   struct outlayer *ret)
{
	struct outlayer *o = ret;
	const char *bad = json_str(spec, "bad_rows", "keep");
	char name[32];
	enum err err = ERR_OK;

	*o = (struct outlayer){
	    .job = job, .spec = spec, .file = file, .name = json_str(spec, "table", "layer")};
	o->bad_rows = bad[0] == 's' ? OUT_SKIP : bad[0] == 'f' ? OUT_FAIL : OUT_KEEP;
	o->append = strcmp(json_str(spec, "mode", "create"), "append") == 0;
	o->has_geometry = geometry != NULL;
	o->expected = -1;
	(void)snprintf(name, sizeof name, "%lld.gpkg", (long long)json_int(spec, "i", 0));
	job_out(job, name, o->path, sizeof o->path);
	take_columns(o);
	take_time(spec, "start", &o->start);
	take_time(spec, "end", &o->end);
	(void)when_zone(json_str(json_obj(spec, "time"), "zone", "UTC"), &o->zone_min);
	if (o->append)
		err = out_target(o);
	if (err == ERR_OK)
		err = take_srs(o);
	if (err == ERR_OK)
		err = open_file(o, geometry);
	if (err != ERR_OK)
		out_done(o);
	return err;
}

void out_done(struct outlayer *o)
{
	if (o->g != NULL)
		gpkg_abort(o->g);
	for (size_t i = 0; i < o->n; i++) {
		for (size_t k = 0; k < o->col[i].n_samples; k++)
			free(o->col[i].samples[k]);
		json_object_put(o->col[i].finer.first);
		json_object_put(o->col[i].local.first);
	}
	free(o->col);
	when_format_free(o->start.format);
	when_format_free(o->end.format);
	if (o->ct != NULL)
		OCTDestroyCoordinateTransformation(o->ct);
	if (o->srs != NULL)
		OSRRelease(o->srs);
	if (o->source != NULL)
		OSRRelease(o->source);
	free(o->wkb);
	free(o->table);
	free(o->geometry);
	json_object_put(o->target_columns);
	*o = (struct outlayer){0};
}

/* ---- the result */

static json_object *column_json(const struct out_column *c)
{
	json_object *o = json_set_str(json_object_new_object(), "name", c->name),
		    *samples = json_object_new_array();

	json_set_str(o, "original", c->original);
	json_set_str(o, "type", name_of(c));
	json_set_int(o, "nulls", c->nulls);
	json_set(o, "min", NULL);
	json_set(o, "max", NULL);
	if (c->first[0] != '\0') {
		json_set_str(o, "min", c->first);
		json_set_str(o, "max", c->last);
	} else if (c->has_range && c->type == GPKG_INTEGER) {
		json_set_int(o, "min", (int64_t)c->min);
		json_set_int(o, "max", (int64_t)c->max);
	} else if (c->has_range) {
		json_set_num(o, "min", c->min);
		json_set_num(o, "max", c->max);
	}
	for (size_t i = 0; i < c->n_samples; i++)
		json_object_array_add(samples, json_object_new_string(c->samples[i]));
	return json_set(o, "samples", samples);
}

static json_object *info_json(const struct outlayer *o)
{
	const char **originals = mem_array(o->n + 1, sizeof *originals);
	char **names = mem_array(o->n + 1, sizeof *names);
	json_object *info;

	for (size_t i = 0; i < o->n; i++) {
		originals[i] = o->col[i].original;
		names[i] = (char *)(uintptr_t)o->col[i].name; /* names_changed only reads */
	}
	info = names_changed(originals, names, o->n);
	free(originals);
	free(names);
	return info;
}

static json_object *rows_json(const struct outlayer *o)
{
	json_object *r = json_set_int(json_object_new_object(), "total", o->total);

	json_set_int(r, "imported", o->imported);
	json_set_int(r, "without_geometry", o->without_geometry);
	return json_set_int(r, "skipped", o->skipped);
}

/* OGR's spelling of a geometry type, as LAYER has it. */
static const char *geometry_name(const char *gpkg)
{
	static const char *const names[][2] = {
	    {"POINT", "Point"},
	    {"LINESTRING", "LineString"},
	    {"POLYGON", "Polygon"},
	    {"MULTIPOINT", "MultiPoint"},
	    {"MULTILINESTRING", "MultiLineString"},
	    {"MULTIPOLYGON", "MultiPolygon"},
	    {"GEOMETRYCOLLECTION", "GeometryCollection"},
	};

	for (size_t i = 0; gpkg != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i][0], gpkg) == 0)
			return names[i][1];
	return gpkg == NULL ? "None" : "Unknown";
}

static void warn_of(struct job *job, const struct out_told *told)
{
	if (told->n > 0)
		job_warn(job, problem_arg_int(json_object_get(told->first), "count", told->n));
}

json_object *out_finish(struct outlayer *o)
{
	json_object *r = json_object_new_object(), *columns = json_object_new_array(), *extent;
	double e[4] = {NAN, NAN, NAN, NAN};
	struct error error = {0};
	int64_t count = 0, first, last;
	enum err err = gpkg_close_rows(o->g, &error);

	if (err == ERR_OK) {
		json_set_str(r, "geometry", geometry_name(gpkg_geometry(o->g)));
		json_set(r, "time", NULL);
		if (o->start.at != SIZE_MAX) {
			json_object *t = json_object_new_object();
			int64_t positions = gpkg_time(o->g, o->end.at != SIZE_MAX, &first, &last);

			json_set(t, "start", positions > 0 ? json_object_new_int64(first) : NULL);
			json_set(t, "end", positions > 0 ? json_object_new_int64(last) : NULL);
			json_set_int(json_set_int(t, "positions", positions), "bad", o->time_bad);
			json_set(r, "time", t);
		}
		err = gpkg_finish(o->g, e, &count, &error);
		o->g = NULL;
	}
	if (err != ERR_OK) {
		json_object_put(r);
		json_object_put(columns);
		(void)out_failed(o, &error);
		return NULL;
	}
	for (size_t i = 0; i < o->n; i++) {
		json_object_array_add(columns, column_json(&o->col[i]));
		warn_of(o->job, &o->col[i].finer);
		warn_of(o->job, &o->col[i].local);
	}
	if (o->curves > 0)
		job_warn(o->job, problem_arg_int(
				     problem_str(problem_new("curves_flattened"), "layer", o->name),
				     "count", o->curves));
	json_set_str(r, "type", o->has_geometry ? "vector" : "table");
	json_set_str(r, "table", o->append ? o->table : json_str(o->spec, "table", "layer"));
	json_set_int(r, "count", count);
	json_set(r, "rows", rows_json(o));
	extent = isnan(e[0]) ? NULL : json_object_new_array();
	for (int i = 0; i < 4 && extent != NULL; i++)
		json_object_array_add(extent, json_object_new_double(e[i]));
	json_set(r, "extent", extent);
	json_set(r, "crs", o->srs == NULL ? NULL : srs_json(o->srs));
	json_set(r, "info", info_json(o));
	return json_set(r, "columns", columns);
}
