/*
 * Lists of data items.
 */
#include "catalog/item_ask.h"
#include "catalog/item_set.h"

#include <string.h>
#include "base/mem.h"

/* Microseconds, measured with a million items: which way to a page is shorter. */
#define COST_SCAN 0.1 /* an entry of an index */
#define COST_ROW  4.0 /* an item's row, looked at on the way */
#define COST_SORT 5.0 /* a match whose row is read and sorted */

struct page {
	struct item_sets sets;
	const struct catalog *catalog;
	struct conn *conn;
	struct ask_plan *plan;
	struct error *error;
	int64_t total;
	int64_t seen;	   /* items in the branches that are filtered */
	int64_t skip, max; /* from the nearer end */
	bool descending;   /* there */
	int64_t *ids;	   /* max of them */
	size_t n;
};

static enum err number_of(struct conn *conn, const struct ask_text *a, int64_t *ret,
			  struct error *error)
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

/* ---- sets */

static enum err collect(struct page *g, struct ask_text *a, struct id_set *set)
{
	sqlite3_stmt *stmt;
	enum err e;

	ask_close(a);
	e = ask_prepare(g->conn, a, &stmt, g->error);
	if (e == ERR_OK)
		e = sets_collect(g->conn, stmt, set, g->error);
	ask_free(a);
	return e;
}

/* What the viewer sees besides everybody. */
static enum err add_own(struct page *g)
{
	const struct ask_plan *p = g->plan;
	struct ask_text a;
	enum err e;

	ask_open(&a);
	ask_add(&a, "SELECT id FROM item INDEXED BY item_o_id WHERE owner = ");
	ask_bind_text(&a, p->user);
	ask_add(&a, " AND vis = 0");
	e = *p->user == '\0' ? ERR_OK : collect(g, &a, &g->sets.seen);
	ask_free(&a);
	for (size_t i = 0; i < json_len(p->subjects) && e == ERR_OK; i++) {
		ask_open(&a);
		ask_add(&a, "SELECT item FROM item_share INDEXED BY item_s_id WHERE subject = ");
		ask_bind_text(&a, json_object_get_string(json_at(p->subjects, i)));
		ask_add(&a, " AND live = 1");
		e = collect(g, &a, &g->sets.seen);
	}
	return e;
}

static enum err fill_filter(struct page *g, int vis)
{
	struct ask_text a;

	ask_open(&a);
	ask_scan(&a, g->plan, vis);
	return collect(g, &a, &g->sets.filter);
}

/* So many candidates that looking at each one's row takes longer than one walk over item_scan? */
static enum err many_candidates(struct page *g, bool *ret)
{
	const struct ask_plan *p = g->plan;
	struct ask_text a;
	int64_t n = 0;
	enum err e;

	ask_open(&a);
	if (p->drive == DRIVE_WORDS) {
		ask_add(&a,
			"SELECT count(*) FROM (SELECT 1 FROM item_words WHERE item_words MATCH ");
		ask_bind_text(&a, p->match);
	} else {
		ask_add(&a, "SELECT count(*) FROM (SELECT 1 FROM item_tag WHERE tag IN (SELECT "
			    "value FROM json_each(");
		ask_bind_text(&a, p->tags);
		ask_add(&a, "))");
	}
	ask_add(&a, " LIMIT ");
	ask_bind_number(&a, g->catalog->many);
	ask_add(&a, ")");
	ask_close(&a);
	e = number_of(g->conn, &a, &n, g->error);
	ask_free(&a);
	*ret = n == g->catalog->many;
	return e;
}

static enum err load_sets(struct page *g)
{
	struct ask_plan *p = g->plan;
	bool least = false;
	enum err e = ERR_OK;

	if (p->drive == DRIVE_NONE) {
		plan_branches(p);
		for (size_t i = 0; i < p->n_branches; i++)
			least = least || p->branches[i].least > 0;
		return least ? sets_load(g->conn, &g->sets, g->error) : ERR_OK;
	}
	if (p->drive == DRIVE_IDS || p->drive == DRIVE_NAME)
		return ERR_OK;
	if (!p->q->viewer.admin) {
		e = sets_load(g->conn, &g->sets, g->error);
		if (e == ERR_OK)
			e = add_own(g);
		p->visible = e == ERR_OK;
	}
	if (e == ERR_OK && p->n_scanned > 0 &&
	    (p->drive == DRIVE_WORDS || p->drive == DRIVE_TAGS)) {
		e = many_candidates(g, &p->by_set);
		if (e == ERR_OK && p->by_set)
			e = fill_filter(g, -1);
	}
	return e;
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
	if (p->n_filters == 1 && q->not_in_dir)
		return "dir";
	if (p->n_filters == (unsigned)q->with_created_from + q->with_created_to && p->n_filters > 0)
		return "created";
	return NULL;
}

