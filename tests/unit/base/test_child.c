/*
 * Goal: a child gets nothing of ours but two pipes, speaks in whole frames, and is gone when we say
 * so.  This program is its own child: with an argument it plays the part.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "unit.h"

extern char **environ;

static enum err start(const char *role, struct child *c)
{
	char *argv[] = {(char[]){"child"}, mem_strdup(role), NULL};
	struct error e = {0};
	enum err got = child_start("/proc/self/exe", argv, true, c, &e);

	free(argv[1]);
	if (got != ERR_OK)
		fail_msg("%s", e.text);
	return got;
}

/* ---- the parts that the child plays */

static int play_echo(void)
{
	json_object *m;

	while (frame_read(0, -1, &m, NULL) == ERR_OK) {
		if (frame_write(1, m, NULL) != ERR_OK)
			return 1;
		json_object_put(m);
	}
	return 7;
}

static int play_report(void)
{
	json_object *o = json_object_new_object();
	json_object *env = json_object_new_array();
	json_object *fds = json_object_new_array();
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	sigset_t blocked;
	struct sigaction pipe_action;

	for (char **v = environ; *v != NULL; v++)
		json_object_array_add(env, json_object_new_string(*v));
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && atol(d->d_name) != dirfd(dir))
			json_object_array_add(fds, json_object_new_string(d->d_name));
	(void)sigprocmask(SIG_SETMASK, NULL, &blocked);
	(void)sigaction(SIGPIPE, NULL, &pipe_action);
	json_set(o, "env", env);
	json_set(o, "fds", fds);
	json_set_bool(o, "own_group", getpgrp() == getpid());
	json_set_bool(o, "blocked", sigismember(&blocked, SIGTERM) == 1);
	json_set_bool(o, "pipe_default", pipe_action.sa_handler == SIG_DFL);
	(void)!write(2, "a word for the log\n", 19);
	(void)frame_write(1, o, NULL);
	return 0;
}

static int play(const char *role)
{
	static const unsigned char big[] = {1, 0, 0, 1}; /* 16 MiB and 1 */
	static const unsigned char slow[] = {0, 0, 0, 7, '{', '"', 'a', '"', ':', '1', '}'};

	if (strcmp(role, "echo") == 0)
		return play_echo();
	if (strcmp(role, "report") == 0)
		return play_report();
	if (strcmp(role, "too-big") == 0)
		(void)!write(1, big, sizeof(big));
	if (strcmp(role, "half") == 0)
		(void)!write(1, "\0\0\0\x0a{\"a\"", 8);
	if (strcmp(role, "hesitant") == 0)
		for (size_t i = 0; i < 2 * sizeof(slow); i++) {
			(void)!write(1, slow + i % sizeof(slow), 1);
			clock_sleep_ms(40);
		}
	if (strcmp(role, "not-json") == 0)
		(void)!write(1, "\0\0\0\x03NaN", 7);
	if (strcmp(role, "chatty") == 0) {
		for (int i = 0; i < 100000; i++)
			(void)!write(2, "Warning 1: something about a ring\n", 34);
		(void)frame_write(1, json_object_new_object(), NULL);
	}
	if (strcmp(role, "nothing") == 0)
		return 0;
	if (strcmp(role, "touch") == 0) {
		(void)!write(2, "detached\n", 9);
		return getsid(0) == getpid() ? 0 : 1;
	}
	if (strcmp(role, "family") == 0) { /* a grandchild that would outlive */
		pid_t pid = fork();

		if (pid == 0) {
			(void)sleep(100);
			_exit(0);
		}
		(void)frame_write(1, json_set_int(json_object_new_object(), "pid", pid), NULL);
	}
	(void)sleep(100);
	return 0;
}

/* ---- the tests */

