/* Goal: who writes into one file waits in line, and one of those who wait carries out for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include "base/clock.h"
#include "signed/lane.h"

#define THREADS 8

struct bed {
	struct lanes *lanes;
	int inside; /* who has the turn; more than one is an error */
	int n_leads;
};

struct one {
	struct bed *bed;
	enum lane_turn turn;
	int carried; /* how often */
};

static void carry_out(struct bed *bed, struct lane *lane, struct lane_group *group)
{
	assert_int_equal(++bed->inside, 1);
	bed->n_leads++;
	for (size_t i = 0; i < group->n; i++)
		((struct one *)group->items[i])->carried++;
	bed->inside--;
	lane_leave(lane);
	lane_wake(group);
}

static void *gather(void *arg)
{
	struct one *one = arg;
	struct lane_group group;
	struct lane *lane;

	one->turn = lane_gather(one->bed->lanes, "a", one, 20000, &lane, &group);
	if (one->turn == LANE_OURS)
		carry_out(one->bed, lane, &group);
	return NULL;
}

static void *take(void *arg)
{
	struct one *one = arg;
	struct lane *lane;

	one->turn = lane_take(one->bed->lanes, "a", 20000, &lane) ? LANE_OURS : LANE_LATE;
	if (one->turn == LANE_OURS) {
		assert_int_equal(++one->bed->inside, 1);
		one->carried++;
		one->bed->inside--;
		lane_leave(lane);
	}
	return NULL;
}

/* What waits behind one that is at work is carried out by its first, whoever else is in line. */
static void test_lane_gathers_who_waits(void **state)
{
	struct bed bed = {.lanes = lanes_new()};
	struct one ones[THREADS];
	pthread_t threads[THREADS];
	struct lane *lane;

	(void)state;
	assert_true(lane_take(bed.lanes, "a", 0, &lane));
	for (int i = 0; i < THREADS; i++) {
		ones[i] = (struct one){.bed = &bed, .turn = LANE_LATE};
		/* The third one wants to be alone. */
		assert_int_equal(
		    pthread_create(&threads[i], NULL, i == 2 ? take : gather, &ones[i]), 0);
		clock_sleep_ms(50);
	}
	lane_leave(lane);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(ones[i].carried, 1);
		assert_int_equal(ones[i].turn, i == 0 || i == 2 ? LANE_OURS : LANE_DONE);
	}
	assert_int_equal(bed.n_leads, 1);
	lanes_free(bed.lanes);
}

static void *gather_often(void *arg)
{
	struct one *one = arg;
	struct one mine = {.bed = one->bed};

	for (int i = 0; i < 2000; i++)
		(void)gather(&mine);
	one->carried = mine.carried;
	return NULL;
}

static void test_lane_carries_out_once(void **state)
{
	struct bed bed = {.lanes = lanes_new()};
	struct one ones[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		ones[i] = (struct one){.bed = &bed};
		assert_int_equal(pthread_create(&threads[i], NULL, gather_often, &ones[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(ones[i].carried, 2000);
	}
	lanes_free(bed.lanes);
}

/* Who waited long enough goes, and is not carried out by anybody. */
static void test_lane_time_is_bounded(void **state)
{
	struct lanes *lanes = lanes_new();
	struct lane *lane, *other, *second;
	struct lane_group group;
	int item;

	(void)state;
	assert_true(lane_take(lanes, "a", 0, &lane));
	assert_int_equal(lane_gather(lanes, "a", &item, 100, &second, &group), LANE_LATE);
	assert_false(lane_take(lanes, "a", 100, &second));
	/* Another file is another line. */
	assert_true(lane_take(lanes, "b", 0, &other));
	lane_leave(other);
	lane_leave(lane);
	assert_int_equal(lane_gather(lanes, "a", &item, 0, &second, &group), LANE_OURS);
	assert_int_equal(group.n, 1);
	assert_ptr_equal(group.items[0], &item);
	lane_leave(second);
	lane_wake(&group);
	lanes_free(lanes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lane_gathers_who_waits),
	    cmocka_unit_test(test_lane_carries_out_once),
	    cmocka_unit_test(test_lane_time_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
