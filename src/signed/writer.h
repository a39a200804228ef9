/*
 * Rows into a table: preSql, rows, postSql in one transaction, all or nothing.  One header, two
 * targets: embedded SQLite and PostgreSQL. Source: contracts/signed-api.md 3.2-3.5, 5.
 */
#ifndef SLIPWAY_SIGNED_WRITER_H
#define SLIPWAY_SIGNED_WRITER_H

#include "base/config.h"
#include "signed/lane.h"
#include "signed/receiver.h"
#include "signed/rows.h"

struct targets; /* the connections of one process; many threads */

struct targets *targets_open(const struct config *);
void targets_close(struct targets *);

struct write_order {
	const struct receiver *receiver;
	enum operation op;
	bool replace; /* delete all rows first (file mode "replace") */
	bool upsert;  /* on top of the receiver's own */
	bool dry_run; /* roll back at the end */
	const char *visitor;
	int64_t stamp_ms; /* of the request */
	const unsigned char
	    *mark; /* 32 bytes that name this write for write_outcome; NULL = none */
	struct row_source rows;
	int64_t lock_wait_ms;
	/* Reserve N numbers of DAY for an autoCode column: called before the transaction begins. */
	bool (*codes)(void *arg, const char *column, const char *day, int64_t n,
		      int64_t *ret_first);
	/*
	 * Called before COMMIT on a target that keeps no marks itself: TEXT is to be stored durably
	 * for write_outcome.  False stops and rolls back.  NULL = such a write cannot be told
	 * later.
	 */
	bool (*keep)(void *arg, const char *text);
	size_t max_bad;	  /* collect this many bad rows before giving up; 1 = the first */
	json_object *bad; /* array: {"row","column","reason"} of bad rows are added; NULL = none */
	/* Called about every second; false stops and rolls back.  NULL = never. */
	bool (*progress)(void *arg, int64_t rows);
	void *arg;
};
struct write_counts {
	int64_t inserted, updated, deleted;
};

/*
 * Carry out an order.  First everything that can be known without changing anything is checked:
 * columns, names, keys, cells (the rows are read twice). Errors: false: R; nothing was written.
 */
bool write_rows(struct targets *, const struct write_order *, struct write_counts *ret,
		struct refusal *r);
/* Only that check (contracts/signed-api.md 2.1, step 9). */
bool write_check(struct targets *, const struct write_order *, struct refusal *r);
/*
 * The same in two steps, for who has to do something between check and execution: a checked order
 * is not checked again.
 * Owns:   ORDER is borrowed until write_close; caller ends *RET with write_close in any case of
 *         success, after at most one write_run.
 */
struct write;
bool write_open(struct targets *, const struct write_order *, struct write **ret,
		struct refusal *r);
bool write_run(struct write *, struct write_counts *ret, struct refusal *r);
void write_close(struct write *);

/*
 * Small writes into one embedded file may be carried out together, in one transaction.  Whoever is
 * first (WRITE_LEADS) does it for all who came meanwhile: the items of GROUP.
 */
enum write_turn {
	WRITE_ALONE, /* not a write of that kind: write_run */
	WRITE_LEADS, /* the caller prepares the group, and ends with write_run_together */
	WRITE_DONE,  /* another one did whatever it does with an item */
	WRITE_LATE,  /* others were at it for lock_wait_ms */
};
enum write_turn write_gather(struct write *, void *item, struct lane **ret,
			     struct lane_group *group);
struct write_part {
	struct write *write;
	bool good;		    /* it is committed */
	struct write_counts counts; /* if so */
	struct refusal refusal;	    /* if not */
};
/* All or nothing each: fills the parts, of which there is at least one. */
void write_run_together(struct write_part *, size_t n);

/*
 * Did the write that MARK names commit?  For a request that is repeated after its first server
 * died.  KEPT: what `keep` was told, NULL = it was not called.  MARK_UNKNOWN: the target cannot
 * tell, or cannot be asked now, or the first one is still at work.
 */
enum mark_state { MARK_COMMITTED, MARK_ROLLED_BACK, MARK_UNKNOWN };
enum mark_state write_outcome(struct targets *, const struct receiver *,
			      const unsigned char mark[32], const char *kept);

/*
 * Connect, read the table's columns, prepare every statement, ask for the rights they need; nothing
 * is changed.
 */
bool write_prepare(struct targets *, const struct receiver *, struct refusal *r);

/*
 * Read the whole table in key order: BEGIN with its columns, then each row.  For the catalogue.
 * Errors: false: R; or a callback returned false.
 */
struct table_reader {
	bool (*begin)(void *arg, const struct receiver_column *columns, size_t n);
	bool (*row)(void *arg, const struct value *cells, size_t n);
	void *arg;
};
bool write_read_table(struct targets *, const struct receiver *, const struct table_reader *,
		      struct refusal *r);

#endif