static void test_child_frames_go_there_and_back(void **state)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	CLEAN_FREE char *text = mem_alloc(1000001);
	struct child c;
	int status;

	(void)state;
	memset(text, 'x', 1000000);
	json_set_str(o, "big", text);
	assert_int_equal(start("echo", &c), ERR_OK);
	for (int i = 0; i < 3; i++) {
		CLEAN_JSON json_object *back = NULL;

		json_set_int(o, "i", i);
		assert_int_equal(child_send(&c, o, NULL), ERR_OK);
		assert_int_equal(child_receive(&c, 10000, &back, NULL), ERR_OK);
		assert_true(json_equal(o, back));
	}
	child_finish(&c, 10000, &status);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(c.pid, 0);
	child_end(&c, &status);
	assert_int_equal(child_send(&c, o, NULL), ERR_CUT);
	assert_int_equal(child_receive(&c, 0, &o, NULL), ERR_CUT);
}

static void test_child_inherits_nothing(void **state)
{
	CLEAN_JSON json_object *o = NULL;
	CLEAN_FD int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as libraries do */
	struct child c;
	sigset_t term;
	json_object *item;
	char log[100];
	bool proxy = false;

	(void)state;
	assert_int_equal(setenv("HTTP_COOKIE", "secret", 1), 0);
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &term, NULL), 0);
	assert_int_equal(start("report", &c), ERR_OK);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &term, NULL), 0);
	assert_int_equal(child_receive(&c, 10000, &o, NULL), ERR_OK);
	assert_int_equal(json_len(json_arr(o, "fds")), 3);
	assert_true(json_bool(o, "own_group", false));
	assert_false(json_bool(o, "blocked", true));
	assert_true(json_bool(o, "pipe_default", false));
	JSON_EACH(item, json_arr(o, "env"))
	{
		assert_null(strstr(json_object_get_string(item), "secret"));
		proxy = proxy ||
			strcmp(json_object_get_string(item), "http_proxy=http://127.0.0.1:9") == 0;
	}
	assert_true(proxy);
	assert_int_equal(read(c.log, log, sizeof(log)), 19);
	assert_memory_equal(log, "a word for the log\n", 19);
	assert_true(leak >= 3);
	child_end(&c, NULL);
}

static void test_child_with_much_to_say_is_not_stopped(void **state)
{
	CLEAN_JSON json_object *o = NULL;
	struct child c;
	char log[4096];
	size_t n = 0;
	ssize_t got;

	(void)state;
	assert_int_equal(start("chatty", &c), ERR_OK);
	assert_int_equal(child_receive(&c, 10000, &o, NULL), ERR_OK);
	while ((got = read(c.log, log, sizeof(log))) > 0)
		n += (size_t)got;
	assert_true(n > 1000);
	child_end(&c, NULL);
}

