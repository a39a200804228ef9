/*
 * Goal: layers read through OGR arrive whole in our GeoPackages (names, types, charset, CRS,
 * times), geometries become what a GeoPackage may hold, hostile coordinates become reported rows,
 * and appending fits the target or leaves no file.
 */
#include "geo/jobs.h"

#include <math.h>
#include <ogr_srs_api.h>
#include "geo/output.h"
#include "geo/tables.h"

static json_object *layer;

/* Make in/<name> with DRIVER; the layer to fill, *RET_DS to close. */
static OGRLayerH make(const char *driver, const char *name, OGRwkbGeometryType type, int epsg,
		      GDALDatasetH *ret_ds, char **options)
{
	char path[640];
	OGRSpatialReferenceH srs = NULL;
	OGRLayerH l;

	snprintf(path, sizeof path, "%s/in", job.dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path, NULL), ERR_OK);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/in/%s", job.dir, name);
	if (epsg != 0) {
		srs = OSRNewSpatialReference(NULL);
		OSRImportFromEPSG(srs, epsg);
		OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
	}
	*ret_ds = GDALCreate(GDALGetDriverByName(driver), path, 0, 0, 0, GDT_Unknown, NULL);
	assert_non_null(*ret_ds);
	l = GDALDatasetCreateLayer(*ret_ds, "lay", srs, type, options);
	assert_non_null(l);
	if (srs != NULL)
		OSRRelease(srs);
	return l;
}

static void field(OGRLayerH l, const char *name, OGRFieldType type, OGRFieldSubType sub)
{
	OGRFieldDefnH f = OGR_Fld_Create(name, type);

	OGR_Fld_SetSubType(f, sub);
	assert_int_equal(OGR_L_CreateField(l, f, 1), OGRERR_NONE);
	OGR_Fld_Destroy(f);
}

static OGRFeatureH feature(OGRLayerH l, const char *wkt)
{
	OGRFeatureH f = OGR_F_Create(OGR_L_GetLayerDefn(l));
	char *copy = wkt == NULL ? NULL : strdup(wkt), *p = copy;
	OGRGeometryH g = NULL;

	if (wkt != NULL) {
		assert_int_equal(OGR_G_CreateFromWkt(&p, NULL, &g), OGRERR_NONE);
		OGR_F_SetGeometryDirectly(f, g);
	}
	free(copy);
	return f;
}

static void put(OGRLayerH l, OGRFeatureH f)
{
	assert_int_equal(OGR_L_CreateFeature(l, f), OGRERR_NONE);
	OGR_F_Destroy(f);
}

static void add(OGRLayerH l, const char *wkt)
{
	put(l, feature(l, wkt));
}

/* The file made becomes the source; its LAYER. */
static void look(enum kind kind, const char *driver, const char *name)
{
	static char path[640];
	const char *const drivers[] = {driver, NULL};
	GDALDatasetH ds;

	snprintf(path, sizeof path, "%s/in/%s", job.dir, name);
	src = (struct source){.kind = kind, .driver = driver, .path = path};
	src.stem = (char *)(uintptr_t) "test";
	src.file = (char *)(uintptr_t) "test.x";
	job_reset("{}");
	ds = GDALOpenEx(path, GDAL_OF_VECTOR, drivers, NULL, NULL);
	assert_non_null(ds);
	json_object_put(layer);
	layer = json_object_new_object();
	json_set_str(layer, "source_layer", OGR_L_GetName(GDALDatasetGetLayer(ds, 0)));
	assert_int_equal(columns_of_ogr(&job, GDALDatasetGetLayer(ds, 0), layer), ERR_OK);
	GDALClose(ds);
}

static json_object *take(const char *more)
{
	json_object *spec = json_copy(layer), *extra = quoted(more), *result;
	char path[640];

	json_set_str(spec, "table", "t");
	json_set_int(spec, "i", 0);
	json_set(spec, "srs", quoted("{'source':'EPSG:4326','target':''}"));
	json_object_object_foreach(extra, key, value) json_set(spec, key, json_object_get(value));
	json_object_put(extra);
	snprintf(path, sizeof path, "%s/out/0.gpkg", job.dir);
	unlink(path);
	result = vector_import(&job, &src, spec);
	json_object_put(spec);
	if (result == NULL)
		assert_int_not_equal(access(path, F_OK), 0);
	return result;
}

