/*
 * Lists of data items.
 */
#include "catalog/item_ask.h"

#include <string.h>
#include "base/mem.h"

/* Microseconds, measured with a million items: which way to a page is shorter. */
#define COST_WALK 0.8 /* an item looked at on the way in its order */
#define COST_SCAN 0.1 /* an entry of item_scan */
#define COST_SORT 1.0 /* a match that is sorted */

struct page {
	struct conn *conn;
	struct ask_plan *plan;
	struct error *error;
	int64_t total;
	int64_t seen;       /* items in the branches that are filtered */
	int64_t skip, max;  /* from the nearer end */
	bool descending;    /* there */
	int64_t *ids;       /* max of them */
	size_t n;
};

static enum err number_of(struct conn *conn, const struct ask_text *a, int64_t *ret, struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e = ask_prepare(conn, a, &stmt, error);

	if (e == ERR_OK)
		e = conn_step(conn, stmt, &row, error);
	if (e != ERR_OK)
		return e;
	*ret = row ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return ERR_OK;
}

/* ---- how many */

/* The number of all items of a branch of table item: a counter's. */
static enum err counted(struct page *g, const struct branch *b, int64_t *ret)
{
	const struct ask_plan *p = g->plan;
	struct ask_text a;
	enum err e;

	ask_open(&a);
	ask_add(&a, "SELECT n FROM item_count WHERE owner = ");
	ask_bind_text(&a, b->kind == BRANCH_SEEN ? "*" : p->owner != NULL ? p->owner : p->user);
	ask_add(&a, " AND vis = %d", b->vis);
	ask_close(&a);
	e = number_of(g->conn, &a, ret, g->error);
	ask_free(&a);
	return e;
}

/* The one filter, if it is one that an index of branch SEEN leads with. */
static const char *only_filter(const struct ask_plan *p)
{
	const struct item_query *q = p->q;

	if (p->n_filters == 1 && q->types.n == 1)
		return "type";
	if (p->n_filters == 1 && q->statuses.n == 1)
		return "status";
	if (p->n_filters == 1 && q->service_statuses.n == 1)
		return "service";
	if (p->n_filters == (unsigned)q->with_created_from + q->with_created_to && p->n_filters > 0)
		return "created";
	return NULL;
}

static bool is_plain(const struct ask_plan *p, const struct branch *b)
{
	return p->n_filters == 0 && b->kind != BRANCH_SHARED && b->kind != BRANCH_UNREADY && !b->check &&
	    b->below == 0 && b->least == 0 && !(b->kind == BRANCH_OWN && b->vis == 0 && p->q->is_public);
}

static enum err count_branch(struct page *g, struct branch *b)
{
	const char *only = only_filter(g->plan);
	struct reading r = {.count = true, .family = b->kind == BRANCH_SEEN && only != NULL && b->least == 0 ? only : "id"};
	struct ask_text a;
	int64_t all = 0;
	enum err e = ERR_OK;

	if (b->kind == BRANCH_SEEN || b->kind == BRANCH_OWN)
		e = counted(g, b, &all);
	if (e != ERR_OK || is_plain(g->plan, b) || ((b->kind == BRANCH_SEEN || b->kind == BRANCH_OWN) && all == 0)) {
		b->n = all;
		return e;
	}
	if (b->kind == BRANCH_SEEN)
		g->seen += all;
	ask_open(&a);
	ask_branch(&a, g->plan, b, &r);
	ask_close(&a);
	e = number_of(g->conn, &a, &b->n, g->error);
	ask_free(&a);
	return e;
}

static enum err count_all(struct page *g)
{
	struct ask_plan *p = g->plan;
	struct reading r = {.count = true};
	struct ask_text a;
	enum err e = ERR_OK;

	if (p->drive != DRIVE_NONE) {
		ask_open(&a);
		ask_candidates(&a, p, &r);
		ask_close(&a);
		e = number_of(g->conn, &a, &g->total, g->error);
		ask_free(&a);
		return e;
	}
	plan_branches(p);
	for (size_t i = 0; i < p->n_branches && e == ERR_OK; i++) {
		e = count_branch(g, &p->branches[i]);
		g->total += p->branches[i].n;
	}
	return e;
}

/* ---- which */

/* By which index branch SEEN is read for a page. */
static const char *family_for(const struct page *g)
{
	const struct ask_plan *p = g->plan;
	enum item_order order = p->q->order;
	const char *only = only_filter(p);
	double walked = g->total == 0 ? 0 : (double)(g->skip + g->max) * (double)g->seen / (double)g->total;

	if (p->n_filters == 0)
		return NULL;
	if (order == ITEM_BY_ID) {
		if (only != NULL && strcmp(only, "created") != 0)
			return only;
		return only != NULL && (double)g->total * COST_SORT < walked * COST_SCAN ? "created" : NULL;
	}
	if (order == ITEM_BY_CREATETIME && only != NULL && strcmp(only, "created") == 0)
		return NULL;
	if (walked * COST_WALK <= (double)g->seen * COST_SCAN + (double)g->total * COST_SORT)
		return NULL;
	return only != NULL ? only : "id";
}

static enum err read_ids(struct page *g, const struct ask_text *a)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e = ask_prepare(g->conn, a, &stmt, g->error);
	int column = g->plan->q->order == ITEM_BY_ID ? 0 : 1;

	if (e != ERR_OK)
		return e;
	while ((e = conn_step(g->conn, stmt, &row, g->error)) == ERR_OK && row)
		g->ids[g->n++] = sqlite3_column_int64(stmt, column);
	return e;
}

