#include "wizard/number.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"

#define PHONE_DIGITS	9   /* behind '+' */
#define INTEGER_DIGITS	18  /* always fit int64 */
#define MANTISSA_DIGITS 19  /* always fit uint64 */
#define COPY_BYTES	128 /* longer numbers go through the heap */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* White space around a cell: ASCII, U+00A0 and U+3000. */
static void trim(const char **s, size_t *len)
{
	static const char *const wide[] = {"\xC2\xA0", "\xE3\x80\x80"};
	bool more = true;

	while (*len > 0 && (**s == ' ' || (**s >= '\t' && **s <= '\r'))) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 &&
	       ((*s)[*len - 1] == ' ' || ((*s)[*len - 1] >= '\t' && (*s)[*len - 1] <= '\r')))
		(*len)--;
	if (*len < 2 || ((**s & 0x80) == 0 && ((*s)[*len - 1] & 0x80) == 0))
		return;
	for (size_t i = 0; more;) {
		size_t n = strlen(wide[i]);

		if (*len >= n && memcmp(*s, wide[i], n) == 0) {
			*s += n;
			*len -= n;
			i = 0;
		} else if (*len >= n && memcmp(*s + *len - n, wide[i], n) == 0) {
			*len -= n;
			i = 0;
		} else {
			more = ++i < sizeof(wide) / sizeof(wide[0]);
		}
	}
}

/* ---- decimals */

/* What a number's digits say: value = mantissa * 10^exp10. */
struct decimal {
	uint64_t mantissa; /* of the first MANTISSA_DIGITS significant digits */
	int exp10;	   /* clamped to ±100 000 */
	bool negative;
	bool exact; /* no digit was left out of the mantissa */
};

/* The grammar of 9.6; fills D.  With DECIMAL_COMMA dots may only group thousands. */
static bool scan(const char *s, size_t len, bool decimal_comma, struct decimal *d)
{
	const char *p = s, *end = s + len, *group = NULL;
	char point = decimal_comma ? ',' : '.';
	size_t digits = 0, kept = 0;
	bool fraction = false;

	*d = (struct decimal){.exact = true};
	if (p < end && (*p == '-' || *p == '+'))
		d->negative = *p++ == '-';
	for (; p < end; p++) {
		if (is_digit(*p)) {
			digits++;
			if (kept == 0 && *p == '0') {
				d->exp10 -= fraction; /* leading zero */
			} else if (kept < MANTISSA_DIGITS) {
				d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
				d->exp10 -= fraction;
				kept++;
			} else {
				d->exact = d->exact && *p == '0';
				d->exp10 += !fraction;
			}
		} else if (*p == point && !fraction) {
			if (group != NULL && p - group != 4)
				return false;
			group = NULL;
			fraction = true;
		} else if (decimal_comma && *p == '.' && !fraction) {
			/* 1 to 3 digits before the first dot, 3 after each. */
			if (group != NULL ? p - group != 4 : digits < 1 || digits > 3)
				return false;
			group = p;
		} else {
			break;
		}
	}
	if (digits == 0 || (group != NULL && p - group != 4))
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		bool down = false;
		int e = 0;

		p++;
		if (p < end && (*p == '-' || *p == '+'))
			down = *p++ == '-';
		if (p == end)
			return false;
		for (; p < end && is_digit(*p); p++)
			e = e < 100000 ? e * 10 + (*p - '0') : e;
		d->exp10 += down ? -e : e;
	}
	return p == end;
}

/* 10^0 .. 10^22 are exact doubles, and to 10^27 exact with 64 bits of mantissa. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,
				1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWERS ((int)(sizeof(powers) / sizeof(powers[0])))

/* The correctly rounded value when it takes one exact operation; false: the slow way. */
static bool convert(const struct decimal *d, double *ret)
{
	int e = d->exp10 < 0 ? -d->exp10 : d->exp10;

	if (d->mantissa == 0 && d->exact) {
		*ret = d->negative ? -0.0 : 0.0;
		return true;
	}
	if (!d->exact || e >= POWERS)
		return false;
	if (d->mantissa <= (UINT64_C(1) << DBL_MANT_DIG)) {
		double v = (double)d->mantissa;

		v = d->exp10 < 0 ? v / powers[e] : v * powers[e];
		*ret = d->negative ? -v : v;
		return true;
	}
#if LDBL_MANT_DIG == 64
	/*
	 * 17 to 19 digits: one rounding to 64 bits, one to 53.  The second is right unless the
	 * first landed beside the middle between two doubles.
	 */
	long double v = (long double)d->mantissa;
	uint64_t bits;
	unsigned rest;

	v = d->exp10 < 0 ? v / (long double)powers[e] : v * (long double)powers[e];
	memcpy(&bits, &v, sizeof(bits));
	rest = (unsigned)(bits & 0x7FF);
	if (rest >= 0x3FE && rest <= 0x402)
		return false;
	*ret = (double)(d->negative ? -v : v);
	return true;
#else
	return false;
#endif
}

