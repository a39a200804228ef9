/*
 * Administration: users, groups and API keys.  Two pages, each with small forms that say what they
 * want in field "do"; all work without a script.
 */
#include <openssl/crypto.h>
#include <string.h>
#include "views/admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define SHOWN_MAX 500	 /* users on a page; more are found by name */
#define USERS_MAX 100000 /* looked through */

/* ---- what the pages show */

static enum err users_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object_put(a->list);
	a->list = NULL;
	return users_list(p, USERS_MAX, &a->list);
}

static enum err groups_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object_put(a->groups);
	a->groups = NULL;
	return groups_list(p, &a->groups);
}

/* A user's record as the pages show it: never the password. */
static json_object *shown_user(const json_object *user)
{
	json_object *o = json_object_new_object(), *groups = json_arr(user, "groups");
	char created[32];
	clock_iso(json_int(user, "created", 0), created);
	json_set_str(o, "name", json_str(user, "name", ""));
	json_set_str(o, "role", user_role(user));
	json_set_bool(o, "disabled", json_bool(user, "disabled", false));
	json_set_str(o, "created", created);
	json_set(o, "groups", groups != NULL ? json_copy(groups) : json_object_new_array());
	return o;
}

static bool is_asked(const json_object *user, const char *q)
{
	CLEAN_FREE char *name = text_fold(json_str(user, "name", ""));
	CLEAN_FREE char *part = text_fold(q);
	return name != NULL && part != NULL && strstr(name, part) != NULL;
}

enum err admin_answer(struct call *call, const char *template_name, json_object *m, int status)
{
	json_set_bool(m, "success", status < 400);
	if (call->problems != NULL)
		json_set(m, "details", problem_details(call, call->problems));
	return call_answer(call, status, template_name, m);
}

static enum err page(struct call *call, int status)
{
	struct admin a = {.call = call};
	const char *q = req_query(call->req, "q"), *name = form_get(&call->form, "name");
	json_object *m = json_object_new_object(), *users = json_object_new_array(), *user = NULL;
	size_t found = 0;
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "users", users_pass, &a, &call->error);
	if (err == ERR_OK)
		err = store_pass(call->ctx->store, PASS_READ, "groups", groups_pass, &a,
				 &call->error);
	JSON_EACH(user, a.list)
	{
		if (q != NULL && *q != '\0' && !is_asked(user, q))
			continue;
		if (found++ < SHOWN_MAX)
			json_object_array_add(users, shown_user(user));
	}
	json_object_put(a.list);
	json_set(m, "users", users);
	json_set(m, "groups", a.groups);
	if (err != ERR_OK) {
		json_object_put(m);
		return err;
	}
	json_set_int(m, "total", (int64_t)found);
	json_set_int(m, "shown", (int64_t)json_len(users));
	json_set_str(m, "q", q != NULL ? q : "");
	json_set_str(m, "sent_name", status >= 400 && name != NULL ? name : "");
	return admin_answer(call, "admin", m, status);
}

/* ---- adding and removing */

static enum err add_user_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object *old = NULL, *user = NULL;
	enum err err = users_get(p, a->name, &old);
	json_object_put(old);
	if (err != ERR_NOT_FOUND)
		return err == ERR_OK ? ERR_CONFLICT : err;
	user = json_object_new_object();
	json_set_str(user, "name", a->name);
	json_set_str(user, "password", a->hash);
	json_set_int(user, "created", clock_now_ms());
	err = users_put(p, user);
	json_object_put(user);
	return err == ERR_OK ? users_set_role(p, a->name, a->role) : err;
}

static enum err add_user(struct call *call)
{
	struct admin a = {.call = call,
			  .name = form_get(&call->form, "name"),
			  .role = form_get(&call->form, "role")};
	const char *password = form_get(&call->form, "password");
	const char *bad = a.name == NULL || !user_name_ok(a.name) ? "user_name_bad"
			  : password == NULL			  ? "password_short"
					     : user_password_problem(a.name, password);
	if (bad != NULL)
		return call_fail(
		    call, ERR_BAD_REQUEST,
		    problem_str(problem_new(bad), "field",
				strcmp(bad, "user_name_bad") == 0 ? "name" : "password"));
	if (a.role == NULL)
		a.role = "user";
	enum err err = user_password_hash(call->ctx->store, password, &a.hash, &call->error);
	if (err == ERR_OK)
		err = store_pass(call->ctx->store, PASS_SYNC, "add user", add_user_pass, &a,
				 &call->error);
	free(a.hash);
	if (err == ERR_CONFLICT)
		return admin_fail(call, err, "user_exists", "name", NULL);
	return err == ERR_BAD_REQUEST ? admin_fail(call, err, "bad_choice", "role", a.role) : err;
}

