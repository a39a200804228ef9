/*
 * Inside the writer: one write between check and end.
 */
#ifndef SLIPWAY_SIGNED_WRITER_INSIDE_H
#define SLIPWAY_SIGNED_WRITER_INSIDE_H

#include "signed/plan.h"

struct write {
	struct targets *targets;
	const struct write_order *order;
	struct link *link;
	struct table table;
	struct plan *plan;
	bool create;	    /* the table is missing and will be made */
	bool layout_failed; /* the rows do not fit the table as it was known */
	bool upsert;	    /* the order's or the receiver's */
	int64_t n_rows;
	struct layout *layout; /* of all rows; NULL = they differ */
	bool null_keys;	       /* some rows have no key */
	int64_t n_before;      /* rows before those that are written now */
	size_t n_bad;	       /* bad rows found */
	int64_t told_ms;       /* when progress was told last, monotonic */
};

/* Reserve the numbers of autoCode columns, before the transaction begins. */
bool writer_codes(struct write *, struct refusal *);
/* Everything between BEGIN and COMMIT. */
bool writer_transact(struct write *, struct write_counts *, struct refusal *);
/*
 * Inside a transaction that is rolled back: would the database let us do what the receiver is for?
 * Nothing is executed.
 * Errors: false: R names what it would not.
 */
bool writer_rights(struct write *, struct refusal *);
/* The same of a statement of the configuration on PostgreSQL, which has been prepared. */
bool writer_rights_theirs(struct write *, const struct statement *, struct fault *);
/* "SELECT a, b FROM t ORDER BY key".  Caller frees. */
char *writer_select_sql(const struct receiver *, const struct table *);
/* Give LAYOUT's statements back to the link ARG. */
void writer_let_go(void *arg, struct layout *);
/* Write all rows, inside the transaction. */
bool writer_rows(struct write *, struct write_counts *, struct refusal *);
/* Whose parameters are streamed. */
enum plan_sql writer_streamed(const struct write *);
/* One more bad row; the first one becomes the refusal.  COLUMN "" = the row as a whole. */
void writer_bad(struct write *, int64_t row, const char *column, const char *why, struct refusal *);
/* Time for the clock: false and FAULT when the write has to stop. */
bool writer_tick(struct write *, int64_t rows, struct fault *);
bool writer_rewind(struct write *, struct refusal *);

#endif
