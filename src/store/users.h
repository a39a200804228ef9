/*
 * Users, their logins (browser), and API keys.  A user: {"v","name","password":"$y$…","admin":bool,
 * "manager":bool,
 * "disabled":bool,"groups":[…],"nickname"?,"created"}.  A login: {"v","user","created","seen",
 * "csrf","address","idle"?}; a key: {"v","user","name",
 * "read_only","expires","created","seen","id","limits"?}.  Secrets are stored as SHA-256 only.
 * Source: contracts/security.md 3.3; passwords by libcrypt (yescrypt).
 */
#ifndef SLIPWAY_STORE_USERS_H
#define SLIPWAY_STORE_USERS_H

#include "store/record.h"

/* Who asks.  Filled by a login, a key or Basic; anonymous: name "". */
struct principal {
	char owner[160]; /* "u:<user>", "a:<anonymous id>" or "-" */
	char name[128];	 /* user name, "" = nobody */
	bool admin;
	bool manager;	   /* may use the file area */
	char groups[2048]; /* names, one a line: store/groups.h */
	bool read_only;	   /* an API key with --read-only */
	bool by_cookie;	   /* identified by a cookie: CSRF applies */
	bool by_basic;
	char login[65]; /* SHA-256 hex of the login id, "" = none: binds the CSRF token */
};

/*
 * Name: 1..64 of letters, digits, . _ - @ (Unicode letters too), NFC.  Password: 10..1024 bytes,
 * not the name.
 */
bool user_name_ok(const char *name);
/* a problem code or NULL */
const char *user_password_problem(const char *name, const char *password);

/*
 * Outside a pass (slow): hash and check, at most two at once on the host (lock slots): ERR_RATE
 * after 2 s.
 */
enum err user_password_hash(struct store *, const char *password, char **ret, struct error *);
enum err user_password_check(struct store *, const char *hash /* NULL: dummy work */,
			     const char *password, bool *ret);

/* What a user's record says. */
void user_principal(const json_object *record, struct principal *ret);

/* Inside a pass. */
/* The enabled user NAME as principal: ERR_NOT_FOUND. */
enum err users_principal(struct pass *, const char *name, struct principal *ret);
enum err users_put(struct pass *, json_object *record);
enum err users_get(struct pass *, const char *name, json_object **ret);
enum err users_list(struct pass *, size_t max, json_object **ret);
/*
 * "user", "manager" or "administrator"; another word: ERR_BAD_REQUEST.  Disabling ends all logins;
 * keys come back with the user.  The last administrator who can log in stays one: ERR_CONFLICT.
 */
const char *user_role(const json_object *user);
enum err users_set_role(struct pass *, const char *name, const char *role);
enum err users_set_disabled(struct pass *, const char *name, bool disabled);
enum err users_delete(struct pass *, const char *name); /* with its logins and keys */

enum err logins_add(struct pass *, const char *user, const char *address, int64_t now_ms,
		    int64_t max_per_user, const char token[33]);
/*
 * ERR_NOT_FOUND unless known, within IDLE_S and MAX_S, and its user is enabled.  *RET_TOUCH: seen
 * is older than 5 min.
 */
enum err logins_get(struct pass *, const char *token, int64_t now_ms, int64_t idle_s, int64_t max_s,
		    struct principal *ret, bool *ret_touch);
/* This login ends after IDLE_S without a request, whatever the site's rule is. */
enum err logins_set_idle(struct pass *, const char *token, int64_t idle_s);
enum err logins_touch(struct pass *, const char *token, int64_t now_ms);
enum err logins_end(struct pass *, const char *token);
enum err logins_end_all(struct pass *, const char *user);

enum err keys_add(struct pass *, const char *user, const char *name, bool read_only,
		  int64_t expires_ms /* 0: never */, int64_t now_ms, const char *token);
/*
 * The same with bounds: LIMITS = {"addresses":[…],"referers":[…],"ids":[…]}, each may be missing;
 * who asks checks them.
 * "session" in it: made by a user himself for a while (SuperMap's tokens): his expired ones of this
 * kind go first.
 */
enum err keys_add_limited(struct pass *, const char *user, const char *name, bool read_only,
			  int64_t expires_ms, int64_t now_ms, const char *token,
			  const json_object *limits);
/*
 * *RET_LIMITS: the key's bounds, which the caller must keep; NULL where there are none; caller
 * frees.
 */
enum err keys_get(struct pass *, const char *token, int64_t now_ms, struct principal *ret,
		  bool *ret_touch, json_object **ret_limits);
enum err keys_touch(struct pass *, const char *token, int64_t now_ms);
/* without the token */
enum err keys_list(struct pass *, const char *user, json_object **ret);
enum err keys_delete(struct pass *, const char *user, const char *id);

/*
 * The one-time token that makes the first administrator: stored as SHA-256 in meta; claimed once.
 */
enum err first_login_set(struct pass *, const char *token, int64_t expires_ms);
/* ERR_NOT_FOUND: wrong, used, expired */
enum err first_login_check(struct pass *, const char *token, int64_t now_ms);
enum err first_login_clear(struct pass *);
/*
 * The same with a digest from the configuration, for hosts without a command line: good for as long
 * as there is no user.
 * ERR_NOT_FOUND: none is set, or it is another one, or there are users.
 */
enum err first_login_configured(struct pass *, const char *sha256, const char *token);

/* Failed attempts per name and address (security.md 3.3): may this be tried now? */
enum err failures_check(struct pass *, const char *name, const char *address, int64_t now_ms,
			bool *ret_allowed);
enum err failures_note(struct pass *, const char *name, const char *address, int64_t now_ms);
enum err failures_clear(struct pass *, const char *name, const char *address);

#endif
