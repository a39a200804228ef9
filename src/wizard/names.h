/*
 * Cleaned names for datasets and columns.  Source: contracts/wizard.md 17.4.
 */
#ifndef SLIPWAY_WIZARD_NAMES_H
#define SLIPWAY_WIZARD_NAMES_H

#include "base/json.h"

/* Owns: caller frees. */
char *name_dataset(const char *stem);
char *name_column(const char *original, size_t index0); /* alone: not yet unique */
/*
 * Clean N originals into unique column names; reserved words get "_".  RET: N strings, caller frees
 * each and RET.
 */
char **names_columns(const char *const *originals, size_t n);
/* {"old":"new"} of what changed.  Caller frees. */
json_object *names_changed(const char *const *originals, char *const *cleaned, size_t n);
/*
 * The warning that columns of FILE have other names: how many, and the first.  NULL: they have not,
 * but for blanks around them.  Caller frees.
 */
json_object *names_renamed(const char *file, const char *const *originals, char *const *cleaned,
			   size_t n);

#endif
