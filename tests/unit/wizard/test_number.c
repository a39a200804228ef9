/*
 * Goal: numbers, angles and cell types are read as people write them, and exactly as strtod would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "wizard/number.h"

static void check(const char *s, bool comma, double want)
{
	double v = -12345;

	assert_true(number_parse(s, strlen(s), comma, &v));
	if (memcmp(&v, &want, sizeof(v)) != 0)
		fail_msg("%s: %.17g, not %.17g", s, v, want);
}

static void refuse(const char *s, bool comma)
{
	double v;

	if (number_parse(s, strlen(s), comma, &v))
		fail_msg("%s was read as %g", s, v);
}

static void test_number_parse_reads_decimals(void **state)
{
	(void)state;
	check("0", false, 0);
	check("-0", false, -0.0);
	check("+12", false, 12);
	check(" 12.5\t", false, 12.5);
	check("\xC2\xA0"
	      "3\xE3\x80\x80",
	      false, 3);
	check(".5", false, 0.5);
	check("5.", false, 5);
	check("1e3", false, 1000);
	check("-1.5E-3", false, -0.0015);
	check("000123.450", false, 123.45);
	check("0.1", false, 0.1);
	check("123456789012345678901234567890", false, 123456789012345678901234567890.0);
	check("1e22", false, 1e22);
	check("1e23", false, 1e23);
	check("4.9e-324", false, 4.9e-324);
	check("1e-400", false, 0);
}

static void test_number_parse_reads_decimal_comma(void **state)
{
	(void)state;
	check("1,5", true, 1.5);
	check("-1.234,5", true, -1234.5);
	check("1.234.567,25", true, 1234567.25);
	check("1.234", true, 1234);
	check("12", true, 12);
	refuse("1.5", true);
	refuse("1234.567,1", true);
	refuse("1.23,4", true);
	refuse("1,2,3", true);
	refuse("1,2.3", true);
	refuse("1,5", false);
}

static void test_number_parse_refuses_what_is_none(void **state)
{
	static const char *const bad[] = {"",	   " ",	   "-",	  "+",	  ".",	   "-.",   "e5",
					  "1e",	   "1e+",  "inf", "-inf", "nan",   "0x10", "1 2",
					  "1.2.3", "1..2", "--1", "12a",  "1e400", "٣",	   "1_000"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i], false);
}

/* The fast ways must not differ from the C library's by a bit. */
static void test_number_parse_agrees_with_strtod(void **state)
{
	uint64_t seed = 88172645463325252u;
	char s[64];

	(void)state;
	for (int i = 0; i < 300000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		uint64_t m = seed >> (seed & 31);
		int point = (int)(seed >> 40 & 15), e = (int)(seed >> 50 & 31) - 16;

		switch (i % 3) {
		case 0:
			snprintf(s, sizeof(s), "%llu.%0*llu", (unsigned long long)(m % 360),
				 point + 1,
				 (unsigned long long)(seed % 10000000000000000u) % 1000000000u);
			break;
		case 1:
			snprintf(s, sizeof(s), "%llue%d", (unsigned long long)m, e);
			break;
		default:
			snprintf(s, sizeof(s), "%.17g", (double)(int64_t)seed / 1e17);
		}
		check(s, false, strtod(s, NULL));
	}
}

static void test_number_parse_survives_long_cells(void **state)
{
	char *s = malloc(200001);
	double v;

	(void)state;
	assert_non_null(s);
	memset(s, '0', 200000);
	s[0] = '1';
	assert_false(number_parse(s, 200000, false, &v)); /* overflow is no number */
	s[1] = '.';
	assert_true(number_parse(s, 200000, false, &v));
	assert_true(v == 1.0);
	free(s);
}

static void test_number_integer_keeps_codes_apart(void **state)
{
	int64_t v;

	(void)state;
	assert_true(number_integer("123", 3, &v) && v == 123);
	assert_true(number_integer(" -5 ", 4, &v) && v == -5);
	assert_true(number_integer("+7", 2, &v) && v == 7);
	assert_true(number_integer("0", 1, &v) && v == 0);
	assert_true(number_integer("999999999999999999", 18, &v) && v == 999999999999999999);
	assert_false(number_integer("00123", 5, &v));
	assert_false(number_integer("1234567890123456789", 19, &v));
	assert_false(number_integer("1.0", 3, &v));
	assert_false(number_integer("", 0, &v));
	assert_false(number_integer("-", 1, &v));
}

static void angle(const char *s, char axis, double want)
{
	double v = -999;

	if (!number_angle(s, strlen(s), axis, false, &v))
		fail_msg("%s is no angle", s);
	if (v < want - 1e-9 || v > want + 1e-9)
		fail_msg("%s: %.10f, not %.10f", s, v, want);
}

static void no_angle(const char *s, char axis)
{
	double v;

	if (number_angle(s, strlen(s), axis, false, &v))
		fail_msg("%s was read as %g", s, v);
}

