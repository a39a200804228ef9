/*
 * The wizard's dispatcher: which step, whose session, may it be shown now.
 * Source: contracts/wizard.md 4, 5, 14.4, 15.
 */
#include <fcntl.h>
#include <string.h>
#include "views/identity.h"
#include "views/wizard.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "upload/release.h"
#include "wizard/spill.h"
#include "wizard/task.h"

static bool is_post(const struct call *call)
{
	return call->req->method == METHOD_POST;
}

/* ---- the steps: one row each */

static enum err wait_step_view(struct turn *t);

static const struct {
	enum err (*view)(struct turn *);
	bool get_locks; /* its GET may write */
} steps[STEP__MAX] = {
    [STEP_CSV] = {csv_step_view, false},    [STEP_SRS] = {srs_step_view, false},
    [STEP_CHECK] = {check_step_view, true}, [STEP_TIME] = {time_step_view, false},
    [STEP_RUN] = {run_step_view, true},	    [STEP_FINAL] = {final_step_view, true},
};

static enum err inspect_anew(struct turn *t)
{
	t->s->state = STATE_READY;
	json_object_object_del(t->s->doc, "problems");
	json_set_str(t->s->doc, "code", "");
	return turn_store(t, task_inspect(t->s, t->call->ctx->config), false);
}

bool session_not_started(const struct session *s)
{
	return s->state == STATE_INVALID && !session_inspected(s) &&
	       failure_fault(json_str(s->doc, "code", "")) == ERR_SHORT;
}

enum err start_anew(struct turn *t)
{
	struct call *call = t->call;

	if (!session_not_started(t->s) || call->req->method == METHOD_HEAD || !turn_may_write(t))
		return ERR_OK;
	if (t->lock.fd < 0) {
		enum err err = turn_lock(t);
		if (err != ERR_OK || !session_not_started(t->s))
			return err;
	}
	if (!session_retryable(t->s))
		return ERR_OK;
	call_wake_worker(call);
	return inspect_anew(t);
}

/* The page cannot be shown before the file was looked at. */
static enum err wait_step_view(struct turn *t)
{
	enum err err = turn_wait(t, t->call->ctx->config->inspect_wait_s);
	if (err != ERR_OK)
		return err;
	call_wake_worker(t->call);
	return session_inspected(t->s) ? ERR_OK : next_step_response(t);
}

/* Form fields without the ones that carry no input. */
static json_object *input_fields(const struct call *call)
{
	json_object *fields = form_fields(&call->form);
	json_object_object_del(fields, "csrfmiddlewaretoken");
	json_object_object_del(fields, "nonce");
	json_object_object_del(fields, "id");
	json_object_object_del(fields, "force_ajax");
	return fields;
}

/* rev of the form against the session's (5.4 item 5).  True: go on. */
static bool rev_fits(struct turn *t)
{
	const char *sent = json_str(t->fields, "rev", NULL);
	int64_t rev = 0;
	bool fits = sent == NULL || *sent == '\0' ||
		    (text_int(sent, 0, INT64_MAX, &rev) && rev == t->s->rev);
	json_object_object_del(t->fields, "rev");
	return fits;
}

static enum err stale_page(struct turn *t, enum step step)
{
	json_object *problems = NULL;
	problems_add(&problems, problem_new("stale_page"));
	if (t->call->mode != MODE_HTML)
		return error_response(t, 409, 409, problems, "error", NULL);
	/* The page again, with the current values and a note above it. */
	json_object_put(t->fields);
	t->fields = NULL;
	t->call->req->method = METHOD_GET;
	enum err err = steps[step].view(t);
	t->call->req->method = METHOD_POST;
	if (err == ERR_OK && t->call->reply->model != NULL) {
		json_set(t->call->reply->model, "details", problem_details(t->call, problems));
		t->call->reply->status = 409;
	}
	json_object_put(problems);
	return err;
}

/* Why nothing of the session can be changed any more, a problem's code; NULL: it can. */
static const char *closed(const struct session *s)
{
	if (s->state == STATE_PROCESSED)
		return "already_imported";
	return session_editable(s) ? NULL : "import_running";
}

