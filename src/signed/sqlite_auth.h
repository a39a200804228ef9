/*
 * What statements may do on a receiver's SQLite file: the authorizer.
 * Source: contracts/signed-api.md 4, 5; sqlite3_set_authorizer.
 */
#ifndef SLIPWAY_SIGNED_SQLITE_AUTH_H
#define SLIPWAY_SIGNED_SQLITE_AUTH_H

/* The table that remembers which writes were carried out: nobody's but the writer's. */
#define SQLITE_MARKS "slipway_writes"

enum sqlite_who {
	SQLITE_SETUP,  /* opening: pragmas */
	SQLITE_OURS,   /* the writer's own statements */
	SQLITE_THEIRS, /* statements of a configuration */
};

/* WHO points to the enum in force.  For sqlite3_set_authorizer. */
int sqlite_auth(void *who, int action, const char *a, const char *b, const char *database,
		const char *trigger);

#endif
