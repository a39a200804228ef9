#include "geo/gpkg_db.h"

#include <cpl_conv.h>
#include <cpl_error.h>
#include <ogr_srs_api.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

static const char *const kinds[GPKG_KINDS] = {
    "GEOMETRY",	  "POINT",	     "LINESTRING",   "POLYGON",
    "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION",
};

static const char *const types[] = {
    [GPKG_INTEGER] = "INTEGER", [GPKG_REAL] = "REAL",	      [GPKG_TEXT] = "TEXT",
    [GPKG_DATE] = "DATE",	[GPKG_DATETIME] = "DATETIME", [GPKG_BOOLEAN] = "BOOLEAN",
    [GPKG_BLOB] = "BLOB",
};

/* OGC 12-128r18, Annex C; gpkg_ogr_contents is GDAL's row count, which QGIS and GDAL read instead
 * of counting. */
static const char schema[] =
    "PRAGMA application_id = 1196444487;" /* "GPKG" */
    "PRAGMA user_version = 10200;"	  /* GeoPackage 1.2 */
    "CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,"
    " identifier TEXT UNIQUE, description TEXT DEFAULT '',"
    " last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x DOUBLE, "
    "min_y DOUBLE,"
    " max_x DOUBLE, max_y DOUBLE, srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id)"
    " REFERENCES gpkg_spatial_ref_sys(srs_id));"
    "CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,"
    " geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT "
    "NULL,"
    " CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),"
    " CONSTRAINT uk_gc_table_name UNIQUE (table_name),"
    " CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),"
    " CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));"
    "CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,"
    " definition TEXT NOT NULL, scope TEXT NOT NULL,"
    " CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));"
    "CREATE TABLE gpkg_ogr_contents (table_name TEXT NOT NULL PRIMARY KEY, feature_count INTEGER "
    "DEFAULT NULL);";

int gpkg_kind_of(const char *name)
{
	for (int i = 0; i < GPKG_KINDS; i++)
		if (text_ieq(name, kinds[i]))
			return i;
	return -1;
}

const char *gpkg_kind_name(int kind)
{
	return kinds[kind];
}

/* The definition in one dialect of WKT, NULL when it cannot be said there.  Caller frees with
 * CPLFree. */
static char *wkt_of(OGRSpatialReferenceH srs, const char *format)
{
	const char *const options[] = {format, NULL};
	char *wkt = NULL;

	CPLPushErrorHandler(CPLQuietErrorHandler);
	if (OSRExportToWktEx(srs, &wkt, options) != OGRERR_NONE || wkt == NULL || wkt[0] == '\0') {
		CPLFree(wkt);
		wkt = NULL;
	}
	CPLPopErrorHandler();
	return wkt;
}

static enum err srs_insert(struct gpkg *g, OGRSpatialReferenceH srs, int32_t id, const char *auth,
			   int32_t code, struct error *error)
{
	const char *name = OSRGetName(srs);
	char *wkt1 = wkt_of(srs, "FORMAT=WKT1_GDAL"), *wkt2 = NULL;
	enum err err = gpkg_run(
	    g,
	    sqlite3_mprintf(
		"INSERT OR REPLACE INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization,"
		" organization_coordsys_id, definition%s) VALUES (%Q, %d, %Q, %d, %Q%s)",
		g->wkt2 ? ", definition_12_063" : "", name == NULL ? "unnamed" : name, id, auth,
		code, wkt1 == NULL ? "undefined" : wkt1, g->wkt2 ? ", 'undefined'" : ""),
	    error);

	if (err == ERR_OK && g->wkt2 && (wkt2 = wkt_of(srs, "FORMAT=WKT2_2015")) != NULL)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf("UPDATE gpkg_spatial_ref_sys SET definition_12_063 = %Q"
				    " WHERE srs_id = %d",
				    wkt2, id),
		    error);
	CPLFree(wkt1);
	CPLFree(wkt2);
	return err;
}

/* Every GeoPackage must define WGS 84 (requirement 11). */
static enum err srs_insert_4326(struct gpkg *g, struct error *error)
{
	OGRSpatialReferenceH wgs84 = OSRNewSpatialReference(NULL);
	enum err err = OSRImportFromEPSG(wgs84, 4326) == OGRERR_NONE
			   ? srs_insert(g, wgs84, 4326, "EPSG", 4326, error)
			   : error_set(error, ERR_INTERNAL, "PROJ's database is missing");

