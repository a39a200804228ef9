/*
 * Goal: the right columns are found by name and by value, and a wrong choice is told with file,
 * row, column and value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/problem.h"
#include "wizard/columns.h"

static json_object *parse(const char *text)
{
	json_object *o = NULL;

	if (json_read(text, strlen(text), &json_limits_job, &o) != ERR_OK)
		fail_msg("test data: %s", text);
	return o;
}

/* ---- names */

static void names(const char *name, int lat, int lng)
{
	if (is_latitude(name) != lat || is_longitude(name) != lng)
		fail_msg("%s: %d, %d instead of %d, %d", name, is_latitude(name),
			 is_longitude(name), lat, lng);
}

static void test_columns_names_vectors(void **state)
{
	(void)state;
	names("Lat", 3, 0);
	names("站点纬度", 2, 0);
	names("StopLat", 2, 0);
	names("lat1", 2, 0);
	names("ＬＡＴ", 3, 0);
	names("Y_COORD", 1, 0);
	names("long", 0, 3);
	names("经度(°)", 0, 3);
	names("platform_lng", 0, 2);
	names("longitude_flat", 0, 2);
	names("Easting", 0, 1);
	names("lat_long", 0, 0);
	names("经纬度", 0, 0);
	names("long_name", 0, 0);
}

static void test_columns_names_of_the_table(void **state)
{
	static const char *const lat3[] = {"lat",
					   "LATITUDE",
					   "latitud",
					   "latitudine",
					   "lat_deg",
					   "lat_dd",
					   "lat_wgs84",
					   "WGS84_Lat",
					   "gps_lat",
					   "gpslat",
					   "decimalLatitude",
					   "decimal_latitude",
					   "Breite",
					   "Breitengrad",
					   "enlem",
					   "Широта",
					   "纬度",
					   "纬",
					   "北纬",
					   "緯度",
					   "緯",
					   "北緯",
					   "위도",
					   " lat ",
					   "lat:",
					   "Lat. (deg)",
					   "纬度（度）",
					   "Latitude [°]",
					   "lat (a) (b)"};
	static const char *const lng3[] = {"lon",
					   "lng",
					   "Long",
					   "longitude",
					   "longitud",
					   "longitudine",
					   "lon_deg",
					   "lng_deg",
					   "lon_dd",
					   "lon_wgs84",
					   "lng_wgs84",
					   "wgs84_lon",
					   "wgs84_lng",
					   "gps_lon",
					   "gps_lng",
					   "gpslon",
					   "gpslng",
					   "decimalLongitude",
					   "decimal_longitude",
					   "Laenge",
					   "Länge",
					   "LÄNGE",
					   "laengengrad",
					   "längengrad",
					   "boylam",
					   "долгота",
					   "经度",
					   "经",
					   "东经",
					   "經度",
					   "經",
					   "東經",
					   "経度",
					   "東経",
					   "경도"};
	static const char *const lat1[] = {"y",	      "Y",	"ycoord", "coord_y", "coordy",
					   "point_y", "pointy", "utm_y",  "utm_n",   "northing",
					   "North",   "Y坐标",	"y座標",  "北坐标",  "纵坐标"};
	static const char *const lng1[] = {"x",	      "xcoord", "x_coord", "coord_x", "coordx",
					   "point_x", "pointx", "utm_x",   "utm_e",   "easting",
					   "east",    "x坐标",	"x座標",   "东坐标",  "横坐标"};
	static const char *const none[] = {"population", "plate",
					   "flat_no",	 "translation",
					   "relation",	 "latlong",
					   "belongs_to", "salon",
					   "colony",	 "",
					   " ",		 "()",
					   "lat_lon",	 "latitude_longitude",
					   "Lat/Long",	 "經緯度",
					   "纬度经度",	 "\xFF"};

	(void)state;
	for (size_t i = 0; i < sizeof(lat3) / sizeof(*lat3); i++)
		names(lat3[i], 3, 0);
	for (size_t i = 0; i < sizeof(lng3) / sizeof(*lng3); i++)
		names(lng3[i], 0, 3);
	for (size_t i = 0; i < sizeof(lat1) / sizeof(*lat1); i++)
		names(lat1[i], 1, 0);
	for (size_t i = 0; i < sizeof(lng1) / sizeof(*lng1); i++)
		names(lng1[i], 0, 1);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		names(none[i], 0, 0);
	names("start_lng", 0, 2);
	names("GPSLat", 3, 0);
	names("start-latitude", 2, 0);
	names("lat2", 2, 0);
}

