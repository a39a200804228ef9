/*
 * A session that imports a data item (its document's member "item"): nobody sits before it.
 * Source: contracts/datas.md 9.
 */
#ifndef SLIPWAY_WORKER_WORK_ITEM_H
#define SLIPWAY_WORKER_WORK_ITEM_H

#include "worker/worker.h"

/* The id of the item that S imports, 0 = none. */
int64_t work_item_of(const struct session *);
/* After inspection: answers that the item's own words ("hints") and certain guesses give. */
void work_item_fill(struct session *);
/* After the session's state was stored: the item says what became of it. */
void work_item_follow(struct work *, const struct session *);
/* Items nobody fills go; those whose bytes expired begin anew. */
void work_item_sweep(struct worker *);

#endif
