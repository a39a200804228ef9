/*
 * A write happens once, whatever dies: the request is claimed in the store before it is carried
 * out; whoever repeats it gets the first one's answer, waits for it, or, when its process is gone,
 * asks the table itself what became of it.
 */
#include "views/dataset_api.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/accounts.h"

#define ALONE_MS 1000 /* a repeat waits this long without one of the site's wait slots */
#define NAP_MS	 200
#define SPARE_MS 60000 /* a request ends this long after its own limits at the latest */

/* ---- the task */

json_object *dataset_api_task(const struct dataset_call *d)
{
	const struct signed_call *s = &d->s;
	json_object *t = json_object_new_object();
	CLEAN_FREE char *owner = mem_printf("u:%s", json_str(s->account, "user", s->visitor));
	char mark[65];

	signed_once_hex(&s->once, mark);
	json_set_str(t, "kind", "receive");
	json_set_str(t, "owner", owner);
	json_set_str(t, "account", s->visitor);
	json_set_str(t, "receiver", s->receiver->name);
	json_set_int(t, "receiver_id", s->receiver->id);
	json_set_str(t, "mark", mark);
	if (s->once.on)
		json_set_str(t, "replay", mark);
	json_set_str(t, "address", s->call->req->address);
	json_set_int(t, "stamp", s->stamp_ms);
	json_set_int(t, "heartbeat",
		     s->now_ms + s->call->ctx->config->signed_lock_wait_s * 1000 +
			 s->receiver->timeout_s * 1000 + SPARE_MS);
	return t;
}

/* ---- claiming */

struct claim {
	struct dataset_call *d;
	json_object *old; /* the entry that has our key; owned */
	int64_t lock;	  /* of the owner whose place is taken */
	const char *kept;
};

static enum err claim_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;

	json_object_put(c->old);
	c->old = NULL;
	return signed_claim(p, &c->d->s, c->d->task, &c->old);
}

static enum err get_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;

	json_object_put(c->old);
	c->old = NULL;
	return replay_get(p, c->d->s.once.key, &c->old);
}

/* ---- after a death */

static json_object *answer_of(const struct dataset_call *d, bool counted)
{
	json_object *a = json_object_new_object(), *rows = json_object_new_object();

	json_set_int(a, "status", 200);
	json_set_str(a, "msg", "success");
	json_set_int(a, "task", d->s.task);
	json_set_int(rows, "inserted", d->counts.inserted);
	json_set_int(rows, "updated", d->counts.updated);
	json_set_int(rows, "deleted", d->counts.deleted);
	json_set(rows, "bad", json_object_new_int(0));
	/* Nobody knows the figures of one who died after COMMIT. */
	if (counted)
		json_set(a, "rows", rows);
	else
		json_object_put(rows);
	return a;
}

/* End the task in this pass: TEXT is the wire's word for what became of it. */
static enum err end_task(struct pass *p, json_object *task, const char *state, const char *text,
			 json_object *rows)
{
	enum err err;

	json_set_str(task, "message", text);
	json_set_int(task, "ended", clock_now_ms());
	if (rows != NULL)
		json_set(task, "rows", json_object_get(rows));
	err = tasks_end(p, task, state);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Is the entry still that of the dead owner?  ERR_CONFLICT: somebody else was here. */
static enum err still_his(struct pass *p, const struct claim *c, json_object **ret)
{
	enum err err = replay_get(p, c->d->s.once.key, ret);

	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_CONFLICT : err;
	return strcmp(json_str(*ret, "state", ""), "running") == 0 &&
		       json_int(*ret, "lock", 0) == c->lock
		   ? ERR_OK
		   : ERR_CONFLICT;
}

static enum err committed_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;
	struct dataset_call *d = c->d;
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *task = NULL;
	CLEAN_JSON json_object *answer = answer_of(d, false);
	enum err err = still_his(p, c, &record);

	if (err == ERR_OK)
		err = replay_end(p, d->s.once.key, record, answer);
	if (err == ERR_OK && (err = tasks_get(p, d->s.task, &task)) == ERR_OK)
		err = end_task(p, task, "done", "success", NULL);
	err = err == ERR_NOT_FOUND ? ERR_OK : err;
	return err == ERR_OK ? tasks_refresh(p, d->s.record) : err;
}

