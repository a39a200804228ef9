/*
 * The queue.  Its index holds, beside the key record.h names, one space more:
 *   tasks_by_state   state NUL id      value: owner
 *                    0x01 ended id     ended tasks, oldest first
 * and for tasks of the signed APIs
 *                    0x02 ended id     ended ones, instead of 0x01
 *                    0x03 ~id          all, newest first
 *                    0x04 owner NUL ~id
 *                    0x05 account NUL ~id
 *                    0x06 account NUL receiver name NUL ~id    whose file is kept
 *                    0x07 until id                             the same
 */
#include "store/tasks.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/entry.h"

#define SPACE_ENDED	   1
#define SPACE_SIGNED_ENDED 2
#define SPACE_SIGNED	   3
#define SPACE_OWNER	   4
#define SPACE_ACCOUNT	   5
#define SPACE_FILE	   6
#define SPACE_UNTIL	   7
#define LOG_MAX		   (64 * 1024)

static bool is_signed(const json_object *task)
{
	const char *kind = json_str(task, "kind", "");

	return strcmp(kind, "receive") == 0 || strcmp(kind, "import-table") == 0;
}

/* Not a job of the worker while its front is at it. */
static bool is_receive(const json_object *task)
{
	return strcmp(json_str(task, "kind", ""), "receive") == 0;
}

static bool is_ended(const char *state)
{
	return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
	       strcmp(state, "canceled") == 0;
}

static struct key state_key(const json_object *task)
{
	struct key k = {0};

	key_nul(&k, json_str(task, "state", ""));
	key_number(&k, (uint64_t)json_int(task, "id", 0));
	return k;
}

static struct key ended_key(const json_object *task)
{
	struct key k = {0};

	/* One whose file is kept stays as long as that. */
	if (!is_ended(json_str(task, "state", "")) || json_int(task, "until", 0) > 0)
		return k;
	key_byte(&k, is_signed(task) ? SPACE_SIGNED_ENDED : SPACE_ENDED);
	key_number(&k, (uint64_t)json_int(task, "ended", 0));
	key_number(&k, (uint64_t)json_int(task, "id", 0));
	return k;
}

/* NAME: whose; NULL = anybody's. */
static struct key newest_key(unsigned char space, const char *name, int64_t id)
{
	struct key k = {0};

	key_byte(&k, space);
	if (name != NULL)
		key_nul(&k, name);
	key_number(&k, ~(uint64_t)id);
	return k;
}

/* Whose it is never changes: these entries come and go with the record. */
static enum err index_signed(struct pass *p, const json_object *now, const json_object *was)
{
	const json_object *task = now != NULL ? now : was;
	int64_t id = json_int(task, "id", 0);
	struct key keys[] = {newest_key(SPACE_SIGNED, NULL, id),
			     newest_key(SPACE_OWNER, json_str(task, "owner", "-"), id),
			     newest_key(SPACE_ACCOUNT, json_str(task, "account", ""), id)};
	enum err err = ERR_OK;

	if (!is_signed(task) || (now != NULL && was != NULL))
		return ERR_OK;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && err == ERR_OK; i++)
		err = now != NULL ? entry_put(p, TABLE_TASKS_BY_STATE, &keys[i])
				  : entry_delete(p, TABLE_TASKS_BY_STATE, &keys[i]);
	return err;
}

static struct key file_prefix(const char *account, int64_t receiver, const char *name)
{
	struct key k = {0};

	key_byte(&k, SPACE_FILE);
	key_nul(&k, account);
	key_number(&k, (uint64_t)receiver);
	key_nul(&k, name);
	return k;
}

/* NULL or without a kept file: no key. */
static struct key file_key(const json_object *task)
{
	struct key k = {0};

	if (json_int(task, "until", 0) <= 0)
		return k;
	k = file_prefix(json_str(task, "account", ""), json_int(task, "receiver_id", 0),
			json_str(task, "filename", ""));
	key_number(&k, ~(uint64_t)json_int(task, "id", 0));
	return k;
}

