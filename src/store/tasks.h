/*
 * The queue of background work.  A task's record:
 *   {"v","id","kind":"inspect|import|export|import-table|receive","session":N|null,
 *   "dataset":N|null,"owner","state":"queued|running|
 *    done|failed|canceled","attempt":0,"queued":ms,"started":ms,"ended":ms,"heartbeat":ms,
 *    "worker":"pid.random",
 *    "alive":monotonic ms of the last heartbeat,
 *    "cancel":false,"progress":{"done","total","message","phase","layer","rows_bad"},"spec":{…},
 *    "result":{…}|null,
 *    "problems":[…],"log":"…"}
 * "spec" is what the job needs (wizard/message.h); "log" at most 64 KiB.
 *
 * Writes of the signed APIs (contracts/signed-api.md 8) are tasks, too, kept signed.task_keep:
 *   {"kind":"receive|import-table", "account":visitor, "receiver":name, "receiver_id":N,
 *   "filename":label, "uploads":[id]|absent,
 *    "contents_form":bool (the upload is a ds text), "mail":[address…], "replay":hex of the replay
 *    key|absent,
 *    "until":ms the file is kept and found again by its name (tasks_of_file); its upload is held
 *    for the task|absent,
 *    "mark":64 hex digits (signed/writer.h)|absent, "address":client, "stamp":ms,
 *    "most":attempts|absent,
 *    "kept":text for write_outcome|absent, "in_file":rows|absent,
 *    and when it ended: "rows":{"inserted","updated","deleted","bad"}, "message":text of the
 *    answer, "bad":[{"row","column","reason"}…20],
 *    "warnings":[problem…]}
 * An import's replay entry ends with {"result":"success|error","data":text,"task":id}
 * (contracts/signed-api.md 7.3).
 * A "receive" is worked on by the front that took it: it is added in state running with "heartbeat"
 * set to the latest moment its request can end; after that the worker asks the table (mark) what
 * became of it, and ends it.
 * {"kind":"refresh-table","receiver","receiver_id","again":bool (the table was written meanwhile)}
 * brings a receiver's dataset up to date (tasks_refresh).
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
 * Claim the oldest queued task whose owner has fewer than PER_USER running: state running, attempt
 * + 1, worker,
 * started and heartbeat set.  A running task whose heartbeat is older than LOST_MS counts as queued
 * again, WORKER's own by the monotonic clock; one that had MAX_ATTEMPTS already is returned with
 * *RET_LOST true: it is WORKER's then, to be ended.
 * Errors: ERR_NOT_FOUND when there is nothing to do.
 */
enum err tasks_claim(struct pass *, const char *worker, int64_t now_ms, int per_user,
		     int64_t lost_ms, int max_attempts, json_object **ret, bool *ret_lost);
/*
 * Their worker is known to be dead (its successor holds the worker lock): running tasks count as
 * lost at once.
 */
enum err tasks_requeue(struct pass *);
/*
 * WORKER could not say how this attempt ended: it counts as lost at once.  ERR_CONFLICT when it is
 * no longer WORKER's.
 */
enum err tasks_let_go(struct pass *, int64_t id, const char *worker, int64_t attempt);
/*
 * Heartbeat with progress; ERR_CONFLICT when the task is no longer WORKER's; *RET_CANCEL tells a
 * wish to cancel.
 */
enum err tasks_beat(struct pass *, int64_t id, const char *worker, json_object *progress,
		    int64_t now_ms, bool *ret_cancel);
/* As tasks_add, in state running: work of the front's own, "heartbeat" as above. */
enum err tasks_begin(struct pass *, json_object *record, int64_t *ret_id);
/*
 * Its end, by who began it: RECORD as it was begun, with what is new in it; it is not read again
 * while its task is still running.  ERR_NOT_FOUND.
 */
enum err tasks_end(struct pass *, json_object *record, const char *state);
/*
 * Tasks of the signed APIs, newest first: of OWNER, of ACCOUNT, or of all (both NULL); BEFORE > 0:
 * only those with smaller ids.  Owns: caller frees *RET, an array of records.
 */
enum err tasks_signed(struct pass *, const char *owner, const char *account, int64_t before,
		      size_t max, json_object **ret);
/*
 * The newest task of ACCOUNT and RECEIVER that keeps a file of this NAME; its "uploads" are the
 * file.  ERR_NOT_FOUND.
 * Owns: caller frees *RET.
 */
enum err tasks_of_file(struct pass *, const char *account, int64_t receiver, const char *name,
		       json_object **ret);
/*
 * Tasks whose file was to be kept until before NOW_MS: at most MAX ids into an int array.  Caller
 * frees.
 */
enum err tasks_kept_until(struct pass *, int64_t now_ms, size_t max, json_object **ret);
/* The same of the signed APIs as tasks_old of all others. */
enum err tasks_signed_old(struct pass *, int64_t before_ms, size_t max, json_object **ret);
/*
 * The table of RECEIVER (its record, store/accounts.h) was written: if it is in the catalogue, its
 * dataset is brought up to date.  One waiting task a receiver is enough.  Inside the pass that ends
 * the write.
 */
enum err tasks_refresh(struct pass *, const json_object *receiver);
/* How many are queued, and how many running? */
enum err tasks_count(struct pass *, size_t *ret_queued, size_t *ret_running);
/* Ended tasks older than BEFORE_MS: at most MAX ids into an int array. */
enum err tasks_old(struct pass *, int64_t before_ms, size_t max, json_object **ret);

#endif
