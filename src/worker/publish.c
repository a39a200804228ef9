/*
 * What a job found becomes the session's, and the task ends: one transaction.  A task that is no
 * longer ours, or no longer the session's, changes nothing.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "worker/output.h"
#include "worker/work_item.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "base/mem.h"
#include "store/queue.h"
#include "upload/release.h"
#include "wizard/spill.h"
#include "wizard/step.h"
#include "wizard/task.h"

#define LOCK_WAIT_MS 30000 /* a session is held for a request's time at most */
/* bytes; a picture of 512 by 512 pixels that does not compress has 1 MiB */
#define PREVIEW_MAX (4 << 20)
#define REPORT_MAX  (16 << 20) /* bytes; 1000 rows with their values cut have far fewer */

/* ---- ending the task, with or without a session */

struct ending {
	struct work *work;
	json_object *session; /* record to store; NULL = none */
	json_object *next;    /* task to queue with it; NULL = none */
	json_object *release; /* uploads no longer needed; NULL = none */
	pass_fn *with;	      /* done with it; NULL = nothing */
	void *arg;
};

static enum err end_pass(struct pass *p, void *arg)
{
	struct ending *e = arg;
	struct work *work = e->work;
	json_object *task = NULL;
	enum err err = tasks_get(p, work->id, &task);
	if (err != ERR_OK)
		return err;
	/* After a lost heartbeat another worker has it: its result counts. */
	if (strcmp(json_str(task, "worker", ""), json_str(work->task, "worker", "")) != 0 ||
	    json_int(task, "attempt", 0) != json_int(work->task, "attempt", 0)) {
		json_object_put(task);
		return ERR_CONFLICT;
	}
	json_set_str(task, "state",
		     work->canceled	      ? "canceled"
		     : work->problems != NULL ? "failed"
					      : "done");
	json_set_int(task, "ended", clock_now_ms());
	json_set(task, "problems", json_copy(work->problems));
	json_set_str(task, "log",
		     work->log != NULL && text_is_utf8(work->log, strlen(work->log)) ? work->log
										     : "");
	if (work->told != NULL) {
		json_object_object_foreach(work->told, key, value)
		    json_set(task, key, json_copy(value));
	}
	err = tasks_put(p, task);
	json_object_put(task);
	if (err == ERR_OK && e->with != NULL)
		err = e->with(p, e->arg);
	if (err == ERR_OK && e->session != NULL)
		err = queue_put(p, e->session, -1, e->next);
	return err == ERR_OK ? release_pass(p, e->release) : err;
}

static enum err let_go_pass(struct pass *p, void *arg)
{
	const struct work *work = arg;
	return tasks_let_go(p, work->id, work->w->name, json_int(work->task, "attempt", 0));
}

static enum err end_task(struct work *work, struct ending *e)
{
	struct error error = {0};
	e->work = work;
	/* Whoever hears that it ended finds its dataset changing no more. */
	if (work->target_fd >= 0)
		(void)close(work->target_fd);
	work->target_fd = -1;
	enum err err = store_pass(work->w->store, PASS_SYNC, "task end", end_pass, e, &error);
	if (err != ERR_OK)
		log_line(err == ERR_CONFLICT ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, NULL,
			 "task %lld: end: %s: %s", (long long)work->id, err_name(err), error.text);
	/*
	 * Too full for its end: else it would seem to run until its heartbeat is missed, a minute
	 * after there is room.
	 */
	if (err == ERR_NO_SPACE)
		(void)store_pass(work->w->store, PASS_DELETE, "let go", let_go_pass, work, NULL);
	return err;
}

enum err work_end(struct work *work, pass_fn *with, void *arg)
{
	struct ending e = {.with = with, .arg = arg};
	return end_task(work, &e);
}

/* ---- loading the session under its lock */

struct find {
	int64_t id;
	json_object *doc;
};

static enum err find_pass(struct pass *p, void *arg)
{
	struct find *f = arg;
	json_object_put(f->doc);
	f->doc = NULL;
	return sessions_get(p, f->id, &f->doc);
}

struct asked {
	int64_t id;
	bool cancel;
};

static enum err asked_pass(struct pass *p, void *arg)
{
	struct asked *a = arg;
	json_object *task = NULL;
	enum err err = tasks_get(p, a->id, &task);
	a->cancel = json_bool(task, "cancel", false);
	json_object_put(task);
	return err;
}