static void test_vector_types(void **state)
{
	static const char *const names[] = {"i", "big", "r", "名字", "d", "t", "dt", "b", "select"};
	static const OGRFieldType types[] = {OFTInteger,  OFTInteger64, OFTReal,
					     OFTString,	  OFTDate,	OFTTime,
					     OFTDateTime, OFTInteger,	OFTStringList};
	char *options[] = {(char *)(uintptr_t) "SPATIAL_INDEX=NO",
			   NULL}; /* it would sort the features */
	GDALDatasetH ds;
	OGRLayerH l = make("FlatGeobuf", "1.fgb", wkbPoint, 4326, &ds, options);
	json_object *r;
	OGRFeatureH f;

	(void)state;
	for (int i = 0; i < 8; i++)
		field(l, names[i], types[i], i == 7 ? OFSTBoolean : OFSTNone);
	f = feature(l, "POINT (1 2)");
	OGR_F_SetFieldInteger(f, 0, -5);
	OGR_F_SetFieldInteger64(f, 1, INT64_C(9007199254740993));
	OGR_F_SetFieldDouble(f, 2, 1.25);
	OGR_F_SetFieldString(f, 3, "北京");
	OGR_F_SetFieldDateTimeEx(f, 4, 2020, 2, 29, 0, 0, 0, 0);
	OGR_F_SetFieldDateTimeEx(f, 6, 2020, 2, 29, 1, 2, 3.5F, 100 + 32);
	OGR_F_SetFieldInteger(f, 7, 1);
	put(l, f);
	add(l, "POINT (3 4)");
	GDALClose(ds);
	look(KIND_FGB, "FlatGeobuf", "1.fgb");
	expect_at(layer, "columns.0.type", "integer");
	expect_at(layer, "columns.1.type", "integer");
	expect_at(layer, "columns.3.type", "text");
	expect_at(layer, "columns.6.type", "datetime");
	expect_at(layer, "columns.7.type", "boolean");
	expect_at(layer, "columns.6.samples.0", "2020-02-29T01:02:03.500+08:00");
	expect_at(layer, "columns.0.nulls", "1");
	expect_at(layer, "count", "2");
	expect_at(layer, "extent.2", "3.0");
	expect_at(layer, "preview.rows.1.cells.0", "null");
	r = take("{'time':{'start':{'column':6,'kind':'date'},'end':null,'zone':'UTC'}}");
	assert_non_null(r);
	expect_at(r, "geometry", "Point");
	expect_at(r, "count", "2");
	expect_at(r, "time.positions", "1");
	expect("SELECT i || '|' || big || '|' || r || '|' || 名字 || '|' || dt || '|' || b FROM t "
	       "WHERE fid = 1",
	       "-5|9007199254740993|1.25|北京|2020-02-28T17:02:03.500Z|1");
	expect("SELECT _time_start FROM t WHERE fid = 1", "1582909323500");
	expect("SELECT rtreecheck('rtree_t_geom')", "ok");
	json_object_put(r);
}

static void test_vector_shapefile_is_multi_and_decoded(void **state)
{
	char *options[] = {(char *)(uintptr_t) "ENCODING=CP936", NULL};
	GDALDatasetH ds;
	OGRLayerH l = make("ESRI Shapefile", "1.shp", wkbPolygon, 4326, &ds, options);
	OGRFeatureH f;
	json_object *r;

	(void)state;
	field(l, "name", OFTString, OFSTNone);
	f = feature(l, "POLYGON ((0 0,0 1,1 1,0 0))");
	OGR_F_SetFieldString(f, 0, "上海");
	put(l, f);
	add(l, "MULTIPOLYGON (((0 0,0 1,1 1,0 0)),((5 5,5 6,6 6,5 5)))");
	add(l, NULL);
	GDALClose(ds);
	look(KIND_SHP, "ESRI Shapefile", "1.shp");
	r = take("{'charset':'GB18030','srs':{'source':'EPSG:4326','target':'EPSG:3857'}}");
	assert_non_null(r);
	expect_at(r, "geometry", "MultiPolygon");
	expect_at(r, "rows.without_geometry", "1");
	expect_at(r, "crs.code", "EPSG:3857");
	expect("SELECT name FROM t WHERE fid = 1", "上海");
	expect("SELECT srs_id || geometry_type_name FROM gpkg_geometry_columns",
	       "3857MULTIPOLYGON");
	expect("SELECT round(maxx) FROM rtree_t_geom WHERE id = 2", "667917.0");
	json_object_put(r);
}

