/*
 * Guessing which columns are coordinates.  Source: contracts/wizard.md 9.3 - 9.5, 9.8.
 */
#ifndef SLIPWAY_WIZARD_COLUMNS_H
#define SLIPWAY_WIZARD_COLUMNS_H

#include "wizard/session.h"

/* 0 no, 1 projected or either, 2 word inside the name, 3 exact. */
int is_latitude(const char *colname);
int is_longitude(const char *colname);

struct column_guess {
	int lat, lng; /* column indexes, -1 = none */
	int geometry; /* column index of WKT/WKB/GeoJSON, -1 = none; beats lat/lng */
	bool certain; /* 9.5 */
	bool swapped; /* proposal exchanged: warning latlng_swapped */
	char crs[16]; /* proposed by the Chinese survey order, "" = none */
	/* text key: "name_and_values", "name_only", "survey_order", "content" … */
	const char *reason;
	int percent_bad; /* for the reason: share of values that do not fit */
};
/* From the COLUMN objects of an inspected table layer. */
void columns_guess(const json_object *layer, struct column_guess *ret);

/*
 * What the csv step stores, by columns_check:
 *   {"layer":i,"geometry":"latlng|column|none","lat":"name","lng":"name","lat_i":0,"lng_i":1,
 *   "dms":bool (latlng),
 *    "geom_column":"name","geom_i":2,"geom_format":"WKT|EWKT|WKB|GeoJSON" (column),
 *    "crs_guess":"EPSG:4527" (by the survey order: default of the srs page),
 *    "bad_rows":"keep|skip|fail","columns":[{"i","name","original","type","use"}] (all of them),
 *    "dialect":{"charset","delimiter","header","decimal","sheet"} (only what was chosen, absent =
 *    nothing)}
 */

/*
 * Judge the csv step's fields for LAYER (9.2, 9.7).  FIELDS: {name: text or [texts]}.  On success
 * *RET_INPUT is what
 * session_set_input stores (column choices by index and name); *WARNINGS grows.  On error *ERRORS
 * grows and *RET_INPUT is NULL.  Caller frees all.
 */
void columns_check(const json_object *layer, const json_object *fields, json_object **ret_input,
		   json_object **errors, json_object **warnings);
/* What is wrong in a form's dialect fields; NULL = nothing.  Caller frees. */
json_object *columns_dialect_wrong(const json_object *layer, const json_object *fields);
/* Do FIELDS ask for another dialect than LAYER was read with?  Then the file is inspected again. */
bool columns_dialect_changed(const json_object *layer, const json_object *fields,
			     json_object **ret_dialect);

/*
 * The csv page's model (9.8).  FIELDS: what the user typed (NULL: stored input, else the guess).
 * Caller frees.
 */
json_object *columns_model(const struct session *, const json_object *layer,
			   const json_object *fields);

#endif
