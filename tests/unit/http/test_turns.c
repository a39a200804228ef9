/*
 * Goal: only so many threads wait for connections at a time, and yet none of the others sleeps on
 * while one of these is kept by its request; no turn is lost, none is made, and a process without
 * requests sleeps.
 */
#include "http/helper.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/turns.h"

#define THREADS	   6
#define ENOUGH_MS  5000 /* for what must happen, on a busy machine too */
#define A_WHILE_MS 100	/* for what must not happen: many looks long */

struct hall;

/* What a thread does in its turn, again and again until it is false. */
typedef bool work_fn(struct hall *, struct turn *, size_t thread);

/* Threads, and what they are seen at. */
struct hall {
	struct turns *turns;
	work_fn *work;
	atomic_int in_turn; /* threads that wait for a connection */
	atomic_int most;    /* of them at once */
	atomic_int served;
	atomic_bool closing, paused;
	atomic_size_t numbers;
	pthread_t threads[THREADS];
};

static void *visit(void *arg)
{
	struct hall *h = arg;
	struct turn *turn = turns_join(h->turns);
	size_t number = atomic_fetch_add(&h->numbers, 1);
	bool more = true;

	while (more) {
		turns_take(turn);
		int n = atomic_fetch_add(&h->in_turn, 1) + 1, most = atomic_load(&h->most);
		while (n > most && !atomic_compare_exchange_weak(&h->most, &most, n))
			;
		more = h->work(h, turn, number) && !atomic_load(&h->closing);
	}
	turns_pass_on(turn);
	return NULL;
}

/* The connection is there. */
static void begin(struct hall *h, struct turn *turn)
{
	(void)atomic_fetch_sub(&h->in_turn, 1);
	turns_begin(turn);
}

static void open_hall(struct hall *h, size_t at_once, work_fn *work)
{
	memset(h, 0, sizeof(*h));
	h->turns = turns_new(THREADS, at_once);
	h->work = work;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&h->threads[i], NULL, visit, h), 0);
}

static void close_hall(struct hall *h)
{
	atomic_store(&h->closing, true);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(h->threads[i], NULL), 0);
	turns_free(h->turns);
}

static void wait_until(atomic_int *what, int value)
{
	int64_t until = clock_mono_ms() + ENOUGH_MS;

	while (atomic_load(what) != value && clock_mono_ms() < until)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(what), value);
}

/* No connection comes. */
static bool wait_in_vain(struct hall *h, struct turn *turn, size_t thread)
{
	(void)turn;
	(void)thread;
	while (!atomic_load(&h->closing))
		clock_sleep_ms(1);
	(void)atomic_fetch_sub(&h->in_turn, 1);
	return false;
}

static void test_turns_are_no_more_than_said(void **state)
{
	static const size_t turns[] = {1, 2, THREADS - 1, THREADS, THREADS + 3};

	(void)state;
	for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++) {
		int want = turns[i] < THREADS ? (int)turns[i] : THREADS;
		struct hall h;
		open_hall(&h, turns[i], wait_in_vain);
		wait_until(&h.in_turn, want);
		clock_sleep_ms(A_WHILE_MS);
		assert_int_equal(atomic_load(&h.in_turn), want);
		close_hall(&h);
	}
}

/* Each request lasts until the end, and none says that it will. */
static bool serve_long(struct hall *h, struct turn *turn, size_t thread)
{
	(void)thread;
	begin(h, turn);
	(void)atomic_fetch_add(&h->served, 1);
	while (!atomic_load(&h->closing))
		clock_sleep_ms(1);
	return false;
}

static void test_turns_of_long_requests_go_on(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1, serve_long);
	wait_until(&h.served, THREADS);
	close_hall(&h);
}

/* The first request is long: when does the next one begin? */
static bool serve_one_long(struct hall *h, struct turn *turn, size_t thread)
{
	(void)thread;
	begin(h, turn);
	if (atomic_fetch_add(&h->served, 1) == 0)
		clock_sleep_ms(A_WHILE_MS);
	return true;
}

static void test_turns_go_on_within_two_looks(void **state)
{
	int64_t best = ENOUGH_MS;

	(void)state;
	/* Once in a hundred the machine has time for us. */
	for (int tries = 0; tries < 100 && best > 2 * TURNS_LOOK_MS + 2; tries++) {
		struct hall h;
		int64_t start = clock_mono_ms();
		open_hall(&h, 1, serve_one_long);
		while (atomic_load(&h.served) < 2 && clock_mono_ms() < start + ENOUGH_MS)
			clock_sleep_ms(1);
		int64_t took = clock_mono_ms() - start;
		best = took < best ? took : best;
		close_hall(&h);
	}
	assert_in_range(best, 0, 2 * TURNS_LOOK_MS + 2);
}

