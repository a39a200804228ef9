#include "signed/plan_value.h"

#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "signed/cells.h"

#define NUMBER_MAX (CELLS_NUMBER_MAX + 1) /* letters of a number, and a NUL */

struct value value_text(const char *text)
{
	return (struct value){.kind = VALUE_TEXT, .text = text, .len = strlen(text)};
}

struct value value_integer(int64_t number)
{
	return (struct value){.kind = VALUE_INTEGER, .number = number};
}

void value_rules_fill(struct value_rules *rules, const struct write_order *order, bool zones)
{
	time_t seconds = (time_t)(clock_now_ms() / 1000);
	struct tm local;
	char zone[16];

	rules->visitor = order->visitor;
	rules->empty_is_null = order->receiver->empty_is_null;
	(void)localtime_r(&seconds, &local);
	(void)strftime(rules->now, sizeof(rules->now), "%Y-%m-%d %H:%M:%S", &local);
	(void)strftime(rules->curdate, sizeof(rules->curdate), "%Y-%m-%d", &local);
	(void)strftime(rules->curtime, sizeof(rules->curtime), "%H:%M:%S", &local);
	(void)strftime(rules->day, sizeof(rules->day), "%Y%m%d", &local);
	(void)strftime(zone, sizeof(zone), "%z", &local);
	(void)snprintf(rules->now_zone, sizeof(rules->now_zone), "%s%.5s", rules->now,
		       zones ? zone : "");
}

static struct value uuid(char scratch[VALUE_SCRATCH])
{
	char hex[33];

	token_hex(hex, 32);
	hex[12] = '4';		       /* RFC 9562: version 4 */
	hex[16] = "89ab"[hex[16] % 4]; /* and its variant */
	(void)snprintf(scratch, VALUE_SCRATCH, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		       hex + 16, hex + 20);
	return value_text(scratch);
}

struct value value_auto(const struct value_rules *rules, const struct column *column,
			enum auto_kind kind, char scratch[VALUE_SCRATCH])
{
	switch (kind) {
	case AUTO_USERNAME:
	case AUTO_VISITOR:
		return value_text(rules->visitor);
	case AUTO_NOW:
	case AUTO_CURRENT_TIMESTAMP:
		if (column->type == TYPE_DATE)
			return value_text(rules->curdate);
		return value_text(column->plain ? rules->now : rules->now_zone);
	case AUTO_CURDATE:
	case AUTO_CURRENT_DATE:
		return value_text(rules->curdate);
	case AUTO_CURTIME:
		return value_text(rules->curtime);
	case AUTO_UUID:
		return uuid(scratch);
	case AUTO_STAMP:
	case AUTO_NULL:
	case AUTO_CONSTANT:
	case AUTO_CODE:
		break;
	}
	return (struct value){.kind = VALUE_NULL};
}

static bool says(const struct value *v, const char *word)
{
	return v->len == strlen(word) && memcmp(v->text, word, v->len) == 0;
}

/* V as a C string in BUF; false when it does not fit or is no plain decimal number. */
static bool as_number(const struct value *v, char buf[NUMBER_MAX], double *ret)
{
	size_t n = v->len;

	if (n == 0 || n >= NUMBER_MAX)
		return false;
	memcpy(buf, v->text, n);
	buf[n] = '\0';
	return strspn(buf, "+-.0123456789eE") == n &&
	       text_double(buf[0] == '+' ? buf + 1 : buf, ret);
}

/* The words of sFields; a number stands for itself. */
static bool s_field_word(const struct value_rules *rules, const struct column *column,
			 const struct value *in, struct value *ret, char scratch[VALUE_SCRATCH])
{
	enum auto_kind kind;
	char digits[NUMBER_MAX];
	double number;

	if (receiver_filled(in->text, in->len, &kind)) {
		*ret = value_auto(rules, column, kind, scratch);
		return true;
	}
	if (!as_number(in, digits, &number))
		return false;
	*ret = *in;
	ret->kind =
	    text_int(digits, INT64_MIN, INT64_MAX, &ret->number) ? VALUE_INTEGER : VALUE_NUMBER;
	return true;
}

/* Words of truth, for databases that have none themselves. */
static void boolean_of(struct value *v)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "on", "1"};
	static const char *const no[] = {"false", "f", "no", "n", "off", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (v->len == strlen(yes[i]) && strncasecmp(v->text, yes[i], v->len) == 0)
			*v = (struct value){.kind = VALUE_TRUE};
		else if (v->len == strlen(no[i]) && strncasecmp(v->text, no[i], v->len) == 0)
			*v = (struct value){.kind = VALUE_FALSE};
		if (v->kind != VALUE_TEXT)
			return;
	}
}

bool value_convert(const struct value_rules *rules, const struct column *column, bool s_field,
		   const struct value *in, struct value *ret, char scratch[VALUE_SCRATCH],
		   char *why, size_t size)
{
	static const struct column compared = {.type = TYPE_TEXT, .plain = true};

	if (column == NULL)
		column = &compared;
	*ret = *in;
	switch (in->kind) {
	case VALUE_NULL:
	case VALUE_INTEGER:
	case VALUE_NUMBER:
		return true;
	case VALUE_FALSE:
	case VALUE_TRUE:
		if (column->type != TYPE_BOOLEAN)
			*ret = value_integer(in->kind == VALUE_TRUE);
		return true;
	case VALUE_JSON:
		if (column->type == TYPE_JSON)
			return true;
		(void)snprintf(why, size, "an array or object");
		return false;
	case VALUE_TEXT:
		break;
	}
	if (in->len == 0 && rules->empty_is_null && !column->plain) {
		*ret = (struct value){.kind = VALUE_NULL};
		return true;
	}
	if (rules->visitor != NULL && says(in, "$username")) {
		*ret = value_text(rules->visitor);
		return true;
	}
	if (s_field && !s_field_word(rules, column, in, ret, scratch)) {
		(void)snprintf(why, size, "neither a number nor one of the words allowed here");
		return false;
	}
	if (column->type == TYPE_BOOLEAN && column->strict && ret->kind == VALUE_TEXT)
		boolean_of(ret);
	return true;
}

