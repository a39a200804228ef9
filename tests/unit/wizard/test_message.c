/*
 * Goal: a job says everything its session decided and nothing of the client's names reaches a path;
 * an answer of the jail is believed only as far as wizard/message.h describes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "help.h"
#include "base/config.h"
#include "wizard/message.h"

static struct config config = {
    .zip_max_entries = 77, .max_layers = 100, .output_max_bytes = 1 << 20};

static int set_up(void **state)
{
	(void)state;
	config.extra_drivers = mem_strdup("HFA");
	config.crs_favourites = mem_strdup("EPSG:3857 EPSG:4490");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(config.extra_drivers);
	free(config.crs_favourites);
	return 0;
}

static const char *path_of(json_object *job, size_t i)
{
	return json_str(json_object_array_get_idx(json_arr(job, "files"), i), "path", "");
}

static void test_inspect_gives_own_paths(void **state)
{
	struct session *s = help_session(
	    "shp",
	    "{'uploads':[{'name':'Roads.SHP','size':9},{'name':'roads.dbf','size':8},"
	    "{'name':'roads.shp.xml','size':7},{'name':'rivers.2017.shp','size':6},{'name':'rivers."
	    "2017.shx','size':5},"
	    "{'name':'../../etc/"
	    "passwd','size':1},{'name':'dem.tif','size':1},{'name':'DEM.tif.aux.xml','size':1},"
	    "{'name':'roads.shp','size':1},{'name':'x.%00p "
	    "h','size':1},{'name':'北京.csv','size':1},{'name':'.prj','size':1}]}");
	json_object *job = message_inspect(s, &config);

	(void)state;
	assert_string_equal(path_of(job, 0), "1.shp");
	assert_string_equal(path_of(job, 1), "1.dbf");
	assert_string_equal(path_of(job, 2), "1.shp.xml");
	assert_string_equal(path_of(job, 3), "4.shp");
	assert_string_equal(path_of(job, 4), "4.shx");
	assert_string_equal(path_of(job, 5), "6.bin");
	assert_string_equal(path_of(job, 6), "7.tif");
	assert_string_equal(path_of(job, 7), "7.tif.aux.xml");
	assert_string_equal(path_of(job, 8), "9.shp");
	assert_string_equal(path_of(job, 9), "10.bin");
	assert_string_equal(path_of(job, 10), "11.csv");
	assert_string_equal(path_of(job, 11), "12.bin");
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(job, "files"), 0), "name", ""),
	    "Roads.SHP");
	assert_int_equal(json_int(json_object_array_get_idx(json_arr(job, "files"), 1), "n", 0), 2);
	json_object_put(job);
	session_free(s);
}

static void test_inspect_carries_the_settings(void **state)
{
	struct session *s = help_session(
	    "csv", "{'uploads':[],'last_crs':'EPSG:2249','dialects':{'0':{'delimiter':';'}},"
		   "'input':{'save':{'charset':'GBK','mosaic':true,'mosaic_time_regex':'[0-9]{8}'},"
		   "'csv':{'dialect':{'charset':'GB18030'}}}}");
	json_object *job = message_inspect(s, &config);

	(void)state;
	assert_string_equal(json_str(job, "type", ""), "job");
	assert_string_equal(json_str(job, "task", ""), "inspect");
	assert_string_equal(json_str(job, "charset", ""), "GB18030");
	assert_string_equal(json_str(job, "drivers", ""), "HFA");
	assert_string_equal(json_str(job, "favourites", ""), "EPSG:2249 EPSG:3857 EPSG:4490");
	assert_int_equal(json_int(json_obj(job, "limits"), "zip_max_entries", 0), 77);
	assert_null(json_get(json_obj(job, "limits"), "max_session_bytes"));
	assert_true(json_bool(json_obj(job, "mosaic"), "wanted", false));
	assert_string_equal(json_str(json_obj(json_obj(job, "dialects"), "0"), "delimiter", ""),
			    ";");
	assert_string_equal(json_str(json_obj(json_obj(job, "dialects"), "*"), "charset", ""),
			    "GB18030");
	json_object_put(job);
	session_free(s);
	/* UTF-8 of save means "find out". */
	s = help_session("csv", "{'uploads':[],'input':{'save':{'charset':'UTF-8'}}}");
	job = message_inspect(s, &config);
	assert_null(json_get(job, "charset"));
	json_object_put(job);
	session_free(s);
}

