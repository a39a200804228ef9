/*
 * Sets of data items.
 */
#include "catalog/item_set.h"

#include <string.h>
#include "base/mem.h"

#define CHUNK_BITS  8192
#define CHUNK_BYTES (CHUNK_BITS / 8)
#define ID_MAX                                                                                     \
	(INT64_C(1)                                                                                \
	 << 31) /* contracts/datas.md 1: ids of data items; 256 MB would be the whole range */

void sets_done(struct item_sets *s)
{
	free(s->seen.bits);
	free(s->open.bits);
	free(s->filter.bits);
	*s = (struct item_sets){0};
}

static void grow(struct id_set *set, int64_t limit)
{
	int64_t to = set->limit * 2 > limit ? set->limit * 2 : limit;

	to = (to + CHUNK_BITS - 1) / CHUNK_BITS * CHUNK_BITS;
	set->bits = mem_resize(set->bits, (size_t)(to / 8), 1);
	memset(set->bits + set->limit / 8, 0, (size_t)((to - set->limit) / 8));
	set->limit = to;
}

void set_add(struct id_set *set, int64_t id)
{
	if (id < 0 || id >= ID_MAX)
		return;
	if (id >= set->limit)
		grow(set, id + 1);
	set->bits[id / 8] |= (unsigned char)(1u << (id % 8));
}

bool set_has(const struct id_set *set, int64_t id)
{
	return id >= 0 && id < set->limit && (set->bits[id / 8] >> (id % 8) & 1) != 0;
}

size_t set_count(const struct id_set *set)
{
	size_t n = 0;

	for (int64_t i = 0; i < set->limit / 8; i++)
		n += (size_t)__builtin_popcount(set->bits[i]);
	return n;
}

static void take_chunk(struct id_set *set, int64_t chunk, const void *bits, int bytes)
{
	int64_t end = (chunk + 1) * CHUNK_BITS;

	if (bits == NULL || bytes != CHUNK_BYTES || chunk < 0 || end > ID_MAX)
		return;
	if (end > set->limit)
		grow(set, end);
	memcpy(set->bits + chunk * CHUNK_BYTES, bits, CHUNK_BYTES);
}

enum err sets_load(struct conn *conn, struct item_sets *s, struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e;

	if (s->loaded)
		return ERR_OK;
	e = conn_prepare(conn, "SELECT chunk, seen, open FROM item_seen", &stmt, error);
	while (e == ERR_OK && (e = conn_step(conn, stmt, &row, error)) == ERR_OK && row) {
		int64_t chunk = sqlite3_column_int64(stmt, 0);

		take_chunk(&s->seen, chunk, sqlite3_column_blob(stmt, 1),
			   sqlite3_column_bytes(stmt, 1));
		take_chunk(&s->open, chunk, sqlite3_column_blob(stmt, 2),
			   sqlite3_column_bytes(stmt, 2));
	}
	s->loaded = e == ERR_OK;
	return e;
}

enum err sets_collect(struct conn *conn, sqlite3_stmt *stmt, struct id_set *set,
		      struct error *error)
{
	bool row;
	enum err e;

	while ((e = conn_step(conn, stmt, &row, error)) == ERR_OK && row)
		set_add(set, sqlite3_column_int64(stmt, 0));
	return e;
}

/* ---- what everybody sees, kept */

/* Change one bit: did it change? */
static bool put_bit(unsigned char *bits, int64_t id, bool on)
{
	unsigned char *byte = &bits[id % CHUNK_BITS / 8], was = *byte,
		      bit = (unsigned char)(1u << (id % 8));

	*byte = (unsigned char)(on ? was | bit : was & ~bit);
	return *byte != was;
}

enum err item_seen_write(struct conn *conn, int64_t id, bool seen, bool open, struct error *error)
{
	unsigned char bits[2][CHUNK_BYTES] = {{0}};
	sqlite3_stmt *stmt;
	bool row, changed;
	enum err e =
	    conn_prepare(conn, "SELECT seen, open FROM item_seen WHERE chunk = ?1", &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id / CHUNK_BITS);
	e = conn_step(conn, stmt, &row, error);
	if (e != ERR_OK)
		return e;
	for (int i = 0; row && i < 2; i++)
		if (sqlite3_column_bytes(stmt, i) == CHUNK_BYTES)
			memcpy(bits[i], sqlite3_column_blob(stmt, i), CHUNK_BYTES);
	(void)sqlite3_reset(stmt);
	changed = put_bit(bits[0], id, seen);
	changed = put_bit(bits[1], id, open) || changed;
	if (!changed)
		return ERR_OK;
	e = conn_prepare(conn, "INSERT OR REPLACE INTO item_seen VALUES (?1, ?2, ?3)", &stmt,
			 error);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id / CHUNK_BITS);
	(void)sqlite3_bind_blob(stmt, 2, bits[0], CHUNK_BYTES, SQLITE_TRANSIENT);
	(void)sqlite3_bind_blob(stmt, 3, bits[1], CHUNK_BYTES, SQLITE_TRANSIENT);
	return conn_step(conn, stmt, NULL, error);
}

/* ---- SQL's view of them */

static void ask_set(sqlite3_context *context, int n, sqlite3_value **values, size_t offset)
{
	const struct conn *conn = sqlite3_user_data(context);
	const struct id_set *set =
	    conn->sets == NULL ? NULL : (const void *)((const char *)conn->sets + offset);

	(void)n;
	sqlite3_result_int(context, set != NULL && set_has(set, sqlite3_value_int64(values[0])));
}

static void ask_visible(sqlite3_context *context, int n, sqlite3_value **values)
{
	ask_set(context, n, values, offsetof(struct item_sets, seen));
}

static void ask_open_to_all(sqlite3_context *context, int n, sqlite3_value **values)
{
	ask_set(context, n, values, offsetof(struct item_sets, open));
}

static void ask_in(sqlite3_context *context, int n, sqlite3_value **values)
{
	ask_set(context, n, values, offsetof(struct item_sets, filter));
}

enum err sets_register(struct conn *conn, struct error *error)
{
	static const struct {
		const char *name;
		void (*fn)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
	    {"item_visible", ask_visible}, {"item_open", ask_open_to_all}, {"item_in", ask_in}};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		int rc = sqlite3_create_function_v2(conn->db, functions[i].name, 1,
						    SQLITE_UTF8 | SQLITE_DIRECTONLY, conn,
						    functions[i].fn, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return conn_error(conn, rc, error);
	}
	return ERR_OK;
}
