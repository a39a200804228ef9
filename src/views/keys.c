/*
 * API keys on a page: a user's own, and any user's for administrators.
 */
#include <openssl/crypto.h>
#include <string.h>
#include "views/admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define DAY_MS	     (86400 * 1000LL)
#define KEY_NAME_MAX 100 /* characters */
#define DAYS_MAX     36500
#define OWN_KEYS     "/account/keys"

const char *admin_subject(struct call *call)
{
	const char *name = strcmp(call->route->path, OWN_KEYS) == 0 ? call->who.name
								    : req_query(call->req, "name");
	return name != NULL ? name : "";
}

json_object *keys_shown(const json_object *keys)
{
	json_object *list = json_object_new_array(), *key = NULL;
	JSON_EACH(key, keys)
	{
		static const char *const times[] = {"created", "expires", "seen"};
		json_object *o = json_object_new_object();
		json_set_str(o, "id", json_str(key, "id", ""));
		json_set_str(o, "name", json_str(key, "name", ""));
		json_set_bool(o, "read_only", json_bool(key, "read_only", false));
		for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
			char iso[32];
			int64_t ms = json_int(key, times[i], 0);
			clock_iso(ms, iso);
			json_set_str(o, times[i], ms > 0 ? iso : NULL);
		}
		json_set_bool(o, "over",
			      json_int(key, "expires", 0) > 0 &&
				  json_int(key, "expires", 0) <= clock_now_ms());
		json_object_array_add(list, o);
	}
	return list;
}

static enum err key_add_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object *user = NULL;
	enum err err = users_get(p, a->name, &user);
	json_object_put(user);
	return err == ERR_OK
		   ? keys_add(p, a->name, a->key, a->flag, a->expires, clock_now_ms(), a->token)
		   : err;
}

enum err key_add(struct call *call, admin_page *page)
{
	struct admin a = {.key = form_get(&call->form, "key_name")};
	const char *days = form_get(&call->form, "days"), *scope = form_get(&call->form, "scope");
	int64_t n = 0;
	if (a.key == NULL || strlen(a.key) > 4 * KEY_NAME_MAX)
		return admin_fail(call, ERR_BAD_REQUEST, "key_name_bad", "key_name", NULL);
	if (days != NULL && *days != '\0' && !text_int(days, 1, DAYS_MAX, &n))
		return admin_fail(call, ERR_BAD_REQUEST, "key_days_bad", "days", days);
	/* The weaker one unless the other is asked for. */
	a.flag = scope == NULL || strcmp(scope, "all") != 0;
	a.expires = n > 0 ? clock_now_ms() + n * DAY_MS : 0;
	token_letters(a.token, 40);
	enum err err = admin_user_run(call, key_add_pass, &a);
	if (err == ERR_TOO_LARGE)
		err = admin_fail(call, err, "keys_too_many", "key_name", NULL);
	if (err == ERR_OK)
		err = page(call, 200, a.token);
	OPENSSL_cleanse(a.token, sizeof(a.token));
	return err;
}

static enum err key_delete_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	return keys_delete(p, a->name, a->key);
}

enum err key_delete(struct call *call)
{
	struct admin a = {.key = form_get(&call->form, "key")};
	return a.key == NULL ? admin_fail(call, ERR_BAD_REQUEST, "not_found", "key", NULL)
			     : admin_user_run(call, key_delete_pass, &a);
}

/* ---- a user's own */

static enum err own_pass(struct pass *p, void *arg)
{
	struct admin *a = arg;
	json_object_put(a->list);
	a->list = NULL;
	return keys_list(p, a->name, &a->list);
}

static enum err own_page(struct call *call, int status, const char *token)
{
	struct admin a = {.call = call, .name = call->who.name};
	enum err err = store_pass(call->ctx->store, PASS_READ, "keys", own_pass, &a, &call->error);
	if (err != ERR_OK)
		return err;
	json_object *m = json_object_new_object();
	json_set(m, "keys", keys_shown(a.list));
	json_object_put(a.list);
	json_set_str(m, "place", OWN_KEYS);
	json_set_str(m, "token", token);
	if (token != NULL)
		reply_header(call->reply, "Cache-Control", "no-store");
	return admin_answer(call, "account_keys", m, status);
}

static enum err add_own(struct call *call)
{
	return key_add(call, own_page);
}

enum err account_keys_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"key_add", true, add_own},
	    {"key_delete", false, key_delete},
	};
	bool answers = false;
	/*
	 * A name of a user's own, not the anonymous one; and no bounded key makes an unbounded one.
	 */
	if (*call->who.name == '\0' || call->limits != NULL)
		return admin_fail(call, ERR_FORBIDDEN, "forbidden", NULL, NULL);
	if (call->req->method != METHOD_POST)
		return own_page(call, 200, NULL);
	enum err err = admin_do(call, actions, sizeof(actions) / sizeof(*actions), &answers);
	if (err != ERR_OK)
		return call->problems != NULL && call->mode == MODE_HTML
			   ? own_page(call, admin_status(err), NULL)
			   : err;
	if (answers)
		return ERR_OK;
	if (call->mode != MODE_HTML)
		return own_page(call, 200, NULL);
	CLEAN_FREE char *to = call_url(call, OWN_KEYS "?note=admin_saved");
	reply_redirect(call->reply, 303, to);
	return ERR_OK;
}
