/*
 * Goal: the terms of a text find every part of it, and a keyword that is one term needs no
 * comparison.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "catalog/item_words.h"

static void test_item_words_index_has_every_beginning(void **state)
{
	CLEAN_FREE char *latin = item_words_index("river 24");
	CLEAN_FREE char *chinese = item_words_index("北京市a_b");
	CLEAN_FREE char *nothing = item_words_index("  ");

	(void)state;
	assert_string_equal(latin, "riv ive ver er r 24 4 ");
	assert_string_equal(chinese, "北京 京市 市 a \xee\x80\x80"
				     "5f b ");
	assert_string_equal(nothing, "");
}

static void test_item_words_match_tells_what_it_proves(void **state)
{
	static const struct {
		const char *keyword, *match;
		bool exact;
	} cases[] = {
	    {"分布", "\"分布\" ", true},
	    {"分", "\"分\" * ", true},
	    {"绿地分布", "\"绿地\" \"地分\" \"分布\" ", false},
	    {"riv", "\"riv\" ", true},
	    {"er", "\"er\" * ", true},
	    {"r", "\"r\" * ", true},
	    {"river", "\"riv\" \"ive\" \"ver\" ", false},
	    {"a b", "\"a\" * \"b\" * ", false},
	    {" ab", "\"ab\" * ", false},
	    {"ab ", "\"ab\" * ", false},
	    {"", "", false},
	    {"  ", "", false},
	    {"_",
	     "\"\xee\x80\x80"
	     "5f\" ",
	     true},
	    {"_a",
	     "\"\xee\x80\x80"
	     "5f\" \"a\" * ",
	     false},
	    {"a\"b",
	     "\"a\" * \"\xee\x80\x80"
	     "22\" \"b\" * ",
	     false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool exact = false;
		CLEAN_FREE char *match = item_words_match(cases[i].keyword, &exact);

		assert_string_equal(match, cases[i].match);
		if (*match != '\0' && exact != cases[i].exact)
			fail_msg("%s: proven %d", cases[i].keyword, exact);
	}
}

static void test_item_words_match_has_a_limit(void **state)
{
	char text[1001];
	bool exact;

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	CLEAN_FREE char *match = item_words_match(text, &exact);

	assert_false(exact);
	assert_int_equal(strlen(match), 16 * 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_item_words_index_has_every_beginning),
	    cmocka_unit_test(test_item_words_match_tells_what_it_proves),
	    cmocka_unit_test(test_item_words_match_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
