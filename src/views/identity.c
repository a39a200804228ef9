#include <string.h>
#include <pthread.h>
#include <openssl/crypto.h>
#include "views/identity.h"
#include "views/wizard.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

/* ---- credentials that are looked up in the store */

struct lookup {
	struct call *call;
	const char *token; /* of a login or a key */
	bool is_login;
	bool touch; /* "seen" is old enough to be written */
	struct principal who;
	json_object *limits; /* of a key */
};

static enum err lookup_pass(struct pass *p, void *arg)
{
	struct lookup *l = arg;
	const struct config *c = l->call->ctx->config;
	int64_t now = clock_now_ms();
	enum err err;

	json_object_put(l->limits);
	l->limits = NULL;
	if (l->is_login)
		err = logins_get(p, l->token, now, c->login_idle_s, c->login_max_s, &l->who,
				 &l->touch);
	else
		err = keys_get(p, l->token, now, &l->who, &l->touch, &l->limits);
	if (err == ERR_OK && l->call->ahead_id != 0)
		turn_read_ahead(p, l->call);
	return err;
}

static enum err touch_pass(struct pass *p, void *arg)
{
	struct lookup *l = arg;
	int64_t now = clock_now_ms();
	return l->is_login ? logins_touch(p, l->token, now) : keys_touch(p, l->token, now);
}

/* One of LIST is ADDRESS; no list is no bound. */
static bool address_fits(const json_object *list, const char *address)
{
	json_object *item = NULL;

	JSON_EACH(item, list)
	{
		if (strcmp(json_object_get_string(item), address) == 0)
			return true;
	}
	return list == NULL;
}

/* REFERER is one of LIST or below it. */
static bool referer_fits(const json_object *list, const char *referer)
{
	json_object *item = NULL;

	JSON_EACH(item, list)
	{
		const char *base = json_object_get_string(item);
		size_t n = strlen(base);
		if (referer != NULL && n > 0 && strncmp(referer, base, n) == 0 &&
		    (base[n - 1] == '/' || strchr("/?#", referer[n]) != NULL))
			return true;
	}
	return list == NULL;
}

/* Is this one of the requests that restricted keys are for? */
static bool key_reads(const struct req *req)
{
	return (req->method == METHOD_GET || req->method == METHOD_HEAD) &&
	       (text_starts(req->path, "/iportal/web/datas") ||
		text_starts(req->path, "/iportal/web/mycontent/datas"));
}

/* ERR_NOT_FOUND: unknown, expired, or not for whoever sent it or for this. */
static enum err lookup(struct call *call, const char *token, bool is_login)
{
	struct lookup l = {.call = call, .token = token, .is_login = is_login};
	enum err err =
	    store_pass(call->ctx->store, PASS_RECALL, "who", lookup_pass, &l, &call->error);
	if (err != ERR_OK) {
		if (err == ERR_NOT_FOUND)
			call->error = (struct error){0};
		return err;
	}
	if (!address_fits(json_arr(l.limits, "addresses"), call->req->address) ||
	    !referer_fits(json_arr(l.limits, "referers"), req_header(call->req, "Referer")) ||
	    (json_arr(l.limits, "ids") != NULL && !key_reads(call->req))) {
		json_object_put(l.limits);
		return ERR_NOT_FOUND;
	}
	call->who = l.who;
	json_object_put(call->limits);
	call->limits = l.limits;
	/* A missed "last seen" harms nobody: its failure is not this request's. */
	if (l.touch)
		(void)store_pass(call->ctx->store, PASS_WRITE_NOSYNC, "seen", touch_pass, &l, NULL);
	return ERR_OK;
}

/*
 * ---- Basic: a proven password is remembered five minutes as an HMAC under a key that lives in
 * memory only
 */

#define PROVEN_MAX 64
#define PROVEN_MS  (5 * 60 * 1000)

static struct {
	pthread_mutex_t lock;
	unsigned char key[32];
	bool has_key;
	struct {
		char mac[65];
		int64_t until;
	} v[PROVEN_MAX];
	size_t next;
} proven = {.lock = PTHREAD_MUTEX_INITIALIZER};

