/*
 * Workbooks (xlsx, ods, xls), read as they stream out of their file: sheets, and their rows as text
 * cells.  Our own reader, because GDAL's drivers hold the whole workbook in memory and lose the
 * time of day of dated cells. Source: ECMA-376 part 1, 18 (SpreadsheetML); OASIS OpenDocument 1.2
 * part 1, 9; contracts/wizard.md 8.5.
 */
#ifndef SLIPWAY_GEO_SHEET_H
#define SLIPWAY_GEO_SHEET_H

#include "geo/rows.h"

struct book;

/*
 * Open the workbook of SRC and list its sheets.
 * Owns: caller ends it with book_close.
 */
enum err book_open(struct job *, const struct source *, struct book **ret);
/* The same of an xls; job->problems may also have rows_encrypted, rows_macro, rows_xls (older than
 * Excel 5), rows_not_table. */
enum err book_open_xls(struct job *, const struct source *, struct book **ret);
void book_close(struct book *);
/* [{"name","rows","hidden"}], hidden ones last; borrowed. */
json_object *book_sheets(const struct book *);
/*
 * The sheet WANTED by name or 1-based number of the list, NULL = the first: its index in the list.
 * Errors: job->problems has sheet_unknown.
 */
enum err book_choose(struct job *, const struct source *, const struct book *, const char *wanted,
		     size_t *ret);
const char *book_sheet_name(const struct book *, size_t index); /* borrowed */
/*
 * From now on cells whose formula gave an error are empty; else they are the error's text in an
 * xlsx,
 * #N/A excepted.  Empty ones are counted while the sheet is read that was opened last.
 */
void book_null_errors(struct book *);
struct book_errors {
	int64_t count, first_row;
};
struct book_errors book_errors(const struct book *);
/* Formulas the file holds without their results, met so far in the sheet that was opened last:
 * empty cells.  Where errors are counted, these are among them. */
struct book_errors book_unsolved(const struct book *);
/* Days with a time that their format does not show, and that is therefore left out. */
struct book_errors book_hidden_times(const struct book *);
/* Rows of a sheet; BOOK is borrowed until rows_free. */
enum err rows_open_sheet(struct job *, const struct source *, struct book *, size_t index,
			 struct rows **ret);

#endif
