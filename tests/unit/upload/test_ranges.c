/*
 * Goal: the list of received ranges is right for any order, overlap and removal: compared with a
 * map of single bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "upload/ranges.h"

#define BYTES 60

static void compare(const struct ranges *set, const bool map[BYTES])
{
	int64_t prefix = 0, sum = 0, end = 0;
	size_t n = 0;

	for (int i = 0; i < BYTES; i++) {
		sum += map[i];
		prefix += prefix == i && map[i];
		end = map[i] ? i + 1 : end;
		n += map[i] && (i == 0 || !map[i - 1]);
	}
	assert_int_equal(set->n, n);
	assert_int_equal(ranges_prefix(set), prefix);
	assert_int_equal(ranges_sum(set), sum);
	assert_int_equal(ranges_end(set), end);
	for (int i = 0; i < BYTES; i++) {
		bool all = true;

		for (int j = i; j < BYTES; j++) {
			all = all && map[j];
			assert_int_equal(ranges_cover(set, i, j + 1), all);
		}
		assert_true(ranges_cover(set, i, i));
	}
}

static void test_ranges_agree_with_a_map_of_bytes(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct ranges set = {0}, back = {0};
		bool map[BYTES] = {false};

		for (int step = 0; step < 12; step++) {
			int first = rand_r(&seed) % BYTES;
			int end = first + 1 + rand_r(&seed) % (BYTES - first);
			bool add = rand_r(&seed) % 4 != 0;
			json_object *json;

			if (end - first > 12)
				end = first + 12;
			if (add)
				ranges_add(&set, first, end);
			else
				ranges_remove(&set, first, end);
			memset(map + first, add, (size_t)(end - first));
			compare(&set, map);
			json = ranges_json(&set);
			assert_true(ranges_read(&back, json));
			json_object_put(json);
			compare(&back, map);
		}
		ranges_done(&set);
		ranges_done(&back);
	}
}

static void test_damaged_lists_are_refused(void **state)
{
	static const char *const bad[] = {"[1]",       "[5,5]",	    "[5,3]",  "[-1,4]",
					  "[0,4,3,6]", "[0,4,4,6]", "[0,4,9]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ranges set = {0};
		json_object *json = json_tokener_parse(bad[i]);

		assert_false(ranges_read(&set, json));
		assert_int_equal(set.n, 0);
		json_object_put(json);
		ranges_done(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranges_agree_with_a_map_of_bytes),
	    cmocka_unit_test(test_damaged_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
