#include "geo/layer.h"

#include <cpl_error.h>
#include <ogr_srs_api.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/encoding.h"
#include "geo/kml.h"
#include "geo/output.h"
#include "geo/tables.h"

#define MAX_FIND 1000 /* bytes of a layer's name in a message */

json_object *layer_new(const struct source *src, int64_t i, const char *kind, const char *name,
		       const char *source_layer)
{
	json_object *l = json_object_new_object();
	const char *slash = strrchr(src->file, '/');

	json_set_int(l, "i", i);
	json_set_int(l, "bundle", src->bundle);
	job_set_name(l, "name", name);
	json_set_str(l, "kind", kind);
	json_set_str(l, "driver", src->driver);
	json_set_str(l, "source_layer", source_layer);
	json_set_str(l, "file", slash != NULL ? slash + 1 : src->file);
	json_set_str(l, "member", src->in_zip ? src->file : NULL);
	json_set_bool(l, "selected", true);
	json_set(l, "warnings", json_object_new_array());
	return l;
}

static const char *geometry_name(OGRLayerH layer)
{
	/* By wkbGeometryType: OGR's own names are for people ("3D Multi Line String"). */
	static const char *const names[] = {
	    "Unknown",
	    "Point",
	    "LineString",
	    "Polygon",
	    "MultiPoint",
	    "MultiLineString",
	    "MultiPolygon",
	    "GeometryCollection",
	    "CircularString",
	    "CompoundCurve",
	    "CurvePolygon",
	    "MultiCurve",
	    "MultiSurface",
	    "Curve",
	    "Surface",
	    "PolyhedralSurface",
	    "TIN",
	    "Triangle",
	};
	unsigned type = (unsigned)wkbFlatten(OGR_L_GetGeomType(layer));

	if (type == (unsigned)wkbNone)
		return "None";
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "Unknown";
}

/* Routes and tracks are lines; their points are offered besides. */
static bool is_preselected(const struct source *src, const char *name)
{
	return src->kind != KIND_GPX ||
	       (strcmp(name, "route_points") != 0 && strcmp(name, "track_points") != 0);
}

static void warn_layer(json_object *layer, json_object *p)
{
	json_object *list = json_object_get(json_arr(layer, "warnings"));

	problems_add(&list, p);
	json_set(layer, "warnings", list);
}

static void describe_encoding(const struct source *src, const struct encoding *e,
			      json_object *layer)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "charset", e->charset);
	json_set_str(o, "source", e->source);
	json_set(layer, "encoding", o);
	if (e->overruled != NULL || e->bad > 0)
		warn_layer(
		    layer,
		    problem_arg_int(
			problem_arg(problem_arg(problem_str(problem_new("charset_mismatch"), "file",
							    src->file),
						"declared",
						e->overruled != NULL ? e->overruled : e->charset),
				    "charset", e->charset),
			"count", (int64_t)e->bad));
	else if (strcmp(e->source, "fallback") == 0 || strcmp(e->source, "detector") == 0)
		warn_layer(layer, problem_arg(problem_str(problem_new("charset_guessed"), "file",
							  src->file),
					      "charset", e->charset));
}

/*
 * The CRS the file tells.  A .prj is read here, not by GDAL, which would already have replaced it
 * by its own match. *RET_TEXT: the definition as it stands in the file, caller frees.  Caller
 * releases the handle.
 */
static OGRSpatialReferenceH srs_in_file(const struct source *src, OGRLayerH layer, char **ret_text)
{
	OGRSpatialReferenceH srs;

	*ret_text = NULL;
	if (src->no_crs)
		return NULL;
	if (src->kind == KIND_KML || src->kind == KIND_GPX)
		return srs_of("EPSG:4326");
	if (src->kind == KIND_SHP) {
		*ret_text = source_prj(src);
		return *ret_text != NULL ? srs_of(*ret_text) : NULL;
	}
	srs = OGR_L_GetSpatialRef(layer);
	if (srs == NULL)
		return NULL;
	srs = OSRClone(srs);
	OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
	return srs;
}

static void describe_srs(struct job *job, const struct source *src, OGRLayerH layer, json_object *l)
{
	CLEAN_FREE char *native = NULL;
	OGRSpatialReferenceH srs = srs_in_file(src, layer, &native);
	json_object *extent = json_arr(l, "extent");
	double e[4];

	for (size_t i = 0; i < 4 && extent != NULL; i++)
		e[i] = json_object_get_double(json_object_array_get_idx(extent, i));
	if (native != NULL)
		json_set_str(l, "native_crs", native);
	srs_describe(job, srs, json_len(extent) == 4 ? e : NULL, NULL, l);
	OSRRelease(srs);
}

