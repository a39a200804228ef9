/*
 * Rows of text cells from any kind of table: delimited text decoded as it streams, or a sheet of a
 * workbook.
 */
#ifndef SLIPWAY_GEO_ROWS_H
#define SLIPWAY_GEO_ROWS_H

#include "geo/source.h"
#include "wizard/table.h"

struct rows;
enum rows_result {
	ROWS_ROW, /* a record; blank ones have no cells */
	ROWS_END,
	ROWS_FAILED, /* job->problems says why */
};

/*
 * The CSV file of SOURCE in CHARSET (canonical name).  DIALECT is copied.
 * Owns: caller frees with rows_free.
 */
enum err rows_open_csv(struct job *, const struct source *, const char *charset,
		       const struct dialect *, struct rows **ret);
void rows_free(struct rows *);

/* The next record; CELLS is borrowed until the next call. */
enum rows_result rows_next(struct rows *, const struct cell **ret_cells, size_t *ret_n);
int64_t
rows_row(const struct rows *); /* of the record returned last, as a spreadsheet numbers it */
int64_t
rows_line(const struct rows *); /* physical line where it began; the row's number in a sheet */
/* Bytes that CHARSET does not know have been replaced by U+FFFD in what was returned so far or is
 * about to be. */
bool rows_has_bad_text(const struct rows *);
/* Rows there will be about: from what has been read of the file so far.  -1 = no idea. */
int64_t rows_estimate(const struct rows *);

/* The first bytes of the file, decoded (caller frees); *RET_WHOLE: that is all of it. */
char *rows_head(struct job *, const struct source *, const char *charset, size_t *ret_len,
		bool *ret_whole);
/* The charset a byte order mark tells, NULL = there is none.  Static. */
const char *rows_bom(const struct source *);
/* Is every byte of the file part of valid UTF-8? */
bool rows_is_utf8(const struct source *);
/*
 * The charset of all bytes of FD from its start, where it must stand; *RET_SOURCE as
 * charset_guess_end.  Static; NULL: FD cannot be read twice.
 */
const char *rows_guess(int fd, const char **ret_source);
/*
 * Look at every byte: the file's charset by contracts/wizard.md 17.1, below the ones people chose.
 * *RET_SOURCE as charset_guess_end.  NULL: job->problems has the reason.
 */
const char *rows_charset(struct job *, const struct source *, const char **ret_source);

#endif
