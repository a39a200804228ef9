/* Goal: only UTF-8 passes, names become harmless labels, numbers are read whole or not at all. */
#include <math.h>
#include "base/mem.h"
#include "base/text.h"
#include "unit.h"

static void test_text_utf8_is_strict(void **state)
{
	static const char *const wrong[] = {
	    "\x80",
	    "\xC0\xAF",
	    "\xC1\xBF",
	    "\xC2",
	    "\xE0\x80\xAF",
	    "\xE0\x9F\xBF",
	    "\xED\xA0\x80",
	    "\xED\xBF\xBF",
	    "\xF0\x80\x80\xAF",
	    "\xF0\x8F\xBF\xBF",
	    "\xF4\x90\x80\x80",
	    "\xF5\x80\x80\x80",
	    "\xFE",
	    "\xFF",
	    "a\xE4\xB8",
	    "\xE4\xB8"
	    "a",
	    "\xF0\x9F\x98",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(text_is_utf8(wrong[i], strlen(wrong[i])));
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("a\0b", 3));
	assert_true(text_is_utf8("\xEF\xBF\xBF\xF4\x8F\xBF\xBF", 7));
	/* Every code point there and back. */
	for (int32_t cp = 0; cp <= 0x10FFFF; cp++) {
		char s[4];
		int32_t back = -1;
		size_t n = text_encode(cp, s);

		if (cp >= 0xD800 && cp <= 0xDFFF) {
			assert_int_equal(text_decode(s, n, &back), 0);
		} else if (text_decode(s, n, &back) != n || back != cp) {
			fail_msg("U+%04X", (unsigned)cp);
		}
	}
}

static void test_text_cut_keeps_characters_whole(void **state)
{
	(void)state;
	assert_int_equal(text_cut("a\xE4\xB8\xAD", 4, 4), 4);
	assert_int_equal(text_cut("a\xE4\xB8\xAD", 4, 3), 1);
	assert_int_equal(text_cut("a\xE4\xB8\xAD", 4, 1), 1);
	assert_int_equal(text_cut("\xE4\xB8\xAD", 3, 2), 0);
	assert_int_equal(text_cut("abc", 3, 0), 0);
	assert_int_equal(text_cut("abc", 3, 100), 3);
}

static void equal(char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
	free(got);
}

static void test_text_folds(void **state)
{
	(void)state;
	equal(text_nfc("e\xCC\x81"), "\xC3\xA9");
	equal(text_nfc("\xFF"), NULL);
	equal(text_fold("\xC3\x89"
			"COLE Stra\xC3\x9F"
			"e \xEF\xBC\xA1"),
	      "\xC3\xA9"
	      "cole strasse a");
	equal(text_fold_plain("\xC3\x89"
			      "cole \xC3\x85ngstr\xC3\xB6m"),
	      "ecole angstrom");
	equal(text_fold_plain("\xE5\x8C\x97\xE4\xBA\xAC"), "\xE5\x8C\x97\xE4\xBA\xAC");
	equal(text_fold(""), "");
	equal(text_trim(" \t\xE3\x80\x80 a b \xC2\xA0\r\n"), "a b");
	equal(text_trim(" \xE3\x80\x80"), "");
	equal(text_trim("\xFF"), NULL);
}

static void test_text_classes(void **state)
{
	(void)state;
	assert_true(text_is_letter('a') && text_is_letter(0x4E2D) && text_is_letter(0x0438));
	assert_true(text_is_letter(0x0301));
	assert_false(text_is_letter('_') || text_is_letter('1') || text_is_letter(0x3002));
	assert_true(text_is_digit('7') && text_is_digit(0x0663));
	assert_false(text_is_digit(0x00B2) || text_is_digit('a'));
	assert_true(text_ieq("AbC", "aBc"));
	assert_false(text_ieq("abc", "ab") || text_ieq("ab", "abc") || text_ieq(NULL, NULL));
	assert_false(text_ieq("\xC3\x89", "\xC3\xA9"));
	assert_true(text_starts("abc", "ab") && !text_starts("a", "ab") && !text_starts(NULL, "a"));
	assert_true(text_ends_icase("roads.SHP", ".shp") && !text_ends_icase("shp", ".shp"));
}

