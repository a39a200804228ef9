/*
 * Looking at the SQL a GeoPackage's schema is made of.  Words only: nothing is executed.
 */
#ifndef SLIPWAY_GEO_PRESCAN_SQL_H
#define SLIPWAY_GEO_PRESCAN_SQL_H

#include <stdbool.h>

bool prescan_is_virtual(const char *sql); /* CREATE VIRTUAL TABLE … */
bool prescan_is_rtree(const char *sql);	  /* … USING rtree(…) */
/* Does SQL call a function that is not in KNOWN (NULL-terminated, lower case)? */
bool prescan_calls_other(const char *sql, const char *const *known);
/*
 * Does a trigger do what those of the GeoPackage standard, GDAL and QGIS do: keep an R-tree, count
 * features or check values, and touch nothing but gpkg_* and rtree_* tables?  Source: OGC
 * 12-128r18, Annex D and F.3.
 */
bool prescan_is_gpkg_trigger(const char *sql);

#endif
