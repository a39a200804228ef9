/*
 * Goal: one writer at a time over processes and threads; a newer one displaces it within a second
 * and loses nothing of what was acknowledged; status disturbs nobody and tells only durable bytes.
 */
#include "upload/help.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/*
 * A child appends a body that begins with TEXT and never ends; exits with 0 when it ended as
 * EXPECTED.
 */
static pid_t child_writer(struct scratch *s, const char *id, int64_t offset, const char *text,
			  enum err expected)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct scratch own = *s;
		struct error error = {0};
		struct upload *u = NULL;
		struct memory m;
		int64_t at = -1;
		enum err e;

		own.store = NULL;
		if (store_open(own.config, true, &own.store, &error) != ERR_OK ||
		    engine_open(own.config, own.store, &own.engine, &error) != ERR_OK ||
		    upload_open(own.engine, id, &ann, UPLOAD_WANT_WRITE, &u, &error) != ERR_OK)
			_exit(2);
		e = upload_append(u, offset, memory_body(&m, text, strlen(text), 900, TAIL_SILENT),
				  NULL, false, &at, &error);
		upload_close(u);
		store_close(own.store);
		_exit(e == expected && at == offset + (int64_t)strlen(text) ? 0 : 3);
	}
	return pid;
}

static void wait_for_bytes(const struct scratch *s, const char *id, off_t size)
{
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s/part", s->dir, id, id);
	struct stat st = {0};

	for (int i = 0; i < 6000 && (stat(path, &st) != 0 || st.st_size < size); i++)
		clock_sleep_ms(10);
	assert_true(st.st_size >= size);
}

static void assert_exit(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_newcomer_displaces_a_silent_writer_within_a_second(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	char id[33];
	pid_t pid;
	int64_t best = INT64_MAX;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	/* Three times; more where the machine has other things to do. */
	for (int round = 0; round < 3 || (round < 10 && best > 1000); round++) {
		pid = child_writer(s, id, round * 5, "hello", ERR_DISPLACED);
		wait_for_bytes(s, id, round * 5 + 5);
		int64_t start = clock_mono_ms();
		u = reopen(s, id);
		int64_t took = clock_mono_ms() - start;
		best = took < best ? took : best;
		assert_int_equal(upload_offset(u), round * 5 + 5);
		upload_close(u);
		assert_exit(pid);
	}
	assert_in_range(best, 0, 1000);
}

static void test_foreigner_displaces_nobody(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000), *v = NULL;
	char id[33];
	pid_t pid;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	s->config->upload_body_idle_s = 2;
	pid = child_writer(s, id, 0, "hello", ERR_CUT);
	wait_for_bytes(s, id, 5);
	assert_int_equal(upload_open(s->engine, id, &bob, UPLOAD_WANT_WRITE, &v, NULL),
			 ERR_NOT_FOUND);
	assert_false(has_file(s, id, "stop"));
	assert_exit(pid);
}

static void test_stubborn_writer_locks_the_upload(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000), *v = NULL;
	char id[33];
	int64_t start;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	s->config->upload_lock_wait_s = 1;
	start = clock_mono_ms();
	/* This process holds it on another descriptor and never looks for `stop`. */
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &v, NULL), ERR_LOCKED);
	/* Without the setting it would be five seconds. */
	assert_in_range(clock_mono_ms() - start, 1000, 4500);
	assert_true(has_file(s, id, "stop"));
	upload_close(u);
	u = reopen(s, id);
	assert_false(has_file(s, id, "stop"));
	upload_close(u);
}

static void test_removal_displaces_too(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	char id[33];
	pid_t pid;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	pid = child_writer(s, id, 0, "hello", ERR_DISPLACED);
	wait_for_bytes(s, id, 5);
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_REMOVE, &u, NULL), ERR_OK);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	assert_exit(pid);
	assert_false(has_file(s, id, "."));
}

/* Many append one byte each at the offset they read: exactly as many succeed as there are bytes. */
#define RACERS 4
#define ROUNDS 25

static void race(struct scratch *s, const char *id, volatile int *won)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct upload *u = NULL;
		struct memory m;
		int64_t at = 0;
		enum err e = upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL);

		if (e == ERR_OK) {
			at = upload_offset(u);
			if (upload_append(u, at, memory_body(&m, "x", 1, 1, TAIL_END), NULL, false,
					  &at, NULL) == ERR_OK)
				(void)__sync_fetch_and_add(won, 1);
		}
		upload_close(u);
	}
}

static void test_racing_writers_never_mix(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	volatile int *won =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[RACERS];
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	for (size_t i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct scratch own = *s;

			own.store = NULL;
			if (store_open(own.config, true, &own.store, NULL) != ERR_OK ||
			    engine_open(own.config, own.store, &own.engine, NULL) != ERR_OK)
				_exit(2);
			race(&own, id, won);
			store_close(own.store);
			_exit(0);
		}
	}
	for (size_t i = 0; i < RACERS; i++)
		assert_exit(pids[i]);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), *won);
	assert_true(*won > 0);
	upload_close(u);
	(void)munmap((void *)won, 4096);
}

struct thread_race {
	struct scratch *s;
	const char *id;
	volatile int won;
};

static void *thread_main(void *arg)
{
	struct thread_race *r = arg;

	race(r->s, r->id, &r->won);
	return NULL;
}

static void test_racing_threads_never_mix(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	struct thread_race r = {.s = s};
	pthread_t threads[RACERS];
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	r.id = id;
	for (size_t i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &r), 0);
	for (size_t i = 0; i < RACERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), r.won);
	upload_close(u);
}

static void test_status_tells_durable_bytes_and_disturbs_nobody(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	struct upload_info info = {0};
	char id[33];
	pid_t pid;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	pid = child_writer(s, id, 0, "hello", ERR_DISPLACED);
	wait_for_bytes(s, id, 5);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	/* Written, not yet flushed. */
	assert_int_equal(info.offset, 0);
	upload_info_done(&info);
	clock_sleep_ms(600);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	u = reopen(s, id);
	upload_close(u);
	assert_exit(pid);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_int_equal(info.offset, 5);
	assert_int_equal(info.state, UPLOAD_RECEIVING);
	upload_info_done(&info);
}

static void on_term(int signal)
{
	(void)signal;
	engine_stop();
}

static void test_stopping_process_stores_what_it_has(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 1000);
	char id[33];
	pid_t pid;
	int64_t start;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	(void)signal(SIGTERM, on_term);
	pid = child_writer(s, id, 0, "hello", ERR_STOPPING);
	(void)signal(SIGTERM, SIG_DFL);
	wait_for_bytes(s, id, 5);
	start = clock_mono_ms();
	(void)kill(pid, SIGTERM);
	assert_exit(pid);
	/* Not when the body is given up, after a minute. */
	assert_in_range(clock_mono_ms() - start, 0, 10000);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 5);
	upload_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_newcomer_displaces_a_silent_writer_within_a_second),
	    T(test_foreigner_displaces_nobody),
	    T(test_stubborn_writer_locks_the_upload),
	    T(test_removal_displaces_too),
	    T(test_racing_writers_never_mix),
	    T(test_racing_threads_never_mix),
	    T(test_status_tells_durable_bytes_and_disturbs_nobody),
	    T(test_stopping_process_stores_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
