/*
 * OpenDocument spreadsheets: tables, rows and cells with their repetitions.
 * Source: OASIS OpenDocument 1.2 part 1, 9.1 (tables), 19.385 (value types).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/isotime.h"
#include "geo/sheet_impl.h"

#define CONTENT	   "content.xml"
#define HIDDEN_MAX 1000

static int64_t repeat_of(const char **atts, const char *name)
{
	const char *s = zipxml_att(atts, "table", name);
	int64_t n = 1;

	return s != NULL && text_int(s, 1, INT32_MAX, &n) ? n : 1;
}

static void no_text(void *user, const char *s, size_t len)
{
	(void)user;
	(void)s;
	(void)len;
}

/* ---- the list of tables */

struct listing {
	struct book *book;
	char *style;		  /* of the table style being described; owned */
	char *hidden[HIDDEN_MAX]; /* names of styles that hide; owned */
	size_t n_hidden;
	struct sheet *table;  /* being counted */
	int tables;	      /* so far */
	int depth;	      /* tables inside of cells do not count */
	int64_t row, pending; /* row number; repetition of the row at hand */
	bool has_content;
};

static void list_table(struct listing *l, const char **atts)
{
	const char *name = zipxml_att(atts, "table", "name"),
		   *style = zipxml_att(atts, "table", "style-name");

	if (l->depth++ > 0)
		return;
	l->row = 0;
	l->table = sheet_add(l->book, name == NULL ? "" : name);
	if (l->table == NULL)
		return;
	l->table->table = l->tables++;
	for (size_t i = 0; i < l->n_hidden && style != NULL; i++)
		l->table->hidden = l->table->hidden || strcmp(l->hidden[i], style) == 0;
}

static void list_start(void *user, const char *name, const char **atts)
{
	struct listing *l = user;
	const char *display;

	if (strcmp(name, "table") == 0) {
		list_table(l, atts);
	} else if (strcmp(name, "table-row") == 0 && l->depth == 1) {
		l->pending = repeat_of(atts, "number-rows-repeated");
		l->has_content = false;
	} else if (strcmp(name, "table-cell") == 0 && l->depth == 1) {
		l->has_content = l->has_content || zipxml_att(atts, "office", "value-type") != NULL;
	} else if (strcmp(name, "p") == 0) {
		l->has_content = true;
	} else if (strcmp(name, "style") == 0 && l->tables == 0) {
		free(l->style);
		l->style = mem_strdup(zipxml_att(atts, "style", "name"));
	} else if (strcmp(name, "table-properties") == 0 && l->style != NULL &&
		   l->n_hidden < HIDDEN_MAX) {
		display = zipxml_att(atts, "table", "display");
		if (display != NULL && strcmp(display, "false") == 0)
			l->hidden[l->n_hidden++] = mem_strdup(l->style);
	}
}

static void list_end(void *user, const char *name)
{
	struct listing *l = user;

	if (strcmp(name, "table") == 0) {
		l->depth--;
	} else if (strcmp(name, "table-row") == 0 && l->depth == 1) {
		l->row += l->pending;
		if (l->has_content && l->table != NULL)
			l->table->rows = l->row < SHEET_ROWS_MAX ? l->row : SHEET_ROWS_MAX;
	}
}

bool ods_list(struct job *job, struct book *b)
{
	static const struct zipxml_handler on = {list_start, list_end, no_text};
	struct listing *l = mem_alloc(sizeof *l);
	bool fine;

	(void)job;
	l->book = b;
	fine = zipxml_all(b->zip, CONTENT, &on, l);
	for (size_t i = 0; i < l->n_hidden; i++)
		free(l->hidden[i]);
	free(l->style);
	free(l);
	return fine;
}

/* ---- cells */

struct cells {
	int wanted, tables; /* number of our table; tables met */
	int depth;	    /* of tables; 1 = in ours */
	bool active;	    /* inside our table */
	int note;	    /* depth of annotations */
	int64_t next_row;
	size_t col; /* where the cell at hand stands */
	int64_t col_repeat;
	bool from_text; /* the value is the shown text */
	bool in_p;
	size_t paragraphs; /* of the cell */
};

/* "PT03H04M05.5S" → "03:04:05" */
static size_t duration(const char *s, char out[32])
{
	int h = 0, m = 0;
	double sec = 0;

	if (sscanf(s, "PT%dH%dM%lfS", &h, &m, &sec) < 2 || h < 0 || h > 9999 || m < 0 || m > 59 ||
	    !(sec >= 0 && sec < 60))
		return 0;
	return sheet_elapsed(((int64_t)h * 60 + m) * 60000 + (int64_t)(sec * 1000 + 0.5), out);
}

/* A date with more than thousandths of a second: these are noise of the day's number. */
static size_t moment(const char *s, size_t len, char out[32])
{
	struct isotime t;

	if (!isotime_parse(s, len, &t) || t.has_zone)
		return 0;
	return sheet_moment(t.ms + (len > 23 && s[23] >= '5' && s[23] <= '9'), out);
}

