/*
 * One job: a folder, a jailed process, frames, deadlines.  The job gets nothing but its own folder;
 * what it says is checked before it is believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "worker/output.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "wizard/message.h"

#define LOG_MAX	  (64 * 1024) /* bytes of a job's standard error that are kept */
#define LOG_READS 16	      /* at one look: who writes on and on must not hold us */
/* progress reaches the store this often, and cancelling the job */
#define BEAT_MS	    1000
#define READY_MS    20000 /* the jail must stand by then */
#define THREADS_MAX 256	  /* of a job; GDAL makes a few */

static void fail(struct work *work, const char *code)
{
	problems_add(&work->problems, problem_new(code));
}

static void fail_error(struct work *work)
{
	fail(work, work->error.err == ERR_NO_SPACE			      ? "disk_full"
		   : strcmp(json_str(work->task, "kind", ""), "inspect") == 0 ? "inspect_failed"
									      : "import_failed");
}

/*
 * No job has seen a file yet: whatever is wrong, it is the server, unless the file itself is gone.
 */
static void fail_begin(struct work *work)
{
	if (work->error.err == ERR_NO_SPACE || work->error.err == ERR_NOT_FOUND)
		fail_error(work);
	else
		fail(work, "job_not_started");
}

/* ---- inputs */

static enum err place_upload(struct work *work, const char *id, const char *path, bool copy)
{
	struct worker *w = work->w;
	struct upload_info info = {0};
	CLEAN_FREE char *to = mem_printf("%s/in/%s", work->folder, path);

	enum err err = upload_get(w->engine, id, NULL, &info, &work->error);
	if (err != ERR_OK)
		return err;
	err = copy ? fs_copy(w->data_fd, info.path, w->data_fd, to, &work->error)
		   : fs_link_or_copy(w->data_fd, info.path, w->data_fd, to, &work->error);
	upload_info_done(&info);
	return err;
}

/* A dataset's own file, as in/NAME. */
static enum err place_dataset(struct work *work, const char *file, const char *name)
{
	CLEAN_FREE char *from = mem_printf("datasets/%s", file);
	CLEAN_FREE char *to = mem_printf("%s/in/%s", work->folder, name);
	return fs_copy(work->w->data_fd, from, work->w->data_fd, to, &work->error);
}

/* Links where Landlock keeps the job from writing to them, copies where it cannot. */
static enum err place_inputs(struct work *work, const json_object *spec, bool copy)
{
	json_object *f = NULL, *layer = NULL, *uploads = json_arr(work->task, "uploads"),
		    *target = json_obj(work->task, "target");
	enum err err = ERR_OK;

	/* A task without uploads has put its own files there. */
	JSON_EACH(f, uploads != NULL ? json_arr(spec, "files") : NULL)
	{
		json_object *id = json_at(uploads, (size_t)(json_int(f, "n", 1) - 1));
		if (err == ERR_OK)
			err = place_upload(work, id == NULL ? "" : json_object_get_string(id),
					   json_str(f, "path", ""), copy);
	}
	JSON_EACH(layer, json_arr(spec, "layers"))
	{
		json_object *into = json_obj(layer, "target");
		if (err == ERR_OK && into != NULL)
			err = place_dataset(work, json_str(target, "file", ""),
					    json_str(into, "file", ""));
	}
	if (err == ERR_OK && json_str(work->task, "dataset_file", NULL) != NULL)
		err = place_dataset(work, json_str(work->task, "dataset_file", ""),
				    json_str(spec, "file", ""));
	return err;
}

/* ---- while it runs */

struct beat {
	struct work *work;
	json_object *progress;
	bool cancel;
};

static enum err beat_pass(struct pass *p, void *arg)
{
	struct beat *b = arg;
	return tasks_beat(p, b->work->id, b->work->w->name, b->progress, clock_now_ms(),
			  &b->cancel);
}

bool work_beat(struct work *work, json_object *progress)
{
	struct beat b = {.work = work, .progress = progress};
	struct error error = {0};
	enum err err = store_pass(work->w->store, PASS_WRITE_NOSYNC, "beat", beat_pass, &b, &error);
	if (err == ERR_CONFLICT || err == ERR_NOT_FOUND)
		work->lost = true;
	work->canceled = b.cancel;
	return !work->lost && !b.cancel;
}

