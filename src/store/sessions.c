/*
 * Sessions and their indexes.  Beside the keys record.h names, two tables hold further spaces,
 * whose first byte no owner and no state begins with:
 *   sessions_by_owner   owner NUL ~id       newest first of one owner
 *                       0x01 owner NUL id   those in READY, PENDING, WAITING, RUNNING
 *                       0x02 ~id            newest first of everybody
 *   sessions_by_state   state NUL changed id
 *                       0x01 expires id     those that may expire
 *                       0x02 gone id        tombstones
 */
#include "store/sessions.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/entry.h"

#define NONCE_MS (24 * 3600 * 1000LL)

#define SPACE_OPEN    1
#define SPACE_ALL     2
#define SPACE_EXPIRES 1
#define SPACE_GONE    2 /* sweep.c knows it */

/* What the indexes are made of. */
struct facts {
	uint64_t id;
	const char *owner; /* borrowed from the record */
	const char *state;
	int64_t changed;
	int64_t expires; /* 0 = does not */
	bool open;
};

static struct facts facts_of(const json_object *record)
{
	struct facts f = {
	    .id = (uint64_t)json_int(record, "id", 0),
	    .owner = json_str(record, "owner", "-"),
	    .state = json_str(record, "state", ""),
	    .changed = json_int(record, "changed", 0),
	    .expires = json_int(record, "expires", 0),
	};
	bool ready = strcmp(f.state, "READY") == 0, waiting = strcmp(f.state, "WAITING") == 0;

	f.open =
	    ready || waiting || strcmp(f.state, "PENDING") == 0 || strcmp(f.state, "RUNNING") == 0;
	/* The states that wizard.md 14.3 lets expire. */
	if (!ready && !waiting && strcmp(f.state, "INVALID") != 0 &&
	    strcmp(f.state, "INCOMPLETE") != 0)
		f.expires = 0;
	if (f.expires < 0)
		f.expires = 0;
	return f;
}

static struct key owner_key(const struct facts *f)
{
	struct key k = {0};

	key_nul(&k, f->owner);
	key_number(&k, ~f->id);
	return k;
}

static struct key open_key(const struct facts *f)
{
	struct key k = {0};

	key_byte(&k, SPACE_OPEN);
	key_nul(&k, f->owner);
	key_number(&k, f->id);
	return k;
}

static struct key all_key(const struct facts *f)
{
	struct key k = {0};

	key_byte(&k, SPACE_ALL);
	key_number(&k, ~f->id);
	return k;
}

static struct key state_key(const struct facts *f)
{
	struct key k = {0};

	key_nul(&k, f->state);
	key_number(&k, (uint64_t)f->changed);
	key_number(&k, f->id);
	return k;
}

static struct key expires_key(const struct facts *f)
{
	struct key k = {0};

	key_byte(&k, SPACE_EXPIRES);
	key_number(&k, (uint64_t)f->expires);
	key_number(&k, f->id);
	return k;
}

/* How many sessions of one owner, and of everybody, there are: lists need it without counting. */
static char *count_name(const char *owner)
{
	return owner != NULL ? mem_printf("sessions:%s", owner) : mem_strdup("sessions*");
}

static enum err count_by(struct pass *p, const char *owner, int64_t by)
{
	CLEAN_FREE char *all = count_name(NULL);
	CLEAN_FREE char *own = count_name(owner);
	enum err err = entry_count(p, all, by);

	return err == ERR_OK ? entry_count(p, own, by) : err;
}

/*
 * Put (or remove) the index entries of F; WAS, if any, is what they were: unchanged ones stay
 * untouched.
 */
