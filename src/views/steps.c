/*
 * The pages of the wizard between save and final: csv, srs, check, time.  Each takes a turn: GET
 * shows the page, POST writes the step's input.
 * Source: contracts/wizard.md 9 - 12.
 */
#include <string.h>
#include "views/wizard.h"
#include "views/geo_ask.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/columns.h"
#include "wizard/srs.h"
#include "wizard/task.h"
#include "wizard/when.h"

static bool is_post(const struct turn *t)
{
	return t->call->req->method == METHOD_POST;
}

static const char *field(const struct turn *t, const char *name)
{
	return json_str(t->fields, name, NULL);
}

/* Errors of a step: compat clients get 200 (7), pages keep what was typed. */
static enum err step_error(struct turn *t, enum step step, json_object *errors, json_object *page)
{
	enum err err = error_response(t, 400, 200, errors, step_name(step), page);
	if (err == ERR_OK && t->call->mode == MODE_HTML) {
		json_set(t->call->reply->model, "trail", step_trail(t->s, step));
		json_set_int(t->call->reply->model, "rev", t->s->rev);
	}
	return err;
}

/* Whether W was said of an earlier answer to STEP for LAYER; NULL = for all layers. */
static bool said_before(const json_object *w, enum step step, const json_object *layer)
{
	return strcmp(json_str(w, "step", ""), step_name(step)) == 0 &&
	       (layer == NULL || json_int(w, "layer_i", -1) == json_int(layer, "i", 0));
}

/* The warnings of this answer to STEP take the place of those of the answer before it. */
static void keep_warnings(struct turn *t, enum step step, const json_object *layer)
{
	json_object *all = json_object_new_array();
	json_object *w = NULL;
	JSON_EACH(w, json_arr(t->s->doc, "warnings"))
	{
		if (!said_before(w, step, layer))
			json_object_array_add(all, json_object_get(w));
	}
	JSON_EACH(w, t->warnings)
	{
		json_set_str(w, "step", step_name(step));
		if (layer != NULL)
			json_set_int(w, "layer_i", json_int(layer, "i", 0));
		json_object_array_add(all, json_object_get(w));
	}
	json_set(t->s->doc, "warnings", all);
	json_object_put(t->warnings);
	t->warnings = NULL;
}

/*
 * Store INPUT (taken) of STEP, for LAYER or with NULL for all, when it is new, then answer the next
 * step.
 */
static enum err step_store(struct turn *t, enum step step, const json_object *layer,
			   json_object *input)
{
	bool fresh = session_set_input(t->s, step, input);

	keep_warnings(t, step, layer);
	if (fresh) {
		if (t->s->state == STATE_INVALID || t->s->state == STATE_INCOMPLETE)
			t->s->state = STATE_WAITING;
		enum err err = turn_store(t, NULL, true);
		if (err != ERR_OK)
			return err;
	}
	turn_unlock(t);
	return step_done_response(t, step);
}

/* ---- csv */

static json_object *table_layer(struct turn *t)
{
	const char *want = t->fields != NULL ? field(t, "layer") : req_query(t->call->req, "layer");
	json_object *layer = NULL, *first = NULL, *open = NULL;
	JSON_EACH(layer, session_layers(t->s))
	{
		if (json_obj(layer, "dialect") == NULL && json_arr(layer, "sheets") == NULL)
			continue;
		if (first == NULL)
			first = layer;
		if (open == NULL && session_table_input(t->s, json_int(layer, "i", 0)) == NULL)
			open = layer;
		char number[24];
		snprintf(number, sizeof(number), "%lld", (long long)json_int(layer, "i", 0));
		if (want != NULL &&
		    (strcmp(want, number) == 0 || strcmp(want, json_str(layer, "name", "")) == 0))
			return layer;
	}
	/* several tables are answered one after the other */
	return open != NULL ? open : first;
}

static bool is_preview(const struct turn *t)
{
	const char *action = field(t, "action");
	return action != NULL && strcmp(action, "preview") == 0;
}

