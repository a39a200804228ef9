/*
 * The store as text and back: JSON Lines, one record each, sorted by table and key.
 *   {"table":"uploads","key":"4f0c…","value":{"v":1,…}}
 * key: a number where keys are numbers, a text where it is one, else {"hex":"…"}; value: the
 * record, the number of a counter, or the bytes of an entry as hex.  What is derived from records
 * is not in it.
 * Source: contracts/store.md 13.
 */
#include "store/maintain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/salvage.h"
#include "store/tables.h"
#include "store/whole.h"

#define LINE_MAX_BYTES (8U << 20)

/* ---- out */

/* Members that hold a secret or the digest of one, at any depth. */
static void hide_secrets(json_object *o)
{
	static const char *const names[] = {"password", "secret", "token", "csrf",	"sha256",
					    "digest",	"hash",	  "key",   "signature", "oldToken"};

	if (json_object_is_type(o, json_type_array)) {
		json_object *item;

		JSON_EACH(item, o)
		hide_secrets(item);
	}
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, name, value)
	{
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strcmp(name, names[i]) == 0 && value != NULL) {
				json_object_object_add(o, name,
						       json_object_new_string(TABLE_HIDDEN));
				value = NULL;
				break;
			}
		}
		if (value != NULL)
			hide_secrets(value);
	}
}

struct dumping {
	FILE *out;
	FILE *told; /* what is left out; may be NULL */
	size_t n_left;
	enum table table;
	bool secrets;
	struct error *error;
};

