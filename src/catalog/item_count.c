/*
 * How many data items a question finds, and the sets that its rights and filters are asked of.
 */
#include "catalog/item_page.h"

#include <string.h>
#include "base/mem.h"

enum err page_number(struct conn *conn, struct ask_text *a, int64_t *ret, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = ask_prepare(conn, a, &stmt, error);

	return e == ERR_OK ? conn_number(conn, stmt, ret, error) : e;
}

/* ---- sets */

static enum err collect(struct page *g, struct ask_text *a, struct id_set *set)
{
	sqlite3_stmt *stmt;
	enum err e;

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

enum err page_fill_filter(struct page *g, int vis)
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
	e = page_number(g->conn, &a, &n, g->error);
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
			e = page_fill_filter(g, -1);
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
	e = page_number(g->conn, &a, ret, g->error);
	ask_free(&a);
	return e;
}

/* The one filter, if it is one that an index of branch SEEN leads with. */
const char *page_only_filter(const struct ask_plan *p)
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

static void ask_created(struct ask_text *a, const struct branch *b, int64_t from, int64_t to)
{
	ask_add(a,
		"(SELECT count(*) FROM item INDEXED BY item_v_created WHERE vis = %d"
		" AND created BETWEEN ",
		b->vis);
	ask_bind_number(a, from);
	ask_add(a, " AND ");
	ask_bind_number(a, to);
	ask_add(a, ")");
}

/* Those created in a span of time: whole days are counted already, the days at its ends are not. */
static enum err count_created(struct page *g, struct branch *b)
{
	const struct item_query *q = g->plan->q;
	const int64_t end = INT64_MAX - ITEM_DAY_MS; /* of all times */
	int64_t from = q->with_created_from ? q->created_from : 0;
	int64_t to = q->with_created_to && q->created_to < end ? q->created_to : end;
	int64_t first = from / ITEM_DAY_MS, last = to / ITEM_DAY_MS;
	struct ask_text a;
	enum err e;

	ask_open(&a);
	ask_add(&a, "SELECT ");
	if (first >= last) {
		ask_created(&a, b, from, to);
	} else {
		ask_created(&a, b, from, (first + 1) * ITEM_DAY_MS - 1);
		ask_add(&a, " + ");
		ask_created(&a, b, last * ITEM_DAY_MS, to);
		ask_add(&a, " + (SELECT ifnull(sum(n), 0) FROM item_day WHERE vis = %d AND day > ",
			b->vis);
		ask_bind_number(&a, first);
		ask_add(&a, " AND day < ");
		ask_bind_number(&a, last);
		ask_add(&a, ")");
	}
	e = page_number(g->conn, &a, &b->n, g->error);
	ask_free(&a);
	return e;
}

static enum err count_branch(struct page *g, struct branch *b)
{
	const char *only = page_only_filter(g->plan);
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
	if (b->least > 0 && g->plan->n_filters == 0) {
		b->n = (int64_t)set_count(&g->sets.open);
		return ERR_OK;
	}
	if (strcmp(r.family, "created") == 0)
		return count_created(g, b);
	ask_open(&a);
	ask_branch(&a, g->plan, b, &r);
	e = page_number(g->conn, &a, &b->n, g->error);
	ask_free(&a);
	return e;
}

/*
 * Candidates in another order than theirs: many of them are met on the way through that order, few
 * are sorted.
 */
static enum err collect_matches(struct page *g)
{
	struct reading r = {.order = ITEM_BY_ID};
	struct id_set found = {0};
	struct ask_text a;
	enum err e;

	ask_open(&a);
	ask_candidates(&a, g->plan, &r);
	e = collect(g, &a, &found);
	g->total = (int64_t)set_count(&found);
	if (e == ERR_OK && g->total * 4 > g->catalog->many) {
		free(g->sets.filter.bits);
		g->sets.filter = found;
		plan_known(g->plan);
		return e;
	}
	free(found.bits);
	return e;
}

enum err page_count(struct page *g)
{
	struct ask_plan *p = g->plan;
	struct reading r = {.count = true};
	struct ask_text a;
	enum err e = ERR_OK;

	e = load_sets(g);
	if (e != ERR_OK)
		return e;
	if (p->drive > DRIVE_NAME && p->q->order != ITEM_BY_ID)
		return collect_matches(g);
	if (p->drive != DRIVE_NONE) {
		ask_open(&a);
		ask_candidates(&a, p, &r);
		e = page_number(g->conn, &a, &g->total, g->error);
		ask_free(&a);
		return e;
	}
	for (size_t i = 0; i < p->n_branches && e == ERR_OK; i++) {
		e = count_branch(g, &p->branches[i]);
		g->total += p->branches[i].n;
	}
	return e;
}
