/*
 * Loading, storing and waiting: what happens to a session around a step.
 */
#include <assert.h>
#include <string.h>
#include "views/wizard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/queue.h"
#include "wizard/spill.h"

/* ---- which session */

enum id_found turn_id(const struct call *call, int64_t *ret)
{
	const char *v = form_get(&call->form, "id");
	if (v == NULL)
		v = req_query(call->req, "id");
	if (v == NULL)
		return ID_MISSING;
	return text_id(v, TURN_ID_MAX, ret) ? ID_FOUND : ID_WRONG;
}

enum err turn_of_request(struct call *call, bool lock, struct turn *ret)
{
	int64_t id = 0;
	enum id_found found = turn_id(call, &id);
	if (found != ID_FOUND)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_new(found == ID_WRONG ? "id_invalid" : "id_missing"));
	return turn_begin(call, id, lock, ret);
}

/* ---- loading and storing */

struct load {
	int64_t id;
	bool brief;
	json_object *doc;
};

static enum err load_pass(struct pass *p, void *arg)
{
	struct load *l = arg;
	json_object_put(l->doc);
	l->doc = NULL;
	enum err err =
	    l->brief ? sessions_get_brief(p, l->id, &l->doc) : sessions_get(p, l->id, &l->doc);
	return err == ERR_OK ? session_live(p, l->doc) : err;
}

enum err session_live(struct pass *p, json_object *doc)
{
	json_object *task = NULL;
	if (strcmp(json_str(doc, "state", ""), state_name(STATE_PENDING)) != 0)
		return ERR_OK;
	enum err err = tasks_get(p, json_int(json_obj(doc, "task"), "id", 0), &task);
	if (err == ERR_OK && strcmp(json_str(task, "state", ""), "running") == 0) {
		json_set_str(doc, "state", state_name(STATE_RUNNING));
		json_set(doc, "progress", json_copy(json_obj(task, "progress")));
	}
	json_object_put(task);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Whatever is wrong with it, the view finds out. */
void turn_read_ahead(struct pass *p, struct call *call)
{
	struct load l = {.id = call->ahead_id, .brief = call->ahead_brief, .doc = call->ahead};
	enum err err = load_pass(p, &l);

	if (err != ERR_OK)
		json_object_put(l.doc);
	call->ahead = err == ERR_OK ? l.doc : NULL;
}

/* The record of session ID, read now if it was not read ahead. */
static enum err load_record(struct call *call, int64_t id, bool *ret_brief, json_object **ret)
{
	struct load l = {.id = id};