static void drain_log(struct work *work, struct child *child)
{
	char buf[4096];
	ssize_t n;
	size_t have = work->log == NULL ? 0 : strlen(work->log);
	for (int i = 0;
	     i < LOG_READS && child->log >= 0 && (n = read(child->log, buf, sizeof(buf))) > 0;
	     i++) {
		size_t take = have + (size_t)n > LOG_MAX ? LOG_MAX - have : (size_t)n;
		for (size_t at = 0; at < take; at++)
			buf[at] = buf[at] == '\0' ? ' ' : buf[at];
		work->log = mem_resize(work->log, have + take + 1, 1);
		memcpy(work->log + have, buf, take);
		have += take;
		work->log[have] = '\0';
	}
}

/* The job ended without a result: which sentence fits how it died? */
static void judge_death(struct work *work, int status)
{
	bool inspect = strcmp(json_str(work->task, "kind", ""), "inspect") == 0;
	const char *code = inspect ? "inspect_failed" : "import_failed";
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		code = inspect ? "inspect_timeout" : "import_timeout";
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		code = inspect ? "inspect_failed" : "import_output_too_big";
	else if (work->log != NULL && (strstr(work->log, "bad_alloc") != NULL ||
				       strcasestr(work->log, "out of memory") != NULL))
		code = inspect ? "inspect_failed" : "import_memory";
	fail(work, code);
	(void)error_set(&work->error, ERR_INTERNAL, "job died, wait status 0x%x", (unsigned)status);
}

static enum err check_result(struct work *work, json_object *message)
{
	const char *kind = json_str(work->task, "kind", "");
	const json_object *spec = json_obj(work->task, "spec");
	if (strcmp(kind, "inspect") == 0)
		return message_check_inspect(message, json_len(json_arr(spec, "files")),
					     &work->error);
	if (strcmp(kind, "import") == 0)
		return message_check_import(message, spec, &work->error);
	if (strcmp(kind, "import-table") == 0)
		return message_check_rows(message, &work->error);
	if (strcmp(kind, "refresh-table") == 0)
		return message_check_import(message, spec, &work->error);
	const char *file = json_str(message, "file", "");
	bool plain = *file != '\0' && *file != '.' &&
		     strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789.") == strlen(file);
	return plain ? ERR_OK : error_set(&work->error, ERR_BAD_REQUEST, "export: file name");
}

/* How far the whole import is: layers one after the other, each by its rows (wizard.md 14.3). */
static void add_percent(struct work *work, json_object *progress)
{
	json_object *layers = json_arr(json_obj(work->task, "spec"), "layers"), *layer = NULL;
	double n = json_len(layers) > 0 ? (double)json_len(layers) : 1, before = 0;
	int64_t done = json_int(progress, "done", 0), total = json_int(progress, "total", -1),
		percent = 80;

	JSON_EACH(layer, layers)
	{
		if (strcmp(json_str(layer, "table", ""), json_str(progress, "layer", "")) == 0)
			break;
		before++;
	}
	if (total > 0) {
		double part = done < 0 ? 0 : done > total ? 1 : (double)done / (double)total;
		percent = 50 + (int64_t)(40 * ((before < n ? before : 0) + part) / n);
	}
	if (percent > work->percent)
		work->percent = percent;
	json_set_int(progress, "percent", work->percent);
}

/* One frame.  True: that was the last. */
static bool take_message(struct work *work, json_object *message, json_object **progress)
{
	const char *type = json_str(message, "type", "");
	if (strcmp(type, "progress") == 0) {
		if (message_check_progress(message, &work->error) == ERR_OK) {
			json_object_put(*progress);
			*progress = message;
			add_percent(work, message);
			return false;
		}
	} else if (strcmp(type, "failed") == 0) {
		if (message_check_failed(message, &work->error) == ERR_OK) {
			work->problems = json_copy(json_arr(message, "problems"));
			(void)error_set(&work->error, ERR_BAD_REQUEST, "%s",
					json_str(message, "detail", ""));
			json_object_put(message);
			return true;
		}
	} else if (strcmp(type, "result") == 0) {
		if (check_result(work, message) == ERR_OK) {
			work->result = message;
			return true;
		}
	}
	json_object_put(message);
	fail_error(work);
	return true;
}

/* It took too long: whose limit was it? */
static void fail_late(struct work *work, bool inspect, bool sliced)
{
	if (sliced)
		problems_add(&work->problems, problem_arg_int(problem_new("slice_exceeded"),
							      "seconds", work->w->slice_ms / 1000));
	else
		fail(work, inspect ? "inspect_timeout" : "import_timeout");
}

/*
 * Does the job keep to what no limit of its own holds: the sum of its files, and its threads, which
 * would be all the processes this host can have?
 */