static void test_child_bad_frames_are_refused(void **state)
{
	static const struct {
		const char *role;
		enum err want;
	} rows[] = {
	    {"too-big", ERR_BAD_REQUEST}, {"not-json", ERR_BAD_REQUEST}, {"half", ERR_TIMEOUT},
	    {"nothing", ERR_CUT},	  {"silent", ERR_TIMEOUT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *o = NULL;
		struct error e = {0};
		struct child c;

		assert_int_equal(start(rows[i].role, &c), ERR_OK);
		assert_int_equal(child_receive(&c, 300, &o, &e), rows[i].want);
		assert_int_equal(e.err, rows[i].want);
		assert_null(o);
		child_end(&c, NULL);
	}
}

/* Who looks up between two bytes, as the worker does each second, loses none of them. */
static void test_child_frame_outlasts_a_timeout(void **state)
{
	struct child c;
	int timeouts = 0;

	(void)state;
	assert_int_equal(start("hesitant", &c), ERR_OK);
	for (int i = 0; i < 2; i++) {
		CLEAN_JSON json_object *o = NULL;
		enum err e;

		while ((e = child_receive(&c, 30, &o, NULL)) == ERR_TIMEOUT)
			timeouts++;
		assert_int_equal(e, ERR_OK);
		assert_int_equal(json_int(o, "a", 0), 1);
	}
	assert_true(timeouts > 2);
	child_end(&c, NULL);
}

static void test_child_end_takes_the_group(void **state)
{
	CLEAN_JSON json_object *o = NULL;
	struct child c;
	int status;
	pid_t grandchild;
	int64_t until = clock_mono_ms() + 5000;

	(void)state;
	assert_int_equal(start("family", &c), ERR_OK);
	assert_int_equal(child_receive(&c, 10000, &o, NULL), ERR_OK);
	grandchild = (pid_t)json_int(o, "pid", 0);
	assert_true(grandchild > 0 && kill(grandchild, 0) == 0);
	child_finish(&c, 50, &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* Its zombie belongs to init, which may take a moment; a zombie is dead enough. */
	while (kill(grandchild, 0) == 0 && clock_mono_ms() < until) {
		CLEAN_FREE char *path = mem_printf("/proc/%ld/stat", (long)grandchild);
		CLEAN_FREE char *text = NULL;

		if (fs_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL) != ERR_OK ||
		    strstr(text, ") Z ") != NULL)
			break;
		clock_sleep_ms(10);
	}
	assert_true(clock_mono_ms() < until);
}

static void test_child_that_is_gone_gives_cut(void **state)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	struct child c;
	enum err e = ERR_OK;

	(void)state;
	assert_int_equal(start("nothing", &c), ERR_OK);
	for (int i = 0; i < 200 && e == ERR_OK; i++) {
		e = child_send(&c, o, NULL);
		clock_sleep_ms(5);
	}
	assert_int_equal(e, ERR_CUT);
	child_end(&c, NULL);
}

static void test_child_missing_program_is_told(void **state)
{
	char *argv[] = {(char[]){"x"}, NULL};
	struct child c = {0};
	struct error e = {0};

	(void)state;
	assert_int_equal(child_start("/nonexistent/slipway-geo", argv, false, &c, &e),
			 ERR_UNAVAILABLE);
	assert_int_equal(child_detach("/nonexistent/slipway-worker", argv, NULL, &e),
			 ERR_UNAVAILABLE);
	child_end(&c, NULL); /* of a zeroed struct: must not close descriptor 0 */
	assert_true(fcntl(0, F_GETFD) != -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_child_detached_has_its_own_session_and_log(void **state)
{
	CLEAN_FREE char *path = mem_printf("%s/log", (char *)*state);
	CLEAN_FREE char *text = NULL;
	char *argv[] = {(char[]){"child"}, (char[]){"touch"}, NULL};
	int status;

	assert_int_equal(child_detach("/proc/self/exe", argv, path, NULL), ERR_OK);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(fs_read_file(AT_FDCWD, path, 100, &text, NULL, NULL), ERR_OK);
	assert_string_equal(text, "detached\n");
}

static void test_child_leaves_no_descriptor_behind(void **state)
{
	int before = dup(0), after;

	(void)state;
	(void)close(before);
	for (int i = 0; i < 20; i++) {
		struct child c;

		assert_int_equal(start("nothing", &c), ERR_OK);
		child_finish(&c, 5000, NULL);
	}
	after = dup(0);
	(void)close(after);
	assert_int_equal(before, after);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_folder_make, unit_folder_remove)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_child_frames_go_there_and_back),
	    cmocka_unit_test(test_child_inherits_nothing),
	    cmocka_unit_test(test_child_with_much_to_say_is_not_stopped),
	    cmocka_unit_test(test_child_bad_frames_are_refused),
	    cmocka_unit_test(test_child_frame_outlasts_a_timeout),
	    cmocka_unit_test(test_child_end_takes_the_group),
	    cmocka_unit_test(test_child_that_is_gone_gives_cut),
	    cmocka_unit_test(test_child_missing_program_is_told),
	    IN_FOLDER(test_child_detached_has_its_own_session_and_log),
	    cmocka_unit_test(test_child_leaves_no_descriptor_behind),
	};

	if (argc > 1)
		return play(argv[1]);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
