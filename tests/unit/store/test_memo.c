/*
 * Goal: a reader content with what his process remembers is told what a pass would tell him: every
 * change, whoever makes it, is seen by whoever asks after it, and nothing is seen that was undone.
 */
#include "store/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "store/memo.h"
#include "store/record.h"

#define WRITERS 2
#define READERS 3
#define KILLS	5
#define LIFE_MS 300

struct ask {
	char key;
	int64_t value;
};

static enum err get_value(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	struct ask *a = arg;
	enum err err = record_get(p, TABLE_USERS, &a->key, 1, &o);

	if (err == ERR_OK)
		a->value = json_int(o, "value", -1);
	return err;
}

static enum err put_value(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	const struct ask *a = arg;

	json_set_int(o, "value", a->value);
	return record_put(p, TABLE_USERS, &a->key, 1, o);
}

static enum err delete_value(struct pass *p, void *arg)
{
	const struct ask *a = arg;

	return record_delete(p, TABLE_USERS, &a->key, 1);
}

static int64_t figure(struct fixture *f, const char *name)
{
	CLEAN_JSON json_object *stat = store_stat(f->store);

	return json_int(stat, name, -1);
}

static void put_to(struct fixture *f, char key, int64_t value)
{
	run(f, PASS_WRITE_NOSYNC, put_value, &(struct ask){key, value});
}

/* The value, and that reading it took PASSES passes. */
static void want_value(struct fixture *f, char key, int64_t value, int64_t passes)
{
	int64_t before = figure(f, "passes");
	struct ask a = {.key = key};

	run(f, PASS_RECALL, get_value, &a);
	assert_int_equal(a.value, value);
	assert_int_equal(figure(f, "passes") - before, passes);
}

static void test_read_again_needs_no_pass(void **state)
{
	struct fixture *f = *state;

	put_to(f, 'a', 1);
	put_to(f, 'b', 2);
	want_value(f, 'a', 1, 1);
	for (int i = 0; i < 10; i++)
		want_value(f, 'a', 1, 0);
	assert_int_equal(figure(f, "recalls"), 10);
	want_value(f, 'b', 2, 1);
	want_value(f, 'a', 1, 0);
	want_value(f, 'b', 2, 0);
}

static void test_own_changes_are_seen(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	put_to(f, 'a', 1);
	want_value(f, 'a', 1, 1);
	put_to(f, 'a', 2);
	want_value(f, 'a', 2, 1);
	want_value(f, 'a', 2, 0);
	run(f, PASS_SYNC, delete_value, &(struct ask){'a', 0});
	run_want(f, PASS_RECALL, get_value, &(struct ask){'a', 0}, ERR_NOT_FOUND);
	before = figure(f, "passes");
	run_want(f, PASS_RECALL, get_value, &(struct ask){'a', 0}, ERR_NOT_FOUND);
	assert_int_equal(figure(f, "passes"), before);
	put_to(f, 'a', 3);
	want_value(f, 'a', 3, 1);
}

static enum err put_and_fail(struct pass *p, void *arg)
{
	struct ask *a = arg;
	struct ask seen = {.key = a->key};
	enum err err = put_value(p, a);

	if (err == ERR_OK)
		err = get_value(p, &seen);
	return err == ERR_OK && seen.value == a->value ? ERR_CONFLICT : ERR_INTERNAL;
}

static void test_undone_is_not_seen(void **state)
{
	struct fixture *f = *state;

	put_to(f, 'a', 1);
	want_value(f, 'a', 1, 1);
	run_want(f, PASS_SYNC, put_and_fail, &(struct ask){'a', 9}, ERR_CONFLICT);
	want_value(f, 'a', 1, 1);
	want_value(f, 'a', 1, 0);
}

/* ---- what a reader may ask for */

static bool count(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	(void)key;
	(void)key_len;
	(void)value;
	(void)len;
	++*(int64_t *)arg;
	return true;
}

static enum err walk(struct pass *p, void *arg)
{
	struct ask a = {.key = 'a'};
	enum err err = get_value(p, &a);

	*(int64_t *)arg = 0;
	return err == ERR_OK ? record_walk(p, TABLE_USERS, NULL, 0, NULL, 0, 100, count, arg) : err;
}

/* More than are remembered for one reader; whoever swallows the error is read again all the same.
 */
static enum err many(struct pass *p, void *arg)
{
	int64_t *sum = arg;

	*sum = 0;
	for (char key = 'a'; key < 'a' + RECALL_MOST + 2; key++) {
		struct ask a = {.key = key};

		if (get_value(p, &a) == ERR_OK)
			*sum += a.value;
	}
	return ERR_OK;
}

static enum err write_in_it(struct pass *p, void *arg)
{
	return put_value(p, arg);
}

static void test_everything_else_is_a_pass(void **state)
{
	struct fixture *f = *state;
	int64_t n, before;

	for (int i = 0; i < RECALL_MOST + 2; i++)
		put_to(f, (char)('a' + i), 1);
	want_value(f, 'a', 1, 1);
	for (int i = 0; i < 2; i++) {
		before = figure(f, "passes");
		run(f, PASS_RECALL, walk, &n);
		assert_int_equal(n, RECALL_MOST + 2);
		run(f, PASS_RECALL, many, &n);
		assert_int_equal(n, RECALL_MOST + 2);
		assert_int_equal(figure(f, "passes") - before, 2);
	}
	run_want(f, PASS_RECALL, write_in_it, &(struct ask){'a', 5}, ERR_INTERNAL);
	want_value(f, 'a', 1, 0);
}