static enum err index_session(struct pass *p, const struct facts *f, const struct facts *was)
{
	const struct key none = {0};
	const struct index_pair pairs[] = {
	    {TABLE_SESSIONS_BY_OWNER, f ? owner_key(f) : none, was ? owner_key(was) : none, NULL,
	     NULL},
	    {TABLE_SESSIONS_BY_OWNER, f ? all_key(f) : none, was ? all_key(was) : none, NULL, NULL},
	    {TABLE_SESSIONS_BY_OWNER, f && f->open ? open_key(f) : none,
	     was && was->open ? open_key(was) : none, NULL, NULL},
	    {TABLE_SESSIONS_BY_STATE, f ? state_key(f) : none, was ? state_key(was) : none, NULL,
	     NULL},
	    {TABLE_SESSIONS_BY_STATE, f && f->expires > 0 ? expires_key(f) : none,
	     was && was->expires > 0 ? expires_key(was) : none, NULL, NULL},
	};
	enum err err = entry_change(p, pairs, sizeof(pairs) / sizeof(pairs[0]));

	if (err == ERR_OK && (f == NULL || was == NULL || strcmp(f->owner, was->owner) != 0)) {
		if (was != NULL)
			err = count_by(p, was->owner, -1);
		if (err == ERR_OK && f != NULL)
			err = count_by(p, f->owner, 1);
	}
	return err;
}

static bool is_tombstone(const json_object *record)
{
	return json_get(record, "gone") != NULL;
}

static enum err index_tombstone(struct pass *p, const json_object *stone, bool add)
{
	struct key k = {0};

	key_byte(&k, SPACE_GONE);
	key_number(&k, (uint64_t)json_int(stone, "gone", 0));
	key_number(&k, (uint64_t)json_int(stone, "id", 0));
	return add ? entry_put(p, TABLE_SESSIONS_BY_STATE, &k)
		   : entry_delete(p, TABLE_SESSIONS_BY_STATE, &k);
}

enum err sessions_index(struct pass *p, json_object *record, bool add)
{
	struct facts f = facts_of(record);

	if (is_tombstone(record))
		return index_tombstone(p, record, add);
	return add ? index_session(p, &f, NULL) : index_session(p, NULL, &f);
}

/* ---- nonces */

static struct key nonce_key(const char *owner, const char *nonce)
{
	struct key k = {0};

	key_nul(&k, owner);
	key_text(&k, nonce);
	return k;
}

static enum err nonce_put(struct pass *p, const char *owner, const char *nonce, int64_t id)
{
	struct key k = nonce_key(owner, nonce);
	unsigned char value[INDEX_HEAD + 16];

	index_head(value, TABLE_SESSION_NONCES);
	key_u64((uint64_t)id, value + INDEX_HEAD);
	key_u64((uint64_t)clock_now_ms(), value + INDEX_HEAD + 8);
	return index_put(p, TABLE_SESSION_NONCES, k.at, k.len, value, sizeof(value));
}

static enum err sessions_by_nonce(struct pass *p, const char *owner, const char *nonce,
				  int64_t *ret_id)
{
	struct key k = nonce_key(owner, nonce);
	unsigned char value[INDEX_HEAD + 16], id[8];
	json_object *record = NULL;
	size_t len;
	enum err err = index_get(p, TABLE_SESSION_NONCES, k.at, k.len, value, sizeof(value), &len);

	if (err != ERR_OK)
		return err;
	if (len != sizeof(value))
		return error_set(p->error, ERR_STORE, "session_nonces: a damaged entry");
	if ((int64_t)key_to_u64(value + INDEX_HEAD + 8) < clock_now_ms() - NONCE_MS)
		return ERR_NOT_FOUND;
	memcpy(id, value + INDEX_HEAD, 8);
	err = record_get(p, TABLE_SESSIONS, id, 8, &record);
	if (err != ERR_OK)
		return err;
	/* A session that is gone cannot be what a repeated form means. */
	err = is_tombstone(record) ? ERR_NOT_FOUND : ERR_OK;
	json_object_put(record);
	if (err == ERR_OK)
		*ret_id = (int64_t)key_to_u64(id);
	return err;
}

/* ---- records */

enum err sessions_create(struct pass *p, json_object *record, const char *nonce, int64_t *ret_id)
{
	const char *owner = json_str(record, "owner", "-");
	unsigned char key[8];
	struct facts f;
	int64_t id;
	enum err err;