/*
 * HASH: what the store knows the password by.  With another one the old password proves nothing any
 * more.
 */
static void proven_mac(const char *name, const char *password, const char *hash, char mac[65])
{
	CLEAN_FREE char *all =
	    mem_printf("%zu:%s:%zu:%s:%s", strlen(name), name, strlen(hash), hash, password);
	if (!proven.has_key) {
		token_bytes(proven.key, sizeof(proven.key));
		proven.has_key = true;
	}
	token_hmac_hex(proven.key, sizeof(proven.key), all, strlen(all), mac);
	OPENSSL_cleanse(all, strlen(all));
}

static bool proven_find(const char *name, const char *password, const char *hash)
{
	char mac[65];
	bool found = false;
	pthread_mutex_lock(&proven.lock);
	proven_mac(name, password, hash, mac);
	for (size_t i = 0; i < PROVEN_MAX && !found; i++) {
		if (proven.v[i].until > clock_mono_ms() && token_equal(proven.v[i].mac, mac))
			found = true;
	}
	pthread_mutex_unlock(&proven.lock);
	return found;
}

static void proven_add(const char *name, const char *password, const char *hash)
{
	pthread_mutex_lock(&proven.lock);
	size_t i = proven.next++ % PROVEN_MAX;
	proven_mac(name, password, hash, proven.v[i].mac);
	proven.v[i].until = clock_mono_ms() + PROVEN_MS;
	pthread_mutex_unlock(&proven.lock);
}

/* ---- passwords */

struct attempt {
	struct call *call;
	const char *name;
	bool allowed;
	json_object *user; /* NULL = unknown or disabled */
};

static enum err attempt_pass(struct pass *p, void *arg)
{
	struct attempt *a = arg;
	json_object_put(a->user);
	a->user = NULL;
	enum err err =
	    failures_check(p, a->name, a->call->req->address, clock_now_ms(), &a->allowed);
	if (err != ERR_OK || !a->allowed)
		return err;
	err = users_get(p, a->name, &a->user);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err failed_pass(struct pass *p, void *arg)
{
	struct attempt *a = arg;
	return failures_note(p, a->name, a->call->req->address, clock_now_ms());
}

static enum err cleared_pass(struct pass *p, void *arg)
{
	struct attempt *a = arg;
	return failures_clear(p, a->name, a->call->req->address);
}

/* REMEMBER: as proven. */
static enum err check_password(struct call *call, const char *name, const char *password,
			       bool remember, struct principal *ret)
{
	struct attempt a = {.call = call, .name = name};
	struct store *store = call->ctx->store;
	enum err err = store_pass(store, PASS_READ, "password", attempt_pass, &a, &call->error);
	if (err != ERR_OK)
		return err;
	if (!a.allowed)
		return error_set(&call->error, ERR_RATE, "too many failed attempts");

	bool good = false;
	const char *hash =
	    json_bool(a.user, "disabled", false) ? NULL : json_str(a.user, "password", NULL);
	err = user_password_check(store, hash, password, &good);
	if (err == ERR_OK && good && hash != NULL) {
		user_principal(a.user, ret);
		if (remember)
			proven_add(name, password, hash);
		(void)store_pass(store, PASS_WRITE_NOSYNC, "password ok", cleared_pass, &a, NULL);
	} else if (err == ERR_OK) {
		(void)store_pass(store, PASS_WRITE_NOSYNC, "password bad", failed_pass, &a, NULL);
		err = error_set(&call->error, ERR_AUTH, "wrong name or password");
	} else {
		(void)error_set(&call->error, err, "the password could not be checked");
	}
	json_object_put(a.user);
	return err;
}

enum err identity_password(struct call *call, const char *name, const char *password,
			   struct principal *ret)
{
	return check_password(call, name, password, false, ret);
}

static enum err user_pass(struct pass *p, void *arg)
{
	struct attempt *a = arg;
	json_object_put(a->user);
	a->user = NULL;
	return users_get(p, a->name, &a->user);
}

/* Was that proven lately, and is it so still?  Rights and groups are those of now. */
static bool proven_still(struct call *call, const char *name, const char *password)
{
	struct attempt a = {.call = call, .name = name};
	enum err err = store_pass(call->ctx->store, PASS_RECALL, "who", user_pass, &a, NULL);
	const char *hash =
	    json_bool(a.user, "disabled", false) ? NULL : json_str(a.user, "password", NULL);
	bool still = err == ERR_OK && hash != NULL && proven_find(name, password, hash);
	if (still)
		user_principal(a.user, &call->who);
	json_object_put(a.user);
	return still;
}

/* ---- users the store knows and somebody else has proven */

struct known {
	const char *name;
	struct principal who;
};

static enum err known_pass(struct pass *p, void *arg)
{
	struct known *k = arg;
	return users_principal(p, k->name, &k->who);
}

/* What NAME is and may now; ERR_AUTH: unknown or disabled meanwhile. */
static enum err known_user(struct call *call, const char *name)
{
	struct known k = {.name = name};
	enum err err =
	    store_pass(call->ctx->store, PASS_RECALL, "who", known_pass, &k, &call->error);
	if (err == ERR_OK)
		call->who = k.who;
	return err == ERR_NOT_FOUND ? error_set(&call->error, ERR_AUTH, "no such user") : err;
}

static enum err basic(struct call *call, const char *encoded)
{
	size_t len = strlen(encoded), n = 0;
	CLEAN_FREE char *plain = NULL;
	if (len == 0 || len > 4096 || !base64_decode(encoded, len, &plain, &n))
		return ERR_AUTH;
	char *colon = strchr(plain, ':');
	if (colon == NULL || strlen(plain) != n || !text_is_utf8(plain, n))
		return ERR_AUTH;
	*colon = '\0';
	const char *name = plain, *password = colon + 1;

