/*
 * The last step: title, rights, target; the import started exactly once.
 * Source: contracts/wizard.md 13, 14.2.
 */
#include <string.h>
#include "views/target.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/final.h"
#include "wizard/task.h"
#include "wizard/when.h"

/* Scripts that never saw a page: a certain guess fills the csv step (9.5). */
static void fill_certain(struct turn *t)
{
	if (t->call->mode != MODE_HTML || json_bool(t->s->doc, "non_interactive", false))
		(void)step_fill_certain(t->s);
}

enum err run_import(struct turn *t, bool async)
{
	struct session *s = t->s;
	const struct config *c = t->call->ctx->config;

	if (s->state == STATE_PENDING || s->state == STATE_RUNNING || s->state == STATE_COMPLETE ||
	    s->state == STATE_PROCESSED)
		return ERR_OK;
	if (!session_inspected(s)) {
		json_set_bool(s->doc, "import_when_ready", true);
		enum err err = turn_store(t, NULL, false);
		call_wake_worker(t->call);
		if (err == ERR_OK && !async)
			err = turn_wait(t, c->final_wait_s);
		return err;
	}
	fill_certain(t);
	enum step missing = step_missing_before(s, STEP_RUN);
	if (missing != STEP_NONE)
		return ERR_CONFLICT;
	s->state = STATE_PENDING;
	s->completed = STEP_RUN;
	json_object_object_del(s->doc, "problems");
	json_set_str(s->doc, "code", "");
	enum err err = turn_store(t, task_import(s, c), false);
	if (err == ERR_OK && !async)
		err = turn_wait(t, c->final_wait_s);
	return err;
}

/* 13.4: which step lacks input. */
static enum err input_missing(struct turn *t)
{
	enum step step = step_missing_before(t->s, STEP_RUN);
	struct call *call = t->call;
	CLEAN_FREE char *to =
	    call_url(call, "/upload/%s?id=%lld", step_name(step), (long long)t->s->id);
	if (call->mode == MODE_HTML) {
		CLEAN_FREE char *noted = mem_printf("%s&note=input_missing", to);
		reply_redirect(call->reply, 303, noted);
		return ERR_OK;
	}
	json_object *problems = NULL, *p = problem_new("input_missing");
	problem_str(p, "field", step_name(step));
	problem_arg(p, "step", step_name(step));
	problems_add(&problems, p);
	enum err err = error_response(t, 409, 200, problems, "error", NULL);
	json_object *m = call->reply->model;
	json_set_str(m, "redirect_to", to);
	json_set_str(m, "url", to);
	json_set_bool(m, "required_input", true);
	json_set_bool(m, "input_required", true);
	return err;
}

/* After starting or waiting: finished, pending, or what is wrong. */
static enum err report(struct turn *t)
{
	if (t->s->state == STATE_READY && !session_inspected(t->s))
		return pending_response(t);
	return next_step_response(t);
}

static enum err start_and_report(struct turn *t)
{
	enum err err = ERR_OK;
	bool answered = false;
	if (t->call->mode != MODE_HTML && !session_inspected(t->s) && t->s->state == STATE_READY) {
		/*
		 * Scripts come here straight from save: the inspection is waited for, then the
		 * import.
		 */
		err = run_import(t, false);
		if (err == ERR_OK && session_inspected(t->s) && t->s->state == STATE_WAITING)
			err = turn_lock(t);
		if (err != ERR_OK)
			return err;
	}
	if (session_inspected(t->s) && session_editable(t->s) && t->s->state == STATE_WAITING) {
		err = settle_target(t, &answered);
		if (err == ERR_OK && answered)
			return err;
		if (err == ERR_OK)
			err = run_import(t, false);
		if (err == ERR_CONFLICT && t->call->problems == NULL) {
			turn_unlock(t);
			return input_missing(t);
		}
		if (err != ERR_OK)
			return err;
	} else if (t->s->state == STATE_PENDING || t->s->state == STATE_RUNNING ||
		   t->s->state == STATE_COMPLETE) {
		call_wake_worker(t->call);
		if (t->call->mode != MODE_HTML) {
			err = turn_wait(t, t->call->ctx->config->final_wait_s);
			if (err != ERR_OK)
				return err;
		}
	}
	turn_unlock(t);
	return report(t);
}

