/*
 * Mails: key = id, 8 bytes big-endian.  mail_by_due holds
 *   0x01 due id       all that wait
 *   0x02 task address one a task and address
 */
#include "store/mails.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/entry.h"

#define SPACE_DUE  1
#define SPACE_TASK 2

static struct key due_key(const json_object *mail)
{
	struct key k = {0};

	key_byte(&k, SPACE_DUE);
	key_number(&k, (uint64_t)json_int(mail, "due", 0));
	key_number(&k, (uint64_t)json_int(mail, "id", 0));
	return k;
}

static struct key task_key(const json_object *mail)
{
	struct key k = {0};

	key_byte(&k, SPACE_TASK);
	key_number(&k, (uint64_t)json_int(mail, "task", 0));
	key_text(&k, json_str(mail, "to", ""));
	return k;
}

static enum err change(struct pass *p, const json_object *now, const json_object *was)
{
	const struct key none = {0};
	const struct index_pair pairs[] = {
	    {TABLE_MAIL_BY_DUE, now ? due_key(now) : none, was ? due_key(was) : none, NULL, NULL},
	    {TABLE_MAIL_BY_DUE, now ? task_key(now) : none, was ? task_key(was) : none, NULL, NULL},
	};

	return entry_change(p, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

enum err mails_index(struct pass *p, json_object *record, bool add)
{
	return add ? change(p, record, NULL) : change(p, NULL, record);
}

static enum err get(struct pass *p, int64_t id, json_object **ret)
{
	unsigned char key[8];

	key_u64((uint64_t)id, key);
	return record_get(p, TABLE_MAIL, key, sizeof(key), ret);
}

static enum err put(struct pass *p, json_object *record, const json_object *old)
{
	unsigned char key[8];
	enum err err;

	key_u64((uint64_t)json_int(record, "id", 0), key);
	err = record_replace(p, TABLE_MAIL, key, sizeof(key), record);
	return err == ERR_OK ? change(p, record, old) : err;
}

enum err mails_add(struct pass *p, json_object *record)
{
	struct key k = task_key(record);
	unsigned char value[INDEX_HEAD];
	size_t len;
	int64_t id;
	enum err err = index_get(p, TABLE_MAIL_BY_DUE, k.at, k.len, value, sizeof(value), &len);

	if (err != ERR_NOT_FOUND)
		return err;
	err = counter_next(p, "mail", &id);
	if (err != ERR_OK)
		return err;
	json_set_int(record, "id", id);
	json_set_int(record, "tries", 0);
	json_set_int(record, "queued", json_int(record, "queued", clock_now_ms()));
	json_set_int(record, "due", json_int(record, "due", json_int(record, "queued", 0)));
	return put(p, record, NULL);
}

static bool first_due(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	uint64_t *found = arg; /* due, id */

	(void)value;
	(void)len;
	if (key_len != 1 + 8 + 8)
		return true;
	found[0] = key_to_u64((const unsigned char *)key + 1);
	found[1] = key_to_u64((const unsigned char *)key + 9);
	return false;
}

enum err mails_claim(struct pass *p, int64_t now_ms, int64_t until_ms, json_object **ret)
{
	CLEAN_JSON json_object *old = NULL;
	json_object *record;
	struct key prefix = {0};
	uint64_t found[2] = {UINT64_MAX, 0};
	enum err err;

	key_byte(&prefix, SPACE_DUE);
	err = entry_walk(p, TABLE_MAIL_BY_DUE, &prefix, SIZE_MAX, first_due, found);
	if (err == ERR_OK && (found[1] == 0 || found[0] > (uint64_t)now_ms))
		err = ERR_NOT_FOUND;
	if (err == ERR_OK)
		err = get(p, (int64_t)found[1], &old);
	if (err != ERR_OK)
		return err;
	record = json_copy(old);
	json_set_int(record, "due", until_ms);
	json_set_int(record, "tries", json_int(old, "tries", 0) + 1);
	err = put(p, record, old);
	if (err != ERR_OK) {
		json_object_put(record);
		return err;
	}
	*ret = record;
	return ERR_OK;
}

enum err mails_later(struct pass *p, int64_t id, int64_t due_ms)
{
	CLEAN_JSON json_object *old = NULL;
	CLEAN_JSON json_object *record = NULL;
	enum err err = get(p, id, &old);

	if (err != ERR_OK)
		return err;
	record = json_copy(old);
	json_set_int(record, "due", due_ms);
	return put(p, record, old);
}

enum err mails_delete(struct pass *p, int64_t id)
{
	CLEAN_JSON json_object *old = NULL;
	unsigned char key[8];
	enum err err = get(p, id, &old);

	if (err == ERR_OK)
		err = change(p, NULL, old);
	key_u64((uint64_t)id, key);
	return err == ERR_OK ? record_delete(p, TABLE_MAIL, key, sizeof(key)) : err;
}

enum err mails_count(struct pass *p, size_t *ret)
{
	*ret = 0;
	return record_walk(p, TABLE_MAIL, NULL, 0, NULL, 0, SIZE_MAX, found_count, ret);
}
