/*
 * The shapes of contracts/wizard.md 6: every JSON answer of the wizard and the HTML it stands for.
 */
#include <string.h>
#include "views/errors.h"
#include "views/wizard.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

#define WARNINGS_MAX 100 /* told in one answer */

json_object *problem_details(const struct call *call, json_object *problems)
{
	static const char *const members[] = {"field", "file",	 "layer", "row",
					      "line",  "column", "value"};
	const struct words *words = pages_words(call->ctx->pages);
	json_object *list = json_object_new_array();
	json_object *p = NULL;

	JSON_EACH(p, problems)
	{
		json_object *d = json_object_new_object();
		CLEAN_FREE char *message = words_problem(words, call->req->lang, p);
		CLEAN_FREE char *hint = words_hint(words, call->req->lang, p);
		json_set_str(d, "code", problem_code(p));
		json_set_str(d, "message", message);
		for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
			json_object *v = json_get(p, members[i]);
			json_set(d, members[i], v == NULL ? NULL : json_object_get(v));
		}
		json_set_str(d, "hint", hint);
		json_object_array_add(list, d);
	}
	return list;
}

/* Was force_ajax absent?  Then redirects carry it on (3.2). */
static const char *ajax_suffix(const struct call *call)
{
	return req_query(call->req, "force_ajax") == NULL ? "&force_ajax=true" : "";
}

/* Front and jail may find the same: it is told once. */
static void add_warning(json_object *all, json_object *w)
{
	json_object *known = NULL;

	JSON_EACH(known, all)
	if (json_equal(known, w))
		return;
	json_object_array_add(all, json_object_get(w));
}

/* What reading the chosen layers met, while that can still be changed. */
static void add_layer_warnings(const struct turn *t, json_object *all)
{
	json_object *layer = NULL, *w = NULL;

	if (!session_editable(t->s))
		return;
	JSON_EACH(layer, session_layers(t->s))
	{
		if (!json_bool(layer, "selected", true))
			continue;
		JSON_EACH(w, json_arr(layer, "warnings"))
		if (json_len(all) < WARNINGS_MAX)
			add_warning(all, w);
	}
}

static json_object *base_answer(struct turn *t, bool success, const char *status)
{
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", success);
	json_set_str(m, "status", status);
	if (t->s == NULL)
		return m;
	CLEAN_FREE char *url = call_url(t->call, "/upload/?id=%lld", (long long)t->s->id);
	/*
	 * Only a running import's progress changes what is told; every other answer saves the pass.
	 */
	json_object *task = t->s->state == STATE_RUNNING ? turn_task(t) : NULL;
	json_set_int(m, "id", t->s->id);
	json_set_str(m, "url", url);
	json_set(m, "session", session_summary(t->s, task));
	json_object_put(task);

	json_object *all = json_object_new_array();
	json_object *w = NULL;
	JSON_EACH(w, json_arr(t->s->doc, "warnings"))
	add_warning(all, w);
	JSON_EACH(w, t->warnings)
	add_warning(all, w);
	add_layer_warnings(t, all);
	if (json_len(all) > 0)
		json_set(m, "warnings", problem_details(t->call, all));
	json_object_put(all);
	return m;
}

static void set_progress(struct turn *t, json_object *m)
{
	CLEAN_FREE char *p = call_url(t->call, "/upload/progress?id=%lld", (long long)t->s->id);
	json_set_str(m, "progress", p);
}

static void answer_json(struct turn *t, int status, json_object *m)
{
	reply_model(t->call->reply, status, "json", m);
	t->call->reply->format = FORMAT_JSON;
}

enum err progress_redirect(struct turn *t, enum step step)
{
	if (t->call->mode == MODE_HTML) {
		CLEAN_FREE char *where =
		    call_url(t->call, "/upload/progress?id=%lld", (long long)t->s->id);
		reply_redirect(t->call->reply, 303, where);
		return ERR_OK;
	}
	json_object *m = base_answer(t, true, "ready");
	CLEAN_FREE char *to =
	    call_url(t->call, "/upload/%s?id=%lld", step_name(step), (long long)t->s->id);
	json_set_str(m, "redirect_to", to);
	set_progress(t, m);
	answer_json(t, 200, m);
	return ERR_OK;
}