/* What INPUT, or the page's model of it, asks of a target. */
static struct target_ask ask_of(const struct turn *t, const json_object *input)
{
	const char *bad =
	    json_str(input, "bad_rows", json_str(session_input(t->s, STEP_CSV), "bad_rows", ""));
	return (struct target_ask){
	    json_str(input, "mode", "create"), json_str(input, "dataset", NULL),
	    strcmp(json_str(input, "extra_columns", ""), "ignore") == 0, strcmp(bad, "skip") == 0};
}

/* What the target named on PAGE would see; who may not change it is told so when the form comes. */
static json_object *diff_of_page(struct turn *t, const json_object *page)
{
	json_object *diff = NULL, *dataset = NULL, *told = t->call->problems;
	struct target_ask ask = ask_of(t, page);
	t->call->problems = NULL;
	if (target_diff(t, &ask, &diff, &dataset) != ERR_OK) {
		json_object_put(t->call->problems);
		t->call->error = (struct error){0};
	}
	t->call->problems = told;
	json_object_put(dataset);
	return diff;
}

/* DIFF (taken): NULL = as the page's own choices have it. */
static json_object *final_page(struct turn *t, json_object *diff)
{
	json_object *page = final_model(t->s, t->fields);
	json_object *layer = NULL;
	bool time = false, rows = false;
	json_set(page, "targets", target_list(t->call));
	json_set(page, "diff", diff != NULL ? diff : diff_of_page(t, page));
	JSON_EACH(layer, session_layers(t->s))
	{
		bool selected = json_bool(layer, "selected", true);
		time = time || (selected && when_layer_eligible(layer));
		rows = rows || (selected && strcmp(json_str(layer, "kind", ""), "raster") != 0);
	}
	json_set_bool(page, "time_possible", time);
	json_set_bool(page, "rows_possible", rows);
	json_set_bool(page, "srs_possible", step_usable(t->s, STEP_SRS));
	json_set_bool(page, "csv_possible", step_usable(t->s, STEP_CSV));
	json_set(page, "layer_models", json_copy(session_layers(t->s)));
	return page;
}

/* Other titles, rights or targets than those the import was started with? */
static bool same_final(struct turn *t)
{
	json_object *old = session_input(t->s, STEP_FINAL), *input = NULL, *errors = NULL,
		    *warnings = NULL;
	if (json_object_object_length(t->fields) == 0)
		return true;
	final_check(t->s, t->fields, subject_exists, t->call, &input, &errors, &warnings);
	json_object *old_copy = json_copy(old);
	if (old_copy != NULL)
		json_object_object_del(old_copy, "hash");
	bool same = errors == NULL && json_equal(old_copy, input);
	json_object_put(old_copy);
	json_object_put(input);
	json_object_put(errors);
	json_object_put(warnings);
	return same;
}

static enum err final_error(struct turn *t, int status, json_object *errors, json_object *diff)
{
	enum err err = error_response(t, status, status, errors, "final", final_page(t, diff));
	if (err == ERR_OK && t->call->mode == MODE_HTML) {
		json_set(t->call->reply->model, "trail", step_trail(t->s, STEP_FINAL));
		json_set_int(t->call->reply->model, "rev", t->s->rev);
	}
	return err;
}

static bool confirmed(struct turn *t)
{
	bool yes = false;
	return text_bool(json_str(t->fields, "confirm", ""), &yes) && yes;
}

