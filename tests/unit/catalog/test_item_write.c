/*
 * Goal: data items are made, changed, shared and deleted as asked or not at all; what a dataset and
 * its item both say stays the same; counters, bits and words follow every change.
 */
#include "catalog/items.h"

#include <sqlite3.h>
#include "catalog/db.h"

static const struct viewer nobody = {"", false, NULL}, ann = {"ann", false, NULL},
			   bob = {"bob", false, NULL}, eve = {"eve", false, "staff\n"},
			   root = {"root", true, NULL};

static int64_t number(struct scratch *s, const char *sql)
{
	struct conn *conn = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t n = -1;

	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	assert_int_equal(sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL), SQLITE_OK);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	conn_give(s->catalog, conn);
	return n;
}

/* What is kept twice agrees. */
static void assert_sound(struct scratch *s)
{
	assert_int_equal(
	    number(
		s,
		"SELECT count(*) FROM (SELECT owner, vis, count(*) n FROM item GROUP BY owner, vis"
		" EXCEPT SELECT owner, vis, n FROM item_count)"),
	    0);
	assert_int_equal(number(s, "SELECT (SELECT count(*) FROM item) - (SELECT sum(n) FROM "
				   "item_count WHERE owner = '*')"),
			 0);
	assert_int_equal(number(s, "SELECT count(*) FROM (SELECT vis, created / 86400000, count(*)"
				   " FROM item GROUP BY 1, 2 EXCEPT SELECT * FROM item_day)"),
			 0);
	assert_int_equal(number(s, "SELECT (SELECT count(*) FROM item) - (SELECT total(n) FROM "
				   "item_day)"),
			 0);
	/* The bit of an id: its byte as two hexadecimal digits, whose places in the alphabet are
	 * their values. */
	assert_int_equal(
	    number(s, "SELECT count(*) FROM item i LEFT JOIN item_seen c ON c.chunk = i.id / 8192 "
		      "WHERE i.vis <>"
		      " ifnull((instr('123456789ABCDEF', substr(hex(substr(c.seen, i.id % 8192 / 8 "
		      "+ 1, 1)),"
		      " CASE WHEN i.id % 8 >= 4 THEN 1 ELSE 2 END, 1)) >> (i.id % 4)) & 1, 0)"),
	    0);
	assert_int_equal(number(s, "SELECT count(*) FROM item_share s JOIN item i ON i.id = s.item "
				   "WHERE s.size <> i.size OR s.owner <> i.owner"
				   " OR s.status <> i.status OR s.live <> CASE WHEN i.ready = 0 "
				   "THEN 0 WHEN i.vis = 1 THEN 2 ELSE 1 END"),
			 0);
	assert_int_equal(number(s, "SELECT count(*) FROM item_tag g LEFT JOIN item i ON i.id = "
				   "g.item WHERE i.id IS NULL OR g.vis <> i.vis"),
			 0);
	assert_int_equal(
	    number(s, "SELECT (SELECT count(*) FROM item) - (SELECT count(*) FROM item_text)"), 0);
}

static json_object *item(struct scratch *s, int64_t id, const struct viewer *viewer)
{
	json_object *o = NULL;

	assert_int_equal(catalog_item_get(s->catalog, id, viewer, &o, NULL), ERR_OK);
	return o;
}

static void test_an_item_is_made_with_all_members(void **state)
{
	struct scratch *s = *state;
	int64_t id =
	    create(s,
		   "{'userName':'ann','fileName':'We\xcc\x8f"
		   "lls.CSV','tags':['water'],'coordType':'WGS84','dataMetaInfo':{'xField':'lon'}}",
		   "[]");
	CLEAN_JSON json_object *o = item(s, id, &ann);
	static const char *const members[] = {"MD5",	 "description", "dataCheckResult",
					      "dirId",	 "file",	"upload",
					      "dataset", "layer",	"work"};

	assert_string_equal(json_str(o, "type", ""), "CSV");
	assert_string_equal(json_str(o, "status", ""), "CREATED");
	assert_string_equal(json_str(o, "serviceStatus", ""), "DOES_NOT_INVOLVE");
	assert_string_equal(json_str(o, "fileName", ""), "W\xc8\x85lls.CSV");
	assert_int_equal(strlen(json_str(o, "storageId", "")), 54);
	assert_int_equal(json_int(o, "createTime", 0), json_int(o, "lastModfiedTime", -1));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		assert_true(json_object_object_get_ex(o, members[i], NULL));
		assert_null(json_get(o, members[i]));
	}
	assert_true(json_bool(o, "may_share", false));
	assert_sound(s);
}

