/*
 * Goal: what gpkg.c writes is a GeoPackage that SQLite finds whole, whose packed R-tree SQLite's
 * own checker accepts and GDAL uses, for points and polygons, none, one and many rows, names with
 * quotes, appending and mixed geometry types.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gdal.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "geo/bigmem.h"
#include "geo/gpkg.h"

static char path[64];

static char *ask(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	char *copy = NULL;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0) != NULL)
		copy = strdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return copy == NULL ? strdup("") : copy;
}

static void expect(const char *sql, const char *value)
{
	char *got = ask(sql);

	if (strcmp(got, value) != 0)
		fail_msg("%s\n gives  %s\n wanted %s", sql, got, value);
	free(got);
}

static void expect_whole(const char *rtree)
{
	char sql[256];

	expect("PRAGMA integrity_check", "ok");
	if (rtree != NULL) {
		snprintf(sql, sizeof sql, "SELECT rtreecheck('%s')", rtree);
		expect(sql, "ok");
	}
}

static double noise(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return (double)(*seed >> 8) / (double)(1U << 24);
}

static struct gpkg *create(const char *table, const char *geometry, int epsg,
			   const struct gpkg_column *c, size_t n)
{
	OGRSpatialReferenceH srs = NULL;
	struct gpkg *g = NULL;
	struct error error = {0};

	unlink(path);
	if (epsg != 0) {
		srs = OSRNewSpatialReference(NULL);
		assert_int_equal(OSRImportFromEPSG(srs, epsg), OGRERR_NONE);
	}
	if (gpkg_create(path, table, "Title", geometry, srs, c, n, &g, &error) != ERR_OK)
		fail_msg("%s", error.text);
	OSRDestroySpatialReference(srs);
	return g;
}

static void points(struct gpkg *g, size_t n, uint32_t seed)
{
	struct error error = {0};

	for (size_t i = 0; i < n; i++) {
		gpkg_int(g, 0, (int64_t)i);
		gpkg_text(g, 1, "é", 2);
		gpkg_point(g, noise(&seed) * 360 - 180, noise(&seed) * 180 - 90);
		assert_int_equal(gpkg_row(g, &error), ERR_OK);
	}
}

static void finish(struct gpkg *g, double extent[4], int64_t count)
{
	struct error error = {0};
	int64_t n = -1;

	if (gpkg_finish(g, extent, &n, &error) != ERR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(n, count);
}

static const struct gpkg_column two[] = {{"n", GPKG_INTEGER}, {"text", GPKG_TEXT}};

/* What GDAL finds in a window, with its index and by hand. */
static void expect_filter(const char *table, const double win[4])
{
	const char *const drivers[] = {"GPKG", NULL};
	GDALDatasetH ds = GDALOpenEx(path, GDAL_OF_VECTOR, drivers, NULL, NULL);
	OGRLayerH l = GDALDatasetGetLayerByName(ds, table);
	OGRFeatureH f;
	GIntBig hits = 0;

	assert_non_null(l);
	assert_true(OGR_L_TestCapability(l, OLCFastSpatialFilter));
	while ((f = OGR_L_GetNextFeature(l)) != NULL) {
		OGREnvelope e = {0};
		OGRGeometryH geom = OGR_F_GetGeometryRef(f);

		if (geom != NULL) {
			OGR_G_GetEnvelope(geom, &e);
			hits += e.MaxX >= win[0] && e.MinX <= win[2] && e.MaxY >= win[1] &&
				e.MinY <= win[3];
		}
		OGR_F_Destroy(f);
	}
	OGR_L_SetSpatialFilterRect(l, win[0], win[1], win[2], win[3]);
	assert_int_equal(OGR_L_GetFeatureCount(l, 1), hits);
	GDALClose(ds);
}

static void test_gpkg_points_of_all_counts(void **state)
{
	static const size_t counts[] = {0, 1, 51, 52, 2601, 2602, 140000};
	const double win[4] = {10, 10, 30, 25};

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct gpkg *g = create("pts", "POINT", 4326, two, 2);
		double extent[4] = {NAN, NAN, NAN, NAN};

		points(g, counts[i], 7);
		finish(g, extent, (int64_t)counts[i]);
		assert_int_equal(counts[i] == 0, isnan(extent[0]));
		expect_whole("rtree_pts_geom");
		expect_filter("pts", win);
	}
	expect("SELECT feature_count FROM gpkg_ogr_contents", "140000");
	expect("SELECT geometry_type_name || srs_id || z || m FROM gpkg_geometry_columns",
	       "POINT432600");
	expect("SELECT seq FROM sqlite_sequence WHERE name = 'pts'", "140000");
	expect("SELECT data_type || identifier FROM gpkg_contents", "featuresTitle");
}

