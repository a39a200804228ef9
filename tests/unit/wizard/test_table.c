/*
 * Goal: delimited text comes apart into the same records whatever way its bytes arrive, with rows
 * and lines numbered as people see them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wizard/table.h"

/* All records of TEXT, fed CHUNK bytes at a time: "row/line:cell|cell\n", quoted cells in <>. */
static char *read_all(const char *text, size_t len, const struct dialect *d, size_t chunk,
		      size_t max_columns, size_t max_cell)
{
	struct table_parser *t = table_parser_new(d, max_columns, max_cell);
	char *out = NULL, *copy = NULL;
	size_t size, at = 0, n;
	FILE *f = open_memstream(&out, &size);
	const struct cell *c;
	bool fed = false;

	for (;;) {
		switch (table_parser_next(t, &c, &n)) {
		case TABLE_ROW:
			fprintf(f, "%lld/%lld:", (long long)table_parser_row(t),
				(long long)table_parser_line(t));
			for (size_t i = 0; i < n; i++) {
				fprintf(f, "%s%s", i > 0 ? "|" : "", c[i].quoted ? "<" : "");
				fwrite(c[i].s, 1, c[i].len, f);
				fprintf(f, "%s", c[i].quoted ? ">" : "");
			}
			fputc('\n', f);
			continue;
		case TABLE_MORE:
			/* The bytes given before may be gone by now. */
			n = len - at < chunk ? len - at : chunk;
			free(copy);
			copy = malloc(n + 1);
			memcpy(copy, text + at, n);
			at += n;
			table_parser_feed(t, copy, n,
					  at == len && (fed || n < chunk || chunk >= len));
			fed = at == len;
			continue;
		case TABLE_END:
			break;
		case TABLE_TOO_WIDE:
			fprintf(f, "WIDE %lld", (long long)table_parser_row(t));
			break;
		case TABLE_CELL_LONG:
			fprintf(f, "LONG %lld", (long long)table_parser_row(t));
			break;
		case TABLE_NUL:
			fprintf(f, "NUL %lld/%lld", (long long)table_parser_row(t),
				(long long)table_parser_line(t));
			break;
		case TABLE_OPEN_QUOTE:
			fprintf(f, "OPEN %lld/%lld", (long long)table_parser_row(t),
				(long long)table_parser_line(t));
			break;
		}
		break;
	}
	free(copy);
	table_parser_free(t);
	fclose(f);
	return out;
}

static const struct dialect comma = {.delimiter = ",", .quote = '"'};

/* Every way of cutting TEXT must give WANT. */
static void check_as(const char *text, size_t len, const struct dialect *d, const char *want)
{
	for (size_t chunk = 1; chunk <= len + 1; chunk++) {
		char *got = read_all(text, len, d, chunk, 2000, 1 << 20);

		if (strcmp(got, want) != 0)
			fail_msg("chunks of %zu:\n%s\nnot\n%s", chunk, got, want);
		free(got);
	}
}

static void check(const char *text, const char *want)
{
	check_as(text, strlen(text), &comma, want);
}

static void test_table_splits_records(void **state)
{
	(void)state;
	check("a,b,c\n1,2,3\n", "1/1:a|b|c\n2/2:1|2|3\n");
	check("a,b\n1,2", "1/1:a|b\n2/2:1|2\n");
	check("a,,c\n,,\n1,,", "1/1:a||c\n2/2:\n3/3:1||\n");
	check("", "");
	check("x", "1/1:x\n");
	check("a longer cell than a word of eight bytes,and another one of them\n",
	      "1/1:a longer cell than a word of eight bytes|and another one of them\n");
}

static void test_table_takes_mixed_line_ends(void **state)
{
	(void)state;
	check("a\nb\r\nc\rd", "1/1:a\n2/2:b\n3/3:c\n4/4:d\n");
	check("a\r\r\nb\n\rc", "1/1:a\n2/2:\n3/3:b\n4/4:\n5/5:c\n");
	check("a\r", "1/1:a\n");
	check("a\r\n", "1/1:a\n");
}

static void test_table_counts_blank_records(void **state)
{
	(void)state;
	check("a,b\n\n  \n1,2\n\n\n", "1/1:a|b\n2/2:\n3/3:\n4/4:1|2\n5/5:\n6/6:\n");
	check("\"\"\n", "1/1:<>\n");
}

static void test_table_takes_quotes_out(void **state)
{
	(void)state;
	check("\"a\",\"b,c\"\n", "1/1:<a>|<b,c>\n");
	check("\"say \"\"hi\"\"\",x,\"\"\"\",\"\"\n", "1/1:<say \"hi\">|x|<\">|<>\n");
	check("\"a\"b,c\n", "1/1:<ab>|c\n");
	check("\"a\"\"b\"c d\n", "1/1:<a\"bc d>\n");
	check("a\"b,c \"d\"\n", "1/1:a\"b|c \"d\"\n");
	check("\"x\"", "1/1:<x>\n");
}

