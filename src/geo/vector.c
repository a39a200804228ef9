/*
 * Vector layers (and tables) that OGR reads, feature by feature into a GeoPackage of ours.
 */
#include <cpl_error.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/gpkg.h"
#include "geo/layer.h"
#include "geo/ogrvalue.h"
#include "geo/outlayer.h"
#include "geo/output.h"

struct vector {
	struct outlayer out;
	OGRLayerH layer;
	OGRFieldType *types; /* of the fields behind out.col */
	char **own;	     /* per column: text made for the row */
	char *time_own[2];
	int fields;
	bool says_null; /* the file tells empty text from none */
};

/* What the file's table is declared as.  A shapefile's polygons may have many parts each, so all
 * become multi. */
static const char *geometry_of(const struct source *src, OGRLayerH layer, const json_object *spec)
{
	OGRwkbGeometryType t = OGR_GT_Flatten(OGR_L_GetGeomType(layer));

	if (t == wkbNone ||
	    strcmp(json_str(json_obj(spec, "geometry"), "mode", "native"), "none") == 0)
		return NULL;
	if (src->kind == KIND_SHP && (t == wkbPolygon || t == wkbLineString))
		return gpkg_kind_name((int)t + 3);
	return gpkg_kind_name(t <= wkbGeometryCollection ? (int)t : 0);
}

static void one_value(struct vector *v, OGRFeatureH f, size_t i)
{
	struct outlayer *o = &v->out;
	struct out_column *c = &o->col[i];
	int field = (int)c->src, bytes;
	const char *s;
	size_t len;
	bool bad;

	if (field >= v->fields || !OGR_F_IsFieldSetAndNotNull(f, field)) {
		out_null(o, i);
		return;
	}
	if (v->types[i] == OFTInteger || v->types[i] == OFTInteger64) {
		out_int(o, i, OGR_F_GetFieldAsInteger64(f, field));
	} else if (v->types[i] == OFTReal) {
		out_real(o, i, OGR_F_GetFieldAsDouble(f, field));
	} else if (v->types[i] == OFTBinary) {
		const void *blob = OGR_F_GetFieldAsBinary(f, field, &bytes);

		out_blob(o, i, blob, (size_t)bytes);
	} else {
		s = ogrvalue_text(f, field, c->v.buf, &v->own[i], &len, &bad);
		if (bad)
			out_note(o, "csv_encoding", c->original, s, len);
		if (v->types[i] == OFTString && v->says_null)
			out_string(o, i, s, len);
		else
			out_text(o, i, s, len);
	}
}

static void one_time(struct vector *v, OGRFeatureH f, struct out_time *t, char **own)
{
	char buf[OGRVALUE_ISO];
	const char *s;
	size_t len;
	bool bad;

	if (t->column < 0 || t->column >= v->fields || !OGR_F_IsFieldSetAndNotNull(f, t->column))
		return;
	s = ogrvalue_text(f, t->column, buf, own, &len, &bad);
	out_time(&v->out, t, s, len);
}

static enum err one_feature(struct vector *v, OGRFeatureH f)
{
	struct outlayer *o = &v->out;
	OGRGeometryH g = o->has_geometry ? OGR_F_GetGeometryRef(f) : NULL;

	out_row(o, o->total + 1, 0);
	if (g != NULL)
		out_geometry(o, g, NULL);
	else
		out_no_geometry(o);
	for (size_t i = 0; i < o->n; i++)
		one_value(v, f, i);
	one_time(v, f, &o->start, &v->time_own[0]);
	one_time(v, f, &o->end, &v->time_own[1]);
	return out_row_end(o);
}

static enum err all_features(struct job *job, struct vector *v)
{
	enum err err = ERR_OK;
	OGRFeatureH f;

	v->out.expected = OGR_L_GetFeatureCount(v->layer, 0);
	OGR_L_ResetReading(v->layer);
	CPLErrorReset();
	while (err == ERR_OK && (f = OGR_L_GetNextFeature(v->layer)) != NULL) {
		err = one_feature(v, f);
		OGR_F_Destroy(f);
		CPLErrorReset();
	}
	if (err == ERR_OK && layer_broke_off(v->out.total, v->out.expected))
		err = job_fail(job, problem_int(problem_str(problem_new("format_unreadable"),
							    "file", v->out.file),
						"row", v->out.total + 1));
	return err;
}

static void prepare(struct vector *v)
{
	OGRFeatureDefnH def = OGR_L_GetLayerDefn(v->layer);
	struct outlayer *o = &v->out;

	v->fields = OGR_FD_GetFieldCount(def);
	v->types = mem_array(o->n + 1, sizeof *v->types);
	v->own = mem_array(o->n + 1, sizeof *v->own);
	for (size_t i = 0; i < o->n; i++)
		if (o->col[i].src < (size_t)v->fields)
			v->types[i] = OGR_Fld_GetType(OGR_FD_GetFieldDefn(def, (int)o->col[i].src));
}

json_object *vector_import(struct job *job, const struct source *src, const json_object *spec)
{
	GDALDatasetH ds = source_open(job, src, json_str(spec, "charset", NULL));
	/* GDAL's driver for KML calls elements that are not there empty. */
	struct vector v = {.says_null = src->kind != KIND_KML};
	json_object *result = NULL;

	if (ds == NULL)
		return NULL;
	v.layer = source_layer(job, ds, spec);
	if (v.layer != NULL &&
	    out_begin(job, spec, src->file, geometry_of(src, v.layer, spec), &v.out) == ERR_OK) {
		prepare(&v);
		if (all_features(job, &v) == ERR_OK)
			result = out_finish(&v.out);
		for (size_t i = 0; i < v.out.n; i++)
			free(v.own[i]);
		out_done(&v.out);
	}
	free(v.own);
	free(v.time_own[0]);
	free(v.time_own[1]);
	free(v.types);
	GDALClose(ds);
	return result;
}
