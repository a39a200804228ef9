#include "geo/isotime.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"

#define DAY_MS 86400000LL

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : -1000;
}

/* Two digits; negative when they are none. */
static int two(const char *s)
{
	return digit(s[0]) * 10 + digit(s[1]);
}

/* ".123456": milliseconds of it; advances. */
static int fraction(const char **s, const char *end, bool *ret_finer)
{
	int ms = 0, scale = 100;

	for ((*s)++; *s < end && digit(**s) >= 0; (*s)++) {
		ms += digit(**s) * scale;
		*ret_finer = *ret_finer || (scale == 0 && **s != '0');
		scale /= 10;
	}
	return ms;
}

/* Z, ±HH, ±HHmm, ±HH:mm up to END: minutes east. */
static bool zone(const char *s, const char *end, int *ret)
{
	int h, m = 0;

	if (end - s == 1 && (*s == 'Z' || *s == 'z')) {
		*ret = 0;
		return true;
	}
	if (end - s < 3 || (*s != '+' && *s != '-') || (h = two(s + 1)) < 0 || h > 18)
		return false;
	if (end - s == 6 && s[3] == ':')
		m = two(s + 4);
	else if (end - s == 5)
		m = two(s + 3);
	else if (end - s != 3)
		return false;
	*ret = (*s == '-' ? -1 : 1) * (h * 60 + m);
	return m >= 0 && m < 60;
}

static bool clock_part(const char *s, const char *end, struct isotime *t)
{
	int h, m, sec = 0, ms = 0, east = 0;
	int64_t unit = 60000;

	if (end - s < 5 || (h = two(s)) < 0 || h > 23 || s[2] != ':' || (m = two(s + 3)) < 0 ||
	    m > 59)
		return false;
	s += 5;
	if (end - s >= 3 && *s == ':') {
		if ((sec = two(s + 1)) < 0 || sec > 60)
			return false;
		s += 3;
		unit = 1000;
		if (end - s >= 2 && (*s == '.' || *s == ',') && digit(s[1]) >= 0) {
			ms = fraction(&s, end, &t->finer);
			unit = 1;
		}
	}
	while (s < end && *s == ' ')
		s++;
	if (s < end && !zone(s, end, &east))
		return false;
	t->has_zone = s < end;
	t->has_time = true;
	t->ms += ((int64_t)h * 60 + m - east) * 60000 + sec * 1000 + ms;
	t->last_ms = t->ms + unit - 1;
	return true;
}

bool isotime_parse(const char *s, size_t len, struct isotime *ret)
{
	static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, m, d;

	while (len > 0 && *s == ' ') {
		s++;
		len--;
	}
	while (len > 0 && s[len - 1] == ' ')
		len--;
	if (len < 10 || s[4] != '-' || s[7] != '-')
		return false;
	y = two(s) * 100 + two(s + 2);
	m = two(s + 5);
	d = two(s + 8);
	if (y < 0 || two(s + 2) < 0 || m < 1 || m > 12 || d < 1)
		return false;
	if (d > days[m - 1] && !(m == 2 && d == 29 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
		return false;
	*ret = (struct isotime){.ms = clock_days(y, m, d) * DAY_MS};
	ret->last_ms = ret->ms + DAY_MS - 1;
	if (len == 10)
		return true;
	return (s[10] == 'T' || s[10] == ' ') && clock_part(s + 11, s + len, ret);
}

static char *put(char *p, int v, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + width;
}

size_t isotime_date(int64_t ms, char out[ISOTIME_BYTES])
{
	int64_t days = ms / DAY_MS - (ms % DAY_MS < 0), y;
	int m, d;
	char *p = out;

	clock_civil(days, &y, &m, &d);
	p = put(p, (int)(y < 0 ? 0 : y > 9999 ? 9999 : y), 4);
	*p++ = '-';
	p = put(p, m, 2);
	*p++ = '-';
	p = put(p, d, 2);
	*p = '\0';
	return 10;
}

size_t isotime_datetime(int64_t ms, char out[ISOTIME_BYTES])
{
	int64_t rest = ms % DAY_MS + (ms % DAY_MS < 0 ? DAY_MS : 0);
	char *p = out + isotime_date(ms, out);

	*p++ = 'T';
	p = put(p, (int)(rest / 3600000), 2);
	*p++ = ':';
	p = put(p, (int)(rest / 60000 % 60), 2);
	*p++ = ':';
	p = put(p, (int)(rest / 1000 % 60), 2);
	*p++ = '.';
	p = put(p, (int)(rest % 1000), 3);
	*p++ = 'Z';
	*p = '\0';
	return 24;
}
