/*
 * Goal: what a file says of its CRS is recognised whatever program wrote it, and whether an extent
 * fits a CRS is told as contracts/wizard.md 10.2 and 10.3 say.
 */
#include "scratch.h"
#include <math.h>
#include <ogr_srs_api.h>
#include "geo/driver.h"
#include "geo/source.h"
#include "geo/srs_fit.h"
#include "geo/srs_match.h"

/* Inspection's "crs" for a definition TEXT. */
static json_object *described(const char *text, const double extent[4])
{
	struct job job = {0};
	json_object *layer = json_object_new_object(), *crs;
	OGRSpatialReferenceH srs = srs_of(text);

	srs_describe(&job, srs, extent, NULL, layer);
	OSRRelease(srs);
	crs = json_object_get(json_obj(layer, "crs"));
	json_set(crs, "candidates", json_object_get(json_arr(layer, "candidates")));
	json_set(crs, "supported", json_object_get(json_arr(layer, "supported")));
	json_set(crs, "warnings", json_object_get(json_arr(layer, "warnings")));
	json_object_put(layer);
	return crs;
}

static void is(const char *text, const char *code, const char *source)
{
	json_object *crs = described(text, NULL);

	if (strcmp(json_str(crs, "code", "none"), code) != 0 ||
	    strcmp(json_str(crs, "source", ""), source) != 0)
		fail_msg("%s\nis %s", text, json_object_to_json_string(crs));
	json_object_put(crs);
}

static void test_srs_recognises_definitions(void **state)
{
	(void)state;
	/* GeoServer: axes turned round, for which PROJ drops the code; it is found again. */
	is("GEOGCS[\"WGS 84\",DATUM[\"World Geodetic System 1984\",SPHEROID[\"WGS "
	   "84\",6378137.0,298.257223563,AUTHORITY"
	   "[\"EPSG\",\"7030\"]],AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0.0,AUTHORITY["
	   "\"EPSG\",\"8901\"]],UNIT["
	   "\"degree\",0.017453292519943295],AXIS[\"Geodetic longitude\",EAST],AXIS[\"Geodetic "
	   "latitude\",NORTH],AUTHORITY["
	   "\"EPSG\",\"4326\"]]",
	   "EPSG:4326", "match");
	/* Esri */
	is("GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_WGS_1984\",SPHEROID[\"WGS_1984\",6378137.0,298."
	   "257223563]],PRIMEM["
	   "\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]]",
	   "EPSG:4326", "match");
	is("PROJCS[\"NAD_1983_StatePlane_California_VI_FIPS_0406_Feet\",GEOGCS[\"GCS_North_"
	   "American_1983\",DATUM["
	   "\"D_North_American_1983\",SPHEROID[\"GRS_1980\",6378137.0,298.257222101]],PRIMEM["
	   "\"Greenwich\",0.0],UNIT["
	   "\"Degree\",0.0174532925199433]],PROJECTION[\"Lambert_Conformal_Conic\"],PARAMETER["
	   "\"False_Easting\","
	   "6561666.666666666],PARAMETER[\"False_Northing\",1640416.666666667],PARAMETER[\"Central_"
	   "Meridian\",-116.25],"
	   "PARAMETER[\"Standard_Parallel_1\",32.78333333333333],PARAMETER[\"Standard_Parallel_2\","
	   "33.88333333333333],"
	   "PARAMETER[\"Latitude_Of_Origin\",32.16666666666666],UNIT[\"Foot_US\",0."
	   "3048006096012192]]",
	   "EPSG:2230", "match");
	is("PROJCS[\"WGS_1984_Web_Mercator_Auxiliary_Sphere\",GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_"
	   "WGS_1984\",SPHEROID["
	   "\"WGS_1984\",6378137.0,298.257223563]],PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0."
	   "0174532925199433]],PROJECTION["
	   "\"Mercator_Auxiliary_Sphere\"],PARAMETER[\"False_Easting\",0.0],PARAMETER[\"False_"
	   "Northing\",0.0],PARAMETER["
	   "\"Central_Meridian\",0.0],PARAMETER[\"Standard_Parallel_1\",0.0],PARAMETER[\"Auxiliary_"
	   "Sphere_Type\",0.0],UNIT["
	   "\"Meter\",1.0]]",
	   "EPSG:3857", "match");
	is("PROJCS[\"CGCS2000_3_Degree_GK_Zone_39\",GEOGCS[\"GCS_China_Geodetic_Coordinate_System_"
	   "2000\",DATUM["
	   "\"D_China_2000\",SPHEROID[\"CGCS2000\",6378137.0,298.257222101]],PRIMEM[\"Greenwich\","
	   "0.0],UNIT[\"Degree\","
	   "0.0174532925199433]],PROJECTION[\"Gauss_Kruger\"],PARAMETER[\"False_Easting\",39500000."
	   "0],PARAMETER["
	   "\"False_Northing\",0.0],PARAMETER[\"Central_Meridian\",117.0],PARAMETER[\"Scale_"
	   "Factor\",1.0],PARAMETER["
	   "\"Latitude_Of_Origin\",0.0],UNIT[\"Meter\",1.0]]",
	   "EPSG:4527", "match");
	is("EPSG:4326", "EPSG:4326", "file");
	is("ESRI:54009", "ESRI:54009", "file");
	is("+proj=utm +zone=32 +datum=WGS84", "EPSG:32632", "match");
}

