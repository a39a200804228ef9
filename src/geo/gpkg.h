/*
 * GeoPackage writing: our own prepared inserts, and a packed (sort-tile-recursive) R-tree written
 * in one pass, which GDAL recognises and uses.  Source: OGC 12-128r18, Annex F.3; performance.md.
 */
#ifndef SLIPWAY_GEO_GPKG_H
#define SLIPWAY_GEO_GPKG_H

#include <ogr_api.h>
#include <stdint.h>
#include "base/err.h"

enum gpkg_type {
	GPKG_INTEGER,
	GPKG_REAL,
	GPKG_TEXT,
	GPKG_DATE,
	GPKG_DATETIME,
	GPKG_BOOLEAN,
	GPKG_BLOB
};
struct gpkg_column {
	const char *name;
	enum gpkg_type type;
};

struct gpkg;
/*
 * Make PATH (must not exist) with one table.  GEOMETRY: "POINT", "MULTIPOLYGON", "GEOMETRY" …, NULL
 * = attributes table. SRS may be NULL (undefined, -1).  TITLE is the identifier shown by other
 * programs. Owns: caller ends it with gpkg_finish or gpkg_abort.
 */
enum err gpkg_create(const char *path, const char *table, const char *title, const char *geometry,
		     OGRSpatialReferenceH srs, const struct gpkg_column *, size_t n,
		     struct gpkg **ret, struct error *);
/* Open a copy of an existing dataset to append rows; columns by name, in the order given. */
enum err gpkg_append(const char *path, const char *table, const struct gpkg_column *, size_t n,
		     struct gpkg **ret, struct error *);
/* Bind a cell of the row being written. */
void gpkg_null(struct gpkg *, size_t col);
void gpkg_int(struct gpkg *, size_t col, int64_t v);
void gpkg_real(struct gpkg *, size_t col, double v);
void gpkg_text(struct gpkg *, size_t col, const char *s, size_t len); /* must live until gpkg_row */
void gpkg_blob(struct gpkg *, size_t col, const void *p, size_t len);
void gpkg_point(struct gpkg *, double x, double y);
/* WKB (little endian, ISO) with its envelope minx, maxx, miny, maxy; EMPTY geometries have NaN. */
void gpkg_wkb(struct gpkg *, const void *wkb, size_t len, const double env[4]);
void gpkg_no_geometry(struct gpkg *);
enum err gpkg_row(struct gpkg *, struct error *);
/*
 * All rows are there: the first half of gpkg_finish, for those who ask gpkg_time and gpkg_geometry
 * before the file closes. On error the caller still ends with gpkg_abort.
 */
enum err gpkg_close_rows(struct gpkg *, struct error *);
/* Distinct instants (WITH_END: start/end pairs) of _time_start and _time_end, their first and last
 * in ms. */
int64_t gpkg_time(struct gpkg *, bool with_end, int64_t *ret_first, int64_t *ret_last);
/* WKB code of a geometry type's name ("GEOMETRY" = 0), -1 = none of them; and back (0..7). */
int gpkg_kind_of(const char *name);
const char *gpkg_kind_name(int kind);
/* "POINT", "MULTIPOLYGON" …; NULL = attributes table.  Settled by gpkg_close_rows; borrowed. */
const char *gpkg_geometry(const struct gpkg *);
/* Contents, extent, indexes on _time_start/_time_end if there, the packed R-tree, quick check;
 * closes. */
/* RET_EXTENT (minx, miny, maxx, maxy) is left as it is when no row has a geometry.  G is gone, even
 * on error. */
enum err gpkg_finish(struct gpkg *, double ret_extent[4], int64_t *ret_count, struct error *);
void gpkg_abort(struct gpkg *); /* closes and removes the file; NULL is fine */

#endif
