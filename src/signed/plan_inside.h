/*
 * Inside the plan: what plan.c and plan_layout.c share.
 */
#ifndef SLIPWAY_SIGNED_PLAN_INSIDE_H
#define SLIPWAY_SIGNED_PLAN_INSIDE_H

#include "signed/plan.h"
#include "signed/plan_value.h"

#define PLAN_LAYOUTS 16 /* kinds of rows whose statements are kept */

struct plan {
	const struct write_order *order;
	const struct receiver *receiver;
	const struct table *table;
	const struct link_kind *kind;
	struct value_rules rules;
	const struct column **positions; /* n_positions: of rows by position */
	size_t n_positions;
	struct fill *fills;
	size_t n_fills;
	bool *s_field; /* of each column of the table */
	struct layout layouts[PLAN_LAYOUTS];
	struct layout *last;
	int64_t rows;	      /* begun */
	struct value *values; /* n_values: parameters of the statement at hand */
	char (*scratch)[VALUE_SCRATCH];
	size_t n_values;
	void (*let_go)(void *arg, struct layout *);
	void *let_go_arg;
};

/* Stands in a layout's columns for the joined key. */
extern const struct column plan_joined_key;

bool plan_is_joined_key(const struct receiver *, const char *text);
/* NULL when the table has none of that name. */
const struct column *plan_column(const struct plan *, const char *name, size_t len);
/* The same; its absence is a mistake of the configuration: R. */
const struct column *plan_need_column(const struct plan *, const char *name, struct refusal *r);
/* What fills COLUMN, NULL when a cell does. */
const struct fill *plan_fill(const struct plan *, const struct column *);
void plan_layout_done(struct layout *);

#endif