	enum err err = ERR_OK;
	/* An API token serves as the password of its user. */
	if (strlen(password) >= 24 && lookup(call, password, false) == ERR_OK &&
	    (*name == '\0' || strcmp(call->who.name, name) == 0)) {
		;
	} else {
		call->who = (struct principal){.owner = "-"};
		json_object_put(call->limits);
		call->limits = NULL;
		if (!proven_still(call, name, password))
			err = check_password(call, name, password, true, &call->who);
	}
	OPENSSL_cleanse(plain, n);
	call->who.by_basic = err == ERR_OK;
	return err;
}

/* ---- cookies */

/* As browsers carry it. */
static bool own_token(const struct req *req, char token[33])
{
	const char *v = req_cookie(req, "slipway_login");
	if (v == NULL || !token_is_hex(v, 32))
		return false;
	memcpy(token, v, 33);
	return true;
}

/* The same login, as SuperMap clients carry it. */
static bool supermap_token(const struct req *req, char token[33])
{
	const char *v = req_cookie(req, "JSESSIONID");
	if (v == NULL || strlen(v) != 32)
		return false;
	for (size_t i = 0; i <= 32; i++)
		token[i] = v[i] >= 'A' && v[i] <= 'F' ? (char)(v[i] + 32) : v[i];
	return token_is_hex(token, 32) && strpbrk(v, "abcdef") == NULL;
}

enum err identity_end_logins(struct pass *p, const struct req *req)
{
	char token[33];
	enum err err = own_token(req, token) ? logins_end(p, token) : ERR_OK;
	if ((err == ERR_OK || err == ERR_NOT_FOUND) && supermap_token(req, token))
		err = logins_end(p, token);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err logout_pass(struct pass *p, void *arg)
{
	return identity_end_logins(p, arg);
}

enum err identity_logout(struct call *call)
{
	static const char *const names[] = {"slipway_login", "JSESSIONID"};
	char token[33];
	enum err err = ERR_OK;
	if (own_token(call->req, token) || supermap_token(call->req, token))
		err = store_pass(call->ctx->store, PASS_DELETE, "logout", logout_pass,
				 (void *)(uintptr_t)call->req, &call->error);
	for (size_t i = 0; err == ERR_OK && i < sizeof(names) / sizeof(*names); i++) {
		if (req_cookie(call->req, names[i]) != NULL)
			reply_cookie(
			    call->reply, call->req,
			    &(struct cookie){
				.name = names[i], .value = "", .max_age = 0, .http_only = true});
	}
	return err;
}

/* What stands in records and on pages is no key to them: a part of the cookie's digest. */
static void become_anonymous(struct call *call, const char *token)
{
	char digest[65];
	token_sha256_hex(token, 32, digest);
	snprintf(call->who.owner, sizeof(call->who.owner), "a:%.32s", digest);
	call->who.by_cookie = true;
}

static void anonymous(struct call *call)
{
	const char *v = req_cookie(call->req, "slipway_anon");
	if (call->ctx->config->anonymous_uploads && v != NULL && token_is_hex(v, 32))
		become_anonymous(call, v);
}

void identity_keep(struct call *call)
{
	char token[33];
	if (!call->ctx->config->anonymous_uploads || strcmp(call->who.owner, "-") != 0)
		return;
	token_hex(token, 32);
	become_anonymous(call, token);
	reply_cookie(call->reply, call->req,
		     &(struct cookie){
			 .name = "slipway_anon", .value = token, .max_age = -1, .http_only = true});
}

/* token= and key= of SuperMap's clients.  False: neither is there. */
static bool by_query(struct call *call, enum err *ret)
{
	const char *token = supermap_query(call, "token"), *key = supermap_query(call, "key");

	if (!call->supermap.on || (token == NULL && key == NULL))
		return false;
	*ret = lookup(call, token != NULL ? token : key, false);
	if (*ret == ERR_OK && token == NULL && (!call->who.read_only || !key_reads(call->req)))
		*ret = ERR_NOT_FOUND;
	if (*ret == ERR_NOT_FOUND)
		*ret = ERR_AUTH;
	if (*ret != ERR_OK)
		call->who = (struct principal){.owner = "-"};
	return true;
}

/*
 * Whom the web server has let in: its word for it is a variable no client can set.  Browsers send
 * such logins unasked, as they send cookies.
 */
static enum err by_web_server(struct call *call, const char *name)
{
	enum err err = known_user(call, name);
	call->who.by_cookie = err == ERR_OK;
	return err;
}

/* ERR_NOT_FOUND: no login of that token, or no more. */
static enum err by_login(struct call *call, const char *token)
{
	enum err err = lookup(call, token, true);
	call->who.by_cookie = err == ERR_OK;
	if (err == ERR_OK)
		token_sha256_hex(token, 32, call->who.login);
	else
		call->who = (struct principal){.owner = "-"};
	return err;
}

enum err identity_find(struct call *call)
{
	const char *outside =
	    call->ctx->config->remote_user ? wire_env(call->req->wire, "REMOTE_USER") : NULL;
	const char *auth = req_header(call->req, "Authorization");
	const char *key = req_header(call->req, "X-Slipway-Key");
	bool script = call->supermap.on && call->supermap.format == SUPERMAP_JSONP;
	char token[33];
	enum err err;

