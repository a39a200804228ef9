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
/* raster.c: minx, miny, maxx, maxy over all four corners; false: not georeferenced. */
bool raster_extent(GDALDatasetH, double ret[4]);

#endif
