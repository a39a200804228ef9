/*
 * Goal: the save and final steps take GeoNode's fields as they are sent, refuse what they must with
 * the right code, keep what was not sent, and tell beforehand what an append or overwrite would
 * change (contracts/wizard.md 8.1, 13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "help.h"
#include "wizard/final.h"

static bool exists(const char *name, bool group, void *arg)
{
	(void)arg;
	return group ? strcmp(name, "staff") == 0 : strcmp(name, "bob") == 0;
}

static const char *print(const json_object *o)
{
	return o != NULL ? json_object_to_json_string_ext((json_object *)(uintptr_t)o, 0) : "-";
}

/* ---- permissions */

static void assert_permissions(const char *text, const char *want, const char *error)
{
	json_object *ret = NULL, *errors = NULL, *warnings = NULL;
	CLEAN_FREE char *json = mem_strdup(text);

	for (char *p = json; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	permissions_check(json, exists, NULL, &ret, &errors, &warnings);
	assert_string_equal(print(ret), want);
	assert_string_equal(help_code(errors, 0), error);
	json_object_put(ret);
	json_object_put(errors);
	json_object_put(warnings);
}

static void test_permissions_are_translated(void **state)
{
	(void)state;
	assert_permissions("{'users':{'AnonymousUser':['view_resourcebase']},'groups':{}}",
			   "{\"users\":{\"AnonymousUser\":[\"see\"]},\"groups\":{}}", "");
	assert_permissions("{'users':{'AnonymousUser':[]},'groups':{}}",
			   "{\"users\":{\"AnonymousUser\":[]},\"groups\":{}}", "");
	assert_permissions("{'users':{'bob':['change_layer_style','delete_resourcebase','view_"
			   "resourcebase','change_resourcebase',"
			   "'publish_resourcebase','change_resourcebase_permissions','download_"
			   "resourcebase']},'groups':{'staff':['change_dataset_data']}}",
			   "{\"users\":{\"bob\":[\"see\",\"download\",\"edit\",\"delete\","
			   "\"share\"]},\"groups\":{\"staff\":[\"edit\"]}}",
			   "");
	assert_permissions("{}", "{\"users\":{},\"groups\":{}}", "");
}

static void test_permissions_errors(void **state)
{
	static const char *const wrong[] = {"{users:",
					    "[]",
					    "7",
					    "\"x\"",
					    "{'users':[]}",
					    "{'users':{'bob':'see'}}",
					    "",
					    "{'users':{'bob':[7]}}",
					    "{'groups':7}",
					    "{'users':{}} trailing",
					    "{'users':{'bob':null}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_permissions(wrong[i], "-", "permissions_invalid");
	assert_permissions("{'users':{'ghost':[]}}", "-", "permission_subject");
	assert_permissions("{'groups':{'bob':[]}}", "-", "permission_subject");
	assert_permissions("{'groups':{'AnonymousUser':[]}}", "-", "permission_subject");
}

static void test_permissions_unknown_word_warns(void **state)
{
	json_object *ret = NULL, *errors = NULL, *warnings = NULL;

	(void)state;
	permissions_check("{\"users\":{\"bob\":[\"fly\",\"view_resourcebase\"]}}", exists, NULL,
			  &ret, &errors, &warnings);
	assert_non_null(ret);
	assert_null(errors);
	assert_string_equal(help_code(warnings, 0), "permission_unknown");
	assert_string_equal(json_str(help_problem(warnings, 0), "value", ""), "fly");
	json_object_put(ret);
	json_object_put(warnings);
}

static void test_access_words(void **state)
{
	static const char *const words[] = {"private", "view", "download"};
	CLEAN_JSON json_object *bob = help_json("{'users':{'bob':['see']},'groups':{}}");

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		CLEAN_JSON json_object *p = permissions_of_access(words[i]);

		assert_string_equal(permissions_access(p), words[i]);
	}
	assert_null(permissions_of_access("public"));
	assert_null(permissions_access(bob));
	assert_string_equal(permissions_access(NULL), "private");
}

/* ---- keywords */

static void test_keywords_are_split(void **state)
{
	json_object *errors = NULL,
		    *k = keywords_split(
			"roads, Roads;传输，水、河；  a b \n\n, ,\xE3\x80\x80x\r\ny", &errors);
	char *text = mem_alloc(20000);

	(void)state;
	assert_string_equal(print(k), "[\"roads\",\"传输\",\"水\",\"河\",\"a b\",\"x\",\"y\"]");
	assert_null(errors);
	json_object_put(k);
	for (int i = 0; i < 51; i++)
		(void)snprintf(text + strlen(text), 16, "k%d,", i);
	json_object_put(keywords_split(text, &errors));
	assert_string_equal(help_code(errors, 0), "keywords_too_many");
	json_object_put(errors);
	errors = NULL;
	memset(text, 'x', 101);
	text[101] = '\0';
	json_object_put(keywords_split(text, &errors));
	assert_string_equal(help_code(errors, 0), "keyword_too_long");
	json_object_put(errors);
	errors = NULL;
	json_object_put(keywords_split("\xFF\xFE", &errors));
	assert_string_equal(help_code(errors, 0), "bad_text");
	json_object_put(errors);
	free(text);
}

/* ---- save */

#define FIFTY "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static json_object *save(const char *fields, json_object **errors)
{
	CLEAN_JSON json_object *f = help_json(fields);
	json_object *input = NULL, *warnings = NULL;

	*errors = NULL;
	save_check(f, exists, NULL, &input, errors, &warnings);
	json_object_put(warnings);
	assert_true((input == NULL) == (*errors != NULL));
	return input;
}

static void test_save_takes_geonode_fields(void **state)
{
	json_object *errors,
	    *in = save("{'permissions':'{\\u0022users\\u0022:{},\\u0022groups\\u0022:{}}','"
		       "csrfmiddlewaretoken':'x',"
		       "'time':'true','charset':'UTF-8','mosaic':'False','geogig':'x','layer_title'"
		       ":'Roads','tags':'a,b','keywords':['c','d'],"
		       "'layer_id':'7','non_interactive':'on'}",
		       &errors);

	(void)state;
	assert_true(json_bool(in, "time", false));
	assert_true(json_bool(in, "non_interactive", false));
	assert_true(json_bool(in, "store_spatial_files", false));
	assert_false(json_bool(in, "mosaic", true));
	assert_string_equal(json_str(in, "charset", "-"), "");
	assert_string_equal(json_str(in, "layer_title", ""), "Roads");
	assert_string_equal(print(json_get(in, "keywords")), "[\"c\",\"d\",\"a\",\"b\"]");
	assert_string_equal(print(json_get(in, "permissions")), "{\"users\":{},\"groups\":{}}");
	assert_int_equal(json_int(in, "layer_id", 0), 7);
	assert_null(json_get(in, "geogig"));
	json_object_put(in);
	in = save("{'charset':'gbk'}", &errors);
	assert_string_equal(json_str(in, "charset", ""), "GB18030");
	assert_null(json_get(in, "permissions"));
	json_object_put(in);
	in = save("{}", &errors);
	assert_non_null(in);
	json_object_put(in);
}

static void test_save_errors(void **state)
{
	static const char *const cases[][2] = {
	    {"{'charset':'klingon'}", "charset_unknown"},
	    {"{'base_file_path':'/etc/passwd'}", "path_not_allowed"},
	    {"{'dbf_file_path':''}", "path_not_allowed"},
	    {"{'time':'maybe'}", "bad_boolean"},
	    {"{'mosaic':'2'}", "bad_boolean"},
	    {"{'metadata_upload_form':'true'}", "mode_unsupported"},
	    {"{'style_upload_form':'1'}", "mode_unsupported"},
	    {"{'permissions':'{users:'}", "permissions_invalid"},
	    {"{'permissions':'{\\u0022users\\u0022:{\\u0022ghost\\u0022:[]}}'}",
	     "permission_subject"},
	    {"{'time_presentation':'SOMETIMES'}", "time_bad_strategy"},
	    {"{'time_presentation_res':'1.5'}", "time_bad_precision"},
	    {"{'time_presentation_default_value':'FIXED'}", "time_precision_missing"},
	    {"{'layer_id':'x'}", "dataset_unknown"},
	    {"{'mosaic_time_regex':'" FIFTY FIFTY FIFTY FIFTY "x'}", "bad_choice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_object *errors;

		assert_null(save(cases[i][0], &errors));
		assert_string_equal(help_code(errors, 0), cases[i][1]);
		json_object_put(errors);
	}
	for (size_t i = 0; i < 1; i++) {
		json_object *errors,
		    *in = save("{'metadata_upload_form':'false','time_presentation':'list',"
			       "'time_presentation_default_value':'nearest','time_presentation_"
			       "reference_value':'2017-01-01'}",
			       &errors);

		assert_string_equal(json_str(in, "time_presentation", ""), "LIST");
		assert_string_equal(json_str(in, "time_presentation_default_value", ""), "NEAREST");
		json_object_put(in);
	}
}

/* ---- final */

#define ONE                                                                                        \
	"{'layers':[{'i':0,'name':'roads','kind':'vector','geometry':'Point','count':10,'file':'"  \
	"roads.csv','columns':["                                                                   \
	"{'i':0,'name':'id','original':'ID','type':'integer'},{'i':1,'name':'name','original':'"   \
	"name','type':'text',"                                                                     \
	"'type_bad':{'integer':{'row':3,'value':'n/"                                               \
	"s'}}}],'crs':{'code':'EPSG:4326','usable':true}}]"                                        \
	",'input':{'save':{'layer_title':'From "                                                   \
	"save','keywords':['s'],'permissions':{'users':{'bob':['see']},'groups':{}},"              \
	"'store_spatial_files':false}}}"
#define TWO                                                                                        \
	"{'layers':[{'i':0,'name':'a','kind':'vector','columns':[]},{'i':1,'name':'b','kind':'"    \
	"vector','columns':[]}]}"

static json_object * final(struct session *s, const char *fields, json_object **errors)
{
	CLEAN_JSON json_object *f = help_json(fields);
	json_object *input = NULL, *warnings = NULL;

	*errors = NULL;
	final_check(s, f, exists, NULL, &input, errors, &warnings);
	json_object_put(warnings);
	assert_true((input == NULL) == (*errors != NULL));
	return input;
}

static void test_final_keeps_what_was_not_sent(void **state)
{
	struct session *s = help_session("csv", ONE);
	json_object *errors, *in = final(s, "{}", &errors), *again;

	(void)state;
	assert_string_equal(json_str(in, "title", ""), "From save");
	assert_string_equal(print(json_get(in, "keywords")), "[\"s\"]");
	assert_string_equal(print(json_get(in, "permissions")),
			    "{\"users\":{\"bob\":[\"see\"]},\"groups\":{}}");
	assert_string_equal(json_str(in, "mode", ""), "create");
	assert_false(json_bool(in, "store_spatial_files", true));
	json_object_put(in);
	in = final(s,
		   "{'title':' Roads "
		   "','keywords':'roads,传输','access':'view','mode':'create','bad_rows':'fail','"
		   "name_0':'my roads',"
		   "'store_spatial_files':'true','abstract':'x'}",
		   &errors);
	assert_string_equal(json_str(in, "title", ""), "Roads");
	assert_string_equal(json_str(json_obj(in, "names"), "0", ""), "my_roads");
	assert_string_equal(print(json_get(in, "permissions")),
			    "{\"users\":{\"AnonymousUser\":[\"see\"]},\"groups\":{}}");
	assert_string_equal(json_str(in, "bad_rows", ""), "fail");
	assert_true(session_set_input(s, STEP_FINAL, in));
	/* No fields afterwards: the same input, so the same answer again. */
	again = final(s, "{}", &errors);
	assert_false(session_set_input(s, STEP_FINAL, again));
	/* A cleared title goes back to the stem. */
	in = final(s, "{'title':'','abstract':''}", &errors);
	assert_null(json_get(in, "title"));
	assert_null(json_get(in, "abstract"));
	json_object_put(in);
	session_free(s);
}

static void assert_final_error(const char *layers, const char *fields, const char *code)
{
	struct session *s = help_session("gpkg", layers);
	json_object *errors, *in = final(s, fields, &errors);

	assert_string_equal(help_code(errors, 0), code);
	json_object_put(in);
	json_object_put(errors);
	session_free(s);
}

static void test_final_errors(void **state)
{
	char *fields = mem_alloc(20000);

	(void)state;
	assert_final_error(ONE, "{'mode':'replace'}", "bad_choice");
	assert_final_error(ONE, "{'mode':'append'}", "dataset_unknown");
	assert_final_error(ONE, "{'mode':'append','dataset':'12','confirm':'true'}", "");
	assert_final_error(ONE, "{'mode':'overwrite','layer_id':'roads'}", "");
	assert_final_error(TWO, "{'mode':'append','dataset':'12'}", "target_one_layer");
	assert_final_error(ONE, "{'access':'everyone'}", "bad_choice");
	assert_final_error(ONE, "{'bad_rows':'eat'}", "bad_choice");
	assert_final_error(ONE, "{'extra_columns':'eat'}", "bad_choice");
	assert_final_error(ONE, "{'confirm':'maybe'}", "bad_boolean");
	assert_final_error(ONE, "{'permissions':'{'}", "permissions_invalid");
	(void)snprintf(fields, 20000, "{'title':'%0256d'}", 0);
	assert_final_error(ONE, fields, "title_too_long");
	(void)snprintf(fields, 20000, "{'title_1':'%0256d'}", 0);
	assert_final_error(TWO, fields, "title_too_long");
	(void)snprintf(fields, 20000, "{'abstract':'%010001d'}", 0);
	assert_final_error(ONE, fields, "abstract_too_long");
	(void)snprintf(fields, 20000, "{'title':'%0255d'}", 0);
	assert_final_error(ONE, fields, "");
	free(fields);
}

static void test_final_model_shows_the_choices(void **state)
{
	struct session *s = help_session("csv", ONE);
	CLEAN_JSON json_object *fields = help_json("{'title':'Typed','abstract':'<b>'}");
	json_object *m = final_model(s, NULL),
		    *l = json_object_array_get_idx(json_arr(m, "layers"), 0);

	(void)state;
	assert_string_equal(json_str(l, "name", ""), "roads");
	assert_string_equal(json_str(l, "title", ""), "From save");
	assert_string_equal(print(json_get(m, "info")), "{\"ID\":\"id\"}");
	assert_string_equal(json_str(json_obj(m, "summary"), "crs", ""), "EPSG:4326");
	assert_int_equal(json_int(json_obj(m, "summary"), "rows", 0), 10);
	assert_null(json_get(m, "access"));
	assert_null(json_get(m, "time"));
	json_object_put(m);
	m = final_model(s, fields);
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(m, "layers"), 0), "title", ""), "Typed");
	assert_string_equal(json_str(m, "abstract", ""), "<b>");
	json_object_put(m);
	session_free(s);
}