static void test_gpkg_names_with_quotes(void **state)
{
	static const struct gpkg_column odd[] = {{"a\"; DROP TABLE x;--", GPKG_REAL},
						 {"select", GPKG_DATE}};
	struct gpkg *g = create("wa\"t'er", "POINT", 4490, odd, 2);
	struct error error = {0};

	(void)state;
	gpkg_real(g, 0, 1.5);
	gpkg_text(g, 1, "2020-02-29", 10);
	gpkg_point(g, 1, 2);
	assert_int_equal(gpkg_row(g, &error), ERR_OK);
	finish(g, NULL, 1);
	expect_whole("rtree_wa\"t''er_geom");
	expect("SELECT \"a\"\"; DROP TABLE x;--\" || \"select\" FROM \"wa\"\"t'er\"",
	       "1.52020-02-29");
	expect("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'", "8");
	expect("SELECT organization_coordsys_id FROM gpkg_spatial_ref_sys WHERE srs_id = 4490",
	       "4490");
}

static void test_gpkg_attributes_table_has_no_geometry(void **state)
{
	struct gpkg *g = create("t", NULL, 0, two, 2);
	struct error error = {0};
	double extent[4] = {NAN, 0, 0, 0};

	(void)state;
	gpkg_null(g, 0);
	gpkg_text(g, 1, "x", 1);
	assert_int_equal(gpkg_row(g, &error), ERR_OK);
	finish(g, extent, 1);
	assert_true(isnan(extent[0]));
	expect_whole(NULL);
	expect("SELECT data_type FROM gpkg_contents", "attributes");
	expect("SELECT count(*) FROM gpkg_geometry_columns", "0");
}

static void add_wkt(struct gpkg *g, const char *text)
{
	char buf[512], *wkt = buf;
	unsigned char wkb[512];
	OGRGeometryH geom = NULL;
	OGREnvelope e;
	struct error error = {0};

	snprintf(buf, sizeof buf, "%s", text);
	assert_int_equal(OGR_G_CreateFromWkt(&wkt, NULL, &geom), OGRERR_NONE);
	assert_int_equal(OGR_G_ExportToIsoWkb(geom, wkbNDR, wkb), OGRERR_NONE);
	OGR_G_GetEnvelope(geom, &e);
	if (OGR_G_IsEmpty(geom))
		gpkg_wkb(g, wkb, (size_t)OGR_G_WkbSize(geom),
			 (const double[4]){NAN, NAN, NAN, NAN});
	else
		gpkg_wkb(g, wkb, (size_t)OGR_G_WkbSize(geom),
			 (const double[4]){e.MinX, e.MaxX, e.MinY, e.MaxY});
	OGR_G_DestroyGeometry(geom);
	assert_int_equal(gpkg_row(g, &error), ERR_OK);
}

static void expect_geometry(int64_t fid, const char *wkt)
{
	const char *const drivers[] = {"GPKG", NULL};
	GDALDatasetH ds = GDALOpenEx(path, GDAL_OF_VECTOR, drivers, NULL, NULL);
	OGRFeatureH f = OGR_L_GetFeature(GDALDatasetGetLayer(ds, 0), fid);
	char *got = NULL;

	assert_non_null(f);
	if (OGR_F_GetGeometryRef(f) != NULL)
		OGR_G_ExportToIsoWkt(OGR_F_GetGeometryRef(f), &got);
	assert_string_equal(got == NULL ? "" : got, wkt);
	VSIFree(got);
	OGR_F_Destroy(f);
	GDALClose(ds);
}

