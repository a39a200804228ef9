/*
 * Goal: every kind of data is led through its steps in order, for every client, and nothing
 * required is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/problem.h"
#include "wizard/step.h"

static json_object *parse(const char *text)
{
	json_object *o = NULL;

	if (json_read(text, strlen(text), &json_limits_job, &o) != ERR_OK)
		fail_msg("test data: %s", text);
	return o;
}

#define CRS_OK	 "\"crs\":{\"code\":\"EPSG:4326\",\"usable\":true}"
#define CRS_NONE "\"crs\":{\"code\":null,\"usable\":false}"
#define DATE                                                                                       \
	"\"columns\":[{\"i\":0,\"name\":\"when\",\"original\":\"when\",\"type\":\"date\","         \
	"\"values\":5,\"nulls\":0}]"

/* A session of KIND that is inspected: with or without CRS, wanting time or not. */
static struct session *make(enum kind kind, bool crs, bool time)
{
	struct session *s = session_new("ann", "x", 0, 0);
	bool table = kind == KIND_CSV || kind == KIND_XLSX || kind == KIND_ODS;
	bool raster = kind == KIND_TIF || kind == KIND_ASC || kind == KIND_PNG ||
		      kind == KIND_JPG || kind == KIND_ZIP_MOSAIC || kind == KIND_IMG ||
		      kind == KIND_JP2 || kind == KIND_NTF || kind == KIND_KML_OVERLAY;
	char layers[600];

	snprintf(layers, sizeof(layers),
		 "[{\"i\":0,\"name\":\"x\",\"file\":\"x\",\"kind\":\"%s\",\"geometry\":\"%s\","
		 "\"selected\":true,"
		 "\"dialect\":%s,%s,%s}]",
		 table	  ? "table"
		 : raster ? "raster"
			  : "vector",
		 table ? "None" : "Point", table ? "{\"header\":\"yes\"}" : "null",
		 !table && crs ? CRS_OK : CRS_NONE, time ? DATE : "\"columns\":[]");
	s->kind = kind;
	s->state = STATE_WAITING;
	json_set(s->doc, "layers", parse(layers));
	(void)session_set_input(s, STEP_SAVE, parse(time ? "{\"time\":true}" : "{\"time\":false}"));
	return s;
}

/* What the csv step stores when a table has its CRS inside, needs one, or has no geometry. */
static void set_csv(struct session *s, const char *geometry)
{
	char input[200];

	snprintf(input, sizeof(input), "{\"geometry\":\"%s\",\"lat_i\":0,\"lng_i\":0}", geometry);
	(void)session_set_input(s, STEP_CSV, parse(input));
}

static void vector(struct session *s, enum step completed, int offset, enum step want)
{
	enum step got;

	s->completed = completed;
	got = get_next_step(s, offset);
	if (got != want)
		fail_msg("%s after \"%s\" + %d: %s, not %s", kind_name(s->kind),
			 step_name(completed), offset, step_name(got), step_name(want));
}