enum err pending_response(struct turn *t)
{
	if (t->call->mode == MODE_HTML)
		return progress_redirect(t, STEP_FINAL);
	json_object *m = base_answer(t, true, "pending");
	CLEAN_FREE char *to =
	    call_url(t->call, "/upload/final?id=%lld%s", (long long)t->s->id, ajax_suffix(t->call));
	json_set_str(m, "redirect_to", to);
	set_progress(t, m);
	bool post = t->call->req->method == METHOD_POST;
	answer_json(t, t->call->mode == MODE_STRICT && post ? 202 : 200, m);
	return ERR_OK;
}

static enum err incomplete_response(struct turn *t, enum step step)
{
	json_object *m = base_answer(t, true, "incomplete");
	CLEAN_FREE char *to = call_public_url(t->call, "/upload/%s?id=%lld%s", step_name(step),
					      (long long)t->s->id, ajax_suffix(t->call));
	json_set_str(m, "redirect_to", to);
	if (session_inspected(t->s) ? step_needs_input(t->s, step, t->call->mode)
				    : step != STEP_CHECK) {
		json_set_bool(m, "required_input", true);
		json_set_bool(m, "input_required", true);
	}
	answer_json(t, 200, m);
	return ERR_OK;
}

enum err failure_fault(const char *code)
{
	static const struct {
		const char *code;
		enum err err;
	} ours[] = {{"jail_unavailable", ERR_UNAVAILABLE},
		    {"job_not_started", ERR_SHORT},
		    {"disk_full", ERR_NO_SPACE}};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		if (strcmp(ours[i].code, code) == 0)
			return ours[i].err;
	}
	return ERR_BAD_REQUEST;
}

/* What inspection or import failed with, told by whoever asks next. */
static enum err failed_response(struct turn *t)
{
	json_object *problems = json_copy(json_arr(t->s->doc, "problems"));
	if (json_len(problems) == 0)
		problems_add(&problems, problem_new(json_str(t->s->doc, "code", "import_failed")));
	bool import = session_inspected(t->s),
	     theirs = failure_fault(problem_code(json_at(problems, 0))) == ERR_BAD_REQUEST;
	return error_response(t, import ? 200 : 400, 200, problems,
			      import   ? "final"
			      : theirs ? "failed"
				       : "later",
			      NULL);
}

static enum err go_to(struct turn *t, enum step next)
{
	if (t->call->mode == MODE_HTML) {
		CLEAN_FREE char *to =
		    call_url(t->call, "/upload/%s?id=%lld", step_name(next), (long long)t->s->id);
		reply_redirect(t->call->reply, 303, to);
		return ERR_OK;
	}
	return next == STEP_FINAL ? progress_redirect(t, STEP_FINAL) : incomplete_response(t, next);
}

enum err step_done_response(struct turn *t, enum step done)
{
	bool waits = session_inspected(t->s) && t->s->state == STATE_WAITING;
	return waits ? go_to(t, step_stop_after(t->s, done, t->call->mode)) : next_step_response(t);
}

enum err next_step_response(struct turn *t)
{
	struct session *s = t->s;
	bool html = t->call->mode == MODE_HTML;

	if (s->state == STATE_PROCESSED)
		return finished_response(t);
	if (s->state == STATE_INVALID || s->state == STATE_INCOMPLETE)
		return failed_response(t);
	if (s->state == STATE_PENDING || s->state == STATE_RUNNING || s->state == STATE_COMPLETE)
		return pending_response(t);
	if (html && !session_inspected(s))
		return progress_redirect(t, STEP_CHECK);

	return go_to(t, step_next_stop(s, t->call->mode));
}