static void test_text_display_name_is_harmless(void **state)
{
	char *got;
	char longer[5000];

	(void)state;
	equal(text_display_name("../../../../tmp/pwn.csv"), "pwn.csv");
	equal(text_display_name("..\\..\\pwn.csv"), "pwn.csv");
	equal(text_display_name("C:\\a\\b.shp"), "b.shp");
	equal(text_display_name("%2e%2e%2fpwn.csv"), "%2e%2e%2fpwn.csv");
	equal(text_display_name("\xE2\x80\xA5\xEF\xBC\x8E.csv"), "\xE2\x80\xA5\xEF\xBC\x8E.csv");
	equal(text_display_name("a\r\nSet-Cookie:x=1.csv"), "aSet-Cookie:x=1.csv");
	equal(text_display_name("a\x01\x1F\x7F\xC2\x85.csv"), "a.csv");
	equal(text_display_name("a\xE2\x80\xAEvsc.exe"), "avsc.exe");
	equal(text_display_name("\xE2\x81\xA6"
				"b\xE2\x81\xA9"),
	      "b");
	equal(text_display_name("e\xCC\x81.csv"), "\xC3\xA9.csv");
	equal(text_display_name("."), "");
	equal(text_display_name(".."), "");
	equal(text_display_name(".\x01."), "");
	equal(text_display_name("a.csv/"), "");
	equal(text_display_name(""), "");
	equal(text_display_name(".htaccess"), ".htaccess");
	equal(text_display_name("\xFF.csv"), NULL);
	equal(text_display_name("\xC0\xAF/a.csv"), NULL);
	equal(text_display_name("\xE5\x8C\x97\xE4\xBA\xAC.csv"), "\xE5\x8C\x97\xE4\xBA\xAC.csv");

	/* A long name keeps its extension: it decides what the file is. */
	for (int i = 0; i < 1000; i++)
		memcpy(longer + i * 3, "\xE5\x8C\x97", 3);
	memcpy(longer + 3000, ".shp", 5);
	got = text_display_name(longer);
	assert_int_equal(strlen(got), 83 * 3 + 4);
	assert_true(text_is_utf8(got, strlen(got)));
	assert_true(text_ends_icase(got, "\x97.shp"));
	free(got);
	memset(longer, 'x', 4096);
	longer[4096] = '\0';
	got = text_display_name(longer);
	assert_int_equal(strlen(got), 255);
	free(got);
}

static void test_text_int_is_whole_and_in_range(void **state)
{
	static const char *const wrong[] = {"",
					    "-",
					    "+1",
					    " 1",
					    "1 ",
					    "1.0",
					    "0x1",
					    "1e3",
					    "--1",
					    "9223372036854775808",
					    "-9223372036854775809",
					    "99999999999999999999999",
					    "\xEF\xBC\x91",
					    "1\n"};
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(text_int(wrong[i], INT64_MIN, INT64_MAX, &v));
	assert_false(text_int(NULL, 0, 1, &v));
	assert_false(text_int("11", 0, 10, &v));
	assert_false(text_int("-1", 0, 10, &v));
	assert_int_equal(v, 77);
	assert_true(text_int("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN);
	assert_true(text_int("9223372036854775807", INT64_MIN, INT64_MAX, &v) && v == INT64_MAX);
	assert_true(text_int("007", 0, 10, &v) && v == 7);
	assert_true(text_int("-0", 0, 10, &v) && v == 0);
	assert_false(text_id("007", 10, &v));
	assert_false(text_id("0", 10, &v));
	assert_false(text_id("-1", 10, &v));
	assert_false(text_id("11", 10, &v));
	assert_false(text_id("", 10, &v));
	assert_false(text_id(NULL, 10, &v));
	assert_true(text_id("10", 10, &v) && v == 10);
}

static void test_text_double_is_whole_and_finite(void **state)
{
	static const char *const wrong[] = {"",	     ".",   "-",   "1,5", " 1",	     "1 ",
					    "0x1p3", "inf", "nan", "1e",  "1e+",     "1e999",
					    "1.2.3", "e5",  "-.",  "1d5", "infinity"};
	double v = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(text_double(wrong[i], &v));
	assert_false(text_double(NULL, &v));
	assert_true(fabs(v - 77) < 1e-12);
	assert_true(text_double("-116.39", &v) && fabs(v + 116.39) < 1e-12);
	assert_true(text_double("+.5", &v) && fabs(v - 0.5) < 1e-12);
	assert_true(text_double("5.", &v) && fabs(v - 5) < 1e-12);
	assert_true(text_double("1.5E-3", &v) && fabs(v - 0.0015) < 1e-12);
}

static void test_text_bool_words(void **state)
{
	static const char *const yes[] = {"true", "ON", "1", "Yes"};
	static const char *const no[] = {"false", "Off", "0", "NO", ""};
	bool b;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		b = false;
		assert_true(text_bool(yes[i], &b) && b);
	}
	for (size_t i = 0; i < 5; i++) {
		b = true;
		assert_true(text_bool(no[i], &b) && !b);
	}
	assert_false(text_bool("2", &b) || text_bool("y", &b) || text_bool(NULL, &b));
}

static void test_text_bytes_reads_as_clients_compare(void **state)
{
	(void)state;
	equal(text_bytes(0), "0\xC2\xA0"
			     "bytes");
	equal(text_bytes(1), "1\xC2\xA0"
			     "byte");
	equal(text_bytes(17), "17\xC2\xA0"
			      "bytes");
	equal(text_bytes(1023), "1023\xC2\xA0"
				"bytes");
	equal(text_bytes(1024), "1.0\xC2\xA0KB");
	equal(text_bytes(104857600), "100.0\xC2\xA0MB");
	equal(text_bytes(2147483648), "2.0\xC2\xA0GB");
	equal(text_bytes(INT64_MAX), "8.0\xC2\xA0"
				     "EB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_utf8_is_strict),
	    cmocka_unit_test(test_text_cut_keeps_characters_whole),
	    cmocka_unit_test(test_text_folds),
	    cmocka_unit_test(test_text_classes),
	    cmocka_unit_test(test_text_display_name_is_harmless),
	    cmocka_unit_test(test_text_int_is_whole_and_in_range),
	    cmocka_unit_test(test_text_double_is_whole_and_finite),
	    cmocka_unit_test(test_text_bool_words),
	    cmocka_unit_test(test_text_bytes_reads_as_clients_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