static void test_gpkg_narrows_and_promotes_types(void **state)
{
	struct gpkg *g = create("mix", "GEOMETRY", 3857, NULL, 0);

	(void)state;
	add_wkt(g, "POLYGON Z ((0 0 1,1 0 1,1 1 1,0 0 1))");
	add_wkt(g, "MULTIPOLYGON (((0 0,2 0,2 2,0 0)))");
	add_wkt(g, "POLYGON EMPTY");
	finish(g, NULL, 3);
	expect_whole("rtree_mix_geom");
	expect("SELECT geometry_type_name || z FROM gpkg_geometry_columns", "MULTIPOLYGON2");
	expect_geometry(1, "MULTIPOLYGON Z (((0 0 1,1 0 1,1 1 1,0 0 1)))");
	expect_geometry(3, "MULTIPOLYGON EMPTY");

	g = create("one", "GEOMETRY", 3857, NULL, 0);
	add_wkt(g, "LINESTRING M (0 0 1,1 0 1)");
	finish(g, NULL, 1);
	expect("SELECT geometry_type_name || m FROM gpkg_geometry_columns", "LINESTRING1");
	expect("SELECT instr(sql, '\"geom\" LINESTRING') > 0 FROM sqlite_master WHERE name = 'one'",
	       "1");

	g = create("multi", "MULTILINESTRING", 3857, NULL, 0);
	add_wkt(g, "LINESTRING (0 0,1 0)");
	finish(g, NULL, 1);
	expect_geometry(1, "MULTILINESTRING ((0 0,1 0))");

	g = create("all", "GEOMETRY", 3857, NULL, 0);
	add_wkt(g, "LINESTRING (0 0,1 0)");
	add_wkt(g, "POINT (0 0)");
	finish(g, NULL, 2);
	expect("SELECT geometry_type_name FROM gpkg_geometry_columns", "GEOMETRY");
}

static void test_gpkg_append_continues(void **state)
{
	static const struct gpkg_column cols[] = {
	    {"n", GPKG_INTEGER}, {"text", GPKG_TEXT}, {"_time_start", GPKG_INTEGER}};
	struct gpkg *g = create("a", "POINT", 4326, cols, 3);
	struct error error = {0};
	double extent[4] = {NAN, NAN, NAN, NAN};
	const double win[4] = {-50, -50, 50, 50};

	(void)state;
	points(g, 1000, 1);
	finish(g, NULL, 1000);
	assert_int_equal(gpkg_append(path, "a", cols + 2, 1, &g, &error), ERR_OK);
	gpkg_int(g, 0, 5);
	gpkg_point(g, 500, 600);
	assert_int_equal(gpkg_row(g, &error), ERR_OK);
	finish(g, extent, 1001);
	assert_true(extent[2] == 500 && extent[3] == 600 && extent[0] < -170);
	expect_whole("rtree_a_geom");
	expect_filter("a", win);
	expect("SELECT n IS NULL AND fid = 1001 FROM a WHERE _time_start = 5", "1");
	expect("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' OR name LIKE 'idx%'",
	       "9");
	expect("SELECT seq FROM sqlite_sequence WHERE name = 'a'", "1001");
	expect("SELECT feature_count FROM gpkg_ogr_contents", "1001");
}

static void test_gpkg_append_promotes_what_is_there(void **state)
{
	struct gpkg *g = create("a", "LINESTRING", 4326, NULL, 0);
	struct error error = {0};

	(void)state;
	add_wkt(g, "LINESTRING (0 0,1 0)");
	finish(g, NULL, 1);
	assert_int_equal(gpkg_append(path, "a", NULL, 0, &g, &error), ERR_OK);
	add_wkt(g, "MULTILINESTRING ((0 0,1 0),(2 2,3 3))");
	finish(g, NULL, 2);
	expect("SELECT geometry_type_name FROM gpkg_geometry_columns", "MULTILINESTRING");
	expect_geometry(1, "MULTILINESTRING ((0 0,1 0))");
	expect_whole("rtree_a_geom");
}

