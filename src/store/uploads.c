/*
 * Uploads, their indexes, and the sums per owner.  Beside the key record.h names:
 *   uploads_by_owner   owner NUL ~created id   newest first of one owner
 *                      0x01 expires id         those that expire (refs = 0)
 *                      0x02 ~created id        newest first of everybody
 *   counters           open:<owner>, bytes:<owner>, parts:<owner>, promised
 */
#include "store/uploads.h"

#include <string.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/entry.h"

#define SPACE_EXPIRES 1
#define SPACE_ALL     2
#define ID_LEN	      32
#define PROMISED      "promised"

/* What the indexes and sums are made of. */
struct facts {
	const char *id; /* borrowed from the record */
	const char *owner;
	int64_t created;
	int64_t expires;  /* 0 = does not */
	int64_t open;	  /* 0, 1: unfinished */
	int64_t bytes;	  /* counted against the quota */
	int64_t parts;	  /* of an unfinished one: each may be a file */
	int64_t promised; /* declared, not yet recorded */
};

static struct facts facts_of(const json_object *record)
{
	const char *state = json_str(record, "state", "");
	int64_t length = json_int(record, "length", -1), offset = json_int(record, "offset", 0);
	int64_t refs = json_int(record, "refs", 0);
	struct facts f = {
	    .id = json_str(record, "id", ""),
	    .owner = json_str(record, "owner", "-"),
	    .created = json_int(record, "created", 0),
	    .expires = refs > 0 ? 0 : json_int(record, "expires", 0),
	};

	if (strcmp(state, "created") == 0 || strcmp(state, "receiving") == 0) {
		int64_t came = json_int(record, "received", offset);

		f.open = 1;
		f.bytes = length >= 0 ? length : came;
		f.parts = json_int(record, "part_count", 0);
		if (length >= 0 &&
		    !__builtin_mul_overflow(length, json_int(record, "copies", 1), &f.promised))
			f.promised = f.promised > came ? f.promised - came : 0;
	} else if (strcmp(state, "complete") == 0 && refs <= 0) {
		f.bytes = length >= 0 ? length : offset;
	}
	if (f.expires < 0)
		f.expires = 0;
	return f;
}

static struct key owner_key(const struct facts *f)
{
	struct key k = {0};

	key_nul(&k, f->owner);
	key_number(&k, ~(uint64_t)f->created);
	key_text(&k, f->id);
	return k;
}

static struct key all_key(const struct facts *f)
{
	struct key k = {0};

	key_byte(&k, SPACE_ALL);
	key_number(&k, ~(uint64_t)f->created);
	key_text(&k, f->id);
	return k;
}

static struct key expires_key(const struct facts *f)
{
	struct key k = {0};

	if (f->expires <= 0)
		return k;
	key_byte(&k, SPACE_EXPIRES);
	key_number(&k, (uint64_t)f->expires);
	key_text(&k, f->id);
	return k;
}

static enum err count_one(struct pass *p, const char *what, const char *owner, int64_t by)
{
	CLEAN_FREE char *name = by != 0 ? mem_printf("%s:%s", what, owner) : NULL;

	return by != 0 ? entry_count(p, name, by) : ERR_OK;
}

static enum err count_owner(struct pass *p, const char *owner, int64_t open, int64_t bytes,
			    int64_t parts)
{
	enum err err = count_one(p, "open", owner, open);

	if (err == ERR_OK)
		err = count_one(p, "bytes", owner, bytes);
	return err == ERR_OK ? count_one(p, "parts", owner, parts) : err;
}

static enum err count_upload(struct pass *p, const struct facts *f, const struct facts *was)
{
	const struct facts zero = {.owner = f != NULL ? f->owner : was->owner};
	enum err err = ERR_OK;

	if (f == NULL)
		f = &zero;
	if (was == NULL)
		was = &zero;
	if (strcmp(f->owner, was->owner) == 0) {
		err = count_owner(p, f->owner, f->open - was->open, f->bytes - was->bytes,
				  f->parts - was->parts);
	} else {
		err = count_owner(p, was->owner, -was->open, -was->bytes, -was->parts);
		if (err == ERR_OK)
			err = count_owner(p, f->owner, f->open, f->bytes, f->parts);
	}
	return err == ERR_OK ? entry_count(p, PROMISED, f->promised - was->promised) : err;
}

static enum err index_upload(struct pass *p, const struct facts *f, const struct facts *was)
{
	const struct key none = {0};
	const struct index_pair pairs[] = {
	    {TABLE_UPLOADS_BY_OWNER, f ? owner_key(f) : none, was ? owner_key(was) : none, NULL,
	     NULL},
	    {TABLE_UPLOADS_BY_OWNER, f ? all_key(f) : none, was ? all_key(was) : none, NULL, NULL},
	    {TABLE_UPLOADS_BY_OWNER, f ? expires_key(f) : none, was ? expires_key(was) : none, NULL,
	     NULL},
	};
	enum err err = entry_change(p, pairs, sizeof(pairs) / sizeof(pairs[0]));

	return err == ERR_OK ? count_upload(p, f, was) : err;
}

enum err uploads_index(struct pass *p, json_object *record, bool add)
{
	struct facts f = facts_of(record);

	return add ? index_upload(p, &f, NULL) : index_upload(p, NULL, &f);
}

/* ---- records */

enum err uploads_create(struct pass *p, json_object *record)
{
	struct facts f = facts_of(record);
	enum err err;

	if (!token_is_hex(f.id, ID_LEN))
		return error_set(p->error, ERR_INTERNAL, "an upload without an id");
	err = record_insert(p, TABLE_UPLOADS, f.id, ID_LEN, record);
	return err == ERR_OK ? index_upload(p, &f, NULL) : err;
}