static enum err takeover_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;
	struct dataset_call *d = c->d;
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *task = NULL;
	enum err err = still_his(p, c, &record);

	if (err == ERR_OK)
		err = tasks_get(p, d->s.task, &task);
	if (err == ERR_OK) {
		json_set_str(task, "state", "running");
		json_set_int(task, "heartbeat", json_int(d->task, "heartbeat", 0));
		err = tasks_put(p, task);
		json_object_put(d->task);
		d->task = json_object_get(task);
	}
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	json_set_int(record, "lock", d->s.once.number);
	json_object_object_del(record, "kept");
	return replay_put(p, d->s.once.key, record);
}

/*
 * Its owner died: the table tells whether it was carried out.  True: it was, or we are to do it
 * (*RET_MINE).
 */
static bool resolve(struct claim *c, bool *ret_mine)
{
	struct dataset_call *d = c->d;
	struct signed_call *s = &d->s;
	const char *kept = json_str(c->old, "kept", NULL);
	enum mark_state state =
	    write_outcome(s->call->ctx->targets, s->receiver, s->once.key, kept);
	enum err err = ERR_CONFLICT;

	c->lock = json_int(c->old, "lock", 0);
	s->task = json_int(c->old, "task", 0);
	if (state == MARK_COMMITTED)
		err = store_pass(s->call->ctx->store, PASS_SYNC, "signed done", committed_pass, c,
				 &s->call->error);
	else if (state == MARK_ROLLED_BACK)
		err = store_pass(s->call->ctx->store, PASS_SYNC, "signed again", takeover_pass, c,
				 &s->call->error);
	if (err != ERR_OK)
		return false;
	log_line(LOG_LEVEL_WARN, s->call->req->id, "task %lld of a process that died: %s",
		 (long long)s->task, state == MARK_COMMITTED ? "was carried out" : "done again");
	*ret_mine = state == MARK_ROLLED_BACK;
	if (!*ret_mine)
		s->once.answer = answer_of(d, false);
	return true;
}

/* ---- waiting for the first one */

static bool take_answer(struct claim *c)
{
	struct signed_call *s = &c->d->s;

	s->once.answer = json_copy(json_obj(c->old, "answer"));
	s->once.replayed = true;
	s->task = json_int(c->old, "task", 0);
	return s->once.answer != NULL;
}

/* One look at the entry that has our key: true when nothing is left to wait for. */
static bool look_at_old(struct claim *c, bool *ret_mine)
{
	struct signed_call *s = &c->d->s;

	*ret_mine = false;
	if (!signed_once_same(s, c->old))
		return true;
	if (strcmp(json_str(c->old, "state", ""), "done") == 0)
		return take_answer(c) || !signed_err(s, ERR_STORE);
	return !replay_locked(s->call->ctx->store, json_int(c->old, "lock", 0)) &&
	       resolve(c, ret_mine) && (*ret_mine || (s->once.replayed = true));
}

/* Claim it, or stay until the first one has ended or signed.wait is over. */
static bool claim_or_wait(struct claim *c)
{
	struct signed_call *s = &c->d->s;
	struct ctx *ctx = s->call->ctx;
	int64_t start = clock_mono_ms(), nap = 5;
	bool mine = false, over = false;
	int slot = -1;
	enum err err = ERR_NOT_FOUND;

	while (!over) {
		/* Gone: the first one changed nothing, or nobody was here before. */
		if (err == ERR_NOT_FOUND)
			err = store_pass(ctx->store, PASS_SYNC_SHARED, "signed", claim_pass, c,
					 &s->call->error);
		mine = err == ERR_OK;
		if (mine || (err != ERR_CONFLICT && !signed_err(s, err)))
			break;
		over = look_at_old(c, &mine);
		if (over)
			break;
		if (clock_mono_ms() - start > ALONE_MS && slot < 0 && !wait_slot_take(ctx, &slot))
			over = !refuse(&s->refusal, REFUSE_BUSY, "%s", "");
		if (clock_mono_ms() - start > ctx->config->signed_wait_s * 1000 ||
		    transport_stopping())
			over = !refuse(&s->refusal, REFUSE_BUSY, "%s", "");
		clock_sleep_ms(nap);
		nap = nap < NAP_MS ? nap * 5 / 4 + 1 : nap;
		err = store_pass(ctx->store, PASS_READ, "signed", get_pass, c, &s->call->error);
		err = err == ERR_OK ? ERR_CONFLICT : err;
	}
	wait_slot_give(slot);
	return s->refusal.code == REFUSE_NOTHING && (mine || s->once.answer != NULL);
}

