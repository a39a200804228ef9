#include "base/charset.h"

#include <stdint.h>
#include <string.h>
#include <uchardet/uchardet.h>
#include "base/mem.h"
#include "base/text.h"

/*
 * Memory stays constant: the UTF-8 and GB18030 checks are automata that may be interrupted
 * anywhere, and the detector sees at most DETECT_BYTES, all from lines that have a byte above 127.
 */
#define DETECT_BYTES (1 << 20)
#define LINE_BYTES   4096 /* of a line gathered for the detector */
#define HANGUL_MIN   20	  /* common characters, before their rows can speak against Chinese */

enum mark { MARK_UNKNOWN, MARK_NONE, MARK_UTF8, MARK_UTF16LE, MARK_UTF16BE };

struct charset_guess {
	unsigned char first[3]; /* the file's first bytes */
	size_t n_first;
	enum mark mark;
	bool utf8;		/* valid so far */
	unsigned utf8_left;	/* continuation bytes still to come */
	unsigned char utf8_low; /* bounds of the next one */
	unsigned char utf8_high;
	bool gb;	/* valid so far */
	unsigned gb_at; /* bytes of the current character read */
	unsigned char gb_lead[3];
	uint64_t gb_two;     /* two-byte characters */
	uint64_t gb_common;  /* of these in rows B0..D7: the common Hanzi */
	uint64_t gb_late;    /* of these in rows C9..D7, where Korean has no Hangul */
	bool c1;	     /* a byte 80..9F: not ISO-8859 */
	uchardet_t detector; /* NULL until a line is worth it */
	size_t fed;	     /* bytes given to the detector */
	char line[LINE_BYTES];
	size_t n_line;
	bool line_high; /* the line has a byte above 127 */
	bool line_skip; /* until the next byte that cannot be inside a character */
};

struct charset_guess *charset_guess_new(void)
{
	struct charset_guess *g = mem_alloc(sizeof(*g));

	g->utf8 = true;
	g->gb = true;
	return g;
}

void charset_guess_free(struct charset_guess *g)
{
	if (g == NULL)
		return;
	if (g->detector != NULL)
		uchardet_delete(g->detector);
	free(g);
}

/* Unicode table 3-7: the lead byte sets the count and the bounds of the second byte. */
static void utf8_lead(struct charset_guess *g, unsigned char b)
{
	g->utf8_low = 0x80;
	g->utf8_high = 0xBF;
	if (b < 0x80)
		return;
	if (b < 0xC2 || b > 0xF4) {
		g->utf8 = false;
		return;
	}
	g->utf8_left = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
	if (b == 0xE0)
		g->utf8_low = 0xA0;
	else if (b == 0xED)
		g->utf8_high = 0x9F;
	else if (b == 0xF0)
		g->utf8_low = 0x90;
	else if (b == 0xF4)
		g->utf8_high = 0x8F;
}

static void utf8_byte(struct charset_guess *g, unsigned char b)
{
	if (g->utf8_left == 0) {
		utf8_lead(g, b);
		return;
	}
	if (b < g->utf8_low || b > g->utf8_high)
		g->utf8 = false;
	g->utf8_left--;
	g->utf8_low = 0x80;
	g->utf8_high = 0xBF;
}

static void gb_two_bytes(struct charset_guess *g, unsigned char lead, unsigned char trail)
{
	g->gb_two++;
	/* Rows are GB 2312's, so the trail byte is of its square too. */
	if (lead < 0xB0 || lead > 0xD7 || trail < 0xA1)
		return;
	g->gb_common++;
	g->gb_late += lead >= 0xC9;
}

/* Whether the four bytes are at most U+FFFF (84 31 A4 39) or in 90 30 81 30 .. E3 32 9A 35. */
static bool gb_four_good(const unsigned char lead[3], unsigned char last)
{
	uint32_t v =
	    (uint32_t)lead[0] << 24 | (uint32_t)lead[1] << 16 | (uint32_t)lead[2] << 8 | last;

	return v <= 0x8431A439U || (v >= 0x90308130U && v <= 0xE3329A35U);
}

static void gb_byte(struct charset_guess *g, unsigned char b)
{
	bool digit = b >= 0x30 && b <= 0x39;

	switch (g->gb_at) {
	case 0:
		if (b < 0x80)
			return;
		g->gb = b != 0x80 && b != 0xFF;
		break;
	case 1:
		if (digit)
			break;
		g->gb = b >= 0x40 && b != 0x7F && b != 0xFF;
		gb_two_bytes(g, g->gb_lead[0], b);
		g->gb_at = 0;
		return;
	case 2:
		g->gb = b >= 0x81 && b != 0xFF;
		break;
	default:
		g->gb = digit && gb_four_good(g->gb_lead, b);
		g->gb_at = 0;
		return;
	}
	g->gb_lead[g->gb_at++] = b;
}

/* Give the gathered line to the detector if it can tell anything by it. */
static void line_end(struct charset_guess *g)
{
	if (g->line_high && g->fed < DETECT_BYTES) {
		if (g->detector == NULL && (g->detector = uchardet_new()) == NULL)
			mem_die();
		(void)uchardet_handle_data(g->detector, g->line, g->n_line);
		g->fed += g->n_line;
	}
	g->n_line = 0;
	g->line_high = false;
}

/*
 * Bytes below 0x30 are never inside a character of any of these charsets, so a long line may be cut
 * there.  A stretch without such a byte is left out, since half a character would mislead the
 * detector.
 */