static void leave_out(struct dumping *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void leave_out(struct dumping *d, const char *fmt, ...)
{
	va_list args;

	d->n_left++;
	if (d->told == NULL)
		return;
	va_start(args, fmt);
	(void)vfprintf(d->told, fmt, args);
	va_end(args);
	(void)fputc('\n', d->told);
}

static json_object *value_json(const struct dumping *d, const unsigned char *value, size_t len)
{
	const struct table_info *info = table_info(d->table);
	json_object *o = NULL;

	if (info->value == VALUE_COUNTER)
		return len == INDEX_HEAD + 8
			   ? json_object_new_int64((int64_t)key_to_u64(value + INDEX_HEAD))
			   : NULL;
	if (info->value == VALUE_ENTRY)
		return table_hex(value, len);
	/* As it stands, whatever its version: a dump is for reading too. */
	if (json_read((const char *)value, len, &json_limits_job, &o) != ERR_OK)
		return NULL;
	if (info->secrets && !d->secrets)
		hide_secrets(o);
	return o;
}

static enum err dump_entry(const void *key, size_t key_len, const void *value, size_t len,
			   void *arg)
{
	struct dumping *d = arg;
	CLEAN_JSON json_object *line = json_object_new_object();
	CLEAN_FREE char *text = NULL;
	json_object *v;

	if (d->table == TABLE_COUNTERS && counter_is_derived(key, key_len))
		return ERR_OK;
	json_set_str(line, "table", table_name(d->table));
	json_set(line, "key", table_key(d->table, key, key_len, d->secrets));
	v = value_json(d, value, len);
	if (v == NULL) {
		leave_out(d, "table %s, key %s: a damaged record", table_name(d->table),
			  json_object_to_json_string(json_get(line, "key")));
		return ERR_OK;
	}
	json_set(line, "value", v);
	text = json_print(line, NULL);
	if (fprintf(d->out, "%s\n", text) < 0)
		return error_errno(d->error, ERR_IO, "writing");
	return ERR_OK;
}

static bool is_wanted(enum table table, const char *const *tables)
{
	if (table_info(table)->derived)
		return false;
	if (tables == NULL || tables[0] == NULL)
		return true;
	for (size_t i = 0; tables[i] != NULL; i++) {
		if (strcmp(tables[i], table_name(table)) == 0)
			return true;
	}
	return false;
}

/* From its file alone. */
static enum err dump_remains(struct dumping *d, const char *dir)
{
	size_t pages = 0, entries = 0;
	enum err err = salvage_each(dir, d->table, dump_entry, d, &pages, &entries, d->error);

	if (err == ERR_OK)
		leave_out(d,
			  "db/data/%s.db: read without db/log, so what was written last may be "
			  "missing; %zu damaged pages, %zu entries cut by them",
			  table_name(d->table), pages, entries);
	return err;
}

static enum err dump_tables(struct dumping *d, struct env *env, const char *const *tables,
			    const char *data_dir, const char *dir)
{
	bool remains[TABLE__MAX];
	struct error cut = {0};
	enum err err;

	if (whole_check_logs(dir, &cut) != ERR_OK)
		leave_out(d, "%s", cut.text);
	err = salvage_open(env, dir, remains, d->error);

	for (d->table = 0; err == ERR_OK && d->table < TABLE__MAX; d->table++) {
		if (!is_wanted(d->table, tables))
			continue;
		if (whole_lost(data_dir, d->table))
			leave_out(d, "db/data/%s.db is missing", table_name(d->table));
		else if (remains[d->table])
			err = dump_remains(d, dir);
		else
			err = copy_each(env, d->table, dump_entry, d, d->error);
	}
	return err;
}

/* Also when nobody gets in: why not is told. */
static enum err take(struct store *store, const char *dir, FILE *told, struct error *error)
{
	struct error why = {0};
	enum err err = copy_take(store, dir, &why);

	if (err != ERR_STORE)
		return err == ERR_OK ? err : error_set(error, err, "%s", why.text);
	err = restore_check(store, false, error);
	if (err == ERR_OK)
		err = copy_take_shut(store, dir, error);
	if (err == ERR_OK && told != NULL)
		(void)fprintf(told, "%s\n", why.text);
	return err;
}

enum err store_dump(struct store *store, const char *const *tables, bool secrets, FILE *out,
		    FILE *told, struct error *error)
{
	struct dumping d = {.out = out, .told = told, .secrets = secrets, .error = error};
	CLEAN_FREE char *dir = NULL;
	struct env env = {0};
	enum table known;
	enum err err = ERR_OK;

	for (size_t i = 0; tables != NULL && tables[i] != NULL; i++) {
		if (!table_by_name(tables[i], &known))
			return error_set(error, ERR_BAD_REQUEST, "no table %s", tables[i]);
	}
	err = copy_scratch(store->place.data_dir, "dump", &dir, error);
	if (err == ERR_OK)
		err = take(store, dir, told, error);
	if (err == ERR_OK)
		err = dump_tables(&d, &env, tables, store->place.data_dir, dir);
	if (err == ERR_OK && fflush(out) != 0)
		err = error_errno(error, ERR_IO, "writing");
	if (err == ERR_OK && d.n_left > 0)
		err = error_set(error, ERR_STORE, "the store is damaged: this is not all of it");
	(void)env_close(&env);
	copy_remove(dir);
	return err;
}

/* ---- in */

/* Caller frees; NULL when TEXT is not hex. */
static unsigned char *from_hex(const char *text, size_t *ret_len)
{
	size_t n = strlen(text) / 2;
	unsigned char *bytes = mem_alloc(n + 1);

	if (!token_hex_bytes(text, bytes, n)) {
		free(bytes);
		return NULL;
	}
	*ret_len = n;
	return bytes;
}

/* Caller frees. */
static unsigned char *key_from(const struct table_info *info, json_object *key, size_t *ret_len)
{
	unsigned char *bytes;

	if (json_object_is_type(key, json_type_object))
		return from_hex(json_str(key, "hex", "?"), ret_len);
	if (info->number_key) {
		if (!json_object_is_type(key, json_type_int))
			return NULL;
		bytes = mem_alloc(8);
		key_u64((uint64_t)json_object_get_int64(key), bytes);
		*ret_len = 8;
		return bytes;
	}
	if (!json_object_is_type(key, json_type_string))
		return NULL;
	*ret_len = (size_t)json_object_get_string_len(key);
	return (unsigned char *)mem_strndup(json_object_get_string(key), *ret_len);
}

struct loading {
	enum table table;
	const unsigned char *key;
	size_t key_len;
	json_object *value;
};

static enum err load_record(struct pass *p, const struct loading *l)
{
	enum err err;

	if (!json_object_is_type(l->value, json_type_object))
		return ERR_BAD_REQUEST;
	if (json_int(l->value, "v", 0) > RECORD_VERSION)
		return error_set(p->error, ERR_STORE, "the dump is newer than this program");
	/* The copy has a format record of its own already. */
	err = l->table == TABLE_META ? record_put(p, l->table, l->key, l->key_len, l->value)
				     : record_insert(p, l->table, l->key, l->key_len, l->value);
	return err == ERR_OK ? table_index(p, l->table, l->key, l->key_len, l->value, true) : err;
}

static enum err load_pass(struct pass *p, void *arg)
{
	const struct loading *l = arg;
	CLEAN_FREE unsigned char *bytes = NULL;
	CLEAN_FREE char *name = NULL;
	size_t len = 0;

	switch (table_info(l->table)->value) {
	case VALUE_RECORD:
		return load_record(p, l);
	case VALUE_COUNTER:
		if (!json_object_is_type(l->value, json_type_int))
			return ERR_BAD_REQUEST;
		name = mem_strndup((const char *)l->key, l->key_len);
		return counter_set(p, name, json_object_get_int64(l->value));
	case VALUE_ENTRY:
		bytes = from_hex(json_object_is_type(l->value, json_type_string)
				     ? json_object_get_string(l->value)
				     : "?",
				 &len);
		return bytes != NULL ? index_put(p, l->table, l->key, l->key_len, bytes, len)
				     : ERR_BAD_REQUEST;
	}
	return ERR_BAD_REQUEST;
}

static enum err load_line(struct env *env, const char *text, size_t len, size_t number,
			  struct error *error)
{
	CLEAN_JSON json_object *line = NULL;
	CLEAN_FREE unsigned char *key = NULL;
	struct loading l = {0};
	struct error inner = {0};
	enum err err = json_read(text, len, &json_limits_job, &line);

	if (err == ERR_OK && (!table_by_name(json_str(line, "table", ""), &l.table) ||
			      table_info(l.table)->derived || json_get(line, "key") == NULL))
		err = ERR_BAD_REQUEST;
	if (err == ERR_OK && strstr(text, "\"" TABLE_HIDDEN "\"") != NULL)
		return error_set(error, ERR_BAD_REQUEST,
				 "line %zu: a dump without --secrets cannot be loaded", number);
	if (err == ERR_OK) {
		key = key_from(table_info(l.table), json_get(line, "key"), &l.key_len);
		l.key = key;
		l.value = json_get(line, "value");
		err = key == NULL || l.value == NULL ? ERR_BAD_REQUEST
						     : pass_on_copy(env, load_pass, &l, &inner);
	}
	if (err != ERR_OK)
		return error_set(error, err, "line %zu: %s", number,
				 inner.text[0] != '\0'	  ? inner.text
				 : err == ERR_BAD_REQUEST ? "no line of a dump"
							  : err_name(err));
	return ERR_OK;
}

static bool note_number(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	int64_t *highest = arg;

	(void)value;
	(void)len;
	if (key_len == 8 && (int64_t)key_to_u64(key) > *highest)
		*highest = (int64_t)key_to_u64(key);
	return true;
}

/* Numbers are given once: without its counter an id would name two things. */
static enum err load_numbers(struct pass *p, void *arg)
{
	static const struct {
		enum table table;
		const char *counter;
	} numbered[] = {{TABLE_SESSIONS, "session"}, {TABLE_TASKS, "task"}, {TABLE_MAIL, "mail"}};
	enum err err = ERR_OK;

	(void)arg;
	for (size_t i = 0; err == ERR_OK && i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		int64_t last = 0, highest = 0;

		err = counter_get(p, numbered[i].counter, &last);
		if (err == ERR_OK)
			err = record_walk(p, numbered[i].table, NULL, 0, NULL, 0, SIZE_MAX,
					  note_number, &highest);
		if (err == ERR_OK && highest > last)
			err = error_set(
			    p->error, ERR_BAD_REQUEST,
			    "a line is missing: {\"table\":\"counters\",\"key\":\"%s\","
			    "\"value\":N}, N the highest id there ever was, at least %lld",
			    numbered[i].counter, (long long)highest);
	}
	return err;
}

/* Has the store anything but its format, its counters and the first administrator's token? */
struct emptiness {
	size_t n;
};

static enum err count_records(struct pass *p, void *arg)
{
	struct emptiness *e = arg;
	enum err err = ERR_OK;

	e->n = 0;
	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		if (t != TABLE_META && t != TABLE_COUNTERS)
			err = record_walk(p, t, NULL, 0, NULL, 0, 1, found_count, &e->n);
	}
	return err;
}

