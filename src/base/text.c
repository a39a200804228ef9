#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>
#include "base/mem.h"

#define DISPLAY_NAME_MAX 255  /* bytes; security.md 3.2 */
#define PATH_BYTES	 1024 /* transports.md 1.16 */
#define EXTENSION_MAX	 16   /* bytes with the dot: what is worth keeping when a name is cut */

size_t text_decode(const char *s, size_t len, int32_t *ret_cp)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char b = (unsigned char)s[0];
	size_t n;
	int32_t cp;

	if (b < 0x80) {
		*ret_cp = b;
		return 1;
	}
	if (b < 0xC2 || b > 0xF4)
		return 0;
	n = b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
	if (len < n)
		return 0;
	cp = b & (0x7F >> n);
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c & 0xC0) != 0x80)
			return 0;
		cp = cp << 6 | (c & 0x3F);
	}
	if (cp < least[n] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		return 0;
	*ret_cp = cp;
	return n;
}

size_t text_encode(int32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}

bool text_is_utf8(const char *s, size_t len)
{
	int32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = text_decode(s + i, len - i, &cp);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t text_cut(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)s[max] & 0xC0) == 0x80)
		max--;
	return max;
}

/* utf8proc's errors are mapped here: NULL is text that is not UTF-8. */
static char *map(const char *s, int options)
{
	utf8proc_uint8_t *out = NULL;
	size_t len = strlen(s);
	utf8proc_ssize_t n;

	if (!text_is_utf8(s, len))
		return NULL;
	n = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)len, &out,
			 (utf8proc_option_t)(options | UTF8PROC_STABLE));
	if (n < 0)
		mem_die();
	return (char *)out;
}

char *text_nfc(const char *s)
{
	return map(s, UTF8PROC_COMPOSE);
}

