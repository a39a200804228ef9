/*
 * Goal: a dataset is published once, under a unique name, seen by whom it is shared with and nobody
 * else, replaced only from the revision that was read, and its id is never given out again.
 */
#include "catalog/help.h"

static const struct viewer nobody = {"", false, NULL}, ann = {"ann", false, NULL},
			   bob = {"bob", false, NULL}, root = {"root", true, NULL};

static void test_publish_stores_the_whole_model(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *got = NULL;
	CLEAN_JSON json_object *model =
	    model_of("{'owner':'ann','name':'roads','title':'Roads & ways','type':'vector',"
		     "'geometry':'LineString','crs':{'code':'EPSG:4326','name':'WGS "
		     "84','wkt':'GEOGCS[]'},'bbox':[1.5,2,3,4],"
		     "'count':3,'columns':[{'name':'a','type':'text'}],'rows':[['x',null]],'"
		     "keywords':['k1'],'size':77,"
		     "'session':5,'layer':0,'file':'1/1.gpkg','originals':true,'warnings':[]}");
	int64_t id = publish(s, model);

	assert_int_equal(catalog_get(s->catalog, id, &ann, &got, NULL), ERR_OK);
	assert_string_equal(json_str(json_obj(got, "crs"), "wkt", ""), "GEOGCS[]");
	assert_int_equal(json_len(json_arr(got, "columns")), 1);
	assert_int_equal(json_len(json_arr(got, "rows")), 1);
	assert_string_equal(json_str(got, "access", ""), "private");
	assert_int_equal(json_int(got, "revision", 0), 1);
	assert_int_equal(json_int(got, "downloads", -1), 0);
	assert_true(json_int(got, "created", 0) > 0);
	assert_int_equal(json_int(model, "revision", 0), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(catalog_count_download(s->catalog, id, NULL), ERR_OK);
	json_object_put(got);
	got = NULL;
	assert_int_equal(catalog_get_by_name(s->catalog, "roads", &ann, &got, NULL), ERR_OK);
	assert_int_equal(json_int(got, "downloads", -1), 3);
}

static void test_list_shows_short_models(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *list = NULL;
	struct catalog_query q = {.viewer = {"ann", false, NULL}, .max = 10};
	json_object *item;

	publish_text(s, "{'owner':'ann','name':'a','type':'table','crs':{'code':null,'wkt':'X'},'"
			"columns':[1],'rows':[2]}");
	assert_int_equal(catalog_list(s->catalog, &q, &list, NULL, NULL), ERR_OK);
	item = json_object_array_get_idx(list, 0);
	assert_null(json_get(item, "columns"));
	assert_null(json_get(item, "rows"));
	assert_null(json_get(json_obj(item, "crs"), "wkt"));
	assert_string_equal(json_str(item, "title", ""), "a");
}

static void test_publish_is_idempotent_by_session_and_layer(void **state)
{
	struct scratch *s = *state;
	static const char text[] =
	    "{'owner':'ann','name':'roads','type':'vector','session':7,'layer':1}";
	int64_t id = publish_text(s, text), again = publish_text(s, text), found = 0;

	assert_int_equal(id, again);
	assert_int_equal(catalog_by_session(s->catalog, 7, 1, &found, NULL), ERR_OK);
	assert_int_equal(found, id);
	assert_int_equal(catalog_by_session(s->catalog, 7, 0, &found, NULL), ERR_OK);
	assert_int_equal(found, 0);
	assert_list(s, "1 : 1", .viewer = root);
}

static void test_names_are_made_unique_within_63_bytes(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *first = model_of("{'owner':'ann','name':'a','type':'table'}");
	CLEAN_JSON json_object *second = model_of("{'owner':'ann','name':'a','type':'table'}");
	CLEAN_JSON json_object *gap = model_of("{'owner':'ann','name':'a','type':'table'}");
	CLEAN_JSON json_object *wide = model_of("{'owner':'ann','type':'table','name':"
						"'北京北京北京北京北京北京北京北京北京北京北'}");
	CLEAN_JSON json_object *wide2 = json_copy(wide);
	int64_t id2;

	publish(s, first);
	id2 = publish(s, second);
	assert_string_equal(json_str(second, "name", ""), "a_2");
	assert_int_equal(catalog_delete(s->catalog, id2, NULL), ERR_OK);
	publish(s, gap);
	assert_string_equal(json_str(gap, "name", ""), "a_2");
	publish(s, wide);
	publish(s, wide2);
	assert_int_equal(strlen(json_str(wide, "name", "")), 63);
	assert_string_equal(json_str(wide2, "name", ""),
			    "北京北京北京北京北京北京北京北京北京北京_2");
	for (int i = 0; i < 200; i++) {
		CLEAN_JSON json_object *m =
		    model_of("{'owner':'ann','name':'many','type':'table'}");

		publish(s, m);
	}
}

static void test_ids_are_never_used_again(void **state)
{
	struct scratch *s = *state;
	int64_t id = publish_text(s, "{'owner':'ann','name':'a','type':'table'}"), next = 0;
	CLEAN_JSON json_object *own =
	    model_of("{'id':900,'owner':'ann','name':'b','type':'table'}");

	assert_int_equal(catalog_delete(s->catalog, id, NULL), ERR_OK);
	assert_int_equal(catalog_delete(s->catalog, id, NULL), ERR_NOT_FOUND);
	catalog_close(s->catalog);
	scratch_open(s);
	assert_int_equal(catalog_reserve(s->catalog, &next, NULL), ERR_OK);
	assert_true(next > id);
	assert_int_equal(catalog_publish(s->catalog, own, &id, NULL), ERR_OK);
	assert_int_equal(id, 900);
	assert_int_equal(catalog_publish(s->catalog, own, &id, NULL), ERR_CONFLICT);
	assert_int_equal(catalog_reserve(s->catalog, &next, NULL), ERR_OK);
	assert_int_equal(next, 901);
}

static void test_rights_decide_who_sees_and_does_what(void **state)
{
	struct scratch *s = *state;
	int64_t id =
	    publish_text(s, "{'owner':'ann','name':'a','type':'table','permissions':{'users':"
			    "{'bob':['edit'],'AnonymousUser':[]},'groups':{'team':['see']}}}");
	int64_t orphan = publish_text(s, "{'owner':'','name':'o','type':'table'}");
	CLEAN_JSON json_object *got = NULL;
	json_object *hidden = NULL;

	assert_int_equal(catalog_get(s->catalog, id, &bob, &got, NULL), ERR_OK);
	assert_true(catalog_may(got, &bob, DATASET_SEE));
	assert_true(catalog_may(got, &bob, DATASET_EDIT));
	assert_false(catalog_may(got, &bob, DATASET_DOWNLOAD));
	assert_false(catalog_may(got, &bob, DATASET_DELETE));
	assert_true(catalog_may(got, &ann, DATASET_SHARE));
	assert_true(catalog_may(got, &root, DATASET_DELETE));
	assert_false(catalog_may(got, &nobody, DATASET_SEE));
	assert_false(catalog_may(got, NULL, DATASET_SEE));
	assert_false(catalog_may(NULL, &root, DATASET_SEE));
	assert_int_equal(catalog_get(s->catalog, id, &nobody, &hidden, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get(s->catalog, id, NULL, &hidden, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get(s->catalog, orphan, &nobody, &hidden, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get(s->catalog, 99, &root, &hidden, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get(s->catalog, -1, &root, &hidden, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get_by_name(s->catalog, "x' OR 1=1 --", &root, &hidden, NULL),
			 ERR_NOT_FOUND);
	assert_null(hidden);
}

static void test_update_changes_what_may_change(void **state)
{
	struct scratch *s = *state;
	int64_t id = publish_text(s, "{'owner':'ann','name':'a','type':'table','access':'view'}");
	CLEAN_JSON json_object *close =
	    model_of("{'access':'private','title':'Neu','keywords':['北京']}");
	CLEAN_JSON json_object *open =
	    model_of("{'permissions':{'users':{'AnonymousUser':['view_resourcebase',"
		     "'download_resourcebase']}}}");
	CLEAN_JSON json_object *bad = model_of("{'owner':'eve'}");
	CLEAN_JSON json_object *bad2 = model_of("{'access':'everything'}");
	CLEAN_JSON json_object *bad3 = model_of("{'keywords':[1]}");
	CLEAN_JSON json_object *got = NULL;

	assert_int_equal(catalog_get(s->catalog, id, &nobody, &got, NULL), ERR_OK);
	assert_int_equal(catalog_update(s->catalog, id, close, NULL), ERR_OK);
	json_object_put(got);
	got = NULL;
	assert_int_equal(catalog_get(s->catalog, id, &nobody, &got, NULL), ERR_NOT_FOUND);
	assert_list(s, ": 0", .viewer = nobody);
	assert_list(s, "1 : 1", .viewer = ann, .keyword = "neu 北京");
	assert_int_equal(catalog_update(s->catalog, id, open, NULL), ERR_OK);
	assert_int_equal(catalog_get(s->catalog, id, &nobody, &got, NULL), ERR_OK);
	assert_string_equal(json_str(got, "access", ""), "download");
	assert_string_equal(json_str(got, "title", ""), "Neu");
	assert_list(s, "1 : 1", .viewer = nobody);
	assert_int_equal(catalog_update(s->catalog, id, bad, NULL), ERR_BAD_REQUEST);
	assert_int_equal(catalog_update(s->catalog, id, bad2, NULL), ERR_BAD_REQUEST);
	assert_int_equal(catalog_update(s->catalog, id, bad3, NULL), ERR_BAD_REQUEST);
	assert_int_equal(catalog_update(s->catalog, 55, close, NULL), ERR_NOT_FOUND);
	assert_list(s, ": 0", .viewer = ann, .keyword = "eve");
}

static void test_replace_needs_the_revision_it_read(void **state)
{
	struct scratch *s = *state;
	int64_t id = publish_text(
	    s, "{'owner':'ann','name':'a','title':'Mine','type':'vector','access':'view','count':1,"
	       "'file':'1/1.gpkg','session':1,'layer':0}");
	CLEAN_JSON json_object *next =
	    model_of("{'owner':'eve','name':'b','title':'T','type':'vector','access':'private',"
		     "'count':9,'file':'1/2.gpkg','session':2,'layer':0,'columns':[{'name':'z'}]}");
	CLEAN_JSON json_object *late = model_of("{'type':'vector','session':3,'layer':0}");
	CLEAN_JSON json_object *other = model_of("{'type':'raster','session':4,'layer':0}");
	CLEAN_JSON json_object *got = NULL;

	assert_int_equal(catalog_replace(s->catalog, id, next, 1, NULL), ERR_OK);
	assert_int_equal(json_int(next, "revision", 0), 2);
	assert_string_equal(json_str(next, "name", ""), "a");
	/* The worker may ask again after a crash. */
	assert_int_equal(catalog_replace(s->catalog, id, next, 1, NULL), ERR_OK);
	assert_int_equal(catalog_replace(s->catalog, id, late, 1, NULL), ERR_CONFLICT);
	assert_int_equal(catalog_replace(s->catalog, id, other, 2, NULL), ERR_CONFLICT);
	assert_int_equal(catalog_replace(s->catalog, 70, late, 1, NULL), ERR_NOT_FOUND);
	assert_int_equal(catalog_get(s->catalog, id, &nobody, &got, NULL), ERR_OK);
	assert_string_equal(json_str(got, "owner", ""), "ann");
	assert_string_equal(json_str(got, "title", ""), "Mine");
	assert_string_equal(json_str(got, "file", ""), "1/2.gpkg");
	assert_int_equal(json_int(got, "count", 0), 9);
	assert_int_equal(json_len(json_arr(got, "columns")), 1);
}

static void test_publish_refuses_what_is_no_dataset(void **state)
{
	struct scratch *s = *state;
	static const char *const bad[] = {
	    "{'owner':'ann','name':'a','type':'film'}",
	    "{'owner':'ann','type':'table'}",
	    "{'owner':'ann','name':'a','type':'table','access':'x'}",
	    "{'owner':'ann','name':'a','type':'table','permissions':[]}",
	    "{'owner':'ann','name':'a','type':'table','permissions':{'users':[]}}",
	    "{'owner':'ann','name':'a','type':'table','keywords':[{}]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEAN_JSON json_object *model = model_of(bad[i]);
		struct error error = {0};
		int64_t id = 0;

		assert_int_equal(catalog_publish(s->catalog, model, &id, &error), ERR_BAD_REQUEST);
		assert_int_equal(id, 0);
	}
	assert_list(s, ": 0", .viewer = root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_publish_stores_the_whole_model),
	    T(test_list_shows_short_models),
	    T(test_publish_is_idempotent_by_session_and_layer),
	    T(test_names_are_made_unique_within_63_bytes),
	    T(test_ids_are_never_used_again),
	    T(test_rights_decide_who_sees_and_does_what),
	    T(test_update_changes_what_may_change),
	    T(test_replace_needs_the_revision_it_read),
	    T(test_publish_refuses_what_is_no_dataset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