static void put_value(struct sheet_rows *s, struct cells *c, const char **atts)
{
	static const struct {
		const char *type, *value;
	} kinds[] = {{"float", "value"},	   {"percentage", "value"},
		     {"currency", "value"},	   {"date", "date-value"},
		     {"boolean", "boolean-value"}, {"string", "string-value"}};
	const char *type = zipxml_att(atts, "office", "value-type"), *v = NULL;
	const char *shown = zipxml_att(atts, "calcext", "value-type");
	char text[40];
	double d;
	size_t n;

	c->from_text = true;
	if (shown != NULL && strcmp(shown, "error") == 0 && sheet_error(s, true)) {
		c->from_text = false;
		return;
	}
	if (type == NULL)
		return;
	if (strcmp(type, "time") == 0 && (v = zipxml_att(atts, "office", "time-value")) != NULL) {
		n = duration(v, text);
		c->from_text = n == 0;
		sheet_text(s, c->col, text, n);
		return;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && v == NULL; i++)
		if (strcmp(kinds[i].type, type) == 0)
			v = zipxml_att(atts, "office", kinds[i].value);
	if (v == NULL)
		return;
	c->from_text = false;
	if (strcmp(type, "date") == 0 && strlen(v) > 19 && (n = moment(v, strlen(v), text)) > 0) {
		sheet_text(s, c->col, text, n);
	} else if (sheet_retells(v, strlen(v), &d)) {
		n = sheet_digits(d, text);
		sheet_text(s, c->col, text, n);
	} else {
		sheet_text(s, c->col, v, strlen(v));
	}
}

/* Spaces in a row are told by their number. */
static void put_spaces(struct sheet_rows *s, const struct cells *c, const char **atts)
{
	const char *count = zipxml_att(atts, "text", "c");
	int64_t n = 1;

	if (count != NULL && !text_int(count, 0, (int64_t)s->max_cell, &n))
		n = 1;
	while (n-- > 0 && s->failed == NULL)
		sheet_text(s, c->col, " ", 1);
}

static void begin_row(struct sheet_rows *s, struct cells *c, const char **atts)
{
	s->repeat = repeat_of(atts, "number-rows-repeated");
	s->row = c->next_row;
	c->next_row += s->repeat;
	c->col = 0;
	sheet_clear(s);
}

static void cells_start(void *user, const char *name, const char **atts)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	if (strcmp(name, "table") == 0) {
		if (c->depth++ == 0)
			c->active = c->tables++ == c->wanted;
		return;
	}
	if (!c->active || c->depth != 1)
		return;
	if (strcmp(name, "table-row") == 0) {
		begin_row(s, c, atts);
	} else if (strcmp(name, "table-cell") == 0 || strcmp(name, "covered-table-cell") == 0) {
		c->col_repeat = repeat_of(atts, "number-columns-repeated");
		c->paragraphs = 0;
		c->from_text = false;
		if (name[0] == 't')
			put_value(s, c, atts);
	} else if (strcmp(name, "annotation") == 0) {
		c->note++;
	} else if (strcmp(name, "p") == 0 && c->note == 0) {
		c->in_p = true;
		if (c->from_text && c->paragraphs++ > 0)
			sheet_text(s, c->col, "\n", 1);
	} else if (c->in_p && c->from_text && c->note == 0) {
		if (strcmp(name, "s") == 0)
			put_spaces(s, c, atts);
		else if (strcmp(name, "tab") == 0)
			sheet_text(s, c->col, "\t", 1);
		else if (strcmp(name, "line-break") == 0)
			sheet_text(s, c->col, "\n", 1);
	}
}

/* A cell's repetitions matter only when there is something in it. */
static void end_cell(struct sheet_rows *s, struct cells *c)
{
	size_t len = c->col < s->n ? s->cells[c->col].len : 0;

	for (int64_t i = 1; i < c->col_repeat && len > 0 && s->failed == NULL; i++) {
		CLEAN_FREE char *copy = mem_strndup(s->text + s->starts[c->col], len);

		sheet_text(s, c->col + (size_t)i, copy, len);
	}
	c->col += (size_t)c->col_repeat;
}

static void cells_end(void *user, const char *name)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	if (strcmp(name, "table") == 0) {
		c->active = --c->depth > 0 && c->active;
		return;
	}
	if (!c->active || c->depth != 1)
		return;
	if (strcmp(name, "annotation") == 0) {
		c->note--;
	} else if (strcmp(name, "p") == 0) {
		c->in_p = false;
	} else if (strcmp(name, "table-cell") == 0 || strcmp(name, "covered-table-cell") == 0) {
		end_cell(s, c);
	} else if (strcmp(name, "table-row") == 0 && !sheet_is_blank(s)) {
		if (c->next_row - 1 > SHEET_ROWS_MAX)
			zipxml_stop(s->xml);
		else
			zipxml_pause(s->xml);
	}
}

static void cells_text(void *user, const char *text, size_t len)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	if (c->active && c->depth == 1 && c->in_p && c->from_text && c->note == 0)
		sheet_text(s, c->col, text, len);
}

bool ods_begin(struct sheet_rows *s, const struct sheet *sheet)
{
	static const struct zipxml_handler on = {cells_start, cells_end, cells_text};
	struct cells *c = mem_alloc(sizeof *c);

	c->wanted = sheet->table;
	c->next_row = 1;
	s->own = c;
	s->xml = zipxml_new(s->book->zip, CONTENT, &on, s);
	return s->xml != NULL;
}
