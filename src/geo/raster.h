/*
 * Between the raster files of the jail: one raster, and mosaics of many.
 */
#ifndef SLIPWAY_GEO_RASTER_H
#define SLIPWAY_GEO_RASTER_H

#include "geo/output.h"

/* {"width","height","bands","dtype","nodata","pixel","colors"}; caller frees. */
json_object *raster_json(GDALDatasetH);
/* A LAYER for DS; NULL: not georeferenced. */
json_object *raster_layer(struct job *, const struct source *, GDALDatasetH, int64_t i, const char *name);
/* Write DS to PATH as COG; ARGS (taken): more options of gdal_translate. */
enum err raster_write(struct job *, GDALDatasetH ds, char **args, const char *path, const char *layer);
/* The same in the CRS that LAYER (an import order) asks for. */
enum err raster_write_as(struct job *, GDALDatasetH ds, const json_object *layer, const char *path);
/*
 * Write a mosaic to PATH.  With times each band says its own ("TIME" metadata item and description), and *RET_TIMES is the
 * result's "time" object; without: one raster over all granules, *RET_TIMES NULL.
 */
enum err mosaic_write(struct job *, const struct source_set *, const json_object *layer, const char *path, json_object **ret_times);

#endif