char *text_fold(const char *s)
{
	return map(s, UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
}

char *text_fold_plain(const char *s)
{
	return map(s, UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK);
}

static bool is_space(int32_t cp)
{
	utf8proc_category_t c;

	if ((cp >= '\t' && cp <= '\r') || cp == ' ' || cp == 0x85)
		return true;
	if (cp < 0x80)
		return false;
	c = utf8proc_category(cp);
	return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

char *text_trim(const char *s)
{
	size_t len = strlen(s), first = 0, end = 0;
	bool begun = false;
	int32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = text_decode(s + i, len - i, &cp);

		if (n == 0)
			return NULL;
		if (!is_space(cp)) {
			if (!begun)
				first = i;
			begun = true;
			end = i + n;
		}
		i += n;
	}
	return mem_strndup(s + first, begun ? end - first : 0);
}

bool text_is_letter(int32_t cp)
{
	utf8proc_category_t c = utf8proc_category(cp);

	return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_ME;
}

bool text_is_digit(int32_t cp)
{
	return utf8proc_category(cp) == UTF8PROC_CATEGORY_ND;
}

/* tolower() would ask the locale. */
static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

bool text_ieq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return false;
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

bool text_starts(const char *s, const char *prefix)
{
	return s != NULL && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends_icase(const char *s, const char *suffix)
{
	size_t a, b;

	if (s == NULL)
		return false;
	a = strlen(s);
	b = strlen(suffix);
	return a >= b && text_ieq(s + a - b, suffix);
}

/* Characters that move the cursor or turn the direction of what follows: no label may hold them. */
static bool is_unlabelled(int32_t cp)
{
	return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0x2028 || cp == 0x2029 ||
	       (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
}

/* Cut NAME (LEN bytes) in place to 255 bytes.  The extension says what the file is: it stays. */
static void cut_name(char *name, size_t len)
{
	const char *dot = strrchr(name, '.');
	char ext[EXTENSION_MAX + 1] = "";
	size_t ext_len = 0;

	if (len <= DISPLAY_NAME_MAX)
		return;
	if (dot != NULL && (size_t)(name + len - dot) <= EXTENSION_MAX) {
		ext_len = (size_t)(name + len - dot);
		memcpy(ext, dot, ext_len + 1);
	}
	len = text_cut(name, len - ext_len, DISPLAY_NAME_MAX - ext_len);
	memcpy(name + len, ext, ext_len + 1);
}

char *text_display_name(const char *s)
{
	const char *last = s;
	char *name;
	size_t len, out = 0;
	int32_t cp;

	for (const char *p = s; *p != '\0'; p++)
		if (*p == '/' || *p == '\\')
			last = p + 1;
	/* The whole must be UTF-8, also the folders that are dropped. */
	if (!text_is_utf8(s, (size_t)(last - s)))
		return NULL;
	name = text_nfc(last);
	if (name == NULL)
		return NULL;
	len = strlen(name);
	for (size_t i = 0; i < len;) {
		size_t n = text_decode(name + i, len - i, &cp);

		if (!is_unlabelled(cp)) {
			memmove(name + out, name + i, n);
			out += n;
		}
		i += n;
	}
	name[out] = '\0';
	cut_name(name, out);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		name[0] = '\0';
	return name;
}

char *text_relative_path(const char *s)
{
	char *out;
	size_t n = 0;

	if (strlen(s) > PATH_BYTES || !text_is_utf8(s, strlen(s)) || (s[0] != '\0' && s[1] == ':'))
		return NULL;
	out = mem_alloc(strlen(s) + 1);
	for (const char *p = s;; p++) {
		size_t len = strcspn(p, "/\\");
		bool bad = len == 0 || (len == 2 && p[0] == '.' && p[1] == '.');

		for (size_t i = 0; i < len; i++)
			bad = bad || (unsigned char)p[i] < ' ' || p[i] == 0x7F;
		if (bad) {
			free(out);
			return NULL;
		}
		if (len != 1 || p[0] != '.') {
			if (n > 0)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		if (*p == '\0')
			break;
	}
	if (n == 0) {
		free(out);
		return NULL;
	}
	out[n] = '\0';
	return out;
}

bool text_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative;
	int64_t v = 0;

	if (s == NULL)
		return false;
	negative = *s == '-';
	s += negative;
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return false;
		/* Counted downwards, since INT64_MIN has no positive twin. */
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *s - '0', &v))
			return false;
	}
	if (!negative && __builtin_sub_overflow(0, v, &v))
		return false;
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool text_id(const char *s, int64_t most, int64_t *ret)
{
	return s != NULL && *s != '0' && text_int(s, 1, most, ret);
}

static const char *skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

bool text_double(const char *s, double *ret)
{
	const char *p = s, *digits;
	double v;

	if (s == NULL)
		return false;
	/* The grammar first: strtod also takes white space, hex, "inf" and "nan". */
	p += *p == '-' || *p == '+';
	digits = p;
	p = skip_digits(p);
	if (*p == '.')
		p = skip_digits(p + 1);
	if (p == digits || (p == digits + 1 && *digits == '.'))
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (*p < '0' || *p > '9')
			return false;
		p = skip_digits(p);
	}
	if (*p != '\0')
		return false;
	v = strtod(s, NULL); /* none of our programs leaves the C locale */
	if (!isfinite(v))
		return false;
	*ret = v;
	return true;
}

bool text_bool(const char *s, bool *ret)
{
	static const char *const words[][5] = {
	    {"false", "off", "0", "no", ""},
	    {"true", "on", "1", "yes", NULL},
	};

	for (size_t v = 0; v < 2; v++) {
		for (size_t i = 0; i < 5 && words[v][i] != NULL; i++) {
			if (text_ieq(s, words[v][i])) {
				*ret = v == 1;
				return true;
			}
		}
	}
	return false;
}

char *text_bytes(int64_t bytes)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes / 1024;
	size_t u = 0;

	if (bytes == 1)
		return mem_strdup("1\u00a0byte");
	if (bytes < 1024)
		return mem_printf("%lld\u00a0bytes", (long long)bytes);
	while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	return mem_printf("%.1f\u00a0%s", v, units[u]);
}
