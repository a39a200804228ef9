/*
 * What a GeoPackage holds is looked at with plain libsqlite3 before GDAL (and SpatiaLite behind it)
 * may open it.
 * Source: contracts/security.md 4.4.
 */
#ifndef SLIPWAY_GEO_PRESCAN_H
#define SLIPWAY_GEO_PRESCAN_H

#include "base/err.h"

/*
 * Errors: ERR_BAD_REQUEST, its code "content_mismatch" (SQLite, but no GeoPackage),
 *         "format_unreadable" (anything
 *         refused) or "inspect_timeout" (five seconds were not enough); ERROR's text says what, for
 *         the log.
 */
enum err prescan_gpkg(const char *path, struct error *);

#endif
