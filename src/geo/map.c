/*
 * What people see of a layer's geometries: a GeoJSON sample for the page's map, before the import
 * in the layer's own coordinates, after it in WGS 84; and the first rows.
 */
#include <cpl_conv.h>
#include <math.h>
#include <ogr_api.h>
#include <ogr_srs_api.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/output.h"
#include "geo/output_impl.h"

#define SAMPLE_FEATURES 2000
#define PREVIEW_BYTES	(256 * 1024)
#define MAP_BYTES	(2 * 1024 * 1024)
#define MAP_COLUMNS	6 /* values shown beside a feature */
#define VALUE_BYTES	100
#define SAMPLE_ROWS	20
#define CELL_BYTES	200

/* One GeoJSON file being written. */
struct sample {
	FILE *out;
	size_t n; /* features so far */
	size_t max_bytes;
	OGRCoordinateTransformationH to; /* NULL = as they are */
	double tolerance;		 /* simplification, in the units written; 0 = none */
	int columns;			 /* values written beside each feature */
	const char *precision;		 /* decimals of a coordinate */
};

static void write_value(FILE *out, OGRFeatureH f, int i)
{
	char buf[FIELD_TEXT_BYTES];
	const char *s = OGR_F_IsFieldSetAndNotNull(f, i) ? field_text(f, i, buf) : NULL;
	json_object *v =
	    s == NULL ? NULL
		      : json_object_new_string_len(s, (int)text_cut(s, strlen(s), VALUE_BYTES));
	fputs(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN), out);
	json_object_put(v);
}

static void write_properties(struct sample *s, OGRFeatureH f)
{
	OGRFeatureDefnH defn = OGR_F_GetDefnRef(f);
	int n = OGR_FD_GetFieldCount(defn);
	fputs("\"properties\":{", s->out);
	for (int i = 0; i < n && i < s->columns; i++) {
		json_object *name =
		    json_object_new_string(OGR_Fld_GetNameRef(OGR_FD_GetFieldDefn(defn, i)));
		fprintf(s->out, "%s%s:", i > 0 ? "," : "",
			json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN));
		json_object_put(name);
		write_value(s->out, f, i);
	}
	fputs("},", s->out);
}

/*
 * The geometry as it is written: moved to WGS 84 and simplified when asked to; caller destroys.
 * NULL: not writable.
 */
static OGRGeometryH shown(const struct sample *s, OGRFeatureH f)
{
	OGRGeometryH g = OGR_F_GetGeometryRef(f), copy;
	if (g == NULL || OGR_G_IsEmpty(g))
		return NULL;
	copy = OGR_G_Clone(g);
	OGR_G_FlattenTo2D(copy);
	if (OGR_G_HasCurveGeometry(copy, 0)) {
		OGRGeometryH linear = OGR_G_GetLinearGeometry(copy, 0, NULL);
		OGR_G_DestroyGeometry(copy);
		copy = linear;
	}
	if (copy != NULL && s->to != NULL && OGR_G_Transform(copy, s->to) != OGRERR_NONE) {
		OGR_G_DestroyGeometry(copy);
		return NULL;
	}
	if (copy != NULL && s->tolerance > 0 && OGR_G_GetDimension(copy) > 0) {
		OGRGeometryH simple = OGR_G_SimplifyPreserveTopology(copy, s->tolerance);
		if (simple != NULL && !OGR_G_IsEmpty(simple)) {
			OGR_G_DestroyGeometry(copy);
			copy = simple;
		} else if (simple != NULL) {
			OGR_G_DestroyGeometry(simple);
		}
	}
	return copy;
}

/* False: no room for more. */
static bool sample_add(struct sample *s, OGRFeatureH f)
{
	char *options[] = {NULL, NULL};
	OGRGeometryH g = shown(s, f);
	char *json;
	bool room = true;
	if (g == NULL)
		return true;
	options[0] = (char *)(uintptr_t)s->precision;
	json = OGR_G_ExportToJsonEx(g, options);
	OGR_G_DestroyGeometry(g);
	if (json == NULL)
		return true;
	if (strstr(json, "nan") == NULL && strstr(json, "inf") == NULL) {
		room = (size_t)ftell(s->out) + strlen(json) + 1024 < s->max_bytes &&
		       s->n < SAMPLE_FEATURES;
		if (room) {
			fprintf(s->out, "%s{\"type\":\"Feature\",\"id\":%lld,", s->n > 0 ? "," : "",
				(long long)OGR_F_GetFID(f));
			write_properties(s, f);
			fprintf(s->out, "\"geometry\":%s}", json);
			s->n++;
		}
	}
	CPLFree(json);
	return room;
}

/* Write features of LAYER, every STEP-th; *RET_ALL: it was all of them. */
static void sample_layer(struct sample *s, OGRLayerH layer, int64_t step, bool *ret_all)
{
	OGRFeatureH f;
	int64_t i = 0;
	bool room = true;
	fputs("{\"type\":\"FeatureCollection\",\"features\":[", s->out);
	OGR_L_ResetReading(layer);
	while (room && (f = OGR_L_GetNextFeature(layer)) != NULL) {
		if (i++ % step == 0)
			room = sample_add(s, f);
		OGR_F_Destroy(f);
	}
	*ret_all = room && step == 1;
	fprintf(s->out, "],\"complete\":%s}\n", *ret_all ? "true" : "false");
}