/* ---- layers */

/* A column of N numbers, OK of them inside the ranges. */
static json_object *numbers(const char *name, int64_t n, int64_t lat_ok, int64_t lng_ok)
{
	json_object *c = json_object_new_object();

	json_set_str(c, "name", name);
	json_set_str(c, "original", name);
	json_set_str(c, "type", "real");
	json_set_int(c, "values", n);
	json_set_int(c, "numeric", n);
	json_set_int(c, "lat_ok", lat_ok);
	return json_set_int(c, "lng_ok", lng_ok);
}

static json_object *texts(const char *name, int64_t n)
{
	json_object *c = json_object_new_object();

	json_set_str(c, "name", name);
	json_set_str(c, "original", name);
	json_set_str(c, "type", "text");
	json_set_int(c, "values", n);
	json_set_int(c, "numeric", 0);
	return json_set(c, "first_bad", parse("{\"row\":2,\"line\":2,\"value\":\"Beijing\"}"));
}

static json_object *layer_of(json_object *a, json_object *b, json_object *c, json_object *d)
{
	json_object *layer = json_object_new_object(), *columns = json_object_new_array();
	json_object *all[] = {a, b, c, d};

	for (size_t i = 0; i < 4 && all[i] != NULL; i++)
		json_object_array_add(columns, json_set_int(all[i], "i", (int64_t)i));
	json_set_int(layer, "i", 0);
	json_set_str(layer, "name", "cities");
	json_set_str(layer, "file", "cities.csv");
	json_set_str(layer, "kind", "table");
	json_set(layer, "dialect",
		 parse("{\"charset\":\"UTF-8\",\"delimiter\":\",\",\"header\":\"yes\",\"decimal\":"
		       "\".\"}"));
	return json_set(layer, "columns", columns);
}

static struct column_guess guess(json_object *layer)
{
	struct column_guess g;

	columns_guess(layer, &g);
	json_object_put(layer);
	return g;
}

static void test_columns_guess_finds_the_pair(void **state)
{
	struct column_guess g = guess(layer_of(texts("name", 10), numbers("lat", 10, 10, 10),
					       numbers("lng", 10, 3, 10), NULL));

	(void)state;
	assert_int_equal(g.lat, 1);
	assert_int_equal(g.lng, 2);
	assert_int_equal(g.geometry, -1);
	assert_true(g.certain);
	assert_string_equal(g.reason, "name_and_values");
	/* Names decide before neighbours; population is no latitude. */
	g = guess(layer_of(numbers("population", 10, 10, 10), numbers("start_lng", 10, 3, 10),
			   numbers("lng", 10, 3, 10), numbers("start_lat", 10, 10, 10)));
	assert_int_equal(g.lat, 3);
	assert_int_equal(g.lng, 2);
	assert_false(g.certain);
	g = guess(layer_of(numbers("start_lng", 10, 3, 10), numbers("end_lng", 10, 3, 10),
			   numbers("end_lat", 10, 10, 10), numbers("start_lat", 10, 10, 10)));
	assert_int_equal(g.lat, 2);
	assert_int_equal(g.lng, 1);
}

static void test_columns_guess_needs_both(void **state)
{
	struct column_guess g =
	    guess(layer_of(numbers("lat", 10, 10, 10), numbers("value", 10, 10, 10), NULL, NULL));

	(void)state;
	assert_int_equal(g.lat, -1);
	assert_int_equal(g.lng, -1);
	assert_string_equal(g.reason, "none");
	g = guess(json_object_new_object());
	assert_int_equal(g.lat, -1);
}

