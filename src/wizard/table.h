/*
 * Delimited text: dialect detection and a streaming record parser.  Consumes bytes (UTF-8), neither
 * reads nor allocates per cell.  Source: contracts/wizard.md 9.1.
 */
#ifndef SLIPWAY_WIZARD_TABLE_H
#define SLIPWAY_WIZARD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dialect {
	char delimiter[5];  /* one UTF-8 character */
	char quote;	    /* '"' */
	char decimal;	    /* '.' or ',' or 0 = per column */
	int64_t header_row; /* 0 = none; else the row number of the header */
	bool sep_line;	    /* first line is "sep=;": not a row */
};

/*
 * Guess from the first bytes (already UTF-8, BOM removed).  False: no delimiter fits (one column).
 */
bool dialect_guess(const char *text, size_t len, bool is_whole, struct dialect *ret);

struct cell {
	const char *s; /* unquoted bytes, not NUL-terminated; valid until the next call */
	size_t len;
	bool quoted;
};

struct table_parser;
/* MAX_COLUMNS and MAX_CELL are limits: exceeding gives TABLE_TOO_WIDE, TABLE_CELL_LONG. */
struct table_parser *table_parser_new(const struct dialect *, size_t max_columns, size_t max_cell);
void table_parser_free(struct table_parser *);

enum table_result {
	TABLE_ROW,
	TABLE_MORE,
	TABLE_END,
	TABLE_TOO_WIDE,
	TABLE_CELL_LONG,
	TABLE_NUL,
	TABLE_OPEN_QUOTE
};
/*
 * Give it bytes (kept by reference until consumed; the parser copies only what spans buffers);
 * LAST: no more will come.
 */
void table_parser_feed(struct table_parser *, const char *bytes, size_t len, bool last);
/* The next record: CELLS is borrowed until the next call.  Blank records have *RET_N = 0. */
enum table_result table_parser_next(struct table_parser *, const struct cell **ret_cells,
				    size_t *ret_n);
/* row of the record returned last, from 1 */
int64_t table_parser_row(const struct table_parser *);
int64_t table_parser_line(const struct table_parser *); /* physical line where it began, from 1 */

#endif
