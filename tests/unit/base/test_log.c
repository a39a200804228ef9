/* Goal: one event is one line that nobody can forge, also after the file was moved away. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/json.h"
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
	log_line(LOG_LEVEL_WARN, "r\n1", "a\r\nb \x1b[31m \xE5\x8C\x97 \xFF \xE2\x80\xAE %s",
		 "end");
	log_open("unit", NULL);
	whole(path, &got);
	want = mem_printf("Z warn unit[%ld] r\\x0a1 a\\x0d\\x0ab \\x1b[31m \xE5\x8C\x97 \\xff "
			  "\\xe2\\x80\\xae end\n",
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

static void test_log_cuts_ids(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *got = NULL;

	log_open("unit", path);
	log_line(LOG_LEVEL_INFO, "0123456789abcdef0123456789abcdef", "/files/%s/x %s 31:%s",
		 "4F0C89abcdef0123456789abcdef0123",
		 "4f0c89abcdef0123456789abcdef01234f0c89abcdef0123456789abcdef0123",
		 "4f0c89abcdef0123456789abcdef012");
	log_open("unit", NULL);
	whole(path, &got);
	assert_non_null(strstr(got, " 0123456789abcdef0123456789abcdef /files/4F0C89ab/x 4f0c89ab "
				    "31:4f0c89abcdef0123456789abcdef012\n"));
}

static void test_log_json_is_valid(void **state)
{
	static const char hostile[] = "/a\"b\\c\n\r\t\x01\x7f\xff\xc0\xaf\xed\xa0\x80\xE2\x80\xA8"
				      "\xE5\x8C\x97</script>\xf0\x9f\x98\x80";
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *got = NULL;
	char big[9000];
	int lines = 0;

	for (size_t i = 0; i + 1 < sizeof(big); i++)
		big[i] = i % 3 == 0 ? '"' : i % 3 == 1 ? '\\' : '\n';
	big[sizeof(big) - 1] = '\0';
	log_open("unit", path);
	log_json(true);
	log_line(LOG_LEVEL_ERROR, hostile, "%s", hostile);
	log_line(LOG_LEVEL_INFO, NULL, "%s", big);
	log_request(&(struct log_request){.id = big,
					  .method = hostile,
					  .path = hostile,
					  .status = 404,
					  .ms = 7,
					  .bytes_in = INT64_MAX});
	log_request(&(struct log_request){.id = big, .method = big, .path = big, .status = 200});
	log_json(false);
	log_open("unit", NULL);
	whole(path, &got);
	for (char *rest = NULL, *l = strtok_r(got, "\n", &rest); l != NULL;
	     l = strtok_r(NULL, "\n", &rest), lines++) {
		json_object *o = NULL;

		assert_true(strlen(l) < 4096);
		assert_int_equal(json_read(l, strlen(l), &json_limits_form, &o), ERR_OK);
		assert_string_equal(json_str(o, "program", ""), "unit");
		assert_int_equal(json_int(o, "pid", 0), getpid());
		if (lines == 0)
			assert_string_equal(
			    json_str(o, "text", ""),
			    "/a\"b\\c\\x0a\\x0d\\x09\\x01\\x7f\\xff\\xc0\\xaf\\xed\\xa0\\x80\\xe2\\"
			    "x80\\xa8\xE5\x8C\x97</script>\xf0\x9f\x98\x80");
		if (lines == 2) {
			assert_int_equal(json_int(o, "status", 0), 404);
			assert_int_equal(json_int(o, "ms", 0), 7);
			assert_true(json_int(o, "bytes_in", 0) == INT64_MAX);
		}
		json_object_put(o);
	}
	assert_int_equal(lines, 4);
}

static void *write_many(void *nothing)
{
	for (int i = 0; i < 500; i++)
		log_line(LOG_LEVEL_DEBUG, "thread", "%-500dx", i);
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
	for (char *rest = NULL, *l = strtok_r(got, "\n", &rest); l != NULL;
	     l = strtok_r(NULL, "\n", &rest)) {
		lines++;
		assert_non_null(strstr(l, "] thread "));
		assert_int_equal(strlen(strstr(l, "thread ")), 508);
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
	    IN_FOLDER(test_log_cuts_ids),
	    IN_FOLDER(test_log_json_is_valid),
	    IN_FOLDER(test_log_lines_of_threads_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
