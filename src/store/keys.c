/* API keys: key = SHA-256 of the token.  keys_by_user: user NUL key id; value: the digest. */
#include "store/users.h"

#include <string.h>

#include "base/token.h"
#include "store/entry.h"

#define TOUCH_MS   (5 * 60 * 1000LL)
#define DIGEST_LEN 64
#define ID_LEN	   12

static struct key user_key(const json_object *record)
{
	struct key k = {0};

	key_nul(&k, json_str(record, "user", ""));
	key_text(&k, json_str(record, "id", ""));
	return k;
}

enum err keys_index(struct pass *p, json_object *record, const char *digest, bool add)
{
	struct key k = user_key(record);

	return add ? entry_put_text(p, TABLE_KEYS_BY_USER, &k, digest)
		   : entry_delete(p, TABLE_KEYS_BY_USER, &k);
}

/* What a user made for an hour and forgot must not fill his share of keys. */
static enum err drop_expired(struct pass *p, const char *user, int64_t now_ms)
{
	CLEAN_JSON json_object *list = NULL;
	json_object *key;
	enum err err = keys_list(p, user, &list);

	JSON_EACH(key, list)
	{
		int64_t expires = json_int(key, "expires", 0);

		if (err == ERR_OK && expires > 0 && expires <= now_ms &&
		    json_bool(json_obj(key, "limits"), "session", false))
			err = keys_delete(p, user, json_str(key, "id", ""));
	}
	return err;
}

enum err keys_add(struct pass *p, const char *user, const char *name, bool read_only,
		  int64_t expires_ms, int64_t now_ms, const char *token)
{
	return keys_add_limited(p, user, name, read_only, expires_ms, now_ms, token, NULL);
}

enum err keys_add_limited(struct pass *p, const char *user, const char *name, bool read_only,
			  int64_t expires_ms, int64_t now_ms, const char *token,
			  const json_object *limits)
{
	CLEAN_JSON json_object *record = json_object_new_object();
	struct key prefix = {0};
	char digest[DIGEST_LEN + 1], id[ID_LEN + 1];
	int64_t max = p->store != NULL ? p->store->config->keys_per_user : 0;
	size_t n = 0;
	enum err err = ERR_OK;

	key_nul(&prefix, user);
	if (json_bool(limits, "session", false))
		err = drop_expired(p, user, now_ms);
	if (err == ERR_OK)
		err = entry_walk(p, TABLE_KEYS_BY_USER, &prefix, SIZE_MAX, found_count, &n);
	if (err == ERR_OK && max > 0 && n >= (size_t)max)
		err =
		    error_set(p->error, ERR_TOO_LARGE, "login.keys_per_user: %lld", (long long)max);
	token_sha256_hex(token, strlen(token), digest);
	token_hex(id, ID_LEN);
	json_set_str(record, "user", user);
	json_set_str(record, "name", name != NULL ? name : "");
	json_set_bool(record, "read_only", read_only);
	json_set_int(record, "expires", expires_ms);
	json_set_int(record, "created", now_ms);
	json_set_int(record, "seen", 0);
	json_set_str(record, "id", id);
	if (limits != NULL)
		json_set(record, "limits", json_copy(limits));
	if (err == ERR_OK)
		err = record_insert(p, TABLE_KEYS, digest, DIGEST_LEN, record);
	return err == ERR_OK ? keys_index(p, record, digest, true) : err;
}

enum err keys_get(struct pass *p, const char *token, int64_t now_ms, struct principal *ret,
		  bool *ret_touch, json_object **ret_limits)
{
	CLEAN_JSON json_object *record = NULL;
	static const char *const without[] = {"id", "name", "created", NULL};
	struct principal who;
	char digest[DIGEST_LEN + 1];
	int64_t expires;
	enum err err;

	token_sha256_hex(token, strlen(token), digest);
	err = record_get_without(p, TABLE_KEYS, digest, DIGEST_LEN, without, &record);
	if (err != ERR_OK)
		return err;
	expires = json_int(record, "expires", 0);
	if (expires > 0 && expires <= now_ms)
		return ERR_NOT_FOUND;
	err = principal_of(p, json_str(record, "user", ""), &who);
	if (err != ERR_OK)
		return err;
	who.read_only = json_bool(record, "read_only", true);
	if (who.read_only)
		who.admin = who.manager = false;
	*ret = who;
	*ret_limits = json_copy(json_obj(record, "limits"));
	*ret_touch = now_ms - json_int(record, "seen", 0) > TOUCH_MS;
	return ERR_OK;
}

enum err keys_touch(struct pass *p, const char *token, int64_t now_ms)
{
	CLEAN_JSON json_object *record = NULL;
	char digest[DIGEST_LEN + 1];
	enum err err;

	token_sha256_hex(token, strlen(token), digest);
	err = record_get(p, TABLE_KEYS, digest, DIGEST_LEN, &record);
	if (err != ERR_OK)
		return err;
	json_set_int(record, "seen", now_ms);
	return record_replace(p, TABLE_KEYS, digest, DIGEST_LEN, record);
}

/* The digests of one user's keys, out of the index values. */
static bool add_digest(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	(void)key;
	(void)key_len;
	if (len == INDEX_HEAD + DIGEST_LEN)
		json_object_array_add(
		    arg, json_object_new_string_len((const char *)value + INDEX_HEAD, DIGEST_LEN));
	return true;
}

static int by_created(const void *a, const void *b)
{
	int64_t x = json_int(*(json_object *const *)a, "created", 0);
	int64_t y = json_int(*(json_object *const *)b, "created", 0);

	return x < y ? -1 : x > y;
}

enum err keys_list(struct pass *p, const char *user, json_object **ret)
{
	CLEAN_JSON json_object *digests = json_object_new_array();
	json_object *list = json_object_new_array(), *digest;
	struct key prefix = {0};
	enum err err;

	key_nul(&prefix, user);
	err = entry_walk(p, TABLE_KEYS_BY_USER, &prefix, SIZE_MAX, add_digest, digests);
	JSON_EACH(digest, digests)
	{
		json_object *record = NULL;
		enum err one = err != ERR_OK
				   ? err
				   : record_get(p, TABLE_KEYS, json_object_get_string(digest),
						DIGEST_LEN, &record);

		if (one == ERR_OK)
			json_object_array_add(list, record);
		else if (one != ERR_NOT_FOUND)
			err = one;
	}
	if (err != ERR_OK) {
		json_object_put(list);
		return err;
	}
	json_object_array_sort(list, by_created);
	*ret = list;
	return ERR_OK;
}

enum err keys_delete(struct pass *p, const char *user, const char *id)
{
	unsigned char value[INDEX_HEAD + DIGEST_LEN];
	struct key k = {0};
	size_t len;
	enum err err;

	key_nul(&k, user);
	key_text(&k, id);
	err = index_get(p, TABLE_KEYS_BY_USER, k.at, k.len, value, sizeof(value), &len);
	if (err != ERR_OK)
		return err;
	err = index_delete(p, TABLE_KEYS_BY_USER, k.at, k.len);
	if (err == ERR_OK && len == sizeof(value))
		err = record_delete(p, TABLE_KEYS, value + INDEX_HEAD, DIGEST_LEN);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}
