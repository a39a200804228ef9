/*
 * Goal: a process killed at any step of enter, join, recovery, commit and leave leaves a store that
 * the next pass can use, with nothing acknowledged lost, and with a recovery exactly when the dirty
 * flag stood.  Case 8 of contracts/store.md 16.  The steps are those of the delivered code: it
 * calls gate_hook where one is defined.
 */
#define FIXTURE_ROOT "/dev/shm"
#include "store/fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/gate.h"
#include "store/record.h"

static int steps_left = -1;

void gate_hook(void)
{
	if (steps_left >= 0 && steps_left-- == 0)
		(void)kill(getpid(), SIGKILL);
}

static enum err add_one(struct pass *p, void *arg)
{
	return counter_add(p, "n", 1, arg);
}

static enum err look(struct pass *p, void *arg)
{
	return counter_add(p, "n", 0, arg);
}

static enum err do_nothing(struct pass *p, void *arg)
{
	(void)p;
	(void)arg;
	return ERR_OK;
}

/* How a child begins. */
enum scene {
	SCENE_JOIN,    /* the environment is there */
	SCENE_KEPT,    /* … and joined: only the second pass is killed */
	SCENE_RECOVER, /* its regions are not */
	SCENE_CLOSE,   /* killed while closing */
	SCENE__MAX
};

/*
 * In a child: a commit that is killed at step N of it; the exit status tells what was acknowledged.
 */
static void child_run(struct fixture *f, enum scene scene, int n)
{
	int64_t value;

	if (scene != SCENE_KEPT && scene != SCENE_CLOSE)
		steps_left = n;
	if (store_open(&f->config, true, &f->store, NULL) != ERR_OK)
		_exit(99);
	if (scene == SCENE_KEPT &&
	    store_pass(f->store, PASS_READ, "t", do_nothing, NULL, NULL) != ERR_OK)
		_exit(98);
	if (scene == SCENE_KEPT)
		steps_left = n;
	if (store_pass(f->store, PASS_SYNC, "t", add_one, &value, NULL) != ERR_OK)
		_exit(97);
	if (scene == SCENE_CLOSE) {
		steps_left = n;
		store_close(f->store);
	}
	_exit(0);
}

static bool is_dirty(const struct fixture *f)
{
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);
	CLEAN_FREE char *bytes = NULL;
	struct gate_header h;
	size_t len;

	if (fs_read_file(AT_FDCWD, path, 8192, &bytes, &len, NULL) != ERR_OK || len < sizeof(h))
		return true;
	memcpy(&h, bytes, sizeof(h));
	return !gate_header_ok(&h) || h.dirty != 0;
}

/* Kill at every step in turn until the child gets through; returns how many there are. */
static int kill_at_every_step(struct fixture *f, enum scene scene)
{
	int64_t acknowledged;

	run(f, PASS_SYNC, add_one, &acknowledged);
	for (int n = 0; n < 500; n++) {
		CLEAN_FREE char *regions = mem_printf("%s/__db.001", f->regions);
		bool lost_regions = scene == SCENE_RECOVER, dirty;
		int64_t value = -1, start;
		int status;
		pid_t pid;

		fixture_close(f);
		if (lost_regions)
			(void)unlink(regions);
		pid = fork();
		if (pid == 0)
			child_run(f, scene, n);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		dirty = is_dirty(f) || access(regions, F_OK) != 0;
		start = clock_mono_ms();
		fixture_open(f);
		run(f, PASS_READ, look, &value);
		assert_in_range(clock_mono_ms() - start, 0, 5000);
		/* Killed before the answer it is there or not; acknowledged it must be. */
		assert_in_range(value, acknowledged, acknowledged + 1);
		CLEAN_JSON json_object *stat = store_stat(f->store);
		assert_int_equal(json_int(stat, "recoveries", -1), dirty ? 1 : 0);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			assert_int_equal(value, acknowledged + 1);
			return n;
		}
		assert_int_equal(WTERMSIG(status), SIGKILL);
		if (scene == SCENE_CLOSE)
			assert_int_equal(value, acknowledged + 1);
		acknowledged = value;
	}
	fail_msg("the child never gets through");
	return 0;
}

static void test_steps_of_joining(void **state)
{
	assert_in_range(kill_at_every_step(*state, SCENE_JOIN), 12, 400);
}

static void test_steps_of_a_kept_handle(void **state)
{
	assert_in_range(kill_at_every_step(*state, SCENE_KEPT), 10, 400);
}

static void test_steps_of_recovering(void **state)
{
	assert_in_range(kill_at_every_step(*state, SCENE_RECOVER), 30, 400);
}

static void test_steps_of_closing(void **state)
{
	assert_in_range(kill_at_every_step(*state, SCENE_CLOSE), 5, 400);
}

/* The store is being made for the first time: every step of that. */
static void test_steps_of_the_first_pass(void **state)
{
	struct fixture *f = *state;
	int n;

	for (n = 0; n < 500; n++) {
		int64_t value = -1;
		int status;
		pid_t pid;

		fixture_close(f);
		assert_int_equal(fs_remove_tree(AT_FDCWD, f->dir, NULL), ERR_OK);
		(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
		pid = fork();
		if (pid == 0)
			child_run(f, SCENE_JOIN, n);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		fixture_open(f);
		run(f, PASS_READ, look, &value);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			assert_int_equal(value, 1);
			break;
		}
		assert_in_range(value, 0, 1);
	}
	assert_in_range(n, 30, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_steps_of_joining),	      STORE_TEST(test_steps_of_a_kept_handle),
	    STORE_TEST(test_steps_of_recovering),     STORE_TEST(test_steps_of_closing),
	    STORE_TEST(test_steps_of_the_first_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
