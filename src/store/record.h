/*
 * Records of the store's tables inside a pass: JSON objects with a version member "v" under plain
 * keys, and small binary index entries.  The collections (sessions.h …) are built from these.
 */
#ifndef SLIPWAY_STORE_RECORD_H
#define SLIPWAY_STORE_RECORD_H

#include "store/store.h"

enum table {
	TABLE_META,
	TABLE_COUNTERS,
	TABLE_UPLOADS,		     /* key: id (32 hex) */
	TABLE_UPLOAD_KEYS,	     /* key: SHA-256 of owner, dialect, client fields */
	TABLE_UPLOADS_BY_OWNER,	     /* key: owner NUL created NUL id */
	TABLE_SESSIONS,		     /* key: id, 8 bytes big-endian */
	TABLE_SESSIONS_BY_OWNER,     /* key: owner NUL ~id */
	TABLE_SESSIONS_BY_STATE,     /* key: state, changed, id */
	TABLE_SESSION_NONCES,	     /* key: owner NUL nonce; value: id, time */
	TABLE_TASKS,		     /* key: id, 8 bytes big-endian */
	TABLE_TASKS_BY_STATE,	     /* key: state, id */
	TABLE_LOGINS,		     /* key: SHA-256 of the login id */
	TABLE_USERS,		     /* key: name */
	TABLE_KEYS,		     /* key: SHA-256 of the token */
	TABLE_ACCOUNTS,		     /* signed API; key: name */
	TABLE_RECEIVERS,	     /* signed API; key: name */
	TABLE_REPLAY,		     /* signed API nonces and recorded answers; key: SHA-256 */
	TABLE_MAIL,		     /* key: id, 8 bytes big-endian */
	TABLE_LOGINS_BY_USER,	     /* key: user NUL created login */
	TABLE_KEYS_BY_USER,	     /* key: user NUL key id; value: the key's digest */
	TABLE_UPLOAD_TASKS,	     /* key: second half of the task's id (32 hex) */
	TABLE_UPLOAD_TASKS_BY_OWNER, /* key: owner NUL ~created id */
	TABLE_GROUPS,		     /* key: name */
	TABLE_RECEIVERS_BY_ID,	     /* key: id, 8 bytes big-endian; value: the name */
	TABLE_MAIL_BY_DUE,	     /* key: due, id; task, address */
	TABLE__MAX		     /* new ones go before this line: the numbers are on disk */
};

const char *table_name(enum table);

/*
 * Current record version of every table: 1.  A record with a higher "v" gives ERR_STORE and is not
 * touched.
 */
#define RECORD_VERSION 1

/*
 * Errors: ERR_NOT_FOUND; ERR_STORE (too new or damaged); record_insert: ERR_CONFLICT when the key
 * exists.
 * Owns: record_get: caller frees *RET with json_object_put.  record_put keeps nothing; sets "v".
 */
enum err record_get(struct pass *, enum table, const void *key, size_t key_len, json_object **ret);
/*
 * Without the members called one of WITHOUT (static; NULL: with all), wherever they are: such a
 * value must not be written back.
 */
enum err record_get_without(struct pass *, enum table, const void *key, size_t key_len,
			    const char *const *without, json_object **ret);
enum err record_put(struct pass *, enum table, const void *key, size_t key_len, json_object *value);
enum err record_insert(struct pass *, enum table, const void *key, size_t key_len,
		       json_object *value);
enum err record_delete(struct pass *, enum table, const void *key, size_t key_len);

/* Index entries: VALUE may be empty. */
enum err index_put(struct pass *, enum table, const void *key, size_t key_len, const void *value,
		   size_t len);
enum err index_get(struct pass *, enum table, const void *key, size_t key_len, void *value,
		   size_t size, size_t *ret_len);
enum err index_delete(struct pass *, enum table, const void *key, size_t key_len);

/*
 * Visit entries in key order from the first key >= FROM while keys start with PREFIX (PREFIX_LEN
 * bytes), at most MAX.  FN gets borrowed bytes; it returns false to stop.  No other call of the
 * pass from within FN.
 */
typedef bool walk_fn(const void *key, size_t key_len, const void *value, size_t len, void *arg);
enum err record_walk(struct pass *, enum table, const void *from, size_t from_len,
		     const void *prefix, size_t prefix_len, size_t max, walk_fn *fn, void *arg);
/* The first MAX records of TABLE in key order.  Owns: caller frees *RET, an array. */
enum err record_list(struct pass *, enum table, size_t max, json_object **ret);

/* Next value of a named counter, from 1, strictly growing, never reused. */
enum err counter_next(struct pass *, const char *name, int64_t *ret);
enum err counter_add(struct pass *, const char *name, int64_t by, int64_t *ret);

/* 8-byte big-endian keys. */
void key_u64(uint64_t n, unsigned char out[8]);
uint64_t key_to_u64(const unsigned char in[8]);

#endif