static void test_columns_guess_looks_at_values(void **state)
{
	/* The exact names hold no degrees, the worse ones do. */
	struct column_guess g = guess(layer_of(texts("lat", 10), texts("lng", 10),
					       numbers("y", 10, 10, 10), numbers("x", 10, 3, 10)));

	(void)state;
	assert_int_equal(g.lat, 2);
	assert_int_equal(g.lng, 3);
	g = guess(layer_of(numbers("lat", 100, 95, 100), numbers("lng", 100, 30, 88), NULL, NULL));
	assert_int_equal(g.lat, 0);
	assert_false(g.certain);
	assert_string_equal(g.reason, "name_only");
	assert_int_equal(g.percent_bad, 12);
	/* 99 % are enough to be certain. */
	g = guess(layer_of(numbers("lat", 100, 99, 100), numbers("lng", 100, 30, 99), NULL, NULL));
	assert_true(g.certain);
	g = guess(layer_of(numbers("lat", 100, 98, 100), numbers("lng", 100, 30, 99), NULL, NULL));
	assert_false(g.certain);
	/* Two exact latitudes: nothing is certain. */
	g = guess(layer_of(numbers("lat", 9, 9, 9), numbers("lng", 9, 9, 9),
			   numbers("latitude", 9, 9, 9), NULL));
	assert_false(g.certain);
	g = guess(layer_of(numbers("lat", 0, 0, 0), numbers("lng", 0, 0, 0), NULL, NULL));
	assert_false(g.certain);
}

static void test_columns_guess_exchanges_swapped(void **state)
{
	struct column_guess g =
	    guess(layer_of(numbers("lat", 10, 0, 10), numbers("lng", 10, 10, 10), NULL, NULL));

	(void)state;
	assert_int_equal(g.lat, 1);
	assert_int_equal(g.lng, 0);
	assert_true(g.swapped);
	assert_false(g.certain);
}

static void test_columns_guess_knows_the_survey_order(void **state)
{
	json_object *x = json_set_int(numbers("x", 10, 0, 0), "survey_x", 10);
	json_object *y =
	    json_set(numbers("y", 10, 0, 0), "survey_zone", parse("{\"zone\":39,\"ok\":10}"));
	struct column_guess g = guess(layer_of(texts("name", 10), x, y, NULL));

	(void)state;
	assert_int_equal(g.lat, 1);
	assert_int_equal(g.lng, 2);
	assert_string_equal(g.crs, "EPSG:4527");
	assert_string_equal(g.reason, "survey_order");
	assert_false(g.swapped);
	/* Columns called by their direction stay; the zone still tells the system. */
	x = json_set_int(numbers("northing", 10, 0, 0), "survey_x", 10);
	y = json_set(numbers("easting", 10, 0, 0), "survey_zone", parse("{\"zone\":20,\"ok\":10}"));
	g = guess(layer_of(x, y, NULL, NULL));
	assert_int_equal(g.lat, 0);
	assert_int_equal(g.lng, 1);
	assert_string_equal(g.crs, "EPSG:4498");
	/* 24 is no zone. */
	x = json_set_int(numbers("x", 10, 0, 0), "survey_x", 10);
	y = json_set(numbers("y", 10, 0, 0), "survey_zone", parse("{\"zone\":24,\"ok\":10}"));
	g = guess(layer_of(x, y, NULL, NULL));
	assert_int_equal(g.lat, 1);
	assert_string_equal(g.crs, "");
}

static json_object *geometries(const char *name, int64_t n, int64_t ok, int64_t srid)
{
	json_object *geom = json_set_str(json_set_int(json_object_new_object(), "ok", ok), "format",
					 srid > 0 ? "EWKT" : "WKT");

	json_set_int(geom, "srid", srid);
	json_set(geom, "first_bad",
		 ok < n ? parse("{\"row\":7,\"line\":9,\"value\":\"POINT(\"}") : NULL);
	return json_set(texts(name, n), "geom", geom);
}