static bool is_plain(const struct ask_plan *p, const struct branch *b)
{
	return p->n_filters == 0 && b->kind != BRANCH_SHARED && b->kind != BRANCH_UNREADY &&
	       !b->check && b->below == 0 && b->least == 0 &&
	       !(b->kind == BRANCH_OWN && b->vis == 0 && p->q->is_public);
}

static enum err count_branch(struct page *g, struct branch *b)
{
	const char *only = only_filter(g->plan);
	struct reading r = {
	    .count = true,
	    .family = b->kind == BRANCH_SEEN && only != NULL && b->least == 0 ? only : "id"};
	struct ask_text a;
	int64_t all = 0;
	enum err e = ERR_OK;

	if (b->kind == BRANCH_SEEN || b->kind == BRANCH_OWN)
		e = counted(g, b, &all);
	if (e != ERR_OK || is_plain(g->plan, b) ||
	    ((b->kind == BRANCH_SEEN || b->kind == BRANCH_OWN) && all == 0)) {
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

	e = load_sets(g);
	if (e != ERR_OK)
		return e;
	if (p->drive != DRIVE_NONE) {
		ask_open(&a);
		ask_candidates(&a, p, &r);
		ask_close(&a);
		e = number_of(g->conn, &a, &g->total, g->error);
		ask_free(&a);
		return e;
	}
	for (size_t i = 0; i < p->n_branches && e == ERR_OK; i++) {
		e = count_branch(g, &p->branches[i]);
		g->total += p->branches[i].n;
	}
	return e;
}

/* ---- which */

/*
 * By which index branch SEEN is read for a page: *RET NULL is the order's own.  Few matches are
 * sorted; many are met on the way, where a set tells them.
 */
static enum err choose_family(struct page *g, const char **ret)
{
	struct ask_plan *p = g->plan;
	enum item_order order = p->q->order;
	const char *only = only_filter(p);
	double walked =
	    g->total == 0 ? 0 : (double)(g->skip + g->max) * (double)g->seen / (double)g->total;
	enum err e = ERR_OK;

