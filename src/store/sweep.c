/*
 * What worker and gc do from time to time: old entries out, a checkpoint, the ballast.  In batches,
 * a pass each.
 */
#include "store/maintain.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/sessions.h"
#include "store/tables.h"
#include "store/upload_tasks.h"

#define DAY_MS	     (24 * 3600 * 1000LL)
#define TOMBSTONE_MS (30 * DAY_MS)
#define NONCE_MS     DAY_MS
#define SPACE_GONE   2 /* of sessions_by_state, see sessions.c */

/* ---- tables without an index by age: look at everything, some at a time */

struct pruning {
	enum table table;
	const char *prefix;
	/* Is this entry of no use any more?  For records VALUE is parsed, for others it is NULL. */
	bool (*stale)(struct pruning *, const void *value, size_t len, const json_object *record);
	const struct config *config;
	int64_t now_ms;
	/* the state of the walk */
	struct pass *pass;
	struct key next;       /* first key of the next batch */
	struct key *doomed;    /* owned: STORE_BATCH */
	json_object **records; /* owned: those of the doomed */
	size_t n_doomed;
	size_t n_seen;
};

static bool prune_entry(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct pruning *pr = arg;
	json_object *record = NULL;
	bool parse = table_info(pr->table)->value == VALUE_RECORD;

	pr->n_seen++;
	if (key_len >= sizeof(pr->next.at))
		return true;
	memcpy(pr->next.at, key, key_len);
	pr->next.at[key_len] = 0;
	pr->next.len = key_len + 1;
	/* A damaged record, or one too new, is not this function's business. */
	if (parse && (json_read(value, len, &json_limits_job, &record) != ERR_OK ||
		      json_int(record, "v", 0) > RECORD_VERSION)) {
		json_object_put(record);
		return true;
	}
	if (!pr->stale(pr, value, len, record)) {
		json_object_put(record);
		return true;
	}
	pr->doomed[pr->n_doomed].len = key_len;
	memcpy(pr->doomed[pr->n_doomed].at, key, key_len);
	pr->records[pr->n_doomed++] = record;
	return true;
}

static void forget_doomed(struct pruning *pr)
{
	for (size_t i = 0; i < pr->n_doomed; i++)
		json_object_put(pr->records[i]);
	pr->n_doomed = 0;
	pr->n_seen = 0;
}

static enum err prune_batch(struct pass *p, void *arg)
{
	struct pruning *pr = arg;
	struct key from = pr->next;
	enum err err;

	forget_doomed(pr);
	pr->pass = p;
	err = record_walk(p, pr->table, from.at, from.len, pr->prefix, strlen(pr->prefix),
			  STORE_BATCH, prune_entry, pr);
	for (size_t i = 0; err == ERR_OK && i < pr->n_doomed; i++) {
		const struct key *k = &pr->doomed[i];

		if (pr->records[i] != NULL)
			err = table_index(p, pr->table, k->at, k->len, pr->records[i], false);
		if (err == ERR_OK)
			err = index_delete(p, pr->table, k->at, k->len);
	}
	if (err != ERR_OK)
		pr->next = from; /* the pass may run again */
	return err;
}

static enum err prune(struct store *s, struct pruning *pr, struct error *error)
{
	enum err err;

	pr->config = s->config;
	pr->now_ms = clock_now_ms();
	pr->doomed = mem_array(STORE_BATCH, sizeof(*pr->doomed));
	pr->records = mem_array(STORE_BATCH, sizeof(json_object *));
	key_text(&pr->next, pr->prefix);
	do
		err = store_pass(s, PASS_DELETE, "sweep", prune_batch, pr, error);
	while (err == ERR_OK && pr->n_seen == STORE_BATCH);
	forget_doomed(pr);
	free(pr->doomed);
	free(pr->records);
	return err;
}

static bool nonce_stale(struct pruning *pr, const void *value, size_t len,
			const json_object *record)
{
	(void)record;
	return len != INDEX_HEAD + 16 ||
	       (int64_t)key_to_u64((const unsigned char *)value + INDEX_HEAD + 8) <
		   pr->now_ms - NONCE_MS;
}

static bool replay_stale(struct pruning *pr, const void *value, size_t len,
			 const json_object *record)
{
	int64_t expires = json_int(record, "expires", 0);

	(void)value;
	(void)len;
	return expires > 0 && expires < pr->now_ms;
}

static bool login_stale(struct pruning *pr, const void *value, size_t len,
			const json_object *record)
{
	(void)value;
	(void)len;
	return pr->now_ms - json_int(record, "seen", 0) >
		   json_int(record, "idle", pr->config->login_idle_s) * 1000 ||
	       pr->now_ms - json_int(record, "created", 0) > pr->config->login_max_s * 1000;
}

static bool window_stale(struct pruning *pr, const void *value, size_t len,
			 const json_object *record)
{
	(void)record;
	return rate_stale(value, len, pr->now_ms);
}

static bool failure_stale(struct pruning *pr, const void *value, size_t len,
			  const json_object *record)
{
	(void)record;
	return failures_stale(value, len, pr->now_ms);
}

