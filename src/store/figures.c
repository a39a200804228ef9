#include "store/figures.h"

#include <string.h>

#include "base/mem.h"
#include "store/entry.h"
#include "store/tasks.h"

#define BATCH	500 /* records in one pass: some milliseconds */
#define BATCHES 400 /* more are not counted */

/* A walk through a table in passes: it goes on behind the last key. */
struct walk {
	enum table table;
	struct figures *figures;
	struct key from;       /* the next key to look at */
	size_t seen;	       /* in this pass */
	struct figures before; /* a pass may run twice */
};

static void count_state(struct figures *f, const char *state, size_t len)
{
	size_t i = 0;

	if (len == 0 || len >= sizeof(f->rows[0].state))
		return;
	while (i < f->n &&
	       (strncmp(f->rows[i].state, state, len) != 0 || f->rows[i].state[len] != '\0'))
		i++;
	if (i == FIGURES_STATES)
		return;
	if (i == f->n) {
		memcpy(f->rows[i].state, state, len);
		f->rows[i].state[len] = '\0';
		f->rows[i].n = 0;
		f->n++;
	}
	f->rows[i].n++;
}

static bool look(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct walk *w = arg;
	const char *state = key;
	json_object *record = NULL;

	if (w->table != TABLE_UPLOADS) {
		/* The state is the key's first word; other spaces begin with a byte below it. */
		size_t n = strnlen(state, key_len);

		if (key_len > 0 && *state >= 'A' && n < key_len)
			count_state(w->figures, state, n);
	} else if (json_read(value, len, &json_limits_form, &record) == ERR_OK) {
		state = json_str(record, "state", "");
		count_state(w->figures, state, strlen(state));
		json_object_put(record);
	}
	w->seen++;
	if (w->seen == BATCH && key_len < sizeof(w->from.at)) {
		memcpy(w->from.at, key, key_len);
		w->from.at[key_len] = 0; /* the smallest key behind this one */
		w->from.len = key_len + 1;
	}
	return true;
}

static enum err walk_pass(struct pass *p, void *arg)
{
	struct walk *w = arg;

	*w->figures = w->before;
	w->seen = 0;
	return record_walk(p, w->table, w->from.at, w->from.len, NULL, 0, BATCH, look, w);
}

static enum err count_all(struct store *s, enum table table, struct figures *ret,
			  struct error *error)
{
	struct walk w = {.table = table, .figures = ret};
	enum err err = ERR_OK;

	*ret = (struct figures){0};
	for (size_t i = 0; err == ERR_OK && (i == 0 || w.seen == BATCH); i++) {
		if (i == BATCHES) {
			ret->partial = true;
			break;
		}
		w.before = *ret;
		err = store_pass(s, PASS_READ, "figures", walk_pass, &w, error);
	}
	return err;
}

enum err figures_uploads(struct store *s, struct figures *ret, struct error *error)
{
	return count_all(s, TABLE_UPLOADS, ret, error);
}

enum err figures_sessions(struct store *s, struct figures *ret, struct error *error)
{
	return count_all(s, TABLE_SESSIONS_BY_STATE, ret, error);
}

/* ---- the queue */

static enum err tasks_pass(struct pass *p, void *arg)
{
	struct figures_tasks *f = arg;
	struct found found = {.max = 1};
	struct key queued = {0};
	json_object *task = NULL;
	enum err err = tasks_count(p, &f->queued, &f->running);

	f->oldest_queued_ms = 0;
	key_nul(&queued, "queued");
	if (err == ERR_OK)
		err = entry_walk(p, TABLE_TASKS_BY_STATE, &queued, 1, found_id, &found);
	if (err == ERR_OK && found.n > 0) {
		err = tasks_get(p, (int64_t)found.ids[0], &task);
		f->oldest_queued_ms = json_int(task, "queued", 0);
		json_object_put(task);
	}
	found_done(&found);
	return err;
}

enum err figures_tasks(struct store *s, struct figures_tasks *ret, struct error *error)
{
	return store_pass(s, PASS_READ, "figures", tasks_pass, ret, error);
}
