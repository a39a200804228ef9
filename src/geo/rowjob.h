/*
 * Inside of job "rows": a table in a file becomes lines of JSON for a receiver's columns.
 * rowfile.c finds the table in the file, rowmap.c its columns, rowout.c writes; rowjob.c does all
 * of it. Source: contracts/signed-api.md 7.2; wizard/message.h.
 */
#ifndef SLIPWAY_GEO_ROWJOB_H
#define SLIPWAY_GEO_ROWJOB_H

#include "geo/rows.h"
#include "geo/sheet.h"
#include "wizard/when.h"

/* ---- rowfile.c */

struct row_file {
	struct source source;
	const char *kind;  /* "xlsx", "xls", "ods", "csv", "tsv"; static */
	struct book *book; /* of a workbook */
	size_t sheet;	   /* its index there */
	struct rows *rows; /* from the first record */
};

/*
 * The one table of the job's file, ready to be read.
 * Owns:   caller calls row_file_close.
 * Errors: job->problems.
 */
enum err row_file_open(struct job *, struct row_file *ret);
void row_file_close(struct row_file *);

/* ---- rowmap.c */

enum row_type { ROW_TEXT, ROW_INTEGER, ROW_REAL, ROW_BOOLEAN, ROW_DATE, ROW_TIMESTAMP, ROW_JSON };

struct row_column {
	const char *name; /* the receiver's; borrowed from the spec */
	enum row_type type;
	size_t at; /* place in the file's records; SIZE_MAX = not there */
};
struct row_map {
	struct row_column *v; /* n of them, in the receiver's order */
	size_t n;
	char **header; /* trimmed; n_header of them; none without a header */
	size_t n_header;
};

/*
 * Where the receiver's columns stand below this header (N cells; none: by position).  ROW is its
 * number.
 * Owns:   caller calls row_map_done, also after an error.
 * Errors: job->problems.
 */
enum err row_map_read(struct job *, const struct cell *cells, size_t n, int64_t row,
		      struct row_map *ret);
void row_map_done(struct row_map *);

/* ---- rowout.c */

struct row_out {
	struct job *job;
	const struct row_map *map;
	const struct row_file *file;
	json_object *null_texts; /* array; borrowed */
	struct when_format *format;
	bool trim, skip_empty, decimal_comma;
	bool is_text;	  /* delimited text, not a workbook */
	int fd, gaps_fd;  /* out/rows.jsonl, out/gaps.jsonl */
	char *buf;	  /* lines not written yet */
	size_t len, size; /* of buf */
	size_t line_at;	  /* in buf: where the line at hand begins */
	int64_t lines;	  /* complete ones */
	int64_t gap;	  /* row number of a line beyond its line number, told last */
	int64_t n_gaps;	  /* entries in gaps.jsonl */
	int64_t max_rows; /* of the receiver; 0 = any */
	json_object *bad; /* {"row","column","reason"} */
	int64_t n_bad;	  /* rows */
	bool failed;	  /* the disk said no; job->problems has it */
};

enum err row_out_begin(struct job *, const struct row_file *, const struct row_map *,
		       struct row_out *ret);
/* One record that the file numbers ROW. */
enum err row_out_put(struct row_out *, const struct cell *cells, size_t n, int64_t row);
enum err row_out_end(struct row_out *);
void row_out_done(struct row_out *);

#endif
