#include "geo/rtree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/bigmem.h"

#define NODE_CELLS 51				 /* RTREE_MAXCELLS */
#define CELL_BYTES 24				 /* 8 of id, 4 floats */
#define NODE_BYTES (4 + NODE_CELLS * CELL_BYTES) /* min(page - 64, this): pages are 4096 */

struct box {
	int64_t id; /* row, or node below */
	float c[4]; /* minx, maxx, miny, maxy */
};

struct rtree {
	struct bigmem boxes; /* n of struct box */
	size_t n;
	char *path; /* of the spill file */
};

/* One pass of sorting: what to sort by, and which box. */
struct key {
	uint32_t key;
	uint32_t box;
};

struct level {
	struct key *keys;  /* n: boxes in packing order after level_sort */
	struct key *other; /* scratch of the same size */
	size_t n;
};

struct writer {
	sqlite3_stmt *node;   /* insert a node */
	sqlite3_stmt *rowid;  /* row → leaf */
	sqlite3_stmt *parent; /* node → parent */
	sqlite3 *db;
};

struct rtree *rtree_new(const char *spill_path)
{
	struct rtree *t = mem_alloc(sizeof *t);

	t->path = mem_strdup(spill_path);
	bigmem_init(&t->boxes, t->path);
	return t;
}

void rtree_free(struct rtree *t)
{
	if (t == NULL)
		return;
	bigmem_done(&t->boxes);
	free(t->path);
	free(t);
}

int64_t rtree_count(const struct rtree *t)
{
	return (int64_t)t->n;
}

/* The float box must hold the double box; huge doubles would become infinite, which the module
 * cannot compare. */
static float round_down(double v)
{
	float f = v < -(double)__FLT_MAX__  ? -__FLT_MAX__
		  : v > (double)__FLT_MAX__ ? __FLT_MAX__
					    : (float)v;

	return (double)f > v ? nextafterf(f, -__FLT_MAX__) : f;
}

static float round_up(double v)
{
	return -round_down(-v);
}

enum err rtree_add(struct rtree *t, int64_t id, const double env[4], struct error *error)
{
	struct box *b;
	enum err err;

	if (t->n >= UINT32_MAX - 1)
		return error_set(error, ERR_TOO_LARGE, "more than 2^32 features");
	if ((err = bigmem_reserve(&t->boxes, (t->n + 1) * sizeof *b, error)) != ERR_OK)
		return err;
	b = (struct box *)t->boxes.p + t->n++;
	b->id = id;
	b->c[0] = round_down(env[0]);
	b->c[1] = round_up(env[1]);
	b->c[2] = round_down(env[2]);
	b->c[3] = round_up(env[3]);
	return ERR_OK;
}

/* Order of floats as order of unsigned integers. */
static uint32_t float_key(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof u);
	return u & 0x80000000U ? ~u : u | 0x80000000U;
}

static float centre(const struct box *b, int axis)
{
	return b->c[2 * axis] / 2 + b->c[2 * axis + 1] / 2;
}