#define COLUMNS                                                                                    \
	"'columns':[{'i':0,'name':'lat','original':'Lat','type':'real','dms':true},{'i':1,'name':" \
	"'lng','original':'Lng',"                                                                  \
	"'type':'real'},{'i':2,'name':'when','original':'when','type':'text','time':{'ok':9,'bad'" \
	":0,"                                                                                      \
	"'format':'yyyy-MM-dd','ambiguous':false}}]"

static void test_import_of_a_table(void **state)
{
	struct session *s = help_session(
	    "csv", "{'name':'cities','uploads':[{'name':'cities.csv','size':1}],"
		   "'layers':[{'i':0,'bundle':0,'name':'Sheet','kind':'table','file':'cities.csv','"
		   "member':null,'driver':'CSV',"
		   "'source_layer':'cities','selected':true,'geometry':'None','dialect':{'charset':"
		   "'GB18030','delimiter':';','decimal':','}," COLUMNS
		   "}],'input':{'csv':{'geometry':'latlng','lat_i':0,'lng_i':1,'bad_rows':'skip','"
		   "columns':["
		   "{'i':0,'name':'latitude','original':'Lat','type':'real','use':true},{'i':1,'"
		   "use':false}]},"
		   "'srs':{'layers':[{'i':0,'source':'EPSG:4326','code':'EPSG:4326'}],'selected':["
		   "0],'target':'EPSG:3857'},"
		   "'time':{'text_attribute':'when','time_zone':'+08:00'},'final':{'title':'My "
		   "cities'}}}");
	json_object *job = message_import(s, &config),
		    *l = json_object_array_get_idx(json_arr(job, "layers"), 0);
	json_object *g = json_obj(l, "geometry"), *c = json_arr(l, "columns"),
		    *t = json_obj(l, "time");

	(void)state;
	assert_string_equal(json_str(job, "kind", ""), "csv");
	assert_string_equal(json_str(l, "table", ""), "cities");
	assert_string_equal(json_str(l, "title", ""), "My cities");
	assert_string_equal(json_str(json_obj(l, "srs"), "source", ""), "EPSG:4326");
	assert_string_equal(json_str(json_obj(l, "srs"), "target", ""), "EPSG:3857");
	assert_string_equal(json_str(g, "mode", ""), "latlng");
	assert_int_equal(json_int(g, "lat", -1), 0);
	assert_int_equal(json_int(g, "lng", -1), 1);
	assert_true(json_bool(g, "dms", false));
	assert_int_equal(json_len(c), 3);
	assert_string_equal(json_str(json_object_array_get_idx(c, 0), "name", ""), "latitude");
	assert_false(json_bool(json_object_array_get_idx(c, 1), "use", true));
	assert_string_equal(json_str(json_object_array_get_idx(c, 1), "name", ""), "lng");
	assert_string_equal(json_str(l, "bad_rows", ""), "skip");
	assert_string_equal(json_str(l, "decimal", ""), ",");
	assert_string_equal(json_str(l, "charset", ""), "GB18030");
	assert_int_equal(json_int(json_obj(t, "start"), "column", -1), 2);
	assert_string_equal(json_str(json_obj(t, "start"), "format", ""), "yyyy-MM-dd");
	assert_string_equal(json_str(t, "zone", ""), "+08:00");
	assert_null(json_get(t, "end"));
	assert_string_equal(json_str(l, "mode", ""), "create");
	assert_null(json_get(l, "target"));
	json_object_put(job);
	session_free(s);
}

