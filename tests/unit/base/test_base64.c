/*
 * Goal: base64 is read strictly, written canonically, and both agree for every length.
 */
#include "unit.h"
#include "base/base64.h"
#include "base/mem.h"

static void test_base64_knows_the_vectors_of_the_rfc(void **state)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEAN_FREE char *text = base64_encode(rows[i][0], strlen(rows[i][0]));
		CLEAN_FREE char *back = NULL;
		size_t n = 99;

		assert_string_equal(text, rows[i][1]);
		assert_true(base64_decode(text, strlen(text), &back, &n));
		assert_int_equal(n, strlen(rows[i][0]));
		assert_string_equal(back, rows[i][0]);
	}
}

static void test_base64_carries_every_byte(void **state)
{
	unsigned char all[256];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)(255 - i);
	for (size_t len = 0; len <= sizeof(all); len++) {
		CLEAN_FREE char *text = base64_encode(all, len);
		CLEAN_FREE char *back = NULL;
		size_t n = 0;

		assert_true(base64_decode(text, strlen(text), &back, &n));
		assert_int_equal(n, len);
		assert_memory_equal(back, all, len);
	}
}

static void test_base64_refuses_anything_else(void **state)
{
	static const char *const bad[] = {"Zg",	    "Zg=",   "Z===", "====", "Zg=g",  "Zm 9v",
					  "Zm9v\n", " Zm9v", "Zm-_", "=Zg=", "Zm9v=", "\xc3\xa9"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *back = NULL;
		size_t n = 0;

		if (base64_decode(bad[i], strlen(bad[i]), &back, &n))
			fail_msg("took %s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64_knows_the_vectors_of_the_rfc),
	    cmocka_unit_test(test_base64_carries_every_byte),
	    cmocka_unit_test(test_base64_refuses_anything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