	if (nonce != NULL && nonce[0] != '\0') {
		err = sessions_by_nonce(p, owner, nonce, ret_id);
		if (err != ERR_NOT_FOUND)
			return err == ERR_OK ? ERR_CONFLICT : err;
	}
	err = counter_next(p, "session", &id);
	if (err != ERR_OK)
		return err;
	json_set_int(record, "id", id);
	key_u64((uint64_t)id, key);
	err = record_insert(p, TABLE_SESSIONS, key, 8, record);
	f = facts_of(record);
	if (err == ERR_OK)
		err = index_session(p, &f, NULL);
	if (err == ERR_OK && nonce != NULL && nonce[0] != '\0')
		err = nonce_put(p, owner, nonce, id);
	if (err == ERR_OK)
		*ret_id = id;
	return err;
}

enum err sessions_get(struct pass *p, int64_t id, json_object **ret)
{
	unsigned char key[8];

	key_u64((uint64_t)id, key);
	return record_get(p, TABLE_SESSIONS, key, 8, ret);
}

/* What no list and no next step tells. */
#define NOT_BRIEF                                                                                  \
	"preview", "supported", "candidates", "samples", "first_bad", "type_bad", "encoding",      \
	    "bundles", "md5", "sha256", "own", "named", "driver", "source_layer", "extent", "hash"
static const char *const not_brief[] = {NOT_BRIEF, "columns", NULL};
static const char *const not_brief_with_columns[] = {NOT_BRIEF, NULL};

/*
 * Does the next step depend on the columns?  Those of tables may hold places, those of others
 * times.
 */
static bool columns_tell(const json_object *record)
{
	json_object *layer;

	if (json_bool(json_obj(json_obj(record, "input"), "save"), "time", false))
		return true;
	JSON_EACH(layer, json_arr(record, "layers"))
	if (strcmp(json_str(layer, "kind", ""), "table") == 0 ||
	    json_get(layer, "dialect") != NULL || json_get(layer, "sheets") != NULL)
		return true;
	return false;
}

enum err sessions_get_brief(struct pass *p, int64_t id, json_object **ret)
{
	json_object *record = NULL;
	unsigned char key[8];
	enum err err;

	key_u64((uint64_t)id, key);
	err = record_get_without(p, TABLE_SESSIONS, key, 8, not_brief, &record);
	if (err == ERR_OK && columns_tell(record)) {
		json_object_put(record);
		err =
		    record_get_without(p, TABLE_SESSIONS, key, 8, not_brief_with_columns, &record);
	}
	if (err == ERR_OK)
		*ret = record;
	return err;
}

enum err sessions_put(struct pass *p, json_object *record, int64_t expected_rev)
{
	CLEAN_JSON json_object *old = NULL;
	struct facts f = facts_of(record), was;
	unsigned char key[8];
	enum err err;

	key_u64(f.id, key);
	err = record_get(p, TABLE_SESSIONS, key, 8, &old);
	if (err != ERR_OK)
		return err;
	if (is_tombstone(old))
		return ERR_NOT_FOUND;
	if (expected_rev >= 0 && json_int(old, "rev", 0) != expected_rev)
		return ERR_CONFLICT;
	was = facts_of(old);
	err = record_replace(p, TABLE_SESSIONS, key, 8, record);
	return err == ERR_OK ? index_session(p, &f, &was) : err;
}

enum err sessions_delete(struct pass *p, int64_t id, bool tombstone)
{
	CLEAN_JSON json_object *old = NULL;
	struct facts was;
	const char *nonce;
	unsigned char key[8];
	enum err err;