static void line_byte(struct charset_guess *g, unsigned char b)
{
	if (g->line_skip && b >= 0x30)
		return;
	g->line_skip = false;
	g->line[g->n_line++] = (char)b;
	g->line_high = g->line_high || b >= 0x80;
	if (b == '\n' || (b < 0x30 && g->n_line > LINE_BYTES / 2)) {
		line_end(g);
	} else if (g->n_line == LINE_BYTES) {
		g->line_skip = g->line_high;
		g->n_line = 0;
		g->line_high = false;
	}
}

static void see_mark(struct charset_guess *g)
{
	if (g->n_first >= 3 && memcmp(g->first, "\xEF\xBB\xBF", 3) == 0)
		g->mark = MARK_UTF8;
	else if (g->n_first >= 2 && memcmp(g->first, "\xFF\xFE", 2) == 0)
		g->mark = MARK_UTF16LE;
	else if (g->n_first >= 2 && memcmp(g->first, "\xFE\xFF", 2) == 0)
		g->mark = MARK_UTF16BE;
	else
		g->mark = MARK_NONE;
}

/* The number of bytes at the beginning of P that are ASCII, in steps of eight. */
static size_t ascii_run(const char *p, size_t len)
{
	size_t n = 0;
	uint64_t w;

	while (len - n >= sizeof(w)) {
		memcpy(&w, p + n, sizeof(w));
		if ((w & 0x8080808080808080U) != 0)
			break;
		n += sizeof(w);
	}
	return n;
}

/*
 * How many of the RUN plain bytes at P need not be looked at: plain text changes no automaton that
 * is between characters, and the detector is given no line without a byte above 127.
 */
static size_t skippable(const struct charset_guess *g, const char *p, size_t run)
{
	const char *newline;

	if (g->fed >= DETECT_BYTES)
		return run;
	newline = g->line_high ? NULL : memrchr(p, '\n', run);
	return newline != NULL ? (size_t)(newline - p) : 0;
}

static void see_byte(struct charset_guess *g, unsigned char b)
{
	g->c1 = g->c1 || (b >= 0x80 && b < 0xA0);
	if (g->utf8)
		utf8_byte(g, b);
	else
		g->utf8_left = 0;
	if (g->gb)
		gb_byte(g, b);
	else
		g->gb_at = 0;
	if (g->fed < DETECT_BYTES)
		line_byte(g, b);
}

void charset_guess_feed(struct charset_guess *g, const char *bytes, size_t len)
{
	size_t looked = 0; /* up to here runs of plain text were looked for */

	for (size_t i = 0; i < len && g->n_first < sizeof(g->first); i++)
		g->first[g->n_first++] = (unsigned char)bytes[i];
	if (g->mark == MARK_UNKNOWN && g->n_first == sizeof(g->first))
		see_mark(g);
	if (g->mark > MARK_NONE)
		return; /* the mark decides */
	for (size_t i = 0; i < len; i++) {
		if (i >= looked && g->utf8_left == 0 && g->gb_at == 0) {
			size_t run = ascii_run(bytes + i, len - i);

			looked = i + run;
			i += skippable(g, bytes + i, run);
			if (i == len)
				break;
		}
		see_byte(g, (unsigned char)bytes[i]);
	}
}

/* The detector's word, checked against what it does not know; NULL when it has none we can use. */
static const char *detected(struct charset_guess *g)
{
	const char *name;

	line_end(g);
	if (g->detector == NULL)
		return NULL;
	uchardet_data_end(g->detector);
	name = charset_canonical(uchardet_get_charset(g->detector));
	/* It calls text UTF-8 or plain that we have seen to be neither. */
	if (name == NULL || text_starts(name, "UTF-"))
		return NULL;
	/* windows-1252 has all of ISO-8859-1 and, in 80..9F, what people really write. */
	if (strcmp(name, "ISO-8859-1") == 0 || (g->c1 && strcmp(name, "ISO-8859-15") == 0))
		return "windows-1252";
	if (g->c1 && strcmp(name, "ISO-8859-9") == 0)
		return "windows-1254";
	return name;
}

/*
 * Korean (EUC-KR) is valid GB18030 in the same rows, but its Hangul end at row C8 while a third of
 * Chinese text lies behind.  Enough characters without any there: the detector may say Korean.
 */
static bool like_hangul(const struct charset_guess *g)
{
	return g->gb_common >= HANGUL_MIN && g->gb_late * 20 < g->gb_common;
}

const char *charset_guess_end(struct charset_guess *g, const char **ret_source)
{
	static const char *const marks[] = {
	    [MARK_UTF8] = "UTF-8", [MARK_UTF16LE] = "UTF-16LE", [MARK_UTF16BE] = "UTF-16BE"};
	const char *ignored, *name;
	bool chinese;

	if (ret_source == NULL)
		ret_source = &ignored;
	if (g->mark == MARK_UNKNOWN)
		see_mark(g);
	if (g->mark > MARK_NONE) {
		*ret_source = "bom";
		return marks[g->mark];
	}
	if (g->utf8 && g->utf8_left == 0) {
		*ret_source = "utf-8";
		return "UTF-8";
	}
	chinese = g->gb && g->gb_at == 0 && g->gb_two > 0 && g->gb_common * 2 >= g->gb_two;
	*ret_source = "gb18030";
	if (chinese && !like_hangul(g))
		return "GB18030";
	name = detected(g);
	if (chinese && (name == NULL || strcmp(name, "EUC-KR") != 0))
		return "GB18030";
	*ret_source = name != NULL ? "detector" : "fallback";
	return name != NULL ? name : "windows-1252";
}