enum err uploads_get(struct pass *p, const char *id, json_object **ret)
{
	if (!token_is_hex(id, ID_LEN))
		return ERR_NOT_FOUND;
	return record_get(p, TABLE_UPLOADS, id, ID_LEN, ret);
}

/* The client key of a record that ends, unless it is another upload's by now. */
static enum err give_key_back(struct pass *p, const json_object *record)
{
	const char *key = json_str(record, "key", NULL);
	char id[ID_LEN + 1];
	enum err err;

	if (key == NULL || !token_is_hex(key, 64))
		return ERR_OK;
	err = upload_keys_get(p, key, id);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	return strcmp(id, json_str(record, "id", "")) == 0 ? upload_keys_drop(p, key) : ERR_OK;
}

enum err uploads_put(struct pass *p, json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	struct facts f = facts_of(record), was;
	enum err err = uploads_get(p, f.id, &old);

	if (err != ERR_OK)
		return err;
	was = facts_of(old);
	if (strcmp(json_str(record, "state", ""), "expired") == 0)
		err = give_key_back(p, old);
	if (err == ERR_OK)
		err = record_replace(p, TABLE_UPLOADS, f.id, ID_LEN, record);
	return err == ERR_OK ? index_upload(p, &f, &was) : err;
}

enum err uploads_delete(struct pass *p, const char *id)
{
	CLEAN_JSON json_object *old = NULL;
	struct facts was;
	enum err err = uploads_get(p, id, &old);

	if (err != ERR_OK)
		return err;
	was = facts_of(old);
	err = give_key_back(p, old);
	if (err == ERR_OK)
		err = index_upload(p, NULL, &was);
	return err == ERR_OK ? record_delete(p, TABLE_UPLOADS, id, ID_LEN) : err;
}

/* ---- figures and lists */

enum err uploads_usage(struct pass *p, const char *owner, struct uploads_usage *ret)
{
	CLEAN_FREE char *open = mem_printf("open:%s", owner);
	CLEAN_FREE char *bytes = mem_printf("bytes:%s", owner);
	CLEAN_FREE char *parts = mem_printf("parts:%s", owner);
	struct uploads_usage usage = {0};
	enum err err = counter_get(p, open, &usage.open);

	if (err == ERR_OK)
		err = counter_get(p, bytes, &usage.bytes);
	if (err == ERR_OK)
		err = counter_get(p, parts, &usage.parts);
	if (err == ERR_OK)
		*ret = usage;
	return err;
}

enum err uploads_promised(struct pass *p, int64_t *ret)
{
	return counter_get(p, PROMISED, ret);
}

enum err uploads_list(struct pass *p, const char *owner, size_t skip, size_t max, json_object **ret)
{
	struct found found = {.skip = skip, .max = max};
	json_object *list = json_object_new_array();
	struct key prefix = {0};
	enum err err = ERR_OK;

	if (owner != NULL)
		key_nul(&prefix, owner);
	else
		key_byte(&prefix, SPACE_ALL);
	if (max > 0)
		err =
		    entry_walk(p, TABLE_UPLOADS_BY_OWNER, &prefix, SIZE_MAX, found_text32, &found);
	for (size_t i = 0; err == ERR_OK && i < found.n; i++) {
		json_object *record = NULL;

		err = uploads_get(p, found.texts[i], &record);
		err = found_add(list, err, record);
	}
	return found_end(&found, err, list, ret);
}

enum err uploads_expired(struct pass *p, int64_t now_ms, size_t max, json_object **ret)
{
	return entry_due(p, TABLE_UPLOADS_BY_OWNER, SPACE_EXPIRES, now_ms, true, max, ret);
}

/* ---- client keys */

enum err upload_keys_get(struct pass *p, const char key_hex[65], char ret_id[33])
{
	unsigned char value[INDEX_HEAD + ID_LEN];
	struct key k = {0};
	size_t len = 0;
	enum err err;

	key_text(&k, key_hex);
	err = index_get(p, TABLE_UPLOAD_KEYS, k.at, k.len, value, sizeof(value), &len);
	if (err != ERR_OK)
		return err;
	if (len != sizeof(value))
		return ERR_NOT_FOUND;
	memcpy(ret_id, value + INDEX_HEAD, ID_LEN);
	ret_id[ID_LEN] = '\0';
	return ERR_OK;
}

enum err upload_keys_claim(struct pass *p, const char key_hex[65], const char *id, char ret_id[33])
{
	char taken[ID_LEN + 1];
	json_object *record = NULL;
	struct key k = {0};
	enum err err = upload_keys_get(p, key_hex, taken);

	if (err == ERR_OK) {
		err = uploads_get(p, taken, &record);
		json_object_put(record);
		if (err == ERR_OK) {
			memcpy(ret_id, taken, sizeof(taken));
			return ERR_CONFLICT;
		}
	}
	/* A key whose upload is gone is free. */
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	key_text(&k, key_hex);
	return entry_put_text(p, TABLE_UPLOAD_KEYS, &k, id);
}

enum err upload_keys_drop(struct pass *p, const char key_hex[65])
{
	struct key k = {0};

	key_text(&k, key_hex);
	return entry_delete(p, TABLE_UPLOAD_KEYS, &k);
}

/* Two keys that share a byte wait for each other, nothing more. */
enum err upload_keys_lock(struct store *s, const char key_hex[65], int wait_ms, int *ret_fd,
			  struct error *error)
{
	char digits[13] = "";

	memcpy(digits, key_hex, sizeof(digits) - 1);
	return byte_lock(s, "locks/upload-keys", strtoll(digits, NULL, 16), wait_ms, ret_fd, error);
}
