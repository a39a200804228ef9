/*
 * Lists of data items.
 */
#include "catalog/item_page.h"

#include <string.h>
#include "base/mem.h"

static enum item_permission level_of(const struct item_query *q, const json_object *item,
				     int64_t shared)
{
	const char *user = q->viewer.user == NULL ? "" : q->viewer.user;
	int64_t level = json_int(item, "guest", 0);

	if (q->viewer.admin || (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0))
		return ITEM_DELETE;
	level = shared > level ? shared : level;
	return level > ITEM_DELETE   ? ITEM_DELETE
	       : level < ITEM_SEARCH ? ITEM_SEARCH
				     : (enum item_permission)level;
}

/* The item whose row STMT yields for ID; gone meanwhile is fine. */
static enum err read_item(struct page *g, sqlite3_stmt *stmt, int64_t id, json_object *list)
{
	const struct item_query *q = g->plan->q;
	json_object *item;
	bool row;
	enum err e;

	(void)sqlite3_bind_int64(stmt, 1, id);
	e = conn_step(g->conn, stmt, &row, g->error);
	if (e != ERR_OK || !row)
		return e;
	item = item_of_row(g->conn, stmt);
	if (item != NULL) {
		const char *owner = json_str(item, "userName", "");
		enum item_permission level =
		    level_of(q, item, sqlite3_column_int64(stmt, ITEM_COLUMN_LEVEL));

		bool own = *g->plan->user != '\0' && strcmp(g->plan->user, owner) == 0;

		json_add(item, "permission", json_object_new_string(item_permission_word(level)));
		json_add(item, "may_share", json_object_new_boolean(q->viewer.admin || own));
		json_object_array_add(list, item);
	}
	(void)sqlite3_reset(stmt);
	return item != NULL ? ERR_OK : error_set(g->error, ERR_STORE, "data item's row is damaged");
}

static enum err read_items(struct page *g, bool backwards, json_object *list)
{
	/* Nobody has no shares of his own, and an administrator needs none. */
	bool shares = !g->plan->q->viewer.admin && json_len(g->plan->subjects) > 0;
	CLEAN_FREE char *sql =
	    mem_printf("SELECT %s, %s FROM item i WHERE i.id = ?1", item_columns,
		       shares ? "(SELECT max(level) FROM item_share x WHERE x.item = i.id"
				" AND x.subject IN (SELECT value FROM json_each(?2)))"
			      : "0");
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(g->conn, sql, &stmt, g->error);

	if (e == ERR_OK && shares)
		conn_bind_text(stmt, 2, g->plan->subjects_text);
	for (size_t i = 0; i < g->n && e == ERR_OK; i++)
		e = read_item(g, stmt, g->ids[backwards ? g->n - 1 - i : i], list);
	return e;
}

/* Total and page see the same moment. */
static enum err read_both(struct page *g, json_object *list)
{
	const struct item_query *q = g->plan->q;
	int64_t skip, max;
	bool backwards;
	enum err e = page_count(g);

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
	e = page_find(g);
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
	struct page g = {.catalog = c, .plan = &plan, .error = error};
	enum err e = ERR_OK;

	plan_open(&plan, q);
	if (!plan.nothing)
		e = conn_take(c, &g.conn, error);
	if (e == ERR_OK && !plan.nothing) {
		g.conn->sets = &g.sets;
		e = conn_begin_read(g.conn, error);
		if (e == ERR_OK)
			e = conn_end(g.conn, read_both(&g, list), error);
		g.conn->sets = NULL;
		conn_give(c, g.conn);
	}
	sets_done(&g.sets);
	plan_close(&plan);
	if (e != ERR_OK)
		return e;
	*ret = json_object_get(list);
	*ret_total = (size_t)g.total;
	return ERR_OK;
}