/* strtod on a copy; S has passed scan. */
static bool convert_slow(const char *s, size_t len, bool decimal_comma, double *ret)
{
	char local[COPY_BYTES];
	char *copy = len < sizeof(local) ? local : mem_alloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (decimal_comma && s[i] == '.')
			continue;
		copy[n++] = decimal_comma && s[i] == ',' ? '.' : s[i];
	}
	copy[n] = '\0';
	*ret = strtod(copy, NULL); /* none of our programs leaves the C locale */
	if (copy != local)
		free(copy);
	return isfinite(*ret);
}

bool number_parse(const char *s, size_t len, bool decimal_comma, double *ret)
{
	struct decimal d;
	double v;

	trim(&s, &len);
	if (!scan(s, len, decimal_comma, &d))
		return false;
	if (!convert(&d, &v) && !convert_slow(s, len, decimal_comma, &v))
		return false;
	*ret = v;
	return true;
}

bool number_integer(const char *s, size_t len, int64_t *ret)
{
	bool negative = false;
	int64_t v = 0;

	trim(&s, &len);
	if (len > 0 && (*s == '-' || *s == '+')) {
		negative = *s == '-';
		s++;
		len--;
	}
	if (len == 0 || len > INTEGER_DIGITS || (*s == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]))
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*ret = negative ? -v : v;
	return true;
}

/* ---- angles */

struct text {
	const char *s;
	size_t len;
};

/* Skip WORD at the front of T. */
static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if (t->len < n || memcmp(t->s, word, n) != 0)
		return false;
	t->s += n;
	t->len -= n;
	return true;
}

static void blanks(struct text *t)
{
	while (take(t, " ") || take(t, "\t") || take(t, "\xC2\xA0") || take(t, "\xE3\x80\x80"))
		;
}

static bool take_any(struct text *t, const char *const *words)
{
	for (; *words != NULL; words++)
		if (take(t, *words))
			return true;
	return false;
}

/* The sign of a hemisphere at the front of T that AXIS allows; 0 = none there. */
static int hemisphere(struct text *t, char axis)
{
	static const char *const north[] = {"北纬", "北緯", "北", "N", "n", NULL};
	static const char *const south[] = {"南纬", "南緯", "南", "S", "s", NULL};
	static const char *const east[] = {"东经", "東經", "東経", "东", "東", "E", "e", NULL};
	static const char *const west[] = {"西经", "西經", "西経", "西", "W", "w", NULL};

	if (axis != 'x' && take_any(t, north))
		return 1;
	if (axis != 'x' && take_any(t, south))
		return -1;
	if (axis != 'y' && take_any(t, east))
		return 1;
	if (axis != 'y' && take_any(t, west))
		return -1;
	return 0;
}

/* Digits with at most one decimal mark, without sign or exponent. */
static bool take_number(struct text *t, bool decimal_comma, double *ret, bool *ret_whole)
{
	size_t n = 0;
	char point = decimal_comma ? ',' : '.';
	bool whole = true;

	while (n < t->len && (is_digit(t->s[n]) || (t->s[n] == point && whole))) {
		whole = whole && t->s[n] != point;
		n++;
	}
	if (n == 0 || !is_digit(t->s[0]) || !number_parse(t->s, n, decimal_comma, ret))
		return false;
	t->s += n;
	t->len -= n;
	*ret_whole = whole;
	return true;
}

