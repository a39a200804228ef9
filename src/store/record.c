#include "store/record.h"

#include <string.h>

#include "base/mem.h"
#include "store/inside.h"
#include "store/whole.h"

static const char *const names[TABLE__MAX] = {
    [TABLE_META] = "meta",
    [TABLE_COUNTERS] = "counters",
    [TABLE_UPLOADS] = "uploads",
    [TABLE_UPLOAD_KEYS] = "upload_keys",
    [TABLE_UPLOADS_BY_OWNER] = "uploads_by_owner",
    [TABLE_SESSIONS] = "sessions",
    [TABLE_SESSIONS_BY_OWNER] = "sessions_by_owner",
    [TABLE_SESSIONS_BY_STATE] = "sessions_by_state",
    [TABLE_SESSION_NONCES] = "session_nonces",
    [TABLE_TASKS] = "tasks",
    [TABLE_TASKS_BY_STATE] = "tasks_by_state",
    [TABLE_LOGINS] = "logins",
    [TABLE_USERS] = "users",
    [TABLE_KEYS] = "keys",
    [TABLE_ACCOUNTS] = "accounts",
    [TABLE_RECEIVERS] = "receivers",
    [TABLE_REPLAY] = "replay",
    [TABLE_MAIL] = "mail",
    [TABLE_LOGINS_BY_USER] = "logins_by_user",
    [TABLE_KEYS_BY_USER] = "keys_by_user",
    [TABLE_UPLOAD_TASKS] = "upload_tasks",
    [TABLE_UPLOAD_TASKS_BY_OWNER] = "upload_tasks_by_owner",
    [TABLE_GROUPS] = "groups",
    [TABLE_RECEIVERS_BY_ID] = "receivers_by_id",
    [TABLE_MAIL_BY_DUE] = "mail_by_due",
};

const char *table_name(enum table table)
{
	return names[table];
}

void key_u64(uint64_t n, unsigned char out[8])
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (unsigned char)(n & 0xff);
		n >>= 8;
	}
}

uint64_t key_to_u64(const unsigned char in[8])
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | in[i];
	return n;
}

/* ---- one call each */

/* The table's handle, after the checks that every call needs. */
static enum err table_of(struct pass *p, enum table table, size_t key_len, DB **ret)
{
	enum env_access access = ENV_WRITE;
	int rc;

	if (p->recall != NULL) {
		p->recall->missed = true; /* this needs the gate */
		return ERR_BUSY;
	}
	if (p->worst != ENV_FINE)
		return p->bad; /* no further call after a failed one */
	if (key_len > STORE_KEY_MAX)
		return error_set(p->error, ERR_BAD_REQUEST, "table %s: key of %zu bytes",
				 table_name(table), key_len);
	if (p->env->broken[table])
		return whole_tell(table, false, p->error);
	if (!pass_writes(p->kind) && !(p->store != NULL && p->store->keep))
		access = ENV_READ;
	rc = env_table(p->env, table, access, ret);
	/* The others are well: this is no failure of Berkeley DB. */
	return p->env->lost[table] ? whole_tell(table, true, p->error)
				   : pass_took(p, rc, table_name(table));
}

static enum err writable(struct pass *p)
{
	if (!pass_writes(p->kind))
		return error_set(p->error, ERR_INTERNAL, "a pass that only reads wants to write");
	return ERR_OK;
}

static DBT dbt(const void *data, size_t len)
{
	DBT d = {0};

	/* Berkeley DB has no const; it does not write to keys and values it is given. */
	memcpy(&d.data, &data, sizeof(d.data));
	d.size = (u_int32_t)len;
	return d;
}

/* Before it happens: nobody takes what he remembers for true from here on. */
static void count_change(struct pass *p, enum table table, const void *key, size_t key_len)
{
	if (p->store != NULL)
		gate_change(&p->store->gate, memo_counter(table, key, key_len));
}

static enum err put(struct pass *p, enum table table, const void *key, size_t key_len,
		    const void *value, size_t len, u_int32_t flags)
{
	DBT k = dbt(key, key_len), v = dbt(value, len);
	DB *db;
	enum err err = writable(p);

	if (err == ERR_OK && len > STORE_VALUE_MAX)
		err = error_set(p->error, ERR_TOO_LARGE, "table %s: value of %zu bytes",
				table_name(table), len);
	if (err == ERR_OK)
		err = table_of(p, table, key_len, &db);
	if (err != ERR_OK)
		return err;
	count_change(p, table, key, key_len);
	return pass_took(p, db->put(db, p->txn, &k, &v, flags), table_name(table));
}

/* The value stays in Berkeley DB's hands until the next call of this table. */
static enum err get(struct pass *p, enum table table, const void *key, size_t key_len, DBT *ret)
{
	DBT k = dbt(key, key_len);
	DB *db;
	enum err err = table_of(p, table, key_len, &db);