static void test_bad_items_are_refused(void **state)
{
	static const char *const models[] = {"{}",
					     "{'fileName':'a'}",
					     "{'userName':'ann'}",
					     "{'userName':'ann','fileName':'a','size':'1'}",
					     "{'userName':'ann','fileName':'a','nosuch':1}",
					     "{'userName':'ann','fileName':'a','tags':[1]}"};
	struct scratch *s = *state;
	CLEAN_JSON json_object *in_no_dir = model_of("{'userName':'ann','fileName':'a','dirId':7}");
	int64_t id = 0;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		CLEAN_JSON json_object *model = model_of(models[i]);

		assert_int_equal(catalog_item_create(s->catalog, model, NULL, &id, NULL),
				 ERR_BAD_REQUEST);
	}
	assert_int_equal(catalog_item_create(s->catalog, in_no_dir, NULL, &id, NULL),
			 ERR_NOT_FOUND);
	assert_items(s, ": 0", .viewer = root);
	assert_sound(s);
}

static void test_a_change_asks_for_the_status(void **state)
{
	struct scratch *s = *state;
	int64_t id = create(s, "{'userName':'ann','fileName':'a.csv'}",
			    "[{'kind':'GUEST','permission':'DOWNLOAD'}]");

	assert_items(s, ": 0", .viewer = nobody);
	assert_int_equal(change(s, id, "{'status':'OK','size':12,'MD5':'abc'}", "OK MODIFYING"),
			 ERR_CONFLICT);
	assert_int_equal(
	    change(s, id, "{'status':'OK','size':12,'MD5':'abc'}", "CREATED DOEST_NOT_COMPLETE"),
	    ERR_OK);
	assert_items(s, "1 : 1", .viewer = nobody);
	assert_int_equal(change(s, id, "{'userName':'bob'}", NULL), ERR_BAD_REQUEST);
	assert_int_equal(change(s, id, "{'fileName':null}", NULL), ERR_BAD_REQUEST);
	assert_int_equal(change(s, 99, "{}", NULL), ERR_NOT_FOUND);
	assert_int_equal(change(s, id, "{'tags':['x','y'],'description':'Fluss'}", NULL), ERR_OK);
	assert_items(s, "1 : 1", .viewer = nobody, .keywords = {(const char *const[]){"LUSS"}, 1});
	assert_int_equal(change(s, id, "{'tags':null,'description':null}", NULL), ERR_OK);
	assert_items(s, ": 0", .viewer = nobody, .keywords = {(const char *const[]){"luss"}, 1});
	assert_items(s, ": 0", .viewer = nobody, .tags = {(const char *const[]){"x"}, 1});
	assert_sound(s);
}

static void test_deleting_many_is_all_or_nothing(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *gone = NULL;
	int64_t ids[3], bad = 0;

	ids[0] =
	    create(s, "{'userName':'ann','fileName':'a.csv','status':'OK','file':'files/a'}", "[]");
	ids[1] = publish_text(s, "{'owner':'ann','name':'d','type':'table','access':'view'}");
	ids[2] = create(s, "{'userName':'bob','fileName':'b.csv','status':'OK'}",
			"[{'kind':'USER','name':'ann','permission':'DOWNLOAD'}]");
	assert_int_equal(catalog_items_delete(s->catalog, ids, 3, &ann, NULL, &bad, NULL),
			 ERR_FORBIDDEN);
	assert_int_equal(bad, ids[2]);
	assert_int_equal(catalog_items_delete(s->catalog, (const int64_t[]){ids[0], 77}, 2, &ann,
					      NULL, &bad, NULL),
			 ERR_NOT_FOUND);
	assert_int_equal(bad, 77);
	assert_items(s, "1 2 3 : 3", .viewer = root);
	assert_sound(s);
	assert_int_equal(catalog_items_delete(s->catalog, (const int64_t[]){ids[0], ids[1], ids[0]},
					      3, &ann, &gone, &bad, NULL),
			 ERR_OK);
	assert_int_equal(json_len(gone), 2);
	assert_string_equal(json_str(json_at(gone, 0), "file", ""), "files/a");
	assert_items(s, "3 : 1", .viewer = root);
	assert_list(s, ": 0", .viewer = root);
	assert_sound(s);
}

