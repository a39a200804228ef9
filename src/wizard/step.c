#include "wizard/step.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "wizard/choice.h"
#include "wizard/columns.h"
#include "wizard/srs.h"
#include "wizard/when.h"

#define LIST_MAX 6

static bool csv_holds(const struct session *s);
static bool srs_holds(const struct session *s);
static bool time_holds(const struct session *s);

struct item {
	enum step step;                           /* STEP_NONE ends the list */
	bool (*holds)(const struct session *);    /* NULL: always in the effective list */
};

#define SRS_MAYBE  {STEP_SRS, srs_holds}
#define TIME_MAYBE {STEP_TIME, time_holds}
#define IMPORT     {STEP_RUN, NULL}, {STEP_FINAL, NULL}
#define TABLE      {{STEP_CSV, NULL}, SRS_MAYBE, {STEP_CHECK, NULL}, TIME_MAYBE, IMPORT}
#define VECTOR     {SRS_MAYBE, TIME_MAYBE, IMPORT}
#define RASTER     {SRS_MAYBE, IMPORT}

/* The map of the wizard: contracts/wizard.md 5.1. */
static const struct item lists[KIND__MAX][LIST_MAX + 1] = {
	[KIND_SHP] = {{STEP_SRS, NULL}, {STEP_CHECK, NULL}, TIME_MAYBE, IMPORT},
	[KIND_CSV] = TABLE,
	[KIND_XLSX] = TABLE,
	[KIND_ODS] = TABLE,
	[KIND_GEOJSON] = VECTOR,
	[KIND_KML] = VECTOR,
	[KIND_KML_OVERLAY] = {IMPORT},
	[KIND_GPX] = VECTOR,
	[KIND_GML] = VECTOR,
	[KIND_GPKG] = VECTOR,
	[KIND_FGB] = VECTOR,
	[KIND_TIF] = RASTER,
	[KIND_ASC] = RASTER,
	[KIND_PNG] = RASTER,
	[KIND_JPG] = RASTER,
	[KIND_ZIP_MOSAIC] = RASTER,
	[KIND_MULTI] = {{STEP_CSV, csv_holds}, SRS_MAYBE, TIME_MAYBE, IMPORT},
	[KIND_IMG] = RASTER,
	[KIND_JP2] = RASTER,
	[KIND_NTF] = RASTER,
	[KIND_ZIP] = {{STEP_CHECK, NULL}, IMPORT},
};

static bool is_table_kind(enum kind kind)
{
	return kind == KIND_CSV || kind == KIND_XLSX || kind == KIND_ODS;
}

/* The kinds whose save answer names the first step, whatever its GET then says. */
static bool names_first(enum kind kind)
{
	return kind == KIND_SHP || is_table_kind(kind);
}

/* ---- layers */

/* Is LAYER delimited text or a sheet, so that the csv step is about it? */
static bool is_table(const json_object *layer)
{
	return json_obj(layer, "dialect") != NULL || json_arr(layer, "sheets") != NULL;
}

static bool has_geometry(const struct session *s, const json_object *layer)
{
	/* Not asked yet: most tables that are sent here hold places. */
	if (is_table(layer) && session_table_input(s, json_int(layer, "i", -1)) == NULL)
		return true;
	return srs_layer_has_geometry(s, layer);
}

/* Does nothing but a person know LAYER's reference system? */
static bool lacks_srs(const struct session *s, const json_object *layer)
{
	char buf[48];

	return has_geometry(s, layer) && *choice_file_srs(s, layer, buf) == '\0';
}

/* ---- conditions */

static bool csv_holds(const struct session *s)
{
	json_object *layer;

	if (is_table_kind(s->kind))
		return true;
	JSON_EACH(layer, session_layers(s))
		if (is_table(layer) && srs_layer_chosen(s, layer))
			return true;
	return false;
}

static bool srs_holds(const struct session *s)
{
	json_object *layer;

	/* EPSG:4326 by definition. */
	if (s->kind == KIND_KML || s->kind == KIND_KML_OVERLAY || s->kind == KIND_GPX)
		return false;
	if (session_layers(s) == NULL)
		return is_table_kind(s->kind);
	JSON_EACH(layer, session_layers(s))
		if (srs_layer_chosen(s, layer) && lacks_srs(s, layer))
			return true;
	return false;
}