static struct key until_key(const json_object *task)
{
	struct key k = {0};

	if (json_int(task, "until", 0) <= 0)
		return k;
	key_byte(&k, SPACE_UNTIL);
	key_number(&k, (uint64_t)json_int(task, "until", 0));
	key_number(&k, (uint64_t)json_int(task, "id", 0));
	return k;
}

static enum err index_task(struct pass *p, const json_object *now, const json_object *was)
{
	const struct key none = {0};
	enum err err = index_signed(p, now, was);
	const struct index_pair pairs[] = {
	    {TABLE_TASKS_BY_STATE, now ? state_key(now) : none, was ? state_key(was) : none,
	     now ? json_str(now, "owner", "-") : NULL, was ? json_str(was, "owner", "-") : NULL},
	    {TABLE_TASKS_BY_STATE, now ? ended_key(now) : none, was ? ended_key(was) : none, NULL,
	     NULL},
	    {TABLE_TASKS_BY_STATE, file_key(now), file_key(was), NULL, NULL},
	    {TABLE_TASKS_BY_STATE, until_key(now), until_key(was), NULL, NULL},
	};

	return err == ERR_OK ? entry_change(p, pairs, sizeof(pairs) / sizeof(pairs[0])) : err;
}

enum err tasks_index(struct pass *p, json_object *record, bool add)
{
	return add ? index_task(p, record, NULL) : index_task(p, NULL, record);
}

/* An ended task says when, and its log has a bound: whoever forgot is helped here. */
static void complete(json_object *task)
{
	const char *log = json_str(task, "log", NULL);

	if (is_ended(json_str(task, "state", "")) && json_int(task, "ended", 0) <= 0)
		json_set_int(task, "ended", clock_now_ms());
	if (log != NULL && strlen(log) > LOG_MAX) {
		CLEAN_FREE char *cut = mem_strndup(log, text_cut(log, strlen(log), LOG_MAX));

		json_set_str(task, "log", cut);
	}
}

static enum err add(struct pass *p, json_object *record, const char *state, int64_t *ret_id)
{
	unsigned char key[8];
	int64_t id;
	enum err err = counter_next(p, "task", &id);

	if (err != ERR_OK)
		return err;
	json_set_int(record, "id", id);
	json_set_str(record, "state", state);
	json_set_int(record, "queued", clock_now_ms());
	json_set_int(record, "attempt", 0);
	key_u64((uint64_t)id, key);
	err = record_insert(p, TABLE_TASKS, key, 8, record);
	if (err == ERR_OK)
		err = index_task(p, record, NULL);
	if (err == ERR_OK)
		*ret_id = id;
	return err;
}

enum err tasks_add(struct pass *p, json_object *record, int64_t *ret_id)
{
	return add(p, record, "queued", ret_id);
}

enum err tasks_begin(struct pass *p, json_object *record, int64_t *ret_id)
{
	json_set_int(record, "started", clock_now_ms());
	return add(p, record, "running", ret_id);
}

enum err tasks_get(struct pass *p, int64_t id, json_object **ret)
{
	unsigned char key[8];

	key_u64((uint64_t)id, key);
	return record_get(p, TABLE_TASKS, key, 8, ret);
}

enum err tasks_put(struct pass *p, json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	unsigned char key[8];
	int64_t id = json_int(record, "id", 0);
	enum err err = tasks_get(p, id, &old);

	if (err != ERR_OK)
		return err;
	complete(record);
	key_u64((uint64_t)id, key);
	err = record_replace(p, TABLE_TASKS, key, 8, record);
	return err == ERR_OK ? index_task(p, record, old) : err;
}

/* Does the index say what the task's record says of its state? */
static enum err in_index(struct pass *p, const json_object *task)
{
	unsigned char value[INDEX_HEAD + STORE_KEY_MAX];
	struct key k = state_key(task);
	size_t len;

