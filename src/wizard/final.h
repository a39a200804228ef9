/*
 * The save and final steps' fields: permissions, keywords, titles, targets, differences.
 * Source: contracts/wizard.md 8.1, 13.
 */
#ifndef SLIPWAY_WIZARD_FINAL_H
#define SLIPWAY_WIZARD_FINAL_H

#include "wizard/session.h"

/*
 * Parse GeoNode's permissions JSON: *RET = {"users":{name:[rights see download edit delete share]},
 * "groups":{…}} in our words,
 * rights in this order and once each; "AnonymousUser" stays the name of everybody.  EXISTS (NULL:
 * all are) tells whether a user or group is known.  On errors *RET is NULL.  Caller frees.
 */
typedef bool subject_fn(const char *name, bool group, void *arg);
void permissions_check(const char *json, subject_fn *exists, void *arg, json_object **ret,
		       json_object **errors, json_object **warnings);
/* "private", "view", "download" → permissions in our words.  NULL: unknown word.  Caller frees. */
json_object *permissions_of_access(const char *access);
/*
 * The word for permissions (what everybody may do); NULL when they say more than a word can.
 * Static.
 */
const char *permissions_access(const json_object *permissions);

json_object *keywords_split(const char *text, json_object **errors); /* array; caller frees */

/*
 * Fields of the save step (texts only): booleans, charset, mosaic, permissions are checked.
 * *RET_INPUT is input.save:
 *   {"charset":canonical name or "" (find out),"permissions":{users,groups}|absent,"layer_title",
 *   "abstract","keywords":[…],
 *    "time":bool,"non_interactive":bool,"store_spatial_files":bool,
 *    "metadata_uploaded_preserve":bool,"mosaic":bool,
 *    "append_to_mosaic_opts":bool,"append_to_mosaic_name","mosaic_time_regex","mosaic_time_value",
 *    "time_presentation",
 *    "time_presentation_res":int,"time_presentation_default_value",
 *    "time_presentation_reference_value","layer_id":int,
 *    "mode":"overwrite|append" (of layer_id)}
 * texts and numbers only when they were sent; booleans always.  On errors *RET_INPUT is NULL.
 * Caller frees.
 */
void save_check(const json_object *fields, subject_fn *exists, void *arg, json_object **ret_input,
		json_object **errors, json_object **warnings);

/*
 * Fields of the final step.  The target dataset's existence and rights, and the field `confirm`,
 * are the caller's business.
 * What was not sent is taken from the stored final, else the save input, so that "no fields" means
 * "as it is".
 * *RET_INPUT is input.final:
 *   {"title","titles":{"<i>":text},"abstract","keywords":[…],"permissions":{users,groups},
 *   "mode":"create|overwrite|append",
 *    "dataset":text (id or name; only for overwrite and append),"names":{"<i>":dataset name},
 *    "extra_columns":"error|ignore",
 *    "store_spatial_files":bool,"bad_rows":"keep|skip|fail" (only when sent)}
 * title, titles, abstract only when there is one.  On errors *RET_INPUT is NULL.  Caller frees.
 */
void final_check(const struct session *, const json_object *fields, subject_fn *exists, void *arg,
		 json_object **ret_input, json_object **errors, json_object **warnings);

/*
 * What holds for a dataset's "title", "abstract", "keywords" or "permissions" as things stand: the
 * final step's input, else save's, else the metadata file's; metadata_uploaded_preserve exchanges
 * the last two.  Borrowed; NULL = nothing said.
 */
json_object *final_given(const struct session *, const char *key);
/*
 * The identifier in the metadata file; NULL = none, or several datasets would share it.  Borrowed.
 */
const char *final_uuid(const struct session *);

/*
 * Append/overwrite difference between a layer (with its inputs) and a dataset model: {"matched",
 * "missing","extra","changed",
 * "geometry","crs","rows_before","rows_after","errors":[…]}.  IGNORE_EXTRA: columns the dataset
 * lacks are left out;
 * SKIP_ROWS: so are rows with a value that does not fit, which makes other types no error.  Caller
 * frees.
 */
json_object *final_diff(const struct session *, const json_object *layer,
			const json_object *dataset, const char *mode, bool ignore_extra,
			bool skip_rows);

/* The final page's model (13.3), without targets and diff.  Caller frees. */
json_object *final_model(const struct session *, const json_object *fields);

#endif
