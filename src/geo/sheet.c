#include "geo/sheet.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/sheet_impl.h"

#define NAME_MOST  255	  /* bytes of a sheet's name; programs allow 31 characters */
#define WHOLE_MOST 0x1p53 /* up to here doubles count one by one */

static enum err unreadable(struct job *job, const struct source *src)
{
	return job_fail(job, problem_str(problem_new("format_unreadable"), "file", src->file));
}

struct sheet *sheet_add(struct book *b, const char *name)
{
	if (b->n >= SHEETS_MAX)
		return NULL;
	b->v = mem_resize(b->v, b->n + 1, sizeof *b->v);
	b->v[b->n] =
	    (struct sheet){.name = mem_strndup(name, text_cut(name, strlen(name), NAME_MOST))};
	return &b->v[b->n++];
}

/* Hidden sheets go last, otherwise the file's order. */
static void sort_sheets(struct book *b)
{
	struct sheet *sorted = mem_array(b->n, sizeof *sorted);
	size_t n = 0;

	for (int hidden = 0; hidden < 2; hidden++)
		for (size_t i = 0; i < b->n; i++)
			if (b->v[i].hidden == (hidden == 1))
				sorted[n++] = b->v[i];
	free(b->v);
	b->v = sorted;
	b->list = json_object_new_array();
	for (size_t i = 0; i < b->n; i++) {
		json_object *o = json_set_str(json_object_new_object(), "name", b->v[i].name);

		json_set_bool(json_set_int(o, "rows", b->v[i].rows), "hidden", b->v[i].hidden);
		json_object_array_add(b->list, o);
	}
}

static struct book *book_new(const struct job *job)
{
	struct book *b = mem_alloc(sizeof *b);
	char path[640];

	job_out(job, "strings", path, sizeof path);
	b->spill = mem_strdup(path);
	bigmem_init(&b->strings, b->spill);
	bigmem_init(&b->ends, b->spill);
	return b;
}

/* LISTED: its sheets could be listed.  Takes B, even on error. */
static enum err opened(struct job *job, const struct source *src, struct book *b, bool listed,
		       struct book **ret)
{
	if (!listed || b->n == 0) {
		book_close(b);
		return job->problems != NULL ? ERR_BAD_REQUEST : unreadable(job, src);
	}
	sort_sheets(b);
	*ret = b;
	return ERR_OK;
}

enum err book_open(struct job *job, const struct source *src, struct book **ret)
{
	struct book *b = book_new(job);
	int e = 0;

	b->is_ods = src->kind == KIND_ODS;
	b->zip = zip_open(src->path, ZIP_RDONLY, &e);
	return opened(job, src, b,
		      b->zip != NULL && (b->is_ods ? ods_list(job, b) : xlsx_list(job, b)), ret);
}

enum err book_open_xls(struct job *job, const struct source *src, struct book **ret)
{
	struct book *b = book_new(job);

	return opened(job, src, b, xls_list(job, src, b), ret);
}

void book_close(struct book *b)
{
	if (b == NULL)
		return;
	if (b->zip != NULL)
		zip_discard(b->zip);
	for (size_t i = 0; i < b->n; i++) {
		free(b->v[i].name);
		free(b->v[i].part);
	}
	free(b->v);
	json_object_put(b->list);
	free(b->styles);
	xls_free(b->xls);
	bigmem_done(&b->strings);
	bigmem_done(&b->ends);
	free(b->spill);
	free(b);
}

json_object *book_sheets(const struct book *b)
{
	return b->list;
}

const char *book_sheet_name(const struct book *b, size_t i)
{
	return b->v[i].name;
}

void book_null_errors(struct book *b)
{
	b->null_errors = true;
}

struct book_errors book_errors(const struct book *b)
{
	return b->errors;
}

struct book_errors book_unsolved(const struct book *b)
{
	return b->unsolved;
}

struct book_errors book_hidden_times(const struct book *b)
{
	return b->hidden_times;
}

static void count(struct book_errors *e, int64_t row)
{
	if (e->count++ == 0)
		e->first_row = row;
}

bool sheet_error(struct sheet_rows *s, bool is_none)
{
	bool empty = is_none || s->book->null_errors;

	if (empty)
		count(&s->book->errors, s->row);
	return empty;
}

void sheet_unsolved(struct sheet_rows *s)
{
	(void)sheet_error(s, false);
	count(&s->book->unsolved, s->row);
}