/* input.save.time carries the site's time_enabled too. */
static bool time_holds(const struct session *s)
{
	json_object *layer;

	if (!json_bool(session_input(s, STEP_SAVE), "time", false))
		return false;
	JSON_EACH(layer, session_layers(s))
		if (srs_layer_chosen(s, layer) && strcmp(json_str(layer, "kind", ""), "raster") != 0 &&
		    when_layer_eligible(layer))
			return true;
	return false;
}

/* ---- the effective list */

size_t step_list(const struct session *s, enum step out[STEP__MAX])
{
	size_t n = 0;

	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++)
		if (i->holds == NULL || i->holds(s))
			out[n++] = i->step;
	return n;
}

enum step get_next_step(const struct session *s, int offset)
{
	enum step list[STEP__MAX];
	int n = (int)step_list(s, list), i = -1;

	if (s->completed == STEP_ERROR)
		return STEP_ERROR;
	/* A step outside the list (5.3) stands where it would be: the lists follow the enum's order. */
	while (i + 1 < n && s->completed > STEP_SAVE && list[i + 1] <= s->completed)
		i++;
	i += offset;
	return list[i < 0 ? 0 : i >= n ? n - 1 : i];
}

enum step get_previous_step(const struct session *s, const char *post_to)
{
	enum step list[STEP__MAX];
	size_t n = step_list(s, list);

	if (strcmp(post_to, "undefined") == 0)
		post_to = step_name(STEP_FINAL);
	for (size_t i = 0; i < n; i++)
		if (strcmp(step_name(list[i]), post_to) == 0)
			return i == 0 ? STEP_SAVE : list[i - 1];
	return STEP_ERROR;
}

bool step_is_async(const struct session *s, bool async_configured)
{
	return async_configured && get_next_step(s, 2) == STEP_RUN;
}

/* ---- who must fill what */

static bool srs_usable(const struct session *s)
{
	json_object *layer;

	if (session_layers(s) == NULL)
		return s->kind != KIND_ZIP;
	JSON_EACH(layer, session_layers(s))
		if (has_geometry(s, layer))
			return true;
	/* The page also chooses layers. */
	return json_len(session_layers(s)) > 1;
}

static bool time_usable(const struct session *s)
{
	json_object *layer;

	JSON_EACH(layer, session_layers(s))
		if (srs_layer_chosen(s, layer) && strcmp(json_str(layer, "kind", ""), "raster") != 0 &&
		    when_layer_eligible(layer))
			return true;
	return false;
}

bool step_usable(const struct session *s, enum step step)
{
	switch (step) {
	case STEP_SAVE:
	case STEP_CHECK:
	case STEP_RUN:
	case STEP_FINAL:
		return true;
	case STEP_CSV:
		return csv_holds(s);
	case STEP_SRS:
		return srs_usable(s);
	case STEP_TIME:
		return time_usable(s);
	case STEP_NONE:
	case STEP_ERROR:
	case STEP__MAX:
		break;
	}
	return false;
}

static bool csv_missing(const struct session *s)
{
	json_object *layer;

	if (!csv_holds(s))
		return false;
	if (!session_has_input(s, STEP_CSV))
		return true;
	JSON_EACH(layer, session_layers(s))
		if (is_table(layer) && srs_layer_chosen(s, layer) &&
		    session_table_input(s, json_int(layer, "i", -1)) == NULL)
			return true;
	return false;
}

bool step_needs_input(const struct session *s, enum step step, enum mode mode)
{
	switch (step) {
	case STEP_CSV:
		return csv_missing(s);
	case STEP_SRS:
		if (session_has_input(s, STEP_SRS))
			return false;
		return srs_holds(s) || (mode == MODE_HTML && json_len(session_layers(s)) > 1);
	case STEP_TIME:
		return time_holds(s) && !session_has_input(s, STEP_TIME);
	case STEP_FINAL:
		return mode == MODE_HTML && session_editable(s);
	case STEP_SAVE:
	case STEP_CHECK:
	case STEP_RUN:
	case STEP_NONE:
	case STEP_ERROR:
	case STEP__MAX:
		break;
	}
	return false;
}

