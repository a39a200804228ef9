/*
 * Time: wall clock in ms since 1970 UTC, a monotonic clock for waiting, and their spellings.
 */
#ifndef SLIPWAY_BASE_CLOCK_H
#define SLIPWAY_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);
int64_t clock_mono_ms(void);
void clock_sleep_ms(int64_t ms);
void clock_iso(int64_t ms, char out[32]);    /* 2026-11-22T10:00:00Z */
void clock_iso_ms(int64_t ms, char out[32]); /* 2026-11-22T10:00:00.000Z */
void clock_http(int64_t ms, char out[32]);   /* Sun, 22 Nov 2026 10:00:00 GMT */
int64_t clock_parse_http(const char *s);     /* -1: not an IMF-fixdate */
/*
 * Days since 1970-01-01 of a proleptic Gregorian date, and back; years may be negative
 * (astronomical).
 */
int64_t clock_days(int64_t y, int m, int d);
void clock_civil(int64_t days, int64_t *y, int *m, int *d);

#endif
