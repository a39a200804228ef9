/*
 * Goal: every form of "ds" gives the rows it says, values keep their kind and text, and whatever is
 * no such form is refused with the row, without a tree in memory; the lines of a job are read the
 * same way.
 */
#include <malloc.h>
#include <time.h>
#include <unistd.h>
#include "signed/cells.h"
#include "signed/ds.h"
#include "base/unit.h"

/* One value as text: its kind, then the text. */
static void show(FILE *out, const struct value *v)
{
	static const char kinds[] = "0FTi#\"j";

	fprintf(out, "%c%.*s", kinds[v->kind], (int)v->len, v->text == NULL ? "" : v->text);
	if (v->kind == VALUE_INTEGER) {
		char number[32];

		(void)snprintf(number, sizeof(number), "%lld", (long long)v->number);
		if (strncmp(number, v->text, v->len) != 0)
			fprintf(out, "!=%s", number);
	}
}

static char *show_rows(struct row_source source)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct refusal r = {0};
	struct row row;
	enum rows_state state;

	while ((state = source.next(source.arg, &row, &r)) == ROWS_MORE) {
		fprintf(out, "%lld(", (long long)row.number);
		for (size_t i = 0; i < row.n; i++) {
			if (i > 0)
				fputc('|', out);
			if (row.names != NULL)
				fprintf(out, "%.*s=", (int)row.names[i].len, row.names[i].text);
			show(out, &row.cells[i]);
		}
		fputc(')', out);
	}
	if (state == ROWS_WRONG)
		fprintf(out, "WRONG");
	fclose(out);
	return text;
}

static void reads(const char *text, const char *expected)
{
	struct refusal r = {0};
	struct ds *d = NULL;
	struct row_source source;

	if (!ds_open(text, strlen(text), 100000, &d, &r))
		fail_msg("%s: %s", text, r.what);
	source = ds_rows(d);
	for (int pass = 0; pass < 3; pass++) {
		char *got = show_rows(source);

		assert_string_equal(got, expected);
		free(got);
		assert_true(source.rewind(source.arg));
	}
	ds_free(d);
}

