/*
 * Task "import-table": a stored file, or a stored ds text, into a receiver's table: jailed job, one
 * transaction, an answer that is recorded, mails.  Done again after a crash it writes once.
 */
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/columns.h"
#include "signed/ds.h"
#include "store/accounts.h"
#include "store/replay.h"
#include "wizard/message.h"
#include "worker/mail.h"
#include "worker/signed.h"

#define BAD_MAX	    20	       /* rows told */
#define BAD_COUNTED 1000       /* rows looked for */
#define DATA_TEXT   "uploaded" /* contracts/signed-api.md 7.3 */

struct import {
	struct work *work;
	struct signed_target target;
	unsigned char mark[32];
	int64_t rows; /* of the file */
	int64_t n_bad;
	json_object *bad; /* up to BAD_MAX of them */
	struct write_counts counts;
	struct refusal refusal; /* REFUSE_NOTHING: it was written */
};

/* ---- what the writer asks for */

static bool codes(void *arg, const char *column, const char *day, int64_t n, int64_t *ret_first)
{
	struct import *im = arg;

	return codes_take(im->work->w->store, im->target.receiver->id, column, day, n, ret_first,
			  &im->work->error) == ERR_OK;
}

/* What a later attempt must know if this one is killed. */
struct keep {
	int64_t id;
	const char *text; /* of the writer; NULL = none */
	int64_t rows;	  /* of the file */
};

static enum err keep_pass(struct pass *p, void *arg)
{
	const struct keep *k = arg;
	json_object *task = NULL;
	enum err err = tasks_get(p, k->id, &task);

	if (err == ERR_OK) {
		if (k->text != NULL)
			json_set_str(task, "kept", k->text);
		err = tasks_put(p, json_set_int(task, "in_file", k->rows));
	}
	json_object_put(task);
	return err;
}

static bool keep(void *arg, const char *text)
{
	struct import *im = arg;
	struct keep k = {im->work->id, text, im->rows};

	json_set_str(im->work->task, "kept", text);
	return store_pass(im->work->w->store, PASS_SYNC, "keep", keep_pass, &k, &im->work->error) ==
	       ERR_OK;
}

static bool progress(void *arg, int64_t rows)
{
	struct import *im = arg;
	CLEAN_JSON json_object *p = json_object_new_object();

	json_set_str(json_set_str(p, "message", "writing"), "phase", "import");
	json_set_int(json_set_int(p, "done", rows), "total", im->rows);
	json_set_int(p, "percent",
		     im->rows > 0 ? 70 + 25 * (rows < im->rows ? rows : im->rows) / im->rows : 70);
	return work_beat(im->work, p);
}

/* ---- writing */

/* All are counted, the first ones kept. */
static void count_bad(struct import *im)
{
	size_t n = json_len(im->bad);

	im->n_bad = (int64_t)n;
	if (n > BAD_MAX)
		(void)json_object_array_del_idx(im->bad, BAD_MAX, n - BAD_MAX);
}

/* The connection was lost: perhaps behind a COMMIT nobody answered.  Sent once more, its rows would
 * be there twice. */
static bool written_after_all(struct import *im)
{
	if (im->refusal.code != REFUSE_UNREACHABLE ||
	    json_str(im->work->task, "kept", NULL) == NULL ||
	    signed_outcome(im->work, &im->target) != MARK_COMMITTED)
		return false;
	im->refusal = (struct refusal){0};
	im->counts.inserted = im->rows;
	return true;
}

