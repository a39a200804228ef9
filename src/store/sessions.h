/*
 * The collection of wizard sessions.  A session's record is a JSON object made by wizard/session;
 * the store reads its members id, owner, state, changed, nonce, expires for the indexes.
 * Source: contracts/wizard.md 16.1.
 */
#ifndef SLIPWAY_STORE_SESSIONS_H
#define SLIPWAY_STORE_SESSIONS_H

#include "store/record.h"

/* All inside a pass.  Records got are freed by the caller with json_object_put. */

/*
 * Give RECORD a new id (set as "id") and store it.  NONCE (may be NULL) is remembered 24 h per
 * owner.
 * Errors: ERR_CONFLICT when that nonce has a session already: *RET_ID is that session's.
 */
enum err sessions_create(struct pass *, json_object *record, const char *nonce, int64_t *ret_id);
/* A tombstone is got too: it has the member "gone". */
enum err sessions_get(struct pass *, int64_t id, json_object **ret);
/*
 * The same without what only pages of steps show and imports read: its layers' previews and
 * extents, their columns (all of them, where no step but its page depends on them), what reference
 * systems may fit, digests.  Never to be put again.
 */
enum err sessions_get_brief(struct pass *, int64_t id, json_object **ret);
/*
 * Store a changed record; its "rev" must still be EXPECTED_REV in the store (-1: whatever), else
 * ERR_CONFLICT.
 */
enum err sessions_put(struct pass *, json_object *record, int64_t expected_rev);
/*
 * Remove the record; a tombstone {id, owner, gone:ms} stays 30 days when TOMBSTONE (expiry), so
 * that 410 can be told.
 */
enum err sessions_delete(struct pass *, int64_t id, bool tombstone);
/* Lists are of brief records. */
/*
 * Newest first: an array of records of OWNER (NULL: of everybody), skipping SKIP, at most MAX;
 * *RET_TOTAL counts all.
 */
enum err sessions_list(struct pass *, const char *owner, size_t skip, size_t max, json_object **ret,
		       size_t *ret_total);
/* The records of OWNER's sessions in READY, PENDING, WAITING or RUNNING, newest first. */
enum err sessions_open(struct pass *, const char *owner, json_object **ret);
/* How many they are. */
enum err sessions_count_open(struct pass *, const char *owner, size_t *ret);
/* Ids of at most MAX sessions whose "expires" (ms) is before NOW; into an int array. */
enum err sessions_expired(struct pass *, int64_t now_ms, size_t max, json_object **ret);

/*
 * The lock of one session across processes and threads: a byte-range lock outside the gate
 * (store.md 6).
 * Errors: ERR_BUSY after WAIT_MS.
 */
struct session_lock {
	int fd; /* -1 = not held */
};
enum err session_lock(struct store *, int64_t id, int wait_ms, struct session_lock *ret,
		      struct error *error);
void session_unlock(struct session_lock *);

#endif