/* Rights, schema and confirmation of overwrite and append.  ERR_CONFLICT: answered already. */
static enum err check_target(struct turn *t, json_object *input, bool *ret_answered)
{
	json_object *diff = NULL, *dataset = NULL;
	struct target_ask ask = ask_of(t, input);
	*ret_answered = false;
	enum err err = target_diff(t, &ask, &diff, &dataset);
	if (err != ERR_OK || diff == NULL)
		return err;
	json_object *errors = json_arr(diff, "errors");
	if (json_len(errors) > 0) {
		*ret_answered = true;
		json_object_put(dataset);
		return final_error(t, t->call->mode == MODE_COMPAT ? 200 : 400, json_copy(errors),
				   diff);
	}
	if (t->call->mode == MODE_HTML && !confirmed(t)) {
		json_object *unconfirmed = NULL;
		problems_add(&unconfirmed,
			     problem_str(problem_new("confirm_target"), "field", "confirm"));
		*ret_answered = true;
		json_object_put(dataset);
		return final_error(t, 400, unconfirmed, diff);
	}
	target_set(t->s, ask.mode, dataset);
	json_object_put(diff);
	json_object_put(dataset);
	return ERR_OK;
}

/* An identifier stands for one dataset: another one's is not taken twice (13). */
static enum err check_uuid(struct turn *t, const json_object *input, bool *ret_answered)
{
	const char *uuid = final_uuid(t->s);
	json_object *errors = NULL;
	int64_t id = 0;
	*ret_answered = false;
	if (uuid == NULL)
		return ERR_OK;
	enum err err = catalog_by_uuid(t->call->ctx->catalog, uuid, &id, &t->call->error);
	bool own = strcmp(json_str(input, "mode", "create"), "create") != 0 &&
		   json_int(json_obj(t->s->doc, "target"), "dataset", 0) == id;
	if (err != ERR_OK || id == 0 || own)
		return err;
	problems_add(&errors, problem_str(problem_new("uuid_in_use"), "value", uuid));
	*ret_answered = true;
	return final_error(t, t->call->mode == MODE_COMPAT ? 200 : 400, errors, NULL);
}

/*
 * Save named a dataset to overwrite, or the file was not inspected when final was sent: the target
 * is judged now.
 */
enum err settle_target(struct turn *t, bool *ret_answered)
{
	json_object *input = NULL, *errors = NULL, *none = json_object_new_object();
	*ret_answered = false;
	const json_object *save = session_input(t->s, STEP_SAVE);
	if (!session_has_input(t->s, STEP_FINAL) &&
	    (json_int(save, "layer_id", 0) > 0 ||
	     json_bool(save, "append_to_mosaic_opts", false))) {
		final_check(t->s, none, subject_exists, t->call, &input, &errors, &t->warnings);
		if (errors != NULL) {
			*ret_answered = true;
			json_object_put(none);
			return final_error(t, 400, errors, NULL);
		}
		(void)session_set_input(t->s, STEP_FINAL, input);
	}
	json_object_put(none);
	input = session_input(t->s, STEP_FINAL);
	enum err err = check_uuid(t, input, ret_answered);
	if (err != ERR_OK || *ret_answered)
		return err;
	if (strcmp(json_str(input, "mode", "create"), "create") == 0 || target_is_current(t))
		return ERR_OK;
	return check_target(t, input, ret_answered);
}

static enum err final_post(struct turn *t)
{
	json_object *input = NULL, *errors = NULL;
	bool answered = false;

