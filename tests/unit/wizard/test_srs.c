/*
 * Goal: every spelling of a reference system is understood, nothing unusable passes the srs step,
 * an implausible one warns without trapping, and what is stored leads to the system each layer is
 * imported with (contracts/wizard.md 10).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/fs.h"
#include "help.h"
#include "wizard/crs_file.h"
#include "wizard/srs.h"

/* ---- a small index, in the order the file wants */

static const struct {
	const char *code, *name;
	uint32_t number;
	uint8_t authority, kind, deprecated;
	const char *replaced;
} systems[] = {
    {"EPSG:2249", "NAD83 / Massachusetts Mainland (ftUS)", 2249, 0, CRS_PROJECTED, 0, ""},
    {"EPSG:3785", "Popular Visualisation CRS / Mercator", 3785, 0, CRS_PROJECTED, 1, "EPSG:3857"},
    {"EPSG:3857", "WGS 84 / Pseudo-Mercator", 3857, 0, CRS_PROJECTED, 0, ""},
    {"EPSG:4326", "WGS 84", 4326, 0, CRS_GEOGRAPHIC, 0, ""},
    {"EPSG:4527", "CGCS2000 / 3-degree Gauss-Kruger zone 39", 4527, 0, CRS_PROJECTED, 0, ""},
    {"EPSG:4978", "WGS 84", 4978, 0, CRS_GEOCENTRIC, 0, ""},
    {"EPSG:5773", "EGM96 height", 5773, 0, CRS_VERTICAL, 0, ""},
};
#define N_SYSTEMS (sizeof(systems) / sizeof(*systems))

static uint32_t put(char *texts, size_t *n, const char *s)
{
	uint32_t at = (uint32_t)*n;

	if (*s == '\0')
		return 0;
	memcpy(texts + *n, s, strlen(s) + 1);
	*n += strlen(s) + 1;
	return at;
}

static struct crs_index *ix;

static int make_index(void **state)
{
	char path[] = "/tmp/srs-test-XXXXXX", texts[4096] = "", bytes[16384];
	struct crs_file_header h = {
	    .magic = CRS_FILE_MAGIC, .version = CRS_FILE_VERSION, .n_entries = N_SYSTEMS};
	size_t n = 1, at = sizeof(h);
	struct error e = {0};
	int fd = mkstemp(path);

	(void)state;
	for (size_t i = 0; i < N_SYSTEMS; i++) {
		struct crs_file_entry entry = {.number = systems[i].number,
					       .authority = systems[i].authority,
					       .kind = systems[i].kind,
					       .deprecated = systems[i].deprecated};

		entry.code = put(texts, &n, systems[i].code);
		entry.name = entry.folded = put(texts, &n, systems[i].name);
		entry.replaced_by = put(texts, &n, systems[i].replaced);
		memcpy(bytes + at, &entry, sizeof(entry));
		at += sizeof(entry);
	}
	h.texts_bytes = (uint32_t)n;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + at, texts, n);
	assert_true(write(fd, bytes, at + n) == (ssize_t)(at + n));
	assert_int_equal(close(fd), 0);
	assert_int_equal(crs_index_open(path, &ix, &e), ERR_OK);
	(void)unlink(path);
	return 0;
}

static int drop_index(void **state)
{
	(void)state;
	crs_index_close(ix);
	return 0;
}

/* ---- spellings */

static void test_spelling_accepts_all_forms(void **state)
{
	static const char *const cases[][2] = {
	    {"EPSG:4326", "EPSG:4326"},
	    {"epsg:4326", "EPSG:4326"},
	    {"EPSG4326", "EPSG:4326"},
	    {"4326", "EPSG:4326"},
	    {"  4326 \t", "EPSG:4326"},
	    {"urn:ogc:def:crs:EPSG::4326", "EPSG:4326"},
	    {"URN:OGC:DEF:CRS:epsg:9.8:4326", "EPSG:4326"},
	    {"http://www.opengis.net/def/crs/EPSG/0/4326", "EPSG:4326"},
	    {"https://www.opengis.net/def/crs/EPSG/0/4326", "EPSG:4326"},
	    {"ESRI:102100", "ESRI:102100"},
	    {"esri102100", "ESRI:102100"},
	    {"OGC:CRS84", "OGC:CRS84"},
	    {"CRS84", "OGC:CRS84"},
	    {"urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"},
	    {"IGNF:LAMB93", "IGNF:LAMB93"},
	    {"IAU_2015:30100", "IAU_2015:30100"},
	    {"iau_2015:30100", "IAU_2015:30100"},
	    {"EPSG:04326", "EPSG:4326"}};
	char out[48];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!srs_spelling(cases[i][0], out))
			print_error("%s\n", cases[i][0]);
		assert_true(srs_spelling(cases[i][0], out));
		assert_string_equal(out, cases[i][1]);
	}
}