/* Is the store as good as new, and nobody at it?  *RET_STAMP: as it was; caller frees. */
static enum err load_empty(struct store *store, char **ret_stamp, struct error *error)
{
	struct emptiness now = {0};
	/* The first makes the store where it is missing; what is written from then on is missed. */
	enum err err = store_pass(store, PASS_READ, "load", count_records, &now, error);

	if (err != ERR_OK)
		return err;
	*ret_stamp = copy_stamp(store->place.data_dir);
	err = store_pass(store, PASS_READ, "load", count_records, &now, error);
	if (err == ERR_OK && now.n > 0)
		err = error_set(error, ERR_CONFLICT, "the store is not empty (--replace)");
	return err;
}

static enum err load_lines(struct env *env, FILE *in, struct error *error)
{
	CLEAN_FREE char *line = NULL;
	size_t size = 0, number = 0;
	enum err err = ERR_OK;
	ssize_t n;

	while (err == ERR_OK && (n = getline(&line, &size, in)) > 0) {
		number++;
		if ((size_t)n > LINE_MAX_BYTES)
			err = error_set(error, ERR_TOO_LARGE, "line %zu is too long", number);
		else
			err = load_line(env, line, (size_t)n, number, error);
	}
	return err == ERR_OK && ferror(in) ? error_errno(error, ERR_IO, "reading") : err;
}