static void test_number_angle_reads_degrees_minutes_seconds(void **state)
{
	const double beijing = 39 + 54 / 60.0 + 20 / 3600.0;

	(void)state;
	angle("39.5", 'y', 39.5);
	angle("-116.25", 'x', -116.25);
	angle("39°54'20\"N", 'y', beijing);
	angle("39 54 20 N", 'y', beijing);
	angle("N39:54.33", 'y', 39 + 54.33 / 60);
	angle("39°54′20″S", 'y', -beijing);
	angle("39d54'20''N", 'y', beijing);
	angle("39度54分20秒", 'y', beijing);
	angle("北纬39度54分20秒", 'y', beijing);
	angle("东经116°23.5′", 'x', 116 + 23.5 / 60);
	angle("116°W", 'x', -116);
	angle("西116", 'x', -116);
	angle("-39 54 20", 'y', -beijing);
	angle("-0 30", 'y', -0.5);
	angle(" 39° ", 'y', 39);
	angle("12.5E", 0, 12.5);
}

static void test_number_angle_refuses_nonsense(void **state)
{
	(void)state;
	no_angle("39°60'N", 'y');
	no_angle("39°54'60\"N", 'y');
	no_angle("-39°54'N", 'y');
	no_angle("39E", 'y');
	no_angle("116N", 'x');
	no_angle("N39N", 'y');
	no_angle("39.5°20'", 'y');
	no_angle("39°54'20\"5N", 'y');
	no_angle("north", 'y');
	no_angle("", 'y');
	no_angle("N", 'y');
	no_angle("1 2 3 4", 'y');
	no_angle("inf", 'y');
}

static void test_number_null_words(void **state)
{
	static const char *const words[] = {"NULL", "null", "NA", "N/A", "nan", "\\N", "-", " NA "};
	static const char *const others[] = {"", "Null", "n/a", "0", "--", "NULLS"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_true(number_is_null_word(words[i], strlen(words[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(number_is_null_word(others[i], strlen(others[i])));
}

static void test_cell_classify_types_cells(void **state)
{
	static const struct {
		const char *s;
		bool comma;
		enum cell_type want;
	} t[] = {
	    {"", false, CELL_EMPTY},
	    {"  ", false, CELL_EMPTY},
	    {"\xE3\x80\x80", false, CELL_EMPTY},
	    {"12", false, CELL_INTEGER},
	    {"-3", false, CELL_INTEGER},
	    {"00123", false, CELL_TEXT},
	    {"+4930123456", false, CELL_TEXT},
	    {"+12345678", false, CELL_INTEGER},
	    {"-4930123456", false, CELL_INTEGER},
	    {"+4930123456.5", false, CELL_REAL},
	    {"1234567890123456789", false, CELL_TEXT},
	    {"1.5", false, CELL_REAL},
	    {"0.5", false, CELL_REAL},
	    {"1e5", false, CELL_REAL},
	    {"007.5", false, CELL_TEXT},
	    {"1,5", false, CELL_TEXT},
	    {"1,5", true, CELL_REAL},
	    {"1.234,5", true, CELL_REAL},
	    {"1.234", true, CELL_REAL},
	    {"1.5", true, CELL_TEXT},
	    {"2017-02-28", false, CELL_DATE},
	    {"2017-02-29", false, CELL_TEXT},
	    {"2016-02-29", false, CELL_DATE},
	    {"2017-13-01", false, CELL_TEXT},
	    {"2017-01-01T10:00", false, CELL_DATETIME},
	    {"2017-01-01 10:00:59.25Z", false, CELL_DATETIME},
	    {"2017-01-01T10:00:00+08:00", false, CELL_DATETIME},
	    {"2017-01-01T10:00:00+0800", false, CELL_DATETIME},
	    {"2017-01-01T25:00", false, CELL_TEXT},
	    {"2017-01-01X", false, CELL_TEXT},
	    {"2017/01/01", false, CELL_TEXT},
	    {"true", false, CELL_BOOLEAN},
	    {"FALSE", false, CELL_BOOLEAN},
	    {"yes", false, CELL_TEXT},
	    {"NULL", false, CELL_TEXT},
	    {"nan", false, CELL_TEXT},
	    {"北京", false, CELL_TEXT},
	    {"1e400", false, CELL_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		enum cell_type got = cell_classify(t[i].s, strlen(t[i].s), t[i].comma);

		if (got != t[i].want)
			fail_msg("\"%s\": %d, not %d", t[i].s, got, t[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_number_parse_reads_decimals),
	    cmocka_unit_test(test_number_parse_reads_decimal_comma),
	    cmocka_unit_test(test_number_parse_refuses_what_is_none),
	    cmocka_unit_test(test_number_parse_agrees_with_strtod),
	    cmocka_unit_test(test_number_parse_survives_long_cells),
	    cmocka_unit_test(test_number_integer_keeps_codes_apart),
	    cmocka_unit_test(test_number_angle_reads_degrees_minutes_seconds),
	    cmocka_unit_test(test_number_angle_refuses_nonsense),
	    cmocka_unit_test(test_number_null_words),
	    cmocka_unit_test(test_cell_classify_types_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
