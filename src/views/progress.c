/*
 * Progress of background work, and the reports of what it met.
 * Source: contracts/wizard.md 14.5, 14.6.
 */
#include <fcntl.h>
#include <string.h>
#include "views/wizard.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/spill.h"

#define REPORT_ROWS 1000 /* a job reports no more (14.6) */

static enum err none(struct call *call)
{
	json_object *m = json_object_new_object();
	json_set_str(m, "state", "NONE");
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

static bool needs_crs(const struct session *s)
{
	return session_inspected(s) && step_usable(s, STEP_SRS) &&
	       step_needs_input(s, STEP_SRS, MODE_STRICT) && session_input(s, STEP_SRS) == NULL;
}

/* The word G2's page scripts poll for. */
static const char *progress_word(const struct session *s, const json_object *task)
{
	const char *state = json_str(task, "state", "");
	if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)
		return "RUNNING";
	switch (s->state) {
	case STATE_PROCESSED:
		return "COMPLETE";
	case STATE_INVALID:
	case STATE_INCOMPLETE:
		return "ERROR";
	case STATE_WAITING:
		if (strcmp(json_str(s->doc, "code", ""), "canceled") == 0)
			return "CANCELED";
		return needs_crs(s) ? "NO_CRS" : "READY";
	case STATE_READY:
	case STATE_PENDING:
	case STATE_RUNNING:
	case STATE_COMPLETE:
	case STATE__MAX:
		break;
	}
	return "RUNNING";
}

/* What is done in these phases are rows; elsewhere it is bytes, layers or shares. */
static bool counts_rows(const char *doing)
{
	return strcmp(doing, "reading") == 0 || strcmp(doing, "writing") == 0;
}

/*
 * What a job told last is a moment old when it ends: what came to its end is done to the last of
 * it.
 */
static void set_done(json_object *m, const char *word, const json_object *p)
{
	int64_t done = json_int(p, "done", 0), total = json_int(p, "total", -1);
	bool ended = strcmp(word, "COMPLETE") == 0 || strcmp(word, "READY") == 0 ||
		     strcmp(word, "NO_CRS") == 0;
	if (ended)
		done = total = total > 0 ? total : 1;
	json_set_int(m, "progress", done);
	json_set_int(m, "total", total);
}

static json_object *progress_model(struct turn *t, const json_object *task)
{
	struct call *call = t->call;
	json_object *m = json_object_new_object();
	json_object *p = json_obj(task, "progress");
	const char *word = progress_word(t->s, task);
	const char *phase = json_str(task, "kind", "inspect");
	int64_t age = clock_now_ms() - json_int(task, "queued", clock_now_ms());
	bool running = strcmp(word, "RUNNING") == 0;
	/* Of what the job told last, nothing holds any more once its work is done. */
	const char *told =
	    t->s->state == STATE_COMPLETE ? "publishing" : json_str(p, "message", "queued");
	const char *doing = call->no_worker ? "no_worker" : told;
	CLEAN_FREE char *key = mem_printf("progress.%s", running ? doing : word);
	CLEAN_FREE char *to = call_url(call, "/upload/final?id=%lld", (long long)t->s->id);

	json_set_str(m, "state", word);
	set_done(m, word, p);
	json_set_str(m, "unit", running && counts_rows(doing) ? "rows" : NULL);
	json_set_str(m, "message", words_get(pages_words(call->ctx->pages), call->req->lang, key));
	json_set_int(m, "percent", session_percent(t->s, p));
	json_set_str(m, "phase", phase);
	json_set_str(m, "session_state", state_name(t->s->state));
	json_set_str(m, "layer", json_str(p, "layer", NULL));
	json_set_int(m, "rows_bad", json_int(p, "rows_bad", 0));
	json_set_int(m, "poll_after_ms", age < 5000 ? 1000 : age < 30000 ? 2000 : 5000);
	json_set_str(m, "redirect_to", to);
	if (strcmp(word, "ERROR") == 0) {
		json_object *details = problem_details(call, json_arr(t->s->doc, "problems"));
		json_set_str(m, "code",
			     json_str(json_at(details, 0), "code",
				      json_str(t->s->doc, "code", "import_failed")));
		json_set_str(m, "message", json_str(json_at(details, 0), "message", ""));
		json_set(m, "details", details);
	}
	return m;
}

/* Has anything a watcher sees changed? */
static uint64_t progress_print(const struct turn *t, const json_object *task)
{
	json_object *p = json_obj(task, "progress");
	return (uint64_t)t->s->state * 31 + (uint64_t)json_int(p, "done", 0) * 7 +
	       (uint64_t)strlen(json_str(task, "state", ""));
}

