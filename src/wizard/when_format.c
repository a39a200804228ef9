#include "wizard/when_format.h"

#include <string.h>
#include <strings.h>
#include "base/clock.h"

/*
 * A value is matched against a pattern's operations from left to right.  An optional part is tried
 * first with, then without: patterns are short and their brackets few, so this stays cheap whatever
 * a user writes.
 */

#define DAY_MS 86400000LL

/* What was read so far. */
struct got {
	int64_t year;
	int v[F__MAX]; /* by field; ms for F_FRACTION, minutes for F_ZONE */
	unsigned have; /* bit per field */
	unsigned used; /* bit per optional part */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Read MIN..MAX digits at *P. */
static bool read_digits(const char **p, const char *end, int min, int max, int64_t *ret)
{
	const char *q = *p;
	int64_t v = 0;

	while (q < end && q - *p < max && is_digit(*q))
		v = v * 10 + (*q++ - '0');
	if (q - *p < min)
		return false;
	*p = q;
	*ret = v;
	return true;
}

static bool read_year(const struct when_op *o, const char **p, const char *end, struct got *g)
{
	const char *q = *p;
	bool negative = false, is_signed = false;
	int64_t v;

	if (q < end && (*q == '-' || *q == '+')) {
		negative = *q == '-';
		is_signed = true;
		q++;
	}
	/* ISO 8601: only a signed year may have more than its four digits. */
	if (!read_digits(&q, end, o->min, is_signed && o->min == 4 ? WHEN_YEAR_DIGITS : o->max, &v))
		return false;
	*p = q;
	g->year = negative ? -v : v;
	return true;
}

static bool read_month_name(const char **p, const char *end, int *ret)
{
	static const char *const names[] = {"January",	 "February", "March",	 "April",
					    "May",	 "June",     "July",	 "August",
					    "September", "October",  "November", "December"};

	for (int i = 0; i < 12; i++) {
		size_t left = (size_t)(end - *p), full = strlen(names[i]);

		if (left < 3 || strncasecmp(*p, names[i], 3) != 0)
			continue;
		*p += left >= full && strncasecmp(*p, names[i], full) == 0     ? full
		      : left >= 4 && i == 8 && strncasecmp(*p, "Sept", 4) == 0 ? 4
									       : 3;
		*ret = i + 1;
		return true;
	}
	return false;
}

static bool read_ampm(const char **p, const char *end, int *ret)
{
	static const struct {
		const char *text;
		int pm;
	} words[] = {{"AM", 0}, {"PM", 1}, {"a.m.", 0}, {"p.m.", 1}, {"上午", 0}, {"下午", 1}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i].text);

		if ((size_t)(end - *p) >= n && strncasecmp(*p, words[i].text, n) == 0) {
			*p += n;
			*ret = words[i].pm;
			return true;
		}
	}
	return false;
}

/* Z, UTC, GMT, ±HH, ±HHMM, ±HH:MM */
static bool read_zone(const char **p, const char *end, int *ret)
{
	const char *q = *p;
	int64_t h, m = 0;
	int sign;

	if (q == end)
		return false;
	if (*q == 'Z' || *q == 'z') {
		*p = q + 1;
		*ret = 0;
		return true;
	}
	if (end - q >= 3 && (strncmp(q, "UTC", 3) == 0 || strncmp(q, "GMT", 3) == 0)) {
		*p = q + 3;
		*ret = 0;
		return true;
	}
	if (*q != '+' && *q != '-')
		return false;
	sign = *q++ == '-' ? -1 : 1;
	if (!read_digits(&q, end, 2, 2, &h))
		return false;
	if (q < end && *q == ':') {
		q++;
		if (!read_digits(&q, end, 2, 2, &m))
			return false;
	} else if (q < end && is_digit(*q) && !read_digits(&q, end, 2, 2, &m)) {
		return false;
	}
	if (h > 18 || m > 59)
		return false;
	*p = q;
	*ret = sign * (int)(h * 60 + m);
	return true;
}

