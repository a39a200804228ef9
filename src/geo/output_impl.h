/*
 * Shared by the files that make pictures, maps and samples of a finished layer.
 */
#ifndef SLIPWAY_GEO_OUTPUT_IMPL_H
#define SLIPWAY_GEO_OUTPUT_IMPL_H

#include "geo/output.h"

#define THUMBNAIL_W 320 /* pixels */
#define THUMBNAIL_H 200

#define FIELD_TEXT_BYTES 40

/* map.c */
/* A field as text, dates in ISO 8601 (OGR writes 2020/02/29).  Borrowed from F, or from BUF. */
const char *field_text(OGRFeatureH f, int i, char buf[FIELD_TEXT_BYTES]);
void map_vector(struct job *, OGRLayerH, OGRSpatialReferenceH, const double wgs84[4], int64_t i,
		json_object *item);
void sample_rows(OGRLayerH, json_object *item);
/* export.c: words for ogr2ogr, B may be NULL; its work with ARGS (taken) to PATH. */
char **export_arg(char **args, const char *a, const char *b);
enum err export_translate(struct job *, GDALDatasetH, const char *path, char **args);
/* export_rows.c: LAYER of the dataset by GDAL's DRIVER for KML or XLSX to PATH. */
enum err export_rows(struct job *, GDALDatasetH, OGRLayerH, const char *driver, const char *path);
/* export_shp.c: shape0 to shape2 of points, lines and polygons in FOLDER; rows of a layer. */
enum err export_shapefiles(struct job *, GDALDatasetH, OGRLayerH, const char *folder);
int64_t export_count(OGRLayerH, const char *where);
bool export_is_mixed(OGRLayerH); /* may rows have geometries of several kinds? */
/* raster.c: minx, miny, maxx, maxy over all four corners; false: not georeferenced. */
bool raster_extent(GDALDatasetH, double ret[4]);

#endif