/*
 * What source_layer() finds layer I by: its name, if that is one that can be told and no other's,
 * else "#I".
 * Owns: caller frees.
 */
static char *name_for_finding(GDALDatasetH ds, int i)
{
	const char *name = OGR_L_GetName(GDALDatasetGetLayer(ds, i));
	bool usable =
	    strlen(name) <= MAX_FIND && name[0] != '#' && text_is_utf8(name, strlen(name));

	for (int k = 0; k < i && usable; k++)
		usable = strcmp(name, OGR_L_GetName(GDALDatasetGetLayer(ds, k))) != 0;
	return usable ? mem_strdup(name) : mem_printf("#%d", i);
}

/* One OGR layer as LAYER; NULL: an empty one nobody asked for, or problems in JOB. */
static json_object *describe(struct job *job, const struct source *src, OGRLayerH layer,
			     const char *name, const char *inner, const struct encoding *encoding,
			     int64_t i)
{
	const char *geometry = geometry_name(layer);
	bool libkml = strcmp(src->driver, "LIBKML") == 0;
	json_object *l;

	if ((src->kind == KIND_GPX || libkml) && OGR_L_GetFeatureCount(layer, 1) == 0)
		return NULL;
	l = layer_new(src, i, strcmp(geometry, "None") == 0 ? "table" : "vector", name, inner);
	json_set_str(l, "geometry", geometry);
	json_set_bool(l, "selected", is_preselected(src, inner));
	if (encoding != NULL)
		describe_encoding(src, encoding, l);
	if (columns_of_ogr(job, layer, l) != ERR_OK) {
		json_object_put(l);
		return NULL;
	}
	if (libkml)
		kml_drop_columns(l);
	if (strcmp(geometry, "None") != 0) {
		describe_srs(job, src, layer, l);
		preview_vector(job, layer, i);
	}
	return l;
}

bool layer_broke_off(int64_t read, int64_t told)
{
	return CPLGetLastErrorType() == CE_Failure && (told < 0 || read < told);
}

enum err layers_of_vector(struct job *job, const struct source *src, json_object *layers)
{
	struct encoding encoding;
	const char *charset = NULL;
	size_t before = json_len(layers);
	GDALDatasetH ds;
	int n;

	if (src->kind == KIND_SHP) {
		encoding_of_dbf(src->side[SOURCE_DBF], src->side[SOURCE_CPG],
				json_str(job->spec, "charset", NULL), &encoding);
		charset = encoding.charset;
	}
	ds = source_open(job, src, charset);
	if (ds == NULL)
		return ERR_BAD_REQUEST;
	n = GDALDatasetGetLayerCount(ds);
	/* Some drivers only complain about a head that makes no sense. */
	if (n == 0 && job->detail[0] != '\0')
		(void)job_fail(job,
			       problem_str(problem_new("format_unreadable"), "file", src->file));
	for (int i = 0; i < n && job->problems == NULL; i++) {
		OGRLayerH layer = GDALDatasetGetLayer(ds, i);
		/* A file with one layer is known by the file's name, one with several by theirs. */
		const char *name = n == 1 ? src->stem : OGR_L_GetName(layer);
		CLEAN_FREE char *inner = name_for_finding(ds, i);
		json_object *l;

		job_progress(job, "inspect", "describing", name, i, n, 0, i == 0);
		if ((int64_t)json_len(layers) >= job_limit(job, "max_layers")) {
			(void)job_fail(job, problem_arg_int(problem_str(problem_new("layers_limit"),
									"file", src->file),
							    "limit", job_limit(job, "max_layers")));
			break;
		}
		l = describe(job, src, layer, name, inner, charset != NULL ? &encoding : NULL,
			     (int64_t)json_len(layers));
		if (l != NULL)
			json_object_array_add(layers, l);
		if (l != NULL && src->kind == KIND_GPKG)
			gpkg_tell_odd(job, src->file, ds, layer);
		if (l != NULL && src->kind == KIND_SHP)
			dbf_tell_odd(job, src, layer);
	}
	if (strcmp(src->driver, "LIBKML") == 0 && job->problems == NULL)
		kml_tell_lost(job, src, ds);
	if (src->kind == KIND_GML && job->problems == NULL)
		gml_tell_lost(job, src, ds);
	(void)GDALClose(ds);
	if (job->problems != NULL)
		return ERR_BAD_REQUEST;
	return json_len(layers) > before
		   ? ERR_OK
		   : job_fail(job, problem_str(problem_new("format_no_layers"), "file", src->file));
}
