#include "wizard/srs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "wizard/crs_file.h"

#define CODE_MAX 32 /* bytes of a code without its authority */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_code_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '.' || c == '-';
}

/* Which authority S begins with; its length into *RET_LEN. */
static int authority(const char *s, size_t *ret_len)
{
	for (size_t i = 0; i < CRS_N_AUTHORITIES; i++) {
		*ret_len = strlen(crs_authorities[i]);
		if (strncasecmp(s, crs_authorities[i], *ret_len) == 0)
			return (int)i;
	}
	return -1;
}

/* AUTH and the LEN bytes of CODE to "AUTH:CODE". */
static bool put(int auth, const char *code, size_t len, char out[48])
{
	bool number = len > 0;

	if (len == 0 || len > CODE_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_code_char(code[i]))
			return false;
		number = number && is_digit(code[i]);
	}
	/* EPSG, ESRI and IAU have numbers only, OGC and IGNF words (CRS84, LAMB93). */
	if (!number && auth != 2 && auth != 3)
		return false;
	while (number && len > 1 && *code == '0') {
		code++;
		len--;
	}
	if (number && len > 9)
		return false;
	(void)snprintf(out, 48, "%s:%.*s", crs_authorities[auth], (int)len, code);
	return true;
}

/* urn:ogc:def:crs:AUTH:[version]:CODE and http(s)://www.opengis.net/def/crs/AUTH/version/CODE */
static bool long_spelling(const char *s, size_t len, char out[48])
{
	static const struct {
		const char *prefix;
		char sep;
	} forms[] = {
	    {"urn:ogc:def:crs:", ':'},
	    {"urn:x-ogc:def:crs:", ':'},
	    {"http://www.opengis.net/def/crs/", '/'},
	    {"https://www.opengis.net/def/crs/", '/'},
	};
	const char *end = s + len;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		size_t n = strlen(forms[i].prefix), auth_len;
		const char *p, *code;
		int auth;

		if (strncasecmp(s, forms[i].prefix, n) != 0)
			continue;
		p = s + n;
		auth = authority(p, &auth_len);
		if (auth < 0 || p[auth_len] != forms[i].sep)
			return false;
		p += auth_len + 1;
		code = memchr(p, forms[i].sep, (size_t)(end - p));
		return code != NULL && put(auth, code + 1, (size_t)(end - code - 1), out);
	}
	return false;
}

bool srs_spelling(const char *s, char out[48])
{
	size_t len, n;
	int auth;

	while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
		s++;
	len = strlen(s);
	while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
		len--;
	if (len > 0 && strspn(s, "0123456789") == len)
		return put(0, s, len, out);
	auth = authority(s, &n);
	if (auth < 0)
		return (len == 5 || len == 6) && strncasecmp(s, "CRS84", 5) == 0
			   ? put(2, s, len, out)
			   : long_spelling(s, len, out);
	if (n < len && s[n] == ':')
		return put(auth, s + n + 1, len - n - 1, out);
	/* EPSG4326, but not the start of some other word. */
	return n < len && is_digit(s[n]) && put(auth, s + n, len - n, out);
}

bool srs_is_offset_system(const char *s)
{
	static const char *const words[] = {
	    "gcj02",  "bd09",	"火星坐标", "火星座標", "百度坐标",	  "百度座標",
	    "国测局", "國測局", "高德坐标", "腾讯坐标", "marscoordinate", "baiducoordinate"};
	CLEAN_FREE char *folded = text_fold(s);
	size_t n = 0;

	if (folded == NULL)
		return false;
	/* GCJ-02, gcj_02 and "gcj 02" are one word. */
	for (const char *p = folded; *p != '\0'; p++)
		if (strchr("-_ :./", *p) == NULL)
			folded[n++] = *p;
	folded[n] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(folded, words[i]) != NULL)
			return true;
	return false;
}

int srs_survey_zone(int zone)
{
	if (zone >= 25 && zone <= 45)
		return 4513 + (zone - 25);
	if (zone >= 13 && zone <= 23)
		return 4491 + (zone - 13);
	return 0;
}