/* ---- client keys whose upload is gone */

struct keys_batch {
	json_object *pairs; /* owned: [key, id, …] */
	struct key next;
	size_t n_seen;
};

static bool note_key(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct keys_batch *b = arg;

	b->n_seen++;
	if (key_len >= sizeof(b->next.at))
		return true;
	memcpy(b->next.at, key, key_len);
	b->next.at[key_len] = 0;
	b->next.len = key_len + 1;
	json_object_array_add(b->pairs, json_object_new_string_len(key, (int)key_len));
	json_object_array_add(
	    b->pairs, json_object_new_string_len((const char *)value + INDEX_HEAD,
						 len > INDEX_HEAD ? (int)(len - INDEX_HEAD) : 0));
	return true;
}

static enum err keys_pass(struct pass *p, void *arg)
{
	struct keys_batch *b = arg;
	struct key from = b->next;
	enum err err;

	json_object_put(b->pairs);
	b->pairs = json_object_new_array();
	b->n_seen = 0;
	err =
	    record_walk(p, TABLE_UPLOAD_KEYS, from.at, from.len, NULL, 0, STORE_BATCH, note_key, b);
	for (size_t i = 0; err == ERR_OK && i + 1 < json_len(b->pairs); i += 2) {
		json_object *key = json_object_array_get_idx(b->pairs, i);
		json_object *id = json_object_array_get_idx(b->pairs, i + 1);
		json_object *record = NULL;

		err = record_get(p, TABLE_UPLOADS, json_object_get_string(id),
				 (size_t)json_object_get_string_len(id), &record);
		json_object_put(record);
		if (err == ERR_NOT_FOUND)
			err = index_delete(p, TABLE_UPLOAD_KEYS, json_object_get_string(key),
					   (size_t)json_object_get_string_len(key));
	}
	if (err != ERR_OK)
		b->next = from;
	return err;
}

static enum err sweep_keys(struct store *s, struct error *error)
{
	struct keys_batch b = {0};
	enum err err;

	do
		err = store_pass(s, PASS_DELETE, "sweep", keys_pass, &b, error);
	while (err == ERR_OK && b.n_seen == STORE_BATCH);
	json_object_put(b.pairs);
	return err;
}

/* ---- tombstones of sessions */

static enum err tombstones_pass(struct pass *p, void *arg)
{
	size_t *n = arg;
	CLEAN_JSON json_object *ids = NULL;
	json_object *id;
	enum err err = entry_due(p, TABLE_SESSIONS_BY_STATE, SPACE_GONE,
				 clock_now_ms() - TOMBSTONE_MS, false, STORE_BATCH, &ids);

	*n = json_len(ids);
	JSON_EACH(id, ids)
	{
		if (err == ERR_OK)
			err = sessions_delete(p, json_object_get_int64(id), false);
		if (err == ERR_NOT_FOUND) {
			/*
			 * An entry without its record comes again: that is for `check --repair`,
			 * not for a loop.
			 */
			err = ERR_OK;
			*n = 0;
		}
	}
	return err;
}

static enum err upload_tasks_pass(struct pass *p, void *arg)
{
	return upload_tasks_sweep(p, clock_now_ms(), STORE_BATCH, arg);
}

/* ---- all of it */

static enum err checkpoint_pass(struct pass *p, void *arg)
{
	DB_ENV *e = p->env->dbenv;

	(void)arg;
	if (store_backup_runs(p->store))
		return ERR_OK;
	return pass_took(p, e->txn_checkpoint(e, 0, 0, DB_FORCE), "checkpoint");
}

enum err store_sweep(struct store *s, struct error *error)
{
	struct pruning prunings[] = {
	    {.table = TABLE_SESSION_NONCES, .prefix = "", .stale = nonce_stale},
	    {.table = TABLE_REPLAY, .prefix = "", .stale = replay_stale},
	    {.table = TABLE_LOGINS, .prefix = "", .stale = login_stale},
	    {.table = TABLE_COUNTERS, .prefix = "fail", .stale = failure_stale},
	    {.table = TABLE_COUNTERS, .prefix = "rate:", .stale = window_stale},
	};
	size_t n = STORE_BATCH;
	enum err err = ERR_OK;

	/* First, because while it is missing nothing but deletions may write. */
	(void)room_make_ballast(s);
	for (size_t i = 0; err == ERR_OK && i < sizeof(prunings) / sizeof(prunings[0]); i++)
		err = prune(s, &prunings[i], error);
	if (err == ERR_OK)
		err = sweep_keys(s, error);
	while (err == ERR_OK && n == STORE_BATCH)
		err = store_pass(s, PASS_DELETE, "sweep", tombstones_pass, &n, error);
	n = STORE_BATCH;
	while (err == ERR_OK && n == STORE_BATCH)
		err = store_pass(s, PASS_DELETE, "sweep", upload_tasks_pass, &n, error);
	return err == ERR_OK ? store_pass(s, PASS_READ, "checkpoint", checkpoint_pass, NULL, error)
			     : err;
}