static void test_step_next_vectors(void **state)
{
	struct session *s = make(KIND_SHP, true, true);

	(void)state;
	vector(s, STEP_NONE, 1, STEP_SRS);
	vector(s, STEP_SAVE, 1, STEP_SRS);
	vector(s, STEP_SRS, 1, STEP_CHECK);
	vector(s, STEP_CHECK, 1, STEP_TIME);
	vector(s, STEP_TIME, 1, STEP_RUN);
	vector(s, STEP_RUN, 1, STEP_FINAL);
	vector(s, STEP_FINAL, 1, STEP_FINAL);
	vector(s, STEP_NONE, 2, STEP_CHECK);
	vector(s, STEP_SRS, 2, STEP_TIME);
	vector(s, STEP_CHECK, 2, STEP_RUN);
	vector(s, STEP_TIME, 2, STEP_FINAL);
	vector(s, STEP_ERROR, 1, STEP_ERROR);
	vector(s, STEP_NONE, -5, STEP_SRS);
	session_free(s);

	s = make(KIND_CSV, false, true);
	set_csv(s, "latlng");
	vector(s, STEP_NONE, 1, STEP_CSV);
	vector(s, STEP_CSV, 1, STEP_SRS);
	vector(s, STEP_SRS, 1, STEP_CHECK);
	vector(s, STEP_CHECK, 1, STEP_TIME);
	vector(s, STEP_TIME, 1, STEP_RUN);
	session_free(s);

	s = make(KIND_TIF, true, false);
	vector(s, STEP_NONE, 1, STEP_RUN);
	vector(s, STEP_RUN, 1, STEP_FINAL);
	vector(s, STEP_FINAL, 1, STEP_FINAL);
	/* A step outside the list (a right CRS overruled) stands where it would be. */
	vector(s, STEP_SRS, 1, STEP_RUN);
	session_free(s);

	s = make(KIND_ASC, false, false);
	vector(s, STEP_NONE, 1, STEP_SRS);
	vector(s, STEP_SRS, 1, STEP_RUN);
	session_free(s);
}

static void previous(struct session *s, const char *to, enum step want)
{
	if (get_previous_step(s, to) != want)
		fail_msg("%s before %s: %s", kind_name(s->kind), to,
			 step_name(get_previous_step(s, to)));
}

static void test_step_previous_vectors(void **state)
{
	struct session *s = make(KIND_SHP, true, false);

	(void)state;
	previous(s, "srs", STEP_SAVE);
	previous(s, "check", STEP_SRS);
	previous(s, "final", STEP_RUN);
	previous(s, "undefined", STEP_RUN);
	previous(s, "csv", STEP_ERROR);
	previous(s, "time", STEP_ERROR);
	previous(s, "", STEP_ERROR);
	session_free(s);
	s = make(KIND_CSV, false, false);
	previous(s, "csv", STEP_SAVE);
	session_free(s);
	s = make(KIND_TIF, true, false);
	previous(s, "final", STEP_RUN);
	previous(s, "run", STEP_SAVE);
	session_free(s);
}

static void test_step_is_async_before_the_import_only(void **state)
{
	struct session *s = make(KIND_SHP, true, true);

	(void)state;
	s->completed = STEP_CHECK;
	assert_true(step_is_async(s, true));
	assert_false(step_is_async(s, false));
	s->completed = STEP_SRS;
	assert_false(step_is_async(s, true));
	session_free(s);
}

/* ---- all kinds, all conditions */

/* The lists of 5.1; lower case = only when its condition holds. */
static const char *const expected[KIND__MAX] = {
    [KIND_SHP] = "SKtRF",      [KIND_CSV] = "CsKtRF",	[KIND_XLSX] = "CsKtRF",
    [KIND_ODS] = "CsKtRF",     [KIND_GEOJSON] = "stRF", [KIND_KML] = "tRF",
    [KIND_KML_OVERLAY] = "RF", [KIND_GPX] = "tRF",	[KIND_GML] = "stRF",
    [KIND_GPKG] = "stRF",      [KIND_FGB] = "stRF",	[KIND_TIF] = "sRF",
    [KIND_ASC] = "sRF",	       [KIND_PNG] = "sRF",	[KIND_JPG] = "sRF",
    [KIND_ZIP_MOSAIC] = "sRF", [KIND_MULTI] = "stRF",	[KIND_IMG] = "sRF",
    [KIND_JP2] = "sRF",	       [KIND_NTF] = "sRF",	[KIND_ZIP] = "KRF",
};

static char letter(enum step step)
{
	static const char letters[STEP__MAX] = {
	    [STEP_CSV] = 'C',  [STEP_SRS] = 'S', [STEP_CHECK] = 'K',
	    [STEP_TIME] = 'T', [STEP_RUN] = 'R', [STEP_FINAL] = 'F'};

	return letters[step];
}

