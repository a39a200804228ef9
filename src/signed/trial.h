/*
 * Rows written and rolled back, for an operator who wants to see what a request would do.
 * Source: contracts/signed-api.md 6 (dry run).
 */
#ifndef SLIPWAY_SIGNED_TRIAL_H
#define SLIPWAY_SIGNED_TRIAL_H

#include "signed/writer.h"
#include "store/store.h"

#define TRIAL_BAD_MAX 20 /* wrong rows told at once */

/*
 * Write the rows of TEXT ("ds" in any of its forms) as VISITOR would, then roll back.  Numbers of
 * autoCode columns that it uses stay used.
 * Owns:   caller frees *RET_BAD, an array of {"row","column","reason"}, also on failure.
 * Errors: false: R.
 */
bool trial_rows(struct targets *, struct store *, const struct receiver *, const char *text,
		size_t len, enum operation, const char *visitor, struct write_counts *ret,
		json_object **ret_bad, struct refusal *r);

#endif
