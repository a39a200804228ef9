/*
 * Goal: long bodies of one process pass through memory of their own, which the next ones get again.
 */
#include "help.h"
#include "upload/engine.h"

#define MOST 4

static bool apart(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size)
{
	return a + 2 * a_size <= b || b + 2 * b_size <= a;
}

static void test_pieces_are_nobody_elses(void **state)
{
	unsigned char *pairs[MOST];
	size_t sizes[MOST];
	struct pieces all;

	(void)state;
	pieces_init(&all);
	for (size_t i = 0; i < MOST; i++) {
		pairs[i] = pieces_take(&all, &sizes[i]);
		assert_int_equal((uintptr_t)pairs[i] % MEM_PAGE, 0);
		assert_int_equal(sizes[i], i == 0 ? PIECE_MOST : PIECE_LEAST);
		memset(pairs[i], (int)i, 2 * sizes[i]);
		for (size_t k = 0; k < i; k++)
			assert_true(apart(pairs[i], sizes[i], pairs[k], sizes[k]));
	}
	for (size_t i = 0; i < MOST; i++) {
		assert_int_equal(pairs[i][0], i);
		assert_int_equal(pairs[i][2 * sizes[i] - 1], i);
	}
	for (size_t i = 0; i < MOST; i++)
		pieces_give(&all, pairs[i]);
	pieces_done(&all);
}

static void test_the_large_ones_come_again(void **state)
{
	unsigned char *first, *second;
	struct pieces all;
	size_t size;

	(void)state;
	pieces_init(&all);
	first = pieces_take(&all, &size);
	second = pieces_take(&all, &size);
	assert_int_equal(size, PIECE_LEAST);
	pieces_give(&all, first);
	assert_ptr_equal(pieces_take(&all, &size), first);
	assert_int_equal(size, PIECE_MOST);
	pieces_give(&all, second);
	pieces_give(&all, first);
	pieces_done(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_are_nobody_elses),
	    cmocka_unit_test(test_the_large_ones_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
