/*
 * Tables: csv, tsv, xlsx, ods.  Reading rows as text cells from any of them, typing columns over
 * all rows, importing rows fast.
 */
#ifndef SLIPWAY_GEO_TABLES_H
#define SLIPWAY_GEO_TABLES_H

#include "geo/source.h"

/* Inspect one table source: append its LAYER object(s) to LAYERS (xlsx, ods: one layer for the
 * chosen sheet). */
enum err tables_inspect(struct job *, const struct source *, json_object *layers);
/* Import one table layer (LAYER: item of the import job's "layers") to out/<i>.gpkg; returns the
 * result item's content or NULL. */
json_object *tables_import(struct job *, const struct source *, const json_object *layer);
/*
 * Column statistics for layers read through OGR, so that COLUMN objects look the same for all
 * kinds: one feature loop. Fills "columns", "preview", "count", "extent" (when NULL there) of
 * LAYER.
 */
enum err columns_of_ogr(struct job *, OGRLayerH, json_object *layer);

#endif