static void test_spelling_refuses_the_rest(void **state)
{
	static const char *const wrong[] = {
	    "",
	    " ",
	    "foo",
	    "EPSG:",
	    "EPSG",
	    "EPSG:foo",
	    "EPSG:43 26",
	    "EPSG:-1",
	    "EPSG:4326x",
	    "4326;DROP",
	    "EPSG:99999999999",
	    "urn:ogc:def:crs:EPSG",
	    "urn:ogc:def:crs:EPSG:4326",
	    "urn:ogc:def:crs:NOPE::1",
	    "http://evil.example/def/crs/EPSG/0/4326",
	    "http://www.opengis.net/def/crs/EPSG/4326",
	    "EPSGfoo",
	    "ESRI:../x",
	    "IGNF:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "４３２６"};
	char out[48];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(srs_spelling(wrong[i], out));
}

static void test_offset_systems_are_named(void **state)
{
	static const char *const yes[] = {"GCJ-02",	"gcj02",     "GCJ_02",	   "gcj 02",
					  "BD-09",	"bd09ll",    "BD09MC",	   "百度坐标",
					  "百度坐标系", "火星坐标",  "火星座標系", "国测局坐标",
					  "高德坐标",	"ＢＤ－０９"};
	static const char *const no[] = {"", "EPSG:4326", "WGS84", "北京54", "BD72"};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		assert_true(srs_is_offset_system(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_false(srs_is_offset_system(no[i]));
}

static void test_survey_zones(void **state)
{
	(void)state;
	assert_int_equal(srs_survey_zone(39), 4527);
	assert_int_equal(srs_survey_zone(25), 4513);
	assert_int_equal(srs_survey_zone(45), 4533);
	assert_int_equal(srs_survey_zone(13), 4491);
	assert_int_equal(srs_survey_zone(23), 4501);
	assert_int_equal(srs_survey_zone(24), 0);
	assert_int_equal(srs_survey_zone(46), 0);
	assert_int_equal(srs_survey_zone(-1), 0);
}

/* ---- the form */

#define NO_CRS "'crs':{'code':null,'source':'none','usable':false}"
#define WGS84                                                                                      \
	"'crs':{'code':'EPSG:4326','name':'WGS "                                                   \
	"84','source':'file','confidence':100,'usable':true}"
#define ONE                                                                                        \
	"{'layers':[{'i':0,'name':'roads','kind':'vector','geometry':'Point','selected':true,"     \
	"'extent':[230000,890000,240000,900000]," NO_CRS "}]}"
#define THREE                                                                                      \
	"{'layers':[{'i':0,'name':'a','kind':'vector','geometry':'Point','selected':true," WGS84   \
	"},"                                                                                       \
	"{'i':1,'name':'b','kind':'vector','geometry':'Point','selected':true," NO_CRS "},"        \
	"{'i':2,'name':'c','kind':'table','geometry':'None','selected':false," NO_CRS "}]}"

static json_object *check(struct session *s, const char *fields, json_object **errors)
{
	CLEAN_JSON json_object *f = help_json(fields);
	json_object *plan = NULL, *warnings = NULL;

	*errors = NULL;
	srs_check_form(s, f, ix, &plan, errors, &warnings);
	json_object_put(warnings);
	return plan;
}

static void assert_form_error(const char *layers, const char *fields, const char *code)
{
	struct session *s = help_session("gpkg", layers);
	json_object *errors, *plan = check(s, fields, &errors);

	if (strcmp(help_code(errors, 0), code) != 0)
		print_error("%s: %s\n", fields, help_code(errors, 0));
	assert_string_equal(help_code(errors, 0), code);
	assert_true((*code != '\0') == (plan == NULL));
	json_object_put(plan);
	json_object_put(errors);
	session_free(s);
}

static void test_form_errors(void **state)
{
	(void)state;
	assert_form_error(ONE, "{'source':'EPSG4326','target':''}", "");
	assert_form_error(ONE, "{'srs':'4326'}", "");
	assert_form_error(ONE, "{}", "srs_missing");
	assert_form_error(ONE, "{'source':''}", "srs_missing");
	assert_form_error(ONE, "{'source':'file'}", "srs_missing");
	assert_form_error(ONE, "{'time_attribute':'date'}", "srs_missing");
	assert_form_error(ONE, "{'source':'foo'}", "srs_invalid");
	assert_form_error(ONE, "{'source':'EPSG:999999'}", "srs_unknown");
	assert_form_error(ONE, "{'source':'EPSG:4978'}", "srs_kind");
	assert_form_error(ONE, "{'source':'EPSG:5773'}", "srs_kind");
	assert_form_error(ONE, "{'source':'GCJ-02'}", "srs_offset_system");
	assert_form_error(ONE, "{'source':'百度坐标'}", "srs_offset_system");
	assert_form_error(ONE, "{'source':'4326','target':'foo'}", "target_invalid");
	assert_form_error(ONE, "{'source':'4326','target':'EPSG:999999'}", "target_unknown");
	assert_form_error(ONE, "{'source':'4326','target':'EPSG:4978'}", "target_kind");
	assert_form_error(ONE, "{'source':'4326','layer':'nosuch'}", "layer_unknown");
	assert_form_error(ONE, "{'source':'4326','layer':'7'}", "layer_unknown");
	assert_form_error(ONE, "{'source':'4326','layer':''}", "layer_none");
	assert_form_error(ONE, "{'source':'4326','confirm':'maybe'}", "bad_boolean");
	assert_form_error(ONE, "{'source':'4326','charset':'klingon'}", "charset_unknown");
	assert_form_error(ONE, "{'source_wkt':'+proj=utm +zone=33'}", "");
	assert_form_error(ONE, "{'source_wkt':'no definition'}", "srs_invalid");
	assert_form_error(THREE, "{}", "srs_missing");
	assert_form_error(THREE, "{'source_1':'2249'}", "");
	assert_form_error(THREE, "{'layer':'c'}", "");
}

static void test_form_refuses_a_definition_of_a_megabyte(void **state)
{
	struct session *s = help_session("shp", ONE);
	CLEAN_JSON json_object *fields = json_object_new_object();
	json_object *plan = NULL, *errors = NULL, *warnings = NULL;
	char *wkt = mem_alloc((1 << 20) + 1);

	(void)state;
	memset(wkt, '[', 1 << 20);
	json_set_str(fields, "source_wkt", wkt);
	srs_check_form(s, fields, ix, &plan, &errors, &warnings);
	assert_string_equal(help_code(errors, 0), "srs_invalid");
	assert_null(plan);
	free(wkt);
	json_object_put(errors);
	session_free(s);
}

static void test_form_names_near_codes(void **state)
{
	struct session *s = help_session("shp", ONE);
	json_object *errors, *plan = check(s, "{'source':'EPSG:3856'}", &errors);

	(void)state;
	assert_null(plan);
	assert_string_equal(json_str(json_obj(help_problem(errors, 0), "args"), "nearest", ""),
			    "EPSG:3857, EPSG:4326, EPSG:4527");
	json_object_put(errors);
	session_free(s);
}

static void test_one_source_is_for_the_layers_without(void **state)
{
	struct session *s = help_session("gpkg", THREE);
	json_object *errors,
	    *plan = check(s, "{'source':'EPSG:2249','layer':['0','b','c']}", &errors), *items;

	(void)state;
	items = json_arr(plan, "layers");
	assert_int_equal(json_len(items), 3);
	assert_string_equal(json_str(json_object_array_get_idx(items, 0), "source", ""), "file");
	assert_string_equal(json_str(json_object_array_get_idx(items, 1), "source", ""),
			    "EPSG:2249");
	assert_null(json_get(json_object_array_get_idx(items, 2), "source"));
	json_object_put(plan);
	session_free(s);
}

static void test_questions_stand_for_layers(void **state)
{
	struct session *s = help_session("gpkg", THREE);
	json_object *errors,
	    *plan = check(s, "{'source_1':'2249','target':'3857','layer':['a','b','c']}", &errors);
	CLEAN_JSON json_object *q = srs_questions(s, plan);

	(void)state;
	assert_int_equal(json_len(q), 3);
	assert_string_equal(
	    json_object_to_json_string_ext(json_arr(json_object_array_get_idx(q, 0), "codes"), 0),
	    "[\"EPSG:4326\"]");
	assert_string_equal(
	    json_object_to_json_string_ext(json_arr(json_object_array_get_idx(q, 1), "codes"), 0),
	    "[\"EPSG:2249\"]");
	assert_string_equal(json_str(json_object_array_get_idx(q, 1), "target", ""), "EPSG:3857");
	assert_null(json_object_array_get_idx(q, 2));
	json_object_put(plan);
	session_free(s);
}

/* ---- answers */

struct outcome {
	json_object *input, *errors, *warnings;
};

static struct outcome judge(const char *fields, const char *answers, bool html)
{
	struct session *s = help_session("shp", ONE);
	json_object *errors, *plan = check(s, fields, &errors);
	CLEAN_JSON json_object *a = answers != NULL ? help_json(answers) : NULL;
	struct outcome o = {0};

	assert_null(errors);
	srs_check_answers(s, plan, a, html, &o.input, &o.errors, &o.warnings);
	assert_true((o.input == NULL) == (o.errors != NULL));
	json_object_put(plan);
	session_free(s);
	return o;
}

static void done(struct outcome *o)
{
	json_object_put(o->input);
	json_object_put(o->errors);
	json_object_put(o->warnings);
}

#define OUTSIDE                                                                                    \
	"[{'answers':[{'code':'EPSG:2249','name':'NAD83 / Massachusetts Mainland "                 \
	"(ftUS)','kind':'projected',"                                                              \
	"'wkt':'PROJCRS[]','deprecated':false,'fit':'outside','place':[-81.5,12.5],'transform':"   \
	"true,'found':true}],'target':null}]"

static void test_outside_warns_programs_and_asks_people(void **state)
{
	struct outcome o = judge("{'source':'2249'}", OUTSIDE, false);

	(void)state;
	assert_string_equal(help_code(o.warnings, 0), "crs_implausible");
	assert_string_equal(json_str(json_obj(help_problem(o.warnings, 0), "args"), "fit", ""),
			    "outside");
	assert_string_equal(json_str(json_obj(help_problem(o.warnings, 0), "args"), "lon", ""),
			    "-81.50");
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(o.input, "layers"), 0), "code", ""),
	    "EPSG:2249");
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(o.input, "layers"), 0), "wkt", ""),
	    "PROJCRS[]");
	done(&o);
	o = judge("{'source':'2249'}", OUTSIDE, true);
	assert_string_equal(help_code(o.errors, 0), "crs_implausible");
	done(&o);
	o = judge("{'source':'2249','confirm':'true'}", OUTSIDE, true);
	assert_null(o.errors);
	assert_string_equal(help_code(o.warnings, 0), "crs_implausible");
	done(&o);
}

