/*
 * Lists of data items.
 */
#include "catalog/item_page.h"

#include <string.h>
#include "base/mem.h"

/* What the row's item is to the viewer. */
static void add_rights(const struct item_query *q, sqlite3_stmt *stmt, json_object *item)
{
	const char *user = q->viewer.user == NULL ? "" : q->viewer.user;
	bool all =
	    q->viewer.admin || (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0);
	int64_t guest = sqlite3_column_int64(stmt, ITEM_COLUMN_GUEST),
		shared = sqlite3_column_int64(stmt, ITEM_COLUMN_LEVEL),
		level = all		 ? ITEM_DELETE
			: shared > guest ? shared
					 : guest;

	if (!q->brief) {
		if (level < ITEM_SEARCH || level > ITEM_DELETE)
			level = level < ITEM_SEARCH ? ITEM_SEARCH : ITEM_DELETE;
		json_add(item, "permission",
			 json_object_new_string(item_permission_word((enum item_permission)level)));
	}
	if (all || !q->brief)
		json_add(item, "may_share", json_object_new_boolean(all));
}

/* The rows of the page, as they come. */
static enum err read_items(struct page *g, json_object *list)
{
	const struct item_query *q = g->plan->q;
	sqlite3_stmt *stmt;
	bool row;
	enum err e = page_find(g, &stmt);

	while (e == ERR_OK && (e = conn_step(g->conn, stmt, &row, g->error)) == ERR_OK && row) {
		json_object *item = item_of_row(g->conn, stmt, q->brief);

		if (item == NULL) {
			(void)sqlite3_reset(stmt);
			return error_set(g->error, ERR_STORE, "data item's row is damaged");
		}
		add_rights(q, stmt, item);
		json_object_array_add(list, item);
	}
	return e;
}

static void turn(json_object **list)
{
	json_object *turned = json_object_new_array();

	for (size_t i = json_len(*list); i > 0; i--)
		json_object_array_add(turned, json_object_get(json_at(*list, i - 1)));
	json_object_put(*list);
	*list = turned;
}

/* Total and page see the same moment. */
static enum err read_both(struct page *g, json_object **list)
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
	e = read_items(g, *list);
	if (backwards)
		turn(list);
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
			e = conn_end(g.conn, read_both(&g, &list), error);
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
