/*
 * From a table's file to records: charset, dialect, header.
 * Source: contracts/wizard.md 9.1, 9.2, 17.1.
 */
#include <stdlib.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/tables_impl.h"

#define ROWS_TO_GUESS 100 /* of a sheet, for its header */

/* A delimiter as forms spell it; NULL: automatic. */
static const char *delimiter_of(const char *s)
{
	if (s == NULL || s[0] == '\0' || text_ieq(s, "auto"))
		return NULL;
	if (text_ieq(s, "tab") || strcmp(s, "\\t") == 0)
		return "\t";
	return text_ieq(s, "space") ? " " : s;
}

/* A literal choice; "auto" and empty are none. */
static const char *charset_chosen(const char *s)
{
	return s == NULL || s[0] == '\0' || text_ieq(s, "auto") ? NULL : s;
}

static enum err settle_charset(struct job *job, const struct source *src,
			       const json_object *dialect, const char *save, struct table *t)
{
	const char *chosen = charset_chosen(json_str(dialect, "charset", NULL));
	bool is_chosen = chosen != NULL;

	if (!is_chosen)
		chosen = charset_chosen(save);
	if (is_chosen || chosen == NULL) {
		t->charset_source = "chosen";
		t->charset = is_chosen ? charset_canonical(chosen)
				       : rows_charset(job, src, &t->charset_source);
		if (t->charset == NULL && is_chosen)
			return job_fail(
			    job, problem_arg(problem_new("charset_unknown"), "charset", chosen));
		return t->charset == NULL ? ERR_BAD_REQUEST : ERR_OK;
	}
	/* A byte order mark beats what was said with save (17.1). */
	t->charset = rows_bom(src);
	t->charset_source = "bom";
	if (t->charset != NULL)
		return ERR_OK;
	t->charset = charset_canonical(chosen);
	t->charset_source = "save";
	if (t->charset == NULL)
		return job_fail(job,
				problem_arg(problem_new("charset_unknown"), "charset", chosen));
	return ERR_OK;
}

/*
 * Guess, then let the overrides win.  With a delimiter from outside the header is guessed again as
 * if the file itself had named that delimiter.
 */
static void settle_dialect(const char *head, size_t len, bool whole, const json_object *o,
			   struct table *t)
{
	const char *delimiter = delimiter_of(json_str(o, "delimiter", NULL)),
		   *header = json_str(o, "header", "auto");
	const char *decimal = json_str(o, "decimal", "auto");
	int64_t row;

	t->one_column = !dialect_guess(head, len, whole, &t->dialect);
	if (delimiter != NULL && strlen(delimiter) < sizeof t->dialect.delimiter) {
		bool sep = t->dialect.sep_line;

		if (strcmp(delimiter, t->dialect.delimiter) != 0) {
			const char *rest = sep ? memchr(head, '\n', len) : NULL;
			size_t skip = rest == NULL ? 0 : (size_t)(rest + 1 - head);
			CLEAN_FREE char *text =
			    mem_printf("sep=%s\n%.*s", delimiter, (int)(len - skip), head + skip);

			(void)dialect_guess(text, len - skip + strlen(delimiter) + 5, whole,
					    &t->dialect);
		}
		t->one_column = false;
		t->dialect.sep_line = sep;
		memcpy(t->dialect.delimiter, delimiter, strlen(delimiter) + 1);
	}
	if (text_ieq(header, "yes"))
		t->dialect.header_row = 1;
	else if (text_ieq(header, "no"))
		t->dialect.header_row = 0;
	else if (text_int(header, 1, INT32_MAX, &row))
		t->dialect.header_row = row;
	t->dialect.decimal = decimal[0] == '.' || decimal[0] == ',' ? decimal[0] : 0;
}

static enum err open_csv(struct job *job, const struct source *src, const json_object *dialect,
			 const char *charset, struct table *t)
{
	CLEAN_FREE char *head = NULL;
	size_t len;
	bool whole;

	if (settle_charset(job, src, dialect, charset, t) != ERR_OK)
		return ERR_BAD_REQUEST;
	if ((head = rows_head(job, src, t->charset, &len, &whole)) == NULL)
		return ERR_BAD_REQUEST;
	settle_dialect(head, len, whole, dialect, t);
	return rows_open_csv(job, src, t->charset, &t->dialect, &t->rows);
}

/*
 * The first records of a sheet as delimited text, so that one rule judges all headers.  NUMBERS
 * gets the row number of each, for there may be gaps.
 */
