/*
 * Goal: whatever happens to the gate file, the regions or a process inside, the next pass works
 * after at most one recovery and nothing acknowledged is lost.  Cases 9, 10, 11, 14, 15, 17, 19,
 * 25, 33 of contracts/store.md 16.
 */
#include "store/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/gate.h"
#include "store/record.h"
#include "store/users.h"

extern char **environ;

static enum err add_one(struct pass *p, void *arg)
{
	return counter_add(p, "n", 1, arg);
}

static enum err look(struct pass *p, void *arg)
{
	return counter_add(p, "n", 0, arg);
}

static int64_t recoveries(struct fixture *f)
{
	CLEAN_JSON json_object *stat = store_stat(f->store);

	return json_int(stat, "recoveries", -1);
}

static int gate_file(struct fixture *f)
{
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/*
 * Nobody is inside while the tests do this, so that closing another descriptor of the gate drops no
 * lock.
 */
static void read_header(struct fixture *f, struct gate_header *h)
{
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);
	CLEAN_FREE char *bytes = NULL;
	size_t len;

	assert_int_equal(fs_read_file(AT_FDCWD, path, 8192, &bytes, &len, NULL), ERR_OK);
	assert_true(len >= sizeof(*h));
	memcpy(h, bytes, sizeof(*h));
}

static void write_header(struct fixture *f, struct gate_header *h, bool crc)
{
	int fd = gate_file(f);

	if (crc)
		h->crc = gate_header_crc(h);
	assert_int_equal(pwrite(fd, h, sizeof(*h), 0), (ssize_t)sizeof(*h));
	(void)close(fd);
}

/* After SPOIL, one pass with exactly WANT recoveries, nothing lost; the next without any. */
static void want_recoveries(struct fixture *f, int64_t acknowledged, int want)
{
	int64_t before = recoveries(f), n = -1;

	run(f, PASS_READ, look, &n);
	assert_int_equal(n, acknowledged);
	assert_int_equal(recoveries(f) - before, want);
	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(n, acknowledged + 1);
	assert_int_equal(recoveries(f) - before, want);
}

static void test_header_each_field_wrong_recovers_once(void **state)
{
	struct fixture *f = *state;
	struct gate_header h;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	for (size_t i = 0; i < 60; i++) {
		/*
		 * The whole version and epoch are told by other tests; dirty, boot, dev, ino must
		 * recover with a right CRC.
		 */
		bool meaning = (i >= 12 && i < 16) || (i >= 24 && i < 56);

		if (i % 3 != 0)
			continue;
		read_header(f, &h);
		((unsigned char *)&h)[i] ^= 0x5a;
		write_header(f, &h, meaning);
		want_recoveries(f, n, 1);
		n++;
	}
}

static void test_header_epoch_changed_recovers_once(void **state)
{
	struct fixture *f = *state;
	struct gate_header h;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	read_header(f, &h);
	h.epoch++;
	write_header(f, &h, true);
	/*
	 * The handle is dropped with the panic flag; as the regions are the same ones still,
	 * joining them fails.
	 */
	want_recoveries(f, n, 1);
}

static void test_header_newer_version_is_refused(void **state)
{
	struct fixture *f = *state;
	struct gate_header h, after;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	read_header(f, &h);
	h.version = 2;
	write_header(f, &h, true);
	run_want(f, PASS_READ, look, &n, ERR_STORE);
	read_header(f, &after);
	assert_memory_equal(&h, &after, sizeof(h));
	h.version = 1;
	write_header(f, &h, true);
	run(f, PASS_READ, look, &n);
}