static bool read_fraction(const struct when_op *o, const char **p, const char *end, int *ret)
{
	const char *q = *p;
	int64_t v;
	int digits;

	if (!read_digits(&q, end, o->min, o->max, &v))
		return false;
	for (digits = (int)(q - *p); digits < 3; digits++)
		v *= 10;
	for (; digits > 3; digits--)
		v /= 10;
	*p = q;
	*ret = (int)v;
	return true;
}

static bool read_field(const struct when_op *o, const char **p, const char *end, struct got *g)
{
	static const struct {
		short least, most;
	} range[F__MAX] = {
	    [F_MONTH] = {1, 12},  [F_DAY] = {1, 31},	[F_DAY_OF_YEAR] = {1, 366},
	    [F_HOUR] = {0, 24},	  [F_HOUR12] = {1, 12}, [F_MINUTE] = {0, 59},
	    [F_SECOND] = {0, 60}, [F_YEAR2] = {0, 99},
	};
	int64_t v;

	g->have |= 1U << o->field;
	switch (o->field) {
	case F_YEAR:
		return read_year(o, p, end, g);
	case F_MONTH_NAME:
		g->have |= 1U << F_MONTH;
		return read_month_name(p, end, &g->v[F_MONTH]);
	case F_AMPM:
		return read_ampm(p, end, &g->v[F_AMPM]);
	case F_ZONE:
		return read_zone(p, end, &g->v[F_ZONE]);
	case F_FRACTION:
		return read_fraction(o, p, end, &g->v[F_FRACTION]);
	case F_YEAR2:
	case F_MONTH:
	case F_DAY:
	case F_DAY_OF_YEAR:
	case F_HOUR:
	case F_HOUR12:
	case F_MINUTE:
	case F_SECOND:
	case F__MAX:
		break;
	}
	if (!read_digits(p, end, o->min, o->max, &v) || v < range[o->field].least ||
	    v > range[o->field].most)
		return false;
	g->v[o->field] = (int)v;
	if (o->field == F_YEAR2)
		g->year = v < 50 ? 2000 + v : 1900 + v;
	return true;
}

static bool match(const struct when_format *f, size_t i, const char *p, const char *end,
		  struct got *g)
{
	for (; i < f->n; i++) {
		const struct when_op *o = &f->op[i];

		switch (o->kind) {
		case OP_LITERAL:
			if (p == end || *p != o->literal)
				return false;
			p++;
			/* Programs that align columns write more than one blank. */
			while (o->literal == ' ' && p < end && *p == ' ')
				p++;
			break;
		case OP_FIELD:
			if (!read_field(o, &p, end, g))
				return false;
			break;
		case OP_OPTIONAL: {
			struct got with = *g;

			with.used |= 1U << o->id;
			if (match(f, i + 1, p, end, &with)) {
				*g = with;
				return true;
			}
			i = o->end;
			break;
		}
		case OP_END:
			break;
		}
	}
	return p == end;
}

/* ---- from fields to instants */

static bool have(const struct got *g, enum when_field f)
{
	return (g->have & (1U << f)) != 0;
}

static bool is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* The day's number since 1970, and of the day after the last one the value covers. */
static bool days_of(const struct got *g, int64_t *ret_first, int64_t *ret_next)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int month = g->v[F_MONTH];

	if (have(g, F_MONTH) && have(g, F_DAY)) {
		if (g->v[F_DAY] > lengths[month - 1] + (month == 2 && is_leap(g->year)))
			return false;
		*ret_first = clock_days(g->year, month, g->v[F_DAY]);
		*ret_next = *ret_first + 1;
	} else if (have(g, F_MONTH)) {
		*ret_first = clock_days(g->year, month, 1);
		*ret_next =
		    month == 12 ? clock_days(g->year + 1, 1, 1) : clock_days(g->year, month + 1, 1);
	} else if (have(g, F_DAY_OF_YEAR)) {
		if (g->v[F_DAY_OF_YEAR] > 365 + is_leap(g->year))
			return false;
		*ret_first = clock_days(g->year, 1, 1) + g->v[F_DAY_OF_YEAR] - 1;
		*ret_next = *ret_first + 1;
	} else {
		*ret_first = clock_days(g->year, 1, 1);
		*ret_next = clock_days(g->year + 1, 1, 1);
	}
	return true;
}