	call->who = (struct principal){.owner = "-"};
	if (by_query(call, &err))
		return err;
	if (auth != NULL && strncasecmp(auth, "Bearer ", 7) == 0)
		key = auth + 7;
	if (key != NULL) {
		err = lookup(call, key, false);
		return err == ERR_NOT_FOUND ? ERR_AUTH : err;
	}
	/*
	 * A foreign page must not read private lists through a script: what browsers send unasked
	 * is nobody's there.
	 */
	if (script)
		return ERR_OK;
	/* Its password is the web server's, not ours. */
	if (outside != NULL && *outside != '\0')
		return by_web_server(call, outside);
	if (auth != NULL && strncasecmp(auth, "Basic ", 6) == 0)
		return basic(call, auth + 6);
	err = own_token(call->req, token) ? by_login(call, token) : ERR_NOT_FOUND;
	if (err == ERR_NOT_FOUND && supermap_token(call->req, token))
		err = by_login(call, token);
	if (err != ERR_NOT_FOUND)
		return err;
	anonymous(call);
	return ERR_OK;
}

/* ---- CSRF */

static void csrf_mac(const struct call *call, const char nonce[32], char mac[65])
{
	char both[32 + 64 + 1];
	memcpy(both, nonce, 32);
	snprintf(both + 32, sizeof(both) - 32, "%s", call->who.login);
	token_hmac_hex(call->ctx->secret, sizeof(call->ctx->secret), both, strlen(both), mac);
}

static bool csrf_valid(const struct call *call, const char *token)
{
	char mac[65];
	if (token == NULL || !token_is_hex(token, 96))
		return false;
	csrf_mac(call, token, mac);
	return token_equal(token + 32, mac);
}

void csrf_prepare(struct call *call)
{
	const char *cookie = req_cookie(call->req, "csrftoken");
	if (csrf_valid(call, cookie)) {
		memcpy(call->csrf, cookie, sizeof(call->csrf));
		call->csrf_new = false;
		return;
	}
	token_hex(call->csrf, 32);
	char mac[65];
	csrf_mac(call, call->csrf, mac);
	memcpy(call->csrf + 32, mac, 65);
	call->csrf_new = true;
}

/* Is ORIGIN (scheme://host[:port]) one of the space-separated LIST? */
static bool in_list(const char *list, const char *origin)
{
	size_t n = strlen(origin);
	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, " ");
		if (len == n && strncmp(p, origin, n) == 0)
			return true;
		p += len;
		p += strspn(p, " ");
	}
	return false;
}

