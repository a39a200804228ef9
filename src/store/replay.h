/*
 * Which signed requests were carried out, and what was answered: a request is executed once.
 *   {"v","content":hex,"state":"running|done","started":ms,"expires":ms,"task":N,"answer":{…}|absent}
 * Key: SHA-256 made by the caller (32 bytes).
 * Source: contracts/signed-api.md 2.4.
 */
#ifndef SLIPWAY_STORE_REPLAY_H
#define SLIPWAY_STORE_REPLAY_H

#include "store/record.h"

/* Insert if absent.  Errors: ERR_CONFLICT, then *RET is what stands there; caller frees. */
enum err replay_begin(struct pass *, const unsigned char key[32], json_object *record, json_object **ret);
enum err replay_get(struct pass *, const unsigned char key[32], json_object **ret);
enum err replay_done(struct pass *, const unsigned char key[32], json_object *answer);
/* It changed nothing: the same request may come again. */
enum err replay_forget(struct pass *, const unsigned char key[32]);

#endif