	*ret = (DBT){0};
	if (err != ERR_OK)
		return err;
	return pass_took(p, db->get(db, p->txn, &k, ret, 0), table_name(table));
}

static enum err erase(struct pass *p, enum table table, const void *key, size_t key_len)
{
	DBT k = dbt(key, key_len);
	DB *db;
	enum err err = writable(p);

	if (err == ERR_OK)
		err = table_of(p, table, key_len, &db);
	if (err != ERR_OK)
		return err;
	count_change(p, table, key, key_len);
	return pass_took(p, db->del(db, p->txn, &k, 0), table_name(table));
}

/* ---- what is remembered */

/*
 * As it is stored, or a part of that: *RET_PART, the caller's.  Valid until the next call of this
 * table.
 */
static enum err get_part(struct pass *p, const struct memo_key *key, char **ret_part, DBT *ret)
{
	enum err err;
	size_t len = 0;

	if (p->recall != NULL) {
		err = recall_get(p->recall, key, &len);
		*ret = dbt(p->recall->value, len);
		return err;
	}
	err = get(p, key->table, key->at, key->len, ret);
	if (err == ERR_OK && key->without != NULL) {
		*ret_part = json_own_cut(ret->data, ret->size, key->without, &len);
		*ret = dbt(*ret_part, len);
	}
	if (p->kind != PASS_RECALL || p->store->memo == NULL)
		return err;
	if (err == ERR_OK)
		memo_keep(p->store->memo, &p->store->gate, key, ret->data, ret->size);
	else if (err == ERR_NOT_FOUND)
		memo_keep(p->store->memo, &p->store->gate, key, NULL, 0);
	return err;
}

/* ---- records */

/*
 * Only json_print writes records, and each page has a checksum: the text itself is taken as it
 * stands.
 */
/* The record in a stored value; ERR_STORE when it is damaged or too new.  Caller frees *RET. */
static enum err record_parse(struct pass *p, enum table table, const void *value, size_t len,
			     json_object **ret)
{
	struct json_tokener **reader = p->recall != NULL ? &p->recall->reader : &p->env->reader;
	json_object *o = json_own_read(reader, value, len);

	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return error_set(p->error, ERR_STORE, "table %s: a damaged record",
				 table_name(table));
	}
	if (json_int(o, "v", 0) > RECORD_VERSION) {
		json_object_put(o);
		return error_set(p->error, ERR_STORE, "table %s: store is newer than this program",
				 table_name(table));
	}
	*ret = o;
	return ERR_OK;
}

enum err record_get(struct pass *p, enum table table, const void *key, size_t key_len,
		    json_object **ret)
{
	return record_get_without(p, table, key, key_len, NULL, ret);
}

enum err record_get_without(struct pass *p, enum table table, const void *key, size_t key_len,
			    const char *const *without, json_object **ret)
{
	const struct memo_key k = {table, key, key_len, without};
	CLEAN_FREE char *part = NULL;
	DBT value;
	enum err err = get_part(p, &k, &part, &value);

	if (err != ERR_OK)
		return err;
	return record_parse(p, table, value.data, value.size, ret);
}

static enum err write_record(struct pass *p, enum table table, const void *key, size_t key_len,
			     json_object *value, u_int32_t flags)
{
	CLEAN_FREE char *text = NULL;
	size_t len;

	json_set_int(value, "v", RECORD_VERSION);
	text = json_print(value, &len);
	return put(p, table, key, key_len, text, len, flags);
}

enum err record_put(struct pass *p, enum table table, const void *key, size_t key_len,
		    json_object *value)
{
	json_object *old = NULL;
	enum err err = record_get(p, table, key, key_len, &old);

	/* A record that is too new is not touched, whoever wants to. */
	json_object_put(old);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	return write_record(p, table, key, key_len, value, 0);
}

enum err record_replace(struct pass *p, enum table table, const void *key, size_t key_len,
			json_object *value)
{
	return write_record(p, table, key, key_len, value, 0);
}

enum err record_insert(struct pass *p, enum table table, const void *key, size_t key_len,
		       json_object *value)
{
	return write_record(p, table, key, key_len, value, DB_NOOVERWRITE);
}

enum err record_delete(struct pass *p, enum table table, const void *key, size_t key_len)
{
	json_object *old = NULL;
	enum err err = record_get(p, table, key, key_len, &old);

	json_object_put(old);
	if (err != ERR_OK)
		return err;
	return erase(p, table, key, key_len);
}

/* ---- index entries */

enum err index_put(struct pass *p, enum table table, const void *key, size_t key_len,
		   const void *value, size_t len)
{
	return put(p, table, key, key_len, value, len, 0);
}