/* The file is read again with other settings: a new inspection, waited for. */
static enum err inspect_again(struct turn *t, json_object *layer, json_object *dialect)
{
	char key[24];
	snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
	json_object *dialects = json_obj(t->s->doc, "dialects");
	json_set(t->s->doc, "dialects_before", json_copy(dialects));
	json_set_bool(t->s->doc, "again", true);
	if (dialects == NULL) {
		dialects = json_object_new_object();
		json_set(t->s->doc, "dialects", dialects);
	}
	json_set(dialects, key, dialect);
	t->s->state = STATE_READY;
	/* Looking is no answer: a page of before may still be sent. */
	enum err err = turn_store(t, task_inspect(t->s, t->call->ctx->config), !is_preview(t));
	if (err == ERR_OK)
		err = turn_wait(t, t->call->ctx->config->inspect_wait_s);
	if (err != ERR_OK)
		return err;
	if (t->s->state == STATE_READY || t->s->state == STATE_INVALID)
		return ERR_OK;
	return turn_lock(t);
}

/* In kind multi each chosen table has its own input under "layers". */
static json_object *csv_input(struct turn *t, json_object *layer, json_object *one)
{
	if (t->s->kind != KIND_MULTI)
		return one;
	json_object *old = json_obj(session_input(t->s, STEP_CSV), "layers");
	json_object *all = json_object_new_object();
	json_object *layers = old != NULL ? json_copy(old) : json_object_new_object();
	char key[24];
	snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
	json_set(layers, key, one);
	json_set(all, "layers", layers);
	return all;
}

static enum err csv_page(struct turn *t, json_object *layer)
{
	return page_response(t, STEP_CSV, "csv", columns_model(t->s, layer, t->fields));
}

enum err csv_step_view(struct turn *t)
{
	json_object *layer = table_layer(t);
	json_object *dialect = NULL, *input = NULL, *errors = NULL;

	if (layer == NULL)
		return wrong_state_response(t, "step_not_in_list",
					    step_next_stop(t->s, t->call->mode));
	if (!is_post(t))
		return csv_page(t, layer);
	errors = columns_dialect_wrong(layer, t->fields);
	if (errors != NULL)
		return step_error(t, STEP_CSV, errors, columns_model(t->s, layer, t->fields));
	if (columns_dialect_changed(layer, t->fields, &dialect)) {
		int64_t i = json_int(layer, "i", 0);
		enum err err = inspect_again(t, layer, dialect);
		if (err != ERR_OK)
			return err;
		if (t->s->state == STATE_READY || t->s->state == STATE_INVALID)
			return next_step_response(t);
		layer = session_layer(t->s, i);
		if (layer == NULL)
			return next_step_response(t);
		/* The settings do not fit the file: told here, and nothing has changed. */
		json_object *wrong = json_arr(t->s->doc, "again_problems");
		if (wrong != NULL)
			return step_error(t, STEP_CSV, json_copy(wrong),
					  columns_model(t->s, layer, t->fields));
	}
	if (is_preview(t))
		return csv_page(t, layer);
	columns_check(layer, t->fields, &input, &errors, &t->warnings);
	if (errors != NULL)
		return step_error(t, STEP_CSV, errors, columns_model(t->s, layer, t->fields));
	return step_store(t, STEP_CSV, layer, csv_input(t, layer, input));
}

/* ---- srs */

static json_object *srs_search(struct turn *t)
{
	const char *q = t->fields != NULL ? field(t, "q") : req_query(t->call->req, "q");
	if (q == NULL || t->call->ctx->crs == NULL)
		return NULL;
	json_object *found =
	    crs_index_search(t->call->ctx->crs, q, 20, t->call->ctx->config->crs_favourites);
	geo_ask_fit(t->call, t->s, found);
	return found;
}

static enum err srs_page(struct turn *t)
{
	/*
	 * A script that asks for a page nobody needs gets the next step, a browser gets the page
	 * for review (10.6).
	 */
	if (t->call->mode != MODE_HTML && !step_needs_input(t->s, STEP_SRS, t->call->mode) &&
	    session_input(t->s, STEP_SRS) == NULL && !is_post(t))
		return step_done_response(t, STEP_SRS);
	return page_response(t, STEP_SRS, "srs", srs_model(t->s, t->fields, srs_search(t)));
}

/* The code that was chosen instead of what the file says, NULL = none. */
static const char *chosen_crs(const json_object *input)
{
	json_object *layer = NULL;
	JSON_EACH(layer, json_arr(input, "layers"))
	{
		if (strcmp(json_str(layer, "source", "file"), "file") != 0 &&
		    json_str(layer, "code", NULL) != NULL)
			return json_str(layer, "code", NULL);
	}
	return NULL;
}

enum err srs_step_view(struct turn *t)
{
	json_object *plan = NULL, *answers = NULL, *input = NULL, *errors = NULL;
	const char *action = is_post(t) ? field(t, "action") : NULL;