static void test_columns_guess_prefers_geometries(void **state)
{
	struct column_guess g =
	    guess(layer_of(numbers("lat", 10, 10, 10), numbers("lng", 10, 9, 10),
			   geometries("shape_text", 10, 10, 0), NULL));

	(void)state;
	assert_int_equal(g.geometry, 2);
	assert_true(g.certain);
	assert_string_equal(g.reason, "content");
	/* A usual name breaks the tie. */
	g = guess(layer_of(geometries("a", 10, 10, 0), geometries("WKT", 10, 10, 0),
			   geometries("geom", 10, 10, 0), NULL));
	assert_int_equal(g.geometry, 1);
	/* A name without content is nothing; below 99 % nothing is certain. */
	g = guess(layer_of(texts("wkt", 10), NULL, NULL, NULL));
	assert_int_equal(g.geometry, -1);
	g = guess(layer_of(numbers("lat", 9, 9, 9), numbers("lng", 9, 9, 9),
			   geometries("wkt", 10, 9, 0), NULL));
	assert_int_equal(g.geometry, 2);
	assert_false(g.certain);
}

/* ---- the form */

struct checked {
	json_object *input, *errors, *warnings;
};

static struct checked check(json_object *layer, const char *fields)
{
	struct checked c = {0};
	json_object *f = parse(fields);

	columns_check(layer, f, &c.input, &c.errors, &c.warnings);
	assert_true((c.input == NULL) == (c.errors != NULL));
	json_object_put(f);
	json_object_put(layer);
	return c;
}

static void checked_done(struct checked *c)
{
	json_object_put(c->input);
	json_object_put(c->errors);
	json_object_put(c->warnings);
}

static json_object *cities(void)
{
	return layer_of(texts("name", 10), numbers("lat", 10, 10, 10), numbers("lng", 10, 3, 10),
			NULL);
}

/* FIELDS are refused with CODE; EACH (may be "") is in the problem. */
static void refused(json_object *layer, const char *fields, const char *code, const char *each)
{
	struct checked c = check(layer, fields);
	const char *text = json_object_to_json_string_ext(
	    c.errors, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (c.errors == NULL ||
	    strcmp(problem_code(json_object_array_get_idx(c.errors, 0)), code) != 0 ||
	    strstr(text, each) == NULL)
		fail_msg("%s: %s", fields, text);
	checked_done(&c);
}

static void test_columns_check_takes_a_pair(void **state)
{
	static const char *const fields[] = {
	    "{\"lat\":\"lat\",\"lng\":\"lng\"}", "{\"latitude\":\"lat\",\"lon\":\"lng\"}",
	    "{\"y\":\"lat\",\"x\":\"lng\"}", "{\"lat\":\"LAT\",\"lng\":[\"x\",\"lng\"]}",
	    "{\"lat\":\"lat\",\"lng\":\"lng\",\"geometry\":\"latlng\",\"delimiter\":\"auto\","
	    "\"unknown\":\"1\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		struct checked c = check(cities(), fields[i]);

		if (c.errors != NULL)
			fail_msg("%s: %s", fields[i], json_object_to_json_string(c.errors));
		assert_string_equal(json_str(c.input, "geometry", ""), "latlng");
		assert_string_equal(json_str(c.input, "lat", ""), "lat");
		assert_int_equal(json_int(c.input, "lat_i", -1), 1);
		assert_int_equal(json_int(c.input, "lng_i", -1), 2);
		assert_string_equal(json_str(c.input, "bad_rows", ""), "keep");
		assert_int_equal(json_len(json_arr(c.input, "columns")), 3);
		assert_null(c.warnings);
		checked_done(&c);
	}
}

static void test_columns_check_refuses_in_order(void **state)
{
	(void)state;
	refused(cities(), "{}", "csv_columns_missing", "");
	refused(cities(), "{\"lat\":\"None\",\"lng\":\"None\"}", "csv_columns_missing", "");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"\"}", "csv_columns_missing",
		"\"field\":\"lng\"");
	refused(cities(), "{\"lat\":\"nosuch\",\"lng\":\"lng\"}", "csv_column_unknown",
		"name, lat, lng");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lat\"}", "csv_same_column", "");
	refused(cities(), "{\"lat\":\"name\",\"lng\":\"lng\"}", "csv_not_numeric",
		"\"file\":\"cities.csv\",\"layer\":\"cities\",\"column\":\"name\",\"row\":2,"
		"\"value\":\"Beijing\"");
	refused(layer_of(numbers("a", 0, 0, 0), numbers("b", 9, 9, 9), NULL, NULL),
		"{\"lat\":\"a\",\"lng\":\"b\"}", "csv_not_numeric", "\"column\":\"a\"");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"geometry\":\"circle\"}", "bad_choice",
		"circle");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"bad_rows\":\"eat\"}", "bad_choice",
		"eat");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"charset\":\"klingon\"}",
		"charset_unknown", "klingon");
}

