/*
 * The connections of one process: taken for one write, kept for the next.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/config_target.h"
#include "base/mem.h"
#include "signed/lane.h"
#include "signed/link.h"

#define IDLE	16   /* connections kept while nobody uses them */
#define IDLE_MS 1000 /* so long, those to a server: others may be waiting for their places */
#define FULL_MS 3000 /* it keeps a thread, and is enough for other processes to give up theirs */
#define LOOK_MS 100

struct targets {
	const struct config *config;
	pthread_mutex_t mutex;	 /* guards what follows */
	struct link *idle[IDLE]; /* the one given back last stands last */
	size_t n_idle;
	pthread_cond_t changed; /* what the closer waits for */
	pthread_t closer;	/* of connections to servers */
	bool has_closer, asleep, ending;
	struct lanes *lanes, *gatherings;
};

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		free(table->columns[i].name);
		free(table->columns[i].sql_type);
	}
	free(table->columns);
	free(table->name);
	*table = (struct table){0};
}

void table_copy(struct table *to, const struct table *from)
{
	*to = (struct table){.name = mem_strdup(from->name),
			     .columns = mem_array(from->n, sizeof(to->columns[0])),
			     .n = from->n,
			     .bulk = from->bulk,
			     .view = from->view};
	for (size_t i = 0; i < from->n; i++) {
		to->columns[i] = from->columns[i];
		to->columns[i].name = mem_strdup(from->columns[i].name);
		to->columns[i].sql_type = mem_strdup(from->columns[i].sql_type);
	}
}

struct targets *targets_open(const struct config *config)
{
	struct targets *t = mem_alloc(sizeof(*t));

	t->config = config;
	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_cond_init(&t->changed, NULL);
	t->lanes = lanes_new();
	t->gatherings = lanes_new();
	return t;
}

static void close_link(struct link *link)
{
	char *key = link->key;

	link->kind->close(link);
	free(key);
}

void targets_close(struct targets *t)
{
	if (t == NULL)
		return;
	if (t->has_closer) {
		(void)pthread_mutex_lock(&t->mutex);
		t->ending = true;
		(void)pthread_cond_signal(&t->changed);
		(void)pthread_mutex_unlock(&t->mutex);
		(void)pthread_join(t->closer, NULL);
	}
	for (size_t i = 0; i < t->n_idle; i++)
		close_link(t->idle[i]);
	(void)pthread_cond_destroy(&t->changed);
	(void)pthread_mutex_destroy(&t->mutex);
	lanes_free(t->lanes);
	lanes_free(t->gatherings);
	free(t);
}

/* ---- idle ones */

/* With the mutex. */
static struct link *take_at(struct targets *t, size_t i)
{
	struct link *link = t->idle[i];

	memmove(&t->idle[i], &t->idle[i + 1], (--t->n_idle - i) * sizeof(t->idle[0]));
	return link;
}

/* With the mutex: a link to a server idle since UNTIL_MS; or NULL, and since when the first is. */
static struct link *take_old(struct targets *t, int64_t until_ms, int64_t *ret_next_ms)
{
	*ret_next_ms = INT64_MAX;
	for (size_t i = 0; i < t->n_idle; i++) {
		const struct link *link = t->idle[i];

		if (link->kind != &pg_link_kind)
			continue;
		if (link->idle_ms <= until_ms)
			return take_at(t, i);
		if (link->idle_ms < *ret_next_ms)
			*ret_next_ms = link->idle_ms;
	}
	return NULL;
}