enum step step_missing_before(const struct session *s, enum step limit)
{
	/* Time is asked but never required: final goes on without. */
	static const enum step required[] = {STEP_CSV, STEP_SRS};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (required[i] < limit && step_needs_input(s, required[i], MODE_STRICT))
			return required[i];
	return STEP_NONE;
}

enum step step_stop_after(const struct session *s, enum step after, enum mode mode)
{
	bool json = mode != MODE_HTML;
	bool first = after == STEP_NONE || after == STEP_SAVE;
	enum step missing;

	if (after == STEP_ERROR)
		return STEP_ERROR;
	if (json && first && names_first(s->kind))
		return lists[s->kind][0].step;
	if (!session_inspected(s))
		return STEP_CHECK;
	/* G2's scripts expect ready → final at once; final tells what is missing. */
	if (mode == MODE_COMPAT && !names_first(s->kind) && (first || after == STEP_CHECK))
		return STEP_FINAL;
	/* AFTER itself too: in kind multi one table's columns do not answer for the others. */
	missing = step_missing_before(s, after + 1);
	if (missing != STEP_NONE)
		return missing;
	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++) {
		if (i->step <= after)
			continue;
		if (i->step == STEP_CHECK && json && names_first(s->kind))
			return STEP_CHECK;
		if (i->step != STEP_FINAL && step_needs_input(s, i->step, mode))
			return i->step;
	}
	return STEP_FINAL;
}

enum step step_next_stop(const struct session *s, enum mode mode)
{
	return step_stop_after(s, s->completed, mode);
}

/* ---- pages */

static const char *trail_state(const struct session *s, enum step step, enum step current)
{
	if (step == current)
		return "current";
	if (step == STEP_SAVE)
		return "done";
	if (step == STEP_FINAL)
		return session_editable(s) ? "todo" : "done";
	if (session_has_input(s, step) && !step_needs_input(s, step, MODE_HTML))
		return "done";
	return !session_inspected(s) || step_needs_input(s, step, MODE_HTML) ? "todo" : "skipped";
}

static void trail_add(json_object *trail, const struct session *s, enum step step, enum step current)
{
	json_object *item = json_object_new_object();
	const char *state = trail_state(s, step, current);
	/* Passed steps can be looked at again; save has no page of its own any more. */
	bool url = step != STEP_SAVE && step != current && strcmp(state, "todo") != 0 &&
	    session_editable(s) && step_usable(s, step);

	json_set_str(item, "step", step_name(step));
	json_set_str(item, "state", state);
	json_set_bool(item, "url", url);
	json_object_array_add(trail, item);
}

json_object *step_trail(const struct session *s, enum step current)
{
	json_object *trail = json_object_new_array();

	trail_add(trail, s, STEP_SAVE, current);
	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++) {
		if (i->step == STEP_CHECK || i->step == STEP_RUN)
			continue;
		/* A question nobody could answer is not shown as passed. */
		if (i->step != current && session_inspected(s) && !step_usable(s, i->step))
			continue;
		trail_add(trail, s, i->step, current);
	}
	return trail;
}

/* ---- going on without a person */

static void warn(struct session *s, json_object *p)
{
	json_object *list = json_arr(s->doc, "warnings");

	if (list == NULL) {
		list = json_object_new_array();
		json_set(s->doc, "warnings", list);
	}
	json_object_array_add(list, p);
}

