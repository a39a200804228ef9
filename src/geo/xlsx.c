/*
 * SpreadsheetML: the cells of a sheet.
 * Source: ECMA-376 part 1, 18.3.1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/sheet_impl.h"

#define SCAN_BYTES	((size_t)64 << 10)
#define COLUMNS_LETTERS 4 /* "XFD" and one to spare */

struct cells {
	size_t col;	 /* of the cell at hand */
	size_t next_col; /* where one without reference stands */
	int64_t next_row;
	char type; /* 's'hared, 'n'umber, 'b'oolean, 'e'rror, 'd'ate, 't'ext */
	enum shown shown;
	bool in_value;	 /* inside <v>, or <t> of an inline string */
	bool is_formula; /* <f> was met */
	bool has_value;	 /* … and its result, which may be empty text */
	bool in_phonetic;
	char value[64]; /* <v> of all but text */
	size_t len;
};

/* "AB12" → 27; SIZE_MAX when it is none. */
static size_t column_of(const char *ref)
{
	size_t col = 0, i = 0;

	for (; ref[i] >= 'A' && ref[i] <= 'Z'; i++) {
		if (i == COLUMNS_LETTERS)
			return SIZE_MAX;
		col = col * 26 + (size_t)(ref[i] - 'A') + 1;
	}
	return i == 0 ? SIZE_MAX : col - 1;
}

static void begin_row(struct sheet_rows *s, struct cells *c, const char **atts)
{
	const char *r = zipxml_att(atts, NULL, "r");
	int64_t n = c->next_row;

	if (r != NULL)
		(void)text_int(r, 1, INT32_MAX, &n);
	if (n < c->next_row || n > SHEET_ROWS_MAX) {
		zipxml_stop(s->xml);
		return;
	}
	s->row = n;
	c->next_row = n + 1;
	c->next_col = 0;
	sheet_clear(s);
}

static void begin_cell(struct sheet_rows *s, struct cells *c, const char **atts)
{
	const char *ref = zipxml_att(atts, NULL, "r"), *type = zipxml_att(atts, NULL, "t"),
		   *style = zipxml_att(atts, NULL, "s");
	int64_t n;

	c->col = ref == NULL ? c->next_col : column_of(ref);
	if (c->col == SIZE_MAX)
		c->col = c->next_col;
	c->next_col = c->col + 1;
	c->len = 0;
	c->is_formula = c->has_value = false;
	c->shown = SHOWN_NUMBER;
	if (style != NULL && text_int(style, 0, INT32_MAX, &n) && (size_t)n < s->book->n_styles)
		c->shown = (enum shown)s->book->styles[n];
	if (type == NULL)
		c->type = 'n';
	else if (strcmp(type, "str") == 0 || strcmp(type, "inlineStr") == 0)
		c->type = 't';
	else
		c->type = type[0];
}

static void put_shared(struct sheet_rows *s, const struct cells *c)
{
	int64_t n;

	if (text_int(c->value, 0, INT32_MAX, &n))
		sheet_shared(s, c->col, (size_t)n);
}

static void put_number(struct sheet_rows *s, const struct cells *c)
{
	double v;

	if (c->shown != SHOWN_NUMBER ? text_double(c->value, &v)
				     : sheet_retells(c->value, c->len, &v))
		sheet_number(s, c->col, c->shown, v);
	else
		sheet_text(s, c->col, c->value, c->len);
}

static void end_cell(struct sheet_rows *s, struct cells *c)
{
	c->value[c->len] = '\0';
	if (c->is_formula && !c->has_value)
		sheet_unsolved(s);
	if (c->type == 's')
		put_shared(s, c);
	else if (c->type == 'b')
		sheet_text(s, c->col, c->value[0] == '1' ? "true" : "false",
			   c->len == 0		? 0
			   : c->value[0] == '1' ? 4
						: 5);
	else if (c->type == 'n')
		put_number(s, c);
	else if (c->type == 'd' ||
		 (c->type == 'e' && !sheet_error(s, strcmp(c->value, "#N/A") == 0)))
		sheet_text(s, c->col, c->value, c->len);
}