	*ret = NULL;
	if (p->drive != DRIVE_NONE || p->n_filters == 0 || g->seen == 0)
		return ERR_OK;
	if (order == ITEM_BY_ID) {
		if (only != NULL && (strcmp(only, "created") != 0 ||
				     (double)g->total * COST_SORT < walked * COST_SCAN))
			*ret = only;
		return ERR_OK;
	}
	if (order == ITEM_BY_CREATETIME && only != NULL && strcmp(only, "created") == 0)
		return ERR_OK;
	if (walked * COST_ROW < (double)g->seen * COST_SCAN &&
	    walked * COST_ROW < (double)g->total * COST_SORT)
		return ERR_OK;
	if ((double)g->total * COST_SORT < (walked + (double)g->seen) * COST_SCAN) {
		*ret = only != NULL ? only : "id";
		return ERR_OK;
	}
	for (size_t i = 0; i < p->n_branches && e == ERR_OK; i++)
		if (p->branches[i].kind == BRANCH_SEEN && p->branches[i].n > 0)
			e = fill_filter(g, p->branches[i].vis);
	p->by_set = e == ERR_OK;
	return e;
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

static void ask_order(struct ask_text *a, const struct reading *r, int64_t limit, int64_t offset)
{
	const char *word = r->descending ? " DESC" : "";

	if (r->order == ITEM_BY_ID)
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

/*
 * Skipping through a merge of ranges costs several times what skipping through one range does.  So
 * a far page is found in two strides: an item of the largest range that should stand near, whose
 * place in the whole is then counted; from there it is not far.
 */

/* The item OFFSET places from where R begins: of branch B, or of all (NULL). */
static enum err place_at(struct page *g, const struct branch *b, const struct reading *r,
			 int64_t offset, struct anchor *ret)
{
	sqlite3_stmt *stmt;
	struct ask_text a;
	bool row = false;
	enum err e;

	ask_open(&a);
	if (b != NULL)
		ask_branch(&a, g->plan, b, r);
	else
		ask_union(&a, g, r);
	ask_order(&a, r, 1, offset);
	ask_close(&a);
	e = ask_prepare(g->conn, &a, &stmt, g->error);
	if (e == ERR_OK)
		e = conn_step(g->conn, stmt, &row, g->error);
	if (e == ERR_OK && !row)
		e = error_set(g->error, ERR_STORE, "the catalogue's counters are wrong");
	if (e == ERR_OK) {
		bool by_id = r->order == ITEM_BY_ID;

		free(ret->text);
		ret->text =
		    by_id || ask_is_number(r->order) ? NULL : mem_strdup(conn_text(stmt, 0));
		ret->number = sqlite3_column_int64(stmt, 0);
		ret->id = sqlite3_column_int64(stmt, by_id ? 0 : 1);
		(void)sqlite3_reset(stmt);
	}
	ask_free(&a);
	return e;
}

/* How many items of the branches but BIG come before AT. */
static enum err places_before(struct page *g, const struct branch *big, const struct reading *r,
			      const struct anchor *at, int64_t *ret)
{
	struct reading before = *r;
	enum err e = ERR_OK;

	before.count = true;
	before.before = at;
	for (size_t i = 0; i < g->plan->n_branches && e == ERR_OK; i++) {
		const struct branch *b = &g->plan->branches[i];
		struct ask_text a;
		int64_t n = 0;

		if (b == big || b->n == 0)
			continue;
		ask_open(&a);
		ask_branch(&a, g->plan, b, &before);
		ask_close(&a);
		e = number_of(g->conn, &a, &n, g->error);
		ask_free(&a);
		*ret += n;
	}
	return e;
}

/* Where the page begins, when that is worth finding: *RET_OFFSET places behind it. */
static enum err find_anchor(struct page *g, const struct reading *r, struct anchor *ret,
			    int64_t *ret_offset)
{
	const struct branch *big = NULL;
	struct reading back = *r;
	int64_t place;
	enum err e;

	for (size_t i = 0; i < g->plan->n_branches; i++)
		if (big == NULL || g->plan->branches[i].n > big->n)
			big = &g->plan->branches[i];
	place = (int64_t)((double)g->skip * (double)big->n / (double)g->total);
	e = place_at(g, big, r, place, ret);
	if (e == ERR_OK)
		e = places_before(g, big, r, ret, &place);
	*ret_offset = g->skip - place;
	if (e != ERR_OK || *ret_offset >= 0)
		return e;
	/* Too far: the way back. */
	struct anchor from = *ret;

	*ret = (struct anchor){0};
	back.descending = !r->descending;
	back.from = &from;
	e = place_at(g, NULL, &back, -*ret_offset, ret);
	*ret_offset = 0;
	free(from.text);
	return e;
}

static enum err page_ids(struct page *g)
{
	struct reading r = {.order = g->plan->q->order, .descending = g->descending};
	struct anchor anchor = {0};
	struct ask_text a;
	int64_t offset = g->skip;
	size_t parts = 0;
	enum err e = choose_family(g, &r.family);

	for (size_t i = 0; i < g->plan->n_branches; i++)
		parts += g->plan->branches[i].n > 0;
	if (e == ERR_OK && parts > 1 && r.family == NULL && g->skip > g->catalog->far) {
		e = find_anchor(g, &r, &anchor, &offset);
		r.from = &anchor;
	}
	if (e == ERR_OK) {
		ask_open(&a);
		if (g->plan->drive != DRIVE_NONE)
			ask_candidates(&a, g->plan, &r);
		else
			ask_union(&a, g, &r);
		ask_order(&a, &r, g->max, offset);
		ask_close(&a);
		e = read_ids(g, &a);
		ask_free(&a);
	}
	free(anchor.text);
	return e;
}

/* ---- what */

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
		enum item_permission level =
		    level_of(q, item, sqlite3_column_int64(stmt, ITEM_COLUMN_LEVEL));

		(void)json_set_str(item, "permission", item_permission_word(level));
		(void)json_set_bool(
		    item, "may_share",
		    q->viewer.admin ||
			(*g->plan->user != '\0' &&
			 strcmp(g->plan->user, json_str(item, "userName", "")) == 0));
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
	struct page g = {.catalog = c, .plan = &plan, .error = error};
	sqlite3_stmt *begin;
	enum err e = ERR_OK;

	plan_open(&plan, q);
	if (!plan.nothing)
		e = conn_take(c, &g.conn, error);
	if (e == ERR_OK && !plan.nothing) {
		g.conn->sets = &g.sets;
		e = conn_prepare(g.conn, "BEGIN", &begin, error);
		if (e == ERR_OK)
			e = conn_step(g.conn, begin, NULL, error);
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