static void refused_n(const char *text, size_t len, const char *part)
{
	struct refusal r = {0};
	struct ds *d = NULL;

	if (ds_open(text, len, 100000, &d, &r))
		fail_msg("taken: %s", text);
	assert_null(d);
	assert_int_equal(r.code, REFUSE_BAD);
	if (strstr(r.what, part) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", text, r.what, part);
}

static void refused(const char *text, const char *part)
{
	refused_n(text, strlen(text), part);
}

static void test_ds_forms(void **state)
{
	(void)state;
	reads("[\"a\",\"b\"]", "1(\"a|\"b)");
	reads(" [ \"__a\" , 1 ] ", "1(\"__a|i1)");
	reads("{\"id\":7,\"name\":\"li\"}", "1(id=i7|name=\"li)");
	reads("[[\"A\",\"B\"],[\"a1\",\"b1\"],[\"a2\",\"b2\"]]", "1(\"a1|\"b1)2(\"a2|\"b2)");
	reads("[[],[\"a1\",\"b1\"]]", "1(\"a1|\"b1)");
	reads("[[\"__A\",\"B\"],[\"a1\",\"b1\"]]", "1(A=\"a1|B=\"b1)");
	reads("[[\"__A\",\"__B\"],[1,2]]", "1(A=i1|__B=i2)");
	reads("[[\"__编号\"],[\"1\"]]", "1(编号=\"1)");
	reads("[[\"A\",\"B\"],[1],[1,2,3]]", "1(i1)2(i1|i2|i3)");
	reads("[[1,null,true],[1]]", "1(i1)");
	reads("[[\"A\",\"__B\"],[1,2]]", "1(i1|i2)");
	reads("[{\"id\":7},{\"id\":8,\"x\":null}]", "1(id=i7)2(id=i8|x=0)");
	reads("[[],{\"id\":7},{\"i\":1}]", "1(id=i7)2(i=i1)");
	reads(" \n[\t[\"A\"] , [ 1 ]\r ,[2]] ", "1(i1)2(i2)");
}

static void test_ds_without_rows(void **state)
{
	(void)state;
	reads("[]", "");
	reads("[[]]", "");
	reads(" [ [ ] ] ", "");
	reads("[[\"x\",\"y\"]]", "");
	reads("[[\"__x\",\"y\"]]", "");
}

static void test_ds_values(void **state)
{
	(void)state;
	reads("[null,true,false,0,-0,-7,9223372036854775807,-9223372036854775808]",
	      "1(0|T|F|i0|i-0!=0|i-7|i9223372036854775807|i-9223372036854775808)");
	reads("[9223372036854775808,-9223372036854775809,0.10,1e5,1E-7,1.5e+300,"
	      "123456789012345678901234567890]",
	      "1(#9223372036854775808|#-9223372036854775809|#0.10|#1e5|#1E-7|#1.5e+300|#"
	      "123456789012345678901234567890)");
	reads("[\"\",\"a\\\"b\",\"\\u00e9\\u4e2d\\ud83d\\ude00x\",\"\\\\\\/"
	      "\\b\\f\\n\\r\\t\",\"plain 中文\"]",
	      "1(\"|\"a\"b|\"é中😀x|\"\\/\b\f\n\r\t|\"plain 中文)");
	reads("[[],[{\"a\":[1,\"]}\\\"\"]},[ ]]]", "1(j{\"a\":[1,\"]}\\\"\"]}|j[ ])");
	reads("{\"n\\u0061me\":\"x\\ty\",\"\":1}", "1(name=\"x\ty|=i1)");
	reads("[\"'); drop table t;--\"]", "1(\"'); drop table t;--)");
}

static void test_ds_not_json(void **state)
{
	static const char *const wrong[] = {"",
					    " ",
					    "x",
					    "[",
					    "]",
					    "{",
					    "[1",
					    "[1,",
					    "[1,]",
					    "[,1]",
					    "[1 2]",
					    "{\"a\"}",
					    "{\"a\":}",
					    "{\"a\":1,}",
					    "{a:1}",
					    "[[1],[2]",
					    "[[1],]",
					    "[[1][2]]",
					    "[[1],[2],]",
					    "[{\"a\":1},]",
					    "[[],{\"a\":1]]",
					    "[NaN]",
					    "[Infinity]",
					    "[-Infinity]",
					    "[-]",
					    "[01]",
					    "[1.]",
					    "[.5]",
					    "[1e]",
					    "[+1]",
					    "[0x1]",
					    "[tru]",
					    "[nulll]",
					    "['a']",
					    "[\"a]",
					    "[\"\\x\"]",
					    "[\"\\u12\"]",
					    "[\"\\u12g4\"]",
					    "[\"a\tb\"]",
					    "[\"\\\"]",
					    "[1]x",
					    "[1] []",
					    "{\"a\":1}}",
					    "[[1],[2]]]",
					    "[1]/**/",
					    "[[],[[1]]",
					    "[[],[{\"a\":}]]",
					    "[[],[[1,]]]",
					    "[[],[{]]"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused(wrong[i], "");
	refused("[[\"A\"],[1],[2,]]", "row 2: not JSON at byte 15");
	refused("[[\"A\"],[1],[2]]]", "not JSON at byte 16");
	refused("3", "neither an array nor an object");
	refused("\"text\"", "neither an array nor an object");
	refused("null", "neither an array nor an object");
	refused("\xEF\xBB\xBF[1]", "neither an array nor an object");
}

static void test_ds_hostile_text(void **state)
{
	(void)state;
	refused("[[\"A\"],[\"a\\u0000b\"]]", "row 1: a NUL character");
	refused_n("[\"a\0b\"]", 7, "row 1: not JSON");
	refused_n("[1]\0", 4, "not JSON");
	refused_n("[[],\0[1]]", 9, "row 1: another kind");
	refused_n("[1,\0 2]", 7, "not JSON");
	refused("[[\"A\"],[\"ok\"],[\"\\ud800\"]]", "row 2: half a character");
	refused("[\"\\udc00\"]", "half a character");
	refused("[\"\\ud800\\u0041\"]", "half a character");
	refused("[\"\\ud800\\ud800\"]", "half a character");
	refused("[\"\xED\xA0\x80\"]", "not UTF-8 at byte 3");
	refused("[\"\xFF\"]", "not UTF-8");
	refused("[\"\xC3\"]", "not UTF-8");
	refused("{\"a\\u0000\":1}", "a NUL character");
	refused("[[],[[\"\\u0000\"]]]", "row 1: the array or object");
	refused("[[],[[\"\\ud800\"]]]", "row 1: the array or object");
}

static void test_ds_wrong_rows(void **state)
{
	(void)state;
	refused("[1,[2]]", "mixes");
	refused("[\"a\",{\"b\":1}]", "mixes");
	refused("[[\"A\"],{\"id\":1}]", "row 1: another kind");
	refused("[[],[1],{\"id\":1}]", "row 2: another kind");
	refused("[{\"id\":1},[1]]", "row 2: another kind");
	refused("[[1],2]", "row 1: another kind");
	refused("[{\"id\":1},2]", "row 2: another kind");
	refused("{}", "row 1: no cells");
	refused("[[],[1],[]]", "row 2: no cells");
	refused("[[\"__A\",\"B\"],[1,2],[1]]", "row 2: 1 cells for 2 names");
	refused("[[\"__A\",\"A\"],[1,2]]", "header: \"A\" is there twice");
	refused("[[\"__A\",5],[1,2]]", "header: cell 2 is no text");
	refused("[[[1]],[1]]", "header: cell 1 is an array");
	refused("[{\"a\":1,\"a\":2}]", "row 1: the field \"a\" is there twice");
	refused("[{\"a\":1},{\"a\":1,\"b\":0,\"\\u0061\":2}]",
		"row 2: the field \"a\" is there twice");
	refused("[[],[{\"a\":1,\"a\":2}]]", "row 1: the array or object");
	refused("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":1,"
		"\"k\":1,\"l\":1,"
		"\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"d\":1}",
		"the field \"d\" is there twice");
}

static void test_ds_depth_is_eight(void **state)
{
	(void)state;
	reads("[[],[[[[[[[1]]]]]]]]", "1(j[[[[[[1]]]]]])");
	refused("[[],[[[[[[[[1]]]]]]]]]", "row 1: the array or object");
	reads("{\"a\":[[[[[[[1]]]]]]]}", "1(a=j[[[[[[[1]]]]]]])");
	refused("{\"a\":[[[[[[[[1]]]]]]]]}", "row 1: the array or object");
}

static void test_ds_limits(void **state)
{
	struct refusal r = {0};
	struct ds *d = NULL;
	char *text = malloc(3 * (CELLS_MAX + 2) + CELLS_NUMBER_MAX), *at;
	const char *rows = "[[],[1],[2],[3]]";

	(void)state;
	assert_false(ds_open(rows, strlen(rows), 2, &d, &r));
	assert_int_equal(r.code, REFUSE_LARGE);
	assert_string_equal(r.what, "");
	r = (struct refusal){0};
	assert_true(ds_open(rows, strlen(rows), 3, &d, &r));
	assert_int_equal(ds_count(d), 3);
	ds_free(d);
	at = text;
	*at++ = '[';
	for (int i = 0; i < CELLS_MAX + 1; i++)
		at += sprintf(at, "%s1", i > 0 ? "," : "");
	memcpy(at, "]", 2);
	refused(text, "row 1: over 2000 cells");
	*text = '[';
	memset(text + 1, '7', CELLS_NUMBER_MAX + 1);
	memcpy(text + CELLS_NUMBER_MAX + 2, "]", 2);
	refused(text, "row 1: a number of over");
	free(text);
}

/* A text of SIZE bytes: HEAD, then PART again and again, then TAIL. */
static char *long_text(size_t size, const char *head, const char *part, const char *tail,
		       size_t *ret_len)
{
	char *text = malloc(size + 256), *at = text;
	size_t n = strlen(part);

	memcpy(at, head, strlen(head));
	at += strlen(head);
	for (size_t i = 0; (size_t)(at - text) + n + strlen(tail) <= size; i++) {
		memcpy(at, part + (i == 0), n - (i == 0));
		at += n - (i == 0);
	}
	memcpy(at, tail, strlen(tail) + 1);
	*ret_len = (size_t)(at - text) + strlen(tail);
	return text;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many times slower than usual programs run: tests/valgrind.sh. */
static double slower(void)
{
	const char *times = getenv("SLOWER");

	return times == NULL ? 1 : strtod(times, NULL);
}

/* The most that reading a 16 MiB text takes from the heap besides it. */
static void test_ds_memory_stays_small(void **state)
{
	static const char *const parts[] = {",[1,2,3,4,5]", ",[\"\\u4e2d\",\"a\\nb\"]",
					    ",{\"a\":1}", ",[[{}]]", ",[0.1]"};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		size_t len;
		bool objects = parts[i][1] == '{';
		char *text = long_text(16 << 20, objects ? "[" : "[[],", parts[i], "]", &len);
		struct refusal r = {0};
		struct ds *d = NULL;
		size_t before = mallinfo2().uordblks;

		if (!ds_open(text, len, INT64_MAX, &d, &r))
			fail_msg("%s: %s", parts[i], r.what);
		assert_true(mallinfo2().uordblks - before < (1 << 20));
		ds_free(d);
		free(text);
	}
}

static void test_ds_is_quick(void **state)
{
	size_t len;
	char *text = long_text(4 << 20, "[[],", ",[\"name of it\",12345,0.25,\"2026-01-31\",null]",
			       "]", &len);
	struct refusal r = {0};
	struct ds *d = NULL;
	double start = seconds(), opened;
	struct row_source source;
	struct row row;
	int64_t n = 0;

	(void)state;
	assert_true(ds_open(text, len, INT64_MAX, &d, &r));
	opened = seconds();
	source = ds_rows(d);
	while (source.next(source.arg, &row, &r) == ROWS_MORE)
		n++;
	print_message("%lld rows, 5 columns: checked in %.0f ms, read in %.0f ms\n", (long long)n,
		      (opened - start) * 1e3, (seconds() - opened) * 1e3);
	assert_int_equal(n, ds_count(d));
	/* 100 ms are allowed for 100 000 rows; a busy machine gets ten times that. */
	assert_true(n > 90000 && seconds() - start < 2 * slower());
	ds_free(d);
	free(text);
}

/* Names that sort together must not make a row cost the square of their number. */
static void test_ds_many_names_are_quick(void **state)
{
	size_t len, room = 16 << 20;
	char *text = malloc(room + 64), *at = text;
	struct refusal r = {0};
	struct ds *d = NULL;
	double start = seconds();

	(void)state;
	*at++ = '[';
	while ((size_t)(at - text) < room - (CELLS_MAX * 10)) {
		at += sprintf(at, "%s{", at == text + 1 ? "" : ",");
		for (int i = 0; i < CELLS_MAX; i++)
			at += sprintf(at, "%s\"%04d\":1", i > 0 ? "," : "", i);
		*at++ = '}';
	}
	memcpy(at, "]", 2);
	len = (size_t)(at - text) + 1;
	assert_true(ds_open(text, len, INT64_MAX, &d, &r));
	print_message("16 MiB of rows of %d fields: %.0f ms\n", CELLS_MAX,
		      (seconds() - start) * 1e3);
	assert_true(seconds() - start < 5 * slower());
	ds_free(d);
	free(text);
}

static void lines_are(const char *text, const char *expected)
{
	FILE *f = tmpfile();
	struct lines *l;
	struct row_source source;

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
	l = lines_open(fileno(f));
	source = lines_rows(l);
	for (int pass = 0; pass < 2; pass++) {
		char *got = show_rows(source);

		assert_string_equal(got, expected);
		free(got);
		assert_true(source.rewind(source.arg));
	}
	lines_free(l);
	fclose(f);
}

static void test_lines(void **state)
{
	char *text, *expected, *at;

	(void)state;
	lines_are("", "");
	lines_are("[1,\"a\\nb\"]\n[null,\"中\"]\n", "1(i1|\"a\nb)2(0|\"中)");
	lines_are("[1]\n[2]", "1(i1)WRONG");
	lines_are("[1]\n\n", "1(i1)WRONG");
	lines_are("[1]\n{\"a\":1}\n", "1(i1)WRONG");
	lines_are("[1] 2\n", "WRONG");
	lines_are("[1\n]\n", "WRONG");
	/* A line longer than what is read at once. */
	text = malloc(300100);
	expected = malloc(300100);
	memcpy(text, "[\"", 2);
	memset(text + 2, 'x', 300000);
	memcpy(text + 300002, "\"]\n[7]\n", 8);
	at = expected;
	memcpy(at, "1(\"", 3);
	memset(at + 3, 'x', 300000);
	memcpy(at + 300003, ")2(i7)", 7);
	lines_are(text, expected);
	free(text);
	free(expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ds_forms),
	    cmocka_unit_test(test_ds_without_rows),
	    cmocka_unit_test(test_ds_values),
	    cmocka_unit_test(test_ds_not_json),
	    cmocka_unit_test(test_ds_hostile_text),
	    cmocka_unit_test(test_ds_wrong_rows),
	    cmocka_unit_test(test_ds_depth_is_eight),
	    cmocka_unit_test(test_ds_limits),
	    cmocka_unit_test(test_ds_memory_stays_small),
	    cmocka_unit_test(test_ds_is_quick),
	    cmocka_unit_test(test_ds_many_names_are_quick),
	    cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