enum err index_get(struct pass *p, enum table table, const void *key, size_t key_len, void *value,
		   size_t size, size_t *ret_len)
{
	const struct memo_key k = {table, key, key_len, NULL};
	DBT v;
	enum err err = get_part(p, &k, NULL, &v);

	if (err != ERR_OK)
		return err;
	if (v.size > size)
		return error_set(p->error, ERR_STORE, "table %s: an entry of %u bytes",
				 table_name(table), v.size);
	memcpy(value, v.data, v.size);
	*ret_len = v.size;
	return ERR_OK;
}

enum err index_delete(struct pass *p, enum table table, const void *key, size_t key_len)
{
	return erase(p, table, key, key_len);
}

/* ---- walking */

enum err record_walk(struct pass *p, enum table table, const void *from, size_t from_len,
		     const void *prefix, size_t prefix_len, size_t max, walk_fn *fn, void *arg)
{
	DBT key = dbt(from, from_len), value = {0};
	u_int32_t move = from_len > 0 ? DB_SET_RANGE : DB_FIRST;
	DBC *cursor;
	DB *db;
	enum err err = table_of(p, table, from_len, &db);
	int rc;

	if (err != ERR_OK)
		return err;
	rc = db->cursor(db, p->txn, &cursor, 0);
	if (rc != 0)
		return pass_took(p, rc, table_name(table));
	for (size_t n = 0; n < max; n++, move = DB_NEXT) {
		rc = cursor->get(cursor, &key, &value, move);
		if (rc != 0 || key.size < prefix_len ||
		    (prefix_len > 0 && memcmp(key.data, prefix, prefix_len) != 0) ||
		    !fn(key.data, key.size, value.data, value.size, arg))
			break;
	}
	if (rc == DB_NOTFOUND)
		rc = 0;
	err = pass_took(p, rc, table_name(table));
	rc = cursor->close(cursor);
	return err != ERR_OK ? err : pass_took(p, rc, table_name(table));
}

/* Parsing makes no further call of the pass, so the walk may collect records themselves. */
struct listing {
	struct pass *pass;
	enum table table;
	json_object *list;
	enum err err;
};

static bool add_record(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct listing *l = arg;
	json_object *record = NULL;

	(void)key;
	(void)key_len;
	l->err = record_parse(l->pass, l->table, value, len, &record);
	if (l->err == ERR_OK)
		json_object_array_add(l->list, record);
	return l->err == ERR_OK;
}

enum err record_list(struct pass *p, enum table table, size_t max, json_object **ret)
{
	struct listing l = {.pass = p, .table = table, .list = json_object_new_array()};
	enum err err = record_walk(p, table, NULL, 0, NULL, 0, max, add_record, &l);

	if (err == ERR_OK)
		err = l.err;
	if (err != ERR_OK) {
		json_object_put(l.list);
		return err;
	}
	*ret = l.list;
	return ERR_OK;
}

/* ---- counters */

static enum err counter_read(struct pass *p, const char *name, int64_t *ret)
{
	unsigned char value[12];
	size_t len;
	enum err err = index_get(p, TABLE_COUNTERS, name, strlen(name), value, sizeof(value), &len);

	*ret = 0;
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	if (len != sizeof(value) || value[0] != TABLE_COUNTERS)
		return error_set(p->error, ERR_STORE, "counter %s is damaged", name);
	if (value[3] > RECORD_VERSION)
		return error_set(p->error, ERR_STORE,
				 "counter %s: store is newer than this program", name);
	*ret = (int64_t)key_to_u64(value + 4);
	return ERR_OK;
}

enum err counter_get(struct pass *p, const char *name, int64_t *ret)
{
	return counter_read(p, name, ret);
}

enum err counter_set(struct pass *p, const char *name, int64_t n)
{
	unsigned char value[12];

	index_head(value, TABLE_COUNTERS);
	key_u64((uint64_t)n, value + 4);
	return index_put(p, TABLE_COUNTERS, name, strlen(name), value, sizeof(value));
}

enum err counter_add(struct pass *p, const char *name, int64_t by, int64_t *ret)
{
	int64_t n;
	enum err err = counter_read(p, name, &n);

	if (err != ERR_OK)
		return err;
	if (__builtin_add_overflow(n, by, &n))
		return error_set(p->error, ERR_INTERNAL, "counter %s overflows", name);
	if (ret != NULL)
		*ret = n;
	return by == 0 ? ERR_OK : counter_set(p, name, n);
}

enum err counter_next(struct pass *p, const char *name, int64_t *ret)
{
	return counter_add(p, name, 1, ret);
}

/* ---- the first four bytes of a binary value */

void index_head(unsigned char out[4], enum table table)
{
	out[0] = (unsigned char)table;
	out[1] = 0;
	out[2] = 0;
	out[3] = RECORD_VERSION;
}
