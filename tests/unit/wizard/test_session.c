/*
 * Goal: a session's record survives printing and reading, equal inputs change nothing, other inputs
 * undo what follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wizard/session.h"
#include "wizard/step.h"

static json_object *parse(const char *text)
{
	json_object *o = NULL;

	if (json_read(text, strlen(text), &json_limits_job, &o) != ERR_OK)
		fail_msg("test data: %s", text);
	return o;
}

static void test_session_names_are_those_of_the_contract(void **state)
{
	enum step step;
	enum kind kind;
	enum state st;

	(void)state;
	for (enum kind k = 0; k < KIND__MAX; k++) {
		assert_true(kind_by_name(kind_name(k), &kind));
		assert_int_equal(kind, k);
	}
	for (enum state x = 0; x < STATE__MAX; x++) {
		assert_true(state_by_name(state_name(x), &st));
		assert_int_equal(st, x);
	}
	for (enum step x = STEP_SAVE; x <= STEP_FINAL; x++) {
		assert_true(step_by_name(step_name(x), &step));
		assert_int_equal(step, x);
	}
	assert_string_equal(kind_name(KIND_KML_OVERLAY), "kml-overlay");
	assert_string_equal(state_name(STATE_INCOMPLETE), "INCOMPLETE");
	assert_string_equal(step_name(STEP_NONE), "");
	assert_false(step_by_name("", &step));
	assert_false(step_by_name("error", &step));
	assert_false(step_by_name("mosaic", &step));
	assert_false(step_by_name(NULL, &step));
	assert_false(kind_by_name("xls", &kind));
	assert_false(state_by_name("ready", &st));
}

static void test_session_record_survives_printing(void **state)
{
	struct session *s = session_new("ann", "roads", 1000, 2000), *back = NULL;
	json_object *doc;
	char *text;

	(void)state;
	s->id = 7;
	s->rev = 3;
	s->kind = KIND_SHP;
	s->state = STATE_WAITING;
	s->completed = STEP_SRS;
	text = json_print(session_to_json(s, 1500), NULL);
	doc = parse(text);
	assert_int_equal(session_from_json(doc, &back), ERR_OK);
	assert_int_equal(back->id, 7);
	assert_int_equal(back->rev, 3);
	assert_int_equal(back->created, 1000);
	assert_int_equal(back->expires, 2000);
	assert_int_equal(back->kind, KIND_SHP);
	assert_int_equal(back->state, STATE_WAITING);
	assert_int_equal(back->completed, STEP_SRS);
	assert_int_equal(json_int(back->doc, "changed", 0), 1500);
	assert_string_equal(session_owner(back), "ann");
	assert_string_equal(session_title(back), "roads");
	session_free(back);
	session_free(s);
	session_free(NULL);
	free(text);
}

static void test_session_damaged_records_are_refused(void **state)
{
	static const char *const bad[] = {
	    "{}", "{\"kind\":\"shp\",\"state\":\"ASLEEP\"}",
	    "{\"kind\":\"xls\",\"state\":\"READY\"}",
	    "{\"kind\":\"shp\",\"state\":\"READY\",\"completed\":\"mosaic\"}"};
	struct session *s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(session_from_json(parse(bad[i]), &s), ERR_STORE);
	assert_int_equal(
	    session_from_json(
		parse("{\"kind\":\"shp\",\"state\":\"READY\",\"completed\":\"error\"}"), &s),
	    ERR_OK);
	assert_int_equal(s->completed, STEP_ERROR);
	session_free(s);
}

static void test_session_title_is_cut_at_a_character(void **state)
{
	char name[400] = "";
	struct session *s;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(name, "路");
	s = session_new("ann", name, 0, 0);
	assert_int_equal(strlen(session_title(s)), 64 * 3);
	session_free(s);
}

static void test_session_equal_input_changes_nothing(void **state)
{
	struct session *s = session_new("ann", "x", 0, 0);
	json_object *first;

	(void)state;
	assert_true(session_set_input(
	    s, STEP_CSV,
	    parse("{\"lat\":\"a\",\"lng\":\"b\",\"columns\":[{\"i\":0,\"use\":true}]}")));
	assert_int_equal(s->completed, STEP_CSV);
	first = session_input(s, STEP_CSV);
	assert_int_equal(strlen(json_str(first, "hash", "")), 64);
	/* Order says nothing, neither does the form's machinery. */
	assert_false(session_set_input(
	    s, STEP_CSV,
	    parse("{\"rev\":\"4\",\"columns\":[{\"use\":true,\"i\":0}],\"nonce\":\"n\",\"lng\":"
		  "\"b\",\"csrfmiddlewaretoken\":\"t\",\"lat\":\"a\"}")));
	assert_ptr_equal(session_input(s, STEP_CSV), first);
	assert_true(session_set_input(s, STEP_CSV, parse("{\"lat\":\"b\",\"lng\":\"a\"}")));
	assert_true(session_set_input(s, STEP_CSV, parse("{\"lat\":\"b\",\"lng\":[\"a\"]}")));
	session_free(s);
}

