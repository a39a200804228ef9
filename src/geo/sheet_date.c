/*
 * Dates of spreadsheets: numbers that a cell's format shows as a day or a time.
 * Source: ECMA-376 part 1, 18.8.30 (format codes), 18.17.4 (serial dates).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "geo/isotime.h"
#include "geo/sheet_impl.h"

#define DAY_MS 86400000LL

enum shown sheet_shown_builtin(int64_t id)
{
	if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id == 36 ||
	    (id >= 50 && id <= 54) || id == 57 || id == 58)
		return SHOWN_DATE;
	if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || id == 45 || id == 47 || id == 55 ||
	    id == 56)
		return SHOWN_TIME;
	if (id == 46)
		return SHOWN_ELAPSED;
	return id == 22 ? SHOWN_DATETIME : SHOWN_NUMBER;
}

/* Whether the LEN characters are h, mm, ss …: time that is counted on after a day. */
static bool is_elapsed(const char *s, size_t len)
{
	char same[4] = {s[0], (char)(s[0] ^ 0x20), '\0'};

	return len > 0 && strchr("hHmMsS", s[0]) != NULL && strspn(s, same) == len;
}

enum shown sheet_shown(const char *code)
{
	bool days = false, clock = false, months = false;

	for (const char *p = code; *p != '\0' && *p != ';'; p++) {
		const char *close = NULL;

		/* Quoted text, colours and locales say nothing. */
		if (*p == '"' || *p == '[')
			close = strchr(p + 1, *p == '"' ? '"' : ']');
		if (*p == '[' && close != NULL && is_elapsed(p + 1, (size_t)(close - p - 1)))
			return SHOWN_ELAPSED;
		if (close != NULL) {
			p = close;
			continue;
		}
		if ((*p == '\\' || *p == '_' || *p == '*') && p[1] != '\0') {
			p++;
			continue;
		}
		days = days || *p == 'y' || *p == 'Y' || *p == 'd' || *p == 'D';
		clock = clock || *p == 'h' || *p == 'H' || *p == 's' || *p == 'S';
		months = months || *p == 'm' || *p == 'M';
	}
	if (strncasecmp(code, "General", 7) == 0 || strncasecmp(code, "Standard", 8) == 0)
		return SHOWN_NUMBER;
	days = days || (months && !clock);
	return days && clock ? SHOWN_DATETIME
	       : days	     ? SHOWN_DATE
	       : clock	     ? SHOWN_TIME
			     : SHOWN_NUMBER;
}

size_t sheet_moment(int64_t ms, char out[32])
{
	size_t n = isotime_datetime(ms, out) - 1; /* no zone */

	if (memcmp(out + n - 4, ".000", 4) == 0)
		n -= 4;
	out[n] = '\0';
	return n;
}

size_t sheet_elapsed(int64_t ms, char out[32])
{
	int64_t s = ms / 1000;
	int n = snprintf(out, 32, "%02lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60),
			 (int)(s % 60));

	if (ms % 1000 != 0)
		n += snprintf(out + n, 32 - (size_t)n, ".%03d", (int)(ms % 1000));
	return (size_t)n;
}

size_t sheet_serial(double serial, enum shown shown, bool from_1904, char out[32])
{
	/* 1900 counts a 29 February that never was: days before it are one off. */
	double days = from_1904 ? serial + 1462 : serial < 60 ? serial + 1 : serial;
	int64_t ms;
	size_t n;

	if (!(days >= 0 && days < 2958466)) /* year 10000 */
		return 0;
	if (shown == SHOWN_ELAPSED)
		return serial < 0 ? 0 : sheet_elapsed(llround(serial * (double)DAY_MS), out);
	if (shown == SHOWN_TIME && serial < 1)
		days = serial;
	ms = (int64_t)floor(days * (double)DAY_MS + 0.5) - 25569 * DAY_MS;
	if (shown == SHOWN_DATE)
		return isotime_date(ms, out);
	n = sheet_moment(ms, out);
	if (shown == SHOWN_TIME && serial < 1) {
		memmove(out, out + 11, n - 11 + 1);
		n -= 11;
	}
	return n;
}