static enum err add_group_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return groups_add(p, a->group, clock_now_ms());
}

static enum err add_group(struct call *call)
{
	struct admin a = {.call = call, .group = form_get(&call->form, "group")};
	if (a.group == NULL || !user_name_ok(a.group))
		return admin_fail(call, ERR_BAD_REQUEST, "group_name_bad", "group", NULL);
	enum err err =
	    store_pass(call->ctx->store, PASS_SYNC, "add group", add_group_pass, &a, &call->error);
	return err == ERR_CONFLICT ? admin_fail(call, err, "group_exists", "group", a.group) : err;
}

static enum err delete_group_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return groups_delete(p, a->group);
}

static enum err delete_group(struct call *call)
{
	struct admin a = {.call = call, .group = form_get(&call->form, "group")};
	if (a.group == NULL || !subject_exists(a.group, true, call))
		return admin_fail(call, ERR_NOT_FOUND, "group_unknown", "group", a.group);
	/*
	 * First what is shared with it: a group of this name that is made later starts with
	 * nothing.
	 */
	CLEAN_FREE char *subject = mem_printf("g:%s", a.group);
	enum err err = catalog_forget(call->ctx->catalog, subject, &call->error);
	return err == ERR_OK ? store_pass(call->ctx->store, PASS_DELETE, "delete group",
					  delete_group_pass, &a, &call->error)
			     : err;
}

enum err admin_fail(struct call *call, enum err err, const char *code, const char *field,
		    const char *value)
{
	json_object *p = problem_str(problem_new(code), "field", field);
	call->error = (struct error){0};
	return call_fail(call, err, value != NULL ? problem_str(p, "value", value) : p);
}

/* "do" is none of the N words of ACTIONS: which ones there are. */
static enum err unknown_action(struct call *call, const struct admin_action *actions, size_t n,
			       const char *what)
{
	CLEAN_FREE char *words = mem_strdup("");
	json_object *p =
	    problem_str(problem_str(problem_new("bad_choice"), "field", "do"), "value", what);
	for (size_t i = 0; i < n; i++) {
		char *longer = mem_printf("%s%s%s", words, i > 0 ? ", " : "", actions[i].word);
		free(words);
		words = longer;
	}
	return call_fail(call, ERR_BAD_REQUEST, problem_arg(p, "accepted", words));
}

enum err admin_do(struct call *call, const struct admin_action *actions, size_t n,
		  bool *ret_answers)
{
	const char *what = form_get(&call->form, "do");
	for (size_t i = 0; i < n; i++) {
		if (what != NULL && strcmp(actions[i].word, what) == 0) {
			*ret_answers = actions[i].answers;
			return actions[i].fn(call);
		}
	}
	return unknown_action(call, actions, n, what != NULL ? what : "");
}

int admin_status(enum err err)
{
	return err == ERR_NOT_FOUND ? 404 : err == ERR_CONFLICT ? 409 : 400;
}

enum err admin_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"add_user", false, add_user},
	    {"add_group", false, add_group},
	    {"delete_group", false, delete_group},
	};
	bool answers = false;
	if (call->req->method != METHOD_POST)
		return page(call, 200);
	enum err err = admin_do(call, actions, sizeof(actions) / sizeof(*actions), &answers);
	if (err != ERR_OK)
		return call->problems != NULL && call->mode == MODE_HTML
			   ? page(call, admin_status(err))
			   : err;
	if (call->mode != MODE_HTML)
		return page(call, 200);
	CLEAN_FREE char *to = call_url(call, "/admin/?note=admin_saved");
	reply_redirect(call->reply, 303, to);
	return ERR_OK;
}
