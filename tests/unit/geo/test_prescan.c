/*
 * Goal: a GeoPackage passes when its schema is what the standard, GDAL and QGIS write, and no
 * other.
 */
#include "scratch.h"
#include <gdal.h>
#include <ogr_api.h>
#include <sqlite3.h>
#include "geo/driver.h"
#include "geo/prescan.h"
#include "geo/prescan_sql.h"

static struct prescan_object found;

/* Make x.gpkg by running SQL, and look at it.  "" = passed, else the code. */
static const char *scan(const char *sql)
{
	static struct error error;
	sqlite3 *db;

	(void)unlink("x.gpkg");
	assert_int_equal(sqlite3_open("x.gpkg", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
			 "PRAGMA application_id=1196444487; CREATE TABLE gpkg_contents "
			 "(table_name TEXT, "
			 "d DATETIME DEFAULT (strftime('%Y','now'))); CREATE TABLE p (fid "
			 "INTEGER PRIMARY KEY, geom BLOB, n VARCHAR(10) "
			 "CHECK(length(n) < 10));",
			 NULL, NULL, NULL),
	    SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	error = (struct error){0};
	return prescan_gpkg("x.gpkg", &found, &error) == ERR_OK ? "" : error.code;
}

static void test_prescan_takes_ordinary_schemas(void **state)
{
	static const char *const fine[] = {
	    "SELECT 1",
	    "CREATE VIEW v AS SELECT fid, geom, upper(n) AS n FROM p WHERE n LIKE 'a%' GROUP BY n "
	    "HAVING count(*) > 1",
	    "CREATE VIEW v AS SELECT a.*, row_number() OVER (ORDER BY fid) AS r FROM p a; CREATE "
	    "VIEW w AS SELECT * FROM v",
	    "CREATE VIRTUAL TABLE rtree_p_geom USING rtree(id, minx, maxx, miny, maxy)",
	    "CREATE INDEX i ON p (n); CREATE UNIQUE INDEX j ON p (lower(n)) WHERE n IS NOT NULL",
	    "CREATE TABLE g (a, b AS (abs(a)) STORED)",
	    "CREATE TABLE gpkg_ogr_contents (table_name TEXT, feature_count INTEGER); CREATE "
	    "TRIGGER "
	    "trigger_insert_feature_count_p AFTER INSERT ON p BEGIN UPDATE gpkg_ogr_contents SET "
	    "feature_count = "
	    "feature_count + 1 WHERE lower(table_name) = lower('p'); END",
	    "CREATE TRIGGER m BEFORE INSERT ON p FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'no') "
	    "WHERE NOT (NEW.n IN (SELECT "
	    "DISTINCT(table_name) FROM gpkg_contents)); END",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (strcmp(scan(fine[i]), "") != 0)
			fail_msg("refused: %s", fine[i]);
}

static void test_prescan_refuses_tricks(void **state)
{
	static const char *const tricks[] = {
	    "CREATE VIRTUAL TABLE f USING fts4(a)",
	    "CREATE VIEW v AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
	    "SELECT n FROM c",
	    "CREATE VIEW v AS WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM "
	    "c",
	    "CREATE VIEW v AS SELECT zeroblob(400000000) AS z",
	    "CREATE VIEW v AS SELECT 1 AS a, hex(randomblob(9)) AS z FROM p",
	    "CREATE VIEW v AS SELECT load_extension('x')",
	    "CREATE VIEW v AS SELECT ogr_geocode('x')",
	    "CREATE VIEW v AS SELECT * FROM pragma_database_list",
	    "CREATE VIEW v AS SELECT * FROM json_each('[1]')",
	    "CREATE VIEW v AS SELECT name FROM sqlite_master",
	    "CREATE VIEW v AS SELECT * FROM gone",
	    "CREATE TABLE g (a, b AS (hex(zeroblob(a))))",
	    "CREATE INDEX i ON p (hex(n))",
	    "CREATE TRIGGER t AFTER INSERT ON p BEGIN DELETE FROM p; END",
	    "CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO p (n) VALUES (1); END",
	    "CREATE TRIGGER rtree_t AFTER INSERT ON p BEGIN SELECT load_extension('x'); END",
	    "CREATE TRIGGER t AFTER INSERT ON p BEGIN UPDATE OR REPLACE \"p\" SET n = 1; END",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++)
		if (strcmp(scan(tricks[i]), "format_unreadable") != 0)
			fail_msg("%s: %s", tricks[i], scan(tricks[i]));
	assert_string_equal(found.type, "trigger");
	assert_string_equal(found.name, "t");
	assert_string_equal(scan(tricks[1]), "format_unreadable");
	assert_string_equal(found.type, "view");
	assert_string_equal(scan("PRAGMA application_id=7"), "content_mismatch");
	assert_null(found.type);
	assert_string_equal(scan("DROP TABLE gpkg_contents"), "content_mismatch");
	scratch_text("x.gpkg", "no database");
	assert_string_equal(prescan_gpkg("x.gpkg", &found, NULL) == ERR_OK ? "" : "refused",
			    "refused");
}

static void test_prescan_knows_virtual_tables(void **state)
{
	(void)state;
	assert_true(prescan_is_virtual("CREATE VIRTUAL TABLE a USING b(c)"));
	assert_true(prescan_is_virtual(" create /* x */ virtual\ntable \"using\" -- rtree\n using "
				       "VirtualText('/etc/passwd')"));
	assert_false(prescan_is_virtual("CREATE TABLE virtual (a)"));
	assert_true(prescan_is_rtree("CREATE VIRTUAL TABLE \"rtree_a_geom\" USING rtree(id, "
				     "minx)"));
	assert_true(prescan_is_rtree("CREATE VIRTUAL TABLE a USING \"RTree\"(id)"));
	assert_false(prescan_is_rtree("CREATE VIRTUAL TABLE rtree USING VirtualText('x')"));
	assert_false(prescan_is_rtree("CREATE VIRTUAL TABLE a /* USING rtree( */ USING "
				      "VirtualText('x')"));
	assert_false(prescan_is_rtree("CREATE VIRTUAL TABLE \" USING rtree(\" USING "
				      "VirtualText('x')"));
}

/* What GDAL itself writes, with index, must pass as it is. */
static void test_prescan_takes_gdals_own(void **state)
{
	GDALDatasetH ds;
	OGRLayerH layer;
	OGRFeatureH f;
	OGRGeometryH point = OGR_G_CreateGeometry(wkbPoint);
	struct error error = {0};

	(void)state;
	driver_setup();
	ds = GDALCreate(GDALGetDriverByName("GPKG"), "g.gpkg", 0, 0, 0, GDT_Unknown, NULL);
	assert_non_null(ds);
	layer = GDALDatasetCreateLayer(ds, "it's \"quoted\"", NULL, wkbPoint, NULL);
	f = OGR_F_Create(OGR_L_GetLayerDefn(layer));
	OGR_G_SetPoint_2D(point, 0, 1, 2);
	assert_int_equal(OGR_F_SetGeometryDirectly(f, point), OGRERR_NONE);
	assert_int_equal(OGR_L_CreateFeature(layer, f), OGRERR_NONE);
	OGR_F_Destroy(f);
	(void)GDALClose(ds);
	if (prescan_gpkg("g.gpkg", &found, &error) != ERR_OK)
		fail_msg("%s", error.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_prescan_takes_ordinary_schemas, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_prescan_refuses_tricks, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test(test_prescan_knows_virtual_tables),
	    cmocka_unit_test_setup_teardown(test_prescan_takes_gdals_own, scratch_enter,
					    scratch_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
