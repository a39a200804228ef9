/*
 * Goal: a list holds exactly what its viewer may see and what was asked for, newest first, with the
 * right total on every page; words are found by their beginnings, Chinese by any two characters; no
 * form reads the whole catalogue.
 */
#include "catalog/help.h"

#include <sqlite3.h>
#include "catalog/db.h"

static const struct viewer nobody = {"", false, NULL}, ann = {"ann", false, NULL},
			   bob = {"bob", false, NULL}, root = {"root", true, NULL};

static void test_list_is_what_the_viewer_may_see(void **state)
{
	struct scratch *s = *state;

	publish_text(s, "{'owner':'ann','name':'a','type':'table'}");
	publish_text(s, "{'owner':'ann','name':'b','type':'vector','access':'view'}");
	publish_text(
	    s,
	    "{'owner':'ann','name':'c','type':'vector','permissions':{'users':{'bob':['see']}}}");
	publish_text(s, "{'owner':'bob','name':'d','type':'raster','access':'download'}");
	publish_text(s, "{'owner':'ann','name':'e','type':'table','permissions':{'users':{'"
			"AnonymousUser':['see'],"
			"'bob':['edit']}}}");
	publish_text(s, "{'owner':'','name':'f','type':'table'}");
	assert_list(s, "6 5 4 3 2 1 : 6", .viewer = root);
	assert_list(s, "5 4 3 2 1 : 5", .viewer = ann);
	assert_list(s, "5 4 3 2 : 4", .viewer = bob);
	assert_list(s, "5 4 2 : 3", .viewer = nobody);
	assert_list(s, "5 4 : 2", .viewer = bob, .editable = true);
	assert_list(s, ": 0", .viewer = nobody, .editable = true);
	assert_list(s, "3 2 : 2", .viewer = bob, .type = "vector");
	assert_list(s, "3 2 : 2", .viewer = root, .type = "vector");
	assert_list(s, "5 3 2 : 3", .viewer = bob, .owner = "ann");
	assert_list(s, "5 3 2 1 : 4", .viewer = ann, .owner = "ann");
	assert_list(s, "5 1 : 2", .viewer = ann, .owner = "ann", .type = "table");
	assert_list(s, "6 5 4 3 2 1 : 6", .viewer = root, .editable = true);
	assert_list(s, "5 : 1", .viewer = bob, .owner = "ann", .editable = true);
}

static void test_list_pages_cover_everything_once(void **state)
{
	struct scratch *s = *state;

	for (int i = 0; i < 7; i++)
		publish_text(s, i % 2 ? "{'owner':'ann','name':'x','type':'table','access':'view'}"
				      : "{'owner':'ann','name':'x','type':'table'}");
	assert_page(s, "7 6 5 : 7", 0, 3, .viewer = ann);
	assert_page(s, "4 3 2 : 7", 3, 3, .viewer = ann);
	assert_page(s, "1 : 7", 6, 3, .viewer = ann);
	assert_page(s, ": 7", 7, 3, .viewer = ann);
	assert_page(s, ": 7", 0, 0, .viewer = ann);
	assert_page(s, "4 2 : 3", 1, 3, .viewer = nobody);
	assert_page(s, "2 : 7", 5, 1, .viewer = root);
}

static void test_keyword_finds_words_and_two_chinese_characters(void **state)
{
	struct scratch *s = *state;

	publish_text(s, "{'owner':'ann','name':'beijing_parks','title':'北京市公园绿地分布','type':"
			"'vector','access':'view'}");
	publish_text(s, "{'owner':'ann','name':'r','title':'Rivières of France','abstract':'50% of "
			"all','type':'vector',"
			"'source':[{'name':'hydro_line.shp'}],'access':'view'}");
	publish_text(s, "{'owner':'ann','name':'p','title':'Private "
			"公园','type':'table','keywords':['土地利用','soil']}");
	assert_list(s, "3 1 : 2", .viewer = ann, .keyword = "公园");
	assert_list(s, "1 : 1", .viewer = nobody, .keyword = "公园");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "绿地");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "公园绿地");
	/* Each pair occurs, the run does not. */
	publish_text(s, "{'owner':'ann','name':'q','title':'绿地分 分布','type':'table'}");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "绿地分布");
	assert_list(s, "3 1 : 2", .viewer = ann, .keyword = "园");
	assert_list(s, "4 1 : 2", .viewer = ann, .keyword = "布");
	assert_list(s, "3 : 1", .viewer = ann, .keyword = "土地 SOIL");
	assert_list(s, ": 0", .viewer = ann, .keyword = "土地 river");
	assert_list(s, "2 : 1", .viewer = ann, .keyword = "riviere");
	assert_list(s, "2 : 1", .viewer = ann, .keyword = "RIVIÈRES fra");
	assert_list(s, "2 : 1", .viewer = ann, .keyword = "hydro");
	assert_list(s, "2 : 1", .viewer = ann, .keyword = "ｈｙｄｒｏ");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "parks");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "北京 beijing", .owner = "ann",
		    .type = "vector");
	assert_list(s, ": 0", .viewer = ann, .keyword = "北京", .owner = "bob");
	assert_list(s, "4 3 2 1 : 4", .viewer = ann, .keyword = "  ");
	assert_list(s, "4 3 2 1 : 4", .viewer = ann, .keyword = "");
}