static void test_vector_mixed_and_odd_geometries(void **state)
{
	GDALDatasetH ds;
	OGRLayerH l = make("GPKG", "1.gpkg", wkbUnknown, 4326, &ds, NULL);
	json_object *r;

	(void)state;
	add(l, "POLYGON ((0 0,0 1,1 1,0 0))");
	add(l, "CURVEPOLYGON (CIRCULARSTRING (0 0,1 1,2 0,1 -1,0 0))");
	add(l, "MULTIPOLYGON (((0 0,0 1,1 1,0 0)))");
	add(l, "POLYGON EMPTY");
	add(l, NULL);
	GDALClose(ds);
	look(KIND_GPKG, "GPKG", "1.gpkg");
	r = take("{}");
	assert_non_null(r);
	expect_at(r, "geometry", "MultiPolygon");
	expect_at(r, "rows.without_geometry", "1");
	expect("SELECT rtreecheck('rtree_t_geom')", "ok");
	expect("SELECT count(*) FROM rtree_t_geom", "3");
	json_object_put(r);
	r = take("{'geometry':{'mode':'none'},'srs':null}");
	expect_at(r, "type", "table");
	expect_at(r, "count", "5");
	json_object_put(r);
}

static void test_vector_reports_hostile_coordinates(void **state)
{
	GDALDatasetH ds;
	OGRLayerH l = make("GPKG", "1.gpkg", wkbLineString, 4326, &ds, NULL);
	OGRFeatureH f;
	OGRGeometryH g;
	json_object *r;
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		f = feature(l, "LINESTRING (0 0,1 1)");
		g = OGR_F_GetGeometryRef(f);
		OGR_G_SetPoint_2D(g, 1, i == 0 ? NAN : INFINITY, 1);
		put(l, f);
	}
	add(l, "LINESTRING (0 0,1e300 1)");
	GDALClose(ds);
	look(KIND_GPKG, "GPKG", "1.gpkg");
	r = take("{}");
	assert_non_null(r);
	expect_at(r, "rows.without_geometry", "2");
	expect("SELECT rtreecheck('rtree_t_geom')", "ok");
	text = report();
	assert_non_null(strstr(text, "geometry_invalid"));
	free(text);
	json_object_put(r);
	r = take("{'bad_rows':'skip'}");
	expect_at(r, "rows.skipped", "2");
	json_object_put(r);
	assert_null(take("{'bad_rows':'fail'}"));
	expect_problem("geometry_invalid");
}

/* The file imported last becomes in/target-0.gpkg. */
static void keep_as_target(void)
{
	char from[640], to[640];

	snprintf(from, sizeof from, "%s/out/0.gpkg", job.dir);
	snprintf(to, sizeof to, "%s/in/target-0.gpkg", job.dir);
	assert_int_equal(rename(from, to), 0);
}

#define APPEND "'mode':'append','target':{'file':'target-0.gpkg','table':'t'}"

