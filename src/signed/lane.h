/*
 * Turns of the writers of one embedded file in this process.  SQLite lets one write at a time and
 * has the others look again and again; here they wait in line.  Whoever gets the turn for a write
 * that may be carried out together with others carries out all of those that wait, so that one
 * flush of the disk serves them, and none of them is woken before it is done.
 */
#ifndef SLIPWAY_SIGNED_LANE_H
#define SLIPWAY_SIGNED_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_GROUP_MAX 32 /* writes carried out together: the first one's client waits for all */

struct lanes; /* of all files; many threads */
struct lane;  /* of one file */

enum lane_turn {
	LANE_OURS, /* the turn is the caller's */
	LANE_DONE, /* another one carried the caller's item out */
	LANE_LATE, /* neither came within the time */
};

struct lanes *lanes_new(void);
void lanes_free(struct lanes *);

/* Writes that one of their owners carries out. */
struct lane_group {
	void *items[LANE_GROUP_MAX]; /* his own first */
	size_t n;
	struct waiter *asleep; /* the other owners */
};

/*
 * Wait until it is ours.
 * Owns:   caller ends with lane_leave.
 * Errors: false: not within WAIT_MS.
 */
bool lane_take(struct lanes *, const char *key, int64_t wait_ms, struct lane **ret);
/*
 * The same with ITEM, which another one may carry out.  LANE_OURS: whose items are in GROUP sleep
 * until lane_wake.
 * Owns:   with LANE_OURS caller ends with lane_leave, and later with lane_wake.
 */
enum lane_turn lane_gather(struct lanes *, const char *key, void *item, int64_t wait_ms,
			   struct lane **ret, struct lane_group *group);
/* The next one's turn. */
void lane_leave(struct lane *);
/* All of GROUP are carried out. */
void lane_wake(struct lane_group *group);

#endif