static void test_file_cut_deleted_replaced_recovers_once(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);
	CLEAN_FREE char *other = mem_printf("%s/other", f->dir);
	int64_t n;
	FILE *out;

	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(truncate(path, 10), 0);
	want_recoveries(f, n++, 1);
	assert_int_equal(truncate(path, 0), 0);
	want_recoveries(f, n++, 1);
	assert_int_equal(unlink(path), 0);
	want_recoveries(f, n++, 1);
	out = fopen(other, "w");
	(void)fputs(
	    "SLIPGATE and some more text that is no header of ours, longer than sixty-four bytes",
	    out);
	(void)fclose(out);
	assert_int_equal(rename(other, path), 0);
	want_recoveries(f, n++, 1);
}

/* What stands there now cannot be opened; that does not outlast it. */
static void test_file_that_cannot_be_opened_is_tried_again(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	for (int i = 0; i < 3; i++)
		run_want(f, PASS_SYNC, add_one, &n, ERR_STORE);
	assert_int_equal(rmdir(path), 0);
	want_recoveries(f, n, 1);
}

/*
 * As on a disk that fails or may only be read: that is no want of space, and nobody frees any by
 * it.
 */
static void test_file_that_cannot_be_written_is_no_full_disk(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *ballast = mem_printf("%s/ballast", f->dir);
	struct rlimit before, none;
	struct stat st;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(stat(ballast, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	for (int i = 0; i < 3; i++)
		run_want(f, PASS_SYNC, add_one, &n, ERR_STORE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(stat(ballast, &st), 0);
	int64_t kept = n;
	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(n, kept + 1);
}

static void test_boot_id_changed_recovers_once(void **state)
{
	struct fixture *f = *state;
	struct gate_header h;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	read_header(f, &h);
	h.boot[3] ^= 1;
	write_header(f, &h, true);
	want_recoveries(f, n, 1);
}

static void test_regions_deleted_recovers_until_worn(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	for (int i = 0; i < 8; i++) {
		CLEAN_FREE char *path = mem_printf("%s/__db.001", f->regions);

		assert_false(store_worn_out(f->store));
		assert_int_equal(unlink(path), 0);
		want_recoveries(f, n++, 1);
	}
	/* The eighth drop: the process should end, but still answers. */
	assert_true(store_worn_out(f->store));
	run(f, PASS_SYNC, add_one, &n);
}

static void test_regions_folder_deleted_is_made_again(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(fs_remove_tree(AT_FDCWD, f->regions, NULL), ERR_OK);
	want_recoveries(f, n, 1);
}

static void test_db_config_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/DB_CONFIG", f->regions);
	struct error error = {0};
	struct store *s = NULL;
	int64_t n;

	fixture_close(f);
	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(store_open(&f->config, true, &s, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "DB_CONFIG"));
	assert_int_equal(unlink(path), 0);
	fixture_open(f);
	FILE *out = fopen(path, "w");
	(void)fputs("set_flags DB_TXN_NOSYNC\n", out);
	(void)fclose(out);
	run_want(f, PASS_SYNC, add_one, &n, ERR_STORE);
	assert_int_equal(unlink(path), 0);
	run(f, PASS_SYNC, add_one, &n);
}

static void test_bad_places_are_refused(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	struct store *s = NULL;

	fixture_close(f);
	assert_int_equal(chmod(f->dir, 0770), 0);
	assert_int_equal(store_open(&f->config, true, &s, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "0700"));
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_int_equal(setenv("DOCUMENT_ROOT", "/tmp", 1), 0);
	error = (struct error){0};
	assert_int_equal(store_open(&f->config, true, &s, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "document root"));
	assert_int_equal(unsetenv("DOCUMENT_ROOT"), 0);
	if (geteuid() == 0) {
		error = (struct error){0};
		f->config.allow_root = false;
		assert_int_equal(store_open(&f->config, true, &s, &error), ERR_STORE);
		assert_non_null(strstr(error.text, "root"));
		f->config.allow_root = true;
	}
	fixture_open(f);
}

/* ---- other processes */

/* Run FN in a child with a store of its own; the exit status. */
static pid_t child(struct fixture *f, int (*fn)(struct store *))
{
	pid_t pid = fork();

	if (pid == 0) {
		struct store *s;

		if (store_open(&f->config, true, &s, NULL) != ERR_OK)
			_exit(99);
		_exit(fn(s));
	}
	return pid;
}

static enum err stop_inside(struct pass *p, void *arg)
{
	int64_t n;

	(void)arg;
	(void)counter_add(p, "n", 100, &n);
	(void)raise(SIGSTOP);
	return ERR_OK;
}

static int run_stop_inside(struct store *s)
{
	return (int)store_pass(s, PASS_SYNC, "stop", stop_inside, NULL, NULL);
}

static void test_stopped_inside_others_give_up_in_time(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	int64_t n, start;
	int status;
	pid_t pid;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	f->config.store_wait_ms = 1000;
	pid = child(f, run_stop_inside);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	fixture_open(f);
	start = clock_mono_ms();
	assert_int_equal(store_pass(f->store, PASS_READ, "t", look, &n, &error), ERR_BUSY);
	assert_in_range(clock_mono_ms() - start, 1000, 1500);
	CLEAN_JSON json_object *stat = store_stat(f->store);
	assert_int_equal(json_int(stat, "inside_pid", 0), pid);
	assert_true(json_bool(stat, "dirty", false));
	/* Killed there: nothing of its transaction is left. */
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	want_recoveries(f, 1, 1);
}

static void test_continued_inside_commits(void **state)
{
	struct fixture *f = *state;
	int64_t n;
	int status;
	pid_t pid;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	pid = child(f, run_stop_inside);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	(void)kill(pid, SIGCONT);
	(void)waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	fixture_open(f);
	want_recoveries(f, 101, 0);
}

static enum err sleep_inside(struct pass *p, void *arg)
{
	(void)p;
	(void)arg;
	clock_sleep_ms(20000);
	return ERR_OK;
}

static int run_sleep_inside(struct store *s)
{
	return (int)store_pass(s, PASS_SYNC, "sleep", sleep_inside, NULL, NULL);
}

static void test_watchdog_ends_long_pass(void **state)
{
	struct fixture *f = *state;
	int64_t n, start = clock_mono_ms();
	int status;
	pid_t pid;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	f->config.store_hold_s = 1;
	pid = child(f, run_sleep_inside);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_in_range(clock_mono_ms() - start, 900, 5000);
	fixture_open(f);
	want_recoveries(f, 1, 1);
}

static volatile sig_atomic_t n_terms;

static void on_term(int sig)
{
	(void)sig;
	n_terms++;
	store_stop();
}

static int run_until_term(struct store *s)
{
	struct sigaction action = {.sa_handler = on_term};
	int64_t n;

	(void)sigaction(SIGTERM, &action, NULL);
	while (n_terms == 0) {
		enum err err = store_pass(s, PASS_WRITE_NOSYNC, "t", add_one, &n, NULL);

		if (err != ERR_OK && err != ERR_STOPPING)
			return (int)err;
	}
	store_close(s);
	return 0;
}

static void test_sigterm_in_load_needs_no_recovery(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	for (int i = 0; i < 20; i++) {
		pid_t pids[2] = {child(f, run_until_term), child(f, run_until_term)};
		int64_t start;

		clock_sleep_ms(10 + i);
		start = clock_mono_ms();
		for (int j = 0; j < 2; j++) {
			int status;

			(void)kill(pids[j], SIGTERM);
			(void)waitpid(pids[j], &status, 0);
			/* A SIGTERM before the handler stood ends it outside the gate. */
			if (!WIFSIGNALED(status))
				assert_int_equal(WEXITSTATUS(status), 0);
		}
		assert_in_range(clock_mono_ms() - start, 0, 3000);
	}
	fixture_open(f);
	run(f, PASS_READ, look, &n);
	assert_int_equal(recoveries(f), 0);
}

static int run_spawn_and_die(struct store *s)
{
	char *const argv[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "2", NULL};
	int64_t n;
	pid_t pid;

	if (store_pass(s, PASS_SYNC, "t", add_one, &n, NULL) != ERR_OK ||
	    posix_spawnp(&pid, "sleep", NULL, NULL, argv, environ) != 0)
		return 1;
	(void)store_pass(s, PASS_SYNC, "stop", stop_inside, NULL, NULL);
	return 0;
}

static void test_spawned_child_keeps_no_lock(void **state)
{
	struct fixture *f = *state;
	int64_t n, start;
	int status;
	pid_t pid;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	pid = child(f, run_spawn_and_die);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	fixture_open(f);
	start = clock_mono_ms();
	run(f, PASS_READ, look, &n);
	assert_in_range(clock_mono_ms() - start, 0, 1000);
	assert_int_equal(n, 2);
}

static void test_forked_child_is_refused(void **state)
{
	struct fixture *f = *state;
	int64_t n;
	int status;
	pid_t pid;

	run(f, PASS_SYNC, add_one, &n);
	pid = fork();
	if (pid == 0)
		_exit((int)store_pass(f->store, PASS_READ, "t", look, &n, NULL));
	(void)waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), ERR_INTERNAL);
	run(f, PASS_SYNC, add_one, &n);
}

