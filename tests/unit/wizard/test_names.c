/*
 * Goal: names from outside become names of tables and columns, and two different ones never become
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/text.h"
#include "wizard/names.h"

static void dataset(const char *stem, const char *want)
{
	char *got = name_dataset(stem);

	assert_string_equal(got, want);
	free(got);
}

static void column(const char *original, size_t index0, const char *want)
{
	char *got = name_column(original, index0);

	assert_string_equal(got, want);
	free(got);
}

static void test_name_dataset_vectors(void **state)
{
	(void)state;
	dataset("junk<y>", "junk_y_");
	dataset("109029_23", "_109029_23");
	dataset("foo-bar", "foo_bar");
	dataset("тестирование кириллицы", "тестирование_кириллицы");
	dataset("北京.公园", "北京_公园");
	dataset("-x", "_x");
	dataset("", "_");
	dataset("a\xFF"
		"b",
		"a_b");
	dataset("a; drop table--", "a__drop_table__");
}

static void test_name_dataset_cuts_at_a_character(void **state)
{
	char *got;

	(void)state;
	got = name_dataset("北北北北北北北北北北北北北北北北北北北北北北北北北");
	assert_int_equal(strlen(got), 63);
	assert_true(text_is_utf8(got, strlen(got)));
	free(got);
	got = name_dataset("x北北北北北北北北北北北北北北北北北北北北北北北北北");
	assert_int_equal(strlen(got), 61);
	assert_true(text_is_utf8(got, strlen(got)));
	free(got);
}

static void test_name_column_vectors(void **state)
{
	(void)state;
	column(" lat ", 0, "lat");
	column("Lat (°)", 0, "Lat____");
	column("2017", 0, "_2017");
	column("", 3, "column_4");
	column("\xE3\x80\x80", 1, "column_2");
	column("经度", 0, "经度");
}

static void unique(size_t n, const char *const *originals, const char *const *want)
{
	char **got = names_columns(originals, n);

	for (size_t i = 0; i < n; i++) {
		assert_string_equal(got[i], want[i]);
		free(got[i]);
	}
	free(got);
}

static void test_names_columns_are_unique(void **state)
{
	(void)state;
	unique(4, (const char *const[]){"a", "A", "a", "b"},
	       (const char *const[]){"a", "A_2", "a_3", "b"});
	unique(3, (const char *const[]){"a b", "a-b", "a_b"},
	       (const char *const[]){"a_b", "a_b_2", "a_b_3"});
	unique(3, (const char *const[]){"a", "a_2", "a"}, (const char *const[]){"a", "a_2", "a_3"});
	unique(3, (const char *const[]){"a", "a", "a_2"},
	       (const char *const[]){"a", "a_2", "a_2_2"});
	unique(2, (const char *const[]){"", "column_1"},
	       (const char *const[]){"column_1", "column_1_2"});
}

static void test_names_columns_reserved_words(void **state)
{
	(void)state;
	unique(6,
	       (const char *const[]){"fid", "OGC_FID", "geom", "_time_start", "_time_end", "fid_"},
	       (const char *const[]){"fid_", "OGC_FID_", "geom_", "_time_start_", "_time_end_",
				     "fid__2"});
	unique(1, (const char *const[]){"geometry"}, (const char *const[]){"geometry"});
}

static void test_names_columns_long_names_stay_apart(void **state)
{
	static const char a[] = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij_one";
	static const char b[] = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij_two";
	const char *const originals[] = {a, b};
	char **got = names_columns(originals, 2);

	(void)state;
	assert_int_equal(strlen(got[0]), 60);
	assert_int_equal(strlen(got[1]), 60);
	assert_string_not_equal(got[0], got[1]);
	free(got[0]);
	free(got[1]);
	free(got);
}

/* 2000 equal headers must not take minutes. */
static void test_names_columns_many_equal_names(void **state)
{
	const char *originals[2000];
	char **got;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		originals[i] = "x";
	got = names_columns(originals, 2000);
	assert_string_equal(got[0], "x");
	assert_string_equal(got[1999], "x_2000");
	for (size_t i = 0; i < 2000; i++)
		free(got[i]);
	free(got);
}

static void test_names_changed_tells_what_changed(void **state)
{
	const char *const originals[] = {"a b", "c", ""};
	char *cleaned[] = {(char[]){"a_b"}, (char[]){"c"}, (char[]){"column_3"}};
	json_object *changed = names_changed(originals, cleaned, 3);

	(void)state;
	assert_string_equal(json_str(changed, "a b", ""), "a_b");
	assert_int_equal(json_object_object_length(changed), 1);
	json_object_put(changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_name_dataset_vectors),
	    cmocka_unit_test(test_name_dataset_cuts_at_a_character),
	    cmocka_unit_test(test_name_column_vectors),
	    cmocka_unit_test(test_names_columns_are_unique),
	    cmocka_unit_test(test_names_columns_reserved_words),
	    cmocka_unit_test(test_names_columns_long_names_stay_apart),
	    cmocka_unit_test(test_names_columns_many_equal_names),
	    cmocka_unit_test(test_names_changed_tells_what_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
