#include "http/turns.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define LOOKER_STACK ((size_t)64 << 10)

enum turn_state {
	TURN_NONE,	/* had none so far */
	TURN_WAITS,	/* for a connection */
	TURN_NEW,	/* in a request nobody has looked at */
	TURN_SEEN,	/* in one that was there at the last look */
	TURN_PASSED_ON, /* in one, without the turn */
};

struct turn {
	struct turns *turns;
	_Atomic enum turn_state state;
};

struct turns {
	sem_t free;	  /* turns nobody has */
	atomic_int spare; /* turns there are beyond those at once */
	size_t n;
	struct turn *threads; /* of N */
	atomic_size_t joined; /* of them */
	bool looked_at;	      /* there is a looker; else every thread has its turn */
	pthread_t looker;
	int timer;	    /* wakes it */
	atomic_bool timing; /* it will */
	atomic_bool ended;
};

/* A look is due, in NS nanoseconds. */
static void set_timer(struct turns *t, long ns)
{
	struct itimerspec when = {.it_value = {.tv_nsec = ns}};

	(void)timerfd_settime(t->timer, 0, &when, NULL);
}

static void time_look(struct turns *t)
{
	if (!atomic_load(&t->timing) && !atomic_exchange(&t->timing, true))
		set_timer(t, TURNS_LOOK_MS * 1000000L);
}

/* One turn less, if there are more than there should be. */
static bool drop_spare(struct turns *t)
{
	int n = atomic_load(&t->spare);

	while (n > 0)
		if (atomic_compare_exchange_weak(&t->spare, &n, n - 1))
			return true;
	return false;
}

static void give_away(struct turns *t)
{
	if (!drop_spare(t))
		(void)sem_post(&t->free);
}

/* Is the thread in a request, in its turn, after this look too? */
static bool look_at(struct turn *turn)
{
	enum turn_state state = TURN_NEW;

	if (atomic_compare_exchange_strong(&turn->state, &state, TURN_SEEN))
		return true;
	if (state == TURN_SEEN &&
	    atomic_compare_exchange_strong(&turn->state, &state, TURN_PASSED_ON))
		give_away(turn->turns);
	return false;
}

/* Requests that begin while it looks either find no timer and set it, or are seen. */
static void *look(void *arg)
{
	struct turns *t = arg;
	uint64_t times;

	while (!atomic_load(&t->ended)) {
		bool again = false;

		if (read(t->timer, &times, sizeof(times)) < 0)
			continue; /* a signal */
		atomic_store(&t->timing, false);
		for (size_t i = 0; i < t->n; i++)
			again = look_at(&t->threads[i]) || again;
		if (again)
			time_look(t);
	}
	return NULL;
}

static bool start_looker(struct turns *t)
{
	pthread_attr_t attr;
	int rc = -1;

	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (t->timer >= 0) {
		(void)pthread_attr_init(&attr);
		(void)pthread_attr_setstacksize(&attr, LOOKER_STACK);
		rc = pthread_create(&t->looker, &attr, look, t);
		(void)pthread_attr_destroy(&attr);
	}
	if (rc == 0)
		return true;
	log_line(LOG_LEVEL_WARN, NULL, "threads cannot take turns: all of them wait");
	if (t->timer >= 0)
		(void)close(t->timer);
	return false;
}

struct turns *turns_new(size_t n_threads, size_t at_once)
{
	struct turns *t = mem_alloc(sizeof(*t));

	t->n = n_threads;
	t->threads = mem_array(n_threads, sizeof(*t->threads));
	for (size_t i = 0; i < n_threads; i++)
		t->threads[i].turns = t;
	t->looked_at = at_once < n_threads && start_looker(t);
	(void)sem_init(&t->free, 0, (unsigned)(t->looked_at ? at_once : n_threads));
	return t;
}

void turns_free(struct turns *t)
{
	if (t == NULL)
		return;
	if (t->looked_at) {
		atomic_store(&t->ended, true);
		set_timer(t, 1);
		(void)pthread_join(t->looker, NULL);
		(void)close(t->timer);
	}
	(void)sem_destroy(&t->free);
	free(t->threads);
	free(t);
}

struct turn *turns_join(struct turns *t)
{
	return &t->threads[atomic_fetch_add(&t->joined, 1)];
}

void turns_take(struct turn *turn)
{
	struct turns *t = turn->turns;
	enum turn_state was = atomic_exchange(&turn->state, TURN_WAITS);

	if (was == TURN_PASSED_ON) {
		(void)atomic_fetch_add(&t->spare, 1);
		return;
	}
	if (was != TURN_NONE && !drop_spare(t))
		return;
	while (sem_wait(&t->free) != 0 && errno == EINTR)
		;
}

void turns_begin(struct turn *turn)
{
	if (!turn->turns->looked_at)
		return;
	atomic_store(&turn->state, TURN_NEW);
	time_look(turn->turns);
}

void turns_pass_on(struct turn *turn)
{
	if (turn->turns->looked_at &&
	    atomic_exchange(&turn->state, TURN_PASSED_ON) != TURN_PASSED_ON)
		give_away(turn->turns);
}
