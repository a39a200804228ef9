/*
 * Figures of what is in the store, for /metrics: counted in passes of their own, so that nobody
 * waits long.
 */
#ifndef SLIPWAY_STORE_FIGURES_H
#define SLIPWAY_STORE_FIGURES_H

#include "store/record.h"

#define FIGURES_STATES 16

/* How many records are in each state. */
struct figures {
	struct {
		char state[24];
		int64_t n;
	} rows[FIGURES_STATES];
	size_t n;
	bool partial; /* there are more than were counted */
};
enum err figures_uploads(struct store *, struct figures *ret, struct error *);
enum err figures_sessions(struct store *, struct figures *ret, struct error *);

/* The queue. */
struct figures_tasks {
	size_t queued, running;
	int64_t oldest_queued_ms; /* since when, 0 = none is */
};
enum err figures_tasks(struct store *, struct figures_tasks *ret, struct error *);

#endif