/* ---- differences */

static json_object *diff(const char *dataset, const char *mode, bool ignore)
{
	struct session *s = help_session("csv", ONE);
	CLEAN_JSON json_object *d = help_json(dataset);
	json_object *o = final_diff(s, session_layer(s, 0), d, mode, ignore, false);

	session_free(s);
	return o;
}

#define DATASET(columns, rest)                                                                     \
	"{'type':'vector','geometry':'MultiPoint','count':5,'crs':{'code':'EPSG:4326'},'columns':" \
	"[" columns "]" rest "}"

static void test_diff_tells_what_changes(void **state)
{
	json_object *o = diff(DATASET("{'name':'ID','type':'real'},{'name':'old','type':'text'},{'"
				      "name':'fid','type':'integer'}",
				      ""),
			      "append", true);

	(void)state;
	assert_string_equal(print(json_get(o, "matched")), "[\"ID\"]");
	assert_string_equal(print(json_get(o, "missing")), "[\"old\"]");
	assert_string_equal(print(json_get(o, "extra")), "[\"name\"]");
	assert_string_equal(print(json_get(o, "changed")),
			    "[{\"name\":\"ID\",\"from\":\"real\",\"to\":\"integer\"}]");
	assert_int_equal(json_int(o, "rows_before", 0), 5);
	assert_int_equal(json_int(o, "rows_after", 0), 15);
	assert_int_equal(json_len(json_arr(o, "errors")), 0);
	assert_true(json_bool(json_obj(o, "crs"), "same", false));
	assert_false(json_bool(json_obj(o, "geometry"), "same", true));
	json_object_put(o);
	o = diff(DATASET("{'name':'name','type':'integer'}", ""), "overwrite", false);
	assert_int_equal(json_len(json_arr(o, "errors")), 0);
	assert_int_equal(json_int(o, "rows_after", 0), 10);
	json_object_put(o);
}

