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
	bool hidden;
	int64_t rows;
};

/* What a number is shown as. */
enum shown { SHOWN_NUMBER, SHOWN_DATE, SHOWN_TIME, SHOWN_DATETIME };

struct book {
	void *zip;
	bool is_ods;
	struct sheet *v; /* n of them, hidden ones last */
	size_t n;
	json_object *list;
	bool null_errors; /* cells with an error are empty, and counted here */
	struct book_errors errors;
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
	void *own;	    /* the format's own state */
	size_t max_columns, max_cell;
};

/* xlsx.c, ods.c: list the sheets of an open book; false: broken. */
bool xlsx_list(struct job *, struct book *);
bool ods_list(struct job *, struct book *);
/* Begin reading a sheet: sets xml and own.  Owns: own is freed with free(). */
bool xlsx_begin(struct sheet_rows *, const struct sheet *);
bool ods_begin(struct sheet_rows *, const struct sheet *);

struct sheet *sheet_add(struct book *, const char *name);
/* Text for cell COL (0-based) of the row at hand, in pieces; a cell beyond the limits sets failed
 * and stops. */
void sheet_text(struct sheet_rows *, size_t col, const char *s, size_t len);
/* The cell at hand is an error: true, it is to be left empty. */
bool sheet_error(struct sheet_rows *);
void sheet_clear(struct sheet_rows *);
bool sheet_is_blank(const struct sheet_rows *);

/* sheet_date.c: what format code or built-in number shows; a serial day as ISO text.  Returns its
 * length. */
enum shown sheet_shown(const char *code);
enum shown sheet_shown_builtin(int64_t id);
size_t sheet_serial(double serial, enum shown, bool from_1904, char out[32]);

#endif
