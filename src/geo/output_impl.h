/*
 * Shared by the files that make pictures, maps and samples of a finished layer.
 */
#ifndef SLIPWAY_GEO_OUTPUT_IMPL_H
#define SLIPWAY_GEO_OUTPUT_IMPL_H

#include "geo/output.h"

#define THUMBNAIL_W 320      /* pixels */
#define THUMBNAIL_H 200

#define FIELD_TEXT_BYTES 40

/* map.c */
/* A field as text, dates in ISO 8601 (OGR writes 2020/02/29).  Borrowed from F, or from BUF. */
const char *field_text(OGRFeatureH f, int i, char buf[FIELD_TEXT_BYTES]);
void map_vector(struct job *, OGRLayerH, OGRSpatialReferenceH, const double wgs84[4], int64_t i, json_object *item);
void sample_rows(OGRLayerH, json_object *item);
/* thumbnail.c: pictures; false: none could be made. */
bool thumbnail_vector(OGRLayerH, const double extent[4], int64_t count, const char *path);
bool thumbnail_raster(GDALDatasetH, const char *path, int max_w, int max_h);
/* Warped to Web Mercator for the page's map; *RET_BOUNDS west, south, east, north in WGS 84. */
bool map_raster(GDALDatasetH, const char *path, double ret_bounds[4]);
/* raster.c: minx, miny, maxx, maxy over all four corners; false: not georeferenced. */
bool raster_extent(GDALDatasetH, double ret[4]);

#endif
