/*
 * Logins and tokens of SuperMap's clients: the product's own, in their clothes.
 * Source: contracts/uploadtasks.md 9.
 */
#include <openssl/crypto.h>
#include <string.h>
#include "views/identity.h"
#include "views/supermap.h"
#include "views/wizard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define IDLE_S	   3600		/* a login of this family ends after an hour of silence */
#define REMEMBER_S (14 * 86400) /* with rememberme */
#define TOKEN_LEN  43		/* letters, before its ".." */
#define TOKEN_MIN  60		/* minutes, when the client names none */

/* What clients send when they name themselves. */
struct names {
	json_object *body; /* owned: the strings below are in it */
	const char *user, *password;
};

static void names_done(struct names *n)
{
	json_object *password = json_get(n->body, "password");

	if (json_object_is_type(password, json_type_string))
		OPENSSL_cleanse((char *)(uintptr_t)json_object_get_string(password),
				strlen(json_object_get_string(password)));
	json_object_put(n->body);
}

static enum err names_read(struct call *call, struct names *ret)
{
	enum err err = supermap_object(call, call->ctx->config->urlencoded_bytes,
				       "limits.urlencoded", &ret->body);

	if (err == ERR_OK)
		err = supermap_member_text(call, ret->body, "username", &ret->user);
	if (err == ERR_OK && ret->user == NULL)
		err = supermap_member_text(call, ret->body, "userName", &ret->user);
	if (err == ERR_OK)
		err = supermap_member_text(call, ret->body, "password", &ret->password);
	if (err == ERR_OK && (ret->user == NULL || ret->password == NULL))
		err = supermap_fail(call, ERR_BAD_REQUEST, "login_fields",
				    ret->user == NULL ? "userName" : "password");
	return err;
}

/* Name and password are checked; any refusal is WRONG: this family tells nobody which it was. */
static enum err check_password(struct call *call, const struct names *n, enum err wrong,
			       struct principal *ret)
{
	enum err err = identity_password(call, n->user, n->password, ret);

	if (err != ERR_AUTH && err != ERR_RATE)
		return err;
	call->error = (struct error){0};
	return supermap_fail(call, wrong, err == ERR_AUTH ? "login_wrong" : "login_rate", NULL);
}

/* ---- login and logout */

struct start {
	const char *user, *address;
	int64_t max, idle_s;
	const struct req *req; /* logins of before that it carries are ended with this one */
	char token[33];
};

static enum err start_pass(struct pass *p, void *arg)
{
	struct start *s = arg;
	enum err err = identity_end_logins(p, s->req);

	if (err == ERR_OK)
		err = logins_add(p, s->user, s->address, clock_now_ms(), s->max, s->token);
	return err == ERR_OK ? logins_set_idle(p, s->token, s->idle_s) : err;
}

/* The cookie as these clients know it: the same 32 digits in capitals. */
static void set_cookie(struct call *call, const char *token, int64_t max_age)
{
	char value[33];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = token[i] >= 'a' && token[i] <= 'f' ? (char)(token[i] - 32) : token[i];
	reply_cookie(call->reply, call->req,
		     &(struct cookie){.name = "JSESSIONID",
				      .value = value,
				      .max_age = max_age,
				      .http_only = true,
				      .same_site_none = identity_origin_listed(
					  call, req_header(call->req, "Origin"))});
	OPENSSL_cleanse(value, sizeof(value));
}

enum err supermap_login_view(struct call *call)
{
	struct names n = {0};
	struct principal who = {0};
	bool remember = false;
	enum err err = names_read(call, &n);

	if (err == ERR_OK)
		err = supermap_member_bool(call, n.body, "rememberme", false, &remember);
	if (err == ERR_OK)
		err = check_password(call, &n, ERR_AUTH, &who);
	struct start s = {.user = who.name,
			  .address = call->req->address,
			  .max = call->ctx->config->logins_per_user,
			  .idle_s = remember ? REMEMBER_S : IDLE_S,
			  .req = call->req};
	token_hex(s.token, 32);
	if (err == ERR_OK)
		err =
		    store_pass(call->ctx->store, PASS_SYNC, "login", start_pass, &s, &call->error);
	names_done(&n);
	if (err != ERR_OK)
		return err;
	set_cookie(call, s.token, remember ? REMEMBER_S : -1);
	OPENSSL_cleanse(s.token, sizeof(s.token));
	json_object *m = json_object_new_object();
	json_set_bool(m, "succeed", true);
	json_set(m, "reason", NULL);
	json_set_str(m, "referer",
		     text_starts(call->req->path, "/iportal/") ? "/iportal/" : "/iserver/");
	return supermap_answer(call, 200, NULL, m);
}

enum err supermap_logout_view(struct call *call)
{
	enum err err = csrf_origin(call);

	if (err == ERR_OK)
		err = identity_logout(call);
	if (err != ERR_OK)
		return err;
	return supermap_done(call);
}

