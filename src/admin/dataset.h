/*
 * What the files of `slipway dataset …` share.
 */
#ifndef SLIPWAY_ADMIN_DATASET_H
#define SLIPWAY_ADMIN_DATASET_H

#include "admin/command.h"
#include "signed/manage.h"

#define DATASET_WORDS_MAX 64 /* KEY=JSON on one line */

/* The words of one command, its options taken out. */
struct dataset_line {
	const char *words[DATASET_WORDS_MAX];
	size_t n;
	bool json, secret, hmac;
	const char *config, *grace, *dry_run, *account, *owner, *update; /* NULL = not given */
};
/* Options named in ALLOWED ("json config") only.  False: usage. */
bool dataset_line_read(const struct command_run *, const char *allowed, size_t min, size_t max,
		       struct dataset_line *ret);

/* Whole FILE ("-": standard input), at most MAX bytes.  NULL: a sentence was printed. */
char *dataset_file(const char *file, size_t max, size_t *ret_len);
/* FILE as a configuration or settings object; NULL: a sentence was printed. */
json_object *dataset_config(const char *file);
/* A line "NAME KEY=JSON…": its changes as one object; *RET_STATUS tells why there is none. */
json_object *dataset_changes(const struct command_run *, struct dataset_line *ret, int *ret_status);

/* The exit status for ERR, with a sentence where it is one.  WHAT: "dataset", "account". */
int dataset_result(const char *what, const char *name, const struct manage *, enum err);
/* Print O, one line of JSON. */
void dataset_print(const json_object *o);
/*
 * The texts of O as one line of JSON or, each after its name and SEPARATOR, on lines of their own.
 */
void dataset_print_texts(const struct dataset_line *, const json_object *o, const char *separator);
/* Text without control characters, so that it cannot end a line or begin an escape. */
void dataset_put(const char *text);

#endif
