/*
 * Inside the catalogue: connections to its SQLite file, statements, transactions.  Nobody outside
 * this folder includes <sqlite3.h>.
 */
#ifndef SLIPWAY_CATALOG_DB_H
#define SLIPWAY_CATALOG_DB_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>
#include "catalog/catalog.h"

#define CATALOG_STATEMENTS 32 /* prepared statements kept by one connection */
#define CATALOG_IDLE	   32 /* connections kept open while nobody uses them */

struct item_sets;

/* One connection: used by one thread between conn_take and conn_give. */
struct conn {
	sqlite3 *db;
	struct {
		char *sql;
		size_t len;
		sqlite3_stmt *stmt;
	} kept[CATALOG_STATEMENTS];
	struct json_tokener *reader; /* of what rows hold as JSON; NULL before the first */
	/* what the functions of item_set.h ask, NULL outside a list */
	const struct item_sets *sets;
	size_t next; /* the slot that is given up next */
	bool broken; /* damaged or in doubt: closed when given back */
	bool wrote;  /* its end may move the log into the file */
	dev_t dev;   /* the file it opened: a restored one is another */
	ino_t ino;
};

struct catalog {
	char *path; /* <data_dir>/catalog.sqlite */
	bool sync;  /* commits reach the disk */
	/* candidates of a list from which on sets are cheaper than rows: item_query.c */
	int64_t many;
	int64_t far;	       /* places to skip from which on a page is found in two strides */
	pthread_mutex_t mutex; /* guards what follows */
	bool seen;	       /* it was opened once */
	struct conn *idle[CATALOG_IDLE];
	size_t n_idle;
};

/* The steps from an empty file to the newest schema, one text a version. */
extern const char *const catalog_migrations[];
extern const int catalog_version;

/*
 * A connection for this call, opened when no idle one is left: nothing is opened before somebody
 * asks.
 * Owns: caller ends with conn_give.
 */
enum err conn_take(struct catalog *, struct conn **ret, struct error *);
void conn_give(struct catalog *, struct conn *);

/*
 * The statement of SQL, reset and unbound.  Owns: borrowed until 32 others were asked for; a reader
 * is ended with sqlite3_reset.
 */
enum err conn_prepare(struct conn *, const char *sql, sqlite3_stmt **ret, struct error *);
/* One step: *RET_ROW (may be NULL) tells a row from the end.  The statement is reset at its end. */
enum err conn_step(struct conn *, sqlite3_stmt *, bool *ret_row, struct error *);
/* The number in the only row of a statement, 0 without one; it is reset.  The same of SQL. */
enum err conn_number(struct conn *, sqlite3_stmt *, int64_t *ret, struct error *);
enum err conn_number_of(struct conn *, const char *sql, int64_t *ret, struct error *);
/* The only place that knows SQLite's result codes: what went wrong last on this connection. */
enum err conn_error(struct conn *, int rc, struct error *);

/*
 * A write transaction; conn_end commits when E is ERR_OK, else rolls back, and returns what became
 * of it.
 */
enum err conn_begin(struct conn *, struct error *);
enum err conn_end(struct conn *, enum err e, struct error *);
/* The same that only reads: what others commit meanwhile is not seen. */
enum err conn_begin_read(struct conn *, struct error *);
/*
 * A connection that has begun to write, and both ended: conn_end, then conn_give.
 * Owns:   as conn_take; an error leaves nothing to give back.
 */
enum err conn_take_write(struct catalog *, struct conn **ret, struct error *);
enum err conn_give_write(struct catalog *, struct conn *, enum err e, struct error *);

/* Text of a column, "" for NULL: borrowed until the next step. */
const char *conn_text(sqlite3_stmt *, int column);
void conn_bind_text(sqlite3_stmt *, int n, const char *text); /* copied; NULL binds NULL */

#endif
