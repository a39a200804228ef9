/*
 * Result mails of signed imports: written when a task ends, sent by a thread of their own.
 * Source: contracts/signed-api.md 7.4.
 */
#ifndef SLIPWAY_WORKER_MAIL_H
#define SLIPWAY_WORKER_MAIL_H

#include "worker/worker.h"

/*
 * The mails that an ended import-table TASK (store/tasks.h) sends: records of store/mails.h.
 * FOREVER: addresses of the receiver's configuration ("mailTo"), besides the task's own; NULL =
 * none. Owns: caller frees.
 */
json_object *mail_compose(const struct worker *, const json_object *task,
			  const json_object *forever);
/*
 * Queue them, as far as ACCOUNT may send that many today; *RET_DROPPED of them it may not.  Inside
 * the pass that ends the task.
 */
enum err mail_queue(struct pass *, const json_object *mails, const char *account,
		    size_t *ret_dropped);

/* The body of the thread: sends what is due until the worker stops. */
void *mail_loop(void *worker);
/* Send the first mail that is due.  False: there is none. */
bool mail_one(struct worker *);
/* Does any mail wait? */
bool mail_waits(struct worker *);

/* ---- mail_send.c */

/* Hand it to the MTA or the SMTP server of the configuration. */
enum err mail_send(const struct config *, const json_object *mail, struct error *);

#endif