/* Radix sort of 3 passes of 11 bits; the result is in A again. */
static void sort_keys(struct key *a, struct key *b, size_t n)
{
	for (int shift = 0; shift < 33; shift += 11) {
		size_t start[2048] = {0}, sum = 0;
		struct key *swap;

		for (size_t i = 0; i < n; i++)
			start[a[i].key >> shift & 2047]++;
		for (size_t i = 0; i < 2048; i++) {
			size_t count = start[i];

			start[i] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			b[start[a[i].key >> shift & 2047]++] = a[i];
		swap = a;
		a = b;
		b = swap;
	}
	/* three passes: the result lies in what was B, now A */
	memcpy(b, a, n * sizeof *a);
}

/*
 * Sort-tile-recursive: slices of equal count by x, each sorted by y; runs of NODE_CELLS then become
 * nodes.
 */
static void level_sort(struct level *l, const struct box *boxes)
{
	size_t nodes = (l->n + NODE_CELLS - 1) / NODE_CELLS;
	size_t slices = nodes == 0 ? 1 : (size_t)ceil(sqrt((double)nodes));
	size_t per_slice = (nodes + slices - 1) / slices * NODE_CELLS;

	for (size_t i = 0; i < l->n; i++)
		l->keys[i] = (struct key){float_key(centre(&boxes[i], 0)), (uint32_t)i};
	sort_keys(l->keys, l->other, l->n);
	for (size_t i = 0; i < l->n; i++)
		l->keys[i].key = float_key(centre(&boxes[l->keys[i].box], 1));
	for (size_t i = 0; i < l->n; i += per_slice)
		sort_keys(l->keys + i, l->other, l->n - i < per_slice ? l->n - i : per_slice);
}

static void put32(unsigned char *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static void put_box(unsigned char *p, const struct box *b)
{
	uint64_t id = __builtin_bswap64((uint64_t)b->id);

	memcpy(p, &id, 8);
	for (int i = 0; i < 4; i++) {
		uint32_t u;

		memcpy(&u, &b->c[i], 4);
		put32(p + 8 + 4 * i, u);
	}
}

static enum err step(struct writer *w, sqlite3_stmt *s, struct error *error)
{
	int rc = sqlite3_step(s);

	(void)sqlite3_reset(s);
	if (rc == SQLITE_DONE)
		return ERR_OK;
	return error_set(error, rc == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO, "rtree: %s",
			 sqlite3_errmsg(w->db));
}

static enum err pair(struct writer *w, sqlite3_stmt *s, int64_t key, int64_t value,
		     struct error *error)
{
	sqlite3_bind_int64(s, 1, key);
	sqlite3_bind_int64(s, 2, value);
	return step(w, s, error);
}

/*
 * Write one level: BOXES in packing order become nodes numbered from FIRST (1 when it is a single
 * node, the root). UP receives the nodes' own boxes; HOME[i] the node of box i.
 */
static enum err level_nodes(struct writer *w, const struct level *l, const struct box *boxes,
			    int depth, int64_t first, struct box *up, uint32_t *home,
			    struct error *error)
{
	size_t nodes = l->n == 0 ? 1 : (l->n + NODE_CELLS - 1) / NODE_CELLS;
	enum err err = ERR_OK;

	for (size_t k = 0; k < nodes && err == ERR_OK; k++) {
		unsigned char blob[NODE_BYTES] = {0};
		size_t from = k * NODE_CELLS;
		size_t cells = l->n - from < NODE_CELLS ? l->n - from : NODE_CELLS;
		int64_t number = nodes == 1 ? 1 : first + (int64_t)k;
		struct box all = {number, {__FLT_MAX__, -__FLT_MAX__, __FLT_MAX__, -__FLT_MAX__}};

		for (size_t i = 0; i < cells; i++) {
			const struct box *b = &boxes[l->keys[from + i].box];

			put_box(blob + 4 + i * CELL_BYTES, b);
			home[l->keys[from + i].box] = (uint32_t)number;
			for (int a = 0; a < 4; a += 2) {
				all.c[a] = fminf(all.c[a], b->c[a]);
				all.c[a + 1] = fmaxf(all.c[a + 1], b->c[a + 1]);
			}
		}
		if (number == 1)
			put32(blob, (uint32_t)depth << 16);
		blob[2] = (unsigned char)(cells >> 8);
		blob[3] = (unsigned char)cells;
		up[k] = all;
		sqlite3_bind_int64(w->node, 1, number);
		sqlite3_bind_blob(w->node, 2, blob, sizeof blob, SQLITE_STATIC);
		err = step(w, w->node, error);
	}
	return err;
}

/* From the rows up to the root. */
static enum err write_levels(struct rtree *t, struct writer *w, struct error *error)
{
	struct bigmem keys, homes;
	struct box *boxes = t->boxes.p, *up = NULL;
	size_t n = t->n;
	int64_t next = 2;
	enum err err;

	bigmem_init(&keys, t->path);
	bigmem_init(&homes, t->path);
	err = bigmem_reserve(&keys, (n + 1) * 2 * sizeof(struct key), error);
	if (err == ERR_OK)
		err = bigmem_reserve(&homes, (n + 1) * sizeof(uint32_t), error);
	for (int depth = 0; err == ERR_OK; depth++) {
		struct level l = {keys.p, (struct key *)keys.p + n, n};
		size_t nodes = n == 0 ? 1 : (n + NODE_CELLS - 1) / NODE_CELLS;
		struct box *above = mem_array(nodes, sizeof *above);
		uint32_t *home = homes.p;

		level_sort(&l, boxes);
		err = level_nodes(w, &l, boxes, depth, next, above, home, error);
		for (size_t i = 0; i < n && err == ERR_OK; i++)
			err =
			    pair(w, depth == 0 ? w->rowid : w->parent, boxes[i].id, home[i], error);
		free(up);
		up = above;
		boxes = above;
		next += (int64_t)nodes;
		n = nodes;
		if (nodes == 1)
			break;
	}
	free(up);
	bigmem_done(&keys);
	bigmem_done(&homes);
	return err;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *format, const char *name)
{
	char *sql = sqlite3_mprintf(format, name);
	sqlite3_stmt *s = NULL;

	if (sql == NULL)
		mem_die();
	(void)sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	return s;
}

/* The node of an empty tree exists already and is replaced by the root. */
enum err rtree_write(struct rtree *t, sqlite3 *db, const char *name, struct error *error)
{
	struct writer w = {.db = db};
	sqlite3_stmt *create = prepare(
	    db, "CREATE VIRTUAL TABLE \"%w\" USING rtree(id, minx, maxx, miny, maxy)", name);
	enum err err = create == NULL ? error_set(error, ERR_IO, "rtree: %s", sqlite3_errmsg(db))
				      : step(&w, create, error);

	sqlite3_finalize(create);
	if (err != ERR_OK)
		return err;
	w.node = prepare(db, "INSERT OR REPLACE INTO \"%w_node\" VALUES (?1, ?2)", name);
	w.rowid = prepare(db, "INSERT INTO \"%w_rowid\" VALUES (?1, ?2)", name);
	w.parent = prepare(db, "INSERT INTO \"%w_parent\" VALUES (?1, ?2)", name);
	if (w.node == NULL || w.rowid == NULL || w.parent == NULL)
		err = error_set(error, ERR_IO, "rtree: %s", sqlite3_errmsg(db));
	else
		err = write_levels(t, &w, error);
	sqlite3_finalize(w.node);
	sqlite3_finalize(w.rowid);
	sqlite3_finalize(w.parent);
	return err;
}
