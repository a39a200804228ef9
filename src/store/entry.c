#include "store/entry.h"

#include <string.h>

#include "base/mem.h"

static void key_bytes(struct key *k, const void *bytes, size_t n)
{
	/* Too long is remembered in the length and refused later: no caller has to look. */
	if (n <= sizeof(k->at) - 1 && k->len <= sizeof(k->at) - 1 - n)
		memcpy(k->at + k->len, bytes, n);
	else
		n = sizeof(k->at) - k->len;
	k->len += n;
}

void key_text(struct key *k, const char *text)
{
	key_bytes(k, text, strlen(text));
}

void key_nul(struct key *k, const char *text)
{
	key_bytes(k, text, strlen(text) + 1);
}

void key_number(struct key *k, uint64_t n)
{
	unsigned char bytes[8];

	key_u64(n, bytes);
	key_bytes(k, bytes, sizeof(bytes));
}

void key_byte(struct key *k, unsigned char c)
{
	key_bytes(k, &c, 1);
}

enum err entry_put(struct pass *p, enum table table, const struct key *k)
{
	return entry_put_text(p, table, k, "");
}

enum err entry_put_text(struct pass *p, enum table table, const struct key *k, const char *text)
{
	unsigned char value[INDEX_HEAD + STORE_KEY_MAX];
	size_t len = strlen(text);

	if (len > STORE_KEY_MAX)
		return error_set(p->error, ERR_BAD_REQUEST, "table %s: entry of %zu bytes",
				 table_name(table), len);
	index_head(value, table);
	memcpy(value + INDEX_HEAD, text, len);
	return index_put(p, table, k->at, k->len, value, INDEX_HEAD + len);
}

enum err entry_delete(struct pass *p, enum table table, const struct key *k)
{
	enum err err = index_delete(p, table, k->at, k->len);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err entry_walk(struct pass *p, enum table table, const struct key *prefix, size_t max,
		    walk_fn *fn, void *arg)
{
	return record_walk(p, table, prefix->at, prefix->len, prefix->at, prefix->len, max, fn,
			   arg);
}

/* ---- collecting */

void found_done(struct found *f)
{
	free(f->ids);
	free(f->texts);
	*f = (struct found){0};
}

/* Room for one more?  Grows by doubling, so that a large MAX costs nothing until it is needed. */
static bool found_room(struct found *f, void **array, size_t size)
{
	if (f->n >= f->max)
		return false;
	if (f->n == 0 || (f->n >= 16 && (f->n & (f->n - 1)) == 0))
		*array = mem_resize(*array, f->n < 16 ? 16 : f->n * 2, size);
	return true;
}

bool found_id(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct found *f = arg;
	void *array = f->ids;

	(void)value;
	(void)len;
	if (f->skip > 0) {
		f->skip--;
		return true;
	}
	if (key_len < 8 || !found_room(f, &array, sizeof(f->ids[0])))
		return false;
	f->ids = array;
	f->ids[f->n++] = key_to_u64((const unsigned char *)key + key_len - 8);
	return f->n < f->max;
}

static bool found_text(const void *key, size_t key_len, size_t want, struct found *f)
{
	void *array = f->texts;

	if (f->skip > 0) {
		f->skip--;
		return true;
	}
	if (key_len < want || !found_room(f, &array, sizeof(f->texts[0])))
		return false;
	f->texts = array;
	memcpy(f->texts[f->n], (const char *)key + key_len - want, want);
	f->texts[f->n++][want] = '\0';
	return f->n < f->max;
}

bool found_text32(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	(void)value;
	(void)len;
	return found_text(key, key_len, 32, arg);
}

bool found_text64(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	(void)value;
	(void)len;
	return found_text(key, key_len, 64, arg);
}

enum err found_add(json_object *list, enum err err, json_object *record)
{
	if (err == ERR_OK)
		json_object_array_add(list, record);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err found_end(struct found *f, enum err err, json_object *list, json_object **ret)
{
	found_done(f);
	if (err == ERR_OK)
		*ret = list;
	else
		json_object_put(list);
	return err;
}

bool found_count(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	size_t *n = arg;

	(void)key;
	(void)key_len;
	(void)value;
	(void)len;
	++*n;
	return true;
}

/* ---- the entries of one record */

static bool same_key(const struct key *a, const struct key *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

static const char *text_of(const char *text)
{
	return text != NULL ? text : "";
}

enum err entry_change(struct pass *p, const struct index_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct index_pair *pair = &pairs[i];
		enum err err = ERR_OK;

		if (pair->now.len > STORE_KEY_MAX)
			return error_set(p->error, ERR_BAD_REQUEST, "table %s: key too long",
					 table_name(pair->table));
		if (same_key(&pair->now, &pair->was) &&
		    strcmp(text_of(pair->text), text_of(pair->text_was)) == 0)
			continue;
		if (pair->was.len > 0 && !same_key(&pair->now, &pair->was))
			err = entry_delete(p, pair->table, &pair->was);
		if (err == ERR_OK && pair->now.len > 0)
			err = entry_put_text(p, pair->table, &pair->now, text_of(pair->text));
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

enum err entry_count(struct pass *p, const char *name, int64_t by)
{
	int64_t n;
	enum err err;

	if (by == 0)
		return ERR_OK;
	err = counter_get(p, name, &n);
	if (err != ERR_OK)
		return err;
	n += by;
	if (n > 0)
		return counter_set(p, name, n);
	/* Below 0 it was wrong before: start anew rather than stay wrong. */
	err = index_delete(p, TABLE_COUNTERS, name, strlen(name));
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

struct due {
	json_object *list;
	uint64_t before;
	size_t max;
	bool text;
};

static bool due_entry(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	const unsigned char *k = key;
	struct due *due = arg;
	char text[33];

	(void)value;
	(void)len;
	if (key_len != (due->text ? 1U + 8 + 32 : 1U + 8 + 8) || key_to_u64(k + 1) >= due->before ||
	    json_len(due->list) >= due->max)
		return false;
	if (due->text) {
		memcpy(text, k + 9, 32);
		text[32] = '\0';
		json_object_array_add(due->list, json_object_new_string(text));
	} else {
		json_object_array_add(due->list, json_object_new_int64((int64_t)key_to_u64(k + 9)));
	}
	return true;
}

enum err entry_due(struct pass *p, enum table table, unsigned char space, int64_t before_ms,
		   bool text, size_t max, json_object **ret)
{
	struct due due = {.list = json_object_new_array(),
			  .before = (uint64_t)before_ms,
			  .max = max,
			  .text = text};
	struct key prefix = {0};
	enum err err = ERR_OK;

	key_byte(&prefix, space);
	if (before_ms > 0)
		err = entry_walk(p, table, &prefix, SIZE_MAX, due_entry, &due);
	if (err != ERR_OK) {
		json_object_put(due.list);
		return err;
	}
	*ret = due.list;
	return ERR_OK;
}