	if (!is_post(t) || (action != NULL && strcmp(action, "search") == 0))
		return srs_page(t);
	srs_check_form(t->s, t->fields, t->call->ctx->crs, &plan, &errors, &t->warnings);
	if (errors == NULL) {
		enum err err = geo_ask_plan(t->call, t->s, plan, &answers);
		if (err != ERR_OK) {
			json_object_put(plan);
			return err;
		}
		srs_check_answers(t->s, plan, answers, t->call->mode == MODE_HTML, &input, &errors,
				  &t->warnings);
	}
	json_object_put(plan);
	json_object_put(answers);
	if (errors != NULL)
		return step_error(t, STEP_SRS, errors, srs_model(t->s, t->fields, NULL));
	t->last_crs = chosen_crs(input);
	return step_store(t, STEP_SRS, NULL, input);
}

/* ---- check: a real stop for scripts, nothing for people */

enum err check_step_view(struct turn *t)
{
	enum err err = ERR_OK;
	if (!session_inspected(t->s) && t->s->state == STATE_READY) {
		call_wake_worker(t->call);
		err = turn_wait(t, t->call->ctx->config->inspect_wait_s);
		if (err != ERR_OK)
			return err;
		if (!session_inspected(t->s))
			return next_step_response(t);
		err = turn_lock(t);
		if (err != ERR_OK)
			return err;
	}
	bool head = t->call->req->method == METHOD_HEAD;
	enum step list[STEP__MAX];
	bool in_list = false;
	for (size_t i = 0, n = step_list(t->s, list); i < n; i++)
		in_list = in_list || list[i] == STEP_CHECK;
	if (in_list && session_editable(t->s) && t->s->completed < STEP_CHECK && !head &&
	    turn_may_write(t)) {
		t->s->completed = STEP_CHECK;
		err = turn_store(t, NULL, false);
		if (err != ERR_OK)
			return err;
	}
	turn_unlock(t);
	return step_done_response(t, STEP_CHECK);
}

/* ---- time */

static json_object *time_layer(struct turn *t)
{
	json_object *layer = NULL;
	JSON_EACH(layer, session_layers(t->s))
	{
		if (json_bool(layer, "selected", true) && when_layer_eligible(layer))
			return layer;
	}
	return NULL;
}

static bool confirmed(const struct turn *t)
{
	bool yes = false;
	const char *v = field(t, "confirm");
	return v != NULL && text_bool(v, &yes) && yes;
}

static json_object *time_page(const struct turn *t, const json_object *layer)
{
	json_object *page = time_model(t->s, layer, t->fields);
	return json_set_bool(page, "async_upload",
			     step_is_async(t->s, t->call->ctx->config->async_import));
}

enum err time_step_view(struct turn *t)
{
	json_object *layer = time_layer(t);
	struct time_form form;

	if (layer == NULL)
		return wrong_state_response(t, "step_not_in_list",
					    step_next_stop(t->s, t->call->mode));
	if (!is_post(t)) {
		if (t->call->mode != MODE_HTML && !step_needs_input(t->s, STEP_TIME, t->call->mode))
			return step_done_response(t, STEP_TIME);
		return page_response(t, STEP_TIME, "time", time_page(t, layer));
	}
	create_time_form(layer, t->fields, &form);
	json_object *errors = json_copy(form.errors);
	/*
	 * People are shown the rows that do not parse before they go on; scripts get the warning.
	 */
	if (errors == NULL && t->call->mode == MODE_HTML && !confirmed(t) &&
	    problems_have(form.warnings, "time_bad_rows"))
		errors = json_copy(form.warnings);
	json_object *input = errors == NULL ? time_form_input(&form, layer) : NULL;
	if (t->warnings == NULL)
		t->warnings = json_copy(form.warnings);
	time_form_done(&form);
	if (errors != NULL) {
		enum err err = error_response(t, 400, 400, errors, "time", time_page(t, layer));
		json_object *m = t->call->reply->model;
		if (t->call->mode == MODE_COMPAT) {
			/* G2's client looks for these words in front. */
			CLEAN_FREE char *text =
			    mem_printf("Invalid Submission: %s", json_str(m, "error_msg", ""));
			json_object *list = json_object_new_array();
			json_object_array_add(list, json_object_new_string(text));
			json_set(m, "errors", list);
		} else if (t->call->mode == MODE_HTML) {
			json_set(m, "trail", step_trail(t->s, STEP_TIME));
			json_set_int(m, "rev", t->s->rev);
		}
		return err;
	}
	return step_store(t, STEP_TIME, NULL, input);
}
