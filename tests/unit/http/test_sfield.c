/*
 * Goal: structured fields are read as RFC 9651 says, and a value that is malformed anywhere is no
 * value.
 */
#include "http/helper.h"

#include "http/sfield.h"

static void test_sfield_reads_booleans(void **state)
{
	static const char *const bad[] = {"yes",    "true",   "?2", "?", "?10",
					  "?1 ?1",  "?1, ?0", "1",  "",	 "?1;",
					  "?1;A=2", "?1;a=",  NULL};
	bool b = false;

	(void)state;
	assert_true(sfield_boolean("?1", &b) && b);
	assert_true(sfield_boolean("?0", &b) && !b);
	assert_true(sfield_boolean("  ?1  ", &b) && b);
	assert_true(sfield_boolean("?0;a;b=\"x;y\"; c=:AA==:", &b) && !b);
	for (size_t i = 0; bad[i] != NULL; i++)
		if (sfield_boolean(bad[i], &b))
			fail_msg("took %s", bad[i]);
	assert_false(sfield_boolean(NULL, &b));
}

static void test_sfield_reads_integers(void **state)
{
	static const char *const bad[] = {"",
					  "-",
					  "+1",
					  "1.5",
					  "1.",
					  "1e3",
					  "0x10",
					  "1 2",
					  "1, 1",
					  "1000000000000000",
					  "99999999999999999999",
					  "\"1\"",
					  "?1",
					  NULL};
	int64_t n = 0;

	(void)state;
	assert_true(sfield_integer("42", &n) && n == 42);
	assert_true(sfield_integer("-17;q=0.5", &n) && n == -17);
	assert_true(sfield_integer("007", &n) && n == 7);
	assert_true(sfield_integer("999999999999999", &n) && n == 999999999999999);
	for (size_t i = 0; bad[i] != NULL; i++)
		if (sfield_integer(bad[i], &n))
			fail_msg("took %s", bad[i]);
}

static void test_sfield_reads_every_kind_of_item(void **state)
{
	static const struct {
		const char *text;
		enum sfield_kind kind;
		const char *inside;
	} rows[] = {{"\"a \\\"b\\\\\"", SFIELD_STRING, "a \\\"b\\\\"},
		    {"foo/bar:1", SFIELD_TOKEN, "foo/bar:1"},
		    {"*x", SFIELD_TOKEN, "*x"},
		    {":aGVsbG8=:", SFIELD_BYTES, "aGVsbG8="},
		    {"%\"f%c3%bc\"", SFIELD_DISPLAY, "f%c3%bc"},
		    {"@1659578233", SFIELD_DATE, NULL},
		    {"123456789012.125", SFIELD_DECIMAL, NULL}};
	static const char *const bad[] = {
	    "\"open", "\"a\\b\"", "\"\xc3\xbc\"", ":a:b", ":a", ":a b:",
	    "%x",     "%\"%C3\"", "%\"%c\"",	  "@1.5", "@",	"1234567890123.1",
	    "1.1234", "(1 2)",	  "{}",		  "a b",  NULL};
	struct sfield f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(sfield_item(rows[i].text, &f));
		assert_int_equal(f.kind, rows[i].kind);
		if (rows[i].inside != NULL) {
			assert_int_equal(f.len, strlen(rows[i].inside));
			assert_memory_equal(f.text, rows[i].inside, f.len);
		}
	}
	for (size_t i = 0; bad[i] != NULL; i++)
		if (sfield_item(bad[i], &f))
			fail_msg("took %s", bad[i]);
}

static void test_sfield_finds_members(void **state)
{
	static const char *const good =
	    "a, b=?0;x, sha-256=:aGVsbG8=:;q=1 ,\tc=(1 \"two\" ?1;p);z, sha-256=:d29ybGQ=:";
	CLEAN_FREE char *bytes = NULL;
	struct sfield f;
	size_t n;

	(void)state;
	assert_true(sfield_member(good, "a", &f) && f.kind == SFIELD_BOOLEAN && f.integer == 1);
	assert_true(sfield_member(good, "b", &f) && f.kind == SFIELD_BOOLEAN && f.integer == 0);
	assert_true(sfield_member(good, "c", &f) && f.kind == SFIELD_LIST);
	assert_true(sfield_member_bytes(good, "sha-256", &bytes, &n));
	assert_int_equal(n, 5);
	assert_string_equal(bytes, "world");
	assert_false(sfield_member(good, "sha-512", &f));
	assert_false(sfield_member("", "a", &f));
	assert_false(sfield_member(NULL, "a", &f));
	assert_false(sfield_member_bytes("a=:!!:", "a", &bytes, &n));
	assert_false(sfield_member_bytes("a=:AAA:", "a", &bytes, &n));
	assert_false(sfield_member_bytes("a=1", "a", &bytes, &n));
}

static void test_sfield_refuses_a_dictionary_malformed_anywhere(void **state)
{
	static const char *const bad[] = {
	    "a=1,",	  "a=1, ",    ",a=1",	 "a=1 b=2", "A=1",    "a=1,,b=2", "a=(1 2",
	    "a=(1\"x\")", "a=1, 9=2", "a=1, b=", "a=1;",    "a=1; B", NULL};
	struct sfield f;

	(void)state;
	for (size_t i = 0; bad[i] != NULL; i++)
		if (sfield_member(bad[i], "a", &f))
			fail_msg("took %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sfield_reads_booleans),
	    cmocka_unit_test(test_sfield_reads_integers),
	    cmocka_unit_test(test_sfield_reads_every_kind_of_item),
	    cmocka_unit_test(test_sfield_finds_members),
	    cmocka_unit_test(test_sfield_refuses_a_dictionary_malformed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
