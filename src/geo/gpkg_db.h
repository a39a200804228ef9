/*
 * Inside the GeoPackage writer: the open file, shared by gpkg.c (rows), gpkg_meta.c (the standard's
 * tables) and gpkg_end.c (what is done once all rows are there).
 */
#ifndef SLIPWAY_GEO_GPKG_DB_H
#define SLIPWAY_GEO_GPKG_DB_H

#include <sqlite3.h>
#include "geo/gpkg.h"
#include "geo/rtree.h"

#define GPKG_KINDS 8 /* GEOMETRY and the seven simple types, by WKB code */

struct gpkg {
	sqlite3 *db;
	sqlite3_stmt *insert; /* ?1 fid, ?2 geometry if any, then the columns */
	char *path;
	char *table;
	char *geom;   /* geometry column, NULL = attributes table */
	char *fid;    /* primary key column */
	int declared; /* WKB code of the declared geometry type, 0 = GEOMETRY */
	int32_t srs_id;
	bool append;
	bool wkt2;     /* the file has definition_12_063: its CRS is beyond WKT 1 */
	int base;      /* parameter of column 0 */
	size_t n;      /* columns */
	int64_t row;   /* fid of the row being written */
	int64_t count; /* rows in the table */
	struct rtree *tree;
	double extent[4]; /* minx, miny, maxx, maxy of all rows */
	bool has_extent;
	bool kinds[GPKG_KINDS]; /* WKB codes met */
	bool with_z, without_z, with_m, without_m;
	int kind;	     /* WKB code of the row being written, -1 = no geometry */
	bool z, m;	     /* of the row being written */
	double env[4];	     /* its minx, maxx, miny, maxy; NaN = empty */
	unsigned char *blob; /* geometry being bound */
	size_t blob_cap;
	unsigned char point[32]; /* the same for points */
};

/* Map what SQLite said to ours; the text goes to the log. */
enum err gpkg_error(struct gpkg *, const char *doing, struct error *);
/* Run SQL made by sqlite3_mprintf (takes it). */
enum err gpkg_run(struct gpkg *, char *sql, struct error *);
/* First column of the first row; takes SQL. */
int64_t gpkg_ask(struct gpkg *, char *sql, int64_t def);

void gpkg_free(struct gpkg *);

/* gpkg_geom.c: the row with this geometry has been written: index, extent, types. */
enum err gpkg_geom_row(struct gpkg *, struct error *);
/* SQL function slipway_multi(blob): a single geometry as the multi geometry of one part. */
enum err gpkg_geom_functions(struct gpkg *, struct error *);

/* gpkg_meta.c: a new file's tables; the SRS row, whose id it returns in G. */
enum err gpkg_meta_create(struct gpkg *, OGRSpatialReferenceH srs, struct error *);
enum err gpkg_meta_srs(struct gpkg *, OGRSpatialReferenceH srs, struct error *);
enum err gpkg_meta_table(struct gpkg *, const char *title, const char *geometry,
			 const struct gpkg_column *, size_t n, struct error *);

#endif
