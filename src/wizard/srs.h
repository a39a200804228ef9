/*
 * Coordinate reference systems as the front knows them: spellings, the index file, the srs step's form.
 * No PROJ here: definitions and fits come from the jail (wizard/message.h, question "srs").
 * Source: contracts/wizard.md 10.
 */
#ifndef SLIPWAY_WIZARD_SRS_H
#define SLIPWAY_WIZARD_SRS_H

#include "wizard/session.h"

/* "epsg4326", "4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/EPSG/0/4326" → "EPSG:4326". */
bool srs_spelling(const char *s, char out[48]);
/* GCJ-02, BD-09 and their Chinese names. */
bool srs_is_offset_system(const char *s);
/* CGCS2000 3-degree zone 25..45 → EPSG:4513.., 6-degree 13..23 → EPSG:4491..; 0 = none. */
int srs_survey_zone(int zone);

/* The index: a text file made by `slipway crs-index`, mapped read-only.  One per process. */
struct crs_index;
enum err crs_index_open(const char *path, struct crs_index **ret, struct error *);
void crs_index_close(struct crs_index *);
/* One entry as JSON {"code","name","kind","unit","area","bbox","deprecated","replaced_by"}; NULL = unknown.  Caller frees. */
json_object *crs_index_get(const struct crs_index *, const char *code);
/* Search of 10.4: {"query","total","results":[…]}.  Caller frees. */
json_object *crs_index_search(const struct crs_index *, const char *q, size_t limit, const char *favourites);
/* Three codes nearest to an unknown one, for the message.  Caller frees. */
json_object *crs_index_nearest(const struct crs_index *, const char *code, size_t n);

/*
 * First half of the srs step: which layers, which CRS for each, before the jail is asked.  *RET_PLAN:
 * {"layers":[{"i","source":code|"file"|null,"wkt":text|null}],"target":code|"","confirm":bool,"charset":…}; on errors NULL.
 */
void srs_check_form(const struct session *, const json_object *fields, const struct crs_index *, json_object **ret_plan,
    json_object **errors, json_object **warnings);
/*
 * Second half: with the jail's ANSWERS for the plan's codes.  HTML: implausible fits are errors unless confirmed; JSON: warnings.
 * *RET_INPUT is what session_set_input stores.
 */
void srs_check_answers(const struct session *, const json_object *plan, const json_object *answers, bool html,
    json_object **ret_input, json_object **errors, json_object **warnings);
/* The srs page's model (10.6). */
json_object *srs_model(const struct session *, const json_object *fields, json_object *search /* taken, may be NULL */);

#endif