/* A column may be called None. */
static void test_columns_check_none_can_be_a_name(void **state)
{
	struct checked c =
	    check(layer_of(numbers("None", 5, 5, 5), numbers("lng", 5, 5, 5), NULL, NULL),
		  "{\"lat\":\"None\",\"lng\":\"lng\"}");

	(void)state;
	assert_non_null(c.input);
	checked_done(&c);
}

static json_object *with_bad_row(void)
{
	json_object *lat = numbers("lat", 100, 99, 99);

	json_set_int(lat, "numeric", 99);
	json_set(lat, "first_bad", parse("{\"row\":31,\"line\":40,\"value\":\"abc\"}"));
	return layer_of(texts("name", 10), lat, numbers("lng", 100, 10, 100), NULL);
}

static void test_columns_check_bad_rows(void **state)
{
	struct checked c = check(with_bad_row(), "{\"lat\":\"lat\",\"lng\":\"lng\"}");
	json_object *w;

	(void)state;
	assert_non_null(c.input);
	assert_true(problems_have(c.warnings, "csv_bad_rows"));
	w = json_object_array_get_idx(c.warnings, 0);
	assert_int_equal(json_int(w, "row", 0), 31);
	assert_int_equal(json_int(w, "line", 0), 40);
	assert_int_equal(json_int(json_obj(w, "args"), "count", 0), 1);
	checked_done(&c);
	refused(with_bad_row(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"bad_rows\":\"fail\"}",
		"csv_bad_rows", "abc");
	c = check(with_bad_row(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"bad_rows\":\"skip\"}");
	assert_string_equal(json_str(c.input, "bad_rows", ""), "skip");
	checked_done(&c);
}

static void test_columns_check_range_warns_degrees_only(void **state)
{
	/* G2's own test: -100, -40. */
	struct checked c =
	    check(layer_of(numbers("lat", 1, 0, 1), numbers("lon", 1, 1, 1), NULL, NULL),
		  "{\"lat\":\"lat\",\"lng\":\"lon\"}");

	(void)state;
	assert_non_null(c.input);
	assert_true(problems_have(c.warnings, "csv_out_of_range"));
	assert_true(problems_have(c.warnings, "latlng_swapped"));
	checked_done(&c);
	c = check(layer_of(numbers("y", 9, 0, 0), numbers("x", 9, 0, 0), NULL, NULL),
		  "{\"lat\":\"y\",\"lng\":\"x\"}");
	assert_non_null(c.input);
	assert_null(c.warnings);
	checked_done(&c);
}

static void test_columns_check_geometry_column(void **state)
{
	struct checked c = check(layer_of(geometries("wkt", 10, 10, 4490), NULL, NULL, NULL),
				 "{\"geom_column\":\"wkt\"}");

	(void)state;
	assert_string_equal(json_str(c.input, "geometry", ""), "column");
	assert_int_equal(json_int(c.input, "geom_i", -1), 0);
	assert_string_equal(json_str(c.input, "geom_format", ""), "EWKT");
	checked_done(&c);
	refused(layer_of(geometries("wkt", 10, 8, 0), NULL, NULL, NULL),
		"{\"geometry\":\"column\",\"geom_column\":\"wkt\"}", "csv_geometry_bad",
		"\"row\":7,\"line\":9,\"value\":\"POINT(\"");
	refused(cities(), "{\"geom_column\":\"name\"}", "csv_geometry_bad", "Beijing");
	refused(cities(), "{\"geometry\":\"column\"}", "csv_columns_missing", "geom_column");
	c = check(layer_of(geometries("wkt", 10, 9, 0), NULL, NULL, NULL),
		  "{\"geom_column\":\"wkt\"}");
	assert_true(problems_have(c.warnings, "csv_bad_rows"));
	checked_done(&c);
	c = check(cities(), "{\"geometry\":\"none\"}");
	assert_string_equal(json_str(c.input, "geometry", ""), "none");
	assert_null(json_get(c.input, "lat_i"));
	checked_done(&c);
}

static void test_columns_check_columns(void **state)
{
	json_object *layer = cities(),
		    *name = json_object_array_get_idx(json_arr(layer, "columns"), 0), *out;
	struct checked c;

	(void)state;
	json_set(name, "type_bad", parse("{\"integer\":{\"row\":4,\"value\":\"n/s\"}}"));
	c = check(json_object_get(layer),
		  "{\"lat\":\"lat\",\"lng\":\"lng\",\"col_0_name\":\"Stadt "
		  "Name\",\"col_1_use\":\"false\","
		  "\"col_1_type\":\"text\",\"col_0_type\":\"date\",\"col_99_type\":\"integer\"}");
	assert_non_null(c.input);
	out = json_arr(c.input, "columns");
	assert_string_equal(json_str(json_object_array_get_idx(out, 0), "name", ""), "Stadt_Name");
	assert_string_equal(json_str(json_object_array_get_idx(out, 0), "original", ""), "name");
	assert_string_equal(json_str(json_object_array_get_idx(out, 0), "type", ""), "date");
	assert_false(json_bool(json_object_array_get_idx(out, 1), "use", true));
	assert_string_equal(json_str(json_object_array_get_idx(out, 1), "type", ""), "text");
	checked_done(&c);
	refused(json_object_get(layer),
		"{\"lat\":\"lat\",\"lng\":\"lng\",\"col_0_type\":\"integer\"}", "csv_type",
		"\"row\":4,\"value\":\"n/s\"");
	refused(json_object_get(layer),
		"{\"lat\":\"lat\",\"lng\":\"lng\",\"col_0_type\":\"colour\"}", "bad_choice",
		"colour");
	refused(json_object_get(layer), "{\"lat\":\"lat\",\"lng\":\"lng\",\"col_0_use\":\"maybe\"}",
		"bad_boolean", "maybe");
	/* Renaming onto another column: both stay. */
	c = check(layer, "{\"lat\":\"lat\",\"lng\":\"lng\",\"col_0_name\":\"LAT\"}");
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(c.input, "columns"), 1), "name", ""),
	    "lat_2");
	checked_done(&c);
}