/* May a POST change STEP now (5.4 items 2 and 6)?  ERR_OK and *RET_DONE false: go on. */
static enum err post_allowed(struct turn *t, enum step step, bool *ret_done)
{
	bool to_final = step == STEP_FINAL || step == STEP_RUN || step == STEP_CHECK;
	*ret_done = false;
	if (closed(t->s) != NULL && !to_final) {
		*ret_done = true;
		return wrong_state_response(t, closed(t->s), STEP_FINAL);
	}
	if (step == STEP_FINAL || step == STEP_RUN)
		return ERR_OK; /* final tells what is missing itself (13.4) */
	enum step missing = step_missing_before(t->s, step);
	if (missing != STEP_NONE && missing != step) {
		*ret_done = true;
		return wrong_state_response(t, "step_out_of_order", missing);
	}
	return ERR_OK;
}

static enum err step_turn(struct turn *t, enum step step)
{
	struct call *call = t->call;
	bool done = false;
	enum err err = ERR_OK;

	if (is_post(call)) {
		t->fields = input_fields(call);
		/* Where nothing can be changed any more, that is what there is to say. */
		if (!rev_fits(t) && closed(t->s) == NULL)
			return stale_page(t, step);
	}
	err = start_anew(t);
	if (err != ERR_OK)
		return err;
	if (!session_inspected(t->s) && t->s->state == STATE_READY && step != STEP_CHECK &&
	    step != STEP_FINAL && step != STEP_RUN) {
		err = wait_step_view(t);
		if (err != ERR_OK || !session_inspected(t->s))
			return err;
		if (is_post(call)) { /* waiting gave the lock away */
			err = turn_lock(t);
			if (err != ERR_OK)
				return err;
		}
	}
	if (session_inspected(t->s) && !step_usable(t->s, step))
		return wrong_state_response(t, "step_not_in_list",
					    step_next_stop(t->s, call->mode));
	/*
	 * G2's scripts fetch pages as if they were answers: one that asks nothing tells the step
	 * after it.
	 */
	bool page = step == STEP_CSV || step == STEP_SRS || step == STEP_TIME;
	if (call->mode_open && page && session_inspected(t->s) &&
	    !step_needs_input(t->s, step, MODE_COMPAT)) {
		call->mode = MODE_COMPAT;
		return step_done_response(t, step);
	}
	/* A form that cannot be sent any more is no page for a person. */
	if (page && !is_post(call) && call->mode == MODE_HTML && closed(t->s) != NULL)
		return wrong_state_response(t, closed(t->s), STEP_FINAL);
	if (is_post(call)) {
		err = post_allowed(t, step, &done);
		if (err != ERR_OK || done)
			return err;
	}
	return steps[step].view(t);
}

/* A page without id: GeoNode's scripts GET /upload/time and want 200. */
static enum err step_without_id(struct call *call, enum id_found found)
{
	if (found == ID_WRONG)
		return call_fail(call, ERR_BAD_REQUEST, problem_new("id_invalid"));
	if (!is_post(call) && call->mode == MODE_HTML)
		return save_step_view(call);
	return call_fail(call, ERR_BAD_REQUEST, problem_new("id_missing"));
}

enum err upload_view(struct call *call)
{
	enum step step;
	int64_t id = 0;
	struct turn t;
	if (!step_by_name(pairs_get(&call->params, "step"), &step) || steps[step].view == NULL)
		return call_fail(call, ERR_NOT_FOUND, problem_new("step_unknown"));
	enum id_found found = turn_id(call, &id);
	if (found != ID_FOUND)
		return step_without_id(call, found);
	bool head = call->req->method == METHOD_HEAD;
	enum err err = turn_begin(call, id, is_post(call) || (steps[step].get_locks && !head), &t);
	if (err != ERR_OK)
		return err;
	err = step_turn(&t, step);
	turn_end(&t);
	return err;
}

