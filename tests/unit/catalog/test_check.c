/*
 * Goal: what is derived from data items (counts, tags, shares, what everybody sees) is compared
 * with them: no finding in a catalogue that is whole, one for each thing that was bent, none any
 * more once it is mended.
 */
#include <sqlite3.h>
#include "catalog/items.h"

struct heard {
	int findings, mended;
	char first[80];
};

static void hear(void *arg, const char *what, int64_t n, bool mended)
{
	struct heard *h = arg;

	assert_true(n > 0);
	if (h->findings++ == 0)
		snprintf(h->first, sizeof(h->first), "%s", what);
	h->mended += mended;
}

static struct heard listen(struct scratch *s, bool repair)
{
	struct heard h = {0};
	struct error error = {0};

	if (catalog_check(s->catalog, repair, hear, &h, &error) != ERR_OK)
		fail_msg("check: %s", error.text);
	return h;
}

static void bend(struct scratch *s, const char *sql)
{
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->config.data_dir);
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void fill(struct scratch *s)
{
	static const char *const shares[] = {
	    "[]", "[{\"kind\":\"GUEST\",\"permission\":\"SEARCH\"}]",
	    "[{\"kind\":\"GUEST\",\"permission\":\"DOWNLOAD\"}]",
	    "[{\"kind\":\"USER\",\"name\":\"bo\",\"permission\":\"DELETE\"}]"};

	for (size_t i = 0; i < 40; i++) {
		int64_t id = create(s,
				    "{\"userName\":\"ann\",\"fileName\":\"a.csv\",\"tags\":[\"x\"],"
				    "\"status\":\"OK\"}",
				    shares[i % 4]);

		if (i % 10 == 9) {
			struct viewer admin = {.user = "", .admin = true};
			assert_int_equal(
			    catalog_items_delete(s->catalog, &id, 1, &admin, NULL, NULL, NULL),
			    ERR_OK);
		}
	}
}

static void test_check_finds_nothing_in_a_whole_catalogue(void **state)
{
	struct scratch *s = *state;

	fill(s);
	assert_int_equal(listen(s, false).findings, 0);
}

static void test_check_mends_what_was_bent(void **state)
{
	static const struct {
		const char *sql, *first;
	} rows[] = {
	    {"UPDATE item_count SET n = n + 1 WHERE owner = '*'", "items counted"},
	    {"DELETE FROM item_count", "items counted"},
	    {"UPDATE item_day SET n = n + 1", "items counted by day"},
	    {"DELETE FROM item_day", "items counted by day"},
	    {"UPDATE item_seen SET seen = open", "items whose visibility is out of step"},
	    {"DELETE FROM item_seen", "items whose visibility is out of step"},
	    {"INSERT INTO item_tag VALUES ('y', 1, 99999)", "tags of no item"},
	    {"UPDATE OR IGNORE item_tag SET vis = 1 - vis", "tags out of step"},
	    {"UPDATE item_share SET live = 2", "shares out of step"},
	};
	struct scratch *s = *state;

	fill(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct heard h;

		bend(s, rows[i].sql);
		h = listen(s, true);
		assert_string_equal(h.first, rows[i].first);
		assert_int_equal(h.findings, h.mended);
		h = listen(s, false);
		assert_string_equal(h.first, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_check_finds_nothing_in_a_whole_catalogue,
					    scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_check_mends_what_was_bent, scratch_setup,
					    scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
