/*
 * Mails that wait to be sent, oldest first; whoever claims one sends it.
 *   {"v","id","to","subject","text","task":N,"tries","due":ms,"queued":ms}
 * Source: contracts/signed-api.md 7.4.
 */
#ifndef SLIPWAY_STORE_MAILS_H
#define SLIPWAY_STORE_MAILS_H

#include "store/record.h"

/* One mail an address and task: a second one is not queued. */
enum err mails_add(struct pass *, json_object *record);
/*
 * The first that is due; its "due" moves to UNTIL_MS and "tries" grows, so that nobody else sends
 * it.  ERR_NOT_FOUND: none.
 */
enum err mails_claim(struct pass *, int64_t now_ms, int64_t until_ms, json_object **ret);
enum err mails_later(struct pass *, int64_t id, int64_t due_ms);
enum err mails_delete(struct pass *, int64_t id);
enum err mails_count(struct pass *, size_t *ret);

#endif
