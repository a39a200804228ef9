/*
 * Inside of receiver.c, receiver_keys.c, receiver_table.c and receiver_file.c: readers of single
 * keys of a receiver's configuration.
 */
#ifndef SLIPWAY_SIGNED_RECEIVER_READ_H
#define SLIPWAY_SIGNED_RECEIVER_READ_H

#include "signed/receiver.h"

#define RECEIVER_NAMES_MAX  2000  /* columns, fields */
#define RECEIVER_NAME_BYTES 63	  /* of an identifier */
#define RECEIVER_TEXT_BYTES 65536 /* of a statement or constant */

struct reading {
	struct receiver *receiver;
	const char *key; /* at hand */
	struct refusal *r;
};

struct reader {
	const char *key;
	bool (*read)(struct reading *, json_object *value); /* false: the refusal is filled */
};
extern const struct reader receiver_keys[]; /* ends with NULL; not those of a table or file */
extern const struct reader receiver_tables[];
extern const struct reader receiver_files[];

/* The refusal "KEY: …"; always false. */
bool reading_bad(struct reading *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A string of 1..MAX bytes; NULL: refused. */
const char *reading_text(struct reading *, json_object *value, size_t max);
bool reading_bool(struct reading *, json_object *value, bool *ret);
bool reading_int(struct reading *, json_object *value, int64_t min, int64_t max, int64_t *ret);
/* An identifier: a string without control characters. */
bool reading_name_ok(struct reading *, const char *name);
bool reading_object(struct reading *, json_object *value);
/* A list of strings, or one string as a list of one: each is added to *LIST (N of them). */
bool reading_names(struct reading *, json_object *value, char ***list, size_t *n);
void reading_add(char ***list, size_t *n, char *name);

bool receiver_has_column(const struct receiver *, const char *column); /* true without a list */
void receiver_file_defaults(struct receiver *);
/* What concerns several keys. */
bool receiver_file_fits(struct reading *);

#endif
