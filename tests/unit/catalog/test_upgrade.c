/*
 * Goal: a catalogue made before there were data items has them after it is opened, with names,
 * owners, rights, downloads and words as its datasets say, in order of their ids; opening it twice
 * changes nothing.
 */
#include "catalog/items.h"

#include <sqlite3.h>
#include "catalog/db.h"

static const struct viewer nobody = {"", false, NULL}, root = {"root", true, NULL};

static void run(sqlite3 *db, const char *sql)
{
	char *text = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
}

/* A row of the schema before data items, with the rows that listed it. */
static void older(sqlite3 *db, int id, const char *owner, const char *type, const char *model,
		  const char *shares)
{
	CLEAN_FREE char *row = mem_printf(
	    "INSERT INTO dataset (id, name, owner, type, title, access, file, size, revision, "
	    "created, changed, brief)"
	    " VALUES (%d, 'd%d', '%s', '%s', 'Title %d', 'private', '%d/1-1/1.gpkg', 4096, 1, "
	    "1000, 2000, '%s');"
	    "INSERT INTO dataset_detail VALUES (%d, '{}');"
	    "INSERT INTO dataset_text VALUES (%d, 'title', 'd', '', '', '', '%s');"
	    "INSERT INTO dataset_words (rowid, title, name, abstract, keywords, files, owner)"
	    " VALUES (%d, 'title', 'd', '', '', '', '%s');%s",
	    id, id, owner, type, id, id, model, id, id, owner, id, owner, shares);

	run(db, row);
}

static void make_older(const char *dir)
{
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", dir);
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run(db, catalog_migrations[0]);
	run(db, catalog_migrations[1]);
	run(db, "PRAGMA user_version = 2");
	older(db, 3, "ann", "vector",
	      "{\"id\":3,\"name\":\"d3\",\"owner\":\"ann\",\"type\":\"vector\",\"title\":\"Title "
	      "3\",\"abstract\":\"Brunnen der Stadt\","
	      "\"keywords\":[\"water\",\"水\"],\"crs\":{\"code\":\"EPSG:4326\",\"name\":\"WGS "
	      "84\"},\"bbox\":[1,2,3,4],\"originals\":true,"
	      "\"file\":\"3/1-1/"
	      "1.gpkg\",\"source\":[{\"name\":\"北京.geojson\",\"size\":77,\"md5\":"
	      "\"0123456789abcdef0123456789abcdef\"}],"
	      "\"permissions\":{\"users\":{\"AnonymousUser\":[\"see\",\"download\"]},\"groups\":{}}"
	      ",\"access\":\"download\",\"created\":1000,\"changed\":2000}",
	      "INSERT INTO dataset_share VALUES ('', 1, 3, 'vector', 3), ('u:ann', 1, 3, 'vector', "
	      "31);"
	      "INSERT INTO dataset_downloads VALUES (3, 12);");
	older(db, 8, "bob", "vector",
	      "{\"id\":8,\"name\":\"d8\",\"owner\":\"bob\",\"type\":\"vector\",\"title\":\"Title "
	      "8\",\"source\":[{\"name\":\"roads.shp\",\"size\":1,\"md5\":\"x\"},"
	      "{\"name\":\"roads.dbf\",\"size\":2,\"md5\":\"y\"}],\"permissions\":{\"users\":{"
	      "\"ann\":[\"see\",\"edit\",\"delete\"]},"
	      "\"groups\":{\"staff\":[\"see\"]}},\"access\":\"private\",\"file\":\"8/1-1/"
	      "1.gpkg\",\"created\":1000,\"changed\":2000}",
	      "INSERT INTO dataset_share VALUES ('u:bob', 0, 8, 'vector', 31), ('u:ann', 0, 8, "
	      "'vector', 13), ('g:staff', 0, 8, 'vector', 1);");
	run(db, "UPDATE sequence SET value = 8");
	(void)sqlite3_close(db);
}