static void test_session_other_input_undoes_what_follows(void **state)
{
	struct session *s = session_new("ann", "x", 0, 0);

	(void)state;
	assert_true(session_set_input(s, STEP_CSV, parse("{\"lat\":\"a\"}")));
	assert_true(session_set_input(s, STEP_SRS, parse("{\"source\":\"EPSG:4326\"}")));
	assert_true(session_set_input(s, STEP_TIME, parse("{}")));
	/* The same again keeps everything where it is. */
	assert_false(session_set_input(s, STEP_CSV, parse("{\"lat\":\"a\"}")));
	assert_int_equal(s->completed, STEP_TIME);
	assert_true(session_has_input(s, STEP_SRS));
	assert_true(session_set_input(s, STEP_CSV, parse("{\"lat\":\"b\"}")));
	assert_int_equal(s->completed, STEP_CSV);
	assert_false(session_has_input(s, STEP_SRS));
	assert_false(session_has_input(s, STEP_TIME));
	/* The old value is there, as default; the same value again holds again. */
	assert_string_equal(json_str(session_input(s, STEP_SRS), "source", ""), "EPSG:4326");
	assert_true(session_set_input(s, STEP_SRS, parse("{\"source\":\"EPSG:4326\"}")));
	assert_true(session_has_input(s, STEP_SRS));
	assert_null(json_get(session_input(s, STEP_SRS), "stale"));
	assert_null(session_input(s, STEP_FINAL));
	/* After a failure even the same input moves on. */
	s->completed = STEP_ERROR;
	assert_true(session_set_input(s, STEP_CSV, parse("{\"lat\":\"b\"}")));
	assert_int_equal(s->completed, STEP_CSV);
	session_free(s);
}

static void test_session_table_inputs(void **state)
{
	struct session *s = session_new("ann", "x", 0, 0);

	(void)state;
	assert_null(session_table_input(s, 0));
	(void)session_set_input(s, STEP_CSV, parse("{\"lat\":\"a\"}"));
	assert_ptr_equal(session_table_input(s, 0), session_input(s, STEP_CSV));
	(void)session_set_input(s, STEP_CSV, parse("{\"layers\":{\"2\":{\"lat\":\"c\"}}}"));
	assert_null(session_table_input(s, 0));
	assert_string_equal(json_str(session_table_input(s, 2), "lat", ""), "c");
	session_free(s);
}

static void test_session_inspected(void **state)
{
	struct session *s = session_new("ann", "x", 0, 0);

	(void)state;
	s->state = STATE_WAITING;
	assert_false(session_inspected(s));
	assert_null(session_layer(s, 0));
	json_set(s->doc, "layers", parse("[{\"i\":0},{\"i\":3,\"name\":\"c\"}]"));
	assert_true(session_inspected(s));
	assert_string_equal(json_str(session_layer(s, 3), "name", ""), "c");
	assert_null(session_layer(s, 1));
	/* Being read again. */
	s->state = STATE_READY;
	assert_false(session_inspected(s));
	session_free(s);
}

static int percent(enum state state, const char *progress)
{
	struct session *s = session_new("ann", "x", 0, 0);
	json_object *p = progress != NULL ? parse(progress) : NULL;
	int n;

	s->state = state;
	n = session_percent(s, p);
	json_object_put(p);
	session_free(s);
	return n;
}

static void test_session_percent_follows_the_table(void **state)
{
	(void)state;
	assert_int_equal(percent(STATE_READY, NULL), 0);
	assert_int_equal(percent(STATE_PENDING, NULL), 33);
	assert_int_equal(percent(STATE_WAITING, NULL), 50);
	assert_int_equal(percent(STATE_COMPLETE, NULL), 90);
	assert_int_equal(percent(STATE_PROCESSED, NULL), 100);
	assert_int_equal(percent(STATE_INCOMPLETE, NULL), 0);
	assert_int_equal(percent(STATE_INVALID, NULL), 0);
	assert_int_equal(percent(STATE_RUNNING, NULL), 80);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":10,\"total\":-1}"), 80);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":0,\"total\":5000}"), 50);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":1200,\"total\":5000}"), 59);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":6000,\"total\":5000}"), 90);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":-3,\"total\":5000}"), 50);
	/* Never back. */
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":1,\"total\":5000,\"percent\":80}"), 80);
	assert_int_equal(percent(STATE_RUNNING, "{\"done\":1,\"total\":5000,\"percent\":800}"), 90);
}

static void test_session_states_allow(void **state)
{
	static const bool editable[STATE__MAX] = {[STATE_READY] = true,
						  [STATE_WAITING] = true,
						  [STATE_INCOMPLETE] = true,
						  [STATE_INVALID] = true};
	struct session *s = session_new("ann", "x", 0, 0);

	(void)state;
	for (enum state x = 0; x < STATE__MAX; x++) {
		s->state = x;
		assert_int_equal(session_editable(s), editable[x]);
		assert_int_equal(session_retryable(s), x == STATE_INVALID || x == STATE_INCOMPLETE);
	}
	s->state = STATE_INVALID;
	json_set_str(s->doc, "code", "session_expired");
	assert_false(session_retryable(s));
	json_set_str(s->doc, "code", "import_failed");
	json_set(s->doc, "uploads", parse("[{\"id\":\"a\",\"released\":true}]"));
	assert_false(session_retryable(s));
	session_free(s);
}

