#include "http/field.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum err field_fail(struct error *error, enum err err, const char *code, const char *fmt, ...)
{
	char text[sizeof(error->text)];
	va_list ap;

	if (error == NULL || error->err != ERR_OK)
		return err;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	error_set(error, err, "%s", text);
	return error_code(error, err, code);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool field_unescape_bytes(const char *s, size_t len, bool plus, char **ret, size_t *ret_len)
{
	char *out = mem_alloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		if (c == '%') {
			int hi = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int lo = hi >= 0 ? hex_digit(s[i + 2]) : -1;
			if (lo < 0) {
				free(out);
				return false;
			}
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	*ret = out;
	*ret_len = n;
	return true;
}

enum err field_unescape(const char *s, size_t len, bool plus, char **ret)
{
	char *out;
	size_t n;

	if (!field_unescape_bytes(s, len, plus, &out, &n))
		return ERR_BAD_REQUEST;
	if (memchr(out, '\0', n) != NULL || !text_is_utf8(out, n)) {
		free(out);
		return ERR_BAD_REQUEST;
	}
	*ret = out;
	return ERR_OK;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

static char *lower_dup(const char *s, size_t len)
{
	char *out = mem_strndup(s, len);

	for (char *p = out; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return out;
}

/* A quoted string at *P, behind its first quote: the text, NULL when it never ends. */
static char *quoted_text(const char **p)
{
	const char *s = *p;
	char *out = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	for (; *s != '\0' && *s != '"'; s++) {
		if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		out[n++] = *s;
	}
	if (*s != '"') {
		free(out);
		return NULL;
	}
	*p = s + 1;
	return out;
}

/* A bare value at *P: up to ';', without blanks inside. */
static char *bare_text(const char **p)
{
	const char *s = *p, *end = s;

	while (*end != '\0' && *end != ';' && *end != '"' && !is_blank(*end) && !is_control(*end))
		end++;
	*p = end;
	return mem_strndup(s, (size_t)(end - s));
}

int field_param(const char **p, char **ret_name, char **ret_value)
{
	const char *s = *p;

	while (is_blank(*s) || *s == ';')
		s++;
	if (*s == '\0')
		return 0;
	const char *name = s;
	while (*s != '\0' && *s != '=' && *s != ';' && *s != '"' && !is_blank(*s) &&
	       !is_control(*s))
		s++;
	size_t len = (size_t)(s - name);
	while (is_blank(*s))
		s++;
	if (*s != '=' || len == 0)
		return -1;
	s++;
	while (is_blank(*s))
		s++;
	char *value;
	if (*s == '"') {
		s++;
		value = quoted_text(&s);
	} else {
		value = bare_text(&s);
	}
	while (is_blank(*s))
		s++;
	if (value == NULL || (*s != '\0' && *s != ';')) {
		free(value);
		return -1;
	}
	*ret_name = lower_dup(name, len);
	*ret_value = value;
	*p = s;
	return 1;
}

char *field_type(const char *value, const char **ret_rest)
{
	while (is_blank(*value))
		value++;
	size_t n = strcspn(value, "; \t");
	*ret_rest = value + n;
	return lower_dup(value, n);
}

/* RFC 2046 allows fewer, real clients send anything visible. */
static bool is_boundary(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max || s[n - 1] == ' ')
		return false;
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~' || *s == '"')
			return false;
	return true;
}

enum err field_boundary(const char *content_type, size_t max, char **ret, struct error *error)
{
	CLEAN_FREE char *found = NULL;
	const char *p;
	int rc;

	free(field_type(content_type, &p));
	for (;;) {
		CLEAN_FREE char *name = NULL;
		CLEAN_FREE char *value = NULL;
		rc = field_param(&p, &name, &value);
		if (rc <= 0)
			break;
		if (strcmp(name, "boundary") != 0)
			continue;
		if (found != NULL)
			return error_set(error, ERR_BAD_REQUEST, "two boundaries");
		found = value;
		value = NULL;
	}
	if (rc < 0 || found == NULL || !is_boundary(found, max))
		return error_set(error, ERR_BAD_REQUEST, "no usable boundary");
	*ret = found;
	found = NULL;
	return ERR_OK;
}
