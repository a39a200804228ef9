/*
 * Going on without a person: inputs for guesses that are certain.  Source: contracts/wizard.md 9.5.
 */
#include <stdio.h>
#include "base/problem.h"
#include "wizard/choice.h"
#include "wizard/columns.h"
#include "wizard/srs.h"
#include "wizard/step_table.h"

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
		json_set_str(
		    fields, "geom_column",
		    json_str(json_object_array_get_idx(columns, (size_t)g.geometry), "name", ""));
	} else {
		json_set_str(
		    fields, "lat",
		    json_str(json_object_array_get_idx(columns, (size_t)g.lat), "name", ""));
		json_set_str(
		    fields, "lng",
		    json_str(json_object_array_get_idx(columns, (size_t)g.lng), "name", ""));
	}
	columns_check(layer, fields, &input, &errors, &warnings);
	if (input != NULL) {
		p = problem_str(problem_new("guessed_columns"), "file",
				json_str(layer, "file", NULL));
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

/* input.srs when each chosen layer either has its own system or is in PAIRS (its coordinates were
 * guessed). */
static void srs_fill(struct session *s, const json_object *pairs)
{
	json_object *plan = json_object_new_object(), *layers = json_object_new_array(), *layer;
	json_object *selected = json_object_new_array();

	JSON_EACH(layer, session_layers(s))
	{
		int64_t i = json_int(layer, "i", -1);
		json_object *item, *pair;
		bool guessed = false;
		char buf[48];

		JSON_EACH(pair, pairs)
		guessed = guessed || json_object_get_int64(pair) == i;
		if (!srs_layer_chosen(s, layer))
			continue;
		if (!guessed && srs_layer_has_geometry(s, layer) &&
		    *choice_file_srs(s, layer, buf) == '\0') {
			json_object_put(layers);
			json_object_put(selected);
			json_object_put(plan);
			return;
		}
		json_object_array_add(selected, json_object_new_int64(i));
		if (!srs_layer_has_geometry(s, layer))
			continue;
		item = json_set_int(json_object_new_object(), "i", i);
		json_set_str(item, "source", guessed ? "EPSG:4326" : "file");
		json_set(item, "code",
			 guessed ? json_object_new_string("EPSG:4326") : crs_member(layer, "code"));
		json_set(item, "name",
			 guessed ? json_object_new_string("WGS 84") : crs_member(layer, "name"));
		json_set(item, "wkt", guessed ? NULL : crs_member(layer, "wkt"));
		json_object_array_add(layers, item);
		if (guessed)
			warn(s, problem_arg(problem_str(problem_new("guessed_crs"), "layer",
							json_str(layer, "name", NULL)),
					    "crs", "EPSG:4326"));
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

	JSON_EACH(layer, session_layers(s))
	{
		int64_t i = json_int(layer, "i", -1);
		bool pair = false;
		json_object *input;

		if (!step_is_table(layer) || !srs_layer_chosen(s, layer) ||
		    session_table_input(s, i) != NULL)
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
