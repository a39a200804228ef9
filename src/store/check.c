/*
 * Is the store whole?  A copy is taken, recovered and verified; what is derived from records is
 * built anew beside it and compared; references and files are followed.  Source: contracts/store.md
 * 13.
 */
#include "store/check.h"

#include <string.h>

#include "base/mem.h"

/* Which tables and counters follow from which records. */
static const struct {
	enum table source;
	enum table derived[2];	 /* TABLE_META ends */
	const char *counters[4]; /* prefixes of their sums */
} families[] = {
    {TABLE_UPLOADS,
     {TABLE_UPLOADS_BY_OWNER, TABLE_META},
     {"open:", "bytes:", "parts:", "promised"}},
    {TABLE_SESSIONS, {TABLE_SESSIONS_BY_OWNER, TABLE_SESSIONS_BY_STATE}, {"sessions", NULL, NULL}},
    {TABLE_TASKS, {TABLE_TASKS_BY_STATE, TABLE_META}, {NULL, NULL, NULL}},
    {TABLE_LOGINS, {TABLE_LOGINS_BY_USER, TABLE_META}, {NULL, NULL, NULL}},
    {TABLE_KEYS, {TABLE_KEYS_BY_USER, TABLE_META}, {NULL, NULL, NULL}},
    {TABLE_UPLOAD_TASKS, {TABLE_UPLOAD_TASKS_BY_OWNER, TABLE_META}, {NULL, NULL, NULL}},
    {TABLE_RECEIVERS, {TABLE_RECEIVERS_BY_ID, TABLE_META}, {NULL, NULL, NULL}},
    {TABLE_MAIL, {TABLE_MAIL_BY_DUE, TABLE_META}, {NULL, NULL, NULL}},
};
#define SAID_MOST  20 /* lines about the entries of one table */
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static bool counter_of(size_t family, const void *key, size_t len)
{
	for (size_t i = 0; i < 4 && families[family].counters[i] != NULL; i++) {
		size_t n = strlen(families[family].counters[i]);

		if (len >= n && memcmp(key, families[family].counters[i], n) == 0)
			return true;
	}
	return false;
}

void check_say(struct check *c, const char *fmt, ...)
{
	va_list args;

	c->findings++;
	va_start(args, fmt);
	(void)vfprintf(c->out, fmt, args);
	va_end(args);
	(void)fputc('\n', c->out);
}

/* ---- records: readable, and their derived entries built anew */

struct building {
	struct check *check;
	enum table table;
	const void *key;
	size_t key_len;
	json_object *record;
};

static enum err build_pass(struct pass *p, void *arg)
{
	struct building *b = arg;

	return table_index(p, b->table, b->key, b->key_len, b->record, true);
}

static enum err look_at_record(const void *key, size_t key_len, const void *value, size_t len,
			       void *arg)
{
	struct building *b = arg;
	CLEAN_JSON json_object *record = NULL;
	struct error ignored = {0};

	if (json_read(value, len, &json_limits_job, &record) != ERR_OK ||
	    !json_object_is_type(record, json_type_object)) {
		CLEAN_JSON json_object *name = table_key(b->table, key, key_len, false);

		check_say(b->check, "table %s, key %s: a damaged record, restore needed",
			  table_name(b->table), json_object_to_json_string(name));
		return ERR_OK;
	}
	if (json_int(record, "v", 0) > RECORD_VERSION) {
		check_say(b->check, "table %s: a record of a newer program", table_name(b->table));
		return ERR_OK;
	}
	if (json_int(record, "v", 0) < RECORD_VERSION)
		check_say(b->check, "table %s: a record of an older program (--migrate)",
			  table_name(b->table));
	b->key = key;
	b->key_len = key_len;
	b->record = record;
	if (pass_on_copy(&b->check->fresh, build_pass, b, &ignored) != ERR_OK)
		check_say(b->check, "table %s: a record that cannot be indexed: %s",
			  table_name(b->table), ignored.text);
	return ERR_OK;
}

static enum err look_at_records(struct check *c, struct error *error)
{
	enum err err = ERR_OK;

	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		struct building b = {.check = c, .table = t};

		if (table_info(t)->value == VALUE_RECORD)
			err = copy_each(&c->copy, t, look_at_record, &b, error);
	}
	return err;
}

/* ---- derived entries: the same in both? */

struct comparing {
	struct check *check;
	struct env *other;
	enum table table;
	size_t family;
	bool forward; /* from the store to what should be */
	int n_wrong;  /* so far */
	struct error *error;
	/* one entry */
	const void *key;
	size_t key_len;
	const void *value;
	size_t len;
	bool same;
	bool there;
};

static enum err compare_pass(struct pass *p, void *arg)
{
	struct comparing *c = arg;
	unsigned char value[INDEX_HEAD + STORE_KEY_MAX];
	size_t len = 0;
	enum err err = index_get(p, c->table, c->key, c->key_len, value, sizeof(value), &len);

