/*
 * Goal: text that grows is what was added, whatever the lengths, and ends in a NUL that is not
 * counted.
 */
#include <inttypes.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "unit.h"

static void test_buf_holds_what_was_added(void **state)
{
	CLEAN_FREE char *want = mem_alloc(100001);
	CLEAN_FREE char *text = NULL;
	struct buf b = {0};
	size_t len = 0, at = 0;

	(void)state;
	for (size_t n = 0; at + n <= 100000; at += n++) {
		memset(want + at, 'a' + (int)(n % 26), n);
		buf_add(&b, want + at, n);
	}
	text = buf_take(&b, &len);
	assert_int_equal(len, at);
	want[at] = '\0';
	assert_string_equal(text, want);
	assert_true(b.s == NULL && b.len == 0);
}

static void test_buf_numbers_and_formats(void **state)
{
	static const int64_t numbers[] = {0, 7, -1, 10, -1000000007, INT64_MAX, INT64_MIN};
	CLEAN_FREE char *long_text = mem_alloc(5001);

	(void)state;
	memset(long_text, 'x', 5000);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		CLEAN_FREE char *want =
		    mem_printf("(%" PRId64 ";%s%d)", numbers[i], long_text, (int)i);
		CLEAN_FREE char *text = NULL;
		struct buf b = {0};

		buf_char(&b, '(');
		buf_int(&b, numbers[i]);
		buf_str(&b, ";");
		buf_printf(&b, "%s%d)", long_text, (int)i);
		text = buf_take(&b, NULL);
		assert_string_equal(text, want);
	}
}

static void test_buf_empty_is_a_text(void **state)
{
	struct buf b = {0};
	size_t len = 1;
	CLEAN_FREE char *text = buf_take(&b, &len);

	(void)state;
	buf_add(&b, NULL, 0);
	assert_int_equal(len, 0);
	buf_printf(&b, "%s", "first");
	assert_string_equal(buf_text(&b), "first");
	buf_done(&b);
	assert_string_equal(text, "");
	buf_str(&b, "dropped");
	buf_done(&b);
	assert_true(b.s == NULL && b.room == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buf_holds_what_was_added),
	    cmocka_unit_test(test_buf_numbers_and_formats),
	    cmocka_unit_test(test_buf_empty_is_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