void upload_reads(struct call *call)
{
	enum step step;
	enum method m = call->req->method;

	if ((m != METHOD_GET && m != METHOD_HEAD) || !text_starts(call->req->path, "/upload/"))
		return;
	if (m == METHOD_GET && step_by_name(pairs_get(&call->params, "step"), &step) &&
	    steps[step].get_locks)
		return;
	/* The page of progress shows all steps. */
	call->ahead_brief = call->route->view == upload_root_view ||
			    (call->route->view == data_upload_progress && call->mode != MODE_HTML);
	if (turn_id(call, &call->ahead_id) != ID_FOUND)
		call->ahead_id = 0;
}

enum err upload_root_view(struct call *call)
{
	int64_t id = 0;
	struct turn t;
	if (is_post(call))
		return save_step_view(call);
	enum id_found found = turn_id(call, &id);
	if (found == ID_MISSING)
		return save_step_view(call);
	if (found == ID_WRONG)
		return call_fail(call, ERR_BAD_REQUEST, problem_new("id_invalid"));
	enum err err = turn_begin(call, id, false, &t);
	if (err != ERR_OK)
		return err;
	err = start_anew(&t);
	if (err == ERR_OK && !session_inspected(t.s) && t.s->state == STATE_READY)
		call_wake_worker(call);
	if (err == ERR_OK)
		err = next_step_response(&t);
	turn_end(&t);
	return err;
}

enum err slash_view(struct call *call)
{
	const char *query = wire_env(call->req->wire, "QUERY_STRING");
	bool asked = query != NULL && *query != '\0';
	CLEAN_FREE char *to =
	    call_url(call, "%s/%s%s", call->req->path, asked ? "?" : "", asked ? query : "");
	reply_redirect(call->reply, 308, to);
	return ERR_OK;
}

enum err upload_unknown_view(struct call *call)
{
	return call_fail(call, ERR_NOT_FOUND, problem_new("step_unknown"));
}

/* ---- cancel and retry */

struct cancel {
	int64_t id;
	bool ended;
};

static enum err cancel_pass(struct pass *p, void *arg)
{
	struct cancel *c = arg;
	json_object *task = NULL;
	enum err err = tasks_get(p, c->id, &task);
	if (err != ERR_OK)
		return err;
	const char *state = json_str(task, "state", "");
	c->ended = strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
	if (!c->ended) {
		json_set_bool(task, "cancel", true);
		/* Nobody works on a queued one: it ends here. */
		if (strcmp(state, "queued") == 0)
			json_set_str(task, "state", "canceled");
		err = tasks_put(p, task);
	}
	json_object_put(task);
	return err;
}

static bool import_under_way(const struct session *s)
{
	return s->state == STATE_PENDING || s->state == STATE_RUNNING || s->state == STATE_COMPLETE;
}

enum err upload_cancel_view(struct call *call)
{
	struct turn t;
	enum err err = turn_of_request(call, true, &t);
	if (err != ERR_OK)
		return err;
	struct cancel c = {.id = json_int(json_obj(t.s->doc, "task"), "id", 0)};
	if (!import_under_way(t.s) || c.id == 0) {
		err = call_fail(call, ERR_CONFLICT, problem_new("nothing_running"));
		goto out;
	}
	err = store_pass(call->ctx->store, PASS_SYNC, "cancel", cancel_pass, &c, &call->error);
	if (err != ERR_OK)
		goto out;
	if (!c.ended) {
		t.s->state = STATE_WAITING;
		json_set_str(t.s->doc, "code", "canceled");
		err = turn_store(&t, NULL, false);
		call_wake_worker(call);
	}
	if (err == ERR_OK && call->mode == MODE_HTML) {
		CLEAN_FREE char *to =
		    call_url(call, "/upload/final?id=%lld&note=canceled", (long long)t.s->id);
		reply_redirect(call->reply, 303, to);
	} else if (err == ERR_OK) {
		json_object *m = json_object_new_object();
		CLEAN_FREE char *to = call_url(call, "/upload/final?id=%lld", (long long)t.s->id);
		json_set_bool(m, "success", true);
		json_set_str(m, "status", "canceled");
		json_set_int(m, "id", t.s->id);
		json_set_str(m, "redirect_to", to);
		reply_model(call->reply, 200, "json", m);
		call->reply->format = FORMAT_JSON;
	}
out:
	turn_end(&t);
	return err;
}