	key_u64((uint64_t)id, key);
	err = record_get(p, TABLE_SESSIONS, key, 8, &old);
	if (err != ERR_OK)
		return err;
	if (is_tombstone(old)) {
		if (tombstone)
			return ERR_OK;
		err = index_tombstone(p, old, false);
		return err == ERR_OK ? record_delete(p, TABLE_SESSIONS, key, 8) : err;
	}
	was = facts_of(old);
	err = index_session(p, NULL, &was);
	nonce = json_str(old, "nonce", "");
	if (err == ERR_OK && nonce[0] != '\0') {
		struct key k = nonce_key(was.owner, nonce);

		err = entry_delete(p, TABLE_SESSION_NONCES, &k);
	}
	if (err != ERR_OK)
		return err;
	if (!tombstone)
		return record_delete(p, TABLE_SESSIONS, key, 8);
	CLEAN_JSON json_object *stone = json_object_new_object();

	json_set_int(stone, "id", id);
	json_set_str(stone, "owner", was.owner);
	json_set_int(stone, "gone", clock_now_ms());
	err = record_replace(p, TABLE_SESSIONS, key, 8, stone);
	return err == ERR_OK ? index_tombstone(p, stone, true) : err;
}

/* ---- lists */

enum err sessions_list(struct pass *p, const char *owner, size_t skip, size_t max,
		       json_object **ret, size_t *ret_total)
{
	CLEAN_FREE char *name = count_name(owner);
	struct found found = {.skip = skip, .max = max};
	json_object *list;
	struct key prefix = {0};
	int64_t total = 0;
	enum err err = counter_get(p, name, &total);

	if (owner != NULL)
		key_nul(&prefix, owner);
	else
		key_byte(&prefix, SPACE_ALL);
	if (err == ERR_OK && max > 0)
		err = entry_walk(p, TABLE_SESSIONS_BY_OWNER, &prefix, SIZE_MAX, found_id, &found);
	list = json_object_new_array();
	for (size_t i = 0; err == ERR_OK && i < found.n; i++) {
		json_object *record = NULL;

		err = sessions_get_brief(p, (int64_t)~found.ids[i], &record);
		err = found_add(list, err, record);
	}
	err = found_end(&found, err, list, ret);
	if (err == ERR_OK)
		*ret_total = total > 0 ? (size_t)total : 0;
	return err;
}

enum err sessions_open(struct pass *p, const char *owner, json_object **ret)
{
	struct found found = {.max = SIZE_MAX};
	struct key prefix = {0};
	json_object *list = json_object_new_array();
	enum err err;

	key_byte(&prefix, SPACE_OPEN);
	key_nul(&prefix, owner);
	err = entry_walk(p, TABLE_SESSIONS_BY_OWNER, &prefix, SIZE_MAX, found_id, &found);
	for (size_t i = found.n; err == ERR_OK && i > 0; i--) {
		json_object *record = NULL;

		err = sessions_get_brief(p, (int64_t)found.ids[i - 1], &record);
		err = found_add(list, err, record);
	}
	return found_end(&found, err, list, ret);
}

enum err sessions_count_open(struct pass *p, const char *owner, size_t *ret)
{
	struct key prefix = {0};
	size_t n = 0;
	enum err err;

	key_byte(&prefix, SPACE_OPEN);
	key_nul(&prefix, owner);
	err = entry_walk(p, TABLE_SESSIONS_BY_OWNER, &prefix, SIZE_MAX, found_count, &n);
	if (err == ERR_OK)
		*ret = n;
	return err;
}

enum err sessions_expired(struct pass *p, int64_t now_ms, size_t max, json_object **ret)
{
	return entry_due(p, TABLE_SESSIONS_BY_STATE, SPACE_EXPIRES, now_ms, false, max, ret);
}

/* ---- the lock of one session */

enum err session_lock(struct store *s, int64_t id, int wait_ms, struct session_lock *ret,
		      struct error *error)
{
	ret->fd = -1;
	return byte_lock(s, "locks/sessions", id, wait_ms, &ret->fd, error);
}

void session_unlock(struct session_lock *lock)
{
	if (lock->fd >= 0)
		(void)close(lock->fd);
	lock->fd = -1;
}