/* ---- threads */

static atomic_int inside, most;

static enum err count_inside(struct pass *p, void *arg)
{
	int now = atomic_fetch_add(&inside, 1) + 1;

	if (now > atomic_load(&most))
		atomic_store(&most, now);
	(void)p;
	(void)arg;
	(void)atomic_fetch_sub(&inside, 1);
	return ERR_OK;
}

static void *enter_often(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 10000; i++) {
		if (store_pass(f->store, PASS_READ, "t", count_inside, NULL, NULL) != ERR_OK)
			return arg;
	}
	return NULL;
}

static void test_two_threads_never_both_inside(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[2];
	void *failed;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, enter_often, f), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(atomic_load(&most), 1);
}

/* ---- what the dead leave in the regions */

static enum err read_all_tables(struct pass *p, void *arg)
{
	(void)arg;
	for (enum table t = 0; t < TABLE__MAX; t++) {
		json_object *record = NULL;
		enum err err = record_get(p, t, "x", 1, &record);

		json_object_put(record);
		if (err != ERR_NOT_FOUND)
			return err;
	}
	return ERR_OK;
}

/* 0: killed outside, as it should be. */
static int run_until_killed(struct store *s)
{
	struct error error = {0};

	if (store_pass(s, PASS_READ, "t", read_all_tables, NULL, &error) == ERR_OK &&
	    !store_worn_out(s))
		(void)kill(getpid(), SIGKILL);
	(void)fprintf(stderr, "%s\n", error.text);
	return 1;
}