/* Letters of V without the spaces at its end, which databases cut off themselves. */
static int64_t letters(const struct value *v)
{
	size_t len = v->len;
	int64_t n = 0;

	while (len > 0 && v->text[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)v->text[i] & 0xc0) != 0x80;
	return n;
}

static bool is_integer(const struct value *v)
{
	char digits[NUMBER_MAX];
	int64_t number;
	double real;

	if (v->kind == VALUE_INTEGER)
		return true;
	if (v->text == NULL || !as_number(v, digits, &real))
		return false;
	return text_int(digits[0] == '+' ? digits + 1 : digits, INT64_MIN, INT64_MAX, &number) ||
	       (strpbrk(digits, ".eE") != NULL && real > -0x1p63 && real < 0x1p63 &&
		(double)(int64_t)real == real);
}

/* Digits of TEXT from AT as a number; false unless N digits stand there. */
static bool digits_at(const struct value *v, size_t at, size_t n, int *ret)
{
	*ret = 0;
	for (size_t i = at; i < at + n; i++) {
		if (i >= v->len || v->text[i] < '0' || v->text[i] > '9')
			return false;
		*ret = *ret * 10 + (v->text[i] - '0');
	}
	return true;
}

static bool char_at(const struct value *v, size_t at, const char *set)
{
	return at < v->len && v->text[at] != '\0' && strchr(set, v->text[at]) != NULL;
}

/* YYYY-MM-DD of the calendar. */
static bool is_date(const struct value *v)
{
	int year, month, day, m, d;
	int64_t y;

	if (v->kind != VALUE_TEXT || !digits_at(v, 0, 4, &year) || !char_at(v, 4, "-") ||
	    !digits_at(v, 5, 2, &month) || !char_at(v, 7, "-") || !digits_at(v, 8, 2, &day) ||
	    month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	clock_civil(clock_days(year, month, day), &y, &m, &d);
	return m == month && d == day;
}

/* ISO 8601: a date, then perhaps T or a space and HH:MM[:SS[.fff]][Z|+HH[[:]MM]]. */
static bool is_timestamp(const struct value *v)
{
	int hour, minute, second = 0, zone;
	size_t at = 16;

	if (!is_date(v))
		return false;
	if (v->len == 10)
		return true;
	if (!char_at(v, 10, "T ") || !digits_at(v, 11, 2, &hour) || !char_at(v, 13, ":") ||
	    !digits_at(v, 14, 2, &minute))
		return false;
	if (char_at(v, at, ":")) {
		if (!digits_at(v, at + 1, 2, &second))
			return false;
		at += 3;
		if (char_at(v, at, "."))
			for (at++; char_at(v, at, "0123456789"); at++)
				continue;
	}
	if (char_at(v, at, "Z")) {
		at++;
	} else if (char_at(v, at, "+-")) {
		if (!digits_at(v, at + 1, 2, &zone))
			return false;
		at += 3;
		if (at < v->len) {
			at += char_at(v, at, ":");
			if (!digits_at(v, at, 2, &zone))
				return false;
			at += 2;
		}
	}
	return at == v->len && hour <= 24 && minute <= 59 && second <= 60;
}

static bool is_real(const struct value *v)
{
	char digits[NUMBER_MAX];
	double real;

	/* A number beyond all doubles is none. */
	return v->kind == VALUE_INTEGER ||
	       ((v->kind == VALUE_NUMBER || v->kind == VALUE_TEXT) && as_number(v, digits, &real));
}

static bool is_json(const struct value *v)
{
	struct json_scan scan;

	return v->kind != VALUE_TEXT ||
	       json_scan_bytes(v->text, v->len, &json_limits_job, &scan) == ERR_OK;
}

static bool fits_type(const struct column *column, const struct value *v)
{
	switch (column->type) {
	case TYPE_INTEGER:
		return is_integer(v);
	case TYPE_REAL:
		return is_real(v);
	case TYPE_BOOLEAN:
		return v->kind == VALUE_TRUE || v->kind == VALUE_FALSE ||
		       (v->kind == VALUE_INTEGER && (v->number == 0 || v->number == 1));
	case TYPE_DATE:
		return is_date(v) && v->len == 10;
	case TYPE_TIMESTAMP:
		return is_timestamp(v);
	case TYPE_JSON:
		return is_json(v);
	case TYPE_TEXT:
	case TYPE__MAX:
		break;
	}
	return true;
}

bool value_fits(const struct column *column, const struct value *v, char *why, size_t size)
{
	if (v->kind == VALUE_NULL || column == NULL)
		return true;
	if (v->kind == VALUE_TEXT && memchr(v->text, '\0', v->len) != NULL) {
		(void)snprintf(why, size, "a NUL character");
		return false;
	}
	if (column->max_chars > 0 && v->text != NULL && letters(v) > column->max_chars) {
		(void)snprintf(why, size, "longer than %lld characters",
			       (long long)column->max_chars);
		return false;
	}
	/* PostgreSQL's numeric takes more than a double; SQLite would store an infinity. */
	if (column->strict && v->kind == VALUE_NUMBER && !is_real(v)) {
		(void)snprintf(why, size, "%s", fault_not_a(TYPE_REAL));
		return false;
	}
	if (column->strict && !fits_type(column, v)) {
		(void)snprintf(why, size, "%s", fault_not_a(column->type));
		return false;
	}
	return true;
}