	return index_get(p, TABLE_TASKS_BY_STATE, k.at, k.len, value, sizeof(value), &len);
}

enum err tasks_end(struct pass *p, json_object *record, const char *state)
{
	const char *owner = json_str(record, "owner", "-");
	const struct key none = {0};
	unsigned char key[8];
	struct key was;
	enum err err;

	json_set_str(record, "state", "running");
	was = state_key(record);
	err = in_index(p, record);
	json_set_str(record, "state", state);
	/* Another one held it for lost, and has ended it. */
	if (err == ERR_NOT_FOUND)
		return tasks_put(p, record);
	complete(record);
	key_u64((uint64_t)json_int(record, "id", 0), key);
	if (err == ERR_OK)
		err = record_replace(p, TABLE_TASKS, key, 8, record);
	return err != ERR_OK
		   ? err
		   : entry_change(p,
				  (const struct index_pair[]){
				      {TABLE_TASKS_BY_STATE, state_key(record), was, owner, owner},
				      {TABLE_TASKS_BY_STATE, ended_key(record), none, NULL, NULL}},
				  2);
}

enum err tasks_delete(struct pass *p, int64_t id)
{
	CLEAN_JSON json_object *old = NULL;
	unsigned char key[8];
	enum err err = tasks_get(p, id, &old);

	if (err != ERR_OK)
		return err;
	key_u64((uint64_t)id, key);
	err = index_task(p, NULL, old);
	return err == ERR_OK ? record_delete(p, TABLE_TASKS, key, 8) : err;
}

/* ---- claiming */

static enum err ids_in_state(struct pass *p, const char *state, struct found *ret)
{
	struct key prefix = {0};

	key_nul(&prefix, state);
	return entry_walk(p, TABLE_TASKS_BY_STATE, &prefix, SIZE_MAX, found_id, ret);
}

/* How many tasks each owner has running, and which were lost by their worker. */
struct running {
	json_object *owners; /* owned: {owner: count} */
	json_object *lost;   /* owned: records, oldest first */
};

static void set_beat(json_object *task, int64_t now_ms)
{
	json_set_int(task, "heartbeat", now_ms);
	json_set_int(task, "alive", clock_mono_ms());
}

/* Who asks for his own task has a clock that nobody sets. */
static bool is_lost(const json_object *task, const char *worker, int64_t now_ms, int64_t lost_ms)
{
	if (json_get(task, "alive") != NULL && strcmp(json_str(task, "worker", ""), worker) == 0)
		return json_int(task, "alive", 0) < clock_mono_ms() - lost_ms;
	return json_int(task, "heartbeat", 0) < now_ms - lost_ms;
}

static enum err look_at_running(struct pass *p, const char *worker, int64_t now_ms, int64_t lost_ms,
				struct running *r)
{
	struct found found = {.max = SIZE_MAX};
	enum err err = ids_in_state(p, "running", &found);

	for (size_t i = 0; err == ERR_OK && i < found.n; i++) {
		json_object *task = NULL;
		const char *owner;

		err = tasks_get(p, (int64_t)found.ids[i], &task);
		if (err != ERR_OK)
			break;
		owner = json_str(task, "owner", "-");
		if (is_lost(task, worker, now_ms, lost_ms)) {
			json_object_array_add(r->lost, task);
			continue;
		}
		if (!is_receive(task))
			json_set_int(r->owners, owner, json_int(r->owners, owner, 0) + 1);
		json_object_put(task);
	}
	found_done(&found);
	return err;
}

static bool may_run(const struct running *r, const char *owner, int per_user)
{
	return per_user <= 0 || json_int(r->owners, owner, 0) < per_user;
}

/* The first queued task whose owner may have another one running. */
struct pick {
	const struct running *running;
	int per_user;
	uint64_t id; /* 0 = none */
};

