/*
 * The rows of a "ds" (or "contents") field, in each of its forms, without building a tree of them:
 * a 16 MiB text is read in place. Source: contracts/signed-api.md 3.1.
 */
#ifndef SLIPWAY_SIGNED_DS_H
#define SLIPWAY_SIGNED_DS_H

#include <stdint.h>
#include "base/err.h"
#include "signed/rows.h"

struct ds;

/*
 * Check the whole text: JSON (strict, depth 8, no doubled keys, no NUL, no lone surrogates), one of
 * the forms, no mixture, every positional row as long as its header where that names columns.  Zero
 * rows are no error here. Owns:   TEXT is borrowed until ds_free; caller frees *RET. Errors: false:
 * R has REFUSE_BAD with the row, or REFUSE_LARGE over MAX_ROWS.
 */
bool ds_open(const char *text, size_t len, int64_t max_rows, struct ds **ret, struct refusal *r);
void ds_free(struct ds *);

int64_t ds_count(const struct ds *);
/* A source that reads DS; valid as long as DS.  One reader at a time. */
struct row_source ds_rows(struct ds *);

/*
 * The same for a file of one JSON array of cells a line, written by a job: columns in the
 * receiver's order.  FD is borrowed; rows come from where it stands, after rewind from the file's
 * beginning.  A line over LINES_ROW_MAX bytes, or one without its end, is wrong.
 */
#define LINES_ROW_MAX (64 << 20) /* bytes */
struct lines;
struct lines *lines_open(int fd);
void lines_free(struct lines *);
struct row_source lines_rows(struct lines *);

#endif