bool number_angle(const char *s, size_t len, char axis, bool decimal_comma, double *ret)
{
	static const char *const degree[] = {"°", "º", "d", "D", "度", ":", "：", NULL};
	static const char *const minute[] = {"′", "’", "'", "分", ":", "：", NULL};
	static const char *const second[] = {"″", "”", "\"", "''", "秒", NULL};
	static const char *const *const marks[] = {degree, minute, second};
	static const double share[] = {1, 60, 3600};
	struct text t;
	double v = 0, part;
	int side, sign = 1;
	size_t parts = 0;
	bool is_signed = false, whole = true;

	if (number_parse(s, len, decimal_comma, ret))
		return true;
	trim(&s, &len);
	t = (struct text){s, len};
	side = hemisphere(&t, axis);
	blanks(&t);
	if (take(&t, "-"))
		sign = -1;
	is_signed = sign < 0 || take(&t, "+");
	while (parts < 3 && whole && take_number(&t, decimal_comma, &part, &whole)) {
		if (parts > 0 && part >= 60)
			return false;
		v += part / share[parts];
		blanks(&t);
		(void)take_any(&t, marks[parts]);
		blanks(&t);
		parts++;
	}
	if (parts == 0)
		return false;
	if (side == 0) {
		side = hemisphere(&t, axis);
		blanks(&t);
	}
	if (t.len > 0 || (side != 0 && is_signed))
		return false;
	*ret = (side != 0 ? side : sign) * v;
	return true;
}

bool number_is_null_word(const char *s, size_t len)
{
	static const char *const words[] = {"NULL", "null", "NA", "N/A", "nan", "\\N", "-"};

	trim(&s, &len);
	if (len > 4)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return true;
	return false;
}

/* ---- cells */

/* N digits at S as a number in MIN..MAX. */
static bool field(const char *s, size_t n, int min, int max, int *ret)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s[i]))
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

/* yyyy-MM-dd at the front of S. */
static bool is_date(const char *s, size_t len)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, m, d;

	if (len < 10 || s[4] != '-' || s[7] != '-' || !field(s, 4, 0, 9999, &y) ||
	    !field(s + 5, 2, 1, 12, &m) || !field(s + 8, 2, 1, 31, &d))
		return false;
	return d <= days[m - 1] ||
	       (m == 2 && d == 29 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* HH:mm[:ss[.fff]][Z|±HH[[:]mm]], all of S. */
static bool is_time(const char *s, size_t len)
{
	int v;

	if (len < 5 || !field(s, 2, 0, 23, &v) || s[2] != ':' || !field(s + 3, 2, 0, 59, &v))
		return false;
	s += 5;
	len -= 5;
	if (len >= 3 && *s == ':') {
		if (!field(s + 1, 2, 0, 60, &v))
			return false;
		s += 3;
		len -= 3;
		if (len >= 2 && (*s == '.' || *s == ',') && is_digit(s[1])) {
			do {
				s++;
				len--;
			} while (len > 0 && is_digit(*s));
		}
	}
	if (len == 0 || (len == 1 && *s == 'Z'))
		return true;
	if ((*s != '+' && *s != '-') || len < 3 || !field(s + 1, 2, 0, 18, &v))
		return false;
	s += 3;
	len -= 3;
	if (len == 3 && *s == ':') {
		s++;
		len--;
	}
	return len == 0 || (len == 2 && field(s, 2, 0, 59, &v));
}

static bool is_word(const char *s, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++)
		if ((s[i] | 0x20) != word[i])
			return false;
	return true;
}

enum cell_type cell_classify(const char *s, size_t len, bool decimal_comma)
{
	struct decimal d;
	int64_t whole;
	size_t sign;

	trim(&s, &len);
	if (len == 0)
		return CELL_EMPTY;
	/* A telephone number would lose the sign that makes it one. */
	if (number_integer(s, len, &whole))
		return *s == '+' && len > PHONE_DIGITS ? CELL_TEXT : CELL_INTEGER;
	sign = *s == '-' || *s == '+';
	/* 00123 is a code; so is what no integer of ours can hold. */
	if (scan(s, len, decimal_comma, &d)) {
		bool bare = memchr(s, decimal_comma ? ',' : '.', len) == NULL &&
			    memchr(s, 'e', len) == NULL && memchr(s, 'E', len) == NULL;
		bool zeros = len - sign > 1 && s[sign] == '0' && is_digit(s[sign + 1]);
		double v;

		if (bare && decimal_comma && memchr(s, '.', len) != NULL)
			return CELL_REAL;
		return bare || zeros || !number_parse(s, len, decimal_comma, &v) ? CELL_TEXT
										 : CELL_REAL;
	}
	if (is_date(s, len)) {
		if (len == 10)
			return CELL_DATE;
		return (s[10] == 'T' || s[10] == ' ') && is_time(s + 11, len - 11) ? CELL_DATETIME
										   : CELL_TEXT;
	}
	if ((len == 4 && is_word(s, len, "true")) || (len == 5 && is_word(s, len, "false")))
		return CELL_BOOLEAN;
	return CELL_TEXT;
}