static void test_step_list_of_every_kind(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KIND__MAX; kind++) {
		for (int bits = 0; bits < 4; bits++) {
			bool crs = bits & 1, time = bits & 2;
			struct session *s = make(kind, crs, time);
			enum step list[STEP__MAX];
			char got[STEP__MAX + 1] = "", want[STEP__MAX + 1] = "";
			size_t n = 0;

			if (kind == KIND_CSV || kind == KIND_XLSX || kind == KIND_ODS)
				set_csv(s, crs ? "none" : "latlng");
			for (const char *p = expected[kind]; *p != '\0'; p++)
				if (*p < 'a' || (*p == 's' && !crs) || (*p == 't' && time))
					want[n++] = (char)(*p & ~0x20);
			n = step_list(s, list);
			for (size_t i = 0; i < n; i++) {
				got[i] = letter(list[i]);
				/* get_next_step and get_previous_step rely on this order. */
				assert_true(i == 0 || list[i - 1] < list[i]);
			}
			if (strcmp(got, want) != 0)
				fail_msg("%s, %d: %s, not %s", kind_name(kind), bits, got, want);
			session_free(s);
		}
	}
}

/*
 * From every state of the inputs, by every client: the stops lead to final, without skipping what
 * is required.
 */
static void test_step_stops_lead_to_final(void **state)
{
	(void)state;
	/* KIND_ZIP is the last: inspection turns it into another. */
	for (enum kind kind = 0; kind < KIND_ZIP; kind++) {
		for (int bits = 0; bits < 4 * MODE__MAX; bits++) {
			struct session *s = make(kind, bits & 1, bits & 2);
			enum mode mode = (enum mode)(bits >> 2);
			enum step at = step_next_stop(s, mode);
			int turns = 0;

			for (; at != STEP_FINAL; at = step_stop_after(s, at, mode)) {
				if (++turns > 6 || at == STEP_ERROR)
					fail_msg("%s, %d: %s", kind_name(kind), bits,
						 step_name(at));
				assert_true(step_usable(s, at));
				if (at == STEP_CSV)
					set_csv(s, "latlng");
				else if (at == STEP_SRS && step_needs_input(s, STEP_SRS, mode))
					(void)session_set_input(s, STEP_SRS,
								parse("{\"selected\":[0]}"));
				else if (at == STEP_TIME)
					(void)session_set_input(s, STEP_TIME, parse("{}"));
				s->completed = at;
			}
			if (mode != MODE_COMPAT)
				assert_int_equal(step_missing_before(s, STEP_FINAL), STEP_NONE);
			session_free(s);
		}
	}
}

/* ---- where clients are sent */

static void stop(struct session *s, enum mode mode, enum step want)
{
	if (step_next_stop(s, mode) != want)
		fail_msg("%s after \"%s\" in mode %d: %s, not %s", kind_name(s->kind),
			 step_name(s->completed), mode, step_name(step_next_stop(s, mode)),
			 step_name(want));
}

static void test_step_save_answer_names_the_first_step(void **state)
{
	static const struct {
		enum kind kind;
		enum step step;
	} t[] = {{KIND_SHP, STEP_SRS},
		 {KIND_CSV, STEP_CSV},
		 {KIND_XLSX, STEP_CSV},
		 {KIND_ODS, STEP_CSV}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (int inspected = 0; inspected < 2; inspected++) {
			struct session *s = make(t[i].kind, true, false);

			s->state = inspected ? STATE_WAITING : STATE_READY;
			stop(s, MODE_STRICT, t[i].step);
			stop(s, MODE_COMPAT, t[i].step);
			session_free(s);
		}
	}
}

static void test_step_shapefile_with_crs(void **state)
{
	struct session *s = make(KIND_SHP, true, false);

	(void)state;
	stop(s, MODE_HTML, STEP_FINAL);
	stop(s, MODE_COMPAT, STEP_SRS);
	/* The GET of srs needs nothing: on to check, which is a stop for scripts, then final. */
	assert_int_equal(step_stop_after(s, STEP_SRS, MODE_COMPAT), STEP_CHECK);
	s->completed = STEP_CHECK;
	stop(s, MODE_COMPAT, STEP_FINAL);
	stop(s, MODE_STRICT, STEP_FINAL);
	session_free(s);
}