/*
 * Cancelled between the last heartbeat and now?  With the session's lock held: later comes too
 * late.
 */
static bool cancel_asked(struct work *work)
{
	struct asked a = {.id = work->id};
	return store_pass(work->w->store, PASS_READ, "cancel", asked_pass, &a, NULL) == ERR_OK &&
	       a.cancel;
}

/* The task's session; *RET is NULL if it waits for this very task no longer. */
static enum err load(struct work *work, int64_t id, struct session **ret)
{
	struct find f = {.id = id};
	struct session *s = NULL;
	enum err err =
	    store_pass(work->w->store, PASS_READ, "session", find_pass, &f, &work->error);

	*ret = NULL;
	if (err != ERR_OK || json_get(f.doc, "gone") != NULL ||
	    json_int(json_obj(f.doc, "task"), "id", 0) != work->id) {
		json_object_put(f.doc);
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	}
	err = session_from_json(f.doc, &s);
	if (err == ERR_OK)
		err = spill_load(work->w->config, s, &work->error);
	if (err == ERR_OK)
		*ret = s;
	else
		session_free(s);
	return err;
}

/* ---- inspection */

static void set_digests(struct session *s, const json_object *result)
{
	json_object *d = NULL, *uploads = json_arr(s->doc, "uploads");
	JSON_EACH(d, json_arr(result, "digests"))
	{
		json_object *u = json_at(uploads, (size_t)(json_int(d, "n", 1) - 1));
		if (u == NULL)
			continue;
		json_set_str(u, "md5", json_str(d, "md5", ""));
		json_set_str(u, "sha256", json_str(d, "sha256", ""));
	}
}