static void test_import_of_chosen_layers(void **state)
{
	struct session *s = help_session(
	    "gpkg", "{'name':'city','uploads':[],'layers':["
		    "{'i':0,'name':'roads','kind':'vector','geometry':'Point','crs':{'code':'EPSG:"
		    "4490','usable':true},'columns':[]},"
		    "{'i':1,'name':'Roads','kind':'vector','geometry':'Point','crs':{'code':null,'"
		    "wkt':'LOCAL[]','usable':true},'columns':[]},"
		    "{'i':2,'name':'rivers','kind':'vector','geometry':'None','columns':[]},"
		    "{'i':3,'name':'lakes','kind':'vector','geometry':'Polygon','columns':[]}],"
		    "'datasets':[{'layer':3,'id':9,'status':'imported'}],"
		    "'input':{'srs':{'layers':[{'i':0,'source':'file'},{'i':1,'source':'file'},{'i'"
		    ":2,'source':null}],'selected':[0,1,2,3],"
		    "'target':''},'final':{'titles':{'1':'Streets'},'names':{'2':'water'}},'time':{"
		    "'time_attribute':'d','stale':true}}}");
	json_object *job = message_import(s, &config), *layers = json_arr(job, "layers");

	(void)state;
	assert_int_equal(json_len(layers), 3); /* lakes are there already */
	assert_string_equal(json_str(json_object_array_get_idx(layers, 0), "table", ""), "roads");
	assert_string_equal(json_str(json_object_array_get_idx(layers, 1), "table", ""), "Roads_2");
	assert_string_equal(json_str(json_object_array_get_idx(layers, 1), "title", ""), "Streets");
	assert_string_equal(json_str(json_object_array_get_idx(layers, 2), "table", ""), "water");
	assert_string_equal(
	    json_str(json_obj(json_object_array_get_idx(layers, 0), "srs"), "source", ""),
	    "EPSG:4490");
	assert_string_equal(
	    json_str(json_obj(json_object_array_get_idx(layers, 1), "srs"), "source", ""),
	    "LOCAL[]");
	assert_null(json_get(json_object_array_get_idx(layers, 2), "srs"));
	assert_null(json_get(json_object_array_get_idx(layers, 0), "time"));
	json_object_put(job);
	session_free(s);
}

static void test_import_appends_to_its_target(void **state)
{
	struct session *s = help_session(
	    "shp",
	    "{'name':'roads','uploads':[],'target':{'mode':'append','dataset':12,'table':'streets'}"
	    ","
	    "'layers':[{'i':0,'name':'roads','kind':'vector','geometry':'Point','columns':[]}],"
	    "'input':{'final':{'mode':'append','dataset':'12','extra_columns':'ignore'}}}");
	json_object *job = message_import(s, &config),
		    *l = json_object_array_get_idx(json_arr(job, "layers"), 0);

	(void)state;
	assert_string_equal(json_str(l, "mode", ""), "append");
	assert_string_equal(json_str(json_obj(l, "target"), "file", ""), "target-0.gpkg");
	assert_string_equal(json_str(json_obj(l, "target"), "table", ""), "streets");
	assert_string_equal(json_str(l, "extra_columns", ""), "ignore");
	json_object_put(job);
	session_free(s);
}

/* ---- what the jail sends */

static enum err check_inspect(const char *text)
{
	CLEAN_JSON json_object *o = help_json(text);
	struct error e = {0};

	return message_check_inspect(o, 2, &e);
}

#define INSPECT(bundles, layers, rest)                                                             \
	"{'type':'result','kind':'shp','bundles':[" bundles "],'layers':[" layers "]" rest "}"
#define BUNDLE	    "{'i':0,'kind':'shp','stem':'roads','files':['roads.shp']}"
#define LAYER(rest) "{'i':0,'bundle':0,'name':'roads','kind':'vector'" rest "}"

