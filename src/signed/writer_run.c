/*
 * The transaction of a write.  On an embedded file writers wait for each other in turn, and small
 * ones share a transaction: each is a part of its own, all or nothing, and is told of success only
 * when COMMIT was.
 */
#include "signed/writer_inside.h"

#include "base/clock.h"
#include "signed/lane.h"

#define PARTS_MOST 32	/* of a shared transaction */
#define ROWS_MOST  1000 /* of a write that shares: the others wait for it */

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

/* Who has the turn ends what is open on LINK, and tells the others. */
static void end_joint(struct lane *lane, struct link *link, bool lost)
{
	const struct write_order plain = {.mark = NULL};
	struct fault fault = {0};

	if (lost || !link->kind->commit(link, &plain, &fault)) {
		link->stale = true;
		link->kind->rollback(link);
	}
	lane_close(lane, &fault, lost);
}

/* *RET_AGAIN: another one's fault took ours with it; nothing was written. */
static bool run_joint(struct write *w, struct lane *lane, const struct write_order *order,
		      struct write_counts *ret, bool *ret_again, struct refusal *r)
{
	struct write_counts counts = {0};
	struct link *own = w->link;
	struct joint *joint;
	struct fault fault = {0};
	bool good, lost, held;

	*ret_again = false;
	if (lane_link(lane) == NULL && !own->kind->begin(own, order, &fault)) {
		lane_leave(lane);
		return fault_refuse(&fault, "begin", r);
	}
	joint = lane_join(lane, own);
	w->link = joint->link;
	good = run_part(w, &counts, &lost, r);
	w->link = own;
	held = lost || joint->n >= PARTS_MOST || !lane_hand_over(lane, joint);
	if (held)
		end_joint(lane, joint->link, lost);
	if (good && joint->lost)
		good = !(*ret_again = true);
	else if (good && joint->fault.kind != FAULT_NONE)
		good = fault_refuse(&joint->fault, "commit", r);
	lane_part(lane, joint, held);
	own->stale |= !good;
	*ret = good ? counts : *ret;
	return good;
}

static bool run_in_turn(struct write *w, struct write_counts *ret, struct refusal *r)
{
	struct write_order order = *w->order;
	int64_t until = clock_mono_ms() + order.lock_wait_ms;
	struct fault busy = {.kind = FAULT_BUSY};
	bool share = may_share(w), again = true, good = false;
	struct lane *lane;

	while (again) {
		again = false;
		if (!lane_take(targets_lanes(w->targets), w->link->key, order.lock_wait_ms, &lane))
			return fault_refuse(&busy, "turn", r);
		order.lock_wait_ms = until - clock_mono_ms();
		if (order.lock_wait_ms < 0)
			order.lock_wait_ms = 0;
		if (share) {
			good = run_joint(w, lane, &order, ret, &again, r);
			share = false;
			continue;
		}
		if (lane_link(lane) != NULL)
			end_joint(lane, lane_link(lane), false);
		good = run_alone(w, &order, ret, r);
		lane_leave(lane);
	}
	return good;
}

bool write_run(struct write *w, struct write_counts *ret, struct refusal *r)
{
	if (!writer_codes(w, r))
		return false;
	return w->link->kind->part_begin != NULL ? run_in_turn(w, ret, r)
						 : run_alone(w, w->order, ret, r);
}
