/*
 * Logging in and out, the one-time link of a fresh installation, changing one's password.
 * Source: contracts/security.md 3.3; design.md, settled names.
 */
#include <string.h>
#include <openssl/crypto.h>
#include "views/identity.h"
#include "views/wizard.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

/* Where to after the login: only paths of ours, never another site. */
static char *next_of(const struct call *call)
{
	const char *next = form_get(&call->form, "next");
	if (next == NULL)
		next = req_query(call->req, "next");
	bool ours = next != NULL && next[0] == '/' && next[1] != '/' && next[1] != '\\' &&
		    text_starts(next, call->req->mount) && strpbrk(next, "\r\n\t\\") == NULL;
	return ours ? mem_strdup(next) : call_url(call, "/");
}

/* A page with a form, or what is on it for a program: then with the token its POST needs. */
static enum err form_page(struct call *call, int status, const char *name, json_object *m)
{
	CLEAN_FREE char *title = mem_printf("title.%s", name);
	json_set_bool(m, "success", status == 200);
	if (call->problems != NULL)
		json_set(m, "details", problem_details(call, call->problems));
	reply_model(call->reply, status, name, m);
	if (call->mode == MODE_HTML) {
		call_page(call, m, title);
		return ERR_OK;
	}
	csrf_prepare(call);
	json_set_str(m, "csrf", call->csrf);
	if (call->csrf_new)
		reply_cookie(
		    call->reply, call->req,
		    &(struct cookie){.name = "csrftoken", .value = call->csrf, .max_age = -1});
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

/* What was wanted is done: a person goes on at TO, a program hears whose login it has. */
static enum err form_done_answer(struct call *call, const char *to)
{
	if (call->mode != MODE_STRICT) {
		reply_redirect(call->reply, 303, to);
		return ERR_OK;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", true);
	json_set_str(m, "user", call->who.name);
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

static enum err login_page(struct call *call, int status)
{
	json_object *m = json_object_new_object(), *page = json_object_new_object();
	CLEAN_FREE char *next = next_of(call);
	const char *name = form_get(&call->form, "username");
	json_set_str(page, "next", next);
	json_set_str(page, "name", name != NULL ? name : "");
	json_set(m, "page", page);
	return form_page(call, status, "login", m);
}

struct start_login {
	const char *user;
	const char *address;
	int64_t max;
	char token[33];
	const struct req *req; /* logins of before that it carries are ended with this one */
};

static enum err start_pass(struct pass *p, void *arg)
{
	struct start_login *s = arg;
	enum err err = identity_end_logins(p, s->req);
	return err == ERR_OK ? logins_add(p, s->user, s->address, clock_now_ms(), s->max, s->token)
			     : err;
}

static enum err start_login(struct call *call, const char *user)
{
	struct start_login s = {.user = user,
				.address = call->req->address,
				.max = call->ctx->config->logins_per_user,
				.req = call->req};
	token_hex(s.token, 32);
	enum err err =
	    store_pass(call->ctx->store, PASS_SYNC, "login", start_pass, &s, &call->error);
	if (err != ERR_OK)
		return err;
	reply_cookie(
	    call->reply, call->req,
	    &(struct cookie){
		.name = "slipway_login", .value = s.token, .max_age = -1, .http_only = true});
	/* The form token is bound to the login: a new one goes with it. */
	token_sha256_hex(s.token, 32, call->who.login);
	if (user != call->who.name)
		snprintf(call->who.name, sizeof(call->who.name), "%s", user);
	call->who.by_cookie = true;
	csrf_prepare(call);
	if (call->csrf_new)
		reply_cookie(
		    call->reply, call->req,
		    &(struct cookie){.name = "csrftoken", .value = call->csrf, .max_age = -1});
	call->csrf_new = false;
	OPENSSL_cleanse(s.token, sizeof(s.token));
	return ERR_OK;
}

enum err login_view(struct call *call)
{
	if (call->req->method != METHOD_POST)
		return login_page(call, 200);
	const char *name = form_get(&call->form, "username");
	const char *password = form_get(&call->form, "password");
	struct principal who = {0};

	if (name == NULL || *name == '\0')
		name = form_get(&call->form, "login"); /* GeoNode's name for it */
	if (name == NULL || *name == '\0' || password == NULL || *password == '\0') {
		(void)call_fail(call, ERR_BAD_REQUEST,
				problem_str(problem_new("login_fields"), "field", "username"));
		return call->mode == MODE_HTML ? login_page(call, 400) : ERR_BAD_REQUEST;
	}
	enum err err = identity_password(call, name, password, &who);
	if (err == ERR_AUTH || err == ERR_RATE) {
		call->error = (struct error){0};
		(void)call_fail(
		    call, err,
		    problem_str(problem_new(err == ERR_AUTH ? "login_wrong" : "login_rate"),
				"field", "password"));
		return call->mode == MODE_HTML ? login_page(call, err == ERR_AUTH ? 401 : 429)
					       : err;
	}
	if (err == ERR_OK)
		err = start_login(call, who.name);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *to = next_of(call);
	return form_done_answer(call, to);
}

enum err logout_view(struct call *call)
{
	CLEAN_FREE char *home = call_url(call, "/login?note=logged_out");
	enum err err = ERR_OK;

	if (call->req->method != METHOD_POST && req_header(call->req, "Referer") == NULL &&
	    req_header(call->req, "Origin") == NULL)
		return call_fail(call, ERR_FORBIDDEN, problem_new("csrf_failed"));
	if (call->req->method != METHOD_POST)
		err = csrf_origin(call);
	if (err == ERR_OK)
		err = identity_logout(call);
	if (err != ERR_OK)
		return err;
	reply_cookie(call->reply, call->req,
		     &(struct cookie){.name = "csrftoken", .value = "", .max_age = 0});
	call->csrf_new = false;
	reply_redirect(call->reply, 303, home);
	return ERR_OK;
}

/* ---- the one-time link */

struct first {
	const char *token;
	const char *sha256; /* of the token the configuration knows; "" = none */
	const char *name;
	const char *hash;
};

static enum err first_check_pass(struct pass *p, void *arg)
{
	struct first *f = arg;
	enum err err = first_login_check(p, f->token, clock_now_ms());
	return err == ERR_NOT_FOUND ? first_login_configured(p, f->sha256, f->token) : err;
}

static enum err first_make_pass(struct pass *p, void *arg)
{
	struct first *f = arg;
	json_object *old = NULL;
	enum err err = first_check_pass(p, arg);
	if (err != ERR_OK)
		return err;
	err = users_get(p, f->name, &old);
	json_object_put(old);
	if (err == ERR_OK)
		return ERR_CONFLICT;
	if (err != ERR_NOT_FOUND)
		return err;
	json_object *user = json_object_new_object();
	json_set_str(user, "name", f->name);
	json_set_str(user, "password", f->hash);
	json_set_bool(user, "admin", true);
	json_set_int(user, "created", clock_now_ms());
	err = users_put(p, user);
	json_object_put(user);
	return err == ERR_OK ? first_login_clear(p) : err;
}

static enum err first_page(struct call *call, int status, const char *token)
{
	json_object *m = json_object_new_object(), *page = json_object_new_object();
	const char *name = form_get(&call->form, "username");
	json_set_str(page, "token", token);
	json_set_str(page, "name", name != NULL ? name : "admin");
	json_set(m, "page", page);
	return form_page(call, status, "first", m);
}

enum err first_login_view(struct call *call)
{
	bool post = call->req->method == METHOD_POST;
	const char *token = post ? form_get(&call->form, "first") : req_query(call->req, "token");
	struct first f = {.token = token != NULL ? token : "",
			  .sha256 = call->ctx->config->first_token,
			  .name = form_get(&call->form, "username")};
	CLEAN_FREE char *hash = NULL;
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "first", first_check_pass, &f, &call->error);
	if (err == ERR_NOT_FOUND) {
		call->error = (struct error){0};
		return call_fail(call, ERR_GONE, problem_new("first_used"));
	}
	if (err != ERR_OK || !post)
		return err == ERR_OK ? first_page(call, 200, f.token) : err;

	const char *password = form_get(&call->form, "password");
	const char *bad = f.name == NULL || !user_name_ok(f.name) ? "user_name_bad"
			  : password == NULL			  ? "password_short"
					     : user_password_problem(f.name, password);
	if (bad != NULL) {
		(void)call_fail(
		    call, ERR_BAD_REQUEST,
		    problem_str(problem_new(bad), "field",
				strcmp(bad, "user_name_bad") == 0 ? "username" : "password"));
		return call->mode == MODE_HTML ? first_page(call, 400, f.token) : ERR_BAD_REQUEST;
	}
	err = user_password_hash(call->ctx->store, password, &hash, &call->error);
	if (err != ERR_OK)
		return err;
	f.hash = hash;
	err = store_pass(call->ctx->store, PASS_SYNC, "first", first_make_pass, &f, &call->error);
	if (err == ERR_CONFLICT) {
		call->error = (struct error){0};
		(void)call_fail(call, err,
				problem_str(problem_new("user_exists"), "field", "username"));
		return call->mode == MODE_HTML ? first_page(call, 409, f.token) : err;
	}
	if (err == ERR_OK)
		err = start_login(call, f.name);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *to = call_url(call, "/upload/?note=welcome");
	return form_done_answer(call, to);
}

/* ---- password change */

struct change {
	const char *name;
	const char *hash;
};

static enum err change_put_pass(struct pass *p, void *arg)
{
	struct change *c = arg;
	json_object *user = NULL;
	enum err err = users_get(p, c->name, &user);
	if (err == ERR_OK) {
		json_set_str(user, "password", c->hash);
		err = users_put(p, user);
	}
	if (err == ERR_OK)
		err = logins_end_all(p, c->name);
	json_object_put(user);
	return err;
}

static enum err password_page(struct call *call, int status)
{
	json_object *m = json_object_new_object();
	json_object *page = json_object_new_object();
	json_set_str(page, "name", call->who.name);
	json_set(m, "page", page);
	return form_page(call, status, "password", m);
}

enum err password_view(struct call *call)
{
	if (call->req->method != METHOD_POST)
		return password_page(call, 200);
	const char *old = form_get(&call->form, "old"), *new = form_get(&call->form, "password");
	struct change c = {.name = call->who.name};
	CLEAN_FREE char *hash = NULL;
	struct principal who = {0};
	/* Somebody at an open browser has no more guesses than at the login. */
	enum err err = identity_password(call, c.name, old != NULL ? old : "", &who);
	if (err != ERR_OK && err != ERR_AUTH && err != ERR_RATE)
		return err;
	const char *bad = err == ERR_RATE   ? "login_rate"
			  : err == ERR_AUTH ? "login_wrong"
			  : new == NULL	    ? "password_short"
					    : user_password_problem(c.name, new);
	if (bad != NULL) {
		enum err why = err == ERR_RATE ? ERR_RATE : ERR_BAD_REQUEST;
		call->error = (struct error){0};
		(void)call_fail(
		    call, why,
		    problem_str(problem_new(bad), "field", err == ERR_OK ? "password" : "old"));
		return call->mode == MODE_HTML ? password_page(call, why == ERR_RATE ? 429 : 400)
					       : why;
	}
	err = user_password_hash(call->ctx->store, new, &hash, &call->error);
	c.hash = hash;
	if (err == ERR_OK)
		err = store_pass(call->ctx->store, PASS_SYNC, "password", change_put_pass, &c,
				 &call->error);
	if (err == ERR_OK)
		err = start_login(call, call->who.name);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *to = call_url(call, "/?note=password_changed");
	return form_done_answer(call, to);
}
