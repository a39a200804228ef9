/*
 * The connections of one process: taken for one write, kept for the next.
 */
#include <pthread.h>
#include <string.h>
#include "base/config_target.h"
#include "base/mem.h"
#include "signed/lane.h"
#include "signed/link.h"

#define IDLE 16 /* connections kept while nobody uses them */

struct targets {
	const struct config *config;
	pthread_mutex_t mutex;	 /* guards what follows */
	struct link *idle[IDLE]; /* the one given back last stands last */
	size_t n_idle;
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
	for (size_t i = 0; i < t->n_idle; i++)
		close_link(t->idle[i]);
	(void)pthread_mutex_destroy(&t->mutex);
	lanes_free(t->lanes);
	lanes_free(t->gatherings);
	free(t);
}

/* The idle link to KEY that was used last, NULL when there is none. */
static struct link *take_idle(struct targets *t, const char *key)
{
	struct link *link = NULL;

	(void)pthread_mutex_lock(&t->mutex);
	for (size_t i = t->n_idle; i-- > 0 && link == NULL;) {
		if (strcmp(t->idle[i]->key, key) != 0)
			continue;
		link = t->idle[i];
		memmove(&t->idle[i], &t->idle[i + 1], (--t->n_idle - i) * sizeof(t->idle[0]));
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return link;
}

bool targets_take(struct targets *t, const struct receiver *receiver, struct link **ret,
		  struct refusal *r)
{
	bool embedded = strcmp(receiver->target, "default") == 0;
	const struct link_kind *kind = embedded ? &sqlite_link_kind : &pg_link_kind;
	CLEAN_FREE char *key =
	    embedded ? targets_file(t->config, receiver) : mem_strdup(receiver->target);
	struct fault fault = {0};
	struct link *link;

	while ((link = take_idle(t, key)) != NULL) {
		if (link->kind->alive(link)) {
			*ret = link;
			return true;
		}
		close_link(link);
	}
	if (!kind->open(t->config, receiver, key, &link, &fault))
		return fault_refuse(&fault, "opening", r);
	link->key = key;
	key = NULL;
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

	if (link == NULL)
		return;
	if (link->broken || !link->kind->clean(link)) {
		close_link(link);
		return;
	}
	(void)pthread_mutex_lock(&t->mutex);
	if (t->n_idle == IDLE) {
		oldest = t->idle[0];
		memmove(&t->idle[0], &t->idle[1], --t->n_idle * sizeof(t->idle[0]));
	}
	t->idle[t->n_idle++] = link;
	(void)pthread_mutex_unlock(&t->mutex);
	if (oldest != NULL)
		close_link(oldest);
}