bool dataset_api_claim(struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	struct claim c = {.d = d};
	enum err err = ERR_OK;
	bool ok;

	d->task = dataset_api_task(d);
	/* Ours before anybody can read the entry. */
	if (s->once.on)
		err = replay_lock(s->call->ctx->store, s->once.number, &s->once.lock,
				  &s->call->error);
	if (err != ERR_OK)
		return signed_err(s, err);
	ok = claim_or_wait(&c);
	json_object_put(c.old);
	if (!ok)
		s->task = 0;
	s->counted = ok && !s->once.replayed;
	return ok;
}

/* ---- the end */

struct finish {
	struct dataset_call *const *calls;
	size_t n;
};

static enum err finish_one(struct pass *p, struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	char text[sizeof(s->refusal.what) + 64];
	enum err err = ERR_OK;

	if (d->written) {
		err = signed_once_done(p, s);
		if (err == ERR_OK)
			err = end_task(p, d->task, "done", "success",
				       json_obj(s->once.answer, "rows"));
		return err == ERR_OK ? tasks_refresh(p, s->record) : err;
	}
	/* Nothing was changed: the same request may come again, a corrected one, too. */
	if (s->once.on)
		err = replay_forget(p, s->once.key);
	if (err != ERR_OK)
		return err;
	if (s->refusal.code == REFUSE_BUSY)
		return tasks_delete(p, s->task);
	return end_task(p, d->task, "failed", refusal_text(&s->refusal, text, sizeof(text)), NULL);
}

/* What is not known is left to the table, which is asked when the request comes again. */
static bool is_known(const struct dataset_call *d)
{
	return d->written || d->rolled_back || d->s.refusal.code != REFUSE_UNREACHABLE;
}

static enum err finish_pass(struct pass *p, void *arg)
{
	const struct finish *f = arg;
	enum err err = ERR_OK;

	for (size_t i = 0; i < f->n && err == ERR_OK; i++)
		err = is_known(f->calls[i]) ? finish_one(p, f->calls[i]) : ERR_OK;
	return err;
}

/* A lost connection may hide a COMMIT: only the table can tell, now or later. */
static void ask_table(struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	enum mark_state state =
	    write_outcome(s->call->ctx->targets, s->receiver, s->once.key, d->kept);

	if (state == MARK_COMMITTED) {
		s->refusal = (struct refusal){0};
		s->once.answer = answer_of(d, false);
		d->written = true;
	} else if (state == MARK_ROLLED_BACK) {
		d->rolled_back = true;
	}
}

void dataset_api_finish(struct dataset_call *const *calls, size_t n)
{
	const struct call *first = calls[0]->s.call;
	struct finish f = {calls, n};
	struct error error = {0};
	enum err err;

	for (size_t i = 0; i < n; i++) {
		if (calls[i]->written)
			calls[i]->s.once.answer = answer_of(calls[i], true);
		else if (!is_known(calls[i]))
			ask_table(calls[i]);
	}
	err =
	    store_pass(first->ctx->store, PASS_WRITE_NOSYNC, "signed end", finish_pass, &f, &error);
	for (size_t i = 0; i < n; i++) {
		struct signed_call *s = &calls[i]->s;

		if (err != ERR_OK)
			log_line(LOG_LEVEL_ERROR, s->call->req->id,
				 "the end of task %lld is not recorded: %s", (long long)s->task,
				 error.text);
		if (s->refusal.code == REFUSE_BUSY)
			s->task = 0;
	}
}

/* ---- callbacks of the writer */

bool dataset_api_codes(void *arg, const char *column, const char *day, int64_t n,
		       int64_t *ret_first)
{
	struct dataset_call *d = arg;

	return codes_take(d->s.call->ctx->store, d->s.receiver->id, column, day, n, ret_first,
			  &d->s.call->error) == ERR_OK;
}

static enum err keep_pass(struct pass *p, void *arg)
{
	const struct dataset_call *d = arg;
	const struct signed_call *s = &d->s;
	CLEAN_JSON json_object *record = NULL;
	enum err err = tasks_put(p, json_set_str(d->task, "kept", d->kept));

	if (err != ERR_OK || !s->once.on)
		return err;
	err = replay_get(p, s->once.key, &record);
	if (err != ERR_OK)
		return err;
	json_set_str(record, "kept", d->kept);
	return replay_put(p, s->once.key, record);
}

bool dataset_api_keep(void *arg, const char *text)
{
	struct dataset_call *d = arg;

	free(d->kept);
	d->kept = mem_strdup(text);
	return store_pass(d->s.call->ctx->store, PASS_SYNC, "kept", keep_pass, d,
			  &d->s.call->error) == ERR_OK;
}