static void test_gpkg_gdal_can_edit(void **state)
{
	const char *const drivers[] = {"GPKG", NULL};
	struct gpkg *g = create("e", "POINT", 4326, two, 2);
	GDALDatasetH ds;
	OGRFeatureH f;
	OGRGeometryH p = OGR_G_CreateGeometry(wkbPoint);

	(void)state;
	points(g, 5000, 3);
	finish(g, NULL, 5000);
	ds = GDALOpenEx(path, GDAL_OF_VECTOR | GDAL_OF_UPDATE, drivers, NULL, NULL);
	assert_non_null(ds);
	f = OGR_F_Create(OGR_L_GetLayerDefn(GDALDatasetGetLayer(ds, 0)));
	OGR_G_SetPoint_2D(p, 0, 1, 1);
	OGR_F_SetGeometryDirectly(f, p);
	assert_int_equal(OGR_L_CreateFeature(GDALDatasetGetLayer(ds, 0), f), OGRERR_NONE);
	assert_int_equal(OGR_F_GetFID(f), 5001);
	OGR_F_Destroy(f);
	for (int i = 1; i < 3000; i++)
		assert_int_equal(OGR_L_DeleteFeature(GDALDatasetGetLayer(ds, 0), i), OGRERR_NONE);
	GDALClose(ds);
	expect_whole("rtree_e_geom");
	expect("SELECT feature_count FROM gpkg_ogr_contents", "2002");
}

static void test_gpkg_abort_leaves_nothing(void **state)
{
	struct gpkg *g = create("e", "POINT", 4326, two, 2);
	struct error error = {0};

	(void)state;
	points(g, 10, 3);
	gpkg_abort(g);
	assert_int_not_equal(access(path, F_OK), 0);
	gpkg_abort(NULL);
	assert_int_not_equal(gpkg_append(path, "none", NULL, 0, &g, &error), ERR_OK);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_gpkg_custom_and_3d_srs(void **state)
{
	OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
	struct gpkg *g = NULL;
	struct error error = {0};

	(void)state;
	unlink(path);
	assert_int_equal(
	    OSRImportFromProj4(srs, "+proj=aea +lat_1=10 +lat_2=20 +ellps=intl +units=m"),
	    OGRERR_NONE);
	assert_int_equal(gpkg_create(path, "t", "", "POINT", srs, NULL, 0, &g, &error), ERR_OK);
	finish(g, NULL, 0);
	expect("SELECT srs_id FROM gpkg_geometry_columns", "100000");
	unlink(path);
	assert_int_equal(OSRImportFromEPSG(srs, 4979), OGRERR_NONE);
	assert_int_equal(gpkg_create(path, "t", "", "POINT", srs, NULL, 0, &g, &error), ERR_OK);
	finish(g, NULL, 0);
	expect("SELECT srs_id FROM gpkg_geometry_columns", "4979");
	expect(
	    "SELECT definition || substr(definition_12_063, 1, 7) FROM gpkg_spatial_ref_sys WHERE "
	    "srs_id = 4979",
	    "undefinedGEODCRS");
	expect("SELECT count(*) FROM gpkg_extensions WHERE extension_name = 'gpkg_crs_wkt'", "1");
	OSRDestroySpatialReference(srs);
}

static void test_bigmem_moves_to_a_file(void **state)
{
	struct bigmem m;
	struct error error = {0};

	(void)state;
	bigmem_init(&m, path);
	unlink(path);
	for (size_t size = 1000; size < BIGMEM_BOUND + BIGMEM_BOUND / 4; size += (size_t)5 << 20) {
		assert_int_equal(bigmem_reserve(&m, size, &error), ERR_OK);
		memset((char *)m.p + size - 8, (int)(size >> 20 & 0x7f), 8);
	}
	assert_true(m.fd >= 0);
	assert_int_not_equal(access(path, F_OK), 0);
	for (size_t size = 1000; size < BIGMEM_BOUND + BIGMEM_BOUND / 4; size += (size_t)5 << 20)
		assert_int_equal(((char *)m.p)[size - 1], (int)(size >> 20 & 0x7f));
	bigmem_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gpkg_points_of_all_counts),
	    cmocka_unit_test(test_gpkg_names_with_quotes),
	    cmocka_unit_test(test_gpkg_attributes_table_has_no_geometry),
	    cmocka_unit_test(test_gpkg_narrows_and_promotes_types),
	    cmocka_unit_test(test_gpkg_append_continues),
	    cmocka_unit_test(test_gpkg_append_promotes_what_is_there),
	    cmocka_unit_test(test_gpkg_gdal_can_edit),
	    cmocka_unit_test(test_gpkg_abort_leaves_nothing),
	    cmocka_unit_test(test_gpkg_custom_and_3d_srs),
	    cmocka_unit_test(test_bigmem_moves_to_a_file),
	};
	int rc;

	GDALAllRegister();
	snprintf(path, sizeof path, "/tmp/slipway-gpkg-%d.gpkg", (int)getpid());
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