void error_members(const struct call *call, json_object *m, json_object *details)
{
	json_object *first = json_at(details, 0);
	json_object *messages = json_object_new_array();
	json_object *d = NULL;

	JSON_EACH(d, details)
	json_object_array_add(messages, json_object_new_string(json_str(d, "message", "")));
	json_set_str(m, "code", json_str(first, "code", ""));
	json_set_str(m, "error_msg", json_str(first, "message", ""));
	json_set(m, "errors", messages);
	json_set(m, "errormsgs", json_copy(messages));
	json_set(m, "details", details);
	json_set_str(m, "request_id", call->req->id);
}

enum err error_response(struct turn *t, int status, int compat_status, json_object *problems,
			const char *template_name, json_object *page)
{
	struct call *call = t->call;
	json_object *m = base_answer(t, false, "error");
	enum err fault = failure_fault(problem_code(json_at(problems, 0)));

	if (status == err_status(ERR_BAD_REQUEST) && fault != ERR_BAD_REQUEST) {
		status = compat_status = err_status(fault);
		errors_headers(call, fault, true);
	}
	error_members(call, m, problem_details(call, problems));
	if (page != NULL)
		json_set(m, "page", page);
	json_object_put(problems);
	return call_answer(call, call->mode == MODE_COMPAT ? compat_status : status, template_name,
			   m);
}

enum err page_response(struct turn *t, enum step step, const char *template_name, json_object *page)
{
	json_object *m = base_answer(t, true, "incomplete");
	bool needs = step_needs_input(t->s, step, t->call->mode);
	if (needs) {
		json_set_bool(m, "required_input", true);
		json_set_bool(m, "input_required", true);
	}
	json_set(m, "page", page);
	if (t->call->mode == MODE_HTML) {
		json_set(m, "trail", step_trail(t->s, step));
		json_set_int(m, "rev", t->s->rev);
	}
	return call_answer(t->call, 200, template_name, m);
}

enum err wrong_state_response(struct turn *t, const char *code, enum step step)
{
	struct call *call = t->call;
	CLEAN_FREE char *to =
	    call_url(call, "/upload/%s?id=%lld", step_name(step), (long long)t->s->id);
	if (call->mode == MODE_HTML) {
		bool imported = strcmp(code, "already_imported") == 0,
		     running = strcmp(code, "import_running") == 0;
		CLEAN_FREE char *page =
		    imported ? call_url(call, "/upload/?id=%lld&note=%s", (long long)t->s->id, code)
		    : running ? call_url(call, "/upload/progress?id=%lld&note=%s",
					 (long long)t->s->id, code)
			      : mem_printf("%s&note=%s", to, code);
		reply_redirect(call->reply, 303, page);
		return ERR_OK;
	}
	bool imported = strcmp(code, "already_imported") == 0;
	CLEAN_JSON json_object *datasets = NULL;
	enum err err = imported ? session_datasets(t, &datasets) : ERR_OK;
	if (err != ERR_OK)
		return err;
	json_object *problems = NULL;
	problems_add(&problems, problem_str(problem_new(code), "field", NULL));
	(void)error_response(t, 409, 409, problems, "error", NULL);
	json_set_str(call->reply->model, "redirect_to", to);
	if (imported)
		json_set_str(call->reply->model, "url", json_str(json_at(datasets, 0), "url", ""));
	return ERR_OK;
}

/* ---- finished */

/* What the catalogue says of dataset ID, into ITEM: nothing when it was deleted. */
static enum err add_dataset(struct call *call, int64_t id, json_object *item)
{
	static const char *const same[] = {"name",  "title",   "type", "geometry",
					   "count", "columns", "time"};
	struct viewer all = {.user = call->who.name, .admin = true};
	CLEAN_JSON json_object *d = NULL;
	enum err err = catalog_get(call->ctx->catalog, id, &all, &d, &call->error);

	if (err == ERR_NOT_FOUND) {
		call->error = (struct error){0};
		return ERR_OK;
	}
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *path = escape_url_dup(json_str(d, "name", ""));
	CLEAN_FREE char *url =
	    call_url(call, "/layers/%s:%s", call->ctx->config->compat_workspace, path);
	CLEAN_FREE char *detail = call_url(call, "/datasets/%lld", (long long)id);
	const json_object *crs = json_obj(d, "crs");

