/*
 * Goal: every error has one row that says the same as the comments of err.h, and the first error
 * stands.
 */
#include <errno.h>
#include "base/err.h"
#include "unit.h"

static void test_err_table_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < ERR__MAX; i++) {
		assert_non_null(err_name((enum err)i));
		assert_true(err_code((enum err)i)[0] != '\0');
		assert_in_range(err_status((enum err)i), 200, 599);
		/* What is our fault is a 5xx; that a 5xx may also mean "come back later". */
		if (err_is_ours((enum err)i))
			assert_true(err_status((enum err)i) >= 500);
	}
}

static void test_err_words_and_statuses(void **state)
{
	static const struct {
		enum err err;
		const char *name, *code;
		int status;
	} rows[] = {
	    {ERR_BUSY, "ERR_BUSY", "busy", 503},
	    {ERR_SHORT, "ERR_SHORT", "short", 503},
	    {ERR_NO_SPACE, "ERR_NO_SPACE", "disk_full", 507},
	    {ERR_TYPE, "ERR_TYPE", "media_type", 415},
	    {ERR_METHOD, "ERR_METHOD", "method", 405},
	    {ERR_NOT_FOUND, "ERR_NOT_FOUND", "not_found", 404},
	    {ERR_INTERNAL, "ERR_INTERNAL", "internal", 500},
	    {ERR_IO, "ERR_IO", "internal", 500},
	    {ERR_AUTH, "ERR_AUTH", "login_required", 401},
	    {ERR_CUT, "ERR_CUT", "bad_body", 400},
	    {ERR_LOCKED, "ERR_LOCKED", "busy", 423},
	    {ERR_GONE, "ERR_GONE", "session_expired", 410},
	    {ERR_TOO_LARGE, "ERR_TOO_LARGE", "too_large", 413},
	    {ERR_TIMEOUT, "ERR_TIMEOUT", "timeout", 504},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(err_name(rows[i].err), rows[i].name);
		assert_string_equal(err_code(rows[i].err), rows[i].code);
		assert_int_equal(err_status(rows[i].err), rows[i].status);
	}
	assert_int_equal(err_status((enum err)9999), 500);
}

static void test_err_first_stands(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_equal(error_set(&e, ERR_IO, "first %d", 1), ERR_IO);
	assert_int_equal(error_set(&e, ERR_BUSY, "second"), ERR_BUSY);
	assert_int_equal(e.err, ERR_IO);
	assert_string_equal(e.text, "first 1");
	assert_int_equal(error_set(NULL, ERR_CUT, "nowhere"), ERR_CUT);
}

static void test_err_errno_is_appended_and_full_disk_recognised(void **state)
{
	struct error a = {0}, b = {0}, c = {0};
	char big[1000];

	(void)state;
	errno = ENOENT;
	assert_int_equal(error_errno(&a, ERR_IO, "open %s", "x"), ERR_IO);
	assert_string_equal(a.text, "open x: No such file or directory");
	errno = ENOSPC;
	assert_int_equal(error_errno(&b, ERR_IO, "write"), ERR_NO_SPACE);
	assert_int_equal(b.err, ERR_NO_SPACE);
	errno = EDQUOT;
	assert_int_equal(error_errno(NULL, ERR_IO, "write"), ERR_NO_SPACE);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	errno = EIO;
	(void)error_errno(&c, ERR_IO, "%s", big);
	assert_int_equal(strlen(c.text), sizeof(c.text) - 1);
}

/*
 * Whatever the caller took it for: a disk that may only be read and a table that is full are no bug
 * of ours.
 */
static void test_err_errno_that_is_everybodys(void **state)
{
	(void)state;
	errno = EROFS;
	assert_int_equal(error_errno(NULL, ERR_IO, "open"), ERR_STORE);
	errno = EMFILE;
	assert_int_equal(error_errno(NULL, ERR_STORE, "open"), ERR_SHORT);
	assert_int_equal(err_of_errno(ENFILE, ERR_IO), ERR_SHORT);
	assert_int_equal(err_of_errno(ENOMEM, ERR_IO), ERR_SHORT);
	assert_int_equal(err_of_errno(EDQUOT, ERR_IO), ERR_NO_SPACE);
	assert_int_equal(err_of_errno(EIO, ERR_STORE), ERR_STORE);
	assert_int_equal(err_of_errno(0, ERR_IO), ERR_IO);
}

static void test_err_code_is_given_to_a_filled_error(void **state)
{
	struct error e = {0};

	(void)state;
	(void)error_set(&e, ERR_BAD_REQUEST, "ratio 300");
	assert_int_equal(error_code(&e, ERR_BAD_REQUEST, "zip_ratio"), ERR_BAD_REQUEST);
	assert_string_equal(e.code, "zip_ratio");
	assert_string_equal(e.text, "ratio 300");
	assert_int_equal(error_code(NULL, ERR_GONE, "x"), ERR_GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_err_table_is_complete),
	    cmocka_unit_test(test_err_words_and_statuses),
	    cmocka_unit_test(test_err_first_stands),
	    cmocka_unit_test(test_err_errno_is_appended_and_full_disk_recognised),
	    cmocka_unit_test(test_err_errno_that_is_everybodys),
	    cmocka_unit_test(test_err_code_is_given_to_a_filled_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
