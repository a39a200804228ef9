/*
 * The queue of background work.  A task's record:
 *   {"v","id","kind":"inspect|import|export","session":N|null,"dataset":N|null,"owner","state":"queued|running|
 *    done|failed|canceled","attempt":0,"queued":ms,"started":ms,"ended":ms,"heartbeat":ms,"worker":"pid.random",
 *    "cancel":false,"progress":{"done","total","message","phase","layer","rows_bad"},"spec":{…},"result":{…}|null,
 *    "problems":[…],"log":"…"}
 * "spec" is what the job needs (wizard/message.h); "log" at most 64 KiB.
 */
#ifndef SLIPWAY_STORE_TASKS_H
#define SLIPWAY_STORE_TASKS_H

#include "store/record.h"

/* Queue a task: takes nothing; sets id, state, queued, attempt in RECORD. */
enum err tasks_add(struct pass *, json_object *record, int64_t *ret_id);
enum err tasks_get(struct pass *, int64_t id, json_object **ret);
/* Store a changed task and its state index. */
enum err tasks_put(struct pass *, json_object *record);
enum err tasks_delete(struct pass *, int64_t id);
/*
 * Claim the oldest queued task whose owner has fewer than PER_USER running: state running, attempt + 1, worker,
 * started and heartbeat set.  A running task whose heartbeat is older than LOST_MS counts as queued again; one
 * that had MAX_ATTEMPTS already is returned with *RET_LOST true and state failed.
 * Errors: ERR_NOT_FOUND when there is nothing to do.
 */
enum err tasks_claim(struct pass *, const char *worker, int64_t now_ms, int per_user, int64_t lost_ms,
    int max_attempts, json_object **ret, bool *ret_lost);
/* Their worker is known to be dead (its successor holds the worker lock): running tasks count as lost at once. */
enum err tasks_requeue(struct pass *);
/* Heartbeat with progress; ERR_CONFLICT when the task is no longer WORKER's; *RET_CANCEL tells a wish to cancel. */
enum err tasks_beat(struct pass *, int64_t id, const char *worker, json_object *progress, int64_t now_ms,
    bool *ret_cancel);
/* How many are queued, and how many running? */
enum err tasks_count(struct pass *, size_t *ret_queued, size_t *ret_running);
/* Ended tasks older than BEFORE_MS: at most MAX ids into an int array. */
enum err tasks_old(struct pass *, int64_t before_ms, size_t max, json_object **ret);

#endif