static void cells_start(void *user, const char *name, const char **atts)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	c->is_formula = c->is_formula || strcmp(name, "f") == 0;
	if (strcmp(name, "row") == 0)
		begin_row(s, c, atts);
	else if (strcmp(name, "c") == 0)
		begin_cell(s, c, atts);
	else if (strcmp(name, "v") == 0 || strcmp(name, "t") == 0) {
		c->in_value = !c->in_phonetic;
		c->has_value = c->type == 't';
	} else if (strcmp(name, "rPh") == 0)
		c->in_phonetic = true;
}

static void cells_end(void *user, const char *name)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	if (strcmp(name, "v") == 0 || strcmp(name, "t") == 0)
		c->in_value = false;
	else if (strcmp(name, "rPh") == 0)
		c->in_phonetic = false;
	else if (strcmp(name, "c") == 0)
		end_cell(s, c);
	else if (strcmp(name, "row") == 0)
		zipxml_pause(s->xml);
}

static void cells_text(void *user, const char *text, size_t len)
{
	struct sheet_rows *s = user;
	struct cells *c = s->own;

	if (!c->in_value)
		return;
	c->has_value = c->has_value || len > 0;
	if (c->type == 't') {
		sheet_text(s, c->col, text, len);
		return;
	}
	if (len > sizeof c->value - 1 - c->len)
		len = sizeof c->value - 1 - c->len;
	memcpy(c->value + c->len, text, len);
	c->len += len;
}

/* ---- merged cells, which stand behind all rows */

static void merge_start(void *user, const char *name, const char **atts)
{
	struct merges *m = user;
	const char *ref = zipxml_att(atts, NULL, "ref"),
		   *colon = ref == NULL ? NULL : strchr(ref, ':');
	struct merge r;

	if (strcmp(name, "mergeCell") != 0 || colon == NULL)
		return;
	r.col1 = column_of(ref);
	r.col2 = column_of(colon + 1);
	if (r.col1 != SIZE_MAX && r.col2 != SIZE_MAX &&
	    sscanf(ref, "%*[A-Z]%" SCNd64 ":%*[A-Z]%" SCNd64, &r.row1, &r.row2) == 2)
		merges_add(m, &r);
}

static void merge_end(void *user, const char *name)
{
	(void)user;
	(void)name;
}

/* Most sheets have none: that is found out without parsing all of it twice. */
static bool has_merges(void *zip, const char *part)
{
	static const char word[] = "mergeCell";
	zip_int64_t at = zip_name_locate(zip, part, ZIP_FL_NOCASE), n;
	zip_file_t *file = at < 0 ? NULL : zip_fopen_index(zip, (zip_uint64_t)at, 0);
	CLEAN_FREE char *buf = mem_alloc(SCAN_BYTES + sizeof word);
	size_t kept = 0;
	bool found = false;

	while (file != NULL && !found && (n = zip_fread(file, buf + kept, SCAN_BYTES)) > 0) {
		size_t len = kept + (size_t)n;

		found = memmem(buf, len, word, strlen(word)) != NULL;
		kept = len < strlen(word) ? len : strlen(word);
		memmove(buf, buf + len - kept, kept);
	}
	if (file != NULL)
		(void)zip_fclose(file);
	return found;
}

bool xlsx_begin(struct sheet_rows *s, const struct sheet *sheet)
{
	static const struct zipxml_handler on_merges = {merge_start, merge_end, NULL};
	static const struct zipxml_handler on = {cells_start, cells_end, cells_text};
	struct cells *c = mem_alloc(sizeof *c);

	c->next_row = 1;
	s->own = c;
	/* A part that is broken is refused when its rows are read. */
	if (has_merges(s->book->zip, sheet->part))
		(void)zipxml_all(s->book->zip, sheet->part, &on_merges, &s->merges);
	merges_ready(&s->merges);
	s->xml = zipxml_new(s->book->zip, sheet->part, &on, s);
	return s->xml != NULL;
}