static enum err put_large(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	CLEAN_FREE char *text = mem_alloc(MEMO_VALUE_MAX + 1);

	memset(text, 'x', MEMO_VALUE_MAX);
	json_set_str(o, "text", text);
	json_set_int(o, "value", 7);
	return record_put(p, TABLE_USERS, arg, 1, o);
}

static void test_large_records_are_read_each_time(void **state)
{
	struct fixture *f = *state;
	char key[] = "a";

	run(f, PASS_SYNC, put_large, key);
	want_value(f, 'a', 7, 1);
	want_value(f, 'a', 7, 1);
}

/* ---- the gate's file, and recoveries */

static void test_another_file_is_no_proof(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/gate", f->dir);

	put_to(f, 'a', 1);
	want_value(f, 'a', 1, 1);
	assert_int_equal(truncate(path, 100), 0);
	want_value(f, 'a', 1, 1);
	want_value(f, 'a', 1, 0);
	assert_int_equal(unlink(path), 0);
	want_value(f, 'a', 1, 1);
	want_value(f, 'a', 1, 0);
}

static enum err put_and_die(struct pass *p, void *arg)
{
	if (put_value(p, arg) == ERR_OK)
		(void)raise(SIGKILL);
	return ERR_INTERNAL;
}

static void test_a_change_that_died_is_not_seen(void **state)
{
	struct fixture *f = *state;
	int64_t before;
	int status;
	pid_t pid;

	put_to(f, 'a', 1);
	put_to(f, 'b', 1);
	want_value(f, 'a', 1, 1);
	want_value(f, 'b', 1, 1);
	before = figure(f, "recoveries");
	pid = fork();
	if (pid == 0) {
		struct store *s;

		if (store_open(&f->config, true, &s, NULL) == ERR_OK)
			(void)store_pass(s, PASS_SYNC, "die", put_and_die, &(struct ask){'a', 2},
					 NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	want_value(f, 'a', 1, 1);
	assert_int_equal(figure(f, "recoveries") - before, 1);
	/* A recovery may change everything. */
	want_value(f, 'b', 1, 1);
	want_value(f, 'b', 1, 0);
}

/* ---- many at once: whoever was told of a change sees it */

struct told {
	atomic_llong value[WRITERS]; /* what each writer was told is stored */
	atomic_bool over;
};

static struct told *told;
static struct fixture *shared;

static pid_t writer(struct fixture *f, int i)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct ask a = {.key = (char)('a' + i)};
		struct store *s;

		/* It outlives no failed test. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (store_open(&f->config, true, &s, NULL) != ERR_OK ||
		    store_pass(s, PASS_READ, "w", get_value, &a, NULL) != ERR_OK)
			_exit(1);
		for (;;) {
			a.value++;
			if (store_pass(s, PASS_WRITE_NOSYNC, "w", put_value, &a, NULL) == ERR_OK)
				atomic_store(&told->value[i], a.value);
			if (a.value % 5 == 0)
				clock_sleep_ms(1);
		}
	}
	return pid;
}

static void *reader(void *arg)
{
	int64_t last[WRITERS] = {0};

	(void)arg;
	for (unsigned n = 0; !atomic_load(&told->over); n++) {
		struct ask a = {.key = (char)('a' + n % WRITERS)};
		int64_t least = atomic_load(&told->value[n % WRITERS]);
		struct error error = {0};
		enum err err = store_pass(shared->store, PASS_RECALL, "r", get_value, &a, &error);

		/* Writers in a loop leave the gate to others as luck has it. */
		if (err == ERR_BUSY)
			continue;
		if (err != ERR_OK || a.value < least || a.value < last[n % WRITERS]) {
			print_error("%s: %s; %c is %lld, told %lld, seen %lld\n", err_name(err),
				    error.text, a.key, (long long)a.value, (long long)least,
				    (long long)last[n % WRITERS]);
			return told;
		}
		last[n % WRITERS] = a.value;
	}
	return NULL;
}

static void test_readers_are_never_behind(void **state)
{
	struct fixture *f = shared = *state;
	pthread_t threads[READERS];
	pid_t pids[WRITERS];
	void *behind;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(told, MAP_FAILED);
	for (int i = 0; i < WRITERS; i++)
		put_to(f, (char)('a' + i), 0);
	for (int i = 0; i < WRITERS; i++)
		pids[i] = writer(f, i);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
	for (int k = 0; k < KILLS; k++) {
		clock_sleep_ms(LIFE_MS);
		(void)kill(pids[k % WRITERS], SIGKILL);
		(void)waitpid(pids[k % WRITERS], NULL, 0);
		pids[k % WRITERS] = writer(f, k % WRITERS);
	}
	clock_sleep_ms(LIFE_MS);
	atomic_store(&told->over, true);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], &behind), 0);
		assert_null(behind);
	}
	for (int i = 0; i < WRITERS; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
		assert_true(atomic_load(&told->value[i]) > 0);
	}
	/* Both ways were taken. */
	assert_true(figure(f, "recalls") > 0);
	assert_true(figure(f, "passes") > 0);
	(void)munmap(told, sizeof(*told));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_read_again_needs_no_pass),
	    STORE_TEST(test_own_changes_are_seen),
	    STORE_TEST(test_undone_is_not_seen),
	    STORE_TEST(test_everything_else_is_a_pass),
	    STORE_TEST(test_large_records_are_read_each_time),
	    STORE_TEST(test_another_file_is_no_proof),
	    STORE_TEST(test_a_change_that_died_is_not_seen),
	    STORE_TEST(test_readers_are_never_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
