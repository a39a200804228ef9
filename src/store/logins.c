/* Logins of browsers: key = SHA-256 of the login id.  logins_by_user: user NUL created login. */
#include "store/users.h"
#include "store/groups.h"

#include <stdio.h>
#include <string.h>

#include "base/token.h"
#include "store/entry.h"

#define TOUCH_MS   (5 * 60 * 1000LL) /* "seen" is written at most this often */
#define DIGEST_LEN 64

static struct key user_key(const json_object *login, const char *digest)
{
	struct key k = {0};

	key_nul(&k, json_str(login, "user", ""));
	key_number(&k, (uint64_t)json_int(login, "created", 0));
	key_text(&k, digest);
	return k;
}

enum err logins_index(struct pass *p, json_object *record, const char *digest, bool add)
{
	struct key k = user_key(record, digest);

	return add ? entry_put(p, TABLE_LOGINS_BY_USER, &k)
		   : entry_delete(p, TABLE_LOGINS_BY_USER, &k);
}

static enum err find_logins(struct pass *p, const char *user, struct found *ret)
{
	struct key prefix = {0};

	key_nul(&prefix, user);
	return entry_walk(p, TABLE_LOGINS_BY_USER, &prefix, SIZE_MAX, found_text64, ret);
}

static enum err end_login(struct pass *p, const char *digest)
{
	CLEAN_JSON json_object *record = NULL;
	enum err err = record_get(p, TABLE_LOGINS, digest, DIGEST_LEN, &record);

	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = logins_index(p, record, digest, false);
	return err == ERR_OK ? record_delete(p, TABLE_LOGINS, digest, DIGEST_LEN) : err;
}

enum err logins_add(struct pass *p, const char *user, const char *address, int64_t now_ms,
		    int64_t max_per_user, const char token[33])
{
	CLEAN_JSON json_object *record = json_object_new_object();
	struct found found = {.max = SIZE_MAX};
	char digest[DIGEST_LEN + 1];
	enum err err = find_logins(p, user, &found);

	/* The oldest make room. */
	for (size_t i = 0; err == ERR_OK && max_per_user > 0 && found.n - i >= (size_t)max_per_user;
	     i++)
		err = end_login(p, found.texts[i]);
	found_done(&found);
	token_sha256_hex(token, strlen(token), digest);
	json_set_str(record, "user", user);
	json_set_int(record, "created", now_ms);
	json_set_int(record, "seen", now_ms);
	json_set_str(record, "address", address);
	if (err == ERR_OK)
		err = record_insert(p, TABLE_LOGINS, digest, DIGEST_LEN, record);
	return err == ERR_OK ? logins_index(p, record, digest, true) : err;
}

/* The user behind a login or key, if enabled. */
enum err principal_of(struct pass *p, const char *user, struct principal *ret)
{
	static const char *const without[] = {"password", "created", NULL};
	CLEAN_JSON json_object *record = NULL;
	enum err err = user[0] == '\0' ? ERR_NOT_FOUND
				       : record_get_without(p, TABLE_USERS, user, strlen(user),
							    without, &record);

	if (err != ERR_OK)
		return err;
	if (json_bool(record, "disabled", false))
		return ERR_NOT_FOUND;
	user_principal(record, ret);
	return ERR_OK;
}

void user_principal(const json_object *record, struct principal *ret)
{
	const char *name = json_str(record, "name", "");

	*ret = (struct principal){.admin = json_bool(record, "admin", false),
				  .manager = json_bool(record, "manager", false)};
	(void)snprintf(ret->owner, sizeof(ret->owner), "u:%s", name);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	groups_of(record, ret->groups, sizeof(ret->groups));
}

enum err users_principal(struct pass *p, const char *name, struct principal *ret)
{
	return principal_of(p, name, ret);
}

enum err logins_get(struct pass *p, const char *token, int64_t now_ms, int64_t idle_s,
		    int64_t max_s, struct principal *ret, bool *ret_touch)
{
	CLEAN_JSON json_object *record = NULL;
	struct principal who;
	char digest[DIGEST_LEN + 1];
	int64_t seen;
	enum err err;

	token_sha256_hex(token, strlen(token), digest);
	err = record_get(p, TABLE_LOGINS, digest, DIGEST_LEN, &record);
	if (err != ERR_OK)
		return err;
	seen = json_int(record, "seen", 0);
	idle_s = json_int(record, "idle", idle_s);
	if (now_ms - seen > idle_s * 1000 || now_ms - json_int(record, "created", 0) > max_s * 1000)
		return ERR_NOT_FOUND;
	err = principal_of(p, json_str(record, "user", ""), &who);
	if (err != ERR_OK)
		return err;
	who.by_cookie = true;
	memcpy(who.login, digest, sizeof(who.login));
	*ret = who;
	*ret_touch = now_ms - seen > TOUCH_MS;
	return ERR_OK;
}

static enum err set_member(struct pass *p, const char *token, const char *name, int64_t value)
{
	CLEAN_JSON json_object *record = NULL;
	char digest[DIGEST_LEN + 1];
	enum err err;

	token_sha256_hex(token, strlen(token), digest);
	err = record_get(p, TABLE_LOGINS, digest, DIGEST_LEN, &record);
	if (err != ERR_OK)
		return err;
	json_set_int(record, name, value);
	return record_replace(p, TABLE_LOGINS, digest, DIGEST_LEN, record);
}

enum err logins_set_idle(struct pass *p, const char *token, int64_t idle_s)
{
	return set_member(p, token, "idle", idle_s);
}

enum err logins_touch(struct pass *p, const char *token, int64_t now_ms)
{
	return set_member(p, token, "seen", now_ms);
}

enum err logins_end(struct pass *p, const char *token)
{
	char digest[DIGEST_LEN + 1];

	token_sha256_hex(token, strlen(token), digest);
	return end_login(p, digest);
}

enum err logins_end_all(struct pass *p, const char *user)
{
	struct found found = {.max = SIZE_MAX};
	enum err err = find_logins(p, user, &found);

	for (size_t i = 0; err == ERR_OK && i < found.n; i++)
		err = end_login(p, found.texts[i]);
	found_done(&found);
	return err;
}