static bool pick_entry(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct pick *pick = arg;
	CLEAN_FREE char *owner =
	    len >= INDEX_HEAD ? mem_strndup((const char *)value + INDEX_HEAD, len - INDEX_HEAD)
			      : mem_strdup("-");

	if (!may_run(pick->running, owner, pick->per_user))
		return true;
	pick->id = key_to_u64((const unsigned char *)key + key_len - 8);
	return false;
}

/* The oldest that may run now: a lost task is queued again, in its old place. */
static enum err choose(struct pass *p, const struct running *r, int per_user, json_object **ret)
{
	struct pick pick = {.running = r, .per_user = per_user};
	struct key prefix = {0};
	json_object *task;
	enum err err;

	key_nul(&prefix, "queued");
	err = entry_walk(p, TABLE_TASKS_BY_STATE, &prefix, SIZE_MAX, pick_entry, &pick);
	if (err != ERR_OK)
		return err;
	JSON_EACH(task, r->lost)
	{
		uint64_t id = (uint64_t)json_int(task, "id", 0);

		if ((pick.id == 0 || id < pick.id) &&
		    may_run(r, json_str(task, "owner", "-"), per_user)) {
			*ret = json_object_get(task);
			return ERR_OK;
		}
	}
	return pick.id != 0 ? tasks_get(p, (int64_t)pick.id, ret) : ERR_NOT_FOUND;
}

/* A lost task that had all its attempts, or NULL.  Borrowed. */
static json_object *given_up(const struct running *r, int max_attempts)
{
	json_object *task;

	JSON_EACH(task, r->lost)
	{
		if (json_int(task, "attempt", 0) >= json_int(task, "most", max_attempts))
			return task;
	}
	return NULL;
}

enum err tasks_claim(struct pass *p, const char *worker, int64_t now_ms, int per_user,
		     int64_t lost_ms, int max_attempts, json_object **ret, bool *ret_lost)
{
	struct running r = {.owners = json_object_new_object(), .lost = json_object_new_array()};
	json_object *task = NULL;
	enum err err = look_at_running(p, worker, now_ms, lost_ms, &r);
	bool lost = false;

	if (err == ERR_OK && (task = given_up(&r, max_attempts)) != NULL) {
		lost = true;
		task = json_object_get(task);
		/*
		 * It ends together with whoever waits for it: until then it runs, and may be lost
		 * again.
		 */
		json_set_str(task, "worker", worker);
		set_beat(task, now_ms);
	} else if (err == ERR_OK && (err = choose(p, &r, per_user, &task)) == ERR_OK) {
		json_set_str(task, "state", "running");
		json_set_int(task, "attempt", json_int(task, "attempt", 0) + 1);
		json_set_str(task, "worker", worker);
		json_set_int(task, "started", now_ms);
		set_beat(task, now_ms);
	}
	if (err == ERR_OK)
		err = tasks_put(p, task);
	json_object_put(r.owners);
	json_object_put(r.lost);
	if (err != ERR_OK) {
		json_object_put(task);
		return err;
	}
	*ret = task;
	*ret_lost = lost;
	return ERR_OK;
}

enum err tasks_requeue(struct pass *p)
{
	struct found found = {.max = SIZE_MAX};
	enum err err = ids_in_state(p, "running", &found);

	for (size_t i = 0; err == ERR_OK && i < found.n; i++) {
		json_object *task = NULL;

		err = tasks_get(p, (int64_t)found.ids[i], &task);
		if (err == ERR_OK && !is_receive(task)) {
			json_set_int(task, "heartbeat", 0);
			err = tasks_put(p, task);
		}
		json_object_put(task);
	}
	found_done(&found);
	return err;
}

enum err tasks_let_go(struct pass *p, int64_t id, const char *worker, int64_t attempt)
{
	CLEAN_JSON json_object *task = NULL;
	enum err err = tasks_get(p, id, &task);

	if (err != ERR_OK)
		return err;
	if (strcmp(json_str(task, "state", ""), "running") != 0 ||
	    strcmp(json_str(task, "worker", ""), worker) != 0 ||
	    json_int(task, "attempt", 0) != attempt)
		return ERR_CONFLICT;
	json_set_int(task, "heartbeat", 0);
	json_object_object_del(task, "alive");
	return tasks_put(p, task);
}