static void long_poll(struct turn *t, json_object **task)
{
	int64_t wait_s = 0;
	int slot = -1;
	const char *v = req_query(t->call->req, "wait");
	if (v == NULL || !text_int(v, 1, 20, &wait_s) || !wait_slot_take(t->call->ctx, &slot))
		return;
	uint64_t before = progress_print(t, *task);
	int64_t deadline = clock_mono_ms() + wait_s * 1000;
	while (clock_mono_ms() < deadline && !transport_stopping()) {
		clock_sleep_ms(100);
		if (turn_reload(t) != ERR_OK)
			break;
		json_object_put(*task);
		*task = turn_task(t);
		if (progress_print(t, *task) != before)
			break;
	}
	wait_slot_give(slot);
}

/*
 * A page without a script asks again by itself.  Where requests do the work, the first page comes
 * at once and those it asks for wait.
 */
static void ask_again(struct turn *t)
{
	struct call *call = t->call;
	bool slices = !call->ctx->config->worker_spawn && call->ctx->config->slice_s > 0;
	CLEAN_FREE char *again =
	    call_url(call, "/upload/progress?id=%lld&wait=1", (long long)t->s->id);
	CLEAN_FREE char *refresh = slices ? mem_printf("3; url=%s", again) : mem_strdup("3");
	reply_header(call->reply, "Refresh", refresh);
}

/* Without JavaScript the page ends at the next step. */
static enum err progress_page(struct turn *t, json_object *m)
{
	struct call *call = t->call;
	struct session *s = t->s;
	bool running = strcmp(json_str(m, "state", ""), "RUNNING") == 0;

	if (!running &&
	    !(s->state == STATE_PROCESSED && json_len(json_arr(s->doc, "datasets")) != 1)) {
		json_object_put(m);
		if (s->state == STATE_INVALID && !session_inspected(s))
			return next_step_response(t);
		if (s->state == STATE_INVALID || s->state == STATE_INCOMPLETE) {
			CLEAN_FREE char *to =
			    call_url(call, "/upload/final?id=%lld", (long long)s->id);
			reply_redirect(call->reply, 303, to);
			return ERR_OK;
		}
		return next_step_response(t);
	}
	json_object *datasets = NULL;
	enum err err = session_datasets(t, &datasets);
	if (err != ERR_OK) {
		json_object_put(m);
		return err;
	}
	json_object *page = json_object_new_object();
	json_set(page, "progress", m);
	json_set_str(page, "name", session_title(s));
	json_set_int(page, "id", s->id);
	json_set_bool(page, "running", running);
	json_set(page, "datasets", datasets);
	CLEAN_FREE char *report = running ? NULL : report_url(call, s->id);
	json_set_str(page, "report", report);
	json_set_int(page, "expires", s->expires);
	json_object *top = json_object_new_object();
	json_set(top, "page", page);
	json_set(top, "trail", step_trail(s, STEP_RUN));
	call_page(call, top, "title.progress");
	reply_model(call->reply, 200, "progress", top);
	if (running)
		ask_again(t);
	return ERR_OK;
}

enum err data_upload_progress(struct call *call)
{
	int64_t id = 0;
	struct turn t;
	const char *v = req_query(call->req, "id");

	if (!text_id(v, TURN_ID_MAX, &id))
		return none(call);
	if (*call->who.name == '\0' && strncmp(call->who.owner, "a:", 2) != 0)
		return call_fail(call, ERR_AUTH, problem_new("login_required"));
	enum err err = turn_begin(call, id, false, &t);
	if (err != ERR_OK)
		return err;
	json_object *task = turn_task(&t);
	if (task == NULL && json_int(json_obj(t.s->doc, "task"), "id", 0) == 0) {
		turn_end(&t);
		return none(call);
	}
	const char *state = json_str(task, "state", "");
	if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)
		call_wake_worker(call);
	if ((call->mode != MODE_HTML || req_query(call->req, "wait") != NULL) && call_slice(call)) {
		err = turn_reload(&t);
		json_object_put(task);
		task = err == ERR_OK ? turn_task(&t) : NULL;
	} else {
		long_poll(&t, &task);
	}
	if (err != ERR_OK) {
		turn_end(&t);
		return err;
	}
	json_object *m = progress_model(&t, task);
	reply_header_int(call->reply, "Retry-After",
			 (json_int(m, "poll_after_ms", 1000) + 999) / 1000);
	if (call->mode == MODE_HTML) {
		err = progress_page(&t, m);
	} else {
		reply_model(call->reply, 200, "json", m);
		call->reply->format = FORMAT_JSON;
	}
	json_object_put(task);
	turn_end(&t);
	return err;
}

