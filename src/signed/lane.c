#include "signed/lane.h"

#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include "base/mem.h"

struct lane {
	LIST_ENTRY(lane) next;
	struct lanes *all;
	char *key;
	size_t users;	/* who has it, waits for it, or for the end of a joint */
	size_t waiting; /* for it */
	bool taken;
	pthread_cond_t free;  /* one of the waiting may take it */
	pthread_cond_t ended; /* a joint is over */
	struct joint *joint;  /* open, or NULL */
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
	pthread_condattr_t monotonic;
	struct lane *lane;

	LIST_FOREACH(lane, &all->list, next)
	{
		if (strcmp(lane->key, key) == 0)
			return lane;
	}
	lane = mem_alloc(sizeof(*lane));
	lane->all = all;
	lane->key = mem_strdup(key);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&lane->free, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)pthread_cond_init(&lane->ended, NULL);
	LIST_INSERT_HEAD(&all->list, lane, next);
	return lane;
}

/* With the mutex: one user less. */
static void drop(struct lane *lane)
{
	if (--lane->users > 0)
		return;
	LIST_REMOVE(lane, next);
	(void)pthread_cond_destroy(&lane->free);
	(void)pthread_cond_destroy(&lane->ended);
	free(lane->key);
	free(lane);
}

bool lane_take(struct lanes *all, const char *key, int64_t wait_ms, struct lane **ret)
{
	struct timespec until;
	struct lane *lane;
	int rc = 0;
	bool mine;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&all->mutex);
	lane = find(all, key);
	lane->users++;
	lane->waiting++;
	/* What is free is taken even by who came late: an open joint relies on it. */
	while (lane->taken && rc == 0)
		rc = pthread_cond_timedwait(&lane->free, &all->mutex, &until);
	lane->waiting--;
	mine = !lane->taken;
	if (mine) {
		lane->taken = true;
		*ret = lane;
	} else {
		drop(lane);
	}
	(void)pthread_mutex_unlock(&all->mutex);
	return mine;
}

static void pass_on(struct lane *lane)
{
	lane->taken = false;
	(void)pthread_cond_signal(&lane->free);
}

void lane_leave(struct lane *lane)
{
	pthread_mutex_t *mutex = &lane->all->mutex;

	(void)pthread_mutex_lock(mutex);
	pass_on(lane);
	drop(lane);
	(void)pthread_mutex_unlock(mutex);
}

/* ---- by who has the turn */

struct link *lane_link(const struct lane *lane)
{
	return lane->joint != NULL ? lane->joint->link : NULL;
}

struct joint *lane_join(struct lane *lane, struct link *link)
{
	if (lane->joint == NULL) {
		lane->joint = mem_alloc(sizeof(*lane->joint));
		lane->joint->link = link;
	}
	lane->joint->n++;
	(void)pthread_mutex_lock(&lane->all->mutex);
	lane->joint->users++;
	(void)pthread_mutex_unlock(&lane->all->mutex);
	return lane->joint;
}

bool lane_hand_over(struct lane *lane, struct joint *joint)
{
	pthread_mutex_t *mutex = &lane->all->mutex;
	bool wanted;

	(void)pthread_mutex_lock(mutex);
	wanted = lane->waiting > 0;
	if (wanted)
		pass_on(lane);
	while (wanted && !joint->over)
		(void)pthread_cond_wait(&lane->ended, mutex);
	(void)pthread_mutex_unlock(mutex);
	return wanted;
}

void lane_close(struct lane *lane, const struct fault *fault, bool lost)
{
	struct joint *joint = lane->joint;

	(void)pthread_mutex_lock(&lane->all->mutex);
	lane->joint = NULL;
	joint->fault = *fault;
	joint->lost = lost;
	joint->over = true;
	(void)pthread_cond_broadcast(&lane->ended);
	(void)pthread_mutex_unlock(&lane->all->mutex);
}

void lane_part(struct lane *lane, struct joint *joint, bool held)
{
	pthread_mutex_t *mutex = &lane->all->mutex;

	(void)pthread_mutex_lock(mutex);
	if (--joint->users == 0)
		free(joint);
	if (held)
		pass_on(lane);
	drop(lane);
	(void)pthread_mutex_unlock(mutex);
}
