/*
 * Index entries: keys made of parts, walks over them, and the upkeep of a record's entries when it
 * changes. Private to store/.
 */
#ifndef SLIPWAY_STORE_ENTRY_H
#define SLIPWAY_STORE_ENTRY_H

#include "store/inside.h"

/* A key made of parts. */
struct key {
	unsigned char at[STORE_KEY_MAX + 64];
	size_t len; /* over STORE_KEY_MAX: refused by every call that takes it */
};
void key_text(struct key *, const char *text); /* without the NUL */
void key_nul(struct key *, const char *text);  /* with it */
void key_number(struct key *, uint64_t n);     /* 8 bytes big-endian */
void key_byte(struct key *, unsigned char c);

enum err entry_put(struct pass *, enum table, const struct key *); /* value: the head only */
enum err entry_put_text(struct pass *, enum table, const struct key *,
			const char *text);			      /* head and TEXT */
enum err entry_delete(struct pass *, enum table, const struct key *); /* missing is fine */
/* Visit what begins with PREFIX. */
enum err entry_walk(struct pass *, enum table, const struct key *prefix, size_t max, walk_fn *fn,
		    void *arg);

/* What a walk collects: numbers or texts found at the end of keys. */
struct found {
	uint64_t *ids;	   /* owned */
	char (*texts)[65]; /* owned */
	size_t n;	   /* how many */
	size_t skip;	   /* pass over these first */
	size_t max;
};
void found_done(struct found *);
bool found_id(const void *key, size_t key_len, const void *value, size_t len, void *found);
/* The last 32 or 64 bytes of the key. */
bool found_text32(const void *key, size_t key_len, const void *value, size_t len, void *found);
bool found_text64(const void *key, size_t key_len, const void *value, size_t len, void *found);
/*
 * For a list of records made of them, entry by entry.  One more: RECORD, when ERR is ERR_OK;
 * ERR_NOT_FOUND is an index entry too many, which `check --repair` removes.  The end: FOUND goes,
 * and LIST is *RET or, with an error, goes too.
 */
enum err found_add(json_object *list, enum err err, json_object *record);
enum err found_end(struct found *, enum err err, json_object *list, json_object **ret);
bool found_count(const void *key, size_t key_len, const void *value, size_t len, void *size);

/*
 * One entry of a record: where it shall be and where it was.  An empty key (len 0) is none; equal
 * keys are left as they are unless their texts differ.
 */
struct index_pair {
	enum table table;
	struct key now;
	struct key was;
	const char *text; /* value of the entry behind the head, NULL = "" */
	const char *text_was;
};
enum err entry_change(struct pass *, const struct index_pair *, size_t n);

/* counter_add for figures that come back to 0: then the record goes. */
enum err entry_count(struct pass *, const char *name, int64_t by);

/*
 * What lies in the space "SPACE time id": ids (numbers, or 32 characters with TEXT) with 0 < time <
 * BEFORE_MS, at most MAX.
 * Owns: caller frees *RET.
 */
enum err entry_due(struct pass *, enum table, unsigned char space, int64_t before_ms, bool text,
		   size_t max, json_object **ret);

/*
 * Add or remove everything that is derived from a record: entries in derived tables and sums.  For
 * `check --repair` and `load`, which build them anew.
 */
enum err sessions_index(struct pass *, json_object *record, bool add);
enum err tasks_index(struct pass *, json_object *record, bool add);
enum err uploads_index(struct pass *, json_object *record, bool add);
enum err upload_tasks_index(struct pass *, json_object *record, bool add);
enum err receivers_index(struct pass *, json_object *record, bool add);
enum err mails_index(struct pass *, json_object *record, bool add);
enum err logins_index(struct pass *, json_object *record, const char *digest, bool add);
enum err keys_index(struct pass *, json_object *record, const char *digest, bool add);

/* The enabled user NAME as principal (logins.c). */
struct principal;
enum err principal_of(struct pass *, const char *name, struct principal *ret);
/* Is this value of a "fail:" counter of no use any more? */
bool failures_stale(const void *value, size_t len, int64_t now_ms);

/* ---- rates.c: how often NAME did WHAT in the window of WINDOW_MS that NOW_MS lies in */

enum err rate_count(struct pass *, const char *what, const char *name, int64_t window_ms,
		    int64_t now_ms, int64_t *ret);
enum err rate_add(struct pass *, const char *what, const char *name, int64_t window_ms,
		  int64_t now_ms);
/* Is this value of a "rate:" counter of no use any more? */
bool rate_stale(const void *value, size_t len, int64_t now_ms);

#endif