	OSRDestroySpatialReference(wgs84);
	return err;
}

enum err gpkg_meta_srs(struct gpkg *g, OGRSpatialReferenceH srs, struct error *error)
{
	const char *auth, *code;
	int64_t n;

	g->srs_id = -1;
	if (srs == NULL)
		return ERR_OK;
	auth = OSRGetAuthorityName(srs, NULL);
	code = OSRGetAuthorityCode(srs, NULL);
	if (auth != NULL && code != NULL && text_int(code, 1, INT32_MAX, &n)) {
		g->srs_id = (int32_t)n;
		if (!text_ieq(auth, "EPSG")) /* ids of other authorities live above EPSG's */
			g->srs_id = (int32_t)(200000 + n % 100000000);
		else if (n == 4326)
			return ERR_OK;
		return srs_insert(g, srs, g->srs_id, text_ieq(auth, "EPSG") ? "EPSG" : auth,
				  (int32_t)n, error);
	}
	g->srs_id = 100000;
	return srs_insert(g, srs, g->srs_id, "NONE", g->srs_id, error);
}

/* The table of CRSs; those beyond WKT 1 (geographic 3D and such) need a column of an extension. */
static enum err srs_table(struct gpkg *g, OGRSpatialReferenceH srs, struct error *error)
{
	char *wkt1 = srs == NULL ? NULL : wkt_of(srs, "FORMAT=WKT1_GDAL");
	enum err err;

	g->wkt2 = srs != NULL && wkt1 == NULL;
	CPLFree(wkt1);
	err = gpkg_run(
	    g,
	    sqlite3_mprintf("CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL,"
			    " srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,"
			    " organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, "
			    "description TEXT%s);"
			    "INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian SRS', "
			    "-1, 'NONE', -1,"
			    " 'undefined', 'undefined Cartesian coordinate reference system'%s),"
			    " ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined',"
			    " 'undefined geographic coordinate reference system'%s)",
			    g->wkt2 ? ", definition_12_063 TEXT NOT NULL" : "",
			    g->wkt2 ? ", 'undefined'" : "", g->wkt2 ? ", 'undefined'" : ""),
	    error);
	if (err != ERR_OK || !g->wkt2)
		return err;
	return gpkg_run(
	    g,
	    sqlite3_mprintf(
		"INSERT INTO gpkg_extensions VALUES ('gpkg_spatial_ref_sys',"
		" 'definition_12_063', 'gpkg_crs_wkt',"
		" 'http://www.geopackage.org/spec120/#extension_crs_wkt', 'read-write')"),
	    error);
}

enum err gpkg_meta_create(struct gpkg *g, OGRSpatialReferenceH srs, struct error *error)
{
	enum err err;

	if (sqlite3_exec(g->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return gpkg_error(g, "schema", error);
	if ((err = srs_table(g, srs, error)) != ERR_OK)
		return err;
	return srs_insert_4326(g, error);
}

/*
 * The user's table.  AUTOINCREMENT (so that a deleted feature's id is never given again) is put
 * into the table's definition at the end, since SQLite would write the sequence once per row.
 */
enum err gpkg_meta_table(struct gpkg *g, const char *title, const char *geometry,
			 const struct gpkg_column *c, size_t n, struct error *error)
{
	sqlite3_str *s = sqlite3_str_new(NULL);
	enum err err;

	sqlite3_str_appendf(s, "CREATE TABLE \"%w\" (\"fid\" INTEGER PRIMARY KEY NOT NULL",
			    g->table);
	if (geometry != NULL)
		sqlite3_str_appendf(s, ", \"geom\" %s", kinds[g->declared]);
	for (size_t i = 0; i < n; i++)
		sqlite3_str_appendf(s, ", \"%w\" %s", c[i].name, types[c[i].type]);
	sqlite3_str_appendf(s, ")");
	err = gpkg_run(g, sqlite3_str_finish(s), error);
	if (err == ERR_OK)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)"
			" VALUES (%Q, %Q, %Q, nullif(%d, -9))",
			g->table, geometry == NULL ? "attributes" : "features",
			title == NULL || title[0] == '\0' ? g->table : title,
			geometry == NULL ? -9 : g->srs_id),
		    error);
	if (err == ERR_OK && geometry != NULL)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"INSERT INTO gpkg_geometry_columns VALUES (%Q, 'geom', '%s', %d, 0, 0)",
			g->table, kinds[g->declared], g->srs_id),
		    error);
	return err;
}
