/*
 * Inside the embedded target: its connection, shared by sqlite_open.c and sqlite_link.c.
 */
#ifndef SLIPWAY_SIGNED_SQLITE_INSIDE_H
#define SLIPWAY_SIGNED_SQLITE_INSIDE_H

#include <sqlite3.h>
#include <sys/types.h>
#include "signed/link.h"
#include "signed/sqlite_auth.h"

#define SQLITE_KEPT	    16	 /* prepared statements kept by one connection */
#define SQLITE_OPEN_WAIT_MS 5000 /* for another process that recovers the file */

struct sqlite_link {
	struct link link;
	sqlite3 *db;
	enum sqlite_who who;
	dev_t dev; /* the file it opened: a restored one is another */
	ino_t ino;
	struct {
		char *sql;
		sqlite3_stmt *stmt;
		bool busy; /* in use */
	} kept[SQLITE_KEPT];
	size_t next_kept;      /* the place that is given up next */
	int64_t busy_until_ms; /* another process's write is waited for, monotonic */
	struct table known;    /* as it was last described; n = 0: none */
	int64_t known_version; /* of the schema then */
	sqlite3_stmt *version; /* asks for it */
};

static inline struct sqlite_link *sqlite_mine(struct link *link)
{
	return (struct sqlite_link *)link;
}

/* The only place that knows SQLite's result codes.  Returns false. */
bool sqlite_fault(struct sqlite_link *, int rc, struct fault *);

bool sqlite_open(const struct config *, const struct receiver *, const char *key, struct link **ret,
		 struct fault *);
/* From now on another process that writes is waited for, WAIT_MS at most. */
void sqlite_wait(struct sqlite_link *, int64_t wait_ms);
bool sqlite_alive(struct link *);
void sqlite_close(struct link *);
bool sqlite_describe(struct link *, const struct receiver *, struct table *ret, struct fault *);

#endif