static void test_diff_knows_that_shapefiles_become_multi(void **state)
{
	static const char layers[] = "{'layers':[{'i':0,'name':'a','kind':'vector',"
				     "'geometry':'Polygon','count':1,'columns':[]}]}";
	struct session *s = help_session("shp", layers);
	CLEAN_JSON json_object *old =
	    help_json("{'type':'vector','geometry':'MultiPolygon','columns':[]}");
	CLEAN_JSON json_object *o =
	    final_diff(s, session_layer(s, 0), old, "overwrite", false, false);

	(void)state;
	assert_true(json_bool(json_obj(o, "geometry"), "same", false));
	assert_string_equal(json_str(json_obj(o, "geometry"), "to", ""), "MultiPolygon");
	session_free(s);
}

static void test_diff_refuses_what_does_not_fit(void **state)
{
	json_object *o = diff(
			DATASET("{'name':'id','type':'integer'},{'name':'name','type':'integer'}",
				""),
			"append", false),
		    *p;

	(void)state;
	p = help_problem(json_arr(o, "errors"), 0);
	assert_string_equal(problem_code(p), "schema_mismatch");
	assert_string_equal(json_str(p, "column", ""), "name");
	assert_int_equal(json_int(p, "row", 0), 3);
	assert_string_equal(json_str(p, "value", ""), "n/s");
	json_object_put(o);
	o = diff(DATASET("{'name':'id','type':'integer'}", ""), "append", false);
	assert_string_equal(help_code(json_arr(o, "errors"), 0), "schema_mismatch");
	json_object_put(o);
	o = diff("{'type':'table','columns':[],'count':0}", "overwrite", false);
	assert_string_equal(help_code(json_arr(o, "errors"), 0), "kind_mismatch");
	json_object_put(o);
	o = diff("{'type':'vector','geometry':'Polygon','columns':[],'count':0}", "append", true);
	assert_string_equal(help_code(json_arr(o, "errors"), 0), "geometry_mismatch");
	json_object_put(o);
	o = diff("{'type':'vector','geometry':'Polygon','columns':[],'count':0}", "overwrite",
		 true);
	assert_int_equal(json_len(json_arr(o, "errors")), 0);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_permissions_are_translated),
	    cmocka_unit_test(test_permissions_errors),
	    cmocka_unit_test(test_permissions_unknown_word_warns),
	    cmocka_unit_test(test_access_words),
	    cmocka_unit_test(test_keywords_are_split),
	    cmocka_unit_test(test_save_takes_geonode_fields),
	    cmocka_unit_test(test_save_errors),
	    cmocka_unit_test(test_final_keeps_what_was_not_sent),
	    cmocka_unit_test(test_final_errors),
	    cmocka_unit_test(test_final_model_shows_the_choices),
	    cmocka_unit_test(test_diff_tells_what_changes),
	    cmocka_unit_test(test_diff_knows_that_shapefiles_become_multi),
	    cmocka_unit_test(test_diff_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