static void ask_order(struct ask_text *a, const struct page *g, int64_t limit, int64_t offset)
{
	const char *word = g->descending ? " DESC" : "";

	if (g->plan->q->order == ITEM_BY_ID)
		ask_add(a, " ORDER BY id%s LIMIT ", word);
	else
		ask_add(a, " ORDER BY k%s, id%s LIMIT ", word, word);
	ask_bind_number(a, limit);
	ask_add(a, " OFFSET ");
	ask_bind_number(a, offset);
}

static void ask_union(struct ask_text *a, const struct page *g, const struct reading *r)
{
	const struct ask_plan *p = g->plan;
	bool first = true;

	for (size_t i = 0; i < p->n_branches; i++) {
		if (p->branches[i].n == 0)
			continue;
		if (!first)
			ask_add(a, " UNION ALL ");
		ask_branch(a, p, &p->branches[i], r);
		first = false;
	}
}

static enum err page_ids(struct page *g)
{
	struct reading r = {.order = g->plan->q->order, .family = family_for(g), .descending = g->descending};
	struct ask_text a;
	enum err e;

	ask_open(&a);
	if (g->plan->drive != DRIVE_NONE)
		ask_candidates(&a, g->plan, &r);
	else
		ask_union(&a, g, &r);
	ask_order(&a, g, g->max, g->skip);
	ask_close(&a);
	e = read_ids(g, &a);
	ask_free(&a);
	return e;
}

/* ---- what */

static enum item_permission level_of(const struct item_query *q, const json_object *item, int64_t shared)
{
	const char *user = q->viewer.user == NULL ? "" : q->viewer.user;
	int64_t level = json_int(item, "guest", 0);

	if (q->viewer.admin || (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0))
		return ITEM_DELETE;
	level = shared > level ? shared : level;
	return level > ITEM_DELETE ? ITEM_DELETE : level < ITEM_SEARCH ? ITEM_SEARCH : (enum item_permission)level;
}

static enum err read_item(struct page *g, const char *sql, int64_t id, json_object *list)
{
	const struct item_query *q = g->plan->q;
	json_object *item;
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_prepare(g->conn, sql, &stmt, g->error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	conn_bind_text(stmt, 2, g->plan->subjects_text);
	e = conn_step(g->conn, stmt, &row, g->error);
	if (e != ERR_OK || !row)
		return e;
	item = item_of_row(stmt);
	if (item != NULL) {
		enum item_permission level = level_of(q, item, sqlite3_column_int64(stmt, ITEM_COLUMN_LEVEL));

		(void)json_set_str(item, "permission", item_permission_word(level));
		(void)json_set_bool(item, "may_share",
		    q->viewer.admin || (*g->plan->user != '\0' && strcmp(g->plan->user, json_str(item, "userName", "")) == 0));
		json_object_array_add(list, item);
	}
	(void)sqlite3_reset(stmt);
	return item != NULL ? ERR_OK : error_set(g->error, ERR_STORE, "data item's row is damaged");
}

static enum err read_items(struct page *g, bool backwards, json_object *list)
{
	CLEAN_FREE char *sql = mem_printf(
	    "SELECT %s, (SELECT max(level) FROM item_share x WHERE x.item = i.id"
	    " AND x.subject IN (SELECT value FROM json_each(?2))) FROM item i WHERE i.id = ?1",
	    item_columns);
	enum err e = ERR_OK;

	for (size_t i = 0; i < g->n && e == ERR_OK; i++)
		e = read_item(g, sql, g->ids[backwards ? g->n - 1 - i : i], list);
	return e;
}

/* Total and page see the same moment. */
static enum err read_both(struct page *g, json_object *list)
{
	const struct item_query *q = g->plan->q;
	int64_t skip, max;
	bool backwards;
	enum err e = count_all(g);

	if (e != ERR_OK || q->max == 0 || (int64_t)q->skip >= g->total)
		return e;
	skip = (int64_t)q->skip;
	max = g->total - skip < (int64_t)q->max ? g->total - skip : (int64_t)q->max;
	/* The second half is read from the other end. */
	backwards = skip > g->total / 2;
	g->skip = backwards ? g->total - skip - max : skip;
	g->max = max;
	g->descending = q->descending != backwards;
	g->ids = mem_alloc((size_t)max * sizeof(*g->ids));
	e = page_ids(g);
	if (e == ERR_OK)
		e = read_items(g, backwards, list);
	free(g->ids);
	return e;
}

enum err catalog_items(struct catalog *c, const struct item_query *q, json_object **ret,
    size_t *ret_total, struct error *error)
{
	CLEAN_JSON json_object *list = json_object_new_array();
	struct ask_plan plan;
	struct page g = {.plan = &plan, .error = error};
	sqlite3_stmt *begin;
	enum err e = ERR_OK;

	plan_open(&plan, q);
	if (!plan.nothing)
		e = conn_take(c, &g.conn, error);
	if (e == ERR_OK && !plan.nothing) {
		e = conn_prepare(g.conn, "BEGIN", &begin, error);
		if (e == ERR_OK)
			e = conn_step(g.conn, begin, NULL, error);
		if (e == ERR_OK)
			e = conn_end(g.conn, read_both(&g, list), error);
		conn_give(c, g.conn);
	}
	plan_close(&plan);
	if (e != ERR_OK)
		return e;
	*ret = json_object_get(list);
	*ret_total = (size_t)g.total;
	return ERR_OK;
}
