#include "signed/lane.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include "base/mem.h"

/* One who waits: on his own stack, woken once. */
struct waiter {
	TAILQ_ENTRY(waiter) next;
	struct waiter *asleep; /* the next one of his group */
	void *item;	       /* NULL = to be carried out by himself alone */
	bool taken; /* no longer in line: the turn is his, or his item is another one's */
	bool done;
	sem_t woken;
};

struct lane {
	LIST_ENTRY(lane) next;
	struct lanes *all;
	char *key;
	size_t users; /* who has the turn or waits for it */
	bool taken;
	TAILQ_HEAD(, waiter) waiting; /* the one who came first stands first */
};

struct lanes {
	pthread_mutex_t mutex; /* guards all of them; held for moments only */
	LIST_HEAD(, lane) list;
};

struct lanes *lanes_new(void)
{
	struct lanes *all = mem_alloc(sizeof(*all));

	(void)pthread_mutex_init(&all->mutex, NULL);
	LIST_INIT(&all->list);
	return all;
}

void lanes_free(struct lanes *all)
{
	(void)pthread_mutex_destroy(&all->mutex);
	free(all);
}

static struct lane *find(struct lanes *all, const char *key)
{
	struct lane *lane;

	LIST_FOREACH(lane, &all->list, next)
	{
		if (strcmp(lane->key, key) == 0)
			return lane;
	}
	lane = mem_alloc(sizeof(*lane));
	lane->all = all;
	lane->key = mem_strdup(key);
	TAILQ_INIT(&lane->waiting);
	LIST_INSERT_HEAD(&all->list, lane, next);
	return lane;
}

/* With the mutex: one user less. */
static void drop(struct lane *lane)
{
	if (--lane->users > 0)
		return;
	LIST_REMOVE(lane, next);
	free(lane->key);
	free(lane);
}

/* ---- waiting */

static struct timespec after(int64_t wait_ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return until;
}

/* In line until W is woken; with the mutex before and not after.  False: it gave up. */
static bool wait_in_line(struct lane *lane, struct waiter *w, int64_t wait_ms)
{
	struct timespec until = after(wait_ms);
	pthread_mutex_t *mutex = &lane->all->mutex; /* the lane may be gone once it has woken us */
	bool taken;
	int rc;

	TAILQ_INSERT_TAIL(&lane->waiting, w, next);
	(void)pthread_mutex_unlock(mutex);
	while ((rc = sem_clockwait(&w->woken, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
		;
	if (rc == 0)
		return true;
	(void)pthread_mutex_lock(mutex);
	taken = w->taken;
	if (!taken) {
		TAILQ_REMOVE(&lane->waiting, w, next);
		drop(lane);
	}
	(void)pthread_mutex_unlock(mutex);
	/* Somebody is at it: it would be wrong to go now. */
	while (taken && sem_wait(&w->woken) != 0)
		;
	return taken;
}

static enum lane_turn wait_for(struct lanes *all, const char *key, void *item, int64_t wait_ms,
			       struct lane **ret)
{
	struct waiter w = {.item = item};
	enum lane_turn turn = LANE_OURS;
	struct lane *lane;

	(void)pthread_mutex_lock(&all->mutex);
	lane = find(all, key);
	lane->users++;
	if (!lane->taken) {
		lane->taken = true;
		(void)pthread_mutex_unlock(&all->mutex);
	} else {
		(void)sem_init(&w.woken, 0, 0);
		if (!wait_in_line(lane, &w, wait_ms))
			turn = LANE_LATE;
		else if (w.done)
			turn = LANE_DONE;
		(void)sem_destroy(&w.woken);
	}
	*ret = lane;
	return turn;
}

bool lane_take(struct lanes *all, const char *key, int64_t wait_ms, struct lane **ret)
{
	return wait_for(all, key, NULL, wait_ms, ret) == LANE_OURS;
}

enum lane_turn lane_gather(struct lanes *all, const char *key, void *item, int64_t wait_ms,
			   struct lane **ret, struct lane_group *group)
{
	enum lane_turn turn = wait_for(all, key, item, wait_ms, ret);
	struct waiter *w, *behind;

	if (turn != LANE_OURS)
		return turn;
	*group = (struct lane_group){.items = {item}, .n = 1};
	(void)pthread_mutex_lock(&all->mutex);
	for (w = TAILQ_FIRST(&(*ret)->waiting); w != NULL && group->n < LANE_GROUP_MAX;
	     w = behind) {
		behind = TAILQ_NEXT(w, next);
		if (w->item == NULL)
			continue;
		TAILQ_REMOVE(&(*ret)->waiting, w, next);
		drop(*ret);
		w->taken = true;
		w->asleep = group->asleep;
		group->asleep = w;
		group->items[group->n++] = w->item;
	}
	(void)pthread_mutex_unlock(&all->mutex);
	return LANE_OURS;
}

void lane_leave(struct lane *lane)
{
	pthread_mutex_t *mutex = &lane->all->mutex;
	struct waiter *first;

	(void)pthread_mutex_lock(mutex);
	first = TAILQ_FIRST(&lane->waiting);
	lane->taken = first != NULL;
	if (first != NULL) {
		first->taken = true;
		TAILQ_REMOVE(&lane->waiting, first, next);
	}
	drop(lane);
	(void)pthread_mutex_unlock(mutex);
	/* Without the mutex, which he would have to wait for. */
	if (first != NULL)
		(void)sem_post(&first->woken);
}

void lane_wake(struct lane_group *group)
{
	struct waiter *w, *behind;

	for (w = group->asleep; w != NULL; w = behind) {
		behind = w->asleep;
		w->done = true;
		/* Gone as soon as it is woken. */
		(void)sem_post(&w->woken);
	}
	group->asleep = NULL;
}