static void *close_old(void *arg)
{
	struct targets *t = arg;

	(void)pthread_mutex_lock(&t->mutex);
	while (!t->ending) {
		int64_t next;
		struct link *link = take_old(t, clock_mono_ms() - IDLE_MS, &next);
		struct timespec at = {0};

		if (link != NULL) {
			(void)pthread_mutex_unlock(&t->mutex);
			close_link(link);
			(void)pthread_mutex_lock(&t->mutex);
		} else if (next == INT64_MAX) {
			t->asleep = true;
			(void)pthread_cond_wait(&t->changed, &t->mutex);
			t->asleep = false;
		} else {
			at.tv_sec = (time_t)((next + IDLE_MS) / 1000 + 1);
			(void)pthread_cond_clockwait(&t->changed, &t->mutex, CLOCK_MONOTONIC, &at);
		}
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* With the mutex.  False: there is nobody who would close LINK. */
static bool is_watched(struct targets *t, const struct link *link)
{
	sigset_t all, before;

	if (link->kind != &pg_link_kind)
		return true;
	if (!t->has_closer) {
		/* Signals are for the threads that wait for them. */
		(void)sigfillset(&all);
		(void)pthread_sigmask(SIG_SETMASK, &all, &before);
		t->has_closer = pthread_create(&t->closer, NULL, close_old, t) == 0;
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (t->asleep)
		(void)pthread_cond_signal(&t->changed);
	return t->has_closer;
}

/* The server has no place for another one: ours to other databases may be in the way. */
static void close_idle(struct targets *t)
{
	int64_t ignored;
	struct link *link;

	do {
		(void)pthread_mutex_lock(&t->mutex);
		link = take_old(t, INT64_MAX, &ignored);
		(void)pthread_mutex_unlock(&t->mutex);
		if (link != NULL)
			close_link(link);
	} while (link != NULL);
}

/* The idle link to KEY that was used last, NULL when there is none. */
static struct link *take_idle(struct targets *t, const char *key)
{
	struct link *link = NULL;

	(void)pthread_mutex_lock(&t->mutex);
	for (size_t i = t->n_idle; i-- > 0 && link == NULL;)
		if (strcmp(t->idle[i]->key, key) == 0)
			link = take_at(t, i);
	(void)pthread_mutex_unlock(&t->mutex);
	return link;
}

static struct link *take_alive(struct targets *t, const char *key)
{
	struct link *link;

	while ((link = take_idle(t, key)) != NULL && !link->kind->alive(link))
		close_link(link);
	return link;
}

bool targets_take(struct targets *t, const struct receiver *receiver, struct link **ret,
		  struct refusal *r)
{
	bool embedded = strcmp(receiver->target, "default") == 0;
	const struct link_kind *kind = embedded ? &sqlite_link_kind : &pg_link_kind;
	CLEAN_FREE char *key =
	    embedded ? targets_file(t->config, receiver) : mem_strdup(receiver->target);
	int64_t until = clock_mono_ms() + FULL_MS;
	struct link *link;

	while ((link = take_alive(t, key)) == NULL) {
		struct fault fault = {0};

		if (kind->open(t->config, receiver, key, &link, &fault)) {
			link->key = key;
			key = NULL;
			break;
		}
		if (!fault.full || clock_mono_ms() >= until)
			return fault_refuse(&fault, "opening", r);
		close_idle(t);
		clock_sleep_ms(LOOK_MS);
	}
	*ret = link;
	return true;
}

struct lanes *targets_lanes(struct targets *t)
{
	return t->lanes;
}

struct lanes *targets_gatherings(struct targets *t)
{
	return t->gatherings;
}

void targets_give(struct targets *t, struct link *link)
{
	struct link *oldest = NULL;
	bool kept;

	if (link == NULL)
		return;
	if (link->broken || !link->kind->clean(link)) {
		close_link(link);
		return;
	}
	link->idle_ms = clock_mono_ms();
	(void)pthread_mutex_lock(&t->mutex);
	kept = is_watched(t, link);
	if (kept && t->n_idle == IDLE)
		oldest = take_at(t, 0);
	else if (!kept)
		oldest = link;
	if (kept)
		t->idle[t->n_idle++] = link;
	(void)pthread_mutex_unlock(&t->mutex);
	if (oldest != NULL)
		close_link(oldest);
}