static void test_step_missing_srs_is_never_passed(void **state)
{
	struct session *s = make(KIND_SHP, false, false);

	(void)state;
	stop(s, MODE_HTML, STEP_SRS);
	/* A script that jumped ahead is led back. */
	s->completed = STEP_CHECK;
	stop(s, MODE_STRICT, STEP_SRS);
	stop(s, MODE_COMPAT, STEP_SRS);
	stop(s, MODE_HTML, STEP_SRS);
	assert_int_equal(step_missing_before(s, STEP_FINAL), STEP_SRS);
	assert_int_equal(step_missing_before(s, STEP_SRS), STEP_NONE);
	session_free(s);
}

static void test_step_raster_without_crs_by_client(void **state)
{
	struct session *s = make(KIND_ASC, false, false);

	(void)state;
	stop(s, MODE_HTML, STEP_SRS);
	stop(s, MODE_STRICT, STEP_SRS);
	stop(s, MODE_COMPAT, STEP_FINAL);
	s->completed = STEP_CHECK; /* inspection was slow */
	stop(s, MODE_COMPAT, STEP_FINAL);
	stop(s, MODE_STRICT, STEP_SRS);
	(void)session_set_input(
	    s, STEP_SRS,
	    parse("{\"layers\":[{\"i\":0,\"source\":\"EPSG:4326\"}],\"selected\":[0]}"));
	stop(s, MODE_STRICT, STEP_FINAL);
	stop(s, MODE_COMPAT, STEP_FINAL);
	session_free(s);
}

static void test_step_csv_script_of_geonode(void **state)
{
	struct session *s = make(KIND_CSV, false, false);

	(void)state;
	stop(s, MODE_COMPAT, STEP_CSV);
	assert_true(step_needs_input(s, STEP_CSV, MODE_COMPAT));
	assert_int_equal(step_missing_before(s, STEP_SRS), STEP_CSV);
	set_csv(s, "latlng");
	stop(s, MODE_COMPAT, STEP_SRS);
	assert_true(step_needs_input(s, STEP_SRS, MODE_COMPAT));
	(void)session_set_input(
	    s, STEP_SRS,
	    parse("{\"layers\":[{\"i\":0,\"source\":\"EPSG:4326\"}],\"selected\":[0]}"));
	stop(s, MODE_COMPAT, STEP_CHECK);
	assert_false(step_needs_input(s, STEP_CHECK, MODE_COMPAT));
	s->completed = STEP_CHECK;
	stop(s, MODE_COMPAT, STEP_FINAL);
	/* Other columns: srs is asked again. */
	(void)session_set_input(s, STEP_CSV,
				parse("{\"geometry\":\"latlng\",\"lat_i\":1,\"lng_i\":0}"));
	stop(s, MODE_COMPAT, STEP_SRS);
	/* No geometry: nothing to ask. */
	set_csv(s, "none");
	stop(s, MODE_COMPAT, STEP_CHECK);
	assert_false(step_usable(s, STEP_SRS));
	session_free(s);
}

static void test_step_geometry_column_with_srid_needs_no_srs(void **state)
{
	struct session *s = make(KIND_CSV, false, false);

	(void)state;
	json_set(session_layer(s, 0), "columns",
		 parse("[{\"i\":0,\"name\":\"wkt\",\"type\":\"text\",\"values\":3,"
		       "\"geom\":{\"format\":\"EWKT\",\"ok\":3,\"srid\":4490}}]"));
	(void)session_set_input(s, STEP_CSV, parse("{\"geometry\":\"column\",\"geom_i\":0}"));
	stop(s, MODE_COMPAT, STEP_CHECK);
	stop(s, MODE_HTML, STEP_FINAL);
	/* It can be overruled. */
	assert_true(step_usable(s, STEP_SRS));
	json_set_int(
	    json_obj(json_object_array_get_idx(json_arr(session_layer(s, 0), "columns"), 0),
		     "geom"),
	    "srid", 0);
	stop(s, MODE_COMPAT, STEP_SRS);
	session_free(s);
}

