/*
 * The Berkeley DB environment of this process: join, recover, drop, close, tables, and what its
 * error numbers mean.  Every function but env_init needs the gate (or a private copy).  Private to
 * store/. Source: contracts/store.md 3, 4.
 */
#ifndef SLIPWAY_STORE_ENV_H
#define SLIPWAY_STORE_ENV_H

#include <db.h>

#include "store/place.h"
#include "store/record.h"

#if DB_VERSION_MAJOR != 5 || DB_VERSION_MINOR != 3
#error "Slipway is written for Berkeley DB 5.3 (later ones are AGPL-3)"
#endif

#define ENV_LOG_BYTES (1U << 20) /* of a log file, which has them from its first moment */

struct env {
	DB_ENV *dbenv;		     /* NULL = no handle */
	DB *tables[TABLE__MAX];	     /* opened when first used */
	bool read_only[TABLE__MAX];  /* its handle is */
	bool broken[TABLE__MAX];     /* could not be opened by a recovery: restore needed */
	bool lost[TABLE__MAX];	     /* it was made, and its file is gone */
	const char *base;	     /* borrowed while open: where db/ lies */
	uint64_t epoch;		     /* of the gate when the handle was opened */
	bool ending;		     /* being dropped: its complaints interest nobody */
	struct json_tokener *reader; /* of records; one pass at a time uses it */
	char last[160];		     /* Berkeley DB's last message */
};

/* Below an error number of Berkeley DB: what is to be done with the pass? */
enum env_class {
	ENV_FINE,     /* a result, not a failure */
	ENV_CONFLICT, /* a lock conflict: abort and try once more */
	ENV_FATAL,    /* leave dirty, drop the handle */
};
enum env_class env_classify(int ret);

/* The one place that turns Berkeley DB's numbers into ours; RET is not 0. */
enum err env_error(const struct env *, int ret, const char *what, struct error *);

/*
 * The open flags of 4.2: without and with recovery.  On error there is no handle; after ERR_VERSION
 * it was closed cleanly, and the environment is good for the newer program it belongs to.
 */
enum err env_join(struct env *, const struct place *, struct error *);
/* Makes what is missing: directories, tables, the format record; the logs are on disk when it
 * returns. */
enum err env_recover(struct env *, const struct place *, struct error *);
/* A copy in DIR (with db/log and db/data) of which this process is the only user; RECOVER:
 * catastrophically. */
enum err env_open_copy(struct env *, const char *dir, bool recover, struct error *);

void env_drop(struct env *); /* a stale or failed handle: with the panic flag, whatever it says */
int env_close(struct env *); /* a good one */

/*
 * The handle of a table, opened in a transaction of its own; Berkeley DB's number.  Opening for
 * writing writes to the log, so a CGI process that only reads opens for reading: thousands of them
 * would fill the log that only a later writer's checkpoint empties.  A table that was never made is
 * made;
 * ENOENT: its file was lost, which env->lost says.
 */
enum env_access { ENV_READ, ENV_WRITE, ENV_CREATE };
int env_table(struct env *, enum table, enum env_access, DB **ret);

/*
 * May this program read the store?  A missing record is made with CREATE.
 * Errors: ERR_VERSION when "min_reader" says no: nothing is wrong with the handle; ERR_STORE,
 * ERR_NO_SPACE.
 */
enum err format_check(struct env *, bool create, struct error *);

#endif