enum err book_choose(struct job *job, const struct source *src, const struct book *b,
		     const char *wanted, size_t *ret)
{
	int64_t number;

	*ret = 0;
	if (wanted == NULL || wanted[0] == '\0')
		return ERR_OK;
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->v[i].name, wanted) == 0) {
			*ret = i;
			return ERR_OK;
		}
	if (text_int(wanted, 1, (int64_t)b->n, &number)) {
		*ret = (size_t)number - 1;
		return ERR_OK;
	}
	return job_fail(job,
			problem_str(problem_str(problem_new("sheet_unknown"), "file", src->file),
				    "value", wanted));
}

/* ---- the row at hand */

static void give_up(struct sheet_rows *s, const char *code, size_t limit)
{
	if (s->failed == NULL) {
		s->failed = code;
		s->limit = limit;
	}
	if (s->xml != NULL)
		zipxml_stop(s->xml);
}

void sheet_text(struct sheet_rows *s, size_t col, const char *text, size_t len)
{
	if (len == 0 || merges_cover(&s->merges, s->row, col))
		return;
	if (col >= s->max_columns) {
		give_up(s, "csv_too_many_columns", s->max_columns);
		return;
	}
	while (s->n <= col) {
		if (s->n == s->size) {
			s->size = s->size * 2 + 16;
			s->cells = mem_resize(s->cells, s->size, sizeof *s->cells);
			s->starts = mem_resize(s->starts, s->size, sizeof *s->starts);
		}
		s->cells[s->n] = (struct cell){"", 0, false};
		s->starts[s->n++] = s->text_len;
	}
	if (s->text_len + len > s->text_size) {
		s->text_size = (s->text_len + len) * 2;
		s->text = mem_resize(s->text, s->text_size, 1);
	}
	/* Pieces of one cell follow each other; a cell that is met again is written anew. */
	if (s->starts[col] + s->cells[col].len != s->text_len) {
		s->starts[col] = s->text_len;
		s->cells[col].len = 0;
	}
	memcpy(s->text + s->text_len, text, len);
	s->text_len += len;
	s->cells[col].len += len;
	if (s->cells[col].len > s->max_cell)
		give_up(s, "csv_cell_too_long", s->max_cell);
}

void sheet_clear(struct sheet_rows *s)
{
	s->n = 0;
	s->text_len = 0;
}

bool sheet_is_blank(const struct sheet_rows *s)
{
	return s->text_len == 0;
}

/* ---- what xlsx and xls share */

bool book_string_text(struct book *b, const char *text, size_t len)
{
	if (len == 0)
		return true;
	if (bigmem_reserve(&b->strings, b->strings_len + len, NULL) != ERR_OK)
		return false;
	memcpy((char *)b->strings.p + b->strings_len, text, len);
	b->strings_len += len;
	return true;
}

bool book_string_end(struct book *b)
{
	if (bigmem_reserve(&b->ends, (b->n_strings + 1) * sizeof(size_t), NULL) != ERR_OK)
		return false;
	((size_t *)b->ends.p)[b->n_strings++] = b->strings_len;
	return true;
}

void sheet_shared(struct sheet_rows *s, size_t col, size_t n)
{
	const struct book *b = s->book;
	const size_t *ends = b->ends.p;
	size_t from;

	if (n >= b->n_strings)
		return;
	from = n == 0 ? 0 : ends[n - 1];
	sheet_text(s, col, (const char *)b->strings.p + from, ends[n] - from);
}

static bool is_whole(double v, double most)
{
	return v > -most && v < most && (double)(int64_t)v == v;
}

/*
 * The digits that tell V, 15 at least, and zeros for those behind them, as a spreadsheet shows a
 * longer number.
 */
static size_t padded(double v, char out[40])
{
	char text[40];
	int64_t exponent;
	char *e;
	size_t n;
	int more = 14;
	double told;

	do
		(void)snprintf(text, sizeof text, "%.*e", more, v);
	while ((!text_double(text, &told) || told != v) && ++more <= 16);
	more = more > 16 ? 16 : more;
	e = strchr(text, 'e');
	if (e == NULL || !text_int(e + 2, 15, 18, &exponent) || exponent < more)
		return 0;
	n = (size_t)(strchr(text, '.') - text);
	memmove(text + n, text + n + 1, (size_t)more);
	return (size_t)snprintf(out, 40, "%.*s%.*s", (int)n + more, text, (int)exponent - more,
				"0000");
}