static double tolerance_of(const double e[4])
{
	double w = e[2] - e[0], h = e[3] - e[1];
	return (w > h ? w : h) / 2000; /* half a pixel of a large map */
}

void preview_vector(struct job *job, OGRLayerH layer, int64_t i)
{
	char name[48], path[700];
	OGREnvelope env = {0};
	struct sample s = {
	    .max_bytes = PREVIEW_BYTES, .columns = 0, .precision = "COORDINATE_PRECISION=7"};
	GIntBig count = OGR_L_GetFeatureCount(layer, 0);
	bool all = true;
	if (OGR_L_GetGeomType(layer) == wkbNone)
		return;
	if (OGR_L_GetExtent(layer, &env, 0) == OGRERR_NONE) {
		const double e[4] = {env.MinX, env.MinY, env.MaxX, env.MaxY};
		s.tolerance = tolerance_of(e);
	}
	(void)snprintf(name, sizeof(name), "preview-%lld.json", (long long)i);
	job_out(job, name, path, sizeof(path));
	s.out = fopen(path, "we");
	if (s.out == NULL)
		return;
	/*
	 * A step that walks a huge layer to its end for 2000 features is not worth a preview's
	 * while.
	 */
	sample_layer(&s, layer, count > 0 && count <= 100000 ? count / SAMPLE_FEATURES + 1 : 1,
		     &all);
	if (fclose(s.out) != 0 || s.n == 0)
		(void)remove(path);
	OGR_L_ResetReading(layer);
}

/* The map of a written dataset, in WGS 84; adds "map" to ITEM. */
void map_vector(struct job *job, OGRLayerH layer, OGRSpatialReferenceH srs, const double wgs84[4],
		int64_t i, json_object *item)
{
	char name[48], path[700], filter[64];
	OGRSpatialReferenceH to = srs_of("EPSG:4326");
	struct sample s = {.max_bytes = MAP_BYTES,
			   .columns = MAP_COLUMNS,
			   .precision = "COORDINATE_PRECISION=6",
			   .tolerance = tolerance_of(wgs84)};
	int64_t count = json_int(item, "count", 0);
	bool all = true;

	(void)snprintf(name, sizeof(name), "%lld.map.json", (long long)i);
	job_out(job, name, path, sizeof(path));
	s.to = OCTNewCoordinateTransformation(srs, to);
	OSRRelease(to);
	s.out = s.to == NULL ? NULL : fopen(path, "we");
	if (s.out != NULL) {
		/* SQLite leaves the rows between unread. */
		if (count > SAMPLE_FEATURES) {
			(void)snprintf(filter, sizeof(filter), "fid %% %lld = 0",
				       (long long)(count / SAMPLE_FEATURES + 1));
			(void)OGR_L_SetAttributeFilter(layer, filter);
		}
		sample_layer(&s, layer, 1, &all);
		(void)OGR_L_SetAttributeFilter(layer, NULL);
		if (fclose(s.out) == 0 && s.n > 0)
			json_set_str(item, "map", name);
		else
			(void)remove(path);
	}
	if (s.to != NULL)
		OCTDestroyCoordinateTransformation(s.to);
}

const char *field_text(OGRFeatureH f, int i, char buf[FIELD_TEXT_BYTES])
{
	OGRFieldType type = OGR_Fld_GetType(OGR_F_GetFieldDefnRef(f, i));
	int y, m, d, hh, mm, zone;
	char ms[8] = "";
	float ss;
	if ((type != OFTDate && type != OFTDateTime) ||
	    !OGR_F_GetFieldAsDateTimeEx(f, i, &y, &m, &d, &hh, &mm, &ss, &zone))
		return OGR_F_GetFieldAsString(f, i);
	if (type == OFTDate) {
		(void)snprintf(buf, FIELD_TEXT_BYTES, "%04d-%02d-%02d", y, m, d);
		return buf;
	}
	long thousandths = lround(((double)ss - floor((double)ss)) * 1000);
	if (thousandths > 0 && thousandths < 1000)
		(void)snprintf(ms, sizeof(ms), ".%03ld", thousandths);
	(void)snprintf(buf, FIELD_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%s%s", y, m, d, hh, mm,
		       (int)ss, ms, zone == 100 ? "Z" : "");
	return buf;
}

/* The first rows as they stand in the dataset, in the order of ITEM's columns. */
void sample_rows(OGRLayerH layer, json_object *item)
{
	json_object *rows = json_object_new_array(), *column;
	OGRFeatureH f;
	OGR_L_ResetReading(layer);
	for (int n = 0; n < SAMPLE_ROWS && (f = OGR_L_GetNextFeature(layer)) != NULL; n++) {
		json_object *row = json_object_new_array();
		JSON_EACH(column, json_arr(item, "columns"))
		{
			int k = OGR_F_GetFieldIndex(f, json_str(column, "name", ""));
			char buf[FIELD_TEXT_BYTES];
			const char *s = k >= 0 && OGR_F_IsFieldSetAndNotNull(f, k)
					    ? field_text(f, k, buf)
					    : NULL;
			json_object_array_add(
			    row, s == NULL ? NULL
					   : json_object_new_string_len(
						 s, (int)text_cut(s, strlen(s), CELL_BYTES)));
		}
		json_object_array_add(rows, row);
		OGR_F_Destroy(f);
	}
	json_set(item, "sample_rows", rows);
	OGR_L_ResetReading(layer);
}
