/*
 * The transaction of a write.  On an embedded file writers wait for each other in turn, and small
 * ones share a transaction: each is a part of its own, all or nothing, and succeeds only when
 * COMMIT did.
 */
#include "signed/writer_inside.h"

#include "base/clock.h"
#include "signed/lane.h"

#define ROWS_MOST 1000 /* of a write that shares: the others wait for it */

static void deadline(struct write *w)
{
	w->link->deadline_ms = clock_mono_ms() + w->order->receiver->timeout_s * 1000;
	plan_watch(w->plan, writer_let_go, w->link);
}

/* ---- alone */

static bool run_alone(struct write *w, const struct write_order *order, struct write_counts *ret,
		      struct refusal *r)
{
	struct write_counts counts = {0};
	struct fault fault = {0};

	if (!w->link->kind->begin(w->link, order, &fault))
		return fault_refuse(&fault, "begin", r);
	deadline(w);
	if (writer_transact(w, &counts, r)) {
		if (w->link->kind->commit(w->link, order, &fault)) {
			*ret = counts;
			return true;
		}
		(void)fault_refuse(&fault, "commit", r);
	}
	w->link->stale = true;
	/* Statements that still stand would keep the transaction open. */
	plan_each_layout(w->plan, writer_let_go, w->link);
	w->link->kind->rollback(w->link);
	return false;
}

/* ---- with others */

static bool may_share(const struct write *w)
{
	const struct receiver *receiver = w->order->receiver;

	/* Statements of a configuration may leave something in the session, or take long. */
	return receiver->n_pre == 0 && receiver->n_post == 0 && w->order->mark != NULL &&
	       !w->order->dry_run && !w->order->replace && !w->create && w->n_rows <= ROWS_MOST;
}

/* Our part, on the link of the shared transaction.  *RET_LOST: it took all others with it. */
static bool run_part(struct write *w, struct write_counts *counts, bool *ret_lost,
		     struct refusal *r)
{
	const struct link_kind *kind = w->link->kind;
	struct fault fault = {0};
	bool good;

	*ret_lost = false;
	deadline(w);
	if (!kind->part_begin(w->link, &fault)) {
		*ret_lost = true;
		return fault_refuse(&fault, "begin", r);
	}
	good = writer_transact(w, counts, r);
	plan_each_layout(w->plan, writer_let_go, w->link);
	if (good && !kind->part_end(w->link, w->order, &fault))
		good = fault_refuse(&fault, "commit", r);
	if (!good)
		*ret_lost = !kind->part_undo(w->link);
	return good;
}

/* What the parts did so far is kept; or nothing of it, whoever's fault that is. */
static bool end_together(struct link *link, bool lost, struct fault *fault)
{
	const struct write_order plain = {.mark = NULL};

	if (!lost && link->kind->commit(link, &plain, fault))
		return true;
	link->stale = true;
	link->kind->rollback(link);
	return false;
}

/* One after the other on LINK.  False: one of them took all others with it. */
static bool run_parts(struct link *link, struct write_part *parts, size_t n)
{
	bool lost = false;

	for (size_t i = 0; i < n && !lost; i++) {
		struct write *w = parts[i].write;
		struct link *own = w->link;

		if (parts[i].refusal.code != REFUSE_NOTHING)
			continue;
		w->link = link;
		parts[i].good = run_part(w, &parts[i].counts, &lost, &parts[i].refusal);
		w->link = own;
		own->stale |= !parts[i].good;
	}
	return !lost;
}

static void refuse_all(struct write_part *parts, size_t n, const struct fault *fault,
		       const char *place)
{
	for (size_t i = 0; i < n; i++) {
		if (parts[i].refusal.code == REFUSE_NOTHING)
			(void)fault_refuse(fault, place, &parts[i].refusal);
		parts[i].good = false;
	}
}

/* Nothing was written of those that were not at fault. */
static void run_each_alone(struct write_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct write_part *part = &parts[i];

		if (part->refusal.code == REFUSE_NOTHING)
			part->good = run_alone(part->write, part->write->order, &part->counts,
					       &part->refusal);
	}
}

/* With the turn. */
static void run_together(struct write_part *parts, size_t n, int64_t wait_ms)
{
	struct link *link = parts[0].write->link;
	struct write_order order = *parts[0].write->order;
	struct fault fault = {0};
	bool lost;

	order.lock_wait_ms = wait_ms;
	if (!link->kind->begin(link, &order, &fault)) {
		refuse_all(parts, n, &fault, "begin");
		return;
	}
	lost = !run_parts(link, parts, n);
	if (end_together(link, lost, &fault))
		return;
	if (lost)
		run_each_alone(parts, n);
	else
		refuse_all(parts, n, &fault, "commit");
}

enum write_turn write_gather(struct write *w, void *item, struct lane **ret,
			     struct lane_group *group)
{
	if (w->link->kind->part_begin == NULL || !may_share(w))
		return WRITE_ALONE;
	switch (lane_gather(targets_gatherings(w->targets), w->link->key, item,
			    w->order->lock_wait_ms, ret, group)) {
	case LANE_OURS:
		return WRITE_LEADS;
	case LANE_DONE:
		return WRITE_DONE;
	case LANE_LATE:
		break;
	}
	return WRITE_LATE;
}

/* ---- in turn */

/* *RET_LEFT_MS of WAIT_MS are left then. */
static bool take_turn(struct write *w, int64_t wait_ms, struct lane **ret, int64_t *ret_left_ms)
{
	int64_t until = clock_mono_ms() + wait_ms;

	if (!lane_take(targets_lanes(w->targets), w->link->key, wait_ms, ret))
		return false;
	*ret_left_ms = until - clock_mono_ms();
	if (*ret_left_ms < 0)
		*ret_left_ms = 0;
	return true;
}

void write_run_together(struct write_part *parts, size_t n)
{
	const struct fault busy = {.kind = FAULT_BUSY};
	struct write *first = parts[0].write;
	struct lane *lane;
	int64_t left_ms;

	for (size_t i = 0; i < n; i++)
		(void)writer_codes(parts[i].write, &parts[i].refusal);
	if (!take_turn(first, first->order->lock_wait_ms, &lane, &left_ms)) {
		refuse_all(parts, n, &busy, "turn");
		return;
	}
	run_together(parts, n, left_ms);
	lane_leave(lane);
}

static bool run_in_turn(struct write *w, struct write_counts *ret, struct refusal *r)
{
	struct write_order order = *w->order;
	const struct fault busy = {.kind = FAULT_BUSY};
	struct lane *lane;
	bool good;

	if (!take_turn(w, order.lock_wait_ms, &lane, &order.lock_wait_ms))
		return fault_refuse(&busy, "turn", r);
	good = run_alone(w, &order, ret, r);
	lane_leave(lane);
	return good;
}

bool write_run(struct write *w, struct write_counts *ret, struct refusal *r)
{
	if (!writer_codes(w, r))
		return false;
	return w->link->kind->part_begin != NULL ? run_in_turn(w, ret, r)
						 : run_alone(w, w->order, ret, r);
}
