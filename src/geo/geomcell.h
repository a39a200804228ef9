/*
 * Geometries written as text in a cell: WKT, EWKT, WKB in hex (also PostGIS's), GeoJSON.
 * Source: contracts/wizard.md 9.4, security.md A28, A29.
 */
#ifndef SLIPWAY_GEO_GEOMCELL_H
#define SLIPWAY_GEO_GEOMCELL_H

#include <ogr_api.h>
#include <stdbool.h>
#include <stddef.h>

enum geom_format { GEOM_NONE, GEOM_WKT, GEOM_EWKT, GEOM_WKB, GEOM_GEOJSON, GEOM__MAX };

/* What S looks like by its first bytes; cheap. */
enum geom_format geomcell_sniff(const char *s, size_t len);
const char *geomcell_name(enum geom_format); /* "WKT"; NULL for GEOM_NONE */
/*
 * Parse all of S: nesting and counts limited, every coordinate finite.  *RET_SRID is 0 when S names
 * none. Owns: caller destroys the geometry.  NULL: not a geometry.
 */
OGRGeometryH geomcell_parse(const char *s, size_t len, int *ret_srid);

#endif