static void test_step_waits_for_inspection(void **state)
{
	struct session *s = session_new("ann", "x", 0, 0);

	(void)state;
	s->completed = STEP_SAVE;
	for (enum kind kind = 0; kind < KIND__MAX; kind++) {
		bool first =
		    kind == KIND_SHP || kind == KIND_CSV || kind == KIND_XLSX || kind == KIND_ODS;

		s->kind = kind;
		stop(s, MODE_HTML, STEP_CHECK);
		stop(s, MODE_STRICT, kind == KIND_SHP ? STEP_SRS : first ? STEP_CSV : STEP_CHECK);
		stop(s, MODE_COMPAT, kind == KIND_SHP ? STEP_SRS : first ? STEP_CSV : STEP_CHECK);
	}
	session_free(s);
}

static void test_step_several_layers(void **state)
{
	struct session *s = make(KIND_GPKG, true, false);

	(void)state;
	json_set(
	    s->doc, "layers",
	    parse("[{\"i\":0,\"kind\":\"vector\",\"geometry\":\"Point\",\"selected\":true," CRS_OK
		  "},"
		  "{\"i\":1,\"kind\":\"vector\",\"geometry\":\"Point\",\"selected\":false," CRS_NONE
		  "}]"));
	/* People choose layers, scripts take the preselected ones. */
	stop(s, MODE_HTML, STEP_SRS);
	stop(s, MODE_STRICT, STEP_FINAL);
	assert_int_equal(step_missing_before(s, STEP_FINAL), STEP_NONE);
	json_set_bool(session_layer(s, 1), "selected", true);
	stop(s, MODE_STRICT, STEP_SRS);
	(void)session_set_input(
	    s, STEP_SRS, parse("{\"layers\":[{\"i\":0,\"source\":\"file\"}],\"selected\":[0]}"));
	stop(s, MODE_HTML, STEP_FINAL);
	session_free(s);
}

static void test_step_multi_asks_for_each_table(void **state)
{
	struct session *s = make(KIND_MULTI, true, false);

	(void)state;
	json_set(
	    s->doc, "layers",
	    parse("[{\"i\":0,\"kind\":\"vector\",\"geometry\":\"Point\",\"selected\":true," CRS_OK
		  "},"
		  "{\"i\":1,\"kind\":\"table\",\"dialect\":{},\"geometry\":\"None\",\"selected\":"
		  "true," CRS_NONE "},"
		  "{\"i\":2,\"kind\":\"table\",\"dialect\":{},\"geometry\":\"None\",\"selected\":"
		  "true," CRS_NONE "}]"));
	stop(s, MODE_HTML, STEP_CSV);
	stop(s, MODE_STRICT, STEP_CSV);
	(void)session_set_input(s, STEP_CSV, parse("{\"layers\":{\"1\":{\"geometry\":\"none\"}}}"));
	stop(s, MODE_STRICT, STEP_CSV);
	(void)session_set_input(
	    s, STEP_CSV,
	    parse("{\"layers\":{\"1\":{\"geometry\":\"none\"},\"2\":{\"geometry\":\"none\"}}}"));
	stop(s, MODE_STRICT, STEP_FINAL);
	stop(s, MODE_HTML, STEP_SRS);
	session_free(s);
}

