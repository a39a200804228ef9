/*
 * One cell: what is bound for it, and whether it fits its column.  Pure.
 * Source: contracts/signed-api.md 3.3, 4 (sFields).
 */
#ifndef SLIPWAY_SIGNED_PLAN_VALUE_H
#define SLIPWAY_SIGNED_PLAN_VALUE_H

#include "signed/link.h"

#define VALUE_SCRATCH 64 /* bytes a converted value may need of its own */

/* What is the same for all cells of an order. */
struct value_rules {
	const char *visitor;
	bool empty_is_null;
	char now[32];	   /* 2026-11-22 10:00:00, local */
	char now_zone[40]; /* the same with its offset, for databases that know zones */
	char curdate[16];
	char curtime[16];
	char day[16]; /* 20261122 */
};
void value_rules_fill(struct value_rules *, const struct write_order *, bool zones);

/*
 * Convert IN for COLUMN (NULL: a text that is compared).  S_FIELD: only the words of sFields.  The
 * result is borrowed from IN, the rules or SCRATCH.
 * Errors: false: WHY (size bytes) says what is wrong with it.
 */
bool value_convert(const struct value_rules *, const struct column *, bool s_field,
		   const struct value *in, struct value *ret, char scratch[VALUE_SCRATCH],
		   char *why, size_t size);
/* Does the converted V fit?  Only what is known without the database. */
bool value_fits(const struct column *, const struct value *v, char *why, size_t size);
/* The value of a function of sFields or autoDict; not for AUTO_CONSTANT, AUTO_CODE. */
struct value value_auto(const struct value_rules *, const struct column *, enum auto_kind,
			char scratch[VALUE_SCRATCH]);
struct value value_text(const char *text);
struct value value_integer(int64_t number);

#endif
