/*
 * One request of the data API on its way into a table: what is written, and that it happens once.
 * Source: contracts/signed-api.md 2.4, 3.
 */
#ifndef SLIPWAY_VIEWS_DATASET_API_H
#define SLIPWAY_VIEWS_DATASET_API_H

#include "signed/ds.h"
#include "signed/writer.h"
#include "views/signed.h"

struct dataset_call {
	struct signed_call s;
	enum operation op;
	bool op_known; /* "update" was one of the three */
	struct ds *ds;
	struct write_order order;
	struct write *write;	    /* checked, not carried out yet */
	json_object *task;	    /* as it was begun; owned */
	char *kept;		    /* told by the writer before COMMIT; owned */
	bool written;		    /* the writer's word */
	struct write_counts counts; /* if so */
	bool rolled_back;	    /* the table's word, where the writer's was lost */
	bool carried;		    /* claimed, and ended, by dataset_api_together */
};

/*
 * Claim the request, or find out what became of the first that has its key.  True: it is to be
 * carried out now, or d->s.once.answer is the answer of the first one.
 */
bool dataset_api_claim(struct dataset_call *);
/* After the writer is done with them: the answers recorded, the tasks ended. */
void dataset_api_finish(struct dataset_call *const *calls, size_t n);
/* The task of a write that begins.  Owns: caller frees. */
json_object *dataset_api_task(const struct dataset_call *);

/*
 * Claimed, carried out and ended with others that write into the same file meanwhile.  False: it
 * is to be done alone, by the three above.
 */
bool dataset_api_together(struct dataset_call *);

/* ---- callbacks of the order; ARG is the call */
bool dataset_api_codes(void *arg, const char *column, const char *day, int64_t n,
		       int64_t *ret_first);
bool dataset_api_keep(void *arg, const char *text);

#endif
