/*
 * Upload tasks and their index.  upload_tasks_by_owner holds
 *   owner NUL ~created id   open ones, newest first of one owner
 *   0x01 expires id         all
 *   0x02 ~created id        open ones, newest first of everybody
 */
#include "store/upload_tasks.h"

#include <string.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/entry.h"

#define SPACE_EXPIRES 1
#define SPACE_ALL     2
#define ID_LEN	      32

static const char installation_key[] = "installation";

enum err installation_id(struct pass *p, bool make, char ret[33])
{
	CLEAN_JSON json_object *record = NULL;
	enum err err =
	    record_get(p, TABLE_META, installation_key, strlen(installation_key), &record);

	if (err == ERR_NOT_FOUND && make) {
		char id[ID_LEN + 1];

		token_hex(id, ID_LEN);
		record = json_set_str(json_object_new_object(), "id", id);
		err = record_put(p, TABLE_META, installation_key, strlen(installation_key), record);
	}
	if (err == ERR_OK && !token_is_hex(json_str(record, "id", ""), ID_LEN))
		err = error_set(p->error, ERR_STORE, "the record meta/installation is damaged");
	if (err == ERR_OK)
		memcpy(ret, json_str(record, "id", ""), ID_LEN + 1);
	return err;
}

/* ---- the index */

static struct key owner_key(const json_object *r, bool all)
{
	struct key k = {0};

	if (strcmp(json_str(r, "state", ""), "open") != 0)
		return k;
	if (all)
		key_byte(&k, SPACE_ALL);
	else
		key_nul(&k, json_str(r, "owner", ""));
	key_number(&k, ~(uint64_t)json_int(r, "created", 0));
	key_text(&k, json_str(r, "id", ""));
	return k;
}

static struct key expires_key(const json_object *r)
{
	struct key k = {0};

	key_byte(&k, SPACE_EXPIRES);
	key_number(&k, (uint64_t)json_int(r, "expires", 0));
	key_text(&k, json_str(r, "id", ""));
	return k;
}

static enum err change(struct pass *p, const json_object *now, const json_object *was)
{
	const struct key none = {0};
	const struct index_pair pairs[] = {
	    {TABLE_UPLOAD_TASKS_BY_OWNER, now ? owner_key(now, false) : none,
	     was ? owner_key(was, false) : none, NULL, NULL},
	    {TABLE_UPLOAD_TASKS_BY_OWNER, now ? owner_key(now, true) : none,
	     was ? owner_key(was, true) : none, NULL, NULL},
	    {TABLE_UPLOAD_TASKS_BY_OWNER, now ? expires_key(now) : none,
	     was ? expires_key(was) : none, NULL, NULL},
	};

	return entry_change(p, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

enum err upload_tasks_index(struct pass *p, json_object *record, bool add)
{
	return add ? change(p, record, NULL) : change(p, NULL, record);
}

/* ---- records */

enum err upload_tasks_add(struct pass *p, json_object *record)
{
	const char *id = json_str(record, "id", "");
	enum err err;

	if (!token_is_hex(id, ID_LEN))
		return error_set(p->error, ERR_INTERNAL, "an upload task without an id");
	err = record_insert(p, TABLE_UPLOAD_TASKS, id, ID_LEN, record);
	return err == ERR_OK ? change(p, record, NULL) : err;
}

enum err upload_tasks_get(struct pass *p, const char *id, json_object **ret)
{
	if (!token_is_hex(id, ID_LEN))
		return ERR_NOT_FOUND;
	return record_get(p, TABLE_UPLOAD_TASKS, id, ID_LEN, ret);
}

enum err upload_tasks_put(struct pass *p, json_object *record, const char *expected)
{
	CLEAN_JSON json_object *old = NULL;
	const char *id = json_str(record, "id", "");
	enum err err = upload_tasks_get(p, id, &old);

	if (err != ERR_OK)
		return err;
	if (strcmp(json_str(old, "upload", ""), expected != NULL ? expected : "") != 0)
		return ERR_CONFLICT;
	err = record_replace(p, TABLE_UPLOAD_TASKS, id, ID_LEN, record);
	return err == ERR_OK ? change(p, record, old) : err;
}

enum err upload_tasks_list(struct pass *p, const char *owner, size_t max, json_object **ret)
{
	struct found found = {.max = max};
	json_object *list = json_object_new_array();
	struct key prefix = {0};
	enum err err = ERR_OK;

	if (owner != NULL)
		key_nul(&prefix, owner);
	else
		key_byte(&prefix, SPACE_ALL);
	if (max > 0)
		err = entry_walk(p, TABLE_UPLOAD_TASKS_BY_OWNER, &prefix, SIZE_MAX, found_text32,
				 &found);
	for (size_t i = found.n; err == ERR_OK && i > 0; i--) {
		json_object *record = NULL;

		err = upload_tasks_get(p, found.texts[i - 1], &record);
		err = found_add(list, err, record);
	}
	return found_end(&found, err, list, ret);
}

static enum err erase(struct pass *p, const char *id)
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = upload_tasks_get(p, id, &old);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err == ERR_OK)
		err = change(p, NULL, old);
	return err == ERR_OK ? record_delete(p, TABLE_UPLOAD_TASKS, id, ID_LEN) : err;
}

enum err upload_tasks_sweep(struct pass *p, int64_t now_ms, size_t max, size_t *ret)
{
	CLEAN_JSON json_object *ids = NULL;
	json_object *id;
	enum err err =
	    entry_due(p, TABLE_UPLOAD_TASKS_BY_OWNER, SPACE_EXPIRES, now_ms, true, max, &ids);

	*ret = json_len(ids);
	JSON_EACH(id, ids)
	if (err == ERR_OK)
		err = erase(p, json_object_get_string(id));
	return err;
}
