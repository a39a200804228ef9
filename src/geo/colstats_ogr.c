/*
 * COLUMN objects of a layer read through OGR: one loop over its features.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cpl_error.h>
#include "base/mem.h"
#include "geo/colstats.h"
#include "geo/layer.h"
#include "geo/ogrvalue.h"
#include "geo/outlayer.h"
#include "geo/tables.h"
#include "geo/tables_impl.h"
#include "wizard/names.h"

#define PREVIEW_ROWS 20

struct loop {
	struct job *job;
	OGRLayerH layer;
	OGRFeatureDefnH def;
	size_t n; /* fields */
	struct colstats *stats;
	json_object *preview;
	int64_t count;
	bool with_extent; /* the layer does not know its own */
	bool has_extent;
	OGREnvelope extent;
	char *own; /* of ogrvalue_text */
};

static void preview_cell(json_object *cells, OGRFeatureH f, int i, struct loop *l)
{
	char buf[OGRVALUE_ISO];
	size_t len;
	bool bad;
	const char *s;

	if (!OGR_F_IsFieldSetAndNotNull(f, i)) {
		json_object_array_add(cells, NULL);
		return;
	}
	s = ogrvalue_text(f, i, buf, &l->own, &len, &bad);
	json_object_array_add(cells, table_cut_cell(s, len));
}

static void feed(struct loop *l, OGRFeatureH f, int i, struct place at)
{
	OGRFieldType type = OGR_Fld_GetType(OGR_FD_GetFieldDefn(l->def, i));
	char buf[OGRVALUE_ISO];
	const char *s;
	size_t len;
	bool bad;

	if (!OGR_F_IsFieldSetAndNotNull(f, i)) {
		colstats_null(l->stats, (size_t)i);
	} else if (type == OFTInteger || type == OFTInteger64) {
		colstats_number(l->stats, (size_t)i, (double)OGR_F_GetFieldAsInteger64(f, i), true,
				at);
	} else if (type == OFTReal) {
		double v = OGR_F_GetFieldAsDouble(f, i);

		colstats_number(l->stats, (size_t)i, v, false, at);
	} else if (type == OFTBinary) {
		colstats_opaque(l->stats, (size_t)i);
	} else {
		s = ogrvalue_text(f, i, buf, &l->own, &len, &bad);
		colstats_cell(l->stats, (size_t)i, s, len, at);
	}
}

static void grow(struct loop *l, OGRFeatureH f)
{
	OGRGeometryH g = OGR_F_GetGeometryRef(f);
	OGREnvelope e;

	if (g == NULL || OGR_G_IsEmpty(g))
		return;
	OGR_G_GetEnvelope(g, &e);
	if (!isfinite(e.MinX) || !isfinite(e.MaxX) || !isfinite(e.MinY) || !isfinite(e.MaxY))
		return;
	if (!l->has_extent)
		l->extent = e;
	l->has_extent = true;
	l->extent.MinX = fmin(l->extent.MinX, e.MinX);
	l->extent.MinY = fmin(l->extent.MinY, e.MinY);
	l->extent.MaxX = fmax(l->extent.MaxX, e.MaxX);
	l->extent.MaxY = fmax(l->extent.MaxY, e.MaxY);
}

static void one_feature(struct loop *l, OGRFeatureH f)
{
	const struct place at = {++l->count, 0};

	if (l->count <= PREVIEW_ROWS) {
		json_object *row = json_set_int(json_object_new_object(), "row", l->count),
			    *cells = json_object_new_array();

		for (size_t i = 0; i < l->n; i++)
			preview_cell(cells, f, (int)i, l);
		json_object_array_add(l->preview, json_set(row, "cells", cells));
	}
	for (size_t i = 0; i < l->n; i++)
		feed(l, f, (int)i, at);
	if (l->with_extent)
		grow(l, f);
}

/* The extent a file's head tells, when it costs nothing and makes sense; geometries then need not
 * be read. */
static void fast_extent(struct loop *l)
{
	static const char *no_geometry[] = {"OGR_GEOMETRY", "OGR_STYLE", NULL};

	l->with_extent = true;
	if (OGR_L_TestCapability(l->layer, OLCFastGetExtent) &&
	    OGR_L_GetExtent(l->layer, &l->extent, 0) == OGRERR_NONE &&
	    isfinite(l->extent.MinX + l->extent.MaxX + l->extent.MinY + l->extent.MaxY) &&
	    l->extent.MinX <= l->extent.MaxX && l->extent.MinY <= l->extent.MaxY &&
	    (l->extent.MinX != 0 || l->extent.MaxX != 0 || l->extent.MinY != 0 ||
	     l->extent.MaxY != 0)) {
		l->has_extent = true;
		l->with_extent = false;
	}
	if (!l->with_extent && OGR_L_TestCapability(l->layer, OLCIgnoreFields))
		(void)OGR_L_SetIgnoredFields(l->layer, no_geometry);
}

