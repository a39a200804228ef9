/*
 * Goal: a table's text is sniffed and parsed without a fault, and to the same records however it is
 * cut; every reader of cells takes any cell.
 * The first two bytes of the input say where it is cut; the rest is the file.
 */
#include "fuzz.h"
#include "base/charset.h"
#include "base/json.h"
#include "base/text.h"
#include "wizard/number.h"
#include "wizard/table.h"
#include "wizard/when.h"

#define COLUMNS_MAX 100
#define CELL_MAX    1000
#define VALUES	    200 /* per input: guessing tries many formats for each */

static const char *const patterns[] = {
    "yyyy-MM-dd['T'HH:mm[:ss[.SSS]][X]]",
    "d.M.yy",
    "%Y/%m/%d %H:%M:%S.%f %z",
    "%j %Y %I %p %B",
};

/* All cells as one text, each with its length, and how the table ended. */
static char *records(const struct dialect *d, const char *text, size_t len, size_t first,
		     size_t step)
{
	struct table_parser *t = table_parser_new(d, COLUMNS_MAX, CELL_MAX);
	enum table_result r = TABLE_MORE;
	const struct cell *cells;
	char *out = NULL;
	size_t size, n, at = 0, more = first < len ? first : len;
	FILE *f = open_memstream(&out, &size);
	int64_t line = 0;

	do {
		/* Each piece is a copy of its own, so that reading past it shows. */
		char *piece = mem_alloc(more + (more == 0));

		if (more > 0)
			memcpy(piece, text + at, more);
		at += more;
		table_parser_feed(t, piece, more, at == len);
		while ((r = table_parser_next(t, &cells, &n)) == TABLE_ROW) {
			fuzz_check(n <= COLUMNS_MAX && table_parser_line(t) > line);
			line = table_parser_line(t);
			fprintf(f, "%lld:", (long long)table_parser_row(t));
			for (size_t i = 0; i < n; i++) {
				fuzz_check(cells[i].len <= CELL_MAX);
				fprintf(f, "%zu%c", cells[i].len, cells[i].quoted ? 'q' : ' ');
				fwrite(cells[i].s, 1, cells[i].len, f);
			}
			fputc('\n', f);
		}
		free(piece);
		more = step < len - at ? step : len - at;
	} while (r == TABLE_MORE && at < len);
	fuzz_check(r != TABLE_MORE);
	fprintf(f, "=%d", (int)r);
	(void)fclose(f);
	table_parser_free(t);
	return out;
}

static void check_cell(const struct cell *c, struct when_format *const *formats)
{
	double x = 0;
	int64_t i = 0, ms = 0, last = 0;

	if (number_integer(c->s, c->len, &i))
		fuzz_check(i > -1000000000000000000 && i < 1000000000000000000);
	for (int comma = 0; comma < 2; comma++) {
		fuzz_check(cell_classify(c->s, c->len, comma != 0) < CELL__MAX);
		if (number_parse(c->s, c->len, comma != 0, &x))
			fuzz_check(x - x == 0);
		if (number_angle(c->s, c->len, 'x', comma != 0, &x))
			fuzz_check(x - x == 0);
		(void)number_angle(c->s, c->len, 'y', comma != 0, &x);
	}
	(void)number_is_null_word(c->s, c->len);
	for (size_t k = 0; k < sizeof(patterns) / sizeof(*patterns); k++)
		if (when_parse(formats[k], c->s, c->len, 0, &ms, &last))
			fuzz_check(last >= ms);
	if (when_parse_iso(c->s, c->len, 60, &ms, &last))
		fuzz_check(last >= ms);
	if (when_parse_year(c->s, c->len, &ms, &last))
		fuzz_check(last >= ms);
}

static void check_cells(const struct dialect *d, const char *text, size_t len)
{
	struct table_parser *t = table_parser_new(d, COLUMNS_MAX, CELL_MAX);
	struct when_format *formats[sizeof(patterns) / sizeof(*patterns)];
	struct when_guess *guess = when_guess_new();
	const struct cell *cells;
	json_object *time;
	size_t n, seen = 0;

	for (size_t k = 0; k < sizeof(patterns) / sizeof(*patterns); k++) {
		formats[k] = when_format_new(patterns[k], NULL);
		fuzz_check(formats[k] != NULL);
	}
	table_parser_feed(t, text, len, true);
	while (seen < VALUES && table_parser_next(t, &cells, &n) == TABLE_ROW)
		for (size_t i = 0; i < n && seen < VALUES; i++, seen++) {
			check_cell(&cells[i], formats);
			if (cells[i].len > 0)
				when_guess_feed(guess, cells[i].s, cells[i].len,
						table_parser_row(t));
		}
	time = when_guess_end(guess);
	json_object_put(time);
	when_guess_free(guess);
	for (size_t k = 0; k < sizeof(patterns) / sizeof(*patterns); k++)
		when_format_free(formats[k]);
	table_parser_free(t);
}

/* A pattern is as much the user's as the value it is for: the first line is also taken as one. */
static void check_pattern(const char *text)
{
	char *pattern = mem_strndup(text, strcspn(text, "\r\n")), *bad = NULL;
	struct when_format *f = when_format_new(pattern, &bad);
	int64_t ms, last;

	if (f != NULL)
		(void)when_parse(f, pattern, strlen(pattern), 0, &ms, &last);
	when_format_free(f);
	free(bad);
	free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	size_t first = size > 0 ? input[0] : 0, step = size > 1 ? input[1] : 0, len;
	struct charset_guess *guess = charset_guess_new();
	struct dialect d;

	input += size < 2 ? size : 2;
	size -= size < 2 ? size : 2;
	charset_guess_feed(guess, (const char *)input, size);
	char *text =
	    charset_decode(charset_guess_end(guess, NULL), (const char *)input, size, &len, NULL);
	charset_guess_free(guess);
	fuzz_check(text != NULL && text_is_utf8(text, len));
	(void)dialect_guess(text, len, true, &d);
	fuzz_check(d.header_row >= 0 && d.delimiter[0] != '\0');
	char *whole = records(&d, text, len, len, 1);
	char *cut = records(&d, text, len, first, step > 0 ? step : 1);
	fuzz_check(strcmp(whole, cut) == 0);
	check_cells(&d, text, len);
	check_pattern(text);
	free(whole);
	free(cut);
	free(text);
	return 0;
}
