#include <fcntl.h>
#include <dirent.h>
#include <string.h>
#include <unistd.h>
#include "worker/signed.h"
#include "worker/worker.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

struct claim {
	struct worker *w;
	json_object *task;
	bool lost;
};

static enum err claim_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;
	const struct config *cfg = c->w->config;
	json_object_put(c->task);
	c->task = NULL;
	enum err err =
	    tasks_claim(p, c->w->name, clock_now_ms(), (int)cfg->tasks_per_user,
			cfg->heartbeat_lost_s * 1000, (int)cfg->max_attempts, &c->task, &c->lost);
	if (err != ERR_OK || c->lost)
		return err;
	/* An attempt begins at its beginning: what an earlier one told is forgotten. */
	json_object *start = json_object_new_object();
	json_set_str(start, "message", "starting");
	json_set_int(json_set_int(start, "done", 0), "total", -1);
	json_set(c->task, "progress", json_set_int(start, "percent", 50));
	return tasks_put(p, c->task);
}

/* The next task, NULL = nothing to do. */
static struct work *claim(struct worker *w)
{
	struct claim c = {.w = w};
	struct error error = {0};
	enum err err = store_pass(w->store, PASS_SYNC, "claim", claim_pass, &c, &error);
	if (err != ERR_OK) {
		json_object_put(c.task);
		if (err != ERR_NOT_FOUND && err != ERR_STOPPING)
			log_line(LOG_LEVEL_ERROR, NULL, "claim: %s: %s", err_name(err), error.text);
		return NULL;
	}
	struct work *work = mem_alloc(sizeof(*work));
	work->w = w;
	work->task = c.task;
	work->id = json_int(c.task, "id", 0);
	work->target_fd = -1;
	snprintf(work->folder, sizeof(work->folder), "jobs/%lld-%lld", (long long)work->id,
		 (long long)json_int(c.task, "attempt", 1));
	if (c.lost)
		problems_add(&work->problems, problem_new("worker_lost"));
	return work;
}

static void work_free(struct work *work)
{
	if (work->target_fd >= 0)
		(void)close(work->target_fd);
	json_object_put(work->task);
	json_object_put(work->result);
	json_object_put(work->problems);
	json_object_put(work->told);
	free(work->log);
	free(work);
}

static void note_end(struct work *work, int64_t ms)
{
	struct tally_cells *c = tally_cells(work->w->tally);
	json_object *first = json_at(work->problems, 0);
	bool lost =
	    work->lost || (first != NULL && strcmp(problem_code(first), "worker_lost") == 0);
	tally_add(&c->tasks[lost	     ? TALLY_LOST
			    : work->canceled ? TALLY_CANCELED
			    : first != NULL  ? TALLY_FAILED
					     : TALLY_DONE],
		  1);
	tally_add(&c->task_ms, ms);
}

static void one(struct work *work)
{
	const char *kind = json_str(work->task, "kind", "");
	int64_t start = clock_mono_ms();
	if (!signed_work(work)) {
		if (work->problems == NULL)
			(strcmp(kind, "assemble") == 0 ? work_assemble : work_run)(work);
		work_publish(work);
	}
	(void)fs_remove_tree(work->w->data_fd, work->folder, NULL);
	json_object *first = json_at(work->problems, 0);
	note_end(work, clock_mono_ms() - start);
	const char *end = work->canceled  ? "canceled"
			  : first != NULL ? problem_code(first)
			  : work->lost	  ? "lost"
					  : "done";
	log_line(LOG_LEVEL_INFO, NULL, "task %lld %s: %s in %lld ms%s%s", (long long)work->id, kind,
		 end, (long long)(clock_mono_ms() - start),
		 first != NULL && *work->error.text != '\0' ? ": " : "",
		 first != NULL ? work->error.text : "");
}

void *worker_loop(void *arg)
{
	struct worker *w = arg;
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		pthread_mutex_unlock(&w->lock);
		/*
		 * Looking is not work: a worker whose threads only look is idle.  A claimed task
		 * counts as running.
		 */
		struct work *work = claim(w);
		pthread_mutex_lock(&w->lock);
		if (work != NULL) {
			w->busy++;
			pthread_mutex_unlock(&w->lock);
			one(work);
			work_free(work);
			pthread_mutex_lock(&w->lock);
			w->busy--;
		} else if (!w->stop) {
			struct timespec until;
			clock_gettime(CLOCK_REALTIME, &until);
			/* the pipe wakes us at once; this is for what it missed */
			until.tv_sec += 2;
			pthread_cond_timedwait(&w->wake, &w->lock, &until);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void worker_slice(struct worker *w)
{
	struct work *work;
	while (clock_mono_ms() - w->start < w->slice_ms / 4 && (work = claim(w)) != NULL) {
		one(work);
		work_free(work);
	}
}

static enum err requeue_pass(struct pass *p, void *arg)
{
	(void)arg;
	return tasks_requeue(p);
}

enum err worker_take_over(struct worker *w)
{
	struct error error = {0};
	enum err err = store_pass(w->store, PASS_DELETE, "take over", requeue_pass, NULL, &error);
	if (err != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "take over: %s: %s", err_name(err), error.text);
	(void)fs_remove_tree(w->data_fd, "jobs", NULL);
	err = fs_mkdirs(w->data_fd, "jobs", &error);
	return err != ERR_OK ? err : fs_mkdirs(w->data_fd, "exports", &error);
}

struct count {
	size_t queued, running;
};

static enum err count_pass(struct pass *p, void *arg)
{
	struct count *c = arg;
	return tasks_count(p, &c->queued, &c->running);
}

bool worker_has_work(struct worker *w)
{
	struct count c = {0};
	return store_pass(w->store, PASS_READ, "count", count_pass, &c, NULL) != ERR_OK ||
	       c.queued + c.running > 0;
}