static void test_columns_check_tells_undecodable_bytes(void **state)
{
	json_object *layer = cities();

	(void)state;
	json_set(layer, "warnings",
		 parse("[{\"code\":\"csv_encoding\",\"row\":5,\"column\":\"name\"}]"));
	refused(json_object_get(layer), "{\"lat\":\"lat\",\"lng\":\"lng\",\"charset\":\"UTF-8\"}",
		"csv_encoding", "\"row\":5");
	struct checked c = check(layer, "{\"lat\":\"lat\",\"lng\":\"lng\"}");
	assert_non_null(c.input);
	checked_done(&c);
}

/* ---- the dialect */

static void dialect(json_object *layer, const char *fields, const char *want)
{
	json_object *f = parse(fields), *d = NULL;
	bool changed = columns_dialect_changed(layer, f, &d);

	if (changed != (want != NULL))
		fail_msg("%s: %s", fields,
			 changed ? json_object_to_json_string(d) : "nothing changed");
	if (changed) {
		json_object *w = parse(want);

		if (!json_equal(d, w))
			fail_msg("%s: %s", fields, json_object_to_json_string(d));
		json_object_put(w);
	}
	json_object_put(d);
	json_object_put(f);
}

static void test_columns_dialect_changed(void **state)
{
	json_object *layer = cities();

	(void)state;
	dialect(layer, "{}", NULL);
	dialect(
	    layer,
	    "{\"charset\":\"\",\"delimiter\":\"auto\",\"header\":\"auto\",\"decimal\":\"auto\"}",
	    NULL);
	dialect(layer,
		"{\"charset\":\"utf-8\",\"delimiter\":\",\",\"header\":\"1\",\"decimal\":\".\"}",
		NULL);
	dialect(layer, "{\"delimiter\":\";\"}", "{\"delimiter\":\";\"}");
	dialect(layer, "{\"delimiter\":\"TAB\",\"header\":\"no\"}",
		"{\"delimiter\":\"\\t\",\"header\":\"no\"}");
	dialect(layer, "{\"delimiter\":\"space\"}", "{\"delimiter\":\" \"}");
	dialect(layer, "{\"delimiter\":\"；\"}", "{\"delimiter\":\"；\"}");
	dialect(layer, "{\"charset\":\"gbk\"}", "{\"charset\":\"GB18030\"}");
	dialect(layer, "{\"header\":\"3\"}", "{\"header\":\"3\"}");
	dialect(layer, "{\"decimal\":\",\"}", "{\"decimal\":\",\"}");
	/* What makes no sense is told by columns_check, not read with. */
	dialect(
	    layer,
	    "{\"delimiter\":\"ab\",\"header\":\"maybe\",\"decimal\":\"x\",\"charset\":\"klingon\"}",
	    NULL);
	json_set_str(json_obj(layer, "dialect"), "charset_source", "chosen");
	dialect(layer, "{\"delimiter\":\";\"}", "{\"delimiter\":\";\",\"charset\":\"UTF-8\"}");
	json_object_put(layer);
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"delimiter\":\"ab\"}", "bad_choice",
		"delimiter");
	refused(cities(), "{\"lat\":\"lat\",\"lng\":\"lng\",\"header\":\"0\"}", "bad_choice",
		"header");
}