static void test_srs_uses_unknown_definitions(void **state)
{
	json_object *crs =
	    described("+proj=tmerc +lat_0=12.3 +lon_0=45.6 +ellps=GRS80 +units=m", NULL);

	(void)state;
	assert_true(json_bool(crs, "usable", false));
	assert_null(json_get(crs, "code"));
	assert_string_equal(json_str(crs, "source", ""), "definition");
	json_object_put(crs);
	/* A code that is somebody else's: the definition counts. */
	crs = described("GEOGCS[\"x\",DATUM[\"x\",SPHEROID[\"x\",6370000,0]],PRIMEM[\"Greenwich\","
			"0],UNIT[\"degree\","
			"0.0174532925199433],AUTHORITY[\"EPSG\",\"4326\"]]",
			NULL);
	assert_true(json_bool(crs, "usable", false));
	assert_string_not_equal(json_str(crs, "code", ""), "EPSG:4326");
	json_object_put(crs);
}

static void test_srs_asks_when_nothing_is_told(void **state)
{
	static const char *const nothing[] = {
	    NULL,	   "",
	    "rubbish",	   "http://127.0.0.1:9/x",
	    "/etc/passwd", "LOCAL_CS[\"engineer\",UNIT[\"metre\",1]]",
	    "EPSG:999999", "EPSG:",
	    "PROJCS[",	   "EPSG:4978",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		json_object *crs = described(nothing[i], NULL);

		if (json_bool(crs, "usable", true) ||
		    strcmp(json_str(crs, "source", ""), "none") != 0)
			fail_msg("%s: %s", nothing[i], json_object_to_json_string(crs));
		json_object_put(crs);
	}
}

static void fits(const char *code, double minx, double miny, double maxx, double maxy,
		 enum srs_fit want)
{
	OGRSpatialReferenceH srs = srs_of(code);
	const double extent[4] = {minx, miny, maxx, maxy};
	enum srs_fit got = srs_fit(srs, extent, NULL);

	if (got != want)
		fail_msg("%s %g %g %g %g is %s, not %s", code, minx, miny, maxx, maxy,
			 srs_fit_name(got), srs_fit_name(want));
	OSRRelease(srs);
}

static void test_srs_fit_is_told(void **state)
{
	(void)state;
	fits("EPSG:4326", -180, -90, 180, 90, SRS_INSIDE);
	fits("EPSG:4326", 0, 0, 360, 1, SRS_INSIDE);
	fits("EPSG:4326", 500000, 4000000, 600000, 4100000, SRS_IMPOSSIBLE);
	fits("EPSG:4326", 1e20, 0, 1e20, 1, SRS_IMPOSSIBLE);
	fits("EPSG:3857", 1e20, 0, 1e20, 1, SRS_IMPOSSIBLE);
	fits("EPSG:3857", -9e6, 1e6, -8e6, 2e6, SRS_INSIDE);
	fits("EPSG:32632", 400000, 5000000, 600000, 5500000, SRS_INSIDE);
	fits("EPSG:32632", 400000, 100000, 3000000, 5500000, SRS_PARTLY);
	fits("EPSG:2249", 700000, 2900000, 800000, 3000000, SRS_INSIDE);
	fits("EPSG:2249", 1.5e7, -7.5e6, 1.6e7, -7.4e6, SRS_OUTSIDE);
	fits("EPSG:4527", 39400000, 4400000, 39500000, 4500000, SRS_INSIDE);
	fits("EPSG:4490", 116, 39, 117, 40, SRS_INSIDE);
	fits("EPSG:4490", -82, 12, -81, 13, SRS_OUTSIDE);
	/* Across the antimeridian. */
	fits("EPSG:2193", 1.1e6, 4.8e6, 2.1e6, 6.1e6, SRS_INSIDE);
	fits("+proj=utm +zone=32 +datum=WGS84", 4e5, 5e6, 6e5, 5.5e6, SRS_FIT_UNKNOWN);
	fits("EPSG:4326", NAN, 0, 1, 1, SRS_FIT_UNKNOWN);
}

static bool offers(json_object *list, const char *code)
{
	json_object *o;

	JSON_EACH(o, list)
	if (strcmp(json_str(o, "code", ""), code) == 0)
		return true;
	return false;
}

