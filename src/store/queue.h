/*
 * A session and its background task change together: one transaction writes both.
 * Source: contracts/wizard.md 14.1.
 */
#ifndef SLIPWAY_STORE_QUEUE_H
#define SLIPWAY_STORE_QUEUE_H

#include "store/sessions.h"
#include "store/tasks.h"

/* As sessions_create, with TASK queued in the same transaction. */
enum err queue_create(struct pass *, json_object *session, const char *nonce, json_object *task,
		      int64_t *ret_id);
/* As sessions_put, with TASK (NULL = none) queued in the same transaction. */
enum err queue_put(struct pass *, json_object *session, int64_t expected_rev, json_object *task);

#endif