static void test_table_numbers_rows_and_lines_apart(void **state)
{
	(void)state;
	check("h,i\n\"a\nb\",1\nc,2\n", "1/1:h|i\n2/2:<a\nb>|1\n3/4:c|2\n");
	check("\"a\r\nb\rc\nd\"\r\nx\n", "1/1:<a\r\nb\rc\nd>\n2/5:x\n");
}

static void test_table_drops_the_sep_line(void **state)
{
	struct dialect d = {.delimiter = "|", .quote = '"', .sep_line = true};

	(void)state;
	check_as("sep=|\na|b\n1|2\n", sizeof("sep=|\na|b\n1|2\n") - 1, &d, "1/2:a|b\n2/3:1|2\n");
}

static void test_table_knows_wide_delimiters(void **state)
{
	struct dialect d = {.delimiter = "；", .quote = '"'}; /* EF BC 9B; "，" is EF BC 8C */
	static const char text[] = "a；b，c；\"d；e\"；\"f\"，g\n1；2\n；";

	(void)state;
	check_as(text, strlen(text), &d, "1/1:a|b，c|<d；e>|<f，g>\n2/2:1|2\n3/3:\n");
}

static void test_table_knows_tabs_and_spaces(void **state)
{
	struct dialect tab = {.delimiter = "\t", .quote = '"'},
		       space = {.delimiter = " ", .quote = '"'};

	(void)state;
	check_as("a\tb\n\t1\n", sizeof("a\tb\n\t1\n") - 1, &tab, "1/1:a|b\n2/2:|1\n");
	check_as("a b\n1 2\n", sizeof("a b\n1 2\n") - 1, &space, "1/1:a|b\n2/2:1|2\n");
}

static void test_table_reports_nul(void **state)
{
	(void)state;
	check_as("a,b\n1,\0002\n", sizeof("a,b\n1,\0002\n") - 1, &comma, "1/1:a|b\nNUL 2/2");
	check_as("a,b\n\"x\ny\",1\n\"\0\"\n", sizeof("a,b\n\"x\ny\",1\n\"\0\"\n") - 1, &comma,
		 "1/1:a|b\n2/2:<x\ny>|1\nNUL 3/4");
}

static void test_table_reports_open_quotes(void **state)
{
	(void)state;
	check("a,b\n1,\"open\nfor ever\n", "1/1:a|b\nOPEN 2/2");
	check("\"", "OPEN 1/1");
	check("\"a\"\"", "OPEN 1/1");
}

static void test_table_has_limits(void **state)
{
	char *got;

	(void)state;
	for (size_t chunk = 1; chunk < 12; chunk++) {
		got = read_all("a,b,c\n", sizeof("a,b,c\n") - 1, &comma, chunk, 3, 100);
		assert_string_equal(got, "1/1:a|b|c\n");
		free(got);
		got = read_all("a\n1,2,3,4\n", sizeof("a\n1,2,3,4\n") - 1, &comma, chunk, 3, 100);
		assert_string_equal(got, "1/1:a\nWIDE 2");
		free(got);
		got = read_all("a\n1,12345678901\n", sizeof("a\n1,12345678901\n") - 1, &comma,
			       chunk, 3, 10);
		assert_string_equal(got, "1/1:a\nLONG 2");
		free(got);
		got = read_all("a\n1,\"12345678901\n2345\n",
			       sizeof("a\n1,\"12345678901\n2345\n") - 1, &comma, chunk, 3, 10);
		assert_string_equal(got, "1/1:a\nLONG 2");
		free(got);
		got = read_all("a\n\"1\"\"2\"\"3\"\"4\"\"5\"\"6\"\"7\n",
			       sizeof("a\n\"1\"\"2\"\"3\"\"4\"\"5\"\"6\"\"7\n") - 1, &comma, chunk,
			       3, 10);
		assert_string_equal(got, "1/1:a\nLONG 2");
		free(got);
	}
}

/* A slow, plain reader of the same rules, to compare with on random text. */
static char *read_plainly(const char *s, size_t len)
{
	char *out = NULL;
	size_t size, i = 0;
	FILE *f = open_memstream(&out, &size);
	long row = 0, line = 1;

	while (i < len) {
		char *rec = NULL;
		size_t rec_size, n = 0;
		FILE *r = open_memstream(&rec, &rec_size);
		long begin = line;
		bool blank = true;

		row++;
		for (;; n++) {
			bool quoted = i < len && s[i] == '"', open = quoted;

			fprintf(r, "%s%s", n > 0 ? "|" : "", quoted ? "<" : "");
			i += quoted;
			for (; i < len; i++) {
				if (open && s[i] == '"' && i + 1 < len && s[i + 1] == '"') {
					fputc('"', r);
					i++;
				} else if (open && s[i] == '"') {
					open = false;
				} else if (!open && (s[i] == ',' || s[i] == '\n' || s[i] == '\r')) {
					break;
				} else {
					line += s[i] == '\n' ? i == 0 || s[i - 1] != '\r'
							     : s[i] == '\r';
					if (s[i] != ' ' || n > 0)
						blank = false;
					fputc(s[i], r);
				}
			}
			if (quoted)
				blank = false;
			if (open) {
				fclose(r);
				free(rec);
				fprintf(f, "OPEN %ld/%ld", row, begin);
				goto out;
			}
			fprintf(r, "%s", quoted ? ">" : "");
			if (i == len || s[i] != ',')
				break;
			i++;
		}
		if (i < len) {
			line++;
			i += s[i] == '\r' && i + 1 < len && s[i + 1] == '\n' ? 2 : 1;
		}
		fclose(r);
		/* A blank in a record of several cells is content. */
		if (n > 0 && strchr(rec, ' ') != NULL)
			blank = false;
		fprintf(f, "%ld/%ld:%s\n", row, begin, blank ? "" : rec);
		free(rec);
	}
out:
	fclose(f);
	return out;
}