static void test_sharing_many_is_all_or_nothing(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *to_staff =
	    model_of("[{'kind':'GROUP','name':'staff','permission':'DELETE'},{'kind':'USER','name':"
		     "'ann','permission':'SEARCH'}]");
	CLEAN_JSON json_object *bad_guest = model_of("[{'kind':'GUEST','permission':'DELETE'}]");
	CLEAN_JSON json_object *nothing = json_object_new_array();
	CLEAN_JSON json_object *entities = NULL;
	int64_t ids[3], bad = 0;

	ids[0] = create(s, "{'userName':'ann','fileName':'a.csv','status':'OK'}", "[]");
	ids[1] = publish_text(s, "{'owner':'ann','name':'d','type':'table','access':'view'}");
	ids[2] = create(s, "{'userName':'bob','fileName':'b.csv','status':'OK'}",
			"[{'kind':'USER','name':'ann','permission':'DELETE'}]");
	assert_int_equal(catalog_items_share(s->catalog, ids, 3, &ann, to_staff, &bad, NULL),
			 ERR_FORBIDDEN);
	assert_int_equal(bad, ids[2]);
	assert_items(s, "2 : 1", .viewer = eve);
	assert_int_equal(catalog_items_share(s->catalog, ids, 2, &ann, bad_guest, &bad, NULL),
			 ERR_BAD_REQUEST);
	assert_int_equal(catalog_items_share(s->catalog, ids, 2, &ann, to_staff, &bad, NULL),
			 ERR_OK);
	assert_items(s, "1 2 : 2", .viewer = eve, .permission = ITEM_DELETE);
	assert_items(s, ": 0", .viewer = nobody);
	/* The dataset's own pages say the same; the owner's entry is never another's to give. */
	assert_list(s, "2 : 1", .viewer = eve, .editable = true);
	assert_int_equal(catalog_item_entities(s->catalog, ids[0], &entities, NULL), ERR_OK);
	assert_int_equal(json_len(entities), 2);
	assert_string_equal(json_str(json_at(entities, 0), "permission", ""), "DELETE");
	assert_int_equal(catalog_items_share(s->catalog, ids, 2, &root, nothing, &bad, NULL),
			 ERR_OK);
	assert_items(s, ": 0", .viewer = eve);
	assert_sound(s);
}

static void test_a_dataset_and_its_item_agree(void **state)
{
	struct scratch *s = *state;
	int64_t id =
	    publish_text(s, "{'owner':'ann','name':'d','type':'vector','access':'private','source':"
			    "[{'name':'d.geojson','size':9,'md5':'m'}],'keywords':['a']}");
	CLEAN_JSON json_object *changes =
	    model_of("{'abstract':'Wasser','keywords':['b','c'],'access':'download'}");
	CLEAN_JSON json_object *o = NULL;
	CLEAN_JSON json_object *model = NULL;

	assert_int_equal(catalog_update(s->catalog, id, changes, NULL), ERR_OK);
	o = item(s, id, &nobody);
	assert_string_equal(json_str(o, "description", ""), "Wasser");
	assert_string_equal(json_str(o, "permission", ""), "DOWNLOAD");
	assert_int_equal(json_len(json_arr(o, "tags")), 2);
	assert_int_equal(
	    change(s, id, "{'fileName':'renamed.geojson','description':'Erde','tags':[]}", NULL),
	    ERR_OK);
	assert_int_equal(catalog_get(s->catalog, id, &ann, &model, NULL), ERR_OK);
	assert_string_equal(json_str(model, "abstract", ""), "Erde");
	assert_int_equal(json_len(json_arr(model, "keywords")), 0);
	assert_items(s, "1 : 1", .viewer = nobody, .file_name = "renamed.geojson");
	assert_sound(s);
}