/* Each leaves a locker for each table it had open; there are 2000. */
static void test_killed_outside_often_nobody_notices(void **state)
{
	struct fixture *f = *state;
	int64_t n = -1;
	int status;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	for (int i = 0; i < 170; i++) {
		assert_int_equal(waitpid(child(f, run_until_killed), &status, 0) > 0, 1);
		assert_true(WIFSIGNALED(status));
	}
	fixture_open(f);
	run(f, PASS_SYNC, add_one, &n);
	assert_int_equal(n, 2);
}

/* ---- everybody's turn comes */

#define LONG_MS 20

static atomic_llong *turns; /* shared: passes that others made */

static enum err pass_slowly(struct pass *p, void *arg)
{
	int64_t until = clock_mono_ms() + LONG_MS;

	(void)p;
	(void)arg;
	while (clock_mono_ms() < until)
		;
	(void)atomic_fetch_add(turns, 1);
	return ERR_OK;
}

static int run_one_after_the_other(struct store *s)
{
	while (store_pass(s, PASS_READ, "long", pass_slowly, NULL, NULL) == ERR_OK)
		;
	return 1;
}

/* The kernel's locks have no order: whoever comes again at once is faster than one who wakes up. */
static void test_long_passes_keep_nobody_out(void **state)
{
	struct fixture *f = *state;
	long long before, worst = 0;
	pid_t pids[2];
	int64_t n;

	turns =
	    mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(turns != MAP_FAILED);
	run(f, PASS_SYNC, add_one, &n);
	f->config.store_wait_ms = 60000;
	fixture_close(f);
	for (size_t i = 0; i < 2; i++)
		pids[i] = child(f, run_one_after_the_other);
	fixture_open(f);
	for (int i = 0; i < 40; i++) {
		before = atomic_load(turns);
		run(f, PASS_READ, look, &n);
		if (atomic_load(turns) - before > worst)
			worst = atomic_load(turns) - before;
		clock_sleep_ms(LONG_MS);
	}
	for (size_t i = 0; i < 2; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	(void)munmap(turns, sizeof(*turns));
	assert_in_range(worst, 0, 500 / LONG_MS);
}

/* ---- reading writes nothing */

static enum err read_user(struct pass *p, void *arg)
{
	json_object *o = NULL;
	enum err err = users_get(p, "nobody", &o);

	(void)arg;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int64_t log_bytes(struct fixture *f)
{
	struct stat st;
	CLEAN_FREE char *path = mem_printf("%s/db/log/log.0000000001", f->dir);

	assert_int_equal(stat(path, &st), 0);
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void test_reading_cgi_writes_no_log(void **state)
{
	struct fixture *f = *state;
	int64_t n, before;

	run(f, PASS_SYNC, add_one, &n);
	fixture_close(f);
	before = log_bytes(f);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(store_open(&f->config, false, &f->store, NULL), ERR_OK);
		run(f, PASS_READ, read_user, NULL);
		fixture_close(f);
	}
	assert_int_equal(log_bytes(f), before);
	fixture_open(f);
}

/*
 * The open of the gate stands in one place of the source: a second one would drop the lock when
 * closed.
 */
static void test_gate_file_is_opened_in_one_place(void **state)
{
	(void)state;
	assert_int_equal(system("test $(grep -lE 'GATE_FILE|\"gate\"' src/*/*.[ch] 2>/dev/null | "
				"grep -vcE 'src/store/gate(_changes)?\\.[ch]$') = 0"),
			 0);
	assert_int_equal(system("test $(cat src/store/gate*.c | grep -c 'open.*GATE_FILE\\b') = 1"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_header_each_field_wrong_recovers_once),
	    STORE_TEST(test_header_epoch_changed_recovers_once),
	    STORE_TEST(test_header_newer_version_is_refused),
	    STORE_TEST(test_file_cut_deleted_replaced_recovers_once),
	    STORE_TEST(test_file_that_cannot_be_opened_is_tried_again),
	    STORE_TEST(test_file_that_cannot_be_written_is_no_full_disk),
	    STORE_TEST(test_boot_id_changed_recovers_once),
	    STORE_TEST(test_regions_deleted_recovers_until_worn),
	    STORE_TEST(test_regions_folder_deleted_is_made_again),
	    STORE_TEST(test_db_config_is_refused),
	    STORE_TEST(test_bad_places_are_refused),
	    STORE_TEST(test_stopped_inside_others_give_up_in_time),
	    STORE_TEST(test_continued_inside_commits),
	    STORE_TEST(test_watchdog_ends_long_pass),
	    STORE_TEST(test_sigterm_in_load_needs_no_recovery),
	    STORE_TEST(test_spawned_child_keeps_no_lock),
	    STORE_TEST(test_forked_child_is_refused),
	    STORE_TEST(test_two_threads_never_both_inside),
	    STORE_TEST(test_killed_outside_often_nobody_notices),
	    STORE_TEST(test_long_passes_keep_nobody_out),
	    STORE_TEST(test_reading_cgi_writes_no_log),
	    cmocka_unit_test(test_gate_file_is_opened_in_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
