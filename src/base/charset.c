#include "base/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define FILLED	  "\xEF\xBF\xBD" /* U+FFFD */
#define ROOM_MIN  8		 /* bytes of output that any step of a converter may need */
#define ROOM_KEPT 4		 /* held back from a step, for what a decoder may remember */

/*
 * Canonical names, what glibc calls a decoder that takes at least as much, and the other spellings.
 * All are compared as letters and digits without case, so ISO8859-15 and iso_8859_15 are one.
 */
static const struct {
	const char *name;   /* canonical */
	const char *iconv;  /* NULL: decoded here */
	const char *others; /* space-separated, upper case, letters and digits only */
} charsets[] = {
    {"UTF-8", NULL, "65001 CP65001 UTF USASCII ASCII UNICODE11UTF8"},
    {"UTF-16", "UTF-16", "UCS2 UNICODE"},
    {"UTF-16LE", "UTF-16LE", "CP1200 UCS2LE"},
    {"UTF-16BE", "UTF-16BE", "CP1201 UCS2BE"},
    {"GB18030", "GB18030",
     "GBK GB2312 EUCCN 936 CP936 MS936 WINDOWS936 GB231280 CSGB2312 CHINESE XGBK 54936"},
    {"Big5", "BIG5", "950 CP950 MS950 WINDOWS950 BIGFIVE CNBIG5 CSBIG5"},
    {"EUC-JP", "EUC-JP", "UJIS 20932 51932 CP51932 XEUCJP"},
    {"Shift_JIS", "CP932", "SJIS MSKANJI 932 CP932 MS932 WINDOWS932 WINDOWS31J XSJIS"},
    {"EUC-KR", "CP949", "949 CP949 MS949 WINDOWS949 UHC KSC5601 KSC56011987 51949 CP51949"},
    {"ISO-8859-1", "ISO-8859-1", "88591 LATIN1 L1 28591 CP28591 CP819 IBM819"},
    {"ISO-8859-2", "ISO-8859-2", "88592 LATIN2 L2 28592 CP28592"},
    {"ISO-8859-3", "ISO-8859-3", "88593 LATIN3 L3 28593 CP28593"},
    {"ISO-8859-4", "ISO-8859-4", "88594 LATIN4 L4 28594 CP28594"},
    {"ISO-8859-5", "ISO-8859-5", "88595 CYRILLIC 28595 CP28595"},
    {"ISO-8859-6", "ISO-8859-6", "88596 ARABIC 28596 CP28596"},
    {"ISO-8859-7", "ISO-8859-7", "88597 GREEK 28597 CP28597"},
    {"ISO-8859-8", "ISO-8859-8", "88598 HEBREW 28598 CP28598 ISO88598I"},
    {"ISO-8859-9", "ISO-8859-9", "88599 LATIN5 L5 28599 CP28599"},
    {"ISO-8859-10", "ISO-8859-10", "885910 LATIN6 L6"},
    {"ISO-8859-13", "ISO-8859-13", "885913 LATIN7 L7 28603 CP28603"},
    {"ISO-8859-14", "ISO-8859-14", "885914 LATIN8 L8"},
    {"ISO-8859-15", "ISO-8859-15", "885915 LATIN9 L9 28605 CP28605"},
    {"KOI8-R", "KOI8-R", "20866 CP20866 KOI8"},
    {"KOI8-U", "KOI8-U", "21866 CP21866"},
    {"cp437", "CP437", "437 IBM437 OEM437 DOS437"},
    {"cp850", "CP850", "850 IBM850 OEM850 DOS850"},
    {"cp852", "CP852", "852 IBM852 OEM852 DOS852"},
    {"cp866", "CP866", "866 IBM866 OEM866 DOS866"},
    {"cp874", "CP874", "874 IBM874 WINDOWS874 TIS620 ISO885911 885911"},
    {"windows-1250", "CP1250", "1250 CP1250 MS1250 ANSI1250 WIN1250"},
    {"windows-1251", "CP1251", "1251 CP1251 MS1251 ANSI1251 WIN1251"},
    {"windows-1252", "CP1252", "1252 CP1252 MS1252 ANSI1252 WIN1252"},
    {"windows-1253", "CP1253", "1253 CP1253 MS1253 ANSI1253 WIN1253"},
    {"windows-1254", "CP1254", "1254 CP1254 MS1254 ANSI1254 WIN1254"},
    {"windows-1255", "CP1255", "1255 CP1255 MS1255 ANSI1255 WIN1255"},
    {"windows-1256", "CP1256", "1256 CP1256 MS1256 ANSI1256 WIN1256"},
    {"windows-1257", "CP1257", "1257 CP1257 MS1257 ANSI1257 WIN1257"},
    {"windows-1258", "CP1258", "1258 CP1258 MS1258 ANSI1258 WIN1258"},
};