	*ret_brief = false;
	if (call->ahead != NULL && call->ahead_id == id) {
		*ret_brief = call->ahead_brief;
		*ret = call->ahead;
		call->ahead = NULL;
		return ERR_OK;
	}
	enum err err =
	    store_pass(call->ctx->store, PASS_RECALL, "session", load_pass, &l, &call->error);
	*ret = l.doc;
	return err;
}

/* May the caller know of this session?  Its owner and administrators may. */
static bool may_see(const struct call *call, const json_object *doc)
{
	const char *owner = json_str(doc, "owner", "");
	return call->who.admin ||
	       (*owner != '\0' && strcmp(owner, "-") != 0 && strcmp(owner, call->who.owner) == 0);
}

static enum err load(struct call *call, int64_t id, bool *ret_brief, struct session **ret)
{
	json_object *doc = NULL;
	enum err err = load_record(call, id, ret_brief, &doc);
	if (err == ERR_OK && !may_see(call, doc))
		err = ERR_NOT_FOUND;
	if (err == ERR_OK && json_get(doc, "gone") != NULL)
		err = ERR_GONE;
	if (err != ERR_OK) {
		json_object_put(doc);
		call->error =
		    err == ERR_NOT_FOUND || err == ERR_GONE ? (struct error){0} : call->error;
		return err == ERR_NOT_FOUND ? call_fail(call, err, problem_new("not_found"))
		       : err == ERR_GONE    ? call_fail(call, err, problem_new("session_expired"))
					    : err;
	}
	err = session_from_json(doc, ret);
	if (err != ERR_OK)
		return error_set(&call->error, err, "session %lld: unreadable record",
				 (long long)id);
	if ((*ret)->expires <= clock_now_ms() && (*ret)->state != STATE_PROCESSED) {
		session_free(*ret);
		*ret = NULL;
		return call_fail(call, ERR_GONE, problem_new("session_expired"));
	}
	return spill_load(call->ctx->config, *ret, &call->error);
}

static enum err take_lock(struct turn *t, int64_t id)
{
	struct call *call = t->call;
	enum err err = session_lock(call->ctx->store, id, (int)call->ctx->config->store_wait_ms,
				    &t->lock, &call->error);
	if (err != ERR_OK)
		return err;
	/* What was read before the lock was there may be old. */
	json_object_put(call->ahead);
	call->ahead = NULL;
	return ERR_OK;
}

enum err turn_begin(struct call *call, int64_t id, bool lock, struct turn *ret)
{
	*ret = (struct turn){.call = call, .lock = {.fd = -1}};
	enum err err = lock ? take_lock(ret, id) : ERR_OK;
	if (err != ERR_OK)
		return err;
	err = load(call, id, &ret->brief, &ret->s);
	if (err != ERR_OK) {
		turn_end(ret);
		return err;
	}
	ret->rev = ret->s->rev;
	return ERR_OK;
}

bool turn_may_write(const struct turn *t)
{
	return !t->call->ctx->config->read_only && !t->call->who.read_only;
}

void turn_unlock(struct turn *t)
{
	session_unlock(&t->lock);
}

void turn_end(struct turn *t)
{
	session_unlock(&t->lock);
	session_free(t->s);
	json_object_put(t->fields);
	json_object_put(t->problems);
	json_object_put(t->warnings);
	*t = (struct turn){.lock = {.fd = -1}};
}

enum err turn_reload(struct turn *t)
{
	struct session *fresh = NULL;
	enum err err = load(t->call, t->s->id, &t->brief, &fresh);
	if (err != ERR_OK)
		return err;
	session_free(t->s);
	t->s = fresh;
	t->rev = fresh->rev;
	return ERR_OK;
}

enum err turn_lock(struct turn *t)
{
	enum err err = take_lock(t, t->s->id);
	return err == ERR_OK ? turn_reload(t) : err;
}

struct save {
	json_object *record;
	json_object *task;
	int64_t rev;
	const char *user;
	const char *crs; /* NULL = nothing to remember */
};

/* Suggested first when one of USER's files says nothing (wizard.md 10.3). */
static enum err remember_crs(struct pass *p, const char *user, const char *crs)
{
	json_object *record = NULL;
	enum err err = users_get(p, user, &record);
	if (err == ERR_OK && strcmp(json_str(record, "last_crs", ""), crs) != 0)
		err = users_put(p, json_set_str(record, "last_crs", crs));
	json_object_put(record);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err store_session_pass(struct pass *p, void *arg)
{
	struct save *save = arg;
	enum err err = queue_put(p, save->record, save->rev, save->task);
	return err == ERR_OK && save->crs != NULL ? remember_crs(p, save->user, save->crs) : err;
}

struct recall {
	const char *user;
	json_object *record;
};

static enum err recall_pass(struct pass *p, void *arg)
{
	struct recall *r = arg;
	json_object_put(r->record);
	r->record = NULL;
	return users_get(p, r->user, &r->record);
}

void turn_recall_crs(struct call *call, struct session *s)
{
	struct recall r = {.user = call->who.name};
	/* A suggestion is no reason for a save to fail. */
	if (*r.user != '\0' &&
	    store_pass(call->ctx->store, PASS_READ, "last CRS", recall_pass, &r, NULL) == ERR_OK &&
	    json_get(r.record, "last_crs") != NULL)
		json_set_str(s->doc, "last_crs", json_str(r.record, "last_crs", ""));
	json_object_put(r.record);
}

enum err turn_store(struct turn *t, json_object *task, bool bump)
{
	struct call *call = t->call;
	int64_t now = clock_now_ms();

	assert(!t->brief);
	if (bump)
		t->s->rev++;
	t->s->expires = now + call->ctx->config->session_expiry_hours * 3600 * 1000;
	struct save save = {.record = spill_record(t->s, now),
			    .task = task,
			    .rev = t->rev,
			    .user = call->who.name,
			    .crs = *call->who.name != '\0' ? t->last_crs : NULL};
	enum err err = store_pass(call->ctx->store, PASS_SYNC, "session", store_session_pass, &save,
				  &call->error);
	if (err == ERR_OK) {
		json_object *ref = json_get(save.record, "task");
		if (ref != NULL)
			json_set(t->s->doc, "task", json_object_get(ref));
		t->rev = t->s->rev;
		if (task != NULL)
			call_wake_worker(call);
	} else if (err == ERR_CONFLICT) {
		(void)call_fail(call, err, problem_new("stale_page"));
	}
	json_object_put(save.record);
	json_object_put(task);
	return err;
}

/* ---- the session's task */

struct task_find {
	int64_t id;
	json_object *task;
};

static enum err task_pass(struct pass *p, void *arg)
{
	struct task_find *f = arg;
	json_object_put(f->task);
	f->task = NULL;
	enum err err = tasks_get(p, f->id, &f->task);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

json_object *turn_task(struct turn *t)
{
	struct task_find f = {.id = json_int(json_obj(t->s->doc, "task"), "id", 0)};
	if (f.id != 0)
		(void)store_pass(t->call->ctx->store, PASS_RECALL, "task", task_pass, &f, NULL);
	return f.task;
}

/* ---- waiting for background work, without holding any lock */

enum err turn_wait(struct turn *t, int64_t wait_s)
{
	int64_t id = json_int(json_obj(t->s->doc, "task"), "id", 0);

	turn_unlock(t);
	if (id == 0)
		return ERR_OK;
	(void)call_slice(t->call);
	(void)call_wait_task(t->call, id, wait_s);
	return turn_reload(t);
}
