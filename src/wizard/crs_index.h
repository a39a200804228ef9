/*
 * Inside of the CRS index: what the search needs of the mapped file.  Every text and area is
 * checked to lie inside.
 */
#ifndef SLIPWAY_WIZARD_CRS_INDEX_H
#define SLIPWAY_WIZARD_CRS_INDEX_H

#include "wizard/crs_file.h"
#include "wizard/srs.h"

size_t crs_index_size(const struct crs_index *);				  /* 0 for NULL */
const struct crs_file_entry *crs_index_entry(const struct crs_index *, size_t i); /* i < size */
const struct crs_file_entry *crs_index_find(const struct crs_index *,
					    const char *code); /* "EPSG:4326"; NULL = unknown */
const char *crs_index_text(const struct crs_index *, uint32_t offset);
const struct crs_file_area *crs_index_area(const struct crs_index *, uint32_t i);
size_t crs_index_areas(const struct crs_index *);
json_object *crs_index_json(const struct crs_index *, const struct crs_file_entry *);
const char *crs_kind_name(uint8_t kind);

/* Coordinates in the plane or on the ellipsoid: what data can be in. */
static inline bool crs_is_searchable(const struct crs_file_entry *e)
{
	return e->kind == CRS_GEOGRAPHIC || e->kind == CRS_PROJECTED || e->kind == CRS_COMPOUND;
}

#endif