enum err store_load(struct store *store, FILE *in, bool replace, struct error *error)
{
	CLEAN_FREE char *dir = NULL;
	CLEAN_FREE char *stamp = NULL;
	struct install place = {.data_dir = store->place.data_dir, .replace = true};
	struct env env = {0};
	enum err err = copy_unused(store->backup_fd, error);

	if (err == ERR_OK)
		err =
		    replace ? restore_check(store, true, error) : load_empty(store, &stamp, error);
	if (err == ERR_OK)
		err = copy_scratch(store->place.data_dir, "load", &dir, error);
	if (err == ERR_OK)
		err = copy_open(&env, dir, false, error);
	if (err == ERR_OK)
		err = load_lines(&env, in, error);
	if (err == ERR_OK)
		err = pass_on_copy(&env, load_numbers, NULL, error);
	if (err == ERR_OK)
		err = copy_close(&env, error);
	else
		(void)env_close(&env);
	/* All or nothing: what was built beside takes the place of the store in one step. */
	place.dir = dir;
	place.stamp = stamp;
	place.backup_fd = store->backup_fd;
	/* Killed between moving the old one aside and that, it would leave an empty site. */
	place.mark = replace ? STORE_LOADING : NULL;
	if (err == ERR_OK)
		err = copy_install(&store->gate, &store->env, &place, error);
	if (err == ERR_OK && replace)
		err = store_restored(store->config, error);
	else if (err == ERR_OK)
		copy_remove(place.old);
	free(place.old);
	copy_remove(dir);
	return err;
}