	c->there = err == ERR_OK;
	c->same = c->there && len == c->len && memcmp(value, c->value, len) == 0;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err compare_entry(const void *key, size_t key_len, const void *value, size_t len,
			      void *arg)
{
	struct comparing *c = arg;
	enum err err;

	if (c->table == TABLE_COUNTERS && !counter_of(c->family, key, key_len))
		return ERR_OK;
	c->key = key;
	c->key_len = key_len;
	c->value = value;
	c->len = len;
	err = pass_on_copy(c->other, compare_pass, c, c->error);
	if (err != ERR_OK || c->same || (c->there && !c->forward))
		return err;
	if (c->n_wrong++ < SAID_MOST)
		check_say(c->check, "table %s: %s (of %s)", table_name(c->table),
			  c->there     ? "a wrong entry"
			  : c->forward ? "an entry too many"
				       : "a missing entry",
			  table_name(families[c->family].source));
	c->check->rebuild[c->family] = true;
	return ERR_OK;
}

/* A table that was made anew misses as many entries as there are records: one line says as much. */
static void tell_rest(const struct comparing *c)
{
	if (c->n_wrong <= SAID_MOST)
		return;
	check_say(c->check, "table %s: %d more like these", table_name(c->table),
		  c->n_wrong - SAID_MOST);
	c->check->findings += c->n_wrong - SAID_MOST - 1;
}

static enum err compare_table(struct check *c, size_t family, enum table table, struct error *error)
{
	struct comparing there = {.check = c,
				  .other = &c->fresh,
				  .table = table,
				  .family = family,
				  .forward = true,
				  .error = error};
	struct comparing back = {
	    .check = c, .other = &c->copy, .table = table, .family = family, .error = error};
	enum err err = copy_each(&c->copy, table, compare_entry, &there, error);

	if (err == ERR_OK)
		err = copy_each(&c->fresh, table, compare_entry, &back, error);
	tell_rest(&there);
	tell_rest(&back);
	return err;
}

static enum err compare_all(struct check *c, struct error *error)
{
	enum err err = ERR_OK;

	for (size_t f = 0; f < N_FAMILIES; f++) {
		for (size_t i = 0; err == ERR_OK && i < 2 && families[f].derived[i] != TABLE_META;
		     i++)
			err = compare_table(c, f, families[f].derived[i], error);
		if (err == ERR_OK && families[f].counters[0] != NULL)
			err = compare_table(c, f, TABLE_COUNTERS, error);
	}
	return err;
}

/* ---- mending derived entries, in one pass: nobody sees half of it */

struct keys_of {
	struct key *keys; /* owned */
	size_t n;
	size_t family;
	enum table table;
};

static bool note_key(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct keys_of *k = arg;

	(void)value;
	(void)len;
	if (k->table == TABLE_COUNTERS && !counter_of(k->family, key, key_len))
		return true;
	if (key_len > STORE_KEY_MAX)
		return true;
	if ((k->n & (k->n - 1)) == 0)
		k->keys = mem_resize(k->keys, k->n == 0 ? 1 : 2 * k->n, sizeof(*k->keys));
	memcpy(k->keys[k->n].at, key, key_len);
	k->keys[k->n++].len = key_len;
	return true;
}

static enum err clear_table(struct pass *p, size_t family, enum table table)
{
	struct keys_of k = {.family = family, .table = table};
	enum err err = record_walk(p, table, NULL, 0, NULL, 0, SIZE_MAX, note_key, &k);

	for (size_t i = 0; err == ERR_OK && i < k.n; i++)
		err = entry_delete(p, table, &k.keys[i]);
	free(k.keys);
	return err;
}

static enum err rebuild_pass(struct pass *p, void *arg)
{
	size_t family = *(size_t *)arg;
	enum table source = families[family].source;
	struct keys_of k = {.family = family, .table = source};
	enum err err = ERR_OK;

	gate_hold(&p->store->gate, GATE_RECOVERY_HOLD_S);
	for (size_t i = 0; err == ERR_OK && i < 2 && families[family].derived[i] != TABLE_META; i++)
		err = clear_table(p, family, families[family].derived[i]);
	if (err == ERR_OK)
		err = clear_table(p, family, TABLE_COUNTERS);
	if (err == ERR_OK)
		err = record_walk(p, source, NULL, 0, NULL, 0, SIZE_MAX, note_key, &k);
	for (size_t i = 0; err == ERR_OK && i < k.n; i++) {
		json_object *record = NULL;

		err = record_get(p, source, k.keys[i].at, k.keys[i].len, &record);
		if (err == ERR_OK)
			err = table_index(p, source, k.keys[i].at, k.keys[i].len, record, true);
		json_object_put(record);
	}
	free(k.keys);
	return err;
}

static enum err rebuild(struct check *c, struct error *error)
{
	enum err err = ERR_OK;