/* ---- the row report (14.6): JSON Lines beside the session, printed as CSV or JSON */

static void csv_cell(FILE *out, const char *s)
{
	bool quote = strpbrk(s, ",\"\r\n") != NULL,
	     formula = *s != '\0' && strchr("=+-@\t\r", *s) != NULL;
	if (quote)
		fputc('"', out);
	if (formula)
		fputc('\'', out); /* a spreadsheet must not calculate what was uploaded */
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', out);
		fputc(*s, out);
	}
	if (quote)
		fputc('"', out);
}

static void csv_line(struct call *call, FILE *out, json_object *p)
{
	static const char *const members[] = {"file", "layer", "row", "column", "value", "code"};
	CLEAN_FREE char *message = words_problem(pages_words(call->ctx->pages), call->req->lang, p);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		json_object *v = json_get(p, members[i]);
		csv_cell(out, v == NULL ? "" : json_object_get_string(v));
		fputc(',', out);
	}
	csv_cell(out, message);
	fputs("\r\n", out);
}

enum err report_print(struct call *call, const char *text, const char *name)
{
	char *buf = NULL;
	size_t len = 0;
	json_object *rows = json_object_new_array();
	int64_t total = 0;
	bool json = call->mode == MODE_STRICT || req_query(call->req, "force_ajax") != NULL;
	FILE *out = open_memstream(&buf, &len);

	fputs("\xef\xbb\xbf"
	      "file,layer,row,column,value,code,message\r\n",
	      out);
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		json_object *row = NULL;
		if (json_read(p, n, &json_limits_job, &row) == ERR_OK) {
			total = json_int(row, "total", total);
			if (json_len(rows) < REPORT_ROWS && *problem_code(row) != '\0') {
				csv_line(call, out, row);
				json_object_array_add(rows, json_object_get(row));
			}
		}
		json_object_put(row);
		p += n + (p[n] == '\n');
	}
	fprintf(out, "total,,%lld,,,,\r\n", (long long)total);
	fclose(out);
	if (json) {
		json_object *m = json_object_new_object();
		json_set_int(m, "total", total);
		json_set(m, "rows", problem_details(call, rows));
		reply_model(call->reply, 200, "json", m);
		call->reply->format = FORMAT_JSON;
	} else {
		reply_text(call->reply, 200, "text/csv; charset=utf-8", buf);
		call->reply->download_name = mem_printf("%s-report.csv", name);
		call->reply->user_content = true;
	}
	json_object_put(rows);
	free(buf);
	return ERR_OK;
}

enum err report_view(struct call *call)
{
	struct turn t;
	enum err err = turn_of_request(call, false, &t);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *folder = session_folder(t.s->id);
	CLEAN_FREE char *path =
	    mem_printf("%s/%s/report.jsonl", call->ctx->config->data_dir, folder);
	CLEAN_FREE char *text = NULL;
	size_t len = 0;
	if (!json_bool(t.s->doc, "report", false) ||
	    fs_read_file(AT_FDCWD, path, 64 * 1024 * 1024, &text, &len, NULL) != ERR_OK)
		err = call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	else
		err = report_print(call, text, session_title(t.s));
	turn_end(&t);
	return err;
}

struct report_look {
	int64_t id;
	json_object *doc;
};

static enum err report_pass(struct pass *p, void *arg)
{
	struct report_look *l = arg;
	json_object_put(l->doc);
	l->doc = NULL;
	return sessions_get(p, l->id, &l->doc);
}

char *report_url(struct call *call, int64_t session)
{
	struct report_look l = {.id = session};
	if (session == 0 || strcmp(call->who.owner, "-") == 0 ||
	    store_pass(call->ctx->store, PASS_READ, "report", report_pass, &l, NULL) != ERR_OK)
		return NULL;
	bool there =
	    json_bool(l.doc, "report", false) &&
	    (call->who.admin || strcmp(json_str(l.doc, "owner", ""), call->who.owner) == 0);
	json_object_put(l.doc);
	return there ? call_url(call, "/upload/report?id=%lld", (long long)session) : NULL;
}

enum err task_log_view(struct call *call)
{
	struct turn t;
	enum err err = turn_of_request(call, false, &t);
	if (err != ERR_OK)
		return err;
	json_object *task = turn_task(&t);
	reply_text(call->reply, 200, "text/plain; charset=utf-8", json_str(task, "log", ""));
	json_object_put(task);
	turn_end(&t);
	return ERR_OK;
}