bool identity_origin_listed(const struct call *call, const char *origin)
{
	return origin != NULL && in_list(call->ctx->config->cors_origins, origin);
}

static bool origin_is_ours(const struct call *call, const char *origin, size_t len)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *want = NULL;
	CLEAN_FREE char *got = mem_strndup(origin, len);

	if (*c->public_url != '\0') {
		const char *p = strstr(c->public_url, "://");
		size_t n = p == NULL ? 0 : (size_t)(p + 3 - c->public_url) + strcspn(p + 3, "/");
		want = mem_strndup(c->public_url, n);
	} else {
		const char *host = req_header(call->req, "Host");
		want = mem_printf("%s://%s", call->req->https ? "https" : "http",
				  host == NULL ? "" : host);
	}
	return text_ieq(want, got) || in_list(c->cors_origins, got);
}

enum err csrf_origin(struct call *call)
{
	const char *origin = req_header(call->req, "Origin");
	const char *site = req_header(call->req, "Sec-Fetch-Site");
	const char *referer = req_header(call->req, "Referer");

	if (!call->who.by_cookie && !call->who.by_basic && *call->who.name != '\0')
		return ERR_OK; /* a token in a header: no browser sends it unasked */
	if (origin != NULL) {
		if (origin_is_ours(call, origin, strlen(origin)))
			return ERR_OK;
	} else if (site != NULL) {
		if (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
			return ERR_OK;
	} else if (referer != NULL && strchr(referer, '/') != NULL) {
		const char *p = strstr(referer, "://");
		if (p != NULL &&
		    origin_is_ours(call, referer, (size_t)(p + 3 - referer) + strcspn(p + 3, "/")))
			return ERR_OK;
	} else {
		/* Nor does a browser send a Referer that is no address: GeoNode's scripts call
		 * themselves "test-client" there. */
		return ERR_OK;
	}
	return call_fail(call, ERR_FORBIDDEN, problem_new("csrf_failed"));
}

enum err csrf_token(struct call *call)
{
	if (!call->who.by_cookie && *call->who.name != '\0')
		return ERR_OK;
	const char *cookie = req_cookie(call->req, "csrftoken");
	const char *sent = form_get(&call->form, "csrfmiddlewaretoken");
	if (sent == NULL)
		sent = req_header(call->req, "X-CSRFToken");
	if (sent != NULL && cookie != NULL && token_equal(sent, cookie) && csrf_valid(call, cookie))
		return ERR_OK;
	return call_fail(call, ERR_FORBIDDEN, problem_new("csrf_failed"));
}