	json_set_int(item, "id", id);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		json_set(item, same[i], json_copy(json_get(d, same[i])));
	dataset_times(json_obj(item, "time"));
	json_set_str(item, "crs",
		     crs == NULL ? NULL : json_str(crs, "code", json_str(crs, "name", "")));
	json_set(item, "bbox", json_copy(json_get(d, "bbox")));
	json_set_str(item, "url", url);
	json_set_str(item, "detail_url", detail);
	return ERR_OK;
}

enum err session_datasets(struct turn *t, json_object **ret)
{
	struct call *call = t->call;
	CLEAN_JSON json_object *list = json_object_new_array();
	json_object *ref = NULL;

	JSON_EACH(ref, json_arr(t->s->doc, "datasets"))
	{
		json_object *item = json_object_new_object();
		int64_t id = json_int(ref, "id", 0);

		json_object_array_add(list, item);
		json_set_str(item, "status", json_str(ref, "status", "imported"));
		enum err err = id != 0 ? add_dataset(call, id, item) : ERR_OK;
		if (err != ERR_OK)
			return err;
		if (json_get(ref, "problems") != NULL)
			json_set(item, "errors", problem_details(call, json_arr(ref, "problems")));
	}
	*ret = json_object_get(list);
	return ERR_OK;
}

static char *bbox_text(const json_object *bbox)
{
	if (json_len(bbox) != 4)
		return mem_strdup("");
	char *s = mem_strdup("");
	for (size_t i = 0; i < 4; i++) {
		char *longer = mem_printf("%s%s%.10g", s, i > 0 ? "," : "",
					  json_object_get_double(json_at(bbox, i)));
		free(s);
		s = longer;
	}
	return s;
}

enum err finished_response(struct turn *t)
{
	struct call *call = t->call;
	json_object *datasets = NULL;
	enum err err = session_datasets(t, &datasets);

	if (err != ERR_OK)
		return err;
	json_object *first = json_at(datasets, 0);
	if (call->mode == MODE_HTML) {
		CLEAN_FREE char *to =
		    json_len(datasets) == 1 && json_get(first, "id") != NULL
			? call_url(call, "/datasets/%lld", (long long)json_int(first, "id", 0))
			: call_url(call, "/upload/progress?id=%lld", (long long)t->s->id);
		const char *note = req_query(call->req, "note");
		CLEAN_FREE char *key = escape_url_dup(note != NULL ? note : "");
		CLEAN_FREE char *with =
		    mem_printf("%s%snote=%s", to, strchr(to, '?') != NULL ? "&" : "?", key);
		reply_redirect(call->reply, 303, note != NULL ? with : to);
		json_object_put(datasets);
		return ERR_OK;
	}
	json_object *m = base_answer(t, true, "finished");
	const char *crs = json_str(first, "crs", NULL);
	CLEAN_FREE char *bbox = bbox_text(json_arr(first, "bbox"));
	json_set_str(m, "url", json_str(first, "url", ""));
	json_set_str(m, "name", json_str(first, "name", ""));
	json_set_str(m, "bbox", bbox);
	if (crs != NULL) {
		json_object *c = json_object_new_object();
		json_set_str(c, "type", "name");
		json_set_str(c, "properties", crs);
		json_set(m, "crs", c);
	} else {
		json_set(m, "crs", NULL);
	}
	json_object *ref = json_at(json_arr(t->s->doc, "datasets"), 0);
	json_object *info = json_obj(ref, "info");
	json_set(m, "info", info != NULL ? json_copy(info) : json_object_new_object());
	json_set(m, "rows", json_copy(json_get(ref, "rows")));
	if (json_bool(t->s->doc, "report", false)) {
		CLEAN_FREE char *report =
		    call_url(call, "/upload/report?id=%lld", (long long)t->s->id);
		json_set_str(m, "report", report);
	} else {
		json_set(m, "report", NULL);
	}
	json_set(m, "layer", json_copy(first));
	json_set(m, "dataset", json_copy(first));
	json_set(m, "datasets", datasets);
	answer_json(t, 200, m);
	return ERR_OK;
}