static void test_columns_dialect_sheets(void **state)
{
	json_object *layer = cities();

	(void)state;
	json_set(layer, "sheets", parse("[{\"name\":\"One\"},{\"name\":\"二\"}]"));
	json_set_str(layer, "sheet", "One");
	dialect(layer, "{\"sheet\":\"One\"}", NULL);
	dialect(layer, "{\"sheet\":\"1\"}", NULL);
	dialect(layer, "{\"sheet\":\"2\"}", "{\"sheet\":\"二\"}");
	dialect(layer, "{\"sheet\":\"二\"}", "{\"sheet\":\"二\"}");
	dialect(layer, "{\"sheet\":\"3\"}", NULL);
	refused(layer, "{\"lat\":\"lat\",\"lng\":\"lng\",\"sheet\":\"3\"}", "sheet_unknown",
		"\"value\":\"3\"");
}

/* ---- the page */

static void test_columns_model_preselects(void **state)
{
	json_object *layer = cities(), *m, *fields, *rows = json_object_new_array(),
		    *preview = json_object_new_object();
	struct session *s = session_new("ann", "cities", 0, 0);
	char cell[1000];

	(void)state;
	memset(cell, 'x', sizeof(cell) - 1);
	cell[sizeof(cell) - 1] = '\0';
	for (int i = 0; i < 30; i++) {
		json_object *row = json_set_int(json_object_new_object(), "row", i + 2),
			    *cells = json_object_new_array();

		json_object_array_add(cells, json_object_new_string(cell));
		json_object_array_add(cells, NULL);
		json_object_array_add(rows, json_set(row, "cells", cells));
	}
	json_set(layer, "preview",
		 json_set_int(json_set(preview, "rows", rows), "total_rows", 812));
	m = columns_model(s, layer, NULL);
	assert_string_equal(json_str(m, "selected_lat", ""), "lat");
	assert_string_equal(json_str(m, "selected_lng", ""), "lng");
	assert_true(json_bool(m, "guessed_lat_or_lng", false));
	assert_true(json_bool(m, "present_choices", false));
	assert_int_equal(json_len(json_arr(m, "point_candidates")), 2);
	assert_int_equal(
	    json_int(json_object_array_get_idx(json_arr(m, "columns"), 1), "is_latitude", 0), 3);
	rows = json_arr(json_obj(m, "preview"), "rows");
	assert_int_equal(json_len(rows), 20);
	assert_int_equal(json_int(json_obj(m, "preview"), "total_rows", 0), 812);
	assert_int_equal(strlen(json_object_get_string(json_object_array_get_idx(
			     json_arr(json_object_array_get_idx(rows, 0), "cells"), 0))),
			 200);
	json_object_put(m);

	/* What was stored, then what is being typed. */
	json_object_put(s->doc);
	s->doc = parse("{\"input\":{\"csv\":{\"geometry\":\"latlng\",\"lat\":\"lng\",\"lng\":"
		       "\"lat\",\"bad_rows\":\"skip\"}}}");
	m = columns_model(s, layer, NULL);
	assert_string_equal(json_str(m, "selected_lat", ""), "lng");
	assert_string_equal(json_str(m, "bad_rows", ""), "skip");
	assert_false(json_bool(m, "guessed_lat_or_lng", true));
	json_object_put(m);
	fields = parse("{\"lat\":\"NAME\",\"lng\":\"nosuch\",\"delimiter\":\";\",\"col_0_name\":"
		       "\"n\",\"col_0_use\":\"no\"}");
	m = columns_model(s, layer, fields);
	assert_string_equal(json_str(m, "selected_lat", ""), "name");
	assert_string_equal(json_str(m, "selected_lng", ""), "nosuch");
	assert_string_equal(json_str(json_obj(m, "dialect"), "delimiter", ""), ";");
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(m, "columns"), 0), "new_name", ""), "n");
	assert_false(json_bool(json_object_array_get_idx(json_arr(m, "columns"), 0), "use", true));
	json_object_put(m);
	json_object_put(fields);
	session_free(s);
	json_object_put(layer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_columns_names_vectors),
	    cmocka_unit_test(test_columns_names_of_the_table),
	    cmocka_unit_test(test_columns_guess_finds_the_pair),
	    cmocka_unit_test(test_columns_guess_needs_both),
	    cmocka_unit_test(test_columns_guess_looks_at_values),
	    cmocka_unit_test(test_columns_guess_exchanges_swapped),
	    cmocka_unit_test(test_columns_guess_knows_the_survey_order),
	    cmocka_unit_test(test_columns_guess_prefers_geometries),
	    cmocka_unit_test(test_columns_check_takes_a_pair),
	    cmocka_unit_test(test_columns_check_refuses_in_order),
	    cmocka_unit_test(test_columns_check_none_can_be_a_name),
	    cmocka_unit_test(test_columns_check_bad_rows),
	    cmocka_unit_test(test_columns_check_range_warns_degrees_only),
	    cmocka_unit_test(test_columns_check_geometry_column),
	    cmocka_unit_test(test_columns_check_columns),
	    cmocka_unit_test(test_columns_check_tells_undecodable_bytes),
	    cmocka_unit_test(test_columns_dialect_changed),
	    cmocka_unit_test(test_columns_dialect_sheets),
	    cmocka_unit_test(test_columns_model_preselects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