static void test_an_item_is_imported_under_its_id(void **state)
{
	struct scratch *s = *state;
	int64_t id = create(s,
			    "{'userName':'ann','fileName':'w.csv','status':'OK','tags':['t'],'"
			    "serviceStatus':'PUBLISHING'}",
			    "[{'kind':'GROUP','name':'staff','permission':'DOWNLOAD'}]");
	int64_t made = 0;
	CLEAN_FREE char *text = mem_printf("{'id':%lld,'item':true,'owner':'x','name':'w','type':'"
					   "vector','access':'view','crs':{'code':'EPSG:4490'}}",
					   (long long)id);
	CLEAN_JSON json_object *model = model_of(text);
	CLEAN_JSON json_object *other =
	    model_of("{'id':88,'item':true,'owner':'x','name':'w','type':'vector'}");
	CLEAN_JSON json_object *o = NULL;

	assert_int_equal(catalog_publish(s->catalog, other, &made, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_publish(s->catalog, model, &made, NULL), ERR_OK);
	assert_int_equal(made, id);
	o = item(s, id, &eve);
	assert_string_equal(json_str(o, "fileName", ""), "w.csv");
	assert_string_equal(json_str(o, "userName", ""), "ann");
	assert_string_equal(json_str(o, "serviceStatus", ""), "PUBLISHED");
	assert_string_equal(json_str(o, "coordType", ""), "CGCS2000");
	assert_string_equal(json_str(o, "dataset", ""), "vector");
	assert_string_equal(json_str(o, "permission", ""), "DOWNLOAD");
	assert_items(s, ": 0", .viewer = nobody);
	assert_list(s, "1 : 1", .viewer = eve);
	assert_sound(s);
}

static void test_downloads_are_counted_and_folded_in(void **state)
{
	struct scratch *s = *state;
	int64_t one = create(s, "{'userName':'ann','fileName':'a','status':'OK'}", "[]"),
		two = publish_text(s, "{'owner':'ann','name':'d','type':'table'}");
	CLEAN_JSON json_object *o = NULL;
	CLEAN_JSON json_object *d = NULL;

	for (int i = 0; i < 3; i++)
		assert_int_equal(catalog_item_downloaded(s->catalog, two, NULL), ERR_OK);
	assert_int_equal(catalog_item_downloaded(s->catalog, one, NULL), ERR_OK);
	assert_int_equal(catalog_fold_downloads(s->catalog, NULL), ERR_OK);
	assert_int_equal(number(s, "SELECT count(*) FROM dataset_downloads"), 0);
	assert_int_equal(catalog_item_downloaded(s->catalog, one, NULL), ERR_OK);
	assert_int_equal(change(s, one, "{'description':'x'}", NULL), ERR_OK);
	o = item(s, one, &ann);
	assert_int_equal(json_int(o, "downloadCount", 0), 2);
	assert_int_equal(catalog_get(s->catalog, two, &ann, &d, NULL), ERR_OK);
	assert_int_equal(json_int(d, "downloads", 0), 3);
	assert_items(s, "2 1 : 2", .viewer = ann, .order = ITEM_BY_DOWNLOADCOUNT,
		     .descending = true);
}

static void test_directories(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *list = NULL;
	int64_t a = 0, b = 0, c = 0, d = 0, parent = 0;

	assert_int_equal(catalog_dir_add(s->catalog, 0, "rivers", &a, NULL), ERR_OK);
	assert_int_equal(catalog_dir_add(s->catalog, 0, "rivers", &d, NULL), ERR_CONFLICT);
	assert_int_equal(catalog_dir_add(s->catalog, a, "长江", &b, NULL), ERR_OK);
	assert_int_equal(catalog_dir_add(s->catalog, b, "upper", &c, NULL), ERR_OK);
	assert_int_equal(catalog_dir_add(s->catalog, 0, "lakes", &d, NULL), ERR_OK);
	assert_int_equal(catalog_dir_add(s->catalog, 99, "x", &parent, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_dir_add(s->catalog, 0, "a/b", &parent, NULL), ERR_BAD_REQUEST);
	assert_int_equal(catalog_dir_add(s->catalog, 0, "..", &parent, NULL), ERR_BAD_REQUEST);
	(void)create(s, "{'userName':'ann','fileName':'a','status':'OK','dirId':3}", "[]");
	assert_int_equal(catalog_dir_list(s->catalog, &list, NULL), ERR_OK);
	assert_int_equal(json_len(list), 4);
	assert_string_equal(json_str(json_at(list, 0), "name", ""), "lakes");
	assert_string_equal(json_str(json_at(list, 3), "name", ""), "upper");
	assert_int_equal(json_int(json_at(list, 3), "items", 0), 1);
	assert_items(s, "1 : 1", .viewer = ann, .dirs = {&a, 1}, .sub_dirs = true);
	assert_items(s, ": 0", .viewer = ann, .dirs = {&a, 1});
	assert_int_equal(catalog_dir_delete(s->catalog, a, NULL), ERR_CONFLICT);
	assert_int_equal(catalog_dir_delete(s->catalog, c, NULL), ERR_CONFLICT);
	assert_int_equal(change(s, 1, "{'dirId':null}", NULL), ERR_OK);
	assert_int_equal(catalog_dir_delete(s->catalog, c, NULL), ERR_OK);
	assert_int_equal(catalog_dir_delete(s->catalog, c, NULL), ERR_NOT_FOUND);
	for (parent = d; catalog_dir_add(s->catalog, parent, "deep", &c, NULL) == ERR_OK;
	     parent = c)
		;
	assert_int_equal(catalog_dir_add(s->catalog, parent, "deep", &c, NULL), ERR_TOO_LARGE);
}

static void test_what_is_forgotten_is_shared_no_longer(void **state)
{
	struct scratch *s = *state;

	(void)create(s, "{'userName':'ann','fileName':'a','status':'OK'}",
		     "[{'kind':'GROUP','name':'staff','permission':'DELETE'},{'kind':'USER','name':"
		     "'bob','permission':'SEARCH'}]");
	publish_text(s, "{'owner':'ann','name':'d','type':'table','permissions':{'users':{'bob':['"
			"see']},'groups':{'staff':['see','download']}}}");
	assert_items(s, "1 2 : 2", .viewer = eve);
	assert_int_equal(catalog_forget(s->catalog, "g:staff", NULL), ERR_OK);
	assert_items(s, ": 0", .viewer = eve);
	assert_list(s, ": 0", .viewer = eve);
	assert_items(s, "1 2 : 2", .viewer = bob);
	assert_int_equal(catalog_forget(s->catalog, "u:bob", NULL), ERR_OK);
	assert_items(s, ": 0", .viewer = bob);
	/* What he owns stays his. */
	assert_int_equal(catalog_forget(s->catalog, "u:ann", NULL), ERR_OK);
	assert_items(s, "1 2 : 2", .viewer = ann);
	assert_int_equal(catalog_forget(s->catalog, "x", NULL), ERR_BAD_REQUEST);
	assert_sound(s);
}

static void test_unfilled_items_are_found_by_age(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *list = NULL;

	(void)create(s, "{'userName':'ann','fileName':'a'}", "[]");
	(void)create(s, "{'userName':'ann','fileName':'b','status':'OK'}", "[]");
	assert_int_equal(catalog_items_unfilled(s->catalog, INT64_MAX, 10, &list, NULL), ERR_OK);
	assert_int_equal(json_len(list), 1);
	json_object_put(list);
	assert_int_equal(catalog_items_unfilled(s->catalog, 1000, 10, &list, NULL), ERR_OK);
	assert_int_equal(json_len(list), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_an_item_is_made_with_all_members),
					   TEST(test_bad_items_are_refused),
					   TEST(test_a_change_asks_for_the_status),
					   TEST(test_deleting_many_is_all_or_nothing),
					   TEST(test_sharing_many_is_all_or_nothing),
					   TEST(test_a_dataset_and_its_item_agree),
					   TEST(test_an_item_is_imported_under_its_id),
					   TEST(test_downloads_are_counted_and_folded_in),
					   TEST(test_directories),
					   TEST(test_what_is_forgotten_is_shared_no_longer),
					   TEST(test_unfilled_items_are_found_by_age)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
