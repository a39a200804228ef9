/*
 * Goal: what is no address of exactly one person is refused before anything is stored; nothing that
 * could end a header or begin an option passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "signed/mailbox.h"

static void test_mailbox_takes_addresses(void **state)
{
	static const char *const good[] = {"a@b", "first.last+tag@example.org", "李@例子.cn",
					   "a'b@example.org"};
	static const char *const bad[] = {"",
					  "a",
					  "@",
					  "a@",
					  "@b",
					  "a@b@c",
					  "a b@c",
					  "a@b\r\nBcc: x@y",
					  "a@b\n",
					  "<a@b>",
					  "a,b@c",
					  "a;b@c",
					  "a:b@c",
					  "\"a\"@b",
					  "a@b\x7f",
					  "a@b\xc2\x85",
					  "a@b\xe2\x80\xa8",
					  "a\xff@b",
					  "-oQ/tmp@b",
					  "a@b "};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(mailbox_ok(good[i], ""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mailbox_ok(bad[i], ""));
}

static void test_mailbox_length(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[1] = '@';
	text[254] = '\0';
	assert_true(mailbox_ok(text, ""));
	text[254] = 'a';
	text[255] = '\0';
	assert_false(mailbox_ok(text, ""));
}

static void test_mailbox_domains(void **state)
{
	(void)state;
	assert_true(mailbox_ok("a@Example.ORG", "example.com example.org"));
	assert_false(mailbox_ok("a@evil.example.org", "example.com example.org"));
	assert_false(mailbox_ok("a@example.orge", "example.org"));
	assert_false(mailbox_ok("a@example", "example.org"));
}

static void test_mailbox_list(void **state)
{
	CLEAN_JSON json_object *a = json_object_new_array();

	(void)state;
	assert_true(mailbox_list("a@b, c@d ,A@B", "", 10, a));
	assert_string_equal(json_object_to_json_string_ext(a, JSON_C_TO_STRING_PLAIN),
			    "[\"a@b\",\"c@d\"]");
	assert_false(mailbox_list("e@f,", "", 10, a));
	assert_false(mailbox_list("g@h", "", 2, a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mailbox_takes_addresses),
	    cmocka_unit_test(test_mailbox_length),
	    cmocka_unit_test(test_mailbox_domains),
	    cmocka_unit_test(test_mailbox_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
