/*
 * Which of a process's threads wait for connections.  If all did, a burst of connections would wake
 * a thread each, and these would only stand in the way of one another.  So some have a turn: they
 * wait and serve, one connection after the other; the rest sleep until a turn is passed on to them.
 *
 * A request that will wait for something passes its thread's turn on at once.  Any other is looked
 * at every TURNS_LOOK_MS: seen twice, it loses the turn.  So a connection waits for a thread at
 * most twice that long, unless all threads are in requests.
 *
 * Passing on wakes a thread.  So that not every request does that where all pass on, a thread that
 * comes back from one gets a spare turn, which the next to pass on, or the next request that did
 * not, does away with.
 */
#ifndef SLIPWAY_HTTP_TURNS_H
#define SLIPWAY_HTTP_TURNS_H

#include <stddef.h>

#define TURNS_LOOK_MS 2 /* by a thread that sleeps while there is no request */

struct turns; /* of a process */
struct turn;  /* of a thread, which has it or not; used by that thread alone */

/* For N_THREADS threads, AT_ONCE of which have a turn, those with spare ones apart.  Owns: caller
 * frees with turns_free. */
struct turns *turns_new(size_t n_threads, size_t at_once);
/* When no thread uses its turn any more. */
void turns_free(struct turns *);

/* The calling thread's own, at first without the turn.  Owns: borrowed until turns_free. */
struct turn *turns_join(struct turns *);
/* Sleep until the thread has its turn; it may have kept it. */
void turns_take(struct turn *);
/* A request begins.  It ends with the next turns_take. */
void turns_begin(struct turn *);
/* Another thread may have the turn, if this one has it still. */
void turns_pass_on(struct turn *);

#endif