static void test_step_time_is_asked_but_not_required(void **state)
{
	struct session *s = make(KIND_GEOJSON, true, true);

	(void)state;
	stop(s, MODE_HTML, STEP_TIME);
	stop(s, MODE_STRICT, STEP_TIME);
	stop(s, MODE_COMPAT, STEP_FINAL);
	assert_int_equal(step_missing_before(s, STEP_FINAL), STEP_NONE);
	session_free(s);
	/* Not asked for: out of the list, but the page can be opened. */
	s = make(KIND_GEOJSON, true, true);
	(void)session_set_input(s, STEP_SAVE, parse("{\"time\":false}"));
	stop(s, MODE_HTML, STEP_FINAL);
	assert_true(step_usable(s, STEP_TIME));
	session_free(s);
	s = make(KIND_GEOJSON, true, false);
	assert_false(step_usable(s, STEP_TIME));
	session_free(s);
}

static void test_step_usable_by_kind(void **state)
{
	struct session *s = make(KIND_SHP, true, false);

	(void)state;
	assert_false(step_usable(s, STEP_CSV));
	assert_true(step_usable(s, STEP_SRS));
	assert_true(step_usable(s, STEP_CHECK));
	assert_true(step_usable(s, STEP_FINAL));
	assert_false(step_usable(s, STEP_ERROR));
	session_free(s);
	s = make(KIND_TIF, true, false);
	assert_true(step_usable(s, STEP_SRS));
	assert_false(step_usable(s, STEP_TIME));
	session_free(s);
}

static const char *trail_of(const json_object *trail, const char *step)
{
	json_object *item;

	JSON_EACH(item, trail)
	if (strcmp(json_str(item, "step", ""), step) == 0)
		return json_str(item, "state", "");
	return "absent";
}

static void test_step_trail_shows_the_way(void **state)
{
	struct session *s = make(KIND_CSV, false, true);
	json_object *trail = step_trail(s, STEP_CSV);

	(void)state;
	assert_string_equal(trail_of(trail, "save"), "done");
	assert_string_equal(trail_of(trail, "csv"), "current");
	assert_string_equal(trail_of(trail, "srs"), "todo");
	assert_string_equal(trail_of(trail, "check"), "absent");
	assert_string_equal(trail_of(trail, "time"), "todo");
	assert_string_equal(trail_of(trail, "final"), "todo");
	json_object_put(trail);
	set_csv(s, "latlng");
	trail = step_trail(s, STEP_SRS);
	assert_string_equal(trail_of(trail, "csv"), "done");
	assert_true(json_bool(json_object_array_get_idx(trail, 1), "url", false));
	assert_string_equal(trail_of(trail, "srs"), "current");
	json_object_put(trail);
	set_csv(s, "none");
	trail = step_trail(s, STEP_FINAL);
	assert_string_equal(trail_of(trail, "srs"), "absent");
	json_object_put(trail);
	session_free(s);
	s = make(KIND_SHP, true, false);
	trail = step_trail(s, STEP_FINAL);
	assert_string_equal(trail_of(trail, "srs"), "skipped");
	json_object_put(trail);
	session_free(s);
}

/* ---- without a person */

#define COLUMN(i, name, numeric, lat)                                                              \
	"{\"i\":" #i ",\"name\":\"" name "\",\"original\":\"" name                                 \
	"\",\"type\":\"real\",\"values\":100,\"numeric\":" #numeric ",\"lat_ok\":" #lat            \
	",\"lng_ok\":" #numeric "}"

static void test_step_fill_certain_goes_on(void **state)
{
	struct session *s = make(KIND_CSV, false, false);

	(void)state;
	json_set(session_layer(s, 0), "columns",
		 parse("[" COLUMN(0, "lat", 100, 100) "," COLUMN(1, "lon", 100, 30) "]"));
	assert_true(step_fill_certain(s));
	assert_string_equal(json_str(session_input(s, STEP_CSV), "lat", ""), "lat");
	assert_true(session_has_input(s, STEP_SRS));
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(session_input(s, STEP_SRS), "layers"), 0),
		     "source", ""),
	    "EPSG:4326");
	assert_true(problems_have(json_arr(s->doc, "warnings"), "guessed_columns"));
	assert_true(problems_have(json_arr(s->doc, "warnings"), "guessed_crs"));
	/* Again: nothing more to do, nothing told twice. */
	assert_true(step_fill_certain(s));
	assert_int_equal(json_len(json_arr(s->doc, "warnings")), 2);
	session_free(s);
}

