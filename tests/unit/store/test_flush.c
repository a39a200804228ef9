/*
 * Goal: commits that share a flush are on disk when their pass returns, wait for it outside the
 * gate and together; one that may not be there is not called done, and the store recovers.
 */
#include "store/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "store/record.h"

#define CLAIMS	6
#define DISK_MS 200

static atomic_int n_flushes, n_waiting;
static atomic_bool slow, failing;

/* The disk: the program's own function stands before the library's. */
int fdatasync(int fd)
{
	(void)atomic_fetch_add(&n_flushes, 1);
	if (atomic_load(&slow))
		clock_sleep_ms(DISK_MS);
	if (atomic_load(&failing)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static enum err claim(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();

	return record_insert(p, TABLE_REPLAY, arg, 1, o);
}

static enum err see(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;

	return record_get(p, TABLE_REPLAY, arg, 1, &o);
}

static char key_a[] = "a", key_b[] = "b", key_c[] = "c", key_x[] = "x";
static struct fixture *shared;

static void *claim_one(void *arg)
{
	(void)atomic_fetch_add(&n_waiting, 1);
	run(shared, PASS_SYNC_SHARED, claim, arg);
	(void)atomic_fetch_sub(&n_waiting, 1);
	return NULL;
}

static void test_flush_is_shared_outside_the_gate(void **state)
{
	pthread_t threads[CLAIMS];
	char keys[CLAIMS];
	int64_t start;

	shared = *state;
	run_want(shared, PASS_READ, see, key_x, ERR_NOT_FOUND);
	atomic_store(&slow, true);
	atomic_store(&n_flushes, 0);
	for (int i = 0; i < CLAIMS; i++) {
		keys[i] = (char)('a' + i);
		assert_int_equal(pthread_create(&threads[i], NULL, claim_one, &keys[i]), 0);
	}
	/* Others pass the gate, and see it, while the disk works. */
	clock_sleep_ms(DISK_MS / 4);
	assert_int_equal(atomic_load(&n_waiting), CLAIMS);
	start = clock_mono_ms();
	run(shared, PASS_READ, see, &keys[0]);
	assert_in_range(clock_mono_ms() - start, 0, DISK_MS / 2);
	for (int i = 0; i < CLAIMS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	atomic_store(&slow, false);
	assert_in_range(atomic_load(&n_flushes), 1, 3);
	for (int i = 0; i < CLAIMS; i++)
		run(shared, PASS_READ, see, &keys[i]);
}

static void test_flush_that_fails(void **state)
{
	struct fixture *f = *state;
	CLEAN_JSON json_object *before = NULL, *after = NULL;

	run(f, PASS_SYNC_SHARED, claim, key_a);
	before = store_stat(f->store);
	atomic_store(&failing, true);
	run_want(f, PASS_SYNC_SHARED, claim, key_b, ERR_BUSY);
	atomic_store(&failing, false);
	run(f, PASS_READ, see, key_a);
	run(f, PASS_SYNC_SHARED, claim, key_c);
	after = store_stat(f->store);
	assert_int_equal(json_int(after, "recoveries", 0), json_int(before, "recoveries", 0) + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_flush_is_shared_outside_the_gate),
	    STORE_TEST(test_flush_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
