/*
 * slipway-worker: drains the task queue, one jailed job per task, and writes results into store and
 * catalogue.
 * One process per site (a lock says so), one thread per task slot.
 * Source: contracts/wizard.md 14.
 */
#ifndef SLIPWAY_WORKER_WORKER_H
#define SLIPWAY_WORKER_WORKER_H

#include <stdatomic.h>
#include <pthread.h>
#include "base/child.h"
#include "base/problem.h"
#include "base/tally.h"
#include "catalog/catalog.h"
#include "store/sessions.h"
#include "store/tasks.h"
#include "upload/upload.h"
#include "wizard/session.h"

struct worker {
	const struct config *config;
	struct store *store;
	struct engine *engine;
	struct catalog *catalog;
	int data_fd;	      /* the data directory */
	struct tally *tally;  /* sums of all processes; NULL where no tasks are run */
	char name[64];	      /* "pid.random": whose task is it */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	int busy;  /* threads with a task */
	bool stop; /* SIGTERM, or idle for long enough */
	/* > 0: part of a request; a task gets this much, and none begins after a quarter of it */
	int64_t slice_ms;
	int64_t start;		 /* clock_mono_ms() of the slice */
	struct words *words;	 /* for mails */
	struct targets *targets; /* the databases of receivers */
};

/* One task being worked on. */
struct work {
	struct worker *w;
	json_object *task; /* the record as claimed; owned */
	int64_t id;
	char folder[64];       /* "jobs/<id>-<attempt>" below the data directory */
	json_object *result;   /* the job's result, checked; NULL = none */
	json_object *problems; /* why it failed; NULL = it did not */
	int64_t percent;       /* told last: never falls within an attempt */
	bool canceled;
	bool lost;     /* not ours any more: write nothing */
	int target_fd; /* holds the lock of the dataset it goes into; -1 = none */
	char *log;     /* what the job said on its standard error; owned */
	/* members of the task's record that its end sets, NULL = none; owned */
	json_object *told;
	struct error error; /* for our log */
};

/* claim.c: take tasks until told to stop; the body of each thread. */
void *worker_loop(void *worker);
/*
 * What a request may do where nothing outlives it: one task after the other, until none is left or
 * the slice is too far on to begin one.  A task that does not fit into a whole slice never will: it
 * ends as slice_exceeded.
 */
void worker_slice(struct worker *);
/*
 * Give tasks of a worker that died back to the queue, remove its job folders; with the worker lock
 * held.
 */
enum err worker_take_over(struct worker *);
/* Anything queued or running? */
bool worker_has_work(struct worker *);

/* run.c: one job from folder to result; fills WORK. */
void work_run(struct work *);
/*
 * Heartbeat with PROGRESS (NULL = none).  False: stop (cancelled, or somebody else's task by now).
 */
bool work_beat(struct work *, json_object *progress);

/*
 * target.c: an import into an existing dataset waits until no other one is at it, and adds to what
 * is there then.  Held until the work is freed.  Errors: ERR_BUSY: told to stop while it waited;
 * ERR_NOT_FOUND: the dataset is gone, with the problem set.
 */
enum err work_target(struct work *);
/*
 * Byte NUMBER of the lock file FILE, until the work is freed; the kernel frees it with this
 * process.  One lock a task.
 * Errors: ERR_BUSY: told to stop while it waited.
 */
enum err work_lock(struct work *, const char *file, int64_t number);

/* assemble.c: an upload joined from its parts, or hashed. */
void work_assemble(struct work *);

/*
 * sweep.c: FN with the path, below the data directory, of what no dataset has: folders of datasets/
 * that were not touched for an hour, exports of datasets or revisions that are no more.
 */
void worker_strays(struct worker *, void (*fn)(void *arg, const char *path), void *arg);

/* publish.c: results into session, catalogue, files; then the task is ended. */
void work_publish(struct work *);
/*
 * End a task without a session: what WORK has of problems and "told" goes into its record, and WITH
 * (NULL = none) runs in the same transaction.  Errors: ERR_CONFLICT: it is another worker's by now.
 */
enum err work_end(struct work *, pass_fn *with, void *arg);

/*
 * dataset.c: the files and catalogue entries of an import's layers.  *RET: session's datasets[];
 * caller frees.
 */
enum err work_datasets(struct work *, struct session *, json_object **ret);

/* sweep.c: expired sessions and uploads, old tasks, stray files; every minute. */
void worker_sweep(struct worker *);

#endif
