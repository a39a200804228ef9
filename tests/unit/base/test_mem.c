/*
 * Goal: memory is zeroed and there, or the process ends with 71; sizes that overflow never come
 * back small.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "unit.h"

/* AddressSanitizer, when it is in, must hand out NULL as the real allocator does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void test_mem_is_zeroed_and_never_null(void **state)
{
	CLEAN_FREE char *a = mem_alloc(100);
	CLEAN_FREE char *none = mem_alloc(0);
	CLEAN_FREE char *grown = NULL;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(a[i], 0);
	assert_non_null(none);
	grown = mem_resize(NULL, 4, 4);
	grown = mem_resize(grown, 0, 4);
	assert_non_null(grown);
}

static void test_mem_strings(void **state)
{
	CLEAN_FREE char *a = mem_strdup("abc");
	CLEAN_FREE char *b = mem_strndup("abcdef", 2);
	CLEAN_FREE char *c = mem_strndup("ab", 100);
	CLEAN_FREE char *d = mem_printf("%d-%s", 7, "x");

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "ab");
	assert_string_equal(d, "7-x");
	assert_null(mem_strdup(NULL));
	assert_null(mem_strndup(NULL, 3));
}

/* The exit status of a process that asks for N times SIZE bytes. */
static int status_of(void *(*ask)(size_t, size_t), size_t n, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)close(STDERR_FILENO);
		_exit(ask(n, size) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void *resize(size_t n, size_t size)
{
	return mem_resize(NULL, n, size);
}

static void test_mem_overflow_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(status_of(mem_array, SIZE_MAX / 2, 4), 71);
	assert_int_equal(status_of(resize, SIZE_MAX / 2, 4), 71);
	assert_int_equal(status_of(mem_array, 10, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mem_is_zeroed_and_never_null),
	    cmocka_unit_test(test_mem_strings),
	    cmocka_unit_test(test_mem_overflow_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
