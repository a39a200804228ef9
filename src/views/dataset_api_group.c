/*
 * Requests that write into the same file at the same time: whoever has the turn claims all of them
 * in one pass, writes their rows in one transaction, and records their ends in one more.  Each is
 * carried out or refused as if it were alone, and a request that needs more than that (one that was
 * here before, one too many) is left to its own thread.
 */
#include "views/dataset_api.h"

#include "base/mem.h"

struct group {
	struct dataset_call *calls[LANE_GROUP_MAX];
	size_t n;
	bool claimed[LANE_GROUP_MAX];
};

/* May it be carried out, and is it now claimed for that? */
static enum err claim_one(struct pass *p, struct dataset_call *d, bool *ret)
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = signed_claim(p, &d->s, d->task, &old);

	*ret = err == ERR_OK;
	return err == ERR_RATE || err == ERR_CONFLICT ? ERR_OK : err;
}

static enum err claim_pass(struct pass *p, void *arg)
{
	struct group *g = arg;
	enum err err = ERR_OK;

	for (size_t i = 0; i < g->n && err == ERR_OK; i++)
		err = claim_one(p, g->calls[i], &g->claimed[i]);
	return err;
}

/* One lock says that whoever claimed them lives. */
static bool claim_all(struct group *g)
{
	struct signed_call *first = &g->calls[0]->s;
	struct store *store = first->call->ctx->store;
	bool good = replay_lock(store, first->once.number, &first->once.lock, NULL) == ERR_OK;

	for (size_t i = 0; i < g->n; i++) {
		g->calls[i]->s.once.number = first->once.number;
		g->calls[i]->task = dataset_api_task(g->calls[i]);
	}
	return good && store_pass(store, PASS_SYNC_SHARED, "signed", claim_pass, g, NULL) == ERR_OK;
}

/* It is its own thread's again, as if nothing had been. */
static void give_back(struct dataset_call *d, bool leader)
{
	json_object_put(d->task);
	d->task = NULL;
	d->s.task = 0;
	if (leader)
		replay_unlock(&d->s.once.lock);
	signed_once_number(&d->s.once);
}

static void write_all(struct dataset_call *const *calls, size_t n)
{
	struct write_part parts[LANE_GROUP_MAX]; /* large: only what is used is cleared */

	for (size_t i = 0; i < n; i++)
		parts[i] = (struct write_part){.write = calls[i]->write};
	write_run_together(parts, n);
	for (size_t i = 0; i < n; i++) {
		calls[i]->written = parts[i].good;
		calls[i]->counts = parts[i].counts;
		calls[i]->s.refusal = parts[i].refusal;
		calls[i]->s.counted = true;
		calls[i]->carried = true;
	}
}

/* The next group may be claimed as soon as this one is, while its rows are written. */
static void carry_out(struct lane *lane, const struct lane_group *all)
{
	struct dataset_call *ours[LANE_GROUP_MAX];
	struct group g = {.n = all->n};
	bool claimed;
	size_t n = 0;

	for (size_t i = 0; i < g.n; i++)
		g.calls[i] = all->items[i];
	claimed = claim_all(&g);
	lane_leave(lane);
	for (size_t i = 0; i < g.n; i++) {
		if (claimed && g.claimed[i])
			ours[n++] = g.calls[i];
	}
	if (n > 0) {
		write_all(ours, n);
		dataset_api_finish(ours, n);
	}
	for (size_t i = 0; i < g.n; i++) {
		if (!g.calls[i]->carried)
			give_back(g.calls[i], i == 0);
	}
}

bool dataset_api_together(struct dataset_call *d)
{
	struct lane_group group;
	struct lane *lane;

	switch (write_gather(d->write, d, &lane, &group)) {
	case WRITE_ALONE:
		return false;
	case WRITE_LATE:
		return !refuse(&d->s.refusal, REFUSE_BUSY, "%s", "");
	case WRITE_LEADS:
		carry_out(lane, &group);
		lane_wake(&group);
		break;
	case WRITE_DONE:
		break;
	}
	return d->carried;
}
