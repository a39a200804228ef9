/*
 * PROJ's coordinate reference systems as a file the front can search without PROJ
 * (wizard/crs_file.h).
 * Run as `slipway-geo --crs-index FILE`.  Source: contracts/wizard.md 10.4.
 */
#ifndef SLIPWAY_GEO_CRS_EXPORT_H
#define SLIPWAY_GEO_CRS_EXPORT_H

#include "base/err.h"

/*
 * Write PATH, complete or not at all.
 * Errors: ERR_UNAVAILABLE when PROJ has no database, else as fs_replace.
 */
enum err crs_export(const char *path, struct error *);

#endif
