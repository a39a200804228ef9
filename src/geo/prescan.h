/*
 * What a GeoPackage holds is looked at with plain libsqlite3 before GDAL (and SpatiaLite behind it)
 * may open it.
 * Source: contracts/security.md 4.4.
 */
#ifndef SLIPWAY_GEO_PRESCAN_H
#define SLIPWAY_GEO_PRESCAN_H

#include "base/err.h"

/* What of the file's own is refused: it would be run where it is only to be read. */
struct prescan_object {
	/* SQLite's word: "trigger", "view", "table", "index"; NULL = nothing; static */
	const char *type;
	char name[200]; /* raw, maybe cut */
};

/*
 * RET says which object it was, if it was one.
 * Errors: ERR_BAD_REQUEST, its code "content_mismatch" (SQLite, but no GeoPackage),
 *         "format_unreadable" (anything
 *         refused) or "inspect_timeout" (five seconds were not enough); ERROR's text says what, for
 *         the log.
 */
enum err prescan_gpkg(const char *path, struct prescan_object *ret, struct error *);

#endif