static void test_session_summary_has_its_members(void **state)
{
	static const char *const keys[] = {"id",  "name",    "kind",	"state", "step",  "percent",
					   "rev", "created", "expires", "files", "layers"};
	struct session *s = session_new("ann", "roads", 1000, 61000);
	json_object *o;

	(void)state;
	s->id = 7;
	s->kind = KIND_SHP;
	json_set(
	    s->doc, "uploads",
	    parse("[{\"id\":\"secret\",\"name\":\"roads.shp\",\"size\":12,\"role\":\"main\"}]"));
	json_set(s->doc, "layers",
		 parse("[{\"i\":0,\"name\":\"roads\",\"kind\":\"vector\",\"columns\":[]}]"));
	o = session_summary(s, NULL);
	assert_int_equal(json_object_object_length(o), sizeof(keys) / sizeof(*keys));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_non_null(json_get(o, keys[i]));
	assert_string_equal(json_str(o, "created", ""), "1970-01-01T00:00:01Z");
	assert_string_equal(json_str(o, "step", ""), "srs");
	assert_null(strstr(json_object_to_json_string(o), "secret"));
	json_object_put(o);
	session_free(s);
}

static void test_session_api_item_has_the_keys_of_geonode(void **state)
{
	static const char *const keys[] = {
	    "id",	  "name",	"date",	      "create_date", "user",
	    "state",	  "progress",	"complete",   "import_id",   "uploadfile_set",
	    "resume_url", "delete_url", "import_url", "detail_url"};
	struct session *s = session_new("ann", "roads", 1000, 61000);
	json_object *o, *files;

	(void)state;
	s->id = 7;
	s->state = STATE_WAITING;
	json_set(
	    s->doc, "uploads",
	    parse("[{\"id\":\"u\",\"name\":\"My Roads 道路.shp\",\"size\":12,\"role\":\"main\"},"
		  "{\"id\":\"v\",\"name\":\"a.dbf\",\"role\":\"side\"}]"));
	o = session_api_item(s, NULL, "/cgi-bin/slipway.fcgi");
	assert_int_equal(json_object_object_length(o), sizeof(keys) / sizeof(*keys));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_true(json_object_object_get_ex(o, keys[i], NULL));
	assert_int_equal(json_int(o, "import_id", 0), 7);
	assert_int_equal(json_int(o, "progress", 0), 50);
	assert_false(json_bool(o, "complete", true));
	assert_string_equal(json_str(o, "resume_url", ""), "/cgi-bin/slipway.fcgi/upload/?id=7");
	assert_string_equal(json_str(o, "delete_url", ""), "/cgi-bin/slipway.fcgi/upload/delete/7");
	assert_null(json_get(o, "detail_url"));
	files = json_arr(o, "uploadfile_set");
	assert_string_equal(json_str(json_object_array_get_idx(files, 0), "slug", ""),
			    "my-roads-道路-shp");
	assert_true(json_bool(json_object_array_get_idx(files, 0), "base", false));
	assert_false(json_bool(json_object_array_get_idx(files, 1), "base", true));
	json_object_put(o);

	s->state = STATE_PROCESSED;
	json_set(s->doc, "datasets", parse("[{\"id\":12,\"status\":\"imported\"}]"));
	o = session_api_item(s, NULL, "");
	assert_int_equal(json_int(o, "progress", 0), 100);
	assert_true(json_bool(o, "complete", false));
	assert_null(json_get(o, "resume_url"));
	assert_null(json_get(o, "delete_url"));
	assert_string_equal(json_str(o, "detail_url", ""), "/datasets/12");
	json_object_put(o);

	s->state = STATE_INVALID;
	o = session_api_item(s, NULL, "");
	assert_non_null(json_get(o, "resume_url"));
	json_object_put(o);
	json_set_str(s->doc, "code", "session_expired");
	json_set(s->doc, "datasets", json_object_new_array());
	o = session_api_item(s, NULL, "");
	assert_null(json_get(o, "resume_url"));
	json_object_put(o);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_session_names_are_those_of_the_contract),
	    cmocka_unit_test(test_session_record_survives_printing),
	    cmocka_unit_test(test_session_damaged_records_are_refused),
	    cmocka_unit_test(test_session_title_is_cut_at_a_character),
	    cmocka_unit_test(test_session_equal_input_changes_nothing),
	    cmocka_unit_test(test_session_other_input_undoes_what_follows),
	    cmocka_unit_test(test_session_table_inputs),
	    cmocka_unit_test(test_session_inspected),
	    cmocka_unit_test(test_session_percent_follows_the_table),
	    cmocka_unit_test(test_session_states_allow),
	    cmocka_unit_test(test_session_summary_has_its_members),
	    cmocka_unit_test(test_session_api_item_has_the_keys_of_geonode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
