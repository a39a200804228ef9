/*
 * Guessing how delimited text is written: delimiter and header.
 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/number.h"
#include "wizard/table.h"

/* contracts/wizard.md 9.1 */
#define SAMPLE_BYTES   (256 * 1024)
#define SAMPLE_RECORDS 1000
#define COLUMNS_MAX    2000
#define CELL_MAX       (1 << 20)

static const char *const delimiters[] = {",", ";", "\t", "|"};

struct score {
	size_t share; /* per mille of the records that have the most frequent count */
	size_t count; /* that number of cells; 0 = the delimiter does not fit */
};

/* A parser over the sample.  A record cut by the sample's end is never complete. */
static struct table_parser *sample(const struct dialect *d, const char *text, size_t len,
				   bool is_whole)
{
	struct table_parser *t = table_parser_new(d, COLUMNS_MAX, CELL_MAX);
	size_t n = len < SAMPLE_BYTES ? len : SAMPLE_BYTES;

	table_parser_feed(t, text, n, is_whole && n == len);
	return t;
}

static struct score score_of(const struct dialect *d, const char *text, size_t len, bool is_whole)
{
	struct table_parser *t = sample(d, text, len, is_whole);
	size_t *counts = mem_array(COLUMNS_MAX + 1, sizeof(*counts));
	size_t records = 0, n, best = 0;
	const struct cell *cells;

	while (records < SAMPLE_RECORDS && table_parser_next(t, &cells, &n) == TABLE_ROW) {
		if (n == 0)
			continue;
		records++;
		counts[n]++;
	}
	for (n = 2; n <= COLUMNS_MAX; n++)
		if (counts[n] > 0 && counts[n] >= counts[best])
			best = n;
	struct score s = {records > 0 ? counts[best] * 1000 / records : 0, best};
	free(counts);
	table_parser_free(t);
	return s;
}

/* "sep=;" and its line end: the delimiter it names, "" = no such line. */
static void sep_line(const char *text, size_t len, char out[5])
{
	int32_t cp;
	size_t n;

	out[0] = '\0';
	if (len < 6 || strncasecmp(text, "sep=", 4) != 0 || text[4] == '\n' || text[4] == '\r' ||
	    text[4] == '"')
		return;
	n = text_decode(text + 4, len - 4, &cp);
	if (n == 0 || 4 + n >= len || (text[4 + n] != '\n' && text[4 + n] != '\r'))
		return;
	memcpy(out, text + 4, n);
	out[n] = '\0';
}

/* ---- the header */

/* Could this cell not be a column's name, because it is a value? */
static bool is_value(const struct cell *c)
{
	enum cell_type type = cell_classify(c->s, c->len, false);
	double v;

	return type == CELL_INTEGER || type == CELL_REAL || type == CELL_DATE ||
	       type == CELL_DATETIME || number_parse(c->s, c->len, false, &v) ||
	       number_parse(c->s, c->len, true, &v);
}

static bool is_empty(const struct cell *c)
{
	return cell_classify(c->s, c->len, false) == CELL_EMPTY;
}

/* Are all cells filled and different without case? */
static bool are_names(const struct cell *cells, size_t n)
{
	CLEAN_JSON json_object *seen = json_object_new_object();

	for (size_t i = 0; i < n; i++) {
		CLEAN_FREE char *name = mem_strndup(cells[i].s, cells[i].len);
		CLEAN_FREE char *trimmed = text_trim(name);
		CLEAN_FREE char *key = text_fold(trimmed != NULL ? trimmed : name);

		if (is_empty(&cells[i]) || key == NULL || json_get(seen, key) != NULL)
			return false;
		json_set_int(seen, key, 1);
	}
	return true;
}

/*
 * Does the first record name the columns?  It does when its cells are names.  Empty or equal ones
 * do not settle it (an unnamed index column is common): then a column of values below a word does.
 */
static int64_t header_of(const struct dialect *d, const char *text, size_t len, bool is_whole)
{
	struct table_parser *t = sample(d, text, len, is_whole);
	bool *is_word = NULL;
	size_t n = 0, width = 0, seen = 0, *values = NULL;
	const struct cell *cells;
	int64_t row = 0;

	while (table_parser_next(t, &cells, &n) == TABLE_ROW && n == 0)
		;
	if (n == 0)
		goto out;
	width = n;
	is_word = mem_array(width, sizeof(*is_word));
	values = mem_array(width, sizeof(*values));
	row = table_parser_row(t);
	for (size_t i = 0; i < width; i++) {
		is_word[i] = !is_empty(&cells[i]);
		if (is_value(&cells[i]))
			row = 0;
	}
	if (row == 0 || are_names(cells, width))
		goto out;
	while (seen < SAMPLE_RECORDS && table_parser_next(t, &cells, &n) == TABLE_ROW) {
		seen += n > 0;
		for (size_t i = 0; i < n && i < width; i++)
			values[i] += is_word[i] && is_value(&cells[i]);
	}
	for (size_t i = 0; i < width; i++)
		if (values[i] > 0 && values[i] * 2 > seen)
			goto out;
	row = 0;
out:
	free(is_word);
	free(values);
	table_parser_free(t);
	return row;
}

bool dialect_guess(const char *text, size_t len, bool is_whole, struct dialect *ret)
{
	struct dialect d = {.quote = '"'}, best = {.delimiter = ",", .quote = '"'};
	struct score top = {0, 0};

	sep_line(text, len, d.delimiter);
	if (d.delimiter[0] != '\0') {
		d.sep_line = true;
		best = d;
		top.count = 2;
	}
	for (size_t i = 0; !d.sep_line && i < sizeof(delimiters) / sizeof(delimiters[0]); i++) {
		struct score s;

		memcpy(d.delimiter, delimiters[i], 2);
		s = score_of(&d, text, len, is_whole);
		if (s.count < 2 || s.share < 800)
			continue;
		if (s.share > top.share || (s.share == top.share && s.count > top.count)) {
			top = s;
			best = d;
		}
	}
	best.header_row = header_of(&best, text, len, is_whole);
	*ret = best;
	return top.count >= 2;
}
