/*
 * Tasks of the signed APIs: a file into a table, a table into the catalogue, a write whose front
 * died.
 * Source: contracts/signed-api.md 7, 8.
 */
#ifndef SLIPWAY_WORKER_SIGNED_H
#define SLIPWAY_WORKER_SIGNED_H

#include "signed/receiver.h"
#include "signed/rows.h"
#include "signed/writer.h"
#include "worker/worker.h"

/* Carry out and end a task of these kinds (import-table, receive, refresh-table).  False: it is
 * none. */
bool signed_work(struct work *);
/* Files that were kept long enough are let go, old tasks forgotten. */
void signed_sweep(struct worker *);

/* ---- shared by its files */

/* The receiver of the task, as it is configured now. */
struct signed_target {
	json_object *record;	   /* store/accounts.h */
	struct receiver *receiver; /* NULL: REFUSAL says why */
	struct refusal refusal;
};
bool signed_target_open(struct work *, struct signed_target *ret);
void signed_target_close(struct signed_target *);

/* The mark of the task's write (signed/writer.h). */
void signed_mark(const json_object *task, unsigned char ret[32]);
/* Did an earlier attempt, or the front that is gone, write it?  Waits until the database can tell.
 */
enum mark_state signed_outcome(struct work *, const struct signed_target *);

/* import_rows.c: lines of job "rows" under the row numbers of the file.  FOLDER: the job's. */
struct import_rows;
struct import_rows *import_rows_open(struct work *);
void import_rows_close(struct import_rows *);
struct row_source import_rows_source(struct import_rows *);

/* import_words.c: what is answered for the job's problems.  True when they are the client's fault.
 */
void import_refusal(const struct worker *, const json_object *problems, struct refusal *ret);
/*
 * What is answered for bad rows: up to five, then how many more.  BAD: {"row","column","reason"};
 * the caller frees.
 */
char *import_bad_text(const json_object *bad, int64_t total);
/* The job's words for why a row is bad become the client's. */
void import_bad_words(json_object *bad, const struct receiver *);

/* import_table.c, refresh_table.c */
void work_import_table(struct work *);
void work_refresh_table(struct work *);

#endif