static void test_step_fill_certain_stops_where_a_person_must_say(void **state)
{
	struct session *s = make(KIND_CSV, false, false);

	(void)state;
	json_set(session_layer(s, 0), "columns",
		 parse("[" COLUMN(0, "lat", 100, 90) "," COLUMN(1, "lon", 100, 30) "]"));
	assert_false(step_fill_certain(s));
	assert_null(session_input(s, STEP_CSV));
	session_free(s);
	/* Columns a person chose say nothing about the system. */
	s = make(KIND_CSV, false, false);
	json_set(session_layer(s, 0), "columns",
		 parse("[" COLUMN(0, "lat", 100, 100) "," COLUMN(1, "lon", 100, 30) "]"));
	set_csv(s, "latlng");
	assert_false(step_fill_certain(s));
	assert_null(session_input(s, STEP_SRS));
	session_free(s);
	s = make(KIND_SHP, false, false);
	assert_false(step_fill_certain(s));
	session_free(s);
	s = make(KIND_SHP, true, false);
	assert_true(step_fill_certain(s));
	session_free(s);
	s = session_new("ann", "x", 0, 0);
	assert_false(step_fill_certain(s));
	session_free(s);
}

static void test_step_fill_certain_multi(void **state)
{
	struct session *s = make(KIND_MULTI, true, false);
	char layers[1500];

	(void)state;
	snprintf(layers, sizeof(layers),
		 "[{\"i\":0,\"name\":\"r\",\"kind\":\"vector\",\"geometry\":\"Point\",\"selected\":"
		 "true," CRS_OK "},{\"i\":1,\"name\":\"t\",\"kind\":\"table\",\"dialect\":{},"
		 "\"geometry\":\"None\",\"selected\":true," CRS_NONE ",\"columns\":[%s,%s]}]",
		 COLUMN(0, "lat", 100, 100), COLUMN(1, "lon", 100, 30));
	json_set(s->doc, "layers", parse(layers));
	assert_true(step_fill_certain(s));
	assert_string_equal(json_str(session_table_input(s, 1), "lng", ""), "lon");
	assert_int_equal(json_len(json_arr(session_input(s, STEP_SRS), "selected")), 2);
	assert_string_equal(
	    json_str(json_object_array_get_idx(json_arr(session_input(s, STEP_SRS), "layers"), 0),
		     "source", ""),
	    "file");
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_step_next_vectors),
	    cmocka_unit_test(test_step_previous_vectors),
	    cmocka_unit_test(test_step_is_async_before_the_import_only),
	    cmocka_unit_test(test_step_list_of_every_kind),
	    cmocka_unit_test(test_step_stops_lead_to_final),
	    cmocka_unit_test(test_step_save_answer_names_the_first_step),
	    cmocka_unit_test(test_step_shapefile_with_crs),
	    cmocka_unit_test(test_step_missing_srs_is_never_passed),
	    cmocka_unit_test(test_step_raster_without_crs_by_client),
	    cmocka_unit_test(test_step_csv_script_of_geonode),
	    cmocka_unit_test(test_step_geometry_column_with_srid_needs_no_srs),
	    cmocka_unit_test(test_step_waits_for_inspection),
	    cmocka_unit_test(test_step_several_layers),
	    cmocka_unit_test(test_step_multi_asks_for_each_table),
	    cmocka_unit_test(test_step_time_is_asked_but_not_required),
	    cmocka_unit_test(test_step_usable_by_kind),
	    cmocka_unit_test(test_step_trail_shows_the_way),
	    cmocka_unit_test(test_step_fill_certain_goes_on),
	    cmocka_unit_test(test_step_fill_certain_stops_where_a_person_must_say),
	    cmocka_unit_test(test_step_fill_certain_multi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
