#include "signed/trial.h"

#include "base/clock.h"
#include "signed/ds.h"
#include "store/accounts.h"

#define LOCK_WAIT_MS 5000

struct trial {
	struct store *store;
	int64_t receiver;
};

static bool codes(void *arg, const char *column, const char *day, int64_t n, int64_t *ret_first)
{
	const struct trial *t = arg;

	return codes_take(t->store, t->receiver, column, day, n, ret_first, NULL) == ERR_OK;
}

bool trial_rows(struct targets *targets, struct store *store, const struct receiver *receiver,
		const char *text, size_t len, enum operation op, const char *visitor,
		struct write_counts *ret, json_object **ret_bad, struct refusal *r)
{
	struct trial t = {.store = store, .receiver = receiver->id};
	struct write_order order = {.receiver = receiver,
				    .op = op,
				    .dry_run = true,
				    .visitor = visitor,
				    .stamp_ms = clock_now_ms(),
				    .lock_wait_ms = LOCK_WAIT_MS,
				    .codes = codes,
				    .max_bad = TRIAL_BAD_MAX,
				    .arg = &t};
	struct ds *ds = NULL;
	bool ok;

	*ret_bad = order.bad = json_object_new_array();
	if (!ds_open(text, len, receiver->max_rows, &ds, r))
		return false;
	order.rows = ds_rows(ds);
	if (ds_count(ds) == 0 && !receiver->allow_empty)
		ok = refuse(r, REFUSE_BAD, "no rows");
	else
		ok = write_rows(targets, &order, ret, r);
	ds_free(ds);
	return ok;
}
