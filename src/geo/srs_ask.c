/* The questions the front asks while somebody fills in the srs page. */
#include <math.h>
#include <proj.h>
#include <stdio.h>
#include <string.h>
#include <cpl_conv.h>
#include "base/mem.h"
#include "geo/source.h"
#include "geo/srs_fit.h"
#include "geo/srs_match.h"

#define MAX_CODES 200	/* of one question */
#define MAX_WKT	  16384 /* bytes, contracts/wizard.md 10.1 */

static const char *kind_of(OGRSpatialReferenceH srs)
{
	if (OSRIsCompound(srs))
		return "compound";
	if (OSRIsGeocentric(srs))
		return "geocentric";
	if (OSRIsProjected(srs))
		return "projected";
	if (OSRIsGeographic(srs))
		return "geographic";
	if (OSRIsVertical(srs))
		return "vertical";
	return "other";
}

static json_object *box(double w, double s, double e, double n)
{
	json_object *a = json_object_new_array();
	const double v[] = {w, s, e, n};

	for (int i = 0; i < 4; i++)
		json_object_array_add(a, json_object_new_double(v[i]));
	return a;
}

static bool read_extent(const json_object *question, double ret[4])
{
	json_object *a = json_arr(question, "extent");

	if (json_len(a) != 4)
		return false;
	for (size_t i = 0; i < 4; i++)
		ret[i] = json_object_get_double(json_object_array_get_idx(a, i));
	return true;
}

/*
 * What OSR does not tell: whether the register still stands by a code, and by which one it was
 * replaced.
 */
static void add_register(PJ_CONTEXT *ctx, const char *code, json_object *o)
{
	PJ *crs = proj_create(ctx, code), *newer;
	PJ_OBJ_LIST *list;

	json_set_bool(o, "deprecated", crs != NULL && proj_is_deprecated(crs));
	json_set_str(o, "replaced_by", NULL);
	if (crs != NULL && proj_get_type(crs) == PJ_TYPE_TEMPORAL_CRS)
		json_set_str(o, "kind", "temporal");
	if (crs != NULL && proj_is_deprecated(crs)) {
		list = proj_get_non_deprecated(ctx, crs);
		newer = list != NULL && proj_list_get_count(list) > 0 ? proj_list_get(ctx, list, 0)
								      : NULL;
		if (newer != NULL) {
			CLEAN_FREE char *s = mem_printf("%s:%s", proj_get_id_auth_name(newer, 0),
							proj_get_id_code(newer, 0));

			json_set_str(o, "replaced_by", s);
		}
		proj_destroy(newer);
		proj_list_destroy(list);
	}
	proj_destroy(crs);
}

static bool can_transform(OGRSpatialReferenceH from, OGRSpatialReferenceH to)
{
	OGRCoordinateTransformationH t = OCTNewCoordinateTransformation(from, to);
	bool fine = t != NULL;

	OCTDestroyCoordinateTransformation(t);
	return fine;
}

/* One answer.  TEXT is a code, or a definition (IS_CODE false). */
static json_object *answer(PJ_CONTEXT *ctx, const char *text, bool is_code, const double *extent,
			   OGRSpatialReferenceH target)
{
	OGRSpatialReferenceH srs = srs_of(text);
	json_object *o;
	double w, s, e, n, place[2];
	const char *area = NULL;
	char code[48];

	if (srs == NULL) {
		o = json_object_new_object();
		json_set_str(o, "code", is_code ? text : NULL);
		return json_set_bool(o, "found", false);
	}
	o = srs_json(srs);
	if (is_code)
		json_set_str(o, "code", text);
	json_set_bool(o, "found", true);
	json_set_str(o, "kind", kind_of(srs));
	json_set_bool(o, "deprecated", false);
	json_set_str(o, "replaced_by", NULL);
	if (is_code || srs_own_code(srs, code))
		add_register(ctx, is_code ? text : code, o);
	if (OSRGetAreaOfUse(srs, &w, &s, &e, &n, &area) && w >= -180 && s >= -90) {
		json_set_str(o, "area", area);
		json_set(o, "area_bbox", box(w, s, e, n));
	} else {
		json_set_str(o, "area", NULL);
		json_set(o, "area_bbox", NULL);
	}
	json_set_str(o, "fit", srs_fit_name(srs_fit(srs, extent, place)));
	json_set(o, "place", NULL);
	if (extent != NULL && isfinite(place[0]) && isfinite(place[1])) {
		json_object *at = json_object_new_array();

		json_object_array_add(at, json_object_new_double(place[0]));
		json_object_array_add(at, json_object_new_double(place[1]));
		json_set(o, "place", at);
	}
	json_set_bool(o, "transform", target == NULL || can_transform(srs, target));
	OSRRelease(srs);
	return o;
}