static void test_keyword_is_only_text(void **state)
{
	struct scratch *s = *state;
	static const char *const odd[] = {
	    "\"",	  "'",	     "*",	  "%",	"_",
	    "a\" OR \"b", "title:x", "NEAR(a b)", "-a", "^a",
	    "a AND",	  "(",	     "\xff\xfe",  "%%", "x'; DROP TABLE dataset; --"};

	publish_text(s,
		     "{'owner':'ann','name':'zzz','title':'zzz','type':'vector','access':'view'}");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct catalog_query q = {.viewer = root, .keyword = odd[i], .max = 10};
		CLEAN_FREE char *got = list_text(s, &q);

		assert_non_null(got);
	}
	assert_list(s, ": 0", .viewer = root, .keyword = "%");
	assert_list(s, ": 0", .viewer = root, .keyword = "title:zzq");
	assert_list(s, "1 : 1", .viewer = root, .keyword = "zz");
}

static void test_keyword_of_many_runs_is_answered(void **state)
{
	struct scratch *s = *state;
	char *text = mem_alloc(40 * 13 + 1);

	for (int i = 0; i < 40; i++)
		memcpy(text + i * 10, "\xe5\x8c\x97\xe4\xba\xac\xe5\xb8\x82 ", 10);
	publish_text(s, "{'owner':'ann','name':'a','title':'北京市','type':'vector'}");
	assert_list(s, "1 : 1", .viewer = ann, .keyword = text);
	free(text);
}

/* Every list against the plain rule: who may see is who catalog_may says. */
static void test_list_agrees_with_catalog_may(void **state)
{
	struct scratch *s = *state;
	static const char *const owners[] = {"ann", "bob", ""};
	static const char *const rights[] = {"[]", "['see']", "['edit']", "['see','download']"};
	static const struct viewer *const viewers[] = {&nobody, &ann, &bob, &root};
	json_object *models[60];
	unsigned seed = 7;

	for (size_t i = 0; i < 60; i++) {
		CLEAN_FREE char *text = mem_printf(
		    "{'owner':'%s','name':'n','type':'%s','permissions':{'users':{"
		    "'AnonymousUser':%s,'bob':%s}}}",
		    owners[(size_t)rand_r(&seed) % 3], rand_r(&seed) % 2 ? "table" : "vector",
		    rights[(size_t)rand_r(&seed) % 4], rights[(size_t)rand_r(&seed) % 4]);

		models[i] = model_of(text);
		publish(s, models[i]);
	}
	for (size_t v = 0; v < 4; v++) {
		for (int editable = 0; editable < 2; editable++) {
			struct catalog_query q = {
			    .viewer = *viewers[v], .editable = editable, .max = 100};
			CLEAN_FREE char *got = list_text(s, &q);
			char *want = NULL;
			size_t len = 0, n = 0;
			FILE *f = open_memstream(&want, &len);

			for (size_t i = 60; i-- > 0;) {
				if (catalog_may(models[i], viewers[v],
						editable ? DATASET_EDIT : DATASET_SEE)) {
					fprintf(f, "%zu ", i + 1);
					n++;
				}
			}
			fprintf(f, ": %zu", n);
			(void)fclose(f);
			assert_string_equal(got, want);
			free(want);
		}
	}
	/* Totals kept by triggers survive deletion. */
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(catalog_delete(s->catalog, (int64_t)i + 1, NULL), ERR_OK);
	for (size_t v = 0; v < 4; v++) {
		CLEAN_JSON json_object *list = NULL;
		struct catalog_query q = {.viewer = *viewers[v], .max = 100};
		size_t total = 0;

		assert_int_equal(catalog_list(s->catalog, &q, &list, &total, NULL), ERR_OK);
		assert_int_equal(json_len(list), total);
	}
	for (size_t i = 0; i < 60; i++)
		json_object_put(models[i]);
}

/*
 * The plans of everything a list prepared: no full scan of a big table, no sorting of plain orders.
 */
static void test_list_walks_indexes(void **state)
{
	struct scratch *s = *state;
	struct conn *conn;
	int seen = 0;

	publish_text(s,
		     "{'owner':'ann','name':'a','title':'公园','type':'vector','access':'view'}");
	assert_list(s, "1 : 1", .viewer = bob);
	assert_list(s, "1 : 1", .viewer = nobody, .type = "vector");
	assert_list(s, "1 : 1", .viewer = bob, .owner = "ann", .type = "vector");
	assert_list(s, "1 : 1", .viewer = root);
	assert_list(s, "1 : 1", .viewer = root, .type = "vector");
	assert_list(s, "1 : 1", .viewer = bob, .keyword = "公园", .type = "vector");
	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	for (size_t i = 0; i < CATALOG_STATEMENTS; i++) {
		CLEAN_FREE char *sql = NULL;
		sqlite3_stmt *stmt;

		if (conn->kept[i].sql == NULL || strstr(conn->kept[i].sql, "OFFSET") == NULL)
			continue;
		sql = mem_printf("EXPLAIN QUERY PLAN %s", conn->kept[i].sql);
		assert_int_equal(sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *line = (const char *)sqlite3_column_text(stmt, 3);
			bool outer =
			    sqlite3_column_int(stmt, 1) == 0; /* the page itself may be sorted */

			if ((!outer && strstr(line, "TEMP B-TREE") != NULL) ||
			    (strncmp(line, "SCAN d", 6) == 0 && line[6] == '\0' &&
			     strstr(sql, "WHERE") != NULL))
				fail_msg("%s\n%s", sql, line);
		}
		(void)sqlite3_finalize(stmt);
		seen++;
	}
	conn_give(s->catalog, conn);
	assert_int_equal(seen, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_list_is_what_the_viewer_may_see),
	    T(test_list_pages_cover_everything_once),
	    T(test_keyword_finds_words_and_two_chinese_characters),
	    T(test_keyword_is_only_text),
	    T(test_keyword_of_many_runs_is_answered),
	    T(test_list_agrees_with_catalog_may),
	    T(test_list_walks_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
