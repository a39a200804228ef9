/*
 * Which data items stand on a page.
 */
#include "catalog/item_page.h"

#include <string.h>
#include "base/mem.h"

/* Microseconds, measured with a million items: which way to a page is shorter. */
#define COST_SCAN 0.1 /* an entry of an index */
#define COST_ROW  4.0 /* an item's row, looked at on the way */
#define COST_SORT 5.0 /* a match whose row is read and sorted */

#define STRIDES 4 /* towards a far page before the rest is walked */

/*
 * By which index branch SEEN is read for a page: *RET NULL is the order's own.  Few matches are
 * sorted; many are met on the way, where a set tells them.
 */
static enum err choose_family(struct page *g, const char **ret)
{
	struct ask_plan *p = g->plan;
	enum item_order order = p->q->order;
	const char *only = page_only_filter(p);
	double walked =
	    g->total == 0 ? 0 : (double)(g->skip + g->max) * (double)g->seen / (double)g->total;
	enum err e = ERR_OK;

	*ret = NULL;
	if (p->drive != DRIVE_NONE || p->n_filters == 0 || g->seen == 0)
		return ERR_OK;
	if (order == ITEM_BY_ID) {
		/* Ids grow with time: what was made late stands at the end. */
		bool ahead = g->descending ? !p->q->with_created_to : !p->q->with_created_from;

		if (only != NULL && (strcmp(only, "created") != 0 || !ahead))
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
			e = page_fill_filter(g, p->branches[i].vis);
	p->by_set = e == ERR_OK;
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

/* The branches of WHICH (NULL: all that have anything) from FROM (NULL: the beginning) on. */
static void ask_union(struct ask_text *a, const struct page *g, const struct branch *which,
		      const struct reading *r, const struct anchor *from)
{
	const struct ask_plan *p = g->plan;
	struct piece pieces[PIECES_MAX];
	size_t n = from == NULL ? 1 : ask_pieces(r->order, from, NULL, pieces);
	bool first = true;

	for (size_t i = 0; i < p->n_branches; i++) {
		const struct branch *b = &p->branches[i];

		for (size_t k = 0; k < n && b->n != 0 && (which == NULL || which == b); k++) {
			struct reading part = *r;

			part.piece = from == NULL ? NULL : &pieces[k];
			if (!first)
				ask_add(a, " UNION ALL ");
			ask_branch(a, p, b, &part);
			first = false;
		}
	}
}

/*
 * Skipping through a merge of ranges costs several times what skipping through one range does.  So
 * a far page is found in two strides: an item of the largest range that should stand near, whose
 * place in the whole is then counted; from there it is not far.
 */

/* The item OFFSET places after FROM (NULL: the beginning): of branch B, or of all (NULL). */
static enum err place_at(struct page *g, const struct branch *b, const struct reading *r,
			 const struct anchor *from, int64_t offset, struct anchor *ret)
{
	sqlite3_stmt *stmt;
	struct ask_text a;
	bool row = false;
	enum err e;

	ask_open(&a);
	ask_union(&a, g, b, r, from);
	ask_order(&a, r, 1, offset);
	e = ask_prepare(g->conn, &a, &stmt, g->error);
	if (e == ERR_OK)
		e = conn_step(g->conn, stmt, &row, g->error);
	if (e == ERR_OK && !row)
		e = ERR_NOT_FOUND;
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

/* How many items of branch B lie between FROM (NULL: the beginning) and BEFORE. */
static enum err count_between(struct page *g, const struct branch *b, const struct reading *r,
			      const struct anchor *from, const struct anchor *before, int64_t *ret)
{
	struct piece pieces[PIECES_MAX];
	size_t n = ask_pieces(r->order, from, before, pieces);
	struct reading part = *r;
	enum err e = ERR_OK;

	part.count = true;
	for (size_t k = 0; k < n && e == ERR_OK; k++) {
		struct ask_text a;
		int64_t found = 0;

		part.piece = &pieces[k];
		ask_open(&a);
		ask_branch(&a, g->plan, b, &part);
		e = page_number(g->conn, &a, &found, g->error);
		ask_free(&a);
		*ret += found;
	}
	return e;
}

/* The same of all branches but BIG. */
static enum err places_between(struct page *g, const struct branch *big, const struct reading *r,
			       const struct anchor *from, const struct anchor *before, int64_t *ret)
{
	enum err e = ERR_OK;

	*ret = 0;
	for (size_t i = 0; i < g->plan->n_branches && e == ERR_OK; i++)
		if (&g->plan->branches[i] != big && g->plan->branches[i].n != 0)
			e = count_between(g, &g->plan->branches[i], r, from, before, ret);
	return e;
}

/*
 * From AT, whose place is *PLACE, nearer to the page: as many steps in BIG as should be missing.
 */
static enum err come_nearer(struct page *g, const struct branch *big, const struct reading *r,
			    struct anchor *at, int64_t *place)
{
	bool back = g->skip < *place;
	int64_t missing = back ? *place - g->skip : g->skip - *place, others;
	int64_t steps = (int64_t)((double)missing * (double)big->n / (double)g->total);
	struct anchor next = {0};
	struct reading move = *r;
	enum err e;

	move.descending = r->descending != back;
	e = place_at(g, big, &move, at, steps, &next);
	if (e == ERR_OK)
		e = places_between(g, big, r, back ? &next : at, back ? at : &next, &others);
	if (e == ERR_OK) {
		*place += back ? -(steps + others) : steps + others;
		free(at->text);
		*at = next;
	} else {
		free(next.text);
	}
	return e;
}

/* No place there: so far the counters do not lead. */
static enum err wrong_counters(struct page *g, enum err e)
{
	return e == ERR_NOT_FOUND
		   ? error_set(g->error, ERR_STORE, "the catalogue's counters are wrong")
		   : e;
}

/* Where the page begins, when that is worth finding: *RET_OFFSET places behind it. */
static enum err find_anchor(struct page *g, const struct reading *r, struct anchor *ret,
			    int64_t *ret_offset)
{
	const struct branch *big = NULL;
	struct reading back = *r;
	int64_t place, others;
	enum err e;

	for (size_t i = 0; i < g->plan->n_branches; i++)
		if (big == NULL || g->plan->branches[i].n > big->n)
			big = &g->plan->branches[i];
	place = (int64_t)((double)g->skip * (double)big->n / (double)g->total);
	e = place_at(g, big, r, NULL, place, ret);
	if (e == ERR_OK)
		e = places_between(g, big, r, NULL, ret, &others);
	if (e == ERR_OK)
		place += others;
	for (int i = 0; e == ERR_OK && i < STRIDES && llabs(g->skip - place) > g->catalog->far;
	     i++) {
		enum err nearer = come_nearer(g, big, r, ret, &place);

		/* The end of BIG: what is missing is others'. */
		if (nearer == ERR_NOT_FOUND)
			break;
		e = nearer;
	}
	*ret_offset = g->skip - place;
	if (e != ERR_OK || *ret_offset >= 0)
		return wrong_counters(g, e);
	/* Too far: the way back. */
	struct anchor from = *ret;

	*ret = (struct anchor){0};
	back.descending = !r->descending;
	e = place_at(g, NULL, &back, &from, -*ret_offset, ret);
	*ret_offset = 0;
	free(from.text);
	return wrong_counters(g, e);
}

/* What is read of each item of the page, which follows. */
static void ask_items(struct ask_text *a, const struct ask_plan *p)
{
	ask_add(a, "SELECT %s, ", item_columns);
	/* Nobody has no shares of his own, and an administrator needs none. */
	if (p->q->viewer.admin || json_len(p->subjects) == 0) {
		ask_add(a, "0");
	} else {
		ask_add(a, "(SELECT max(level) FROM item_share x WHERE x.item = i.id"
			   " AND x.subject IN (SELECT value FROM json_each(");
		ask_bind_text(a, p->subjects_text);
		ask_add(a, ")))");
	}
	ask_add(a, " FROM (");
}

enum err page_find(struct page *g, sqlite3_stmt **ret)
{
	struct reading r = {.order = g->plan->q->order, .descending = g->descending};
	struct anchor anchor = {0}, *from = NULL;
	struct ask_text a;
	int64_t offset = g->skip;
	size_t parts = 0;
	enum err e = choose_family(g, &r.family);

	for (size_t i = 0; i < g->plan->n_branches; i++)
		parts += g->plan->branches[i].n > 0;
	if (e == ERR_OK && parts > 1 && r.family == NULL && !g->plan->known &&
	    g->skip > g->catalog->far) {
		e = find_anchor(g, &r, &anchor, &offset);
		from = &anchor;
	}
	if (e == ERR_OK) {
		ask_open(&a);
		ask_items(&a, g->plan);
		if (g->plan->drive != DRIVE_NONE)
			ask_candidates(&a, g->plan, &r);
		else
			ask_union(&a, g, NULL, &r, from);
		ask_order(&a, &r, g->max, offset);
		/* The left side of a cross join is the outer loop: its order is the rows'. */
		ask_add(&a, ") AS page CROSS JOIN item i ON i.id = page.id %s", item_downloads);
		e = ask_prepare(g->conn, &a, ret, g->error);
		ask_free(&a);
	}
	free(anchor.text);
	return e;
}
