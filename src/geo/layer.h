/*
 * Describing what inspection finds as LAYER objects (wizard/message.h).
 */
#ifndef SLIPWAY_GEO_LAYER_H
#define SLIPWAY_GEO_LAYER_H

#include "geo/source.h"

/* Members every LAYER has, taken from its source; NAME is for people.  Caller owns. */
json_object *layer_new(const struct source *, int64_t i, const char *kind, const char *name,
		       const char *source_layer);
/*
 * Describe the layers of vector source SRC and append them to LAYERS; problems in JOB when there
 * are none.
 */
enum err layers_of_vector(struct job *, const struct source *, json_object *layers);
/* gpkg_odd.c: warn of what a layer of a GeoPackage holds that does not come along. */
void gpkg_tell_odd(struct job *, const char *file, GDALDatasetH, OGRLayerH);
/* gml_lost.c: the same of a GML. */
void gml_tell_lost(struct job *, const struct source *, GDALDatasetH);
/* dbf_odd.c: the same of the cells of a shapefile. */
void dbf_tell_odd(struct job *, const struct source *, OGRLayerH);
/*
 * OGR ends a layer that breaks off like one that ends: was it an error that ended it behind READ
 * features, of as many as it TOLD (-1: it did not)?  To be asked right behind the read that gave
 * none.
 */
bool layer_broke_off(int64_t read, int64_t told);

#endif