static json_object *item(struct scratch *s, int64_t id, const struct viewer *viewer)
{
	json_object *o = NULL;

	assert_int_equal(catalog_item_get(s->catalog, id, viewer, &o, NULL), ERR_OK);
	return o;
}

static void check_upgraded(struct scratch *s)
{
	CLEAN_JSON json_object *wells = item(s, 3, &nobody);
	CLEAN_JSON json_object *roads = item(s, 8, &root);
	struct viewer staff = {"eve", false, "staff\n"}, ann = {"ann", false, NULL};

	assert_string_equal(json_str(wells, "fileName", ""), "北京.geojson");
	assert_string_equal(json_str(wells, "type", ""), "GEOJSON");
	assert_string_equal(json_str(wells, "MD5", ""), "0123456789abcdef0123456789abcdef");
	assert_string_equal(json_str(wells, "coordType", ""), "WGS84");
	assert_string_equal(json_str(wells, "permission", ""), "DOWNLOAD");
	assert_string_equal(json_str(wells, "file", ""), "datasets/3/1-1/original/1");
	assert_string_equal(json_str(json_obj(wells, "dataMetaInfo"), "bounds", ""), "1,2,3,4");
	assert_int_equal(json_int(wells, "downloadCount", 0), 12);
	assert_int_equal(json_int(wells, "createTime", 0), 1000);
	assert_int_equal(json_len(json_arr(wells, "tags")), 2);
	assert_string_equal(json_str(roads, "fileName", ""), "roads.zip");
	assert_string_equal(json_str(roads, "type", ""), "SHP");
	assert_items(s, "3 : 1", .viewer = nobody);
	assert_items(s, "3 8 : 2", .viewer = staff);
	assert_items(s, "8 : 1", .viewer = ann, .permission = ITEM_DELETE,
		     .scope = ITEM_SCOPE_SHARED);
	assert_items(s, "3 : 1", .viewer = root, .keywords = {(const char *const[]){"runn"}, 1});
	assert_items(s, "3 : 1", .viewer = root, .keywords = {(const char *const[]){"北京"}, 1});
	assert_items(s, "3 : 1", .viewer = nobody, .tags = {(const char *const[]){"水"}, 1});
}

static int setup(void **state)
{
	struct scratch *s = mem_alloc(sizeof(*s));

	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/slipway-catalog-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		return -1;
	s->config.data_dir = s->dir;
	s->config.upload_sync = UPLOAD_SYNC_NONE;
	make_older(s->dir);
	scratch_open(s);
	*state = s;
	return 0;
}

static void test_older_datasets_become_items(void **state)
{
	struct scratch *s = *state;

	check_upgraded(s);
	catalog_close(s->catalog);
	scratch_open(s);
	check_upgraded(s);
}

static void test_ids_go_on_after_an_upgrade(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(create(s, "{'userName':'ann','fileName':'a.csv'}", "[]"), 9);
	assert_int_equal(
	    publish_text(s, "{'owner':'ann','name':'x','type':'table','access':'view'}"), 10);
	assert_items(s, "3 8 9 10 : 4", .viewer = root);
}

static void test_an_upgraded_dataset_can_be_changed_and_deleted(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *changes =
	    model_of("{'abstract':'nothing','keywords':[],'access':'private'}");

	assert_int_equal(catalog_update(s->catalog, 3, changes, NULL), ERR_OK);
	assert_items(s, ": 0", .viewer = nobody);
	assert_items(s, ": 0", .viewer = root, .keywords = {(const char *const[]){"runn"}, 1});
	assert_int_equal(catalog_delete(s->catalog, 8, NULL), ERR_OK);
	assert_items(s, "3 : 1", .viewer = root);
	assert_items(s, ": 0", .viewer = {"eve", false, "staff\n"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_older_datasets_become_items, setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_ids_go_on_after_an_upgrade, setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_an_upgraded_dataset_can_be_changed_and_deleted,
					    setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