#define N_CHARSETS (sizeof(charsets) / sizeof(charsets[0]))

/* GBK and GB2312 are offered by the names people know them by, and decoded as GB18030. */
static const char *const choices[] = {
    "UTF-8",	    "UTF-16",	    "GB18030",	    "GBK",	    "GB2312",	    "Big5",
    "EUC-JP",	    "Shift_JIS",    "EUC-KR",	    "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",
    "ISO-8859-4",   "ISO-8859-5",   "ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",
    "ISO-8859-10",  "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "KOI8-R",	    "KOI8-U",
    "cp437",	    "cp850",	    "cp866",	    "cp874",	    "windows-1250", "windows-1251",
    "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257",
    "windows-1258", NULL,
};

/* NAME as it is compared; false when it is too long or holds other bytes than names do. */
static bool squeeze(const char *name, char out[24])
{
	size_t n = 0;

	for (; *name != '\0'; name++) {
		char c = *name;

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
			if (n == 23)
				return false;
			out[n++] = c;
		} else if (strchr("-_ .:", c) == NULL) {
			return false;
		}
	}
	out[n] = '\0';
	return n > 0;
}

static bool in_words(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; (p = strstr(p, word)) != NULL; p++)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

/* The row of NAME, N_CHARSETS if unknown. */
static size_t row_of(const char *name)
{
	char key[24], own[24];

	if (name == NULL || !squeeze(name, key))
		return N_CHARSETS;
	for (size_t i = 0; i < N_CHARSETS; i++)
		if ((squeeze(charsets[i].name, own) && strcmp(own, key) == 0) ||
		    in_words(charsets[i].others, key))
			return i;
	return N_CHARSETS;
}

const char *charset_canonical(const char *name)
{
	size_t i = row_of(name);

	return i < N_CHARSETS ? charsets[i].name : NULL;
}

const char *const *charset_choices(void)
{
	return choices;
}

struct charset_conv {
	iconv_t cd;  /* (iconv_t)-1: UTF-8, checked and copied here */
	size_t unit; /* bytes to skip over what cannot be decoded */
	bool begun;  /* something was written: a byte order mark would be text now */
};

struct charset_conv *charset_conv_new(const char *charset)
{
	size_t i = row_of(charset);
	struct charset_conv *c;

	if (i == N_CHARSETS)
		return NULL;
	c = mem_alloc(sizeof(*c));
	c->cd = (iconv_t)-1;
	c->unit = text_starts(charsets[i].name, "UTF-16") ? 2 : 1;
	if (charsets[i].iconv != NULL) {
		c->cd = iconv_open("UTF-8", charsets[i].iconv);
		if (c->cd == (iconv_t)-1) {
			free(c);
			return NULL;
		}
	}
	return c;
}

void charset_conv_free(struct charset_conv *c)
{
	if (c == NULL)
		return;
	if (c->cd != (iconv_t)-1)
		(void)iconv_close(c->cd);
	free(c);
}

/* Why a step of a converter ended. */
enum stop { STOP_DONE, STOP_ROOM, STOP_BAD, STOP_CUT };

/* Whether the LEN (1..3) bytes at S may be the beginning of a UTF-8 character. */
static bool utf8_begins(const char *s, size_t len)
{
	static const char tails[][4] = {"\x80\x80\x80", "\xBF\xBF\xBF"};
	char whole[4];
	int32_t cp;

	memcpy(whole, s, len);
	for (size_t end = len + 1; end <= 4; end++) {
		for (size_t t = 0; t < 2; t++) {
			memcpy(whole + len, tails[t], end - len);
			if (text_decode(whole, end, &cp) == end)
				return true;
		}
	}
	return false;
}

