/* Goal: one event is one line that nobody can forge, also after the file was moved away. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "unit.h"

static void whole(const char *path, char **ret)
{
	assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 24, ret, NULL, NULL), ERR_OK);
}

static void test_log_lines_are_escaped(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *want = NULL;
	CLEAN_FREE char *got = NULL;

	log_open("unit", path);
	log_line(LOG_LEVEL_WARN, "r\n1", "a\r\nb \x1b[31m \xE5\x8C\x97 \xFF \xE2\x80\xAE %s", "end");
	log_open("unit", NULL);
	whole(path, &got);
	want = mem_printf("Z warn unit[%ld] r\\x0a1 a\\x0d\\x0ab \\x1b[31m \xE5\x8C\x97 \\xff \\xe2\\x80\\xae end\n",
	    (long)getpid());
	assert_non_null(strchr(got, 'Z'));
	assert_string_equal(strchr(got, 'Z'), want);
	assert_int_equal(strchr(got, 'Z') - got, strlen("2026-11-22T10:00:00.000"));
}

static void test_log_lines_have_a_limit(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *got = NULL;
	char big[10000];

	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_open("unit", path);
	log_line(LOG_LEVEL_ERROR, big, "%s", big);
	log_line(LOG_LEVEL_ERROR, NULL, "%s", "next");
	log_open("unit", NULL);
	whole(path, &got);
	assert_true(strchr(got, '\n') - got < 4096);
	assert_non_null(strstr(got, "] - next\n"));
}

static void test_log_follows_a_moved_file(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *old = mem_printf("%s/log.1", (char *)*state);
	CLEAN_FREE char *a = NULL;
	CLEAN_FREE char *b = NULL;

	log_open("unit", path);
	log_line(LOG_LEVEL_INFO, NULL, "before");
	assert_int_equal(rename(path, old), 0);
	log_line(LOG_LEVEL_INFO, NULL, "after");
	log_open("unit", NULL);
	whole(old, &a);
	whole(path, &b);
	assert_non_null(strstr(a, "before"));
	assert_null(strstr(a, "after"));
	assert_non_null(strstr(b, "after"));
}

static void *write_many(void *nothing)
{
	for (int i = 0; i < 500; i++)
		log_line(LOG_LEVEL_DEBUG, "thread", "%0500d", i);
	return nothing;
}

static void test_log_lines_of_threads_stay_whole(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *got = NULL;
	pthread_t threads[4];
	int lines = 0;

	log_open("unit", path);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	log_open("unit", NULL);
	whole(path, &got);
	for (char *rest = NULL, *l = strtok_r(got, "\n", &rest); l != NULL; l = strtok_r(NULL, "\n", &rest)) {
		lines++;
		assert_non_null(strstr(l, "] thread 000"));
		assert_int_equal(strlen(strstr(l, "thread ")), 507);
	}
	assert_int_equal(lines, 2000);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_folder_make, unit_folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_log_lines_are_escaped),
		IN_FOLDER(test_log_lines_have_a_limit),
		IN_FOLDER(test_log_follows_a_moved_file),
		IN_FOLDER(test_log_lines_of_threads_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
