/*
 * Upload tasks: what clients of SuperMap's file manager know of one file on its way into the file
 *   area.  A record: {"v","id" (32 hex),"owner","path":below the
 *    area|null,"md5":announced|null,"size":announced,-1,"total":-1, "upload":id of the engine's
 *    upload|null,"state":"open|completed|error","md5_real"|null,"bytes":of the result,
 * "partial":{"bytes","md5"}|null,"created":ms,"expires":ms} "open" says only that nothing is
 * decided; what is going on the engine's upload tells.
 * Source: contracts/uploadtasks.md.
 */
#ifndef SLIPWAY_STORE_UPLOAD_TASKS_H
#define SLIPWAY_STORE_UPLOAD_TASKS_H

#include "store/record.h"

/* All inside a pass.  Records got are freed by the caller with json_object_put. */

/*
 * The first half of every task's name, the same for ever; MAKE it when missing, else ERR_NOT_FOUND.
 */
enum err installation_id(struct pass *, bool make, char ret[33]);

enum err upload_tasks_add(struct pass *, json_object *record); /* ERR_CONFLICT: id exists */
enum err upload_tasks_get(struct pass *, const char *id, json_object **ret);
/*
 * Store a changed record; "upload" in the store must still be EXPECTED (NULL = none), else
 * ERR_CONFLICT.
 */
enum err upload_tasks_put(struct pass *, json_object *record, const char *expected);
/* The newest MAX open ones of OWNER (NULL: of everybody), the oldest of them first. */
enum err upload_tasks_list(struct pass *, const char *owner, size_t max, json_object **ret);
/* Remove those past their "expires", at most MAX; *RET counts. */
enum err upload_tasks_sweep(struct pass *, int64_t now_ms, size_t max, size_t *ret);

#endif