json_object *srs_question(const json_object *question)
{
	PJ_CONTEXT *ctx = proj_context_create();
	json_object *result = json_object_new_object(), *answers = json_object_new_array(), *code;
	const char *target_code = json_str(question, "target", ""),
		   *wkt = json_str(question, "wkt", "");
	OGRSpatialReferenceH target = srs_of(target_code);
	double extent[4];
	bool has_extent = read_extent(question, extent);
	size_t n = 0;

	JSON_EACH(code, json_arr(question, "codes"))
	if (n++ < MAX_CODES)
		json_object_array_add(answers, answer(ctx, json_object_get_string(code), true,
						      has_extent ? extent : NULL, target));
	if (wkt[0] != '\0' && strlen(wkt) <= MAX_WKT)
		json_object_array_add(answers,
				      answer(ctx, wkt, false, has_extent ? extent : NULL, target));
	json_set(result, "answers", answers);
	json_set(result, "target",
		 target_code[0] == '\0'
		     ? NULL
		     : answer(ctx, target_code, strchr(target_code, '[') == NULL, NULL, NULL));
	OSRRelease(target);
	proj_context_destroy(ctx);
	return result;
}

/* Transform every [x, y, …] below A in place; false when one of them cannot be. */
static bool move_points(json_object *a, OGRCoordinateTransformationH t)
{
	json_object *first = json_object_array_get_idx(a, 0), *item;
	double x, y;
	int ok = 0;

	if (!json_object_is_type(first, json_type_double) &&
	    !json_object_is_type(first, json_type_int)) {
		bool fine = true;

		JSON_EACH(item, a)
		fine = fine && json_object_is_type(item, json_type_array) && move_points(item, t);
		return fine;
	}
	if (json_len(a) < 2)
		return false;
	x = json_object_get_double(first);
	y = json_object_get_double(json_object_array_get_idx(a, 1));
	if (srs_is_coordinate(x) && srs_is_coordinate(y))
		(void)OCTTransformEx(t, 1, &x, &y, NULL, &ok);
	if (!ok || !isfinite(x) || !isfinite(y))
		return false;
	json_object_array_put_idx(a, 0, json_object_new_double(x));
	json_object_array_put_idx(a, 1, json_object_new_double(y));
	return true;
}

static bool move_geometry(json_object *g, OGRCoordinateTransformationH t)
{
	json_object *part, *coordinates = json_arr(g, "coordinates");
	bool fine =
	    coordinates == NULL || json_len(coordinates) == 0 || move_points(coordinates, t);

	JSON_EACH(part, json_arr(g, "geometries"))
	fine = fine && move_geometry(part, t);
	return fine;
}

json_object *preview_question(const json_object *question)
{
	OGRSpatialReferenceH from = srs_of(json_str(question, "srs", "")),
			     wgs84 = srs_of("EPSG:4326");
	OGRCoordinateTransformationH t =
	    from != NULL ? OCTNewCoordinateTransformation(from, wgs84) : NULL;
	json_object *result = json_object_new_object(),
		    *geojson = json_copy(json_obj(question, "geojson")), *feature;

	/*
	 * Features that have no place there lose their geometry: an empty map tells the user what
	 * is wrong.
	 */
	JSON_EACH(feature, json_arr(geojson, "features"))
	{
		json_object *g = json_obj(feature, "geometry");

		if (g != NULL && (t == NULL || !move_geometry(g, t)))
			json_set(feature, "geometry", NULL);
	}
	if (geojson != NULL && json_arr(geojson, "features") == NULL &&
	    (t == NULL || !move_geometry(geojson, t))) {
		json_object_put(geojson);
		geojson = NULL;
	}
	json_object_object_del(geojson, "crs");
	json_set(result, "geojson", geojson);
	OCTDestroyCoordinateTransformation(t);
	OSRRelease(wgs84);
	OSRRelease(from);
	return result;
}