static void write_source(struct import *im, struct row_source rows)
{
	struct work *work = im->work;
	const char *mode = json_str(im->target.receiver->file, "mode", "append");
	struct write_order order = {.receiver = im->target.receiver,
				    .op = OP_INSERT,
				    .replace = strcmp(mode, "replace") == 0,
				    .upsert = strcmp(mode, "upsert") == 0,
				    .visitor = json_str(work->task, "account", ""),
				    .stamp_ms = json_int(work->task, "stamp", 0),
				    .mark = im->mark,
				    .rows = rows,
				    .lock_wait_ms = work->w->config->signed_lock_wait_s * 1000,
				    .codes = codes,
				    .keep = keep,
				    .max_bad = BAD_COUNTED,
				    .bad = im->bad,
				    .progress = progress,
				    .arg = im};

	/* Its timeout is that of a request; nobody waits at the other end of this one. */
	im->target.receiver->timeout_s = work->w->config->import_s;
	(void)store_pass(work->w->store, PASS_WRITE_NOSYNC, "rows", keep_pass,
			 &(struct keep){.id = work->id, .rows = im->rows}, NULL);
	if (im->rows == 0 && !im->target.receiver->allow_empty)
		(void)refuse(&im->refusal, REFUSE_BAD, "no rows");
	else if (!write_rows(work->w->targets, &order, &im->counts, &im->refusal) &&
		 !written_after_all(im))
		count_bad(im);
}

/* The text of "contents", stored as the upload. */
static void import_contents(struct import *im)
{
	struct work *work = im->work;
	const json_object *id = json_at(json_arr(work->task, "uploads"), 0);
	struct upload_info info = {0};
	struct ds *ds = NULL;
	char *text = NULL;
	size_t len = 0;
	enum err err =
	    upload_get(work->w->engine, json_object_get_string((json_object *)(uintptr_t)id), NULL,
		       &info, &work->error);

	if (err == ERR_OK)
		err = fs_read_file(work->w->data_fd, info.path,
				   (size_t)work->w->config->signed_max_body, &text, &len,
				   &work->error);
	upload_info_done(&info);
	if (err != ERR_OK) {
		(void)refuse(&im->refusal, REFUSE_NO_FILE, "%s", "");
	} else if (ds_open(text, len, im->target.receiver->max_rows, &ds, &im->refusal)) {
		im->rows = ds_count(ds);
		write_source(im, ds_rows(ds));
		ds_free(ds);
	}
	free(text);
}

/* What the jail is asked for, put into the task. */
static bool plan(struct import *im)
{
	struct work *work = im->work;
	const struct receiver *receiver = im->target.receiver;
	json_object *columns = NULL;

	if (!write_columns(work->w->targets, receiver, &columns, &im->refusal))
		return false;
	json_set(work->task, "spec",
		 message_rows(work->w->config, json_str(work->task, "filename", "file"), columns,
			      receiver->file, receiver->max_rows));
	return true;
}

static void import_file(struct import *im)
{
	struct work *work = im->work;

	if (!plan(im))
		return;
	work_run(work);
	if (work->problems != NULL || work->result == NULL) {
		import_refusal(work->w, work->problems, &im->refusal);
		return;
	}
	im->rows = json_int(work->result, "rows", 0);
	im->n_bad = json_int(work->result, "bad_rows", 0);
	if (im->n_bad > 0) {
		json_object_put(im->bad);
		im->bad = json_copy(json_arr(work->result, "bad"));
		import_bad_words(im->bad, im->target.receiver);
		(void)refuse(&im->refusal, REFUSE_BAD, "bad rows");
		return;
	}
	struct import_rows *rows = import_rows_open(work);

	if (rows == NULL)
		(void)refuse(&im->refusal, REFUSE_DATABASE, "other in import");
	else
		write_source(im, import_rows_source(rows));
	import_rows_close(rows);
}

/* ---- the end */

/* The words of the answer.  Caller frees. */
static char *message_of(const struct import *im)
{
	char text[700];

	if (im->refusal.code == REFUSE_NOTHING)
		return mem_strdup(DATA_TEXT);
	if (json_len(im->bad) > 0)
		return import_bad_text(im->bad, im->n_bad);
	return mem_strdup(refusal_text(&im->refusal, text, sizeof(text)));
}

static json_object *rows_of(const struct import *im)
{
	json_object *rows = json_set_int(json_object_new_object(), "inserted", im->counts.inserted);

	json_set_int(rows, "updated", im->counts.updated);
	json_set_int(rows, "deleted", im->counts.deleted);
	return json_set_int(rows, "bad", im->n_bad);
}

struct end {
	struct import *im;
	const char *message;
	json_object *mails;
	size_t dropped;
};

