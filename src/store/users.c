#include "store/users.h"

#include <string.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/entry.h"

enum err users_put(struct pass *p, json_object *record)
{
	const char *name = json_str(record, "name", "");

	if (!user_name_ok(name))
		return error_set(p->error, ERR_BAD_REQUEST, "not a user name");
	return record_put(p, TABLE_USERS, name, strlen(name), record);
}

enum err users_get(struct pass *p, const char *name, json_object **ret)
{
	return name[0] != '\0' ? record_get(p, TABLE_USERS, name, strlen(name), ret)
			       : ERR_NOT_FOUND;
}

enum err users_list(struct pass *p, size_t max, json_object **ret)
{
	return record_list(p, TABLE_USERS, max, ret);
}

/* ---- roles */

const char *user_role(const json_object *user)
{
	if (json_bool(user, "admin", false))
		return "administrator";
	return json_bool(user, "manager", false) ? "manager" : "user";
}

/* Is there an administrator besides NAME who can log in? */
static enum err another_admin(struct pass *p, const char *name, bool *ret)
{
	CLEAN_JSON json_object *list = NULL;
	json_object *user;
	enum err err = users_list(p, SIZE_MAX, &list);

	*ret = false;
	JSON_EACH(user, list)
	{
		if (json_bool(user, "admin", false) && !json_bool(user, "disabled", false) &&
		    strcmp(json_str(user, "name", ""), name) != 0)
			*ret = true;
	}
	return err;
}

/* Somebody stops being an administrator: not the last one. */
static enum err may_lose(struct pass *p, const json_object *user)
{
	bool another = false;
	enum err err;

	if (!json_bool(user, "admin", false) || json_bool(user, "disabled", false))
		return ERR_OK;
	err = another_admin(p, json_str(user, "name", ""), &another);
	return err != ERR_OK || another
		   ? err
		   : error_set(p->error, ERR_CONFLICT, "the last administrator stays one");
}

enum err users_set_role(struct pass *p, const char *name, const char *role)
{
	CLEAN_JSON json_object *user = NULL;
	bool admin = strcmp(role, "administrator") == 0, manager = strcmp(role, "manager") == 0;
	enum err err;

	if (!admin && !manager && strcmp(role, "user") != 0)
		return error_set(p->error, ERR_BAD_REQUEST, "role: user, manager or administrator");
	err = users_get(p, name, &user);
	if (err == ERR_OK && !admin)
		err = may_lose(p, user);
	if (err != ERR_OK)
		return err;
	json_set_bool(user, "admin", admin);
	json_set_bool(user, "manager", manager);
	return users_put(p, user);
}

enum err users_set_disabled(struct pass *p, const char *name, bool disabled)
{
	CLEAN_JSON json_object *user = NULL;
	enum err err = users_get(p, name, &user);

	if (err == ERR_OK && disabled)
		err = may_lose(p, user);
	if (err != ERR_OK)
		return err;
	json_set_bool(user, "disabled", disabled);
	err = users_put(p, user);
	return err == ERR_OK && disabled ? logins_end_all(p, name) : err;
}

static enum err keys_delete_all(struct pass *p, const char *user)
{
	CLEAN_JSON json_object *list = NULL;
	json_object *item;
	enum err err = keys_list(p, user, &list);

	JSON_EACH(item, list)
	{
		if (err == ERR_OK)
			err = keys_delete(p, user, json_str(item, "id", ""));
	}
	return err;
}

enum err users_delete(struct pass *p, const char *name)
{
	CLEAN_JSON json_object *record = NULL;
	enum err err = users_get(p, name, &record);

	if (err == ERR_OK)
		err = logins_end_all(p, name);
	if (err == ERR_OK)
		err = keys_delete_all(p, name);
	return err == ERR_OK ? record_delete(p, TABLE_USERS, name, strlen(name)) : err;
}

/* ---- the one-time token of the first administrator */

static const char first_key[] = "first_login";

enum err first_login_set(struct pass *p, const char *token, int64_t expires_ms)
{
	CLEAN_JSON json_object *record = json_object_new_object();
	char digest[65];

	token_sha256_hex(token, strlen(token), digest);
	json_set_str(record, "sha256", digest);
	json_set_int(record, "expires", expires_ms);
	return record_put(p, TABLE_META, first_key, strlen(first_key), record);
}

enum err first_login_check(struct pass *p, const char *token, int64_t now_ms)
{
	CLEAN_JSON json_object *record = NULL;
	char digest[65];
	enum err err = record_get(p, TABLE_META, first_key, strlen(first_key), &record);

	if (err != ERR_OK)
		return err;
	token_sha256_hex(token, strlen(token), digest);
	if (!token_equal(json_str(record, "sha256", ""), digest) ||
	    json_int(record, "expires", 0) <= now_ms)
		return ERR_NOT_FOUND;
	return ERR_OK;
}

enum err first_login_configured(struct pass *p, const char *sha256, const char *token)
{
	CLEAN_JSON json_object *users = NULL;
	char digest[65];
	enum err err;

	token_sha256_hex(token, strlen(token), digest);
	if (!token_equal(sha256, digest))
		return ERR_NOT_FOUND;
	err = users_list(p, 1, &users);
	return err == ERR_OK && json_len(users) > 0 ? ERR_NOT_FOUND : err;
}

enum err first_login_clear(struct pass *p)
{
	enum err err = record_delete(p, TABLE_META, first_key, strlen(first_key));

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}