static void test_answers_judge(void **state)
{
	static const struct {
		const char *answer, *error, *warning;
	} cases[] = {
	    {"{'code':'EPSG:2249','kind':'projected','fit':'inside','transform':true,'found':true}",
	     "", ""},
	    {"{'code':'EPSG:2249','kind':'projected','fit':'unknown','found':true}", "", ""},
	    {"{'code':'EPSG:2249','found':false}", "srs_unknown", ""},
	    {"{'code':'EPSG:2249','kind':'vertical','found':true}", "srs_kind", ""},
	    {"{'code':'EPSG:2249','kind':'other','found':true}", "srs_kind", ""},
	    {"{'code':'EPSG:2249','kind':'projected','found':true,'transform':false}",
	     "srs_transform", ""},
	    {"{'code':'EPSG:2249','kind':'projected','found':true,'deprecated':true,'replaced_by':'"
	     "EPSG:6492'}",
	     "", "crs_deprecated"},
	    {"{'code':'EPSG:2249','kind':'projected','found':true,'fit':'impossible'}", "",
	     "crs_implausible"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEAN_FREE char *answers =
		    mem_printf("[{'answers':[%s],'target':{'found':true,'kind':'projected'}}]",
			       cases[i].answer);
		struct outcome o = judge("{'source':'2249','target':'3857'}", answers, false);

		assert_string_equal(help_code(o.errors, 0), cases[i].error);
		assert_string_equal(help_code(o.warnings, 0), cases[i].warning);
		done(&o);
	}
}

static void test_answers_judge_the_target(void **state)
{
	struct outcome o = judge(
	    "{'source':'2249','target':'3857'}",
	    "[{'answers':[{'code':'EPSG:2249','found':true}],'target':{'found':false}}]", false);

	(void)state;
	assert_string_equal(help_code(o.errors, 0), "target_unknown");
	done(&o);
	/* The jail could not be asked: what the index knows must do. */
	o = judge("{'source':'2249','target':'3857'}", NULL, true);
	assert_non_null(o.input);
	assert_string_equal(json_str(o.input, "target", ""), "EPSG:3857");
	done(&o);
}

static void test_stored_choice_decides_the_import(void **state)
{
	struct session *s = help_session("gpkg", THREE);
	json_object *errors, *plan = check(s, "{'source':'EPSG:2249','layer':['a','b']}", &errors),
			     *input = NULL, *warnings = NULL;
	char buf[48];

	(void)state;
	srs_check_answers(s, plan, NULL, false, &input, &errors, &warnings);
	assert_true(srs_layer_chosen(s, session_layer(s, 0)));
	assert_false(srs_layer_chosen(s, session_layer(s, 2)));
	assert_true(session_set_input(s, STEP_SRS, input));
	assert_string_equal(srs_layer_source(s, session_layer(s, 0), buf), "EPSG:4326");
	assert_string_equal(srs_layer_source(s, session_layer(s, 1), buf), "EPSG:2249");
	assert_true(srs_layer_chosen(s, session_layer(s, 1)));
	assert_false(srs_layer_has_geometry(s, session_layer(s, 2)));
	json_object_put(plan);
	session_free(s);
}

/* ---- tables and the page */

#define TABLE                                                                                      \
	"{'layers':[{'i':0,'name':'cities','kind':'table','geometry':'None','selected':true,'"     \
	"dialect':{'delimiter':','}," NO_CRS                                                       \
	",'columns':[{'i':0,'name':'x','original':'x','type':'real','min':8.2,'max':14.9},"        \
	"{'i':1,'name':'lat','original':'lat','type':'real','min':36.5,'max':47.0},"               \
	"{'i':2,'name':'wkt','original':'wkt','type':'text','geom':{'format':'EWKT','ok':3,'srid'" \
	":3857}}]}],"                                                                              \
	"'input':{'csv':{'geometry':'%s','lat_i':1,'lng_i':0,'geom_i':2}}}"

static void test_tables_take_their_geometry_from_columns(void **state)
{
	CLEAN_FREE char *pair = mem_printf(TABLE, "latlng"), *column = mem_printf(TABLE, "column"),
			*none = mem_printf(TABLE, "none");
	struct session *s = help_session("csv", pair);
	double e[4];
	char buf[48];

	(void)state;
	assert_true(srs_layer_has_geometry(s, session_layer(s, 0)));
	assert_true(srs_layer_extent(s, session_layer(s, 0), e));
	assert_true(e[0] < 8.3 && e[1] > 36 && e[2] > 14 && e[3] > 46);
	assert_string_equal(srs_layer_source(s, session_layer(s, 0), buf), "");
	session_free(s);
	s = help_session("csv", column);
	assert_string_equal(srs_layer_source(s, session_layer(s, 0), buf), "EPSG:3857");
	session_free(s);
	s = help_session("csv", none);
	assert_false(srs_layer_has_geometry(s, session_layer(s, 0)));
	session_free(s);
	s = help_session(
	    "tif",
	    "{'layers':[{'i':0,'name':'relief','kind':'raster','geometry':'None'," WGS84 "}]}");
	assert_true(srs_layer_has_geometry(s, session_layer(s, 0)));
	session_free(s);
}

static void test_model_shows_choices(void **state)
{
	CLEAN_FREE char *pair = mem_printf(TABLE, "latlng");
	struct session *s = help_session("gpkg", THREE);
	json_object *m = srs_model(s, NULL, NULL);

	(void)state;
	assert_int_equal(json_len(json_arr(m, "layers")), 3);
	assert_true(json_bool(m, "required", false));
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(m, "layers"), 0), "source", ""),
	    "EPSG:4326");
	assert_true(
	    json_bool(json_object_array_get_idx(json_arr(m, "layers"), 1), "needs_crs", false));
	assert_false(
	    json_bool(json_object_array_get_idx(json_arr(m, "layers"), 2), "selected", true));
	json_object_put(m);
	session_free(s);
	s = help_session("csv", pair);
	m = srs_model(s, NULL, NULL);
	assert_string_equal(json_str(m, "source", ""), "EPSG:4326");
	json_object_put(m);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spelling_accepts_all_forms),
	    cmocka_unit_test(test_spelling_refuses_the_rest),
	    cmocka_unit_test(test_offset_systems_are_named),
	    cmocka_unit_test(test_survey_zones),
	    cmocka_unit_test(test_form_errors),
	    cmocka_unit_test(test_form_refuses_a_definition_of_a_megabyte),
	    cmocka_unit_test(test_form_names_near_codes),
	    cmocka_unit_test(test_one_source_is_for_the_layers_without),
	    cmocka_unit_test(test_questions_stand_for_layers),
	    cmocka_unit_test(test_outside_warns_programs_and_asks_people),
	    cmocka_unit_test(test_answers_judge),
	    cmocka_unit_test(test_answers_judge_the_target),
	    cmocka_unit_test(test_stored_choice_decides_the_import),
	    cmocka_unit_test(test_tables_take_their_geometry_from_columns),
	    cmocka_unit_test(test_model_shows_choices),
	};

	return cmocka_run_group_tests(tests, make_index, drop_index);
}
