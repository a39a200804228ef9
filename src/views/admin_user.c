/*
 * Administration of one user: role, groups, password; keys: keys.c.
 */
#include <string.h>
#include "views/admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/represent.h"

/* ---- the page */

static enum err user_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object_put(a->user);
	json_object_put(a->list);
	json_object_put(a->groups);
	a->user = a->list = a->groups = NULL;
	enum err err = users_get(p, a->name, &a->user);
	if (err == ERR_OK)
		err = keys_list(p, a->name, &a->list);
	return err == ERR_OK ? groups_list(p, &a->groups) : err;
}

/* All groups, those of the user marked. */
static json_object *shown_groups(const json_object *groups, const json_object *user)
{
	json_object *list = json_object_new_array(), *group = NULL, *own = NULL;
	JSON_EACH(group, groups)
	{
		const char *name = json_str(group, "name", "");
		bool member = false;
		JSON_EACH(own, json_arr(user, "groups"))
		member = member || strcmp(json_object_get_string(own), name) == 0;
		json_object_array_add(
		    list, json_set_bool(json_set_str(json_object_new_object(), "name", name),
					"member", member));
	}
	return list;
}

static enum err page(struct call *call, int status, const char *token)
{
	struct admin a = {.call = call, .name = admin_subject(call)};
	json_object *m = json_object_new_object(), *user = json_object_new_object();
	enum err err = store_pass(call->ctx->store, PASS_READ, "user", user_pass, &a, &call->error);
	if (err == ERR_OK) {
		char created[32];
		clock_iso(json_int(a.user, "created", 0), created);
		json_set_str(user, "name", a.name);
		json_set_str(user, "role", user_role(a.user));
		json_set_bool(user, "disabled", json_bool(a.user, "disabled", false));
		json_set_str(user, "created", created);
		json_set_bool(user, "self", strcmp(a.name, call->who.name) == 0);
		json_set(m, "keys", keys_shown(a.list));
		json_set(m, "groups", shown_groups(a.groups, a.user));
		json_set_str(m, "token", token);
	}
	json_set(m, "person", user);
	json_set_str(m, "place", "/admin/user");
	json_object_put(a.user);
	json_object_put(a.list);
	json_object_put(a.groups);
	if (err != ERR_OK) {
		json_object_put(m);
		return err == ERR_NOT_FOUND ? admin_fail(call, err, "not_found", "name", NULL)
					    : err;
	}
	json_set(m, "keep", json_object_new_array());
	json_object_array_add(
	    json_arr(m, "keep"),
	    json_set_str(json_set_str(json_object_new_object(), "name", "name"), "value", a.name));
	if (token != NULL)
		reply_header(call->reply, "Cache-Control", "no-store");
	return admin_answer(call, "admin_user", m, status);
}

/* ---- actions */

/* Nobody takes away his own rights by accident. */
static enum err not_oneself(struct call *call)
{
	if (strcmp(admin_subject(call), call->who.name) != 0)
		return ERR_OK;
	return admin_fail(call, ERR_CONFLICT, "admin_self", "do", NULL);
}

enum err admin_user_run(struct call *call, pass_fn *fn, struct admin *a)
{
	a->call = call;
	a->name = admin_subject(call);
	enum err err = store_pass(call->ctx->store, PASS_SYNC, "admin", fn, a, &call->error);
	if (err == ERR_NOT_FOUND)
		return admin_fail(call, err, "not_found", "name", NULL);
	return err == ERR_CONFLICT ? admin_fail(call, err, "last_admin", "do", NULL) : err;
}

static enum err role_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return users_set_role(p, a->name, a->role);
}

static enum err set_role(struct call *call)
{
	struct admin a = {.role = form_get(&call->form, "role")};
	enum err err = not_oneself(call);
	if (err == ERR_OK && a.role == NULL)
		a.role = "";
	if (err == ERR_OK)
		err = admin_user_run(call, role_pass, &a);
	return err == ERR_BAD_REQUEST ? admin_fail(call, err, "bad_choice", "role", a.role) : err;
}

static enum err disabled_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return users_set_disabled(p, a->name, a->flag);
}

static enum err disable(struct call *call)
{
	struct admin a = {.flag = true};
	enum err err = not_oneself(call);
	return err == ERR_OK ? admin_user_run(call, disabled_pass, &a) : err;
}

