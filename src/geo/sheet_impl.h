/*
 * Inside of workbooks: what the two formats share.
 */
#ifndef SLIPWAY_GEO_SHEET_IMPL_H
#define SLIPWAY_GEO_SHEET_IMPL_H

#include "geo/bigmem.h"
#include "geo/rows_impl.h"
#include "geo/sheet.h"
#include "geo/zipxml.h"

#define SHEETS_MAX     1000
#define SHEET_ROWS_MAX 1048576 /* what any spreadsheet program can hold */

struct sheet {
	char *name;
	char *part; /* xlsx: member of the zip */
	int table;  /* ods: number of the table in content.xml */
	int64_t at; /* xls: where it begins in the workbook's stream */
	bool hidden;
	int64_t rows;
};

/* What a number is shown as. */
enum shown { SHOWN_NUMBER, SHOWN_DATE, SHOWN_TIME, SHOWN_ELAPSED, SHOWN_DATETIME };

struct book {
	void *zip; /* NULL: xls */
	bool is_ods;
	struct xls *xls;
	struct sheet *v; /* n of them, hidden ones last */
	size_t n;
	json_object *list;
	bool null_errors; /* cells with an error are empty, and counted here */
	struct book_errors errors;
	struct book_errors unsolved; /* formulas without their result, of the sheet last opened */
	struct book_errors hidden_times; /* of days, which their format does not show */
	/* xlsx */
	bool from_1904;	       /* days count from 1904-01-01 */
	unsigned char *styles; /* enum shown of each cell style; n_styles */
	size_t n_styles;
	struct bigmem strings; /* shared strings, one after the other */
	size_t strings_len;
	struct bigmem ends; /* size_t: where each ends */
	size_t n_strings;
	char *spill; /* path of the spill files */
};

/* Cells shown as one, 0-based columns; the first one counts. */
struct merge {
	int64_t row1, row2;
	size_t col1, col2;
};
struct merges {
	struct merge *v; /* n of them, by their first row */
	size_t n, cap;
	size_t next;	/* the first that begins below the row at hand */
	size_t *active; /* n_active that cross it */
	size_t n_active;
	int64_t row;
};

/* The row being put together. */
struct sheet_rows {
	struct rows rows;
	struct book *book;
	struct zipxml *xml;
	int64_t row;	    /* number of the row returned last */
	int64_t repeat;	    /* times the row at hand is to be returned in all */
	int64_t total;	    /* rows of the sheet, as far as known */
	struct cell *cells; /* n of them; text offsets until the row is complete */
	size_t n, size;
	char *text; /* of all cells of the row */
	size_t text_len, text_size;
	size_t *starts;	    /* where each cell's text begins; size of them */
	const char *failed; /* code, NULL = fine */
	size_t limit;	    /* it went over */
	void *own;	    /* the format's own state */
	struct merges merges;
	size_t max_columns, max_cell;
};

/* xlsx_book.c, ods.c, xls_book.c: list the sheets of an open book; false: broken. */
bool xlsx_list(struct job *, struct book *);
bool ods_list(struct job *, struct book *);
bool xls_list(struct job *, const struct source *, struct book *);
void xls_free(struct xls *);
/* Begin reading a sheet: sets xml and own.  Owns: own is freed with free(). */
bool xlsx_begin(struct sheet_rows *, const struct sheet *);
bool ods_begin(struct sheet_rows *, const struct sheet *);
bool xls_begin(struct sheet_rows *, const struct sheet *);
/* Of an xls, in place of zipxml_run: the next row. */
enum zipxml_result xls_run(struct sheet_rows *);

struct sheet *sheet_add(struct book *, const char *name);
/* Text for cell COL (0-based) of the row at hand, in pieces; a cell beyond the limits sets failed
 * and stops. */
void sheet_text(struct sheet_rows *, size_t col, const char *s, size_t len);
/* The cell at hand is an error, IS_NONE: one that means no value: true, it is to be left empty. */
bool sheet_error(struct sheet_rows *, bool is_none);
/* The cell at hand is a formula whose result nobody calculated. */
void sheet_unsolved(struct sheet_rows *);
void sheet_clear(struct sheet_rows *);
bool sheet_is_blank(const struct sheet_rows *);

/*
 * sheet_merge.c.  Add all ranges, say so with merges_ready, then ask row after row whether
 * something else covers this cell.
 */
void merges_add(struct merges *, const struct merge *);
void merges_ready(struct merges *);
bool merges_cover(struct merges *, int64_t row, size_t col);
void merges_done(struct merges *);

/* The next shared string, in pieces, and its end; false: no room for it. */
bool book_string_text(struct book *, const char *text, size_t len);
bool book_string_end(struct book *);
/* The text of shared string N for cell COL. */
void sheet_shared(struct sheet_rows *, size_t col, size_t n);
/* A number: all digits of a whole one that is exact, else 15 significant digits, of a longer whole
 * one as many as tell it and zeros behind those.  Returns the length. */
size_t sheet_digits(double v, char out[40]);
/* The number S of LEN bytes is not told as it is stored, but by sheet_digits of *RET: a fraction of
 * 17 digits, a whole one as 1.0 or 1.38E10. */
bool sheet_retells(const char *s, size_t len, double *ret);
/* A number as it is shown: a date, or its digits. */
void sheet_number(struct sheet_rows *, size_t col, enum shown, double v);

/* sheet_date.c: what format code or built-in number shows; a serial day as ISO text.  Returns its
 * length. */
enum shown sheet_shown(const char *code);
enum shown sheet_shown_builtin(int64_t id);
size_t sheet_serial(double serial, enum shown, bool from_1904, char out[32]);
/*
 * A moment without zone, "2020-01-02T03:04:05", and a time that may be of more than a day,
 * "30:05:00";
 * thousandths only where there are some.
 */
size_t sheet_moment(int64_t ms, char out[32]);
size_t sheet_elapsed(int64_t ms, char out[32]);

#endif
