/*
 * type=uploadlog: what became of an account's file imports, for clients that ask until there is a
 * row.  Source: contracts/signed-api.md 3.7.
 */
#include "views/signed.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ROWS_MAX 100
#define BATCH	 500   /* tasks a pass looks at */
#define LOOK_MAX 20000 /* tasks looked at in all: an account's youngest */

/* "param", all optional. */
struct wanted {
	int64_t since_ms;
	const char *filename; /* NULL = any */
	const char *state;    /* of a task; NULL = any */
};

struct search {
	const struct signed_call *s;
	const struct wanted *wanted;
	int64_t before;	    /* task ids */
	size_t n_seen;	    /* in the last batch */
	json_object *batch; /* owned */
	json_object *found; /* owned: tasks, the youngest id first */
};

bool uploadlog_named(const char *type)
{
	return type != NULL && (strcmp(type, "uploadlog") == 0 || strcmp(type, "506") == 0);
}

bool uploadlog_asked(const struct signed_call *s)
{
	return uploadlog_named(s->type) && signed_field(s, "ds") == NULL;
}

/* "uptime" is a number or its text. */
static bool read_time(json_object *param, int64_t *ret_ms)
{
	json_object *v = json_get(param, "uptime");
	int64_t s = 0;

	if (v != NULL &&
	    (json_object_is_type(v, json_type_array) || json_object_is_type(v, json_type_object)))
		return false;
	if (v != NULL && *json_object_get_string(v) != '\0') {
		/* Fractions of a second are what some clocks tell: cut. */
		CLEAN_FREE char *text = mem_strdup(json_object_get_string(v));

		text[strcspn(text, ".")] = '\0';
		if (!text_int(text, 0, INT64_MAX / 1000, &s))
			return false;
	}
	*ret_ms = s * 1000;
	return true;
}

static bool read_wanted(struct signed_call *s, json_object **ret_param, struct wanted *w)
{
	static const char *const states[][2] = {
	    {"success", "done"}, {"error", "failed"}, {"all", NULL}};
	const char *text = signed_field(s, "param"), *state;

	*w = (struct wanted){.state = "done"};
	if (text == NULL || *text == '\0')
		return true;
	if (json_read(text, strlen(text), &json_limits_form, ret_param) != ERR_OK ||
	    !json_object_is_type(*ret_param, json_type_object))
		return refuse(&s->refusal, REFUSE_BAD, "param is no JSON object");
	if (!read_time(*ret_param, &w->since_ms))
		return refuse(&s->refusal, REFUSE_BAD, "param: uptime");
	w->filename = json_str(*ret_param, "filename", NULL);
	if (w->filename != NULL && *w->filename == '\0')
		w->filename = NULL;
	state = json_str(*ret_param, "state", "success");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(state, states[i][0]) == 0) {
			w->state = states[i][1];
			return true;
		}
	}
	return refuse(&s->refusal, REFUSE_BAD, "param: state");
}

static bool is_wanted(const struct wanted *w, const json_object *task)
{
	const char *state = json_str(task, "state", "");
	bool ended = strcmp(state, "done") == 0 || strcmp(state, "failed") == 0;

	return ended && strcmp(json_str(task, "kind", ""), "import-table") == 0 &&
	       json_int(task, "ended", 0) >= w->since_ms &&
	       (w->state == NULL || strcmp(state, w->state) == 0) &&
	       (w->filename == NULL || strcmp(json_str(task, "filename", ""), w->filename) == 0);
}

static enum err batch_pass(struct pass *p, void *arg)
{
	struct search *f = arg;

	json_object_put(f->batch);
	f->batch = NULL;
	return tasks_signed(p, NULL, f->s->visitor, f->before, BATCH, &f->batch);
}

/* The youngest that are wanted, in batches, a pass each. */
static enum err find(struct search *f)
{
	size_t seen = 0;
	enum err err;

	do {
		json_object *task;

		err = store_pass(f->s->call->ctx->store, PASS_READ, "uploadlog", batch_pass, f,
				 &f->s->call->error);
		f->n_seen = json_len(f->batch);
		seen += f->n_seen;
		JSON_EACH(task, f->batch)
		{
			f->before = json_int(task, "id", 0);
			if (is_wanted(f->wanted, task) && json_len(f->found) < ROWS_MAX)
				json_object_array_add(f->found, json_object_get(task));
		}
	} while (err == ERR_OK && f->n_seen == BATCH && seen < LOOK_MAX &&
		 json_len(f->found) < ROWS_MAX);
	return err;
}

static int youngest_first(const void *a, const void *b)
{
	int64_t x = json_int(*(json_object *const *)a, "ended", 0);
	int64_t y = json_int(*(json_object *const *)b, "ended", 0);

	return x < y ? 1 : x > y ? -1 : 0;
}

static void add(json_object *row, json_object *cell)
{
	json_object_array_add(row, cell);
}

static json_object *row_of(const json_object *task)
{
	json_object *row = json_object_new_array();
	const json_object *rows = json_obj(task, "rows");
	int64_t n = json_int(rows, "inserted", 0) + json_int(rows, "updated", 0) +
		    json_int(rows, "deleted", 0);
	bool good = strcmp(json_str(task, "state", ""), "done") == 0;

	add(row, json_object_new_int64(json_int(task, "id", 0)));
	add(row, json_object_new_string(json_str(task, "receiver", "")));
	add(row, json_object_new_string(json_str(task, "filename", "")));
	add(row, json_object_new_string(good ? "success" : "error"));
	add(row, json_object_new_int64(n));
	add(row, json_object_new_string(json_str(task, "message", "")));
	add(row, json_object_new_int64(json_int(task, "started", 0) / 1000));
	add(row, json_object_new_int64(json_int(task, "ended", 0) / 1000));
	return row;
}

static char *print(json_object *tasks)
{
	static const char *const heads[] = {"id",   "type",    "filename", "state",
					    "rows", "message", "started",  "finished"};
	CLEAN_JSON json_object *o = json_object_new_object();
	json_object *data = json_object_new_array(), *head = json_object_new_array(), *task;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		add(head, json_object_new_string(heads[i]));
	add(data, head);
	json_object_array_sort(tasks, youngest_first);
	JSON_EACH(task, tasks)
	add(data, row_of(task));
	json_set_str(o, "result", "success");
	json_set(o, "data", data);
	json_set_int(o, "maxpg", 1);
	json_set_int(o, "pg", 1);
	return json_print(o, NULL);
}

bool uploadlog_answer(struct signed_call *s)
{
	CLEAN_JSON json_object *param = NULL;
	CLEAN_JSON json_object *found = json_object_new_array();
	CLEAN_FREE char *text = NULL;
	struct wanted wanted;
	struct search f = {.s = s, .wanted = &wanted, .found = found};
	enum err err;

	if (!read_wanted(s, &param, &wanted))
		return false;
	err = find(&f);
	json_object_put(f.batch);
	if (err != ERR_OK)
		return signed_err(s, err);
	text = print(found);
	signed_answer_json(s, text);
	return true;
}