static bool serve_and_pass_on(struct hall *h, struct turn *turn, size_t thread)
{
	begin(h, turn);
	turns_pass_on(turn);
	turns_pass_on(turn); /* once is enough */
	(void)atomic_fetch_or(&h->served, 1 << thread);
	clock_sleep_ms(1);
	return true;
}

static void test_turns_passed_on_reach_everybody(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1, serve_and_pass_on);
	wait_until(&h.served, (1 << THREADS) - 1);
	close_hall(&h);
}

/* How often the process's threads have gone to sleep so far. */
static long sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	long sum = 0;

	assert_non_null(tasks);
	for (struct dirent *d = readdir(tasks); d != NULL; d = readdir(tasks)) {
		char path[300], line[200];
		long n;
		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
		FILE *f = fopen(path, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		if (f != NULL)
			(void)fclose(f);
	}
	(void)closedir(tasks);
	return sum;
}

static void test_turns_sleep_without_requests(void **state)
{
	struct turns *turns = turns_new(2, 1);
	struct turn *mine = turns_join(turns);

	(void)state;
	for (int i = 0; i < 2; i++) {
		turns_take(mine);
		turns_begin(mine);
	}
	turns_take(mine);
	clock_sleep_ms(A_WHILE_MS);
	long before = sleeps();
	clock_sleep_ms(A_WHILE_MS);
	/* Our own sleep; the looker would have slept many times. */
	assert_in_range(sleeps() - before, 0, 5);
	turns_pass_on(mine);
	turns_free(turns);
}

static void test_turns_are_kept_between_short_requests(void **state)
{
	struct turns *turns = turns_new(2, 1);
	struct turn *mine = turns_join(turns), *other = turns_join(turns);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		turns_take(mine);
		turns_begin(mine);
	}
	turns_take(mine);
	turns_pass_on(mine);
	turns_take(other);
	turns_pass_on(other);
	turns_free(turns);
}

/* Where all pass on, they find their turns there again and wake nobody. */
static void test_turns_of_those_who_come_back_are_spare(void **state)
{
	struct turns *turns = turns_new(3, 1);
	struct turn *a = turns_join(turns), *b = turns_join(turns), *c = turns_join(turns);

	(void)state;
	turns_take(a);
	turns_begin(a);
	turns_pass_on(a);
	turns_take(b); /* a's */
	turns_take(a); /* a spare one */
	for (int i = 0; i < 1000; i++) {
		turns_begin(i % 2 == 0 ? a : b);
		turns_pass_on(i % 2 == 0 ? a : b);
		turns_take(i % 2 == 0 ? a : b);
	}
	turns_pass_on(b); /* the spare one */
	turns_pass_on(a);
	turns_take(c);
	turns_pass_on(c);
	turns_free(turns);
}

/* Short, long and passed on, all at once, then only short ones; while PAUSED none. */
static bool serve_all_sorts(struct hall *h, struct turn *turn, size_t thread)
{
	int n = atomic_fetch_add(&h->served, 1);

	while (atomic_load(&h->paused) && !atomic_load(&h->closing))
		clock_sleep_ms(1);
	begin(h, turn);
	if (n < 5000 && n % 7 == 0)
		turns_pass_on(turn);
	if (n < 5000 && n % 50 == (int)thread)
		clock_sleep_ms(n % 3 * TURNS_LOOK_MS);
	return true;
}

/* How many wait when there is nothing to do? */
static int waiting_in_a_pause(struct hall *h)
{
	int n;

	atomic_store(&h->paused, true);
	clock_sleep_ms(A_WHILE_MS);
	n = atomic_load(&h->in_turn);
	atomic_store(&h->paused, false);
	return n;
}

static void test_turns_are_neither_lost_nor_made(void **state)
{
	int64_t until = clock_mono_ms() + ENOUGH_MS;
	struct hall h;
	int n;

	(void)state;
	open_hall(&h, 2, serve_all_sorts);
	while (atomic_load(&h.served) < 50000 && clock_mono_ms() < until)
		clock_sleep_ms(1);
	/* On a busy machine a short request may last, and its thread bring a spare turn back: the
	   next requests take it away again. */
	until = clock_mono_ms() + ENOUGH_MS;
	while ((n = waiting_in_a_pause(&h)) > 2 && clock_mono_ms() < until)
		clock_sleep_ms(1);
	assert_int_equal(n, 2);
	close_hall(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_turns_are_no_more_than_said),
	    cmocka_unit_test(test_turns_of_long_requests_go_on),
	    cmocka_unit_test(test_turns_go_on_within_two_looks),
	    cmocka_unit_test(test_turns_passed_on_reach_everybody),
	    cmocka_unit_test(test_turns_are_kept_between_short_requests),
	    cmocka_unit_test(test_turns_of_those_who_come_back_are_spare),
	    cmocka_unit_test(test_turns_are_neither_lost_nor_made),
	    cmocka_unit_test(test_turns_sleep_without_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