/* ---- tokens */

static const char *const client_types[] = {"RequestIP", "IP", "Referer", "NONE"};

/* What the token may be used from, by clientType. */
static enum err token_limits(struct call *call, const json_object *body, json_object *limits)
{
	const char *type = NULL, *ip = NULL, *referer = NULL, *bound = NULL;
	json_object *list = json_object_new_array();
	enum err err = supermap_member_text(call, body, "clientType", &type);

	if (err == ERR_OK)
		err = supermap_member_text(call, body, "ip", &ip);
	if (err == ERR_OK)
		err = supermap_member_text(call, body, "referer", &referer);
	if (err == ERR_OK && (type == NULL || text_ieq(type, client_types[0])))
		bound = call->req->address;
	else if (err == ERR_OK && text_ieq(type, client_types[1]))
		err = (bound = ip) != NULL
			  ? ERR_OK
			  : supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "ip");
	else if (err == ERR_OK && text_ieq(type, client_types[2]))
		err = (bound = referer) != NULL
			  ? ERR_OK
			  : supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "referer");
	else if (err == ERR_OK && !text_ieq(type, client_types[3]))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "clientType");
	json_set_bool(limits, "session", true);
	if (err == ERR_OK && bound != NULL) {
		json_object_array_add(list, json_object_new_string(bound));
		json_set(limits,
			 type != NULL && text_ieq(type, client_types[2]) ? "referers" : "addresses",
			 json_object_get(list));
	}
	json_object_put(list);
	return err;
}

struct make_token {
	const char *user;
	char token[TOKEN_LEN + 3];
	int64_t expires;
	const json_object *limits;
};

static enum err token_pass(struct pass *p, void *arg)
{
	struct make_token *t = arg;

	return keys_add_limited(p, t->user, "token", false, t->expires, clock_now_ms(), t->token,
				t->limits);
}

static enum err tokens_help(struct call *call)
{
	json_object *m = json_object_new_object(), *types = json_object_new_array();

	for (size_t i = 0; i < sizeof(client_types) / sizeof(*client_types); i++)
		json_object_array_add(types, json_object_new_string(client_types[i]));
	json_set(m, "clientTypes", types);
	json_set_int(m, "maxExpiration", call->ctx->config->login_token_min);
	if (call->supermap.format == SUPERMAP_HTML)
		return supermap_page(call, 200, "supermap_tokens", "title.supermap_tokens", m);
	return supermap_answer(call, 200, NULL, m);
}

/* The bare text: clients take the whole body for the token. */
static enum err token_answer(struct call *call, const char *token)
{
	if (call->supermap.format == SUPERMAP_XML)
		return supermap_answer(call, 200, "string", json_object_new_string(token));
	reply_text(call->reply, 200, "text/plain;charset=UTF-8", token);
	return ERR_OK;
}

enum err supermap_tokens_view(struct call *call)
{
	struct names n = {0};
	struct principal who = {0};
	CLEAN_JSON json_object *limits = json_object_new_object();
	struct make_token t = {.limits = limits};
	int64_t minutes = TOKEN_MIN;

	if (call->req->method != METHOD_POST)
		return tokens_help(call);
	enum err err = names_read(call, &n);
	if (err == ERR_OK)
		err = supermap_member_int(call, n.body, "expiration", 1,
					  call->ctx->config->login_token_min, TOKEN_MIN, &minutes);
	if (err == ERR_OK)
		err = token_limits(call, n.body, limits);
	if (err == ERR_OK)
		err = check_password(call, &n, ERR_BAD_REQUEST, &who);
	names_done(&n);
	if (err != ERR_OK)
		return err;
	token_letters(t.token, TOKEN_LEN);
	memcpy(t.token + TOKEN_LEN, "..", 3);
	t.user = who.name;
	t.expires = clock_now_ms() + minutes * 60 * 1000;
	err = store_pass(call->ctx->store, PASS_SYNC, "token", token_pass, &t, &call->error);
	if (err == ERR_TOO_LARGE) {
		call->error = (struct error){0};
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_tokens_full", NULL);
	}
	if (err == ERR_OK)
		err = token_answer(call, t.token);
	OPENSSL_cleanse(t.token, sizeof(t.token));
	return err;
}

/* ---- who am I? */

enum err supermap_account_view(struct call *call)
{
	json_object *m = json_object_new_object(), *roles = json_object_new_array();

	if (call->who.admin)
		json_object_array_add(roles, json_object_new_string("admin"));
	if (call->who.manager)
		json_object_array_add(roles, json_object_new_string("manager"));
	json_set_str(m, "name", call->who.name);
	json_set_str(m, "nickname", call->who.name);
	json_set(m, "email", NULL);
	json_set(m, "roles", roles);
	return supermap_answer(call, 200, "Account", m);
}