static void test_srs_suggests_what_can_be(void **state)
{
	const double degrees[4] = {116, 39, 117, 40},
		     survey[4] = {39400000, 4400000, 39500000, 4500000};
	json_object *crs = described(NULL, degrees);

	(void)state;
	assert_true(offers(json_arr(crs, "supported"), "EPSG:4326"));
	assert_true(offers(json_arr(crs, "supported"), "EPSG:4490"));
	json_object_put(crs);
	crs = described(NULL, survey);
	assert_true(offers(json_arr(crs, "supported"), "EPSG:4527"));
	assert_false(offers(json_arr(crs, "supported"), "EPSG:4326"));
	assert_false(offers(json_arr(crs, "supported"), "EPSG:4490"));
	json_object_put(crs);
}

static void test_srs_bounds_are_degrees(void **state)
{
	OGRSpatialReferenceH srs = srs_of("EPSG:3857");
	const double e[4] = {0, 0, 111319.49, 111325.14}, far[4] = {1e20, 0, 1e20, 1};
	double b[4];

	(void)state;
	assert_true(srs_wgs84_bounds(srs, e, b));
	assert_true(fabs(b[0]) < 1e-6 && fabs(b[2] - 1) < 1e-4 && fabs(b[3] - 1) < 1e-4);
	assert_false(srs_wgs84_bounds(srs, far, b));
	assert_false(srs_wgs84_bounds(NULL, e, b));
	OSRRelease(srs);
}

static void test_srs_question_is_answered(void **state)
{
	json_object *q = json_tokener_parse("{\"codes\":[\"EPSG:2249\",\"EPSG:4978\",\"EPSG:3785\","
					    "\"EPSG:999999\",\"EPSG:5773\","
					    "\"EPSG:9707\"],\"wkt\":\"+proj=utm +zone=19 "
					    "+datum=WGS84\",\"extent\":[700000,2900000,800000,"
					    "3000000],\"target\":"
					    "\"EPSG:3857\"}"),
		    *r = srs_question(q), *a = json_arr(r, "answers");
	json_object *first = json_object_array_get_idx(a, 0);

	(void)state;
	assert_int_equal(json_len(a), 7);
	assert_string_equal(json_str(first, "kind", ""), "projected");
	assert_string_equal(json_str(first, "fit", ""), "inside");
	assert_true(json_bool(first, "transform", false));
	assert_int_equal(json_len(json_arr(first, "area_bbox")), 4);
	assert_true(
	    fabs(json_object_get_double(json_object_array_get_idx(json_arr(first, "place"), 1)) -
		 42.2) < 0.3);
	assert_string_equal(json_str(json_object_array_get_idx(a, 1), "kind", ""), "geocentric");
	assert_true(json_bool(json_object_array_get_idx(a, 2), "deprecated", false));
	assert_string_equal(json_str(json_object_array_get_idx(a, 2), "replaced_by", ""),
			    "EPSG:3857");
	assert_false(json_bool(json_object_array_get_idx(a, 3), "found", true));
	assert_string_equal(json_str(json_object_array_get_idx(a, 4), "kind", ""), "vertical");
	assert_string_equal(json_str(json_object_array_get_idx(a, 5), "kind", ""), "compound");
	assert_true(json_bool(json_object_array_get_idx(a, 6), "found", false));
	assert_string_equal(json_str(json_obj(r, "target"), "code", ""), "EPSG:3857");
	json_object_put(r);
	json_object_put(q);
}

static void test_srs_preview_is_moved(void **state)
{
	json_object *q = json_tokener_parse("{\"srs\":\"EPSG:3857\",\"geojson\":{\"type\":"
					    "\"FeatureCollection\",\"features\":["
					    "{\"type\":\"Feature\",\"geometry\":{\"type\":"
					    "\"LineString\",\"coordinates\":[[0,0],[111319.49,0]]}}"
					    ","
					    "{\"type\":\"Feature\",\"geometry\":{\"type\":"
					    "\"Point\",\"coordinates\":[1e20,0]}}]}}"),
		    *r = preview_question(q);
	json_object *features = json_arr(json_obj(r, "geojson"), "features");
	json_object *line =
	    json_arr(json_obj(json_object_array_get_idx(features, 0), "geometry"), "coordinates");

	(void)state;
	assert_true(fabs(json_object_get_double(
			     json_object_array_get_idx(json_object_array_get_idx(line, 1), 0)) -
			 1) < 1e-4);
	assert_null(json_get(json_object_array_get_idx(features, 1), "geometry"));
	json_object_put(r);
	json_object_put(q);
}

static int setup(void **state)
{
	(void)state;
	driver_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_srs_recognises_definitions),
	    cmocka_unit_test(test_srs_uses_unknown_definitions),
	    cmocka_unit_test(test_srs_asks_when_nothing_is_told),
	    cmocka_unit_test(test_srs_fit_is_told),
	    cmocka_unit_test(test_srs_suggests_what_can_be),
	    cmocka_unit_test(test_srs_bounds_are_degrees),
	    cmocka_unit_test(test_srs_question_is_answered),
	    cmocka_unit_test(test_srs_preview_is_moved),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
