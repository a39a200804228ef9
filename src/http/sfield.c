#include "http/sfield.h"

#include <string.h>
#include "base/base64.h"
#include "base/text.h"

/* RFC 9651, 3.3.1: at most 15 digits; 3.3.2: at most 12 before and 3 behind the point. */
#define INTEGER_DIGITS 15
#define WHOLE_DIGITS   12
#define PART_DIGITS    3

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Each reader takes a value at S and returns what stands behind it, NULL when malformed. */

static const char *read_number(const char *s, struct sfield *ret)
{
	const char *digits = s + (*s == '-');
	size_t n = strspn(digits, DIGITS), part;
	char text[INTEGER_DIGITS + 2];

	if (n == 0 || n > INTEGER_DIGITS)
		return NULL;
	if (digits[n] == '.') {
		part = strspn(digits + n + 1, DIGITS);
		ret->kind = SFIELD_DECIMAL;
		return n > WHOLE_DIGITS || part == 0 || part > PART_DIGITS ? NULL
									   : digits + n + 1 + part;
	}
	n += (size_t)(digits - s);
	memcpy(text, s, n);
	text[n] = '\0';
	ret->kind = SFIELD_INTEGER;
	return text_int(text, INT64_MIN, INT64_MAX, &ret->integer) ? s + n : NULL;
}

static const char *read_date(const char *s, struct sfield *ret)
{
	s = read_number(s + 1, ret);
	if (s == NULL || ret->kind != SFIELD_INTEGER)
		return NULL;
	ret->kind = SFIELD_DATE;
	return s;
}

static const char *read_boolean(const char *s, struct sfield *ret)
{
	if (s[1] != '0' && s[1] != '1')
		return NULL;
	*ret = (struct sfield){.kind = SFIELD_BOOLEAN, .integer = s[1] - '0'};
	return s + 2;
}

/* In a string a backslash quotes; in a display string a percent sign starts two lower-case digits.
 */
static const char *read_quoted(const char *s, enum sfield_kind kind, struct sfield *ret)
{
	const char *p = s;

	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F)
			return NULL;
		if (kind == SFIELD_STRING && *p == '\\') {
			p++;
			if (*p != '"' && *p != '\\')
				return NULL;
		}
		if (kind == SFIELD_DISPLAY && *p == '%') {
			if (strspn(p + 1, DIGITS "abcdef") < 2)
				return NULL;
			p += 2;
		}
	}
	*ret = (struct sfield){.kind = kind, .text = s, .len = (size_t)(p - s)};
	return p + 1;
}

static const char *read_bytes(const char *s, struct sfield *ret)
{
	size_t n = strspn(s + 1, LOWER UPPER DIGITS "+/=");

	*ret = (struct sfield){.kind = SFIELD_BYTES, .text = s + 1, .len = n};
	return s[1 + n] == ':' ? s + n + 2 : NULL;
}

static const char *read_token(const char *s, struct sfield *ret)
{
	size_t n = strspn(s, LOWER UPPER DIGITS "!#$%&'*+-.^_`|~:/");

	*ret = (struct sfield){.kind = SFIELD_TOKEN, .text = s, .len = n};
	return s + n;
}

static const char *read_bare(const char *s, struct sfield *ret)
{
	*ret = (struct sfield){0};
	if (*s == '-' || (*s >= '0' && *s <= '9'))
		return read_number(s, ret);
	if (*s == '?')
		return read_boolean(s, ret);
	if (*s == '"')
		return read_quoted(s + 1, SFIELD_STRING, ret);
	if (*s == '%')
		return s[1] == '"' ? read_quoted(s + 2, SFIELD_DISPLAY, ret) : NULL;
	if (*s == ':')
		return read_bytes(s, ret);
	if (*s == '@')
		return read_date(s, ret);
	if (*s == '*' || (*s != '\0' && strchr(LOWER UPPER, *s) != NULL))
		return read_token(s, ret);
	return NULL;
}

static const char *read_key(const char *s, size_t *ret_len)
{
	if (*s != '*' && (*s < 'a' || *s > 'z'))
		return NULL;
	*ret_len = strspn(s, LOWER DIGITS "_-.*");
	return s + *ret_len;
}

static const char *skip_parameters(const char *s)
{
	struct sfield ignored;
	size_t len;

	while (s != NULL && *s == ';') {
		s++;
		s = read_key(s + strspn(s, " "), &len);
		if (s != NULL && *s == '=')
			s = read_bare(s + 1, &ignored);
	}
	return s;
}

static const char *read_item(const char *s, struct sfield *ret)
{
	s = read_bare(s, ret);
	return s == NULL ? NULL : skip_parameters(s);
}

static const char *read_list(const char *s, struct sfield *ret)
{
	struct sfield ignored;

	for (s++; s != NULL;) {
		s += strspn(s, " ");
		if (*s == ')') {
			*ret = (struct sfield){.kind = SFIELD_LIST};
			return skip_parameters(s + 1);
		}
		s = read_item(s, &ignored);
		if (s != NULL && *s != ' ' && *s != ')')
			return NULL;
	}
	return NULL;
}

bool sfield_item(const char *s, struct sfield *ret)
{
	struct sfield item;

	if (s == NULL)
		return false;
	s = read_item(s + strspn(s, " "), &item);
	if (s == NULL || s[strspn(s, " ")] != '\0')
		return false;
	*ret = item;
	return true;
}

bool sfield_boolean(const char *s, bool *ret)
{
	struct sfield item;

	if (!sfield_item(s, &item) || item.kind != SFIELD_BOOLEAN)
		return false;
	*ret = item.integer != 0;
	return true;
}

bool sfield_integer(const char *s, int64_t *ret)
{
	struct sfield item;

	if (!sfield_item(s, &item) || item.kind != SFIELD_INTEGER)
		return false;
	*ret = item.integer;
	return true;
}

/* One member of a dictionary: a key alone means true. */
static const char *read_member(const char *s, struct sfield *ret)
{
	if (*s != '=') {
		*ret = (struct sfield){.kind = SFIELD_BOOLEAN, .integer = 1};
		return skip_parameters(s);
	}
	return s[1] == '(' ? read_list(s + 1, ret) : read_item(s + 1, ret);
}

bool sfield_member(const char *s, const char *key, struct sfield *ret)
{
	struct sfield member = {0}, found = {0};
	bool any = false;

	for (s = s == NULL ? "" : s + strspn(s, " "); *s != '\0';) {
		const char *name = s;
		size_t len = 0;

		s = read_key(s, &len);
		if (s != NULL)
			s = read_member(s, &member);
		if (s == NULL)
			return false;
		if (len == strlen(key) && memcmp(name, key, len) == 0) {
			found = member;
			any = true;
		}
		s += strspn(s, " \t");
		if (*s == '\0')
			break;
		/* A comma must have something behind it. */
		if (*s != ',' || s[1 + strspn(s + 1, " \t")] == '\0')
			return false;
		s++;
		s += strspn(s, " \t");
	}
	if (any)
		*ret = found;
	return any;
}

bool sfield_member_bytes(const char *s, const char *key, char **ret, size_t *ret_len)
{
	struct sfield member;

	return sfield_member(s, key, &member) && member.kind == SFIELD_BYTES &&
	       base64_decode(member.text, member.len, ret, ret_len);
}
