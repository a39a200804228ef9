/*
 * Do the files of a shapefile hold what their heads promise?  GDAL reads a cut one up to where it
 * ends, record by record, with nothing but errors after that.
 * Source: ESRI Shapefile Technical Description, 1998; dBASE III+ file format.
 */
#ifndef SLIPWAY_GEO_SHPGATE_H
#define SLIPWAY_GEO_SHPGATE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/* DBF may be NULL.  Errors: ERR_BAD_REQUEST, what is wrong in ERROR's text. */
enum err shp_gate(const char *shp, const char *shx, const char *dbf, struct error *);

/* What is said of fields; all zero when DBF cannot be read. */
struct shp_fields {
	bool wide; /* one of whole numbers that may be longer than 18 digits */
	int memos; /* whose texts stand in a file of their own (.dbt), which nobody reads */
};
void shp_fields(const char *dbf, struct shp_fields *ret);

/*
 * How many records the .shx beside SHP and DBF have, and how DBF's lie; false: they cannot be read.
 */
struct shp_rows {
	int64_t places, rows;
	int64_t header, width; /* bytes before the first row, and of each */
};
bool shp_rows(const char *shp, const char *dbf, struct shp_rows *ret);

#endif