static char *sheet_as_text(struct rows *rows, size_t *ret_len, int64_t numbers[ROWS_TO_GUESS])
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);
	const struct cell *cells;
	size_t n;

	if (f == NULL)
		mem_die();
	(void)fputs("sep=,\n", f);
	for (int i = 0; i < ROWS_TO_GUESS && rows_next(rows, &cells, &n) == ROWS_ROW; i++) {
		numbers[i] = rows_row(rows);
		for (size_t k = 0; k < n; k++) {
			(void)fputs(k > 0 ? ",\"" : "\"", f);
			for (size_t c = 0; c < cells[k].len && c < 1000; c++)
				(void)fprintf(f, cells[k].s[c] == '"' ? "\"\"" : "%c",
					      cells[k].s[c]);
			(void)fputc('"', f);
		}
		(void)fputc('\n', f);
	}
	if (fclose(f) != 0)
		mem_die();
	return text;
}

static enum err open_book(struct job *job, const struct source *src, const json_object *dialect,
			  const char *sheet, struct table *t)
{
	CLEAN_FREE char *text = NULL;
	int64_t numbers[ROWS_TO_GUESS] = {0};
	const char *header = json_str(dialect, "header", "auto");
	size_t len = 0;
	enum err err;

	if (sheet == NULL)
		sheet = charset_chosen(json_str(dialect, "sheet", NULL));
	if ((err = book_open(job, src, &t->book)) != ERR_OK ||
	    (err = book_choose(job, src, t->book, sheet, &t->sheet)) != ERR_OK ||
	    (err = rows_open_sheet(job, src, t->book, t->sheet, &t->rows)) != ERR_OK)
		return err;
	text = sheet_as_text(t->rows, &len, numbers);
	rows_free(t->rows);
	t->rows = NULL;
	settle_dialect(text, len, false, dialect, t);
	if (text_ieq(header, "auto") && t->dialect.header_row > 0 &&
	    t->dialect.header_row <= ROWS_TO_GUESS)
		t->dialect.header_row = numbers[t->dialect.header_row - 1];
	t->one_column = false;
	t->charset = "UTF-8";
	t->charset_source = "utf-8";
	return rows_open_sheet(job, src, t->book, t->sheet, &t->rows);
}

enum err table_open(struct job *job, const struct source *src, const json_object *dialect,
		    const char *charset, const char *sheet, struct table *ret)
{
	enum err err;

	*ret = (struct table){0};
	err = src->kind == KIND_XLSX || src->kind == KIND_ODS
		  ? open_book(job, src, dialect, sheet, ret)
		  : open_csv(job, src, dialect, charset, ret);
	if (err != ERR_OK)
		table_close(ret);
	return err;
}

void table_close(struct table *t)
{
	rows_free(t->rows);
	book_close(t->book);
	*t = (struct table){0};
}

json_object *table_dialect_json(const struct table *t)
{
	const struct dialect *d = &t->dialect;
	bool is_text = t->book == NULL; /* sheets have neither charset nor delimiter */
	json_object *o =
	    json_set_str(json_object_new_object(), "charset", is_text ? t->charset : NULL);
	const char *delimiter = d->delimiter[0] == '\t'	 ? "tab"
				: d->delimiter[0] == ' ' ? "space"
							 : d->delimiter;
	char number[24];

	json_set_str(o, "charset_source", is_text ? t->charset_source : NULL);
	json_set_str(o, "delimiter", is_text ? delimiter : NULL);
	(void)snprintf(number, sizeof number, "%lld", (long long)d->header_row);
	json_set_str(o, "header", d->header_row == 0 ? "no" : d->header_row == 1 ? "yes" : number);
	json_set_str(o, "decimal", d->decimal == ',' ? "," : d->decimal == '.' ? "." : "auto");
	return json_set_str(o, "quote", is_text ? "\"" : NULL);
}

static void name_cells(struct table *t, const struct cell *cells, size_t n, char **names)
{
	for (size_t i = 0; i < n; i++) {
		CLEAN_FREE char *raw =
		    t->dialect.header_row == 0 ? NULL : mem_strndup(cells[i].s, cells[i].len);
		char *trimmed = raw == NULL ? NULL : text_trim(raw);

		if (trimmed != NULL && trimmed[0] != '\0') {
			names[i] = trimmed;
			continue;
		}
		free(trimmed);
		names[i] = mem_printf("column_%zu", i + 1);
	}
}

enum rows_result table_header(struct table *t, char ***ret_names, size_t *ret_n,
			      const struct cell **first, size_t *n_first)
{
	const struct cell *cells;
	size_t n;
	enum rows_result r;

	*n_first = 0;
	do {
		if ((r = rows_next(t->rows, &cells, &n)) != ROWS_ROW)
			return r;
	} while (n == 0 || rows_row(t->rows) < t->dialect.header_row);
	/* An empty last header cell is a trailing delimiter. */
	*ret_names = mem_array(n, sizeof **ret_names);
	*ret_n = n;
	name_cells(t, cells, n, *ret_names);
	if (t->dialect.header_row == 0) {
		*first = cells;
		*n_first = n;
	}
	return ROWS_ROW;
}

bool table_cell_is_bad(const struct cell *c)
{
	return c->len >= 3 && memmem(c->s, c->len, "\xEF\xBF\xBD", 3) != NULL;
}