static bool instant(const struct got *g, int zone_min, int64_t *ret_ms, int64_t *ret_last)
{
	int64_t first, next, time, length;
	int hour = g->v[F_HOUR];

	if (!days_of(g, &first, &next))
		return false;
	if (have(g, F_HOUR12))
		hour = g->v[F_HOUR12] % 12 + (have(g, F_AMPM) && g->v[F_AMPM] == 1 ? 12 : 0);
	/* 24:00 is the end of the day and nothing else. */
	if (hour == 24 && (g->v[F_MINUTE] != 0 || g->v[F_SECOND] != 0 || g->v[F_FRACTION] != 0))
		return false;
	time = hour * 3600000LL + g->v[F_MINUTE] * 60000LL + g->v[F_SECOND] * 1000LL +
	       g->v[F_FRACTION];
	if (have(g, F_FRACTION))
		length = 1;
	else if (have(g, F_SECOND))
		length = 1000;
	else if (have(g, F_MINUTE))
		length = 60000;
	else if (have(g, F_HOUR) || have(g, F_HOUR12))
		length = 3600000;
	else
		length = (next - first) * DAY_MS;
	*ret_ms = first * DAY_MS + time - (have(g, F_ZONE) ? g->v[F_ZONE] : zone_min) * 60000LL;
	if (ret_last != NULL)
		*ret_last = *ret_ms + length - 1;
	return true;
}

bool when_format_match(const struct when_format *f, const char *s, size_t len, int zone_min,
		       struct when_match *ret)
{
	struct got g = {0};

	while (len > 0 && (*s == ' ' || *s == '\t')) {
		s++;
		len--;
	}
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	if (!match(f, 0, s, s + len, &g) || !instant(&g, zone_min, &ret->ms, &ret->last))
		return false;
	ret->used = g.used;
	return true;
}

bool when_parse(const struct when_format *f, const char *s, size_t len, int zone_min,
		int64_t *ret_ms, int64_t *ret_last)
{
	struct when_match m;

	if (!when_format_match(f, s, len, zone_min, &m))
		return false;
	*ret_ms = m.ms;
	if (ret_last != NULL)
		*ret_last = m.last;
	return true;
}

bool when_parse_year(const char *s, size_t len, int64_t *ret_ms, int64_t *ret_last)
{
	const char *p = s, *end = s + len;
	bool negative = false;
	int64_t y;

	while (p < end && *p == ' ')
		p++;
	while (p < end && end[-1] == ' ')
		end--;
	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	if (!read_digits(&p, end, 1, 4, &y))
		return false;
	if (p < end && *p == '.')
		for (p++; p < end && *p == '0';)
			p++;
	if (p != end)
		return false;
	if (negative)
		y = -y;
	*ret_ms = clock_days(y, 1, 1) * DAY_MS;
	if (ret_last != NULL)
		*ret_last = clock_days(y + 1, 1, 1) * DAY_MS - 1;
	return true;
}

bool when_zone(const char *s, int *ret_minutes)
{
	size_t len = strlen(s);
	const char *p = s;

	if (len == 0 || strcmp(s, "UTC") == 0 || strcmp(s, "Z") == 0) {
		*ret_minutes = 0;
		return true;
	}
	/* The one spelling with a colon: -0800 would be read as a number by people. */
	return len == 6 && s[3] == ':' && (*s == '+' || *s == '-') &&
	       read_zone(&p, s + len, ret_minutes) && *p == '\0';
}
