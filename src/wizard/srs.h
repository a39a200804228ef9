/*
 * Coordinate reference systems as the front knows them: spellings, the index file, the srs step's
 * form.
 * No PROJ here: definitions and fits come from the jail (wizard/message.h, question "srs").
 * Source: contracts/wizard.md 10.
 */
#ifndef SLIPWAY_WIZARD_SRS_H
#define SLIPWAY_WIZARD_SRS_H

#include "wizard/session.h"

/*
 * "epsg4326", "4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/EPSG/0/4326" →
 * "EPSG:4326".
 */
bool srs_spelling(const char *s, char out[48]);
/* GCJ-02, BD-09 and their Chinese names. */
bool srs_is_offset_system(const char *s);
/* CGCS2000 3-degree zone 25..45 → EPSG:4513.., 6-degree 13..23 → EPSG:4491..; 0 = none. */
int srs_survey_zone(int zone);

/*
 * The index: a file made by `slipway crs-index` (geo/crs_export.h, layout in wizard/crs_file.h),
 * mapped read-only and used as it is.  One per process, any number of threads.  Every function
 * takes NULL for "not built yet".
 */
struct crs_index;
enum err crs_index_open(const char *path, struct crs_index **ret, struct error *);
void crs_index_close(struct crs_index *);
/*
 * One entry as JSON {"code","name","kind","unit","area","bbox","deprecated","replaced_by"}; NULL =
 * unknown.  Caller frees.
 */
json_object *crs_index_get(const struct crs_index *, const char *code);
/*
 * Kinds: geographic projected compound; also vertical geocentric other, which crs_index_search
 * leaves out.
 * Search of 10.4; FAVOURITES: codes separated by blanks, for an empty Q: {"query","total",
 * "results":[…]}.  Caller frees.
 */
json_object *crs_index_search(const struct crs_index *, const char *q, size_t limit,
			      const char *favourites);
/*
 * The N codes (texts) of the same authority nearest to an unknown one, for the message.  Caller
 * frees.
 */
json_object *crs_index_nearest(const struct crs_index *, const char *code, size_t n);

/*
 * First half of the srs step: which layers, which CRS for each, before the jail is asked.
 * *RET_PLAN:
 * {"layers":[{"i","source":code|"file"|null,"wkt":text|null}],"target":code|"","confirm":bool,
 * "charset":name|null}; on
 * errors NULL.  A layer without geometry has source and wkt null.
 */
void srs_check_form(const struct session *, const json_object *fields, const struct crs_index *,
		    json_object **ret_plan, json_object **errors, json_object **warnings);
/*
 * The questions of a plan for the jail (message.h, QUESTION srs): one for each of the plan's
 * layers, in order, null for a layer without geometry.  Caller frees.
 */
json_object *srs_questions(const struct session *, const json_object *plan);
/*
 * Second half: ANSWERS is an array parallel to srs_questions, of the jail's results
 * ({"answers":[…],"target":…}); NULL or null where the jail could not be asked: then the index has
 * the last word.  HTML: implausible fits are errors unless confirmed; JSON: warnings.  *RET_INPUT
 * is what session_set_input stores:
 *   {"layers":[{"i","source":code|wkt|"file"|null,"code":text|null,"name","wkt","fit":text|null}],
 *   "selected":[i…],
 *    "target":code|"","charset":name (only when one was chosen)}
 */
void srs_check_answers(const struct session *, const json_object *plan, const json_object *answers,
		       bool html, json_object **ret_input, json_object **errors,
		       json_object **warnings);
/* Extent of a layer's coordinates, for a table from its coordinate columns.  False: not known. */
bool srs_layer_extent(const struct session *, const json_object *layer, double ret[4]);
/* Will LAYER have a geometry, after the choices made so far? */
bool srs_layer_has_geometry(const struct session *, const json_object *layer);
/*
 * CRS a layer is imported with, as code or definition: the srs step's choice, else what the file
 * says, else a geometry column's SRID, else "".  Borrowed from S, or from BUF.
 */
const char *srs_layer_source(const struct session *, const json_object *layer, char buf[48]);
/* Was layer I chosen (srs step), or is it preselected? */
bool srs_layer_chosen(const struct session *, const json_object *layer);
/* The srs page's model (10.6). */
json_object *srs_model(const struct session *, const json_object *fields,
		       json_object *search /* taken, may be NULL */);

#endif