	if (!session_editable(t->s) || t->s->state == STATE_PROCESSED) {
		if (!same_final(t))
			return wrong_state_response(
			    t,
			    t->s->state == STATE_PROCESSED ? "already_imported" : "import_running",
			    STEP_FINAL);
		return start_and_report(t);
	}
	final_check(t->s, t->fields, subject_exists, t->call, &input, &errors, &t->warnings);
	if (errors != NULL)
		return final_error(t, 400, errors, NULL);
	enum err err = check_target(t, input, &answered);
	if (err == ERR_OK && !answered)
		err = check_uuid(t, input, &answered);
	if (err != ERR_OK || answered) {
		json_object_put(input);
		return err;
	}
	if (session_inspected(t->s)) {
		fill_certain(t);
		if (step_missing_before(t->s, STEP_RUN) != STEP_NONE) {
			json_object_put(input);
			turn_unlock(t);
			return input_missing(t);
		}
	}
	if (session_set_input(t->s, STEP_FINAL, input))
		t->s->rev++;
	if (t->s->state == STATE_INVALID || t->s->state == STATE_INCOMPLETE)
		t->s->state = session_inspected(t->s) ? STATE_WAITING : t->s->state;
	if (t->call->mode != MODE_HTML)
		return start_and_report(t);
	err = run_import(t, true);
	turn_unlock(t);
	return err == ERR_OK ? progress_redirect(t, STEP_FINAL) : err;
}

/* JSON GET of final starts the import for scripts (13.5), unless another site asked for it. */
static enum err final_get_json(struct turn *t)
{
	struct call *call = t->call;
	const char *site = req_header(call->req, "Sec-Fetch-Site");
	const char *dry = req_query(call->req, "dry_run");
	bool dry_run = false;

	if (dry != NULL && text_bool(dry, &dry_run) && dry_run) {
		json_object *diff = NULL, *dataset = NULL;
		const char *which = req_query(call->req, "dataset");
		const char *extra = req_query(call->req, "extra_columns"),
			   *bad = req_query(call->req, "bad_rows");
		struct target_ask ask = {req_query(call->req, "mode"),
					 which != NULL ? which : req_query(call->req, "layer_id"),
					 extra != NULL && strcmp(extra, "ignore") == 0,
					 bad != NULL && strcmp(bad, "skip") == 0};
		enum err err = target_diff(t, &ask, &diff, &dataset);
		json_object_put(dataset);
		turn_unlock(t);
		return err != ERR_OK ? err
				     : page_response(t, STEP_FINAL, "final", final_page(t, diff));
	}
	bool start = call->ctx->config->compat_get_run && turn_may_write(t) &&
		     call->req->method == METHOD_GET &&
		     (t->s->state == STATE_READY || t->s->state == STATE_WAITING);
	if (!start) {
		turn_unlock(t);
		return report(t);
	}
	if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return call_fail(call, ERR_FORBIDDEN, problem_new("cross_site"));
	return start_and_report(t);
}

enum err final_step_view(struct turn *t)
{
	if (t->call->req->method == METHOD_POST)
		return final_post(t);
	if (t->call->mode != MODE_HTML)
		return final_get_json(t);
	turn_unlock(t);
	if (t->s->state == STATE_PROCESSED || !session_inspected(t->s))
		return next_step_response(t);
	if (!session_editable(t->s))
		return progress_redirect(t, STEP_FINAL);
	if (t->s->state == STATE_INVALID || t->s->state == STATE_INCOMPLETE)
		return final_error(t, 200, json_copy(json_arr(t->s->doc, "problems")), NULL);
	enum step missing = step_missing_before(t->s, STEP_RUN);
	if (missing != STEP_NONE)
		return input_missing(t);
	return page_response(t, STEP_FINAL, "final", final_page(t, NULL));
}

enum err run_step_view(struct turn *t)
{
	if (t->call->req->method == METHOD_POST) {
		json_object_put(t->fields);
		t->fields = json_object_new_object();
		return final_post(t);
	}
	turn_unlock(t);
	if (t->call->mode == MODE_HTML) {
		CLEAN_FREE char *to =
		    call_url(t->call, "/upload/final?id=%lld", (long long)t->s->id);
		reply_redirect(t->call->reply, 303, to);
		return ERR_OK;
	}
	return progress_redirect(t, STEP_FINAL);
}
