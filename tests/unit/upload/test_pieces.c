/*
 * Goal: long bodies of one process pass through memory of their own, which the next ones get again.
 */
#include "help.h"
#include "upload/engine.h"

/* More at once than share the huge page. */
#define MOST (PAIRS + 2)

static bool apart(const unsigned char *a, const unsigned char *b)
{
	return a + PAIR_BYTES <= b || b + PAIR_BYTES <= a;
}

static void test_pieces_are_nobody_elses(void **state)
{
	unsigned char *pairs[MOST];
	struct pieces all;

	(void)state;
	pieces_init(&all);
	for (size_t i = 0; i < MOST; i++) {
		pairs[i] = pieces_take(&all);
		assert_int_equal((uintptr_t)pairs[i] % MEM_PAGE, 0);
		memset(pairs[i], (int)i, PAIR_BYTES);
		for (size_t k = 0; k < i; k++)
			assert_true(apart(pairs[i], pairs[k]));
	}
	for (size_t i = 0; i < MOST; i++) {
		assert_int_equal(pairs[i][0], i);
		assert_int_equal(pairs[i][PAIR_BYTES - 1], i);
	}
	for (size_t i = 0; i < MOST; i++)
		pieces_give(&all, pairs[i]);
	pieces_done(&all);
}

static void test_pieces_come_again(void **state)
{
	unsigned char *first, *second;
	struct pieces all;

	(void)state;
	pieces_init(&all);
	first = pieces_take(&all);
	second = pieces_take(&all);
	pieces_give(&all, first);
	assert_ptr_equal(pieces_take(&all), first);
	pieces_give(&all, second);
	assert_ptr_equal(pieces_take(&all), second);
	pieces_give(&all, second);
	pieces_give(&all, first);
	pieces_done(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_are_nobody_elses),
	    cmocka_unit_test(test_pieces_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
