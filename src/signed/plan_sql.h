/*
 * Inside the plan: the text of a layout's statements.
 */
#ifndef SLIPWAY_SIGNED_PLAN_SQL_H
#define SLIPWAY_SIGNED_PLAN_SQL_H

#include "signed/plan.h"

/* Is NAME one of the columns rows are found by? */
bool plan_is_key(const struct receiver *, const char *name);
/* Caller frees. */
char *plan_sql_text(enum plan_sql, const struct table *, const struct receiver *,
		    const struct sources *, char marker);

#endif