enum err upload_retry_view(struct call *call)
{
	struct turn t;
	enum err err = turn_of_request(call, true, &t);
	if (err != ERR_OK)
		return err;
	if (t.s->state != STATE_INVALID && t.s->state != STATE_INCOMPLETE) {
		err = call_fail(call, ERR_CONFLICT, problem_new("nothing_to_retry"));
	} else if (!session_retryable(t.s)) {
		err = call_fail(call, ERR_GONE, problem_new("session_expired"));
	} else if (session_inspected(t.s)) {
		bool answered = false;
		t.s->state = STATE_WAITING;
		err = settle_target(&t, &answered);
		if (err == ERR_OK && !answered)
			err = run_import(&t, false);
		if (err == ERR_OK && !answered)
			err = next_step_response(&t);
	} else {
		err = inspect_anew(&t);
		if (err == ERR_OK)
			err = turn_wait(&t, call->ctx->config->inspect_wait_s);
		if (err == ERR_OK)
			err = next_step_response(&t);
	}
	turn_end(&t);
	return err;
}

/* ---- delete */

static enum err removal_pass(struct pass *p, void *arg)
{
	struct session *s = arg;
	struct cancel c = {.id = json_int(json_obj(s->doc, "task"), "id", 0)};

	if (c.id != 0) {
		enum err err = cancel_pass(p, &c);
		if (err != ERR_OK && err != ERR_NOT_FOUND)
			return err;
	}
	enum err err = release_pass(p, json_arr(s->doc, "uploads"));
	return err == ERR_OK ? sessions_delete(p, s->id, false) : err;
}

enum err session_remove(struct turn *t)
{
	struct call *call = t->call;
	enum err err =
	    store_pass(call->ctx->store, PASS_DELETE, "delete", removal_pass, t->s, &call->error);
	if (err != ERR_OK)
		return err;
	release_files(call->ctx->engine, json_arr(t->s->doc, "uploads"));
	CLEAN_FREE char *folder = session_folder(t->s->id);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	if (dir >= 0 && !store_keeps_files(call->ctx->store))
		(void)fs_remove_tree(dir, folder, NULL); /* the sweep takes what stays */
	call_wake_worker(call);
	return ERR_OK;
}

enum err upload_delete_view(struct call *call)
{
	int64_t id = 0;
	struct turn t;
	bool get = call->req->method == METHOD_GET || call->req->method == METHOD_HEAD;
	bool by_get = get && call->ctx->config->compat_get_delete && csrf_origin(call) == ERR_OK;

	if (get && call->mode != MODE_HTML && !by_get) {
		reply_header(call->reply, "Allow", "POST, DELETE");
		return call_fail(call, ERR_METHOD, problem_new("method"));
	}
	if (!text_id(pairs_get(&call->params, "id"), TURN_ID_MAX, &id))
		return call_fail(call, ERR_BAD_REQUEST, problem_new("id_invalid"));
	enum err err = turn_begin(call, id, !get || by_get, &t);
	if (err != ERR_OK)
		return err;
	if (get && !by_get) {
		json_object *page = json_object_new_object();
		json_set_str(page, "name", session_title(t.s));
		json_set_int(page, "id", id);
		json_set_str(page, "state", state_name(t.s->state));
		json_set_int(page, "n_files", (int64_t)json_len(json_arr(t.s->doc, "uploads")));
		json_set_int(page, "n_datasets", (int64_t)json_len(json_arr(t.s->doc, "datasets")));
		json_object *m = json_object_new_object();
		json_set(m, "page", page);
		call_page(call, m, "title.delete");
		reply_model(call->reply, 200, "delete", m);
	} else {
		err = session_remove(&t);
		if (err == ERR_OK && call->mode == MODE_HTML) {
			CLEAN_FREE char *to = call_url(call, "/upload/?note=deleted");
			reply_redirect(call->reply, 303, to);
		} else if (err == ERR_OK) {
			json_object *m = json_object_new_object();
			json_set_bool(m, "success", true);
			reply_model(call->reply, 200, "json", m);
			call->reply->format = FORMAT_JSON;
		}
	}
	turn_end(&t);
	return err;
}
