/*
 * Goal: a page of data items costs as much as the page: every statement of a list reads indexes in
 * order.  Asked of SQLite's planner for each order and viewer: no table is scanned, and plain
 * orders need no sorting; with filters no row of the whole table is looked at either.
 */
#include "catalog/items.h"

#include <sqlite3.h>
#include "catalog/db.h"

static const struct viewer nobody = {"", false, NULL}, ann = {"ann", false, "staff\nsurvey\n"},
			   root = {"root", true, NULL};

/* The statements that a question ran. */
struct heard {
	char *sql[64];
	size_t n;
};

static int hear(unsigned type, void *arg, void *stmt, void *unused)
{
	struct heard *h = arg;
	const char *sql = sqlite3_sql(stmt);

	(void)type;
	(void)unused;
	if (h->n < 64 && sql != NULL && strncmp(sql, "SELECT", 6) == 0)
		h->sql[h->n++] = mem_strdup(sql);
	return 0;
}

/* A word of a plan that costs more than a page: of a table as a whole, or sorting when that is not
 * wanted. */
static const char *too_dear(const char *detail, bool sorting)
{
	if (strstr(detail, "TEMP B-TREE") != NULL && !sorting)
		return "sorts";
	/* A row of it stands for 8192 items. */
	if (strstr(detail, "SCAN item_seen") != NULL)
		return NULL;
	if (strstr(detail, "SCAN i") == NULL && strstr(detail, "SCAN s") == NULL &&
	    strstr(detail, "SCAN item") == NULL)
		return NULL;
	return strstr(detail, "INDEX") == NULL && strstr(detail, "VIRTUAL TABLE") == NULL ? "scans"
											  : NULL;
}

static void check_plan(struct conn *conn, const char *sql, bool sorting)
{
	CLEAN_FREE char *explain = mem_printf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_prepare_v2(conn->db, explain, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *detail = conn_text(stmt, 3), *dear = too_dear(detail, sorting);

		if (dear != NULL)
			fail_msg("%s: %s\n%s", dear, detail, sql);
	}
	(void)sqlite3_finalize(stmt);
}

/* Every statement that Q runs is cheap.  SORTING: its matches may be sorted. */
static void check(struct scratch *s, const struct item_query *q, bool sorting)
{
	struct heard h = {{NULL}, 0};
	struct conn *conn = NULL;
	char *text;

	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	(void)sqlite3_trace_v2(conn->db, SQLITE_TRACE_STMT, hear, &h);
	conn_give(s->catalog, conn);
	text = items_text(s, q);
	free(text);
	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	(void)sqlite3_trace_v2(conn->db, 0, NULL, NULL);
	assert_true(h.n > 0);
	for (size_t i = 0; i < h.n; i++) {
		check_plan(conn, h.sql[i], sorting);
		free(h.sql[i]);
	}
	conn_give(s->catalog, conn);
}

/* Some of everything, so that no range is left out because it is empty. */
static int setup(void **state)
{
	int failed = scratch_setup(state);
	struct scratch *s = *state;

	for (int i = 0; failed == 0 && i < 200; i++) {
		static const char *const shares[] = {
		    "[]", "[{'kind':'GUEST','permission':'SEARCH'}]",
		    "[{'kind':'GUEST','permission':'DOWNLOAD'}]",
		    "[{'kind':'GROUP','name':'staff','permission':'DOWNLOAD'},{'kind':'GROUP','"
		    "name':'survey','permission':'DELETE'}]",
		    "[{'kind':'USER','name':'ann','permission':'SEARCH'}]"};
		CLEAN_FREE char *model =
		    mem_printf("{'userName':'%s','fileName':'%d.csv','status':'%s','tags':['t%d']}",
			       i % 3 ? "bob" : "ann", i % 17, i % 11 ? "OK" : "CREATED", i % 3);

		(void)create(s, model, shares[i % 5]);
	}
	if (failed == 0) {
		s->catalog->many = 10;
		s->catalog->far = 10;
	}
	return failed;
}

static void test_plain_orders_are_read_from_indexes(void **state)
{
	static const struct viewer *const viewers[] = {&nobody, &ann, &root};

	for (size_t v = 0; v < 3; v++) {
		for (enum item_order o = 0; o < ITEM_ORDER__MAX; o++) {
			for (size_t skip = 0; skip < 200; skip += 45) {
				struct item_query q = {.viewer = *viewers[v],
						       .order = o,
						       .descending = skip % 2,
						       .skip = skip,
						       .max = 9};

				check(*state, &q, false);
				q.is_public = true;
				/* What is not whole yet but shared to everybody: a handful. */
				check(*state, &q, true);
			}
		}
	}
}

static void test_own_items_are_read_from_indexes(void **state)
{
	for (enum item_order o = 0; o < ITEM_ORDER__MAX; o++) {
		struct item_query q = {.viewer = ann, .mine = true, .order = o, .max = 9};

		check(*state, &q, false);
	}
}

static void test_filters_look_at_no_whole_table(void **state)
{
	static const char *const words[] = {"ok", "12", "1"}, *const types[] = {"CSV", "SHP"};
	static const int64_t numbers[] = {3, 5};
	static const struct viewer *const viewers[] = {&nobody, &ann, &root};

	for (unsigned bits = 1; bits < 1u << 11; bits += 1 + bits % 5) {
		struct item_query q = {.viewer = *viewers[bits % 3],
				       .max = 9,
				       .order = (enum item_order)(bits % ITEM_ORDER__MAX),
				       .skip = bits % 40};

		if (bits & 1)
			q.types = (struct item_texts){types, 1 + bits % 2};
		if (bits & 2)
			q.statuses = (struct item_texts){words, 1};
		if (bits & 4)
			q.owners = (struct item_texts){words, 1 + bits % 2};
		if (bits & 8)
			q.tags = (struct item_texts){words, 1 + bits % 2};
		if (bits & 16)
			q.keywords = (struct item_texts){words + 1, 1 + bits % 2};
		if (bits & 32)
			q.dirs = (struct item_numbers){numbers, 1 + bits % 2};
		q.with_created_from = bits & 64;
		q.file_name = bits & 128 ? "3.csv" : NULL;
		if (bits & 256)
			q.ids = (struct item_numbers){numbers, 2};
		q.permission = bits & 512 ? ITEM_DOWNLOAD : ITEM_NOTHING;
		q.not_in_dir = bits & 1024 && !(bits & 32);
		check(*state, &q, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_plain_orders_are_read_from_indexes, setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_own_items_are_read_from_indexes, setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_filters_look_at_no_whole_table, setup,
					    scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
