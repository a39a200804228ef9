#include "store/memo.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

#define READERS_MAX 16

struct entry {
	struct memo_key key; /* its bytes are BYTES' first */
	struct gate_stamp stamp;
	bool absent; /* there is no such record */
	char *bytes; /* the key, then the value; NULL = empty */
	size_t len;
};

struct memo {
	pthread_mutex_t mutex; /* guards what follows; held for the copy of a value at most */
	struct entry entries[MEMO_ENTRIES];	   /* each record has one place */
	struct json_tokener *readers[READERS_MAX]; /* nobody uses now */
	size_t n_readers;
};

struct memo *memo_new(void)
{
	struct memo *m = mem_alloc(sizeof(*m));

	(void)pthread_mutex_init(&m->mutex, NULL);
	return m;
}

void memo_free(struct memo *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < MEMO_ENTRIES; i++)
		free(m->entries[i].bytes);
	while (m->n_readers > 0)
		json_reader_free(m->readers[--m->n_readers]);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

/* FNV-1a.  Whoever makes two records meet gains nothing: the key is compared, a counter may be
 * shared. */
static uint64_t hash(enum table table, const void *key, size_t key_len)
{
	const unsigned char *p = key;
	uint64_t h = 0xcbf29ce484222325U ^ (uint64_t)table;

	for (size_t i = 0; i < key_len; i++)
		h = (h ^ p[i]) * 0x100000001b3U;
	return h ^ h >> 32;
}

size_t memo_counter(enum table table, const void *key, size_t key_len)
{
	return hash(table, key, key_len) % GATE_CHANGES;
}

static struct entry *place(struct memo *m, const struct memo_key *k)
{
	return &m->entries[hash(k->table, k->at, k->len) / GATE_CHANGES % MEMO_ENTRIES];
}

static bool is_for(const struct entry *e, const struct memo_key *k)
{
	return e->bytes != NULL && e->key.table == k->table && e->key.without == k->without &&
	       e->key.len == k->len && memcmp(e->bytes, k->at, k->len) == 0;
}

void memo_keep(struct memo *m, const struct gate *gate, const struct memo_key *key,
	       const void *value, size_t len)
{
	const struct gate_file *file = gate_view(gate);
	struct entry *e = place(m, key);
	struct entry new = {.key = *key, .absent = value == NULL, .len = len};
	char *old;

	if (file == NULL || len > MEMO_VALUE_MAX)
		return;
	new.stamp = gate_stamp(file, memo_counter(key->table, key->at, key->len));
	new.bytes = mem_alloc(key->len + len);
	new.key.at = new.bytes;
	memcpy(new.bytes, key->at, key->len);
	if (value != NULL)
		memcpy(new.bytes + key->len, value, len);
	(void)pthread_mutex_lock(&m->mutex);
	old = e->bytes;
	*e = new;
	(void)pthread_mutex_unlock(&m->mutex);
	free(old);
}

/* ---- a reader */

static bool same(struct gate_stamp a, struct gate_stamp b)
{
	return a.epoch == b.epoch && a.changes == b.changes;
}

/* ERR_BUSY: not remembered, or no longer true. */
static enum err look_up(struct recall *r, const struct memo_key *key, struct gate_stamp now,
			size_t *ret_len)
{
	struct entry *e = place(r->memo, key);
	enum err err = ERR_BUSY;

	(void)pthread_mutex_lock(&r->memo->mutex);
	if (is_for(e, key) && same(e->stamp, now))
		err = e->absent ? ERR_NOT_FOUND : ERR_OK;
	if (err == ERR_OK) {
		r->value = mem_alloc(e->len + 1);
		memcpy(r->value, e->bytes + e->key.len, e->len);
		*ret_len = e->len;
		if (r->reader == NULL && r->memo->n_readers > 0)
			r->reader = r->memo->readers[--r->memo->n_readers];
	}
	(void)pthread_mutex_unlock(&r->memo->mutex);
	return err;
}

enum err recall_get(struct recall *r, const struct memo_key *key, size_t *ret_len)
{
	size_t counter = memo_counter(key->table, key->at, key->len);
	enum err err = ERR_BUSY;

	free(r->value);
	r->value = NULL;
	if (r->file == NULL)
		r->file = gate_view(r->gate);
	if (r->file != NULL && !r->missed && r->n < RECALL_MOST) {
		r->used[r->n].counter = counter;
		r->used[r->n].stamp = gate_stamp(r->file, counter);
		err = look_up(r, key, r->used[r->n++].stamp, ret_len);
	}
	r->missed = err == ERR_BUSY;
	return err;
}

/*
 * Each of them was true from when it was asked for until it is looked at here; so all of them were
 * at the moment before the first look.
 */
static bool still_true(const struct recall *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!same(gate_stamp(r->file, r->used[i].counter), r->used[i].stamp))
			return false;
	}
	return r->n > 0 && !r->missed;
}

static void give_reader(struct memo *m, struct json_tokener *reader)
{
	(void)pthread_mutex_lock(&m->mutex);
	if (m->n_readers < READERS_MAX) {
		m->readers[m->n_readers++] = reader;
		reader = NULL;
	}
	(void)pthread_mutex_unlock(&m->mutex);
	json_reader_free(reader);
}

bool recall_end(struct recall *r)
{
	free(r->value);
	if (r->reader != NULL)
		give_reader(r->memo, r->reader);
	return still_true(r);
}