static void test_inspect_result_in_full(void **state)
{
	json_object *o = help_json(INSPECT(
	    BUNDLE,
	    LAYER(",'driver':'ESRI Shapefile','source_layer':'roads','file':'roads.shp',"
		  "'member':null,'geometry':'Point','count':-1,'extent':[0,0,1,1.5],'selected':"
		  "true,'evil':1,"
		  "'crs':{'code':'EPSG:4326','name':'WGS "
		  "84','wkt':'x','source':'file','confidence':100,'usable':true},'native_crs':null,"
		  "'candidates':[{'code':'EPSG:4326','name':'WGS "
		  "84','confidence':90,'fit':'inside'}],'supported':[],"
		  "'encoding':{'charset':'UTF-8','source':'cpg'},"
		  "'columns':[{'i':0,'name':'lat','original':'Lat','type':'real','nulls':0,'values'"
		  ":3,'min':1,'max':2.5,'samples':['1'],"
		  "'type_bad':{'integer':{'row':2,'value':'x'}},'first_bad':null,'geom':{'format':'"
		  "WKT','ok':1,'srid':0},"
		  "'time':{'ok':1,'bad':0,'format':'yyyy','ambiguous':true,'formats':['a','b'],'"
		  "min':-1,'max':1,'distinct':1},"
		  "'survey_zone':{'zone':39,'ok':3}}],"
		  "'preview':{'columns':['lat'],'rows':[{'row':2,'cells':['1',null]}],'total_rows':"
		  "3},"
		  "'sheets':[{'name':'a','rows':3,'hidden':false}],'warnings':[{'code':'csv_bad_"
		  "rows','args':{'count':3,'x':'y'}}]"),
	    ",'name':'roads','warnings':[],'metadata':{'title':'T','keywords':['a']},"
	    "'digests':[{'n':2,'md5':'d41d8cd98f00b204e9800998ecf8427e'}],'secret':'x'"));
	struct error e = {0};

	(void)state;
	if (message_check_inspect(o, 2, &e) != ERR_OK)
		print_error("%s\n", e.text);
	assert_int_equal(e.err, ERR_OK);
	assert_null(json_get(o, "secret"));
	assert_null(json_get(json_object_array_get_idx(json_arr(o, "layers"), 0), "evil"));
	json_object_put(o);
}

static void test_inspect_result_is_not_believed(void **state)
{
	static const char *const wrong[] = {
	    "{}",
	    "{'type':'result'}",
	    "[]",
	    "{'type':'failed','kind':'shp','bundles':[],'layers':[]}",
	    INSPECT("", "{'i':0}", ""),
	    INSPECT("", "", ",'name':7"),
	    INSPECT("", "", ",'kind':'exe'"),
	    INSPECT(BUNDLE, LAYER(",'bundle':1"), ""),
	    INSPECT(BUNDLE, LAYER(",'bundle':-1"), ""),
	    INSPECT(BUNDLE, LAYER(",'count':-2"), ""),
	    INSPECT(BUNDLE, LAYER(",'extent':[0,0,1]"), ""),
	    INSPECT(BUNDLE, LAYER(",'extent':[5,0,1,1]"), ""),
	    INSPECT(BUNDLE, LAYER(",'extent':[0,0,1,'a']"), ""),
	    INSPECT(BUNDLE, LAYER(",'kind':'shell'"), ""),
	    INSPECT(BUNDLE, LAYER(",'columns':[{'i':1,'name':'a','type':'text'}]"), ""),
	    INSPECT(BUNDLE, LAYER(",'columns':[{'i':0,'name':'a','type':'blob'}]"), ""),
	    INSPECT(BUNDLE, LAYER(",'columns':{'i':0}"), ""),
	    INSPECT(BUNDLE, LAYER(",'crs':{'source':'guess'}"), ""),
	    INSPECT(BUNDLE, LAYER(",'warnings':[{'code':'Bad Code'}]"), ""),
	    INSPECT(BUNDLE, LAYER(",'warnings':[{'code':'x','args':{'a':[]}}]"), ""),
	    INSPECT(BUNDLE, "{'i':1,'bundle':0,'name':'roads','kind':'vector'}", ""),
	    INSPECT(BUNDLE, LAYER(""),
		    ",'digests':[{'n':3,'md5':'d41d8cd98f00b204e9800998ecf8427e'}]"),
	    INSPECT(BUNDLE, LAYER(""), ",'digests':[{'n':1,'md5':'zz'}]"),
	    INSPECT(BUNDLE, LAYER(",'preview':{'rows':[{'row':2,'cells':[{'a':1}]}]}"), ""),
	};

	(void)state;
	assert_int_equal(check_inspect(INSPECT(BUNDLE, LAYER(""), "")), ERR_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		/* A doubled key is refused by the parser already; the last one counts in this test.
		 */
		CLEAN_FREE char *text = mem_strdup(wrong[i]);
		json_object *o;
		struct error e = {0};

		for (char *p = text; *p != '\0'; p++)
			if (*p == '\'')
				*p = '"';
		o = json_tokener_parse(text);
		if (message_check_inspect(o, 2, &e) != ERR_BAD_REQUEST)
			print_error("%s\n", wrong[i]);
		assert_int_equal(e.err, ERR_BAD_REQUEST);
		assert_true(e.text[0] != '\0');
		json_object_put(o);
	}
}

