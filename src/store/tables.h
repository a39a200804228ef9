/*
 * What is in each table: for dump, load, check and sweep, which treat all tables alike.  Private to
 * store/.
 */
#ifndef SLIPWAY_STORE_TABLES_H
#define SLIPWAY_STORE_TABLES_H

#include "store/entry.h"

enum value_kind {
	VALUE_RECORD,  /* a JSON object with "v" */
	VALUE_ENTRY,   /* head and bytes */
	VALUE_COUNTER, /* head and 8 bytes; also "fail:" entries */
};

#define TABLE_HIDDEN "***" /* in place of a secret */

struct table_info {
	enum value_kind value;
	bool number_key; /* 8 bytes big-endian; else text or bytes */
	bool derived;	 /* follows from other tables: not dumped, built anew */
	bool secret_key; /* the key is the digest of a secret */
	bool secrets;	 /* records may have members that are secrets or their digests */
};
const struct table_info *table_info(enum table);
bool table_by_name(const char *name, enum table *ret);
/*
 * A key as dump prints it: a number, a text, else {"hex":"…"}; "***" for the digest of a secret
 * without SECRETS.  Caller frees.
 */
json_object *table_key(enum table, const void *key, size_t len, bool secrets);
/* Bytes as hex.  Caller frees. */
json_object *table_hex(const void *bytes, size_t len);

/* Is this counter a sum over records, or a note of how often: not a number of its own? */
bool counter_is_derived(const void *key, size_t len);

/* A record and what is derived from it, told by its table; other tables: nothing. */
enum err table_index(struct pass *, enum table, const void *key, size_t key_len,
		     json_object *record, bool add);

/* ---- private copies (copy.c) */

/* A new folder below data_dir, made 0700.  Caller frees, and removes it with copy_remove. */
enum err copy_scratch(const char *data_dir, const char *what, char **ret, struct error *);
void copy_remove(const char *dir);
/*
 * Lock (F_WRLCK) or let go (F_UNLCK) byte BACKUP_… of `backup`.  ERR_BUSY: another process has it.
 */
enum err copy_lock(struct store *, short type, off_t byte, struct error *);
/* Copy tables and logs of a store at work to DIR/db, so that recovery makes it whole. */
enum err copy_take(struct store *, const char *dir, struct error *);
/* The same of a store that nobody gets into: its files as they stand. */
enum err copy_take_shut(struct store *, const char *dir, struct error *);
/* Recover what lies in DIR/db; or make an empty store there. */
enum err copy_open(struct env *, const char *dir, bool recover, struct error *);
/* Write everything to the files of the tables and close.  Drops on failure. */
enum err copy_close(struct env *, struct error *);
/* DB->verify of each table's file: one line each to OUT (may be NULL). */
enum err copy_verify(const char *dir, FILE *out, int *ret_findings, struct error *);

/*
 * FN for each entry of a table of a copy; it may use passes of its own.  A result but ERR_OK ends
 * it.
 */
typedef enum err each_fn(const void *key, size_t key_len, const void *value, size_t len, void *arg);
enum err copy_each(struct env *, enum table, each_fn *fn, void *arg, struct error *);

/* ERR_CONFLICT while a process but this one has the store open; BACKUP_FD: of the file `backup`. */
enum err copy_unused(int backup_fd, struct error *);
/* When the last log was written: text.  Caller frees; NULL = there is none. */
char *copy_stamp(const char *data_dir);

/* What takes the place of db/. */
struct install {
	const char *data_dir;
	const char *dir; /* its db/ does */
	bool replace;	 /* whatever is there */
	/* a file made below data_dir first, unless nothing was changed in the end; NULL = none */
	const char *mark;
	/* nothing may have been written since copy_stamp said so; NULL = no matter */
	const char *stamp;
	int backup_fd; /* nobody may have the store open */
	char *old;     /* result: what was there, below data_dir; owned, may be NULL */
};
/* Errors: ERR_CONFLICT. */
enum err copy_install(struct gate *, const struct env *, struct install *, struct error *);

#endif