/* 16 digits that a double holds exactly are somebody's number of a card or an order. */
size_t sheet_digits(double v, char out[40])
{
	size_t n = 0;

	if (is_whole(v, WHOLE_MOST))
		return (size_t)snprintf(out, 40, "%.0f", v + 0.0);
	if (is_whole(v, 0x1p63))
		n = padded(v, out);
	return n > 0 ? n : (size_t)snprintf(out, 40, "%.15g", v);
}

/* Its digits, perhaps behind '-', need no rounding to be told. */
static bool is_digits(const char *s, size_t len)
{
	size_t sign = len > 0 && s[0] == '-';

	return len > sign && len - sign <= 19 && strspn(s + sign, "0123456789") == len - sign;
}

bool sheet_retells(const char *s, size_t len, double *ret)
{
	double v;

	if (is_digits(s, len) || !text_double(s, &v) || (len <= 15 && !is_whole(v, 0x1p63)))
		return false;
	*ret = v;
	return true;
}

/* A time of day besides the day, by half a second at least? */
static bool has_time(double serial)
{
	return fabs(serial - round(serial)) * 86400 >= 0.5;
}

void sheet_number(struct sheet_rows *s, size_t col, enum shown shown, double v)
{
	char text[40];
	size_t n = 0;

	if (shown != SHOWN_NUMBER)
		n = sheet_serial(v, shown, s->book->from_1904, text);
	if (n > 0 && shown == SHOWN_DATE && has_time(v))
		count(&s->book->hidden_times, s->row);
	if (n == 0)
		n = sheet_digits(v, text);
	sheet_text(s, col, text, n);
}

/* ---- rows */

static enum rows_result sheet_next(struct rows *r, const struct cell **ret_cells, size_t *ret_n)
{
	struct sheet_rows *s = (struct sheet_rows *)r;
	enum zipxml_result got;

	*ret_cells = s->cells;
	*ret_n = s->n;
	if (s->repeat > 1) {
		s->repeat--;
		s->row++;
		return ROWS_ROW;
	}
	got = s->book->xls != NULL ? xls_run(s) : zipxml_run(s->xml);
	if (s->failed != NULL || got == ZIPXML_BROKEN) {
		json_object *p =
		    problem_str(problem_new(s->failed != NULL ? s->failed : "format_unreadable"),
				"file", r->src->file);

		if (s->failed != NULL) {
			problem_int(p, "row", s->row);
			problem_arg_int(p, "limit", (int64_t)s->limit);
		}
		(void)job_fail(r->job, p);
		return ROWS_FAILED;
	}
	if (got == ZIPXML_END)
		return ROWS_END;
	for (size_t i = 0; i < s->n; i++)
		s->cells[i].s = s->text + s->starts[i];
	*ret_cells = s->cells;
	*ret_n = sheet_is_blank(s) ? 0 : s->n;
	return ROWS_ROW;
}

static int64_t sheet_row(const struct rows *r)
{
	return ((const struct sheet_rows *)r)->row;
}

static int64_t sheet_line(const struct rows *r)
{
	(void)r;
	return 0; /* a sheet has no lines */
}

static int64_t sheet_estimate(const struct rows *r)
{
	const struct sheet_rows *s = (const struct sheet_rows *)r;

	return s->total > s->row ? s->total : s->row;
}

static void sheet_free(struct rows *r)
{
	struct sheet_rows *s = (struct sheet_rows *)r;

	zipxml_free(s->xml);
	merges_done(&s->merges);
	free(s->cells);
	free(s->starts);
	free(s->text);
	free(s->own);
	free(s);
}

enum err rows_open_sheet(struct job *job, const struct source *src, struct book *b, size_t index,
			 struct rows **ret)
{
	static const struct rows_kind kind = {sheet_next, sheet_row, sheet_line, sheet_estimate,
					      sheet_free};
	struct sheet_rows *s = mem_alloc(sizeof *s);

	s->rows = (struct rows){.kind = &kind, .job = job, .src = src};
	s->book = b;
	b->errors = b->unsolved = b->hidden_times = (struct book_errors){0};
	s->total = b->v[index].rows;
	s->max_columns = (size_t)job_limit(job, "csv_max_columns");
	s->max_cell = (size_t)job_limit(job, "csv_max_cell_bytes");
	if (!(b->xls != NULL ? xls_begin(s, &b->v[index])
	      : b->is_ods    ? ods_begin(s, &b->v[index])
			     : xlsx_begin(s, &b->v[index]))) {
		sheet_free(&s->rows);
		return unreadable(job, src);
	}
	*ret = &s->rows;
	return ERR_OK;
}
