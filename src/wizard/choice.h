/*
 * What was chosen for one layer so far: reading the stored inputs, in one place for all steps.
 */
#ifndef SLIPWAY_WIZARD_CHOICE_H
#define SLIPWAY_WIZARD_CHOICE_H

#include "wizard/session.h"

/* Input of the csv step for LAYER (kind multi keeps one per table); NULL = none. */
const json_object *choice_csv(const struct session *, const json_object *layer);
/* How LAYER gets its geometry: "native", "latlng", "column" or "none".  Static. */
const char *choice_geometry(const struct session *, const json_object *layer);
/* Column indexes behind "latlng" and "column"; -1 where they do not apply. */
struct choice_columns {
	int lat, lng, geometry;
};
void choice_columns(const struct session *, const json_object *layer, struct choice_columns *ret);
/* The srs step's item for LAYER; NULL = none. */
const json_object *choice_srs(const struct session *, const json_object *layer);
/* CRS of the file itself: code or definition, a geometry column's SRID; "" = none usable. Borrowed,
 * or in BUF. */
const char *choice_file_srs(const struct session *, const json_object *layer, char buf[48]);
/* The layers that will be imported, in order (array of borrowed LAYERs); caller frees the array. */
json_object *choice_layers(const struct session *);
/* Name of the dataset-to-be as written: the session's when it makes one layer only, else the
 * layer's.  Borrowed. */
const char *choice_name(const struct session *, const json_object *layer);

#endif