static void test_inspect_result_has_bounds(void **state)
{
	json_object *o = help_json(INSPECT(BUNDLE, LAYER(""), "")),
		    *layer = json_object_array_get_idx(json_arr(o, "layers"), 0);
	char *name = mem_alloc(70001);
	struct error e = {0};

	(void)state;
	memset(name, 'x', 70000);
	json_set_str(layer, "name", name);
	assert_int_equal(message_check_inspect(o, 2, &e), ERR_BAD_REQUEST);
	json_set_str(layer, "name", "a");
	json_set_str(layer, "native_crs", name);
	assert_int_equal(message_check_inspect(o, 2, NULL), ERR_BAD_REQUEST);
	json_object_object_del(layer, "native_crs");
	json_set(layer, "extent", json_object_new_array());
	for (int i = 0; i < 4; i++)
		json_object_array_add(json_arr(layer, "extent"),
				      json_object_new_double(i < 2 ? -1.0 / 0.0 : 1));
	assert_int_equal(message_check_inspect(o, 2, NULL), ERR_BAD_REQUEST);
	free(name);
	json_object_put(o);
}

static enum err check_import(const char *layers, const char *rest)
{
	CLEAN_FREE char *text = mem_printf("{'type':'result','layers':[%s]%s}", layers, rest);
	CLEAN_JSON json_object *o = help_json(text),
			       *job = help_json("{'layers':[{'i':0},{'i':2}]}");

	return message_check_import(o, job, NULL);
}

#define DONE(i, file) "{'i':" i ",'status':'imported','type':'vector','file':'" file "'}"

static void test_import_result_names_its_own_files(void **state)
{
	(void)state;
	assert_int_equal(
	    check_import(DONE("0", "0.gpkg") "," DONE("2", "2.tif"), ",'report':'report.jsonl'"),
	    ERR_OK);
	assert_int_equal(
	    check_import(
		DONE("2", "2.gpkg") ",{'i':0,'status':'failed','problems':[{'code':'csv_type'}]}",
		""),
	    ERR_OK);
	assert_int_equal(check_import(DONE("0", "0.gpkg"), ""), ERR_BAD_REQUEST);
	assert_int_equal(check_import(DONE("0", "0.gpkg") "," DONE("0", "0.gpkg"), ""),
			 ERR_BAD_REQUEST);
	assert_int_equal(check_import(DONE("0", "0.gpkg") "," DONE("1", "1.gpkg"), ""),
			 ERR_BAD_REQUEST);
	assert_int_equal(check_import(DONE("0", "2.gpkg") "," DONE("2", "0.gpkg"), ""),
			 ERR_BAD_REQUEST);
	assert_int_equal(check_import(DONE("0", "../0.gpkg") "," DONE("2", "2.gpkg"), ""),
			 ERR_BAD_REQUEST);
	assert_int_equal(
	    check_import("{'i':0,'status':'imported','type':'vector'}," DONE("2", "2.gpkg"), ""),
	    ERR_BAD_REQUEST);
	assert_int_equal(
	    check_import("{'i':0,'status':'failed','file':'0.gpkg'}," DONE("2", "2.gpkg"), ""),
	    ERR_BAD_REQUEST);
	assert_int_equal(
	    check_import(DONE("0", "0.gpkg") "," DONE("2", "2.gpkg"), ",'report':'/etc/passwd'"),
	    ERR_BAD_REQUEST);
	assert_int_equal(check_import("{'i':0,'status':'imported','type':'vector','file':'0.gpkg','"
				      "map':'1.map.json'}," DONE("2", "2.gpkg"),
				      ""),
			 ERR_BAD_REQUEST);
	assert_int_equal(
	    check_import(
		"{'i':0,'status':'imported','type':'vector','file':'0.gpkg','map':'0.map.json',"
		"'thumbnail':'0.png','rows':{'total':3,'imported':3},'info':{'a "
		"b':'a_b'},'bbox_wgs84':[170,0,-170,1],"
		"'sample_rows':[[1,'a',null,true]],'time':{'start':-5,'end':7,'positions':2,'bad':"
		"0}}," DONE("2", "2.gpkg"),
		""),
	    ERR_OK);
	assert_int_equal(check_import("{'i':0,'status':'imported','type':'vector','file':'0.gpkg','"
				      "rows':{'total':-3}}," DONE("2", "2.gpkg"),
				      ""),
			 ERR_BAD_REQUEST);
}

