/*
 * Raster tables of a GeoPackage: each is a source of its own beside the vector tables.
 * Source: OGC 12-128r18, 2.2 tiles; 17-066r1 gridded coverages.
 */
#ifndef SLIPWAY_GEO_TILES_H
#define SLIPWAY_GEO_TILES_H

#include "geo/source.h"

/*
 * Append a source for each raster table of SET's GeoPackages, which have passed the prescan.  A
 * GeoPackage that
 * holds nothing else loses its own path.  The order is that of the file: the same for inspect and
 * import.
 */
void tiles_add(struct source_set *);

#endif
