/*
 * The save and final steps' fields: permissions, keywords, titles, targets, differences.
 * Source: contracts/wizard.md 8.1, 13.
 */
#ifndef SLIPWAY_WIZARD_FINAL_H
#define SLIPWAY_WIZARD_FINAL_H

#include "wizard/session.h"

/* Parse GeoNode's permissions JSON: *RET = {"users":{name:[rights see download edit delete share]},"groups":{…}} in our words.
 * SUBJECT_EXISTS tells whether a user or group is known.  Caller frees. */
typedef bool subject_fn(const char *name, bool group, void *arg);
void permissions_check(const char *json, subject_fn *exists, void *arg, json_object **ret, json_object **errors,
    json_object **warnings);
/* "private", "view", "download" → permissions in our words.  NULL: unknown word. */
json_object *permissions_of_access(const char *access);

json_object *keywords_split(const char *text, json_object **errors);     /* array; caller frees */

/* Fields of the save step (texts only): normalised input.save; booleans, charset, mosaic, permissions are checked. */
void save_check(const json_object *fields, subject_fn *exists, void *arg, json_object **ret_input, json_object **errors,
    json_object **warnings);

/* Fields of the final step.  The target dataset's existence and rights are the caller's business. */
void final_check(const struct session *, const json_object *fields, subject_fn *exists, void *arg, json_object **ret_input,
    json_object **errors, json_object **warnings);

/* Append/overwrite difference between a layer (with its inputs) and a dataset model: {"matched","missing","extra","changed",
 * "geometry","crs","rows_before","rows_after","errors":[…]}.  Caller frees. */
json_object *final_diff(const struct session *, const json_object *layer, const json_object *dataset, const char *mode,
    bool ignore_extra);

/* The final page's model (13.3), without targets and diff.  Caller frees. */
json_object *final_model(const struct session *, const json_object *fields);

#endif
