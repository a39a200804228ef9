/*
 * The content gate: what a file is by its bytes, before any GDAL driver is opened on it.
 * Source: contracts/security.md 4.4.
 */
#ifndef SLIPWAY_GEO_CONTENT_H
#define SLIPWAY_GEO_CONTENT_H

#include "geo/source.h"

/*
 * First bytes of a file, as wizard/bundle.h wants them.  Owns: caller frees; NULL: cannot be read.
 */
char *content_head(const char *path, size_t *ret_len);
/*
 * Pass the main file of SRC and its side files through the gate of its kind.  May replace SRC->path
 * (a GeoJSON whose link to a CRS is taken out), sets SRC->driver and SRC->no_crs.
 * Errors: job->problems filled.
 */
enum err content_check(struct job *, struct source *);

#endif