static void finish(struct loop *l, json_object *layer)
{
	const char **originals = mem_array(l->n + 1, sizeof *originals);
	json_object *columns = json_object_new_array(), *names = json_object_new_array(),
		    *preview = json_object_new_object(), *renamed;
	char **clean, **valid = mem_array(l->n + 1, sizeof *valid);

	for (size_t i = 0; i < l->n; i++) {
		valid[i] = ogrvalue_name(OGR_FD_GetFieldDefn(l->def, (int)i));
		originals[i] = valid[i];
	}
	clean = names_columns(originals, l->n);
	renamed = names_renamed(json_str(layer, "file", NULL), originals, clean, l->n);
	if (renamed != NULL)
		job_warn(l->job, problem_str(renamed, "layer", json_str(layer, "name", NULL)));
	for (size_t i = 0; i < l->n; i++) {
		json_object_array_add(
		    columns, colstats_column(l->stats, i, clean[i], originals[i],
					     ogrvalue_type(OGR_FD_GetFieldDefn(l->def, (int)i))));
		json_object_array_add(names, json_object_new_string(clean[i]));
		free(clean[i]);
		free(valid[i]);
	}
	free(clean);
	free(valid);
	free(originals);
	json_set(layer, "columns", columns);
	json_set(json_set(preview, "columns", names), "rows", json_object_get(l->preview));
	json_set(layer, "preview", json_set_int(preview, "total_rows", l->count));
	json_set_int(layer, "count", l->count);
	if (json_arr(layer, "extent") != NULL)
		return;
	json_set(layer, "extent", NULL);
	if (l->has_extent) {
		json_object *e = json_object_new_array();

		json_object_array_add(e, json_object_new_double(l->extent.MinX));
		json_object_array_add(e, json_object_new_double(l->extent.MinY));
		json_object_array_add(e, json_object_new_double(l->extent.MaxX));
		json_object_array_add(e, json_object_new_double(l->extent.MaxY));
		json_set(layer, "extent", e);
	}
}

enum err columns_of_ogr(struct job *job, OGRLayerH ogr, json_object *layer)
{
	struct loop l = {.job = job, .layer = ogr, .def = OGR_L_GetLayerDefn(ogr)};
	const char *name = json_str(layer, "name", OGR_L_GetName(ogr));
	int64_t most = (int64_t)out_columns_most(OGR_L_GetGeomType(ogr) != wkbNone),
		limit = job_limit(job, "csv_max_columns"), total;
	enum err err = ERR_OK;
	OGRFeatureH f;

	l.n = (size_t)OGR_FD_GetFieldCount(l.def);
	most = limit < most ? limit : most;
	if ((int64_t)l.n > most)
		return job_fail(
		    job,
		    problem_arg_int(problem_str(problem_str(problem_new("csv_too_many_columns"),
							    "file", json_str(layer, "file", NULL)),
						"layer", name),
				    "limit", most));
	l.stats = colstats_new(l.n, '.', false);
	l.preview = json_object_new_array();
	fast_extent(&l);
	total = OGR_L_GetFeatureCount(ogr, 0);
	OGR_L_ResetReading(ogr);
	CPLErrorReset();
	while ((f = OGR_L_GetNextFeature(ogr)) != NULL) {
		one_feature(&l, f);
		OGR_F_Destroy(f);
		CPLErrorReset();
		if (l.count % 1024 == 0)
			job_progress(job, "inspect", "reading", name, l.count, total, 0, false);
	}
	if (layer_broke_off(l.count, total))
		err = job_fail(job, problem_int(problem_str(problem_new("format_unreadable"),
							    "file", json_str(layer, "file", NULL)),
						"row", l.count + 1));
	else
		finish(&l, layer);
	(void)OGR_L_SetIgnoredFields(ogr, NULL);
	OGR_L_ResetReading(ogr);
	free(l.own);
	json_object_put(l.preview);
	colstats_free(l.stats);
	return err;
}