static enum err enable(struct call *call)
{
	struct admin a = {.flag = false};
	return admin_user_run(call, disabled_pass, &a);
}

static enum err password_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object *user = NULL;
	enum err err = users_get(p, a->name, &user);
	if (err == ERR_OK) {
		json_set_str(user, "password", a->hash);
		err = users_put(p, user);
	}
	json_object_put(user);
	return err == ERR_OK ? logins_end_all(p, a->name) : err;
}

static enum err set_password(struct call *call)
{
	struct admin a = {0};
	const char *password = form_get(&call->form, "password");
	const char *bad = password == NULL ? "password_short"
					   : user_password_problem(admin_subject(call), password);
	if (bad != NULL)
		return admin_fail(call, ERR_BAD_REQUEST, bad, "password", NULL);
	enum err err = user_password_hash(call->ctx->store, password, &a.hash, &call->error);
	if (err == ERR_OK)
		err = admin_user_run(call, password_pass, &a);
	free(a.hash);
	return err;
}

static enum err member_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return a->flag ? groups_join(p, a->group, a->name) : groups_leave(p, a->group, a->name);
}

/*
 * The form has a box for each group; "had" names those that were ticked when the page was made,
 * "in" those that are.
 */
static bool sent(struct call *call, const char *field, const char *group)
{
	for (size_t i = 0; i < call->form.fields.n; i++) {
		if (strcmp(call->form.fields.v[i].name, field) == 0 &&
		    strcmp(call->form.fields.v[i].value, group) == 0)
			return true;
	}
	return false;
}

static enum err set_groups(struct call *call)
{
	enum err err = ERR_OK;
	for (size_t i = 0; i < call->form.fields.n && err == ERR_OK; i++) {
		const struct pair *f = &call->form.fields.v[i];
		struct admin a = {.group = f->value, .flag = strcmp(f->name, "in") == 0};
		bool had = strcmp(f->name, "had") == 0;
		if ((a.flag && !sent(call, "had", f->value)) ||
		    (had && !sent(call, "in", f->value)))
			err = admin_user_run(call, member_pass, &a);
		if (err == ERR_TOO_LARGE)
			err = admin_fail(call, err, "groups_too_many", "groups", f->value);
	}
	return err;
}

static enum err add_key(struct call *call)
{
	return key_add(call, page);
}

static enum err delete_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return users_delete(p, a->name);
}

static enum err delete_user(struct call *call)
{
	struct admin a = {0};
	CLEAN_FREE char *subject = mem_printf("u:%s", admin_subject(call));
	enum err err = not_oneself(call);
	if (err == ERR_OK && !subject_exists(admin_subject(call), false, call))
		err = admin_fail(call, ERR_NOT_FOUND, "not_found", "name", NULL);
	if (err == ERR_OK)
		err = catalog_forget(call->ctx->catalog, subject, &call->error);
	if (err == ERR_OK)
		err = admin_user_run(call, delete_pass, &a);
	if (err != ERR_OK || call->mode != MODE_HTML)
		return err;
	CLEAN_FREE char *to = call_url(call, "/admin/?note=admin_saved");
	reply_redirect(call->reply, 303, to);
	return ERR_OK;
}

enum err admin_user_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"role", false, set_role},	       {"disable", false, disable},
	    {"enable", false, enable},	       {"password", false, set_password},
	    {"groups", false, set_groups},     {"key_add", true, add_key},
	    {"key_delete", false, key_delete}, {"delete", true, delete_user},
	};
	bool answers = false;
	if (call->req->method != METHOD_POST)
		return page(call, 200, NULL);
	enum err err = admin_do(call, actions, sizeof(actions) / sizeof(*actions), &answers);
	if (err == ERR_NOT_FOUND && call->problems != NULL)
		return err;
	if (err != ERR_OK)
		return call->problems != NULL && call->mode == MODE_HTML
			   ? page(call, admin_status(err), NULL)
			   : err;
	if (answers && (call->reply->model != NULL || call->reply->status == 303))
		return ERR_OK;
	if (call->mode != MODE_HTML) {
		json_object *m = json_object_new_object();
		return admin_answer(call, "json", m, 200);
	}
	CLEAN_FREE char *name = escape_url_dup(admin_subject(call));
	CLEAN_FREE char *to = call_url(call, "/admin/user?name=%s&note=admin_saved", name);
	reply_redirect(call->reply, 303, to);
	return ERR_OK;
}
