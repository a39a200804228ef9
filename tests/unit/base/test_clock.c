/*
 * Goal: dates go to text and back over the whole calendar; nothing but an IMF-fixdate is read as
 * one.
 */
#include <stdbool.h>
#include "base/clock.h"
#include "unit.h"

static void test_clock_spells_moments(void **state)
{
	char s[32];

	(void)state;
	clock_iso(0, s);
	assert_string_equal(s, "1970-01-01T00:00:00Z");
	clock_iso(1795341600000, s);
	assert_string_equal(s, "2026-11-22T10:00:00Z");
	clock_iso(-1, s);
	assert_string_equal(s, "1969-12-31T23:59:59Z");
	clock_iso_ms(1795341600057, s);
	assert_string_equal(s, "2026-11-22T10:00:00.057Z");
	clock_iso_ms(-1, s);
	assert_string_equal(s, "1969-12-31T23:59:59.999Z");
	clock_http(1795341600999, s);
	assert_string_equal(s, "Sun, 22 Nov 2026 10:00:00 GMT");
	clock_http(784111777000, s);
	assert_string_equal(s, "Sun, 06 Nov 1994 08:49:37 GMT");
	clock_iso(INT64_MAX, s);
	clock_iso_ms(INT64_MAX, s);
	assert_string_equal(s + strlen(s) - 5, ".807Z");
	clock_iso_ms(INT64_MIN, s);
	assert_true(strlen(s) < sizeof(s));
}

static void test_clock_reads_http_dates(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Mon, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 6 Nov 1994 08:49:37 GMT",
	    "Sunday, 06-Nov-94 08:49:37 GMT",
	    "Sun Nov  6 08:49:37 1994",
	    "Sun, 06 nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 24:49:37 GMT",
	    "Sun, 06 Nov 1994 08:60:37 GMT",
	    "Thu, 31 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37 GMT ",
	    "Sun, 06-Nov 1994 08:49:37 GMT",
	    "Sun, -6 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:61 GMT",
	};

	(void)state;
	assert_int_equal(clock_parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
	assert_int_equal(clock_parse_http("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
	assert_int_equal(clock_parse_http("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228799000);
	assert_int_equal(clock_parse_http(NULL), -1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(clock_parse_http(wrong[i]), -1);
}

static void test_clock_days_match_the_calendar(void **state)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t day = clock_days(-800, 1, 1);

	(void)state;
	assert_int_equal(clock_days(1970, 1, 1), 0);
	assert_int_equal(clock_days(2000, 3, 1), 11017);
	assert_int_equal(clock_days(0, 1, 1), -719528);
	/* Every day of 4000 years, counted up one by one. */
	for (int64_t y = -800; y < 3200; y++) {
		bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

		for (int m = 1; m <= 12; m++) {
			for (int d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++, day++) {
				int64_t yy;
				int mm, dd;

				if (clock_days(y, m, d) != day)
					fail_msg("%lld-%d-%d", (long long)y, m, d);
				clock_civil(day, &yy, &mm, &dd);
				if (yy != y || mm != m || dd != d)
					fail_msg("day %lld", (long long)day);
			}
		}
	}
}

static void test_clock_moves_and_sleeps(void **state)
{
	int64_t before = clock_mono_ms();

	(void)state;
	clock_sleep_ms(20);
	clock_sleep_ms(-5);
	assert_in_range(clock_mono_ms() - before, 20, 2000);
	assert_true(clock_now_ms() > 1700000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clock_spells_moments),
	    cmocka_unit_test(test_clock_reads_http_dates),
	    cmocka_unit_test(test_clock_days_match_the_calendar),
	    cmocka_unit_test(test_clock_moves_and_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
