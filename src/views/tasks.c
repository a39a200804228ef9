/*
 * Writes of the signed APIs as their owner sees them: list, one with its bad rows, the rows as a
 * report.  Administrators see all.
 * Source: contracts/signed-api.md 8.
 */
#include <string.h>
#include "views/wizard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define PAGE 50

struct ask {
	const char *owner; /* NULL = all */
	int64_t before;	   /* only older ones, 0 = all */
	int64_t id;
	json_object *found;
};

static enum err list_pass(struct pass *p, void *arg)
{
	struct ask *a = arg;

	json_object_put(a->found);
	a->found = NULL;
	return tasks_signed(p, a->owner, NULL, a->before, PAGE + 1, &a->found);
}

static enum err one_pass(struct pass *p, void *arg)
{
	struct ask *a = arg;

	json_object_put(a->found);
	a->found = NULL;
	return tasks_get(p, a->id, &a->found);
}

/* ---- what is shown */

static void set_time(json_object *o, const char *key, int64_t ms)
{
	char iso[32];

	clock_iso(ms, iso);
	json_set_str(o, key, ms > 0 ? iso : NULL);
}

/* The contract's words for the queue's. */
static const char *state_of(const json_object *task)
{
	const char *state = json_str(task, "state", "");

	return strcmp(state, "done") == 0	? "success"
	       : strcmp(state, "canceled") == 0 ? "failed"
						: state;
}

static json_object *shown(const json_object *task)
{
	static const char *const texts[] = {"kind",	"account", "receiver",
					    "filename", "message", "address"};
	static const char *const counts[] = {"inserted", "updated", "deleted", "bad"};
	const char *owner = json_str(task, "owner", "");
	json_object *o = json_object_new_object(), *rows = json_object_new_object();
	json_object *upload = json_at(json_arr(task, "uploads"), 0);

	json_set_int(o, "id", json_int(task, "id", 0));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		json_set_str(o, texts[i], json_str(task, texts[i], NULL));
	json_set_str(o, "user", strncmp(owner, "u:", 2) == 0 ? owner + 2 : owner);
	json_set_str(o, "upload", upload == NULL ? NULL : json_object_get_string(upload));
	json_set_str(o, "state", state_of(task));
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		json_set_int(rows, counts[i], json_int(json_obj(task, "rows"), counts[i], 0));
	json_set(o, "rows", rows);
	set_time(o, "created", json_int(task, "queued", 0));
	set_time(o, "started", json_int(task, "started", 0));
	set_time(o, "finished", json_int(task, "ended", 0));
	return o;
}

static enum err answer(struct call *call, const char *template_name, json_object *m)
{
	json_set_bool(m, "success", true);
	return call_answer(call, 200, template_name, m);
}

/* ---- the list */

enum err tasks_view(struct call *call)
{
	struct ask a = {.owner = call->who.admin ? NULL : call->who.owner};
	const char *before = req_query(call->req, "before");
	json_object *m = json_object_new_object(), *list = json_object_new_array(), *task = NULL;
	int64_t last = 0;
	size_t n = 0;

	if (before != NULL && !text_int(before, 1, INT64_MAX, &a.before))
		a.before = 0;
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "tasks", list_pass, &a, &call->error);
	JSON_EACH(task, a.found)
	{
		if (n++ == PAGE)
			break;
		last = json_int(task, "id", 0);
		json_object_array_add(list, shown(task));
	}
	json_set(m, "tasks", list);
	json_set_int(m, "older", n > PAGE ? last : 0);
	json_object_put(a.found);
	if (err == ERR_OK)
		return answer(call, "tasks", m);
	json_object_put(m);
	return err;
}

/* ---- one */

static bool is_signed(const json_object *task)
{
	const char *kind = json_str(task, "kind", "");

	return strcmp(kind, "receive") == 0 || strcmp(kind, "import-table") == 0;
}

/* Somebody else's is as unknown as one that never was. */
static enum err find(struct call *call, json_object **ret)
{
	struct ask a = {.id = 0};
	const char *id = pairs_get(&call->params, "id");
	enum err err = ERR_NOT_FOUND;

	if (id != NULL && text_int(id, 1, INT64_MAX, &a.id))
		err = store_pass(call->ctx->store, PASS_READ, "task", one_pass, &a, &call->error);
	if (err == ERR_OK && is_signed(a.found) &&
	    (call->who.admin || strcmp(json_str(a.found, "owner", ""), call->who.owner) == 0)) {
		*ret = a.found;
		return ERR_OK;
	}
	json_object_put(a.found);
	return err == ERR_OK || err == ERR_NOT_FOUND
		   ? call_fail(call, ERR_NOT_FOUND, problem_new("not_found"))
		   : err;
}

enum err task_view(struct call *call)
{
	json_object *task = NULL, *m, *o;
	enum err err = find(call, &task);

	if (err != ERR_OK)
		return err;
	m = json_object_new_object();
	o = shown(task);
	json_set(o, "bad", json_copy(json_arr(task, "bad")));
	json_set(o, "warnings",
		 json_arr(task, "warnings") == NULL
		     ? json_object_new_array()
		     : problem_details(call, json_arr(task, "warnings")));
	json_set(o, "progress",
		 strcmp(json_str(task, "state", ""), "running") == 0
		     ? json_copy(json_obj(task, "progress"))
		     : NULL);
	if (json_len(json_arr(task, "bad")) > 0) {
		CLEAN_FREE char *report =
		    call_url(call, "/tasks/%lld/report", (long long)json_int(task, "id", 0));

		json_set_str(o, "report", report);
	}
	json_set(m, "task", o);
	json_object_put(task);
	return answer(call, "task", m);
}

/* The bad rows as the wizard's reports have theirs. */
static char *report_of(const json_object *task)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_object *b = NULL;

	if (f == NULL)
		mem_die();
	JSON_EACH(b, json_arr(task, "bad"))
	{
		CLEAN_JSON json_object *p = problem_new("import_bad_row");
		CLEAN_FREE char *line = NULL;

		problem_str(p, "file", json_str(task, "filename", ""));
		problem_str(p, "column", json_str(b, "column", ""));
		problem_arg(p, "text", json_str(b, "reason", ""));
		line = json_print(problem_int(p, "row", json_int(b, "row", 0)), NULL);
		(void)fprintf(f, "%s\n", line);
	}
	(void)fprintf(f, "{\"total\":%lld}\n",
		      (long long)json_int(json_obj(task, "rows"), "bad", 0));
	if (fclose(f) != 0)
		mem_die();
	return text;
}

enum err task_report_view(struct call *call)
{
	json_object *task = NULL;
	enum err err = find(call, &task);

	if (err != ERR_OK)
		return err;
	if (json_len(json_arr(task, "bad")) == 0) {
		err = call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	} else {
		CLEAN_FREE char *text = report_of(task);
		CLEAN_FREE char *name = mem_printf("task-%lld", (long long)json_int(task, "id", 0));

		err = report_print(call, text, name);
	}
	json_object_put(task);
	return err;
}