static enum err answer_pass(struct pass *p, const struct end *e)
{
	const char *hex = json_str(e->im->work->task, "replay", "");
	CLEAN_JSON json_object *answer = json_object_new_object(), *entry = NULL;
	unsigned char key[32];
	enum err err;

	if (!token_hex_bytes(hex, key, sizeof(key)))
		return ERR_OK;
	json_set_str(answer, "result", e->im->refusal.code == REFUSE_NOTHING ? "success" : "error");
	json_set_str(answer, "data", e->message);
	err = replay_get(p, key, &entry);
	if (err == ERR_OK)
		err = replay_end(p, key, entry, json_set_int(answer, "task", e->im->work->id));
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* With the task's end: the recorded answer, the mails, the dataset's refresh. */
static enum err with_end(struct pass *p, void *arg)
{
	struct end *e = arg;
	enum err err = answer_pass(p, e);

	if (err == ERR_OK)
		err = mail_queue(p, e->mails, json_str(e->im->work->task, "account", ""),
				 &e->dropped);
	if (err == ERR_OK && e->im->refusal.code == REFUSE_NOTHING && e->im->target.record != NULL)
		err = tasks_refresh(p, e->im->target.record);
	return err;
}

static void finish(struct import *im)
{
	struct work *work = im->work;
	CLEAN_FREE char *message = message_of(im);
	bool good = im->refusal.code == REFUSE_NOTHING;
	struct end e = {.im = im, .message = message};

	if (work->lost)
		return;
	if (!good && work->problems == NULL)
		problems_add(&work->problems,
			     problem_str(problem_new("import_refused"), "value", message));
	if (good && work->problems != NULL) {
		/* Lost, but the rows are there. */
		json_object_put(work->problems);
		work->problems = NULL;
	}
	if (*im->refusal.reason != '\0')
		(void)error_set(&work->error, ERR_BAD_REQUEST, "%s", im->refusal.reason);
	work->told = json_object_new_object();
	json_set_str(work->told, "message", message);
	json_set(work->told, "rows", rows_of(im));
	json_set(work->told, "bad", json_object_get(im->bad));
	json_set(work->told, "warnings", json_copy(json_arr(work->result, "warnings")));
	json_set(work->told, "spec", NULL);
	CLEAN_JSON json_object *ended = json_copy(work->task);
	json_object_object_foreach(work->told, key, value) json_set(ended, key, json_copy(value));
	json_set_str(ended, "state", good ? "done" : "failed");
	e.mails = mail_compose(
	    work->w, ended,
	    im->target.receiver == NULL ? NULL : json_arr(im->target.receiver->file, "mailTo"));
	if (work_end(work, with_end, &e) == ERR_OK && e.dropped > 0)
		log_line(LOG_LEVEL_WARN, NULL, "task %lld: %zu mails over mailMax of %s dropped",
			 (long long)work->id, e.dropped, json_str(work->task, "account", ""));
	json_object_put(e.mails);
}

void work_import_table(struct work *work)
{
	struct import im = {.work = work, .bad = json_object_new_array()};
	bool open = signed_target_open(work, &im.target);

	signed_mark(work->task, im.mark);
	bool again = work->problems != NULL || json_int(work->task, "attempt", 1) > 1;
	enum mark_state before =
	    open && again ? signed_outcome(work, &im.target) : MARK_ROLLED_BACK;

	if (!open) {
		im.refusal = im.target.refusal;
	} else if (before == MARK_COMMITTED) {
		/* By an attempt that was killed behind its COMMIT. */
		im.counts.inserted = json_int(work->task, "in_file", 0);
	} else if (before == MARK_UNKNOWN) {
		(void)refuse(&im.refusal, REFUSE_UNREACHABLE, "%s", "");
	} else if (work->problems != NULL) {
		import_refusal(work->w, work->problems, &im.refusal);
	} else if (json_bool(work->task, "contents_form", false)) {
		import_contents(&im);
	} else {
		import_file(&im);
	}
	if (work->canceled)
		(void)refuse(&im.refusal, REFUSE_BAD, "canceled");
	finish(&im);
	signed_target_close(&im.target);
	json_object_put(im.bad);
}