static enum stop step_utf8(const char **in, size_t *in_len, char **out, size_t *room)
{
	while (*in_len > 0) {
		int32_t cp;
		size_t n = text_decode(*in, *in_len, &cp);

		if (n == 0)
			return *in_len < 4 && utf8_begins(*in, *in_len) ? STOP_CUT : STOP_BAD;
		if (*room < n)
			return STOP_ROOM;
		memcpy(*out, *in, n);
		*in += n;
		*in_len -= n;
		*out += n;
		*room -= n;
	}
	return STOP_DONE;
}

static enum stop step_iconv(iconv_t cd, const char **in, size_t *in_len, char **out, size_t *room)
{
	/* iconv's prototype predates const; it does not write there. */
	if (iconv(cd, (char **)in, in_len, out, room) != (size_t)-1)
		return STOP_DONE;
	return errno == E2BIG ? STOP_ROOM : errno == EINVAL ? STOP_CUT : STOP_BAD;
}

/*
 * Some decoders (windows-1258) hold a letter back to join it with the accent that may follow.  Have
 * it written: ROOM_KEPT bytes are enough for it.
 */
static void flush(struct charset_conv *c, char **out, size_t *room)
{
	if (c->cd != (iconv_t)-1)
		(void)iconv(c->cd, NULL, NULL, out, room);
}

/* One step; a byte order mark at the very beginning is taken back. */
static enum stop step(struct charset_conv *c, const char **in, size_t *in_len, char **out,
		      size_t *room)
{
	char *first = *out;
	size_t usable = *room - ROOM_KEPT;
	enum stop stop = c->cd == (iconv_t)-1 ? step_utf8(in, in_len, out, &usable)
					      : step_iconv(c->cd, in, in_len, out, &usable);

	if (!c->begun && *out > first) {
		c->begun = true;
		if (*out - first >= 3 && memcmp(first, "\xEF\xBB\xBF", 3) == 0) {
			memmove(first, first + 3, (size_t)(*out - first) - 3);
			*out -= 3;
			usable += 3;
		}
	}
	*room = usable + ROOM_KEPT;
	return stop;
}

size_t charset_conv_run(struct charset_conv *c, const char **in, size_t *in_len, char *out,
			size_t out_size, bool last, size_t *ret_bad)
{
	char *at = out;
	size_t room = out_size, bad = 0;

	while (*in_len > 0 && room >= ROOM_MIN) {
		enum stop stop = step(c, in, in_len, &at, &room);
		size_t skip;

		if (stop == STOP_ROOM || (stop == STOP_CUT && !last))
			break;
		if (stop == STOP_DONE || room < ROOM_MIN)
			continue;
		/* One unit only: a bad lead byte must not swallow the separator behind it. */
		skip = *in_len < c->unit ? *in_len : c->unit;
		*in += skip;
		*in_len -= skip;
		flush(c, &at, &room);
		memcpy(at, FILLED, 3);
		at += 3;
		room -= 3;
		bad++;
		c->begun = true;
	}
	if (last && *in_len == 0)
		flush(c, &at, &room);
	if (ret_bad != NULL)
		*ret_bad = bad;
	return (size_t)(at - out);
}

char *charset_decode(const char *charset, const char *bytes, size_t len, size_t *ret_len,
		     size_t *ret_bad)
{
	struct charset_conv *c = charset_conv_new(charset);
	size_t size = 64, used = 0, bad = 0, some;
	char *out;

	if (c == NULL)
		return NULL;
	out = mem_alloc(size);
	while (len > 0) {
		if (size - used <= 2 * ROOM_MIN) {
			out = mem_resize(out, size, 2);
			size *= 2;
		}
		used += charset_conv_run(c, &bytes, &len, out + used, size - used - 1, true, &some);
		bad += some;
		if (len > 0) {
			out = mem_resize(out, size, 2);
			size *= 2;
		}
	}
	charset_conv_free(c);
	out[used] = '\0';
	if (ret_len != NULL)
		*ret_len = used;
	if (ret_bad != NULL)
		*ret_bad = bad;
	return out;
}