/* Previews move from the job's folder to the session's: the map before anything is published. */
static void keep_previews(struct work *work, const struct session *s)
{
	CLEAN_FREE char *folder = session_folder(s->id);
	if (fs_mkdirs(work->w->data_fd, folder, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < json_len(session_layers(s)); i++) {
		static const char *const endings[] = {"json", "png"};
		for (size_t j = 0; j < 2; j++) {
			CLEAN_FREE char *name = mem_printf("preview-%zu.%s", i, endings[j]);
			CLEAN_FREE char *to = mem_printf("%s/%s", folder, name);
			(void)output_move(work, name, PREVIEW_MAX, to, NULL);
		}
	}
}

static void forget(json_object *doc, const char *const *members)
{
	for (; *members != NULL; members++)
		json_object_object_del(doc, *members);
}

static void apply_inspection(struct work *work, struct session *s)
{
	static const char *const done[] = {"again", "again_problems", "dialects_before", "problems",
					   NULL};
	enum kind kind;
	json_object *w = NULL, *warnings = json_object_new_array();

	if (kind_by_name(json_str(work->result, "kind", ""), &kind))
		s->kind = kind;
	json_set(s->doc, "bundles", json_copy(json_arr(work->result, "bundles")));
	json_set(s->doc, "layers", json_copy(json_arr(work->result, "layers")));
	json_set(s->doc, "metadata", json_copy(json_obj(work->result, "metadata")));
	JSON_EACH(w, json_arr(work->result, "warnings"))
	json_object_array_add(warnings, json_object_get(w));
	json_set(s->doc, "warnings", warnings);
	const char *name = json_str(work->result, "name", "");
	if (*name != '\0')
		json_set_str(s->doc, "name", name);
	set_digests(s, work->result);
	forget(s->doc, done);
	json_set_str(s->doc, "code", "");
	s->state = STATE_WAITING;
	keep_previews(work, s);
}

static void apply_inspection_failure(struct work *work, struct session *s)
{
	if (json_bool(s->doc, "again", false)) {
		/* Only the new settings were wrong: what was known before still stands. */
		json_object *before = json_obj(s->doc, "dialects_before");
		json_set(s->doc, "dialects",
			 before != NULL ? json_copy(before) : json_object_new_object());
		json_set(s->doc, "again_problems", json_copy(work->problems));
		json_object_object_del(s->doc, "again");
		s->state = STATE_WAITING;
		return;
	}
	json_set(s->doc, "problems", json_copy(work->problems));
	json_set_str(s->doc, "code", problem_code(json_at(work->problems, 0)));
	s->state = STATE_INVALID;
}

/*
 * After inspection some sessions go on by themselves: the import's task, NULL = a person must act.
 */
static json_object *go_on(struct work *work, struct session *s)
{
	bool wanted = json_bool(s->doc, "import_when_ready", false) ||
		      json_bool(s->doc, "non_interactive", false);
	if (!wanted || s->state != STATE_WAITING)
		return NULL;
	json_object_object_del(s->doc, "import_when_ready");
	if (work_item_of(s) != 0)
		work_item_fill(s);
	else
		(void)step_fill_certain(s);
	if (step_missing_before(s, STEP_RUN) != STEP_NONE)
		return NULL;
	/*
	 * Rights on an existing dataset are judged where the catalogue is asked: by the next
	 * request.
	 */
	const json_object *final = session_input(s, STEP_FINAL);
	bool into = strcmp(json_str(final, "mode", "create"), "create") != 0 ||
		    (final == NULL && json_int(session_input(s, STEP_SAVE), "layer_id", 0) > 0);
	if (into && json_obj(s->doc, "target") == NULL)
		return NULL;
	s->state = STATE_PENDING;
	s->completed = STEP_RUN;
	return task_import(s, work->w->config);
}

static void publish_inspection(struct work *work, struct session *s)
{
	struct ending e = {0};
	if (work->problems == NULL && work->result != NULL && !work->canceled)
		apply_inspection(work, s);
	else if (!work->canceled)
		apply_inspection_failure(work, s);
	if (spill_write(work->w->config, s, &work->error) != ERR_OK && work->problems == NULL)
		log_line(LOG_LEVEL_ERROR, NULL, "session %lld: %s", (long long)s->id,
			 work->error.text);
	e.next = go_on(work, s);
	e.session = spill_record(s, clock_now_ms());
	if (end_task(work, &e) == ERR_OK)
		work_item_follow(work, s);
	json_object_put(e.session);
	json_object_put(e.next);
}

/* ---- import */

static size_t count_failed(const json_object *datasets)
{
	size_t n = 0;
	json_object *d = NULL;
	JSON_EACH(d, datasets)
	n += strcmp(json_str(d, "status", ""), "failed") == 0;
	return n;
}

/* The row report of the job beside the session; it outlives the uploads. */
static bool keep_report(struct work *work, const struct session *s)
{
	CLEAN_FREE char *folder = session_folder(s->id);
	CLEAN_FREE char *to = mem_printf("%s/report.jsonl", folder);
	return json_str(work->result, "report", NULL) != NULL &&
	       fs_mkdirs(work->w->data_fd, folder, NULL) == ERR_OK &&
	       output_move(work, "report.jsonl", REPORT_MAX, to, NULL) == ERR_OK;
}

/* A finished session lets its uploads go: those it held until now.  Caller frees. */
static json_object *release_uploads(struct session *s)
{
	json_object *held = json_copy(json_arr(s->doc, "uploads")), *u = NULL;
	JSON_EACH(u, json_arr(s->doc, "uploads"))
	json_set_bool(u, "released", true);
	return held;
}

/* A retry repeats only what failed: what stood before stays, in layer order of the tries. */
static json_object *with_earlier(const struct session *s, json_object *datasets)
{
	json_object *all = json_object_new_array(), *d = NULL;
	JSON_EACH(d, json_arr(s->doc, "datasets"))
	{
		if (strcmp(json_str(d, "status", ""), "imported") == 0)
			json_object_array_add(all, json_object_get(d));
	}
	JSON_EACH(d, datasets)
	json_object_array_add(all, json_object_get(d));
	json_object_put(datasets);
	return all;
}

static void apply_import(struct work *work, struct session *s, json_object *fresh)
{
	json_object *datasets = with_earlier(s, fresh);
	size_t failed = count_failed(datasets), n = json_len(datasets);
	json_object *d = NULL, *w = NULL;

	json_set(s->doc, "datasets", datasets);
	json_set_bool(s->doc, "report", keep_report(work, s));
	JSON_EACH(w, json_arr(work->result, "warnings"))
	{
		json_object *warnings = json_arr(s->doc, "warnings");
		if (warnings == NULL) {
			warnings = json_object_new_array();
			json_set(s->doc, "warnings", warnings);
		}
		if (!problems_have(warnings, problem_code(w)))
			json_object_array_add(warnings, json_object_get(w));
	}
	s->state = failed == 0 ? STATE_PROCESSED : failed < n ? STATE_INCOMPLETE : STATE_INVALID;
	if (failed == 0) {
		s->completed = STEP_FINAL;
		json_set_str(s->doc, "code", "");
		json_object_object_del(s->doc, "problems");
		return;
	}
	json_object *problems = NULL;
	JSON_EACH(d, datasets)
	{
		JSON_EACH(w, json_arr(d, "problems"))
		problems_add(&problems, json_object_get(w));
	}
	if (problems == NULL)
		problems_add(&problems, problem_new("import_failed"));
	json_set_str(s->doc, "code", problem_code(json_at(problems, 0)));
	json_set(s->doc, "problems", problems);
	if (work->problems == NULL && failed == n)
		work->problems = json_copy(problems);
}

static void publish_import(struct work *work, struct session *s)
{
	struct ending e = {0};
	json_object *datasets = NULL;
	enum err err = ERR_OK;

	if (work->canceled) {
		s->state = STATE_WAITING;
		json_set_str(s->doc, "code", "canceled");
	} else if (work->problems == NULL && (err = work_datasets(work, s, &datasets)) == ERR_OK) {
		apply_import(work, s, datasets);
	} else {
		bool changed = err == ERR_CONFLICT && json_obj(work->task, "target") != NULL;
		if (work->problems == NULL)
			problems_add(&work->problems,
				     problem_new(work->error.err == ERR_NO_SPACE ? "disk_full"
						 : changed			 ? "dataset_changed"
							   : "import_failed"));
		json_set(s->doc, "problems", json_copy(work->problems));
		json_set_str(s->doc, "code", problem_code(json_at(work->problems, 0)));
		s->state = STATE_INVALID;
	}
	if (s->state == STATE_PROCESSED)
		e.release = release_uploads(s);
	e.session = spill_record(s, clock_now_ms());
	if (end_task(work, &e) == ERR_OK) {
		release_files(work->w->engine, e.release);
		work_item_follow(work, s);
	}
	json_object_put(e.session);
	json_object_put(e.release);
}

/* ---- export */

static void publish_export(struct work *work)
{
	const json_object *spec = json_obj(work->task, "spec");
	struct ending e = {0};
	if (work->problems == NULL && work->result != NULL) {
		CLEAN_FREE char *to = mem_printf(
		    "exports/%lld-%lld.%s", (long long)json_int(work->task, "dataset", 0),
		    (long long)json_int(work->task, "revision", 1), json_str(spec, "format", ""));
		if (output_move(work, json_str(work->result, "file", ""), 0, to, &work->error) !=
		    ERR_OK)
			problems_add(&work->problems, problem_new("export_failed"));
	}
	(void)end_task(work, &e);
}

void work_publish(struct work *work)
{
	const char *kind = json_str(work->task, "kind", "");
	int64_t id = json_int(work->task, "session", 0);
	struct session_lock lock = {.fd = -1};
	struct ending nothing = {0};

	if (work->lost)
		return;
	if (strcmp(kind, "export") == 0) {
		publish_export(work);
		return;
	}
	if (strcmp(kind, "assemble") == 0) {
		(void)end_task(work, &nothing);
		return;
	}
	struct session *s = NULL;
	enum err err = session_lock(work->w->store, id, LOCK_WAIT_MS, &lock, &work->error);
	if (err == ERR_OK)
		err = load(work, id, &s);
	if (err != ERR_OK) {
		log_line(LOG_LEVEL_ERROR, NULL, "task %lld: session %lld: %s: %s",
			 (long long)work->id, (long long)id, err_name(err), work->error.text);
		work->lost = true; /* its heartbeat stops: it is taken up again */
		session_unlock(&lock);
		return;
	}
	work->canceled = work->canceled || cancel_asked(work);
	if (s == NULL) {
		/* deleted, or another task is its business now */
		(void)end_task(work, &nothing);
	} else if (strcmp(kind, "inspect") == 0) {
		publish_inspection(work, s);
	} else {
		publish_import(work, s);
	}
	session_free(s);
	session_unlock(&lock);
}
