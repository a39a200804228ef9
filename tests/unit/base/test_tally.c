/*
 * Goal: processes add to the same sums, one that is killed loses none; a damaged file or a full
 * disk stops nobody.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/tally.h"
#include "unit.h"

static void test_tally_sums_of_processes(void **state)
{
	struct tally *t;
	pid_t children[4];
	int status;

	for (size_t i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			t = tally_open(*state);
			for (int n = 0; n < 1000; n++)
				tally_request(t, TALLY_FILES, 204, n % 70, 10);
			(void)kill(getpid(), SIGKILL);
		}
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
	t = tally_open(*state);
	assert_int_equal(tally_get(&tally_cells(t)->requests[TALLY_FILES][104]), 4000);
	assert_int_equal(tally_get(&tally_cells(t)->bytes_in[TALLY_FILES]), 40000);
	assert_int_equal(tally_get(&tally_cells(t)->requests[TALLY_PAGES][104]), 0);
	tally_close(t);
}

static void test_tally_buckets(void **state)
{
	struct tally *t = tally_open(*state);
	struct tally_cells *c = tally_cells(t);

	tally_request(t, TALLY_GWS, 200, 0, 0);
	tally_request(t, TALLY_GWS, 200, 5, 0);
	tally_request(t, TALLY_GWS, 200, 6, 0);
	tally_request(t, TALLY_GWS, 200, INT64_MAX, 0);
	tally_request(t, TALLY_GWS, 99, 1, 0);
	tally_request(t, TALLY_GWS, 600, 1, 0);
	assert_int_equal(tally_get(&c->took[TALLY_GWS][0]), 4);
	assert_int_equal(tally_get(&c->took[TALLY_GWS][1]), 1);
	assert_int_equal(tally_get(&c->took[TALLY_GWS][TALLY_BUCKETS - 1]), 1);
	assert_int_equal(tally_get(&c->requests[TALLY_GWS][400]), 2);
	for (size_t i = 1; i < TALLY_BUCKETS; i++)
		assert_true(tally_bound_ms(i) > tally_bound_ms(i - 1));
	for (enum tally_class k = 0; k < TALLY__MAX; k++)
		assert_non_null(tally_class_word(k));
	tally_close(t);
}

static void test_tally_of_another_kind_begins_anew(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/tally", (char *)*state);
	struct tally *t;

	assert_int_equal(fs_replace(AT_FDCWD, path, "no such thing", 13, NULL), ERR_OK);
	t = tally_open(*state);
	tally_add(&tally_cells(t)->task_ms, 7);
	tally_close(t);
	t = tally_open(*state);
	assert_int_equal(tally_get(&tally_cells(t)->task_ms), 7);
	tally_close(t);
	assert_int_equal(truncate(path, 100), 0);
	t = tally_open(*state);
	assert_int_equal(tally_get(&tally_cells(t)->task_ms), 0);
	tally_close(t);
}

/* In containers the next process has the same number. */
static void test_tally_beside_what_a_killed_process_left(void **state)
{
	CLEAN_FREE char *left = mem_printf("%s/tally.%ld", (char *)*state, (long)getpid());
	struct tally *t;

	assert_int_equal(fs_replace(AT_FDCWD, left, "", 0, NULL), ERR_OK);
	t = tally_open(*state);
	tally_add(&tally_cells(t)->task_ms, 7);
	tally_close(t);
	t = tally_open(*state);
	assert_int_equal(tally_get(&tally_cells(t)->task_ms), 7);
	tally_close(t);
}

static void test_tally_without_a_folder_goes_nowhere(void **state)
{
	struct tally *t = tally_open("/nonexistent");

	(void)state;
	tally_request(t, TALLY_PAGES, 200, 1, 1);
	assert_int_equal(tally_get(&tally_cells(t)->bytes_in[TALLY_PAGES]), 1);
	tally_close(t);
	tally_close(NULL);
}

/* What two processes' commits add is there together; a protocol nobody named has a row, too. */
static void test_tally_uploads(void **state)
{
	struct tally *t = tally_open(*state), *other = tally_open(*state);
	const struct tally_uploads *sums = &tally_cells(t)->uploads;
	size_t tus = tally_adapter("tus"), last = tally_adapter("gopher");
	struct tally_uploads by = {0};

	assert_string_equal(tally_adapter_word(tus), "tus");
	assert_string_equal(tally_adapter_word(last), "other");
	for (size_t i = 0; i < TALLY_ADAPTERS; i++)
		assert_int_equal(tally_adapter(tally_adapter_word(i)), i);
	by.events[tus][TALLY_CREATED] = 2;
	by.events[last][TALLY_EXPIRED] = 1;
	by.bytes[tus] = 1000;
	tally_add_uploads(t, &by);
	tally_add_uploads(other, &by);
	assert_int_equal(tally_get(&sums->events[tus][TALLY_CREATED]), 4);
	assert_int_equal(tally_get(&sums->events[last][TALLY_EXPIRED]), 2);
	assert_int_equal(tally_get(&sums->bytes[tus]), 2000);
	assert_int_equal(tally_get(&sums->events[tus][TALLY_COMPLETED]), 0);
	tally_close(other);
	tally_close(t);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_folder_make, unit_folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(test_tally_sums_of_processes),
	    IN_FOLDER(test_tally_buckets),
	    IN_FOLDER(test_tally_uploads),
	    IN_FOLDER(test_tally_of_another_kind_begins_anew),
	    IN_FOLDER(test_tally_beside_what_a_killed_process_left),
	    IN_FOLDER(test_tally_without_a_folder_goes_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