static void test_vector_append(void **state)
{
	GDALDatasetH ds;
	OGRLayerH l = make("GPKG", "1.gpkg", wkbPoint, 4326, &ds, NULL);
	OGRFeatureH f;
	json_object *r;

	(void)state;
	field(l, "Name", OFTString, OFSTNone);
	field(l, "n", OFTReal, OFSTNone);
	field(l, "more", OFTString, OFSTNone);
	f = feature(l, "POINT (90 45)");
	OGR_F_SetFieldString(f, 0, "a");
	OGR_F_SetFieldDouble(f, 1, 7);
	put(l, f);
	GDALClose(ds);
	look(KIND_GPKG, "GPKG", "1.gpkg");
	r = take("{'srs':{'source':'EPSG:4326','target':'EPSG:3857'},'columns':[{'i':0,'name':'"
		 "NAME','type':'text'},"
		 "{'i':1,'name':'n','type':'integer'}]}");
	assert_non_null(r);
	json_object_put(r);
	keep_as_target();
	assert_null(take("{" APPEND "}")); /* column "more" is not in the target */
	expect_problem("schema_mismatch");
	expect_at(job.problems, "0.column", "more");
	job_reset("{}");
	r = take("{" APPEND ",'extra_columns':'ignore'}");
	if (r == NULL)
		fail_msg("%s", json_object_to_json_string(job.problems));
	expect_at(r, "count", "2");
	expect_at(r, "rows.imported", "1");
	expect_at(r, "table", "t");
	expect("SELECT NAME || n || typeof(n) FROM t WHERE fid = 2", "a7integer");
	expect("SELECT minx = (SELECT minx FROM rtree_t_geom WHERE id = 1) FROM rtree_t_geom WHERE "
	       "id = 2",
	       "1");
	expect("SELECT rtreecheck('rtree_t_geom')", "ok");
	json_object_put(r);
	/* text into a number column */
	assert_null(
	    take("{" APPEND ",'columns':[{'i':0,'name':'n','original':'Name','type':'text'}]}"));
	expect_problem("schema_mismatch");
	expect_at(job.problems, "0.value", "a");
	expect_at(job.problems, "0.row", "1");
	job_reset("{}");
	assert_null(take("{" APPEND ",'extra_columns':'ignore','geometry':{'mode':'none'}}"));
	expect_problem("kind_mismatch");
}

static void test_vector_append_geometry(void **state)
{
	GDALDatasetH ds;
	OGRLayerH l = make("GPKG", "1.gpkg", wkbLineString, 4326, &ds, NULL);
	json_object *r;
	char keep[640], path[640];

	(void)state;
	add(l, "LINESTRING (0 0,1 1)");
	GDALClose(ds);
	look(KIND_GPKG, "GPKG", "1.gpkg");
	r = take("{}");
	json_object_put(r);
	keep_as_target();
	snprintf(keep, sizeof keep, "%s/keep", job.dir);
	snprintf(path, sizeof path, "%s/in/target-0.gpkg", job.dir);
	assert_int_equal(rename(path, keep), 0);
	l = make("GPKG", "2.gpkg", wkbUnknown, 4326, &ds, NULL);
	add(l, "MULTILINESTRING ((0 0,1 1),(2 2,3 3))");
	GDALClose(ds);
	assert_int_equal(rename(keep, path), 0);
	look(KIND_GPKG, "GPKG", "2.gpkg");
	r = take("{" APPEND "}");
	assert_non_null(r);
	expect_at(r, "geometry", "MultiLineString");
	expect("SELECT geometry_type_name FROM gpkg_geometry_columns", "MULTILINESTRING");
	json_object_put(r);
	assert_int_equal(rename(path, keep), 0);
	l = make("GPKG", "3.gpkg", wkbUnknown, 4326, &ds, NULL);
	add(l, "POINT (0 0)");
	GDALClose(ds);
	assert_int_equal(rename(keep, path), 0);
	look(KIND_GPKG, "GPKG", "3.gpkg");
	assert_null(take("{" APPEND "}"));
	expect_problem("geometry_mismatch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vector_types),
	    cmocka_unit_test(test_vector_shapefile_is_multi_and_decoded),
	    cmocka_unit_test(test_vector_mixed_and_odd_geometries),
	    cmocka_unit_test(test_vector_reports_hostile_coordinates),
	    cmocka_unit_test(test_vector_append),
	    cmocka_unit_test(test_vector_append_geometry),
	};
	int rc = cmocka_run_group_tests(tests, jobs_begin, jobs_end);

	json_object_put(layer);
	return rc;
}
