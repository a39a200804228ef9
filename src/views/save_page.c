/*
 * The upload page: limits, kinds, what is open, which dataset new content is for.
 * Source: contracts/wizard.md 8.7.
 */
#include <string.h>
#include "views/target.h"
#include "base/charset.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wizard/bundle.h"
#include "wizard/spill.h"

/* the newest sessions, among which those that failed in part are looked for */
#define RECENT 100

struct open_list {
	struct call *call;
	json_object *list;
};

static int newest_first(const void *a, const void *b)
{
	json_object *const *x = a, *const *y = b;
	int64_t i = json_int(*x, "id", 0), k = json_int(*y, "id", 0);
	return i < k ? 1 : i > k ? -1 : 0;
}

/* What can be tried again is finished for the store, but not for people. */
static enum err add_incomplete(struct pass *p, const char *owner, json_object *list)
{
	json_object *recent = NULL, *doc = NULL;
	size_t total = 0;
	enum err err = sessions_list(p, owner, 0, RECENT, &recent, &total);
	JSON_EACH(doc, recent)
	{
		if (strcmp(json_str(doc, "state", ""), state_name(STATE_INCOMPLETE)) == 0)
			json_object_array_add(list, json_object_get(doc));
	}
	json_object_put(recent);
	if (err == ERR_OK)
		json_object_array_sort(list, newest_first);
	return err;
}

static enum err list_pass(struct pass *p, void *arg)
{
	struct open_list *l = arg;
	json_object_put(l->list);
	l->list = NULL;
	json_object *doc = NULL;
	enum err err = sessions_open(p, l->call->who.owner, &l->list);
	if (err == ERR_OK)
		err = add_incomplete(p, l->call->who.owner, l->list);
	JSON_EACH(doc, l->list)
	{
		if (err == ERR_OK)
			err = session_live(p, doc);
	}
	return err;
}

json_object *open_sessions(struct call *call)
{
	struct open_list l = {.call = call};
	json_object *out = json_object_new_array(), *doc = NULL;

	if (strcmp(call->who.owner, "-") == 0 ||
	    store_pass(call->ctx->store, PASS_READ, "sessions", list_pass, &l, NULL) != ERR_OK)
		return out;
	JSON_EACH(doc, l.list)
	{
		enum state state;
		enum step step = STEP_NONE;
		if (!state_by_name(json_str(doc, "state", ""), &state) ||
		    state == STATE_PROCESSED || state == STATE_INVALID)
			continue;
		int64_t id = json_int(doc, "id", 0);
		struct session *s = NULL;
		char date[32], expires[32];
		if (session_from_json(json_object_get(doc), &s) != ERR_OK)
			continue;
		/*
		 * Of a wide table's columns the record knows only the file; without them it looks
		 * as not yet read.
		 */
		(void)spill_load(call->ctx->config, s, NULL);
		step = step_next_stop(s, MODE_HTML);
		json_object *o = json_object_new_object();
		CLEAN_FREE char *resume = call_url(call, "/upload/?id=%lld", (long long)id);
		CLEAN_FREE char *del = call_url(call, "/upload/delete/%lld", (long long)id);
		json_set_int(o, "id", id);
		json_set_str(o, "name", session_title(s));
		json_set_str(o, "state", state_name(state));
		json_set_int(o, "percent", session_percent(s, json_obj(s->doc, "progress")));
		json_set_str(o, "step", step_name(step));
		clock_iso(s->created, date);
		clock_iso(s->expires, expires);
		json_set_str(o, "date", date);
		json_set_str(o, "expires", expires);
		json_set_str(o, "resume_url", resume);
		json_set_str(o, "delete_url", del);
		json_object_array_add(out, o);
		session_free(s);
	}
	json_object_put(l.list);
	return out;
}

/* Of the uploads an address or a form names, those that can be imported: {"id","name","size"}. */
static void add_named(struct call *call, const struct pairs *from, json_object *list)
{
	for (size_t i = 0; i < from->n && (int64_t)json_len(list) < call->ctx->config->max_files;
	     i++) {
		struct upload_info info = {0};
		if (strcmp(from->v[i].name, "upload") != 0 ||
		    upload_status(call->ctx->engine, from->v[i].value, &call->who, &info, NULL) !=
			ERR_OK)
			continue;
		if (info.state == UPLOAD_COMPLETE && !info.partial) {
			json_object *o = json_object_new_object();
			json_set_str(o, "id", info.id);
			json_set_str(o, "name", info.rel_path != NULL ? info.rel_path : info.name);
			json_set_int(o, "size", info.offset);
			json_object_array_add(list, o);
		}
		upload_info_done(&info);
	}
}

static json_object *save_model(struct call *call)
{
	const struct config *c = call->ctx->config;
	json_object *page = json_object_new_object(), *limits = json_object_new_object(),
		    *charsets = json_object_new_array();
	char nonce[33];

	json_set_int(limits, "max_session_bytes", c->max_session_bytes);
	json_set_int(limits, "max_files", c->max_files);
	json_set_int(limits, "max_open_sessions", c->max_open_sessions);
	json_set_int(limits, "expiry_hours", c->session_expiry_hours);
	json_set(page, "limits", limits);
	if (c->session_expiry_hours % 24 == 0)
		json_set_int(page, "expiry_days", c->session_expiry_hours / 24);
	json_set(page, "kinds", bundle_kinds(c->extra_drivers));
	CLEAN_FREE char *accept = bundle_extensions(c->extra_drivers);
	json_set_str(page, "accept", accept);
	for (const char *const *p = charset_choices(); *p != NULL; p++)
		json_object_array_add(charsets, json_object_new_string(*p));
	json_set(page, "charsets", charsets);
	json_set(page, "incomplete", open_sessions(call));
	json_object *uploads = json_object_new_array();
	add_named(call, &call->req->query, uploads);
	add_named(call, &call->form.fields, uploads);
	json_set(page, "uploads", uploads);
	json_set_bool(page, "async_upload", c->async_import);
	json_set_bool(page, "time_enabled", c->time_enabled);
	token_hex(nonce, 32);
	json_set_str(page, "nonce", nonce);
	return page;
}

enum err save_page(struct call *call, int status)
{
	const char *layer_id = req_query(call->req, "layer_id");
	json_object *target = NULL;
	/* With what is wrong above it, the page is shown all the same. */
	if (layer_id != NULL && *layer_id != '\0' && call->problems == NULL) {
		enum err err =
		    target_of_save(call, layer_id, req_query(call->req, "mode"), &target);
		if (err != ERR_OK)
			return err;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", status == 200);
	json_set(m, "page", save_model(call));
	json_set(json_obj(m, "page"), "target", target);
	if (layer_id != NULL)
		json_set_str(m, "layer_id", layer_id);
	json_set_str(m, "target_mode", req_query(call->req, "mode"));
	if (call->problems != NULL)
		json_set(m, "details", problem_details(call, call->problems));
	return call_answer(call, status, "save", m);
}
