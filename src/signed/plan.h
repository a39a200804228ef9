/*
 * Which cell goes into which column: the pure part of writing, between a receiver's configuration,
 * a table's columns and the rows.  Knows no database but the letter its parameters begin with.
 * Source: contracts/signed-api.md 3.2-3.4.
 */
#ifndef SLIPWAY_SIGNED_PLAN_H
#define SLIPWAY_SIGNED_PLAN_H

#include "signed/link.h"

enum plan_sql { PLAN_INSERT, PLAN_UPDATE, PLAN_DELETE, PLAN__SQL };

/* Where the value of a parameter comes from. */
struct source {
	bool fill; /* from plan->fills[index], else from the row's cells[index] */
	size_t index;
	const struct column *column; /* NULL: a text that is compared with joined columns */
};
struct sources {
	struct source *of; /* one a parameter */
	size_t n;
	size_t n_key; /* the last ones are the key's */
};

/* Rows with the same names (or none) share a layout. */
struct layout {
	struct value *names; /* n_cells, their own copies; NULL: by position */
	size_t n_cells;
	struct sources sources[PLAN__SQL];
	char *sql[PLAN__SQL];		      /* NULL: the order does not run it */
	struct prepared *prepared[PLAN__SQL]; /* the writer's */
	const struct column **columns;	      /* n_cells; NULL = ignored, or joined key */
	bool has_key;			      /* its rows name the whole key */
	const char *lacks; /* a column of the key that no row of it fills; NULL = none */
	int64_t used;	   /* when last, in rows */
};

#define PLAN_FILL_BYTES 192 /* of a code: its prefix, the day and the number */

/* A column the server fills. */
struct fill {
	const struct receiver_auto *rule;
	const struct column *column;
	int64_t first; /* AUTO_CODE: the numbers reserved begin here */
	int64_t code;  /* of the next row */
	struct value value;
	char text[PLAN_FILL_BYTES];
};

struct plan;

/*
 * Owns:   ORDER and TABLE are borrowed; caller frees *RET with plan_free.
 * Errors: false: R, the receiver does not fit the table or the operation.
 */
bool plan_new(const struct write_order *, const struct table *, const struct link_kind *,
	      struct plan **ret, struct refusal *r);
void plan_free(struct plan *);

/* Its dataset's map is made of columns the table has; a write goes without. */
bool plan_check_geometry(const struct plan *, struct refusal *r);

/*
 * The layout of ROW.  *RET_NEW tells that it was made now (its slot may have been another's: let_go
 * is called for that one before).
 * Errors: false: R names row and field.
 */
bool plan_layout(struct plan *, const struct row *, struct layout **ret, struct refusal *r);
/*
 * The layout of a row that fills every column it may.  Of a new plan, and the only one asked of it.
 * Owns:   borrowed until plan_free.
 */
const struct layout *plan_layout_whole(struct plan *);
/* LET_GO(arg, layout) is called before a layout is given up: its statements are the writer's. */
void plan_watch(struct plan *, void (*let_go)(void *arg, struct layout *), void *arg);
void plan_each_layout(struct plan *, void (*call)(void *arg, struct layout *), void *arg);

/* A row that cannot be written, found without the database. */
struct plan_bad {
	const char *column; /* "" = the row as a whole; borrowed from the table */
	char why[96];
};
/* Check every cell of ROW.  *RET_NULL_KEY: it has no key, fine for an insert. */
bool plan_check(struct plan *, const struct layout *, const struct row *, bool *ret_null_key,
		struct plan_bad *ret);

/*
 * The values of ROW for the statement WHICH, converted (contracts/signed-api.md 3.3).  Borrowed
 * until the next call of plan_row_next.
 */
struct params plan_params(struct plan *, const struct layout *, enum plan_sql which,
			  const struct row *);
/* A new row begins: uuid() and codes go on. */
void plan_row_next(struct plan *);

/* All rows come once more, from the one behind the first N on. */
void plan_restart(struct plan *, int64_t n);

/* Does the order write codes, and how many numbers were reserved for which column? */
size_t plan_fills(struct plan *, struct fill **ret);
const char *plan_day(const struct plan *); /* yyyymmdd, local */

/* CREATE TABLE from "columns", and the columns it will have.  Caller frees. */
char *plan_create_sql(const struct receiver *, const struct link_kind *);
void plan_table_of(const struct receiver *, const struct link_kind *, struct table *ret);

/* A name in double quotes, doubled inside; the table's with its schema.  Caller frees. */
char *plan_quote(const char *name);
char *plan_table_name(const struct receiver *);
/* " ORDER BY key" or "".  Caller frees. */
char *plan_order_by(const struct receiver *);

#endif
