/*
 * Everything made from a finished dataset or a raster source: COGs, thumbnails, web maps, exports.
 */
#ifndef SLIPWAY_GEO_OUTPUT_H
#define SLIPWAY_GEO_OUTPUT_H

#include "geo/source.h"

/*
 * Vector layers through OGR to out/<i>.gpkg (vector.c); the result item's content or NULL with
 * job->problems.
 */
json_object *vector_import(struct job *, const struct source *, const json_object *layer);
/* Rasters, overlays and mosaics to out/<i>.tif, COG with overviews (raster.c). */
json_object *raster_import(struct job *, const struct source_set *, const struct source *,
			   const json_object *layer);
/* Describe a raster source as a LAYER (raster.c). */
enum err raster_inspect(struct job *, const struct source *, json_object *layers);
/* Agreement of granules and times of a mosaic, one LAYER (mosaic.c). */
enum err mosaic_inspect(struct job *, const struct source_set *, json_object *layers);

/*
 * After a layer's file is written: samples, map and thumbnail (thumbnail.c, map.c).  Adds "map",
 * "map_bounds",
 * "thumbnail", "bbox_wgs84", "sample_rows" to ITEM.  A failure here is a warning, never a failed
 * import.
 */
void output_describe(struct job *, const char *file, const char *table, int64_t i,
		     json_object *item);
/*
 * A sample of LAYER's geometries as GeoJSON in its own coordinates, to out/preview-<i>.json
 * (map.c).
 */
void preview_vector(struct job *, OGRLayerH, int64_t i);
void preview_raster(struct job *, GDALDatasetH, int64_t i);

#endif