static void test_progress_and_failure(void **state)
{
	static const struct {
		const char *text;
		bool progress, ok;
	} cases[] = {
	    {"{'type':'progress','phase':'import','message':'writing','layer':'roads','done':5,'"
	     "total':-1,'rows_bad':0}",
	     true, true},
	    {"{'type':'progress','phase':'import','done':-1}", true, false},
	    {"{'type':'progress','phase':'lunch'}", true, false},
	    {"{'type':'progress','phase':'import','message':'<b>'}", true, false},
	    {"{'type':'result','phase':'import'}", true, false},
	    {"{'type':'failed','problems':[{'code':'zip_ratio','file':'a.zip','value':3}],'detail':"
	     "'x'}",
	     false, true},
	    {"{'type':'failed','problems':[]}", false, false},
	    {"{'type':'failed'}", false, false},
	    {"{'type':'failed','problems':[{'message':'no code'}]}", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEAN_JSON json_object *o = help_json(cases[i].text);
		enum err e = cases[i].progress ? message_check_progress(o, NULL)
					       : message_check_failed(o, NULL);

		assert_int_equal(e, cases[i].ok ? ERR_OK : ERR_BAD_REQUEST);
	}
}

static enum err check_rows(const char *text)
{
	CLEAN_JSON json_object *o = help_json(text);

	return message_check_rows(o, NULL);
}

static void test_rows_say_what_they_may(void **state)
{
	(void)state;
	assert_int_equal(check_rows("{'type':'result','kind':'csv','rows':2,'columns':['a'],'bad':["
				    "],'bad_rows':0,'gaps':1}"),
			 ERR_OK);
	assert_int_equal(check_rows("{'type':'result','kind':'tsv','rows':0,'bad':[{'row':3,'"
				    "column':'a','reason':'date'}],"
				    "'bad_rows':4,'gaps':0}"),
			 ERR_OK);
	assert_int_equal(
	    check_rows("{'type':'result','kind':'xls','rows':2,'bad':[],'bad_rows':0,'gaps':1}"),
	    ERR_OK);
	assert_int_equal(
	    check_rows("{'type':'result','kind':'pdf','rows':2,'bad':[],'bad_rows':0,'gaps':1}"),
	    ERR_BAD_REQUEST);
	assert_int_equal(
	    check_rows("{'type':'result','kind':'csv','rows':-1,'bad':[],'bad_rows':0,'gaps':1}"),
	    ERR_BAD_REQUEST);
	assert_int_equal(check_rows("{'type':'result','kind':'csv','rows':0,'bad':[{'row':3,'"
				    "column':'a','reason':'<b>'}],"
				    "'bad_rows':1,'gaps':0}"),
			 ERR_BAD_REQUEST);
	assert_int_equal(check_rows("{'type':'result','kind':'csv','rows':0,'bad':[{'row':3,'"
				    "column':'a','reason':'date'}],"
				    "'bad_rows':0,'gaps':0}"),
			 ERR_BAD_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inspect_gives_own_paths),
	    cmocka_unit_test(test_inspect_carries_the_settings),
	    cmocka_unit_test(test_import_of_a_table),
	    cmocka_unit_test(test_import_of_chosen_layers),
	    cmocka_unit_test(test_import_appends_to_its_target),
	    cmocka_unit_test(test_inspect_result_in_full),
	    cmocka_unit_test(test_inspect_result_is_not_believed),
	    cmocka_unit_test(test_inspect_result_has_bounds),
	    cmocka_unit_test(test_import_result_names_its_own_files),
	    cmocka_unit_test(test_progress_and_failure),
	    cmocka_unit_test(test_rows_say_what_they_may),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