static bool is_modest(struct work *work, const struct child *child)
{
	CLEAN_FREE char *tasks = mem_printf("/proc/%ld/task", (long)child->pid);
	struct stat st;
	bool many = stat(tasks, &st) == 0 && st.st_nlink > THREADS_MAX + 2; /* "." and ".." */
	if (many) {
		(void)error_set(&work->error, ERR_INTERNAL, "the job has %ld threads",
				(long)st.st_nlink - 2);
		fail_error(work);
	} else if (!output_fits(work)) {
		fail(work, strcmp(json_str(work->task, "kind", ""), "inspect") == 0
			       ? "inspect_failed"
			       : "import_output_too_big");
	}
	return work->problems == NULL;
}

static void follow(struct work *work, struct child *child)
{
	const struct config *c = work->w->config;
	bool inspect = strcmp(json_str(work->task, "kind", ""), "inspect") == 0;
	int64_t most = 1000 * (inspect ? c->inspect_s : c->import_s), beaten = clock_mono_ms();
	bool sliced = work->w->slice_ms > 0 && work->w->slice_ms < most;
	int64_t deadline = beaten + (sliced ? work->w->slice_ms : most);
	json_object *progress = NULL;
	bool over = false;

	while (!over) {
		json_object *message = NULL;
		enum err err = child_receive(child, BEAT_MS, &message, NULL);
		drain_log(work, child);
		if (err == ERR_OK) {
			over = take_message(work, message, &progress);
		} else if (err != ERR_TIMEOUT) {
			int status = 0;
			child_finish(child, 2000, &status);
			drain_log(work, child);
			judge_death(work, status);
			over = true;
		}
		int64_t now = clock_mono_ms();
		if (!over && now > deadline) {
			fail_late(work, inspect, sliced);
			over = true;
		}
		if (!over && now - beaten >= BEAT_MS) {
			beaten = now;
			over = !is_modest(work, child) || !work_beat(work, progress);
		}
	}
	json_object_put(progress);
}

/*
 * It never said that it is ready.  Killed, it may do better the next time; ended by itself, it
 * lacks something here.
 */
static void judge_start(struct work *work, struct child *child)
{
	int status = 0;
	child_finish(child, 1000, &status);
	if (WIFEXITED(status))
		fail(work, "jail_unavailable");
}

/* Start the jail, wait until it stands, hand over inputs and job. */
static enum err begin(struct work *work, struct child *child)
{
	struct worker *w = work->w;
	const json_object *spec = json_obj(work->task, "spec");
	CLEAN_FREE char *program = mem_printf("%s/slipway-geo", w->config->program_dir);
	CLEAN_FREE char *dir = mem_printf("%s/%s", w->config->data_dir, work->folder);
	CLEAN_FREE char *in = mem_printf("%s/in", work->folder);
	CLEAN_FREE char *out = mem_printf("%s/out", work->folder);
	char *argv[] = {program, (char *)(uintptr_t) "--job", dir, NULL};
	json_object *ready = NULL;

	enum err err = work_target(work);
	if (err == ERR_OK)
		err = fs_mkdirs(w->data_fd, in, &work->error);
	if (err == ERR_OK)
		err = fs_mkdirs(w->data_fd, out, &work->error);
	if (err == ERR_OK)
		err = child_start(program, argv, true, child, &work->error);
	if (err == ERR_UNAVAILABLE)
		fail(work, "jail_unavailable");
	if (err != ERR_OK)
		return err;
	if (child->log >= 0)
		(void)fcntl(child->log, F_SETFL, O_NONBLOCK);
	err = child_receive(child, READY_MS, &ready, &work->error);
	drain_log(work, child);
	if (err == ERR_CUT)
		judge_start(work, child);
	int64_t level = json_int(ready, "level", 0);
	tally_set(&tally_cells(w->tally)->jail_level, level);
	if (err == ERR_OK && level < w->config->jail_min_level) {
		fail(work, "jail_unavailable");
		err = error_set(&work->error, ERR_UNAVAILABLE, "jail level %lld is below %lld",
				(long long)level, (long long)w->config->jail_min_level);
	}
	json_object_put(ready);
	if (err == ERR_OK)
		err = place_inputs(work, spec, level < 3);
	if (err != ERR_OK)
		return err;
	return child_send(child, spec, &work->error);
}

void work_run(struct work *work)
{
	struct child child = {.to = -1, .from = -1, .log = -1};
	enum err err = begin(work, &child);
	if (err == ERR_OK)
		follow(work, &child);
	drain_log(work, &child);
	child_end(&child, NULL);
	drain_log(work, &child);
	if (err != ERR_OK && work->problems == NULL)
		fail_begin(work);
	if (work->problems != NULL && work->log != NULL && *work->error.text == '\0')
		(void)error_set(&work->error, ERR_INTERNAL, "%.200s", work->log);
}