enum err tasks_beat(struct pass *p, int64_t id, const char *worker, json_object *progress,
		    int64_t now_ms, bool *ret_cancel)
{
	CLEAN_JSON json_object *task = NULL;
	unsigned char key[8];
	enum err err = tasks_get(p, id, &task);

	if (err != ERR_OK)
		return err;
	if (strcmp(json_str(task, "state", ""), "running") != 0 ||
	    strcmp(json_str(task, "worker", ""), worker) != 0)
		return ERR_CONFLICT;
	set_beat(task, now_ms);
	if (progress != NULL)
		json_set(task, "progress", json_copy(progress));
	*ret_cancel = json_bool(task, "cancel", false);
	key_u64((uint64_t)id, key);
	return record_replace(p, TABLE_TASKS, key, 8, task);
}

/* ---- figures */

enum err tasks_count(struct pass *p, size_t *ret_queued, size_t *ret_running)
{
	struct key queued = {0}, running = {0};
	size_t n_queued = 0, n_running = 0;
	enum err err;

	key_nul(&queued, "queued");
	key_nul(&running, "running");
	err = entry_walk(p, TABLE_TASKS_BY_STATE, &queued, SIZE_MAX, found_count, &n_queued);
	if (err == ERR_OK)
		err = entry_walk(p, TABLE_TASKS_BY_STATE, &running, SIZE_MAX, found_count,
				 &n_running);
	if (err != ERR_OK)
		return err;
	*ret_queued = n_queued;
	*ret_running = n_running;
	return ERR_OK;
}

enum err tasks_old(struct pass *p, int64_t before_ms, size_t max, json_object **ret)
{
	return entry_due(p, TABLE_TASKS_BY_STATE, SPACE_ENDED, before_ms, false, max, ret);
}

/* ---- of the signed APIs */

enum err tasks_signed_old(struct pass *p, int64_t before_ms, size_t max, json_object **ret)
{
	return entry_due(p, TABLE_TASKS_BY_STATE, SPACE_SIGNED_ENDED, before_ms, false, max, ret);
}

enum err tasks_signed(struct pass *p, const char *owner, const char *account, int64_t before,
		      size_t max, json_object **ret)
{
	const char *name = owner != NULL ? owner : account;
	struct key from = newest_key(owner != NULL     ? SPACE_OWNER
				     : account != NULL ? SPACE_ACCOUNT
						       : SPACE_SIGNED,
				     name, before > 0 ? before - 1 : INT64_MAX);
	struct found found = {.max = max};
	json_object *list = json_object_new_array();
	enum err err = record_walk(p, TABLE_TASKS_BY_STATE, from.at, from.len, from.at,
				   from.len - 8, max, found_id, &found);

	for (size_t i = 0; i < found.n && err == ERR_OK; i++) {
		json_object *task = NULL;

		err = tasks_get(p, (int64_t)~found.ids[i], &task);
		if (err == ERR_OK)
			json_object_array_add(list, task);
	}
	return found_end(&found, err, list, ret);
}

enum err tasks_of_file(struct pass *p, const char *account, int64_t receiver, const char *name,
		       json_object **ret)
{
	struct key prefix = file_prefix(account, receiver, name);
	struct found found = {.max = 1};
	enum err err = entry_walk(p, TABLE_TASKS_BY_STATE, &prefix, 1, found_id, &found);

	if (err == ERR_OK)
		err = found.n == 0 ? ERR_NOT_FOUND : tasks_get(p, (int64_t)~found.ids[0], ret);
	found_done(&found);
	return err;
}

enum err tasks_kept_until(struct pass *p, int64_t now_ms, size_t max, json_object **ret)
{
	return entry_due(p, TABLE_TASKS_BY_STATE, SPACE_UNTIL, now_ms, false, max, ret);
}
