/*
 * Turns of the writers of one embedded file in this process.  SQLite lets one write at a time and
 * has the others look again and again; here they wait in turn.  Small writes join: the first one
 * opens a transaction, each adds its part, and whoever finds nobody waiting commits for all, so
 * that one flush of the disk serves them.
 */
#ifndef SLIPWAY_SIGNED_LANE_H
#define SLIPWAY_SIGNED_LANE_H

#include "signed/link.h"

/* A transaction with parts of several writers.  Its link is used by who has the turn. */
struct joint {
	struct link *link; /* of the first one, who stays until it is over */
	size_t users;	   /* who joined and has not parted */
	size_t n;	   /* parts so far */
	bool over;
	bool lost;	    /* rolled back by the fault of another part */
	struct fault fault; /* of COMMIT; NONE = committed */
};

struct lanes; /* of all files; many threads */
struct lane;  /* of one file */

struct lanes *lanes_new(void);
void lanes_free(struct lanes *);

/*
 * Wait until it is ours.
 * Owns:   caller ends with lane_leave.
 * Errors: false: not within WAIT_MS.
 */
bool lane_take(struct lanes *, const char *key, int64_t wait_ms, struct lane **ret);
/* Done with the file: the next one's turn. */
void lane_leave(struct lane *);

/* ---- by who has the turn */

/* The link of the transaction that others left open; NULL = none. */
struct link *lane_link(const struct lane *);
/* Take part in it, or open one on LINK.  Caller ends with lane_part. */
struct joint *lane_join(struct lane *, struct link *);
/*
 * Give the turn to somebody who waits and takes over what is open, and wait until it is over.
 * False: nobody waits, the turn is still ours, and so is what is open.
 */
bool lane_hand_over(struct lane *, struct joint *);
/* What is open was committed or not: everybody is told.  The turn stays ours. */
void lane_close(struct lane *, const struct fault *, bool lost);
/* No longer used by the caller, who joined it.  HELD: the turn is ours, and is given on. */
void lane_part(struct lane *, struct joint *, bool held);

#endif
