/*
 * An existing dataset that an upload replaces or adds to: who may do so, what would change, whether
 * that still holds. Source: contracts/wizard.md 13.2.
 */
#ifndef SLIPWAY_VIEWS_TARGET_H
#define SLIPWAY_VIEWS_TARGET_H

#include "views/wizard.h"

/* What is asked of a target; texts borrowed. */
struct target_ask {
	const char *mode;  /* "create", "overwrite", "append"; NULL = create */
	const char *which; /* id or name; NULL or "" = none */
	bool ignore_extra; /* append: columns the dataset lacks are left out */
	bool skip_rows;	   /* append: rows whose values do not fit are left out */
};

/*
 * The dataset WHICH (id or name), if the caller may change it.  Owns: caller frees *RET.
 * Errors: ERR_NOT_FOUND (dataset_unknown), ERR_FORBIDDEN (dataset_forbidden), with the problem set.
 */
enum err target_find(struct call *, const char *which, json_object **ret);
/* Which datasets the caller may change: [{"id","name","type"}].  Caller frees. */
json_object *target_list(struct call *);
/*
 * What ASK would change: *RET as final_diff, *RET_DATASET the dataset's model; both NULL when
 * nothing is asked of a target, or nothing is known of the file yet.  Owns: caller frees both.
 * Errors: as target_find.
 */
enum err target_diff(struct turn *, const struct target_ask *, json_object **ret,
		     json_object **ret_dataset);
/* The session's import goes into DATASET as it is now. */
void target_set(struct session *, const char *mode, const json_object *dataset);
/* Is the dataset still as it was then? */
bool target_is_current(struct turn *);
/* Is an import at work on dataset ID?  Its lock tells (worker/target.c), so nothing is left
 * standing by a kill. */
bool target_is_changing(const struct ctx *, int64_t id);

/* What the save page says of "layer_id" and "mode": {"id","title","type","mode"}.  Caller frees.
 * Errors: as target_find. */
enum err target_of_save(struct call *, const char *which, const char *mode, json_object **ret);

#endif