/* The csv input a certain guess stands for, NULL when it is not certain. */
static json_object *certain_input(struct session *s, const json_object *layer, bool *ret_is_pair)
{
	json_object *fields, *input = NULL, *errors = NULL, *warnings = NULL, *p;
	json_object *columns = json_arr(layer, "columns");
	struct column_guess g;

	columns_guess(layer, &g);
	if (!g.certain)
		return NULL;
	fields = json_object_new_object();
	if (g.geometry >= 0) {
		json_set_str(fields, "geometry", "column");
		json_set_str(fields, "geom_column",
		    json_str(json_object_array_get_idx(columns, (size_t)g.geometry), "name", ""));
	} else {
		json_set_str(fields, "lat",
		    json_str(json_object_array_get_idx(columns, (size_t)g.lat), "name", ""));
		json_set_str(fields, "lng",
		    json_str(json_object_array_get_idx(columns, (size_t)g.lng), "name", ""));
	}
	columns_check(layer, fields, &input, &errors, &warnings);
	if (input != NULL) {
		p = problem_str(problem_new("guessed_columns"), "file", json_str(layer, "file", NULL));
		warn(s, problem_str(p, "layer", json_str(layer, "name", NULL)));
		JSON_EACH(p, warnings)
			warn(s, json_object_get(p));
	}
	*ret_is_pair = g.geometry < 0;
	json_object_put(fields);
	json_object_put(errors);
	json_object_put(warnings);
	return input;
}

static void csv_store(struct session *s, int64_t i, json_object *input)
{
	json_object *all, *layers;
	char key[24];

	if (s->kind != KIND_MULTI) {
		(void)session_set_input(s, STEP_CSV, input);
		return;
	}
	layers = json_obj(session_input(s, STEP_CSV), "layers");
	layers = layers != NULL ? json_copy(layers) : json_object_new_object();
	all = json_object_new_object();
	(void)snprintf(key, sizeof(key), "%lld", (long long)i);
	json_set(layers, key, input);
	json_set(all, "layers", layers);
	(void)session_set_input(s, STEP_CSV, all);
}

static json_object *crs_member(const json_object *layer, const char *key)
{
	return json_copy(json_get(json_obj(layer, "crs"), key));
}

/* input.srs when each chosen layer either has its own system or is in PAIRS (its coordinates were guessed). */
static void srs_fill(struct session *s, const json_object *pairs)
{
	json_object *plan = json_object_new_object(), *layers = json_object_new_array(), *layer;
	json_object *selected = json_object_new_array();

	JSON_EACH(layer, session_layers(s)) {
		int64_t i = json_int(layer, "i", -1);
		json_object *item, *pair;
		bool guessed = false;

		JSON_EACH(pair, pairs)
			guessed = guessed || json_object_get_int64(pair) == i;
		if (!srs_layer_chosen(s, layer))
			continue;
		if (!guessed && lacks_srs(s, layer)) {
			json_object_put(layers);
			json_object_put(selected);
			json_object_put(plan);
			return;
		}
		json_object_array_add(selected, json_object_new_int64(i));
		if (!has_geometry(s, layer))
			continue;
		item = json_set_int(json_object_new_object(), "i", i);
		json_set_str(item, "source", guessed ? "EPSG:4326" : "file");
		json_set(item, "code", guessed ? json_object_new_string("EPSG:4326") : crs_member(layer, "code"));
		json_set(item, "name", guessed ? json_object_new_string("WGS 84") : crs_member(layer, "name"));
		json_set(item, "wkt", guessed ? NULL : crs_member(layer, "wkt"));
		json_object_array_add(layers, item);
		if (guessed)
			warn(s, problem_arg(problem_str(problem_new("guessed_crs"), "layer",
			    json_str(layer, "name", NULL)), "crs", "EPSG:4326"));
	}
	json_set(plan, "layers", layers);
	json_set(plan, "selected", selected);
	json_set_str(plan, "target", "");
	(void)session_set_input(s, STEP_SRS, plan);
}

bool step_fill_certain(struct session *s)
{
	CLEAN_JSON json_object *pairs = json_object_new_array();
	json_object *layer;

	JSON_EACH(layer, session_layers(s)) {
		int64_t i = json_int(layer, "i", -1);
		bool pair = false;
		json_object *input;

		if (!is_table(layer) || !srs_layer_chosen(s, layer) || session_table_input(s, i) != NULL)
			continue;
		input = certain_input(s, layer, &pair);
		if (input == NULL)
			continue;
		csv_store(s, i, input);
		if (pair)
			json_object_array_add(pairs, json_object_new_int64(i));
	}
	if (json_len(pairs) > 0 && step_needs_input(s, STEP_SRS, MODE_STRICT))
		srs_fill(s, pairs);
	return session_layers(s) != NULL && step_missing_before(s, STEP_FINAL) == STEP_NONE;
}