	for (size_t f = 0; err == ERR_OK && f < N_FAMILIES; f++) {
		if (!c->rebuild[f])
			continue;
		err = store_pass(c->store, PASS_SYNC, "rebuild", rebuild_pass, &f, error);
		if (err == ERR_OK)
			(void)fprintf(c->out, "rebuilt what follows from %s\n",
				      table_name(families[f].source));
	}
	return err;
}

/* ---- migration: every record in the present form, a batch a pass; may be repeated at any point */

struct migrating {
	enum table table;
	struct key next;
	struct keys_of old;
	size_t n_seen;
};

static bool note_old(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct migrating *m = arg;
	json_object *record = NULL;

	m->n_seen++;
	if (key_len > STORE_KEY_MAX)
		return true;
	memcpy(m->next.at, key, key_len);
	m->next.at[key_len] = 0;
	m->next.len = key_len + 1;
	if (json_read(value, len, &json_limits_job, &record) == ERR_OK &&
	    json_int(record, "v", 0) < RECORD_VERSION)
		(void)note_key(key, key_len, value, len, &m->old);
	json_object_put(record);
	return true;
}

static enum err migrate_batch(struct pass *p, void *arg)
{
	struct migrating *m = arg;
	struct key from = m->next;
	enum err err;

	m->n_seen = 0;
	m->old.n = 0;
	free(m->old.keys);
	m->old.keys = NULL;
	err = record_walk(p, m->table, from.at, from.len, NULL, 0, STORE_BATCH, note_old, m);
	for (size_t i = 0; err == ERR_OK && i < m->old.n; i++) {
		const struct key *k = &m->old.keys[i];
		json_object *record = NULL;

		err = record_get(p, m->table, k->at, k->len, &record);
		/* Writing sets the version: nothing else differs between 0 and 1. */
		if (err == ERR_OK)
			err = record_replace(p, m->table, k->at, k->len, record);
		json_object_put(record);
	}
	if (err != ERR_OK)
		m->next = from;
	return err;
}

static enum err migrate_all(struct check *c, struct error *error)
{
	enum err err = ERR_OK;

	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		struct migrating m = {.table = t, .old = {.table = t}};
		size_t n = 0;

		if (table_info(t)->value != VALUE_RECORD)
			continue;
		do {
			err = store_pass(c->store, PASS_SYNC, "migrate", migrate_batch, &m, error);
			n += m.old.n;
		} while (err == ERR_OK && m.n_seen == STORE_BATCH);
		free(m.old.keys);
		if (n > 0)
			(void)fprintf(c->out, "table %s: %zu records migrated\n", table_name(t), n);
	}
	return err;
}

/* ---- all of it */

static enum err examine(struct check *c, const char *dir, const char *fresh_dir,
			struct error *error)
{
	struct error damage = {0};
	enum err err = copy_take(c->store, dir, error);
	int before;

	if (err != ERR_OK)
		return err;
	check_logs(c);
	before = c->findings;
	/* Before a recovery: where the logs reach back far enough it would mend the copy. */
	check_tables(c, dir);
	if (c->findings > before)
		return ERR_OK; /* such tables cannot be read through */
	err = copy_open(&c->copy, dir, true, &damage);
	if (err == ERR_OK)
		err = copy_close(&c->copy, &damage);
	if (err != ERR_OK && err != ERR_NO_SPACE) {
		check_say(c, "the copy cannot be recovered, restore needed: %s", damage.text);
		return copy_verify(dir, c->out, &c->findings, error);
	}
	if (err == ERR_OK)
		err = copy_verify(dir, c->out, &c->findings, error);
	if (err != ERR_OK)
		return error_set(error, err, "%s", damage.text);
	if (c->findings > before)
		return ERR_OK;
	err = copy_open(&c->copy, dir, false, error);
	if (err == ERR_OK)
		err = copy_open(&c->fresh, fresh_dir, false, error);
	if (err == ERR_OK)
		err = look_at_records(c, error);
	if (err == ERR_OK)
		err = compare_all(c, error);
	if (err == ERR_OK)
		err = check_references(c, error);
	return err == ERR_OK ? check_files(c, error) : err;
}

enum err store_check(struct store *store, bool repair, bool migrate, FILE *out, int *ret_findings,
		     struct error *error)
{
	struct check *c = mem_alloc(sizeof(*c));
	CLEAN_FREE char *dir = NULL;
	CLEAN_FREE char *fresh_dir = NULL;
	enum err err = ERR_OK;

	_Static_assert(N_FAMILIES <= CHECK_FAMILIES, "one flag each");
	c->store = store;
	c->out = out;
	c->repair = repair;
	if (repair)
		err = check_give_up(c, error);
	if (err == ERR_OK && migrate)
		err = migrate_all(c, error);
	if (err == ERR_OK)
		err = copy_scratch(store->place.data_dir, "check", &dir, error);
	if (err == ERR_OK)
		err = copy_scratch(store->place.data_dir, "check", &fresh_dir, error);
	if (err == ERR_OK)
		err = examine(c, dir, fresh_dir, error);
	(void)env_close(&c->copy);
	(void)env_close(&c->fresh);
	if (err == ERR_OK && repair)
		err = rebuild(c, error);
	copy_remove(dir);
	copy_remove(fresh_dir);
	if (err == ERR_OK)
		*ret_findings = c->findings;
	free(c);
	return err;
}
