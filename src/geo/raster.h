/*
 * Between the raster files of the jail: one raster, and mosaics of many.
 */
#ifndef SLIPWAY_GEO_RASTER_H
#define SLIPWAY_GEO_RASTER_H

#include "geo/output.h"

/*
 * The CRS that SRC tells, in DS or beside it; NULL = none.  Owns: caller releases with OSRRelease.
 */
OGRSpatialReferenceH raster_srs(const struct source *, GDALDatasetH);
/* raster_cut.c: DS, opened from PATH, is a TIFF that ends before its blocks do. */
bool raster_is_cut(GDALDatasetH, const char *path);
/* A LAYER for DS; NULL: not georeferenced. */
json_object *raster_layer(struct job *, const struct source *, GDALDatasetH, int64_t i,
			  const char *name);
/* The value that says "no value here" in DS; false: there is none, or one no pixel can have. */
bool raster_nodata(GDALDatasetH, double *ret);
bool raster_has_alpha(GDALDatasetH);
/*
 * What the bands of DS say besides their values, which a warp may forget, to those of TO behind its
 * first SKIP.
 */
void raster_copy_words(GDALDatasetH ds, GDALDatasetH to, int skip);
/* What the last band is: one like the others, the mask of these, or a mask that hides nothing. */
enum raster_last { LAST_PLAIN, LAST_MASK, LAST_IDLE };
/* Write DS to PATH in the CRS that LAYER (an import order) asks for. */
enum err raster_write_as(struct job *, GDALDatasetH ds, enum raster_last last,
			 const json_object *layer, const char *path);
/*
 * Write a mosaic to PATH.  With times each band says its own ("TIME" metadata item and
 * description), and *RET_TIMES is the result's "time" object; without: one raster over all
 * granules, *RET_TIMES NULL.
 */
enum err mosaic_write(struct job *, const struct source_set *, const json_object *layer,
		      const char *path, json_object **ret_times);

/* May values of both stand in one band: are colours, factors, offsets and units the same? */
bool mosaic_mixes(GDALDatasetH first, GDALDatasetH ds);
/* Do the pixels of DS fall on those of FIRST's grid, or are they moved and repeated? */
bool mosaic_same_grid(GDALDatasetH first, GDALDatasetH ds);

/*
 * What LAYER's target mosaic (in/<file>) holds, as more sources and granules before the new ones.
 * Owns:   caller calls mosaic_added_done with SET's own number of sources, and frees *RET_LAYER;
 * nothing on error.
 * Errors: job->problems has mosaic_mismatch, dataset_unknown, import_failed.
 */
enum err mosaic_add(struct job *, const struct source_set *, const json_object *layer,
		    struct source_set *ret_set, json_object **ret_layer);
void mosaic_added_done(struct source_set *, size_t n_own);

#endif
