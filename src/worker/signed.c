#include "worker/signed.h"

#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/accounts.h"
#include "store/replay.h"
#include "upload/release.h"

#define BATCH	   100	 /* records a pass */
#define UNKNOWN_MS 10000 /* a write that nobody waits for ends by itself */
#define ASK_MS	   500

struct find {
	char id[24];
	json_object *record;
};

static enum err find_pass(struct pass *p, void *arg)
{
	struct find *f = arg;

	json_object_put(f->record);
	f->record = NULL;
	return receivers_get(p, f->id, &f->record);
}

bool signed_target_open(struct work *work, struct signed_target *ret)
{
	struct find f = {.record = NULL};
	enum err err;

	*ret = (struct signed_target){.record = NULL};
	(void)snprintf(f.id, sizeof(f.id), "%lld",
		       (long long)json_int(work->task, "receiver_id", 0));
	err = store_pass(work->w->store, PASS_READ, "receiver", find_pass, &f, &work->error);
	ret->record = f.record;
	if (err != ERR_OK)
		return refuse(&ret->refusal,
			      err == ERR_NOT_FOUND ? REFUSE_UNKNOWN : REFUSE_DATABASE, "%s",
			      err == ERR_NOT_FOUND ? "" : "other in import");
	return receiver_read(f.record, &ret->receiver, &ret->refusal);
}

void signed_target_close(struct signed_target *t)
{
	receiver_free(t->receiver);
	json_object_put(t->record);
	*t = (struct signed_target){.record = NULL};
}

void signed_mark(const json_object *task, unsigned char ret[32])
{
	if (token_hex_bytes(json_str(task, "mark", ""), ret, 32))
		return;
	CLEAN_FREE char *text =
	    mem_printf("import-table %lld %lld", (long long)json_int(task, "id", 0),
		       (long long)json_int(task, "queued", 0));
	struct digest_run *run = digest_new(DIGEST_SHA256);

	digest_feed(run, text, strlen(text));
	digest_end(run, ret);
}

enum mark_state signed_outcome(struct work *work, const struct signed_target *target)
{
	const char *kept = json_str(work->task, "kept", NULL);
	int64_t until = clock_mono_ms() + work->w->config->signed_lock_wait_s * 1000 + UNKNOWN_MS;
	enum mark_state state;
	unsigned char mark[32];

	signed_mark(work->task, mark);
	/* A database may still be at what its dead client began: writing again now could write
	 * twice. */
	while ((state = write_outcome(work->w->targets, target->receiver, mark, kept)) ==
		   MARK_UNKNOWN &&
	       clock_mono_ms() < until && work_beat(work, NULL))
		clock_sleep_ms(ASK_MS);
	return state;
}

/* ---- a row request whose front died */

struct orphan {
	struct work *work;
	enum mark_state state;
	json_object *record; /* the receiver's */
};

static enum err orphan_pass(struct pass *p, void *arg)
{
	const struct orphan *o = arg;
	CLEAN_JSON json_object *answer = json_object_new_object(), *entry = NULL;
	unsigned char key[32];
	enum err err = ERR_OK;

	if (token_hex_bytes(json_str(o->work->task, "replay", ""), key, sizeof(key)))
		err = replay_get(p, key, &entry);
	/* The client came again before us: that request has the entry. */
	if (err == ERR_OK && entry != NULL && json_int(entry, "task", 0) == o->work->id &&
	    strcmp(json_str(entry, "state", ""), "running") == 0) {
		json_set_int(json_set_str(answer, "msg", "success"), "status", 200);
		err = o->state == MARK_COMMITTED
			  ? replay_end(p, key, entry, json_set_int(answer, "task", o->work->id))
			  : replay_forget(p, key);
	}
	if (err == ERR_NOT_FOUND)
		err = ERR_OK;
	return err == ERR_OK && o->state == MARK_COMMITTED ? tasks_refresh(p, o->record) : err;
}

/* It wrote or it did not; the table knows. */
static void work_receive(struct work *work)
{
	struct signed_target target;
	struct orphan o = {.work = work, .state = MARK_ROLLED_BACK};

	if (signed_target_open(work, &target))
		o.state = signed_outcome(work, &target);
	o.record = target.record;
	json_object_put(work->problems);
	work->problems = NULL;
	if (o.state != MARK_COMMITTED)
		problems_add(&work->problems, problem_new("worker_lost"));
	work->told = json_object_new_object();
	json_set_str(work->told, "message",
		     o.state == MARK_COMMITTED ? "success" : "database error: other in import");
	(void)work_end(work, orphan_pass, &o);
	signed_target_close(&target);
}

bool signed_work(struct work *work)
{
	static const struct {
		const char *kind;
		void (*run)(struct work *);
	} kinds[] = {{"import-table", work_import_table},
		     {"receive", work_receive},
		     {"refresh-table", work_refresh_table}};
	const char *kind = json_str(work->task, "kind", "");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0) {
			kinds[i].run(work);
			return true;
		}
	return false;
}

/* ---- sweeping */

struct sweep {
	const struct config *config;
	json_object *ids;
	int64_t id;
	json_object *release; /* uploads */
};

static enum err due_pass(struct pass *p, void *arg)
{
	struct sweep *s = arg;

	json_object_put(s->ids);
	s->ids = NULL;
	return tasks_kept_until(p, clock_now_ms(), BATCH, &s->ids);
}

static enum err let_go_pass(struct pass *p, void *arg)
{
	struct sweep *s = arg;
	CLEAN_JSON json_object *task = NULL;
	json_object *id = NULL;
	enum err err = tasks_get(p, s->id, &task);

	json_object_put(s->release);
	s->release = json_object_new_array();
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	JSON_EACH(id, json_arr(task, "uploads"))
	{
		json_object *item = json_object_new_object();

		json_set_bool(json_set_str(item, "id", json_object_get_string(id)), "own",
			      json_bool(task, "own", true));
		json_object_array_add(s->release, item);
	}
	json_object_object_del(task, "until");
	err = release_pass(p, s->release);
	return err == ERR_OK ? tasks_put(p, task) : err;
}

static enum err forget_pass(struct pass *p, void *arg)
{
	const struct sweep *s = arg;
	json_object *ids = NULL, *id = NULL;
	enum err err =
	    tasks_signed_old(p, clock_now_ms() - s->config->signed_task_keep_s * 1000, BATCH, &ids);

	JSON_EACH(id, ids)
	if (err == ERR_OK)
		err = tasks_delete(p, json_object_get_int64(id));
	json_object_put(ids);
	return err;
}

void signed_sweep(struct worker *w)
{
	struct sweep s = {.config = w->config};
	json_object *id = NULL;

	if (store_pass(w->store, PASS_READ, "kept files", due_pass, &s, NULL) == ERR_OK)
		JSON_EACH(id, s.ids)
		{
			s.id = json_object_get_int64(id);
			if (store_pass(w->store, PASS_DELETE, "kept file", let_go_pass, &s, NULL) ==
			    ERR_OK)
				release_files(w->engine, s.release);
		}
	(void)store_pass(w->store, PASS_DELETE, "old imports", forget_pass, &s, NULL);
	json_object_put(s.ids);
	json_object_put(s.release);
}