static void test_table_agrees_with_a_plain_reader(void **state)
{
	static const char letters[] = "ab,,\"\"\n\r 1xyz";
	char text[64];

	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand() % sizeof(text);
		char *want, *got;

		for (size_t i = 0; i < len; i++)
			text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
		want = read_plainly(text, len);
		got = read_all(text, len, &comma, 1 + (size_t)rand() % 70, 2000, 1000);
		if (strcmp(want, got) != 0)
			fail_msg("%.*s\ngives\n%s\nnot\n%s", (int)len, text, got, want);
		free(want);
		free(got);
	}
}

/* ---- the dialect */

static void guess(const char *text, const char *delimiter, int64_t header)
{
	struct dialect d;
	bool found = dialect_guess(text, strlen(text), true, &d);

	assert_int_equal(found, *delimiter != '\0');
	if (found)
		assert_string_equal(d.delimiter, delimiter);
	if (d.header_row != header)
		fail_msg("%s: header in row %d", text, (int)d.header_row);
}

static void test_dialect_finds_the_delimiter(void **state)
{
	(void)state;
	guess("a,b,c\n1,2,3\n", ",", 1);
	guess("a;b\n1,5;2,5\n3,5;4,5\n", ";", 1);
	guess("a\tb\n1\t2\n", "\t", 1);
	guess("a|b|c\n1|2|3\n", "|", 1);
	guess("sep=;\na;b\n1;2\n", ";", 1);
	guess("SEP=#\r\na#b\r\n", "#", 1);
	guess("name\nx\ny\n", "", 1);
	guess("\"a;b;c\",1\n\"d;e;f\",2\n", ",", 0);
	guess("text, with commas;b\nand, more, of them;c\nnone;d\n", ";", 1);
	guess("", "", 0);
}

static void test_dialect_prefers_the_regular_one(void **state)
{
	(void)state;
	/* 4 of 5 records agree: enough; the odd one does not decide. */
	guess("a,b\n1,2\n3,4\n5,6\n7\n", ",", 1);
	/* Half of them: no delimiter. */
	guess("a,b\n1\n3,4\n5\n", "", 1);
	/* Equal scores: more columns, then the order , ; TAB |. */
	guess("a;b,c;d\n1;2,3;4\n", ";", 1);
	guess("a,b;c\n1,2;3\n", ",", 1);
}

static void test_dialect_finds_the_header(void **state)
{
	(void)state;
	guess("1,2\n3,4\n", ",", 0);
	guess("name,2017\nx,1\n", ",", 0);
	guess("name,2017-01-01\nx,1\n", ",", 0);
	guess("\n\nname,lat\nx,1\n", ",", 3);
	/* An index column without a name, equal names: still a header when values stand below. */
	guess(",name,lat\n0,x,1.5\n1,y,2.5\n", ",", 1);
	guess("v,v,name\n0,1,x\n1,2,y\n", ",", 1);
	/* Nothing tells: data. */
	guess("x,x\nx,x\n", ",", 0);
	guess("Name,name\na,b\n", ",", 0);
}

static void test_dialect_reads_only_the_head(void **state)
{
	size_t len = 400 * 1024;
	char *text = malloc(len);
	struct dialect d;

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = "a;b\n"[i % 4];
	assert_true(dialect_guess(text, len, false, &d));
	assert_string_equal(d.delimiter, ";");
	/* A record longer than the head: not one is complete. */
	memset(text, ';', len);
	assert_false(dialect_guess(text, len, false, &d));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table_splits_records),
	    cmocka_unit_test(test_table_takes_mixed_line_ends),
	    cmocka_unit_test(test_table_counts_blank_records),
	    cmocka_unit_test(test_table_takes_quotes_out),
	    cmocka_unit_test(test_table_numbers_rows_and_lines_apart),
	    cmocka_unit_test(test_table_drops_the_sep_line),
	    cmocka_unit_test(test_table_knows_wide_delimiters),
	    cmocka_unit_test(test_table_knows_tabs_and_spaces),
	    cmocka_unit_test(test_table_reports_nul),
	    cmocka_unit_test(test_table_reports_open_quotes),
	    cmocka_unit_test(test_table_has_limits),
	    cmocka_unit_test(test_table_agrees_with_a_plain_reader),
	    cmocka_unit_test(test_dialect_finds_the_delimiter),
	    cmocka_unit_test(test_dialect_prefers_the_regular_one),
	    cmocka_unit_test(test_dialect_finds_the_header),
	    cmocka_unit_test(test_dialect_reads_only_the_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
