/*
 * Which signed requests were carried out, and what was answered: a request is executed once.
 *   {"v","content":hex,"state":"running|done","started":ms,"expires":ms,"task":N,
 *   "answer":{…}|absent,
 *    "lock":N of replay_lock|absent,"kept":text for write_outcome|absent}
 * Key: SHA-256 made by the caller (32 bytes).
 * Source: contracts/signed-api.md 2.4.
 */
#ifndef SLIPWAY_STORE_REPLAY_H
#define SLIPWAY_STORE_REPLAY_H

#include "store/record.h"

/* Insert if absent.  Errors: ERR_CONFLICT. */
enum err replay_begin(struct pass *, const unsigned char key[32], json_object *record);
enum err replay_get(struct pass *, const unsigned char key[32], json_object **ret);
/* Store a changed entry.  ERR_NOT_FOUND. */
enum err replay_put(struct pass *, const unsigned char key[32], json_object *record);
/* Its answer, by who holds the entry's lock or has just read it: RECORD as it stands there. */
enum err replay_end(struct pass *, const unsigned char key[32], json_object *record,
		    json_object *answer);
/* It changed nothing: the same request may come again. */
enum err replay_forget(struct pass *, const unsigned char key[32]);

/*
 * Who carries a request out holds lock NUMBER meanwhile: a running entry whose lock is free belongs
 * to a dead process.
 * The number is random and chosen before the entry is written.
 */
struct replay_lock {
	int fd; /* -1 = not held */
};
enum err replay_lock(struct store *, int64_t number, struct replay_lock *ret, struct error *error);
void replay_unlock(struct replay_lock *);
bool replay_locked(struct store *, int64_t number);

#endif
