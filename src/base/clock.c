#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/buf.h"

#define DAY_S 86400

static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t now_of(clockid_t id)
{
	struct timespec ts = {0};

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
	return now_of(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
	return now_of(CLOCK_MONOTONIC);
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec ts;
	int64_t until;

	if (ms <= 0)
		return;
	/* Until a moment, not for a while: a signal must not make it longer. */
	until = clock_mono_ms() + ms;
	ts.tv_sec = (time_t)(until / 1000);
	ts.tv_nsec = (long)(until % 1000 * 1000000);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		continue;
}

/* Rounds towards minus infinity, as times before 1970 want it. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct parts {
	int64_t day; /* since 1970-01-01 */
	int64_t y;
	int m;
	int d;
	int h;
	int min;
	int s;
};

static struct parts split(int64_t ms)
{
	int64_t s = floor_div(ms, 1000);
	struct parts p = {.day = floor_div(s, DAY_S)};
	int rest = (int)(s - p.day * DAY_S);

	clock_civil(p.day, &p.y, &p.m, &p.d);
	p.h = rest / 3600;
	p.min = rest / 60 % 60;
	p.s = rest % 60;
	return p;
}

/* V in N digits, and what follows them: where to go on. */
static char *put_digits(char *out, int64_t v, int n, char then)
{
	(void)buf_digits_before(out + n, (uint64_t)v, n);
	out[n] = then;
	return out + n + 1;
}

/* Up to the seconds, and what follows them: where to go on. */
static char *put_moment(char out[32], int64_t ms, char then)
{
	struct parts p = split(ms);

	/* Every line of the log and many answers hold one: printf takes ten times as long. */
	if (p.y < 0 || p.y > 9999)
		return out + snprintf(out, 32, "%s%04lld-%02d-%02dT%02d:%02d:%02d%c",
				      p.y < 0 ? "-" : "", (long long)(p.y < 0 ? -p.y : p.y), p.m,
				      p.d, p.h, p.min, p.s, then);
	out = put_digits(out, p.y, 4, '-');
	out = put_digits(out, p.m, 2, '-');
	out = put_digits(out, p.d, 2, 'T');
	out = put_digits(out, p.h, 2, ':');
	out = put_digits(out, p.min, 2, ':');
	return put_digits(out, p.s, 2, then);
}

void clock_iso(int64_t ms, char out[32])
{
	*put_moment(out, ms, 'Z') = '\0';
}

void clock_iso_ms(int64_t ms, char out[32])
{
	*put_digits(put_moment(out, ms, '.'), (ms % 1000 + 1000) % 1000, 3, 'Z') = '\0';
}

void clock_http(int64_t ms, char out[32])
{
	struct parts p = split(ms);
	int64_t weekday = p.day - floor_div(p.day, 7) * 7;

	(void)snprintf(out, 32, "%.3s, %02d %.3s %04lld %02d:%02d:%02d GMT", days + weekday * 3,
		       p.d, months + (p.m - 1) * 3, (long long)p.y, p.h, p.min, p.s);
}

/* N digits at S, -1 when one is none. */
static int digits(const char *s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

int64_t clock_parse_http(const char *s)
{
	char back[32];
	int64_t ms;
	int m = 0, d, y, h, min, sec;

	if (s == NULL || strlen(s) != strlen("Sun, 22 Nov 2026 10:00:00 GMT"))
		return -1;
	d = digits(s + 5, 2);
	while (m < 12 && memcmp(s + 8, months + m * 3, 3) != 0)
		m++;
	y = digits(s + 12, 4);
	h = digits(s + 17, 2);
	min = digits(s + 20, 2);
	sec = digits(s + 23, 2);
	if (d < 1 || m == 12 || y < 0 || h < 0 || h > 23 || min < 0 || min > 59 || sec < 0 ||
	    sec > 60)
		return -1;
	if (sec == 60)
		sec = 59; /* a leap second has no place in POSIX time */
	ms = (clock_days(y, m + 1, d) * DAY_S + h * 3600 + min * 60 + sec) * 1000;
	/* Printing it again checks every separator, the weekday and the 31st of a short month. */
	clock_http(ms, back);
	if (memcmp(s, back, 23) != 0 || strcmp(s + 25, back + 25) != 0)
		return -1;
	return ms;
}

/*
 * Both count from 1 March of year 0 in eras of 400 years (146097 days), so that the leap day is the
 * last of its year.
 * Source: H. Hinnant, chrono-compatible low-level date algorithms.
 */
int64_t clock_days(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	if (m <= 2)
		y--;
	era = floor_div(y, 400);
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void clock_civil(int64_t days_since, int64_t *y, int *m, int *d)
{
	int64_t z = days_since + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}
