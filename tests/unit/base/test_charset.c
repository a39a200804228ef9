/*
 * Goal: names of charsets meet in one spelling, decoding loses nothing silently and does not depend
 * on how the bytes are cut, and the guess follows contracts/wizard.md 17.1.
 */
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "unit.h"

/* A park, a temple and a lake of Beijing with addresses, enough for any detector. */
/* clang-format off */
#define CHINESE                                                                                    \
	"北京市朝阳区奥林匹克森林公园是亚洲最大的城市绿化景观。天坛公园位于东城区，是明清两代皇帝祭天的地方，"      \
	"每年有很多游客来这里参观。\n颐和园在海淀区，昆明湖与万寿山组成了这座中国现存规模最大的皇家园林。\n"
#define KOREAN                                                                                     \
	"서울특별시 종로구 세종대로에 있는 경복궁은 조선 왕조의 법궁이다. 남산 공원과 한강 공원은 시민들이 "       \
	"많이 찾는 곳이며 주말에는 가족과 함께 나들이를 나온 사람들로 붐빈다.\n"
#define JAPANESE                                                                                   \
	"東京都千代田区にある皇居は、かつての江戸城の跡地です。上野公園には美術館や動物園があり、春になると"        \
	"たくさんの人がお花見に訪れます。\n"
#define TAIWANESE                                                                                  \
	"臺北市大安區的森林公園是市中心最大的綠地，許多市民在這裡運動和休息。國立故宮博物院收藏了豐富的文物，"      \
	"每年吸引許多觀光客。\n"
#define RUSSIAN                                                                                    \
	"Москва, парк Горького и Воробьёвы горы. В этом парке много деревьев, прудов и дорожек для прогулок. " \
	"Эрмитаж находится в Санкт-Петербурге на берегу Невы.\n"
/* clang-format on */
#define BEIJINGS "1,北京,39.9\n2,北京,39.8\n3,北京,39.7\n4,北京,39.6\n5,北京,39.5\n6,北京,39.4\n"
#define FRENCH                                                                                     \
	"Forêt de Fontainebleau; café à l'entrée; école fermée l'été; Île-de-France; où ça?\n"

/* TEXT (UTF-8) in CHARSET, by the iconv program: the other side must not be our own code. */
static char *encode(const char *charset, const char *text, size_t *ret_len)
{
	char path[] = "/tmp/slipway-unit-iconv-XXXXXX";
	int fd = mkstemp(path);
	CLEAN_FREE char *command = mem_printf("iconv -f UTF-8 -t %s %s", charset, path);
	char *out = mem_alloc(65536);
	FILE *p;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	p = popen(command, "r");
	*ret_len = fread(out, 1, 65536, p);
	assert_int_equal(pclose(p), 0);
	(void)unlink(path);
	return out;
}

static void test_charset_names_meet(void **state)
{
	static const char *const rows[][2] = {
	    {"utf8", "UTF-8"},
	    {"65001", "UTF-8"},
	    {"gb2312", "GB18030"},
	    {"GBK", "GB18030"},
	    {"936", "GB18030"},
	    {"CP936", "GB18030"},
	    {"950", "Big5"},
	    {"BIG5", "Big5"},
	    {"1252", "windows-1252"},
	    {"ANSI 1252", "windows-1252"},
	    {"cp1251", "windows-1251"},
	    {"88591", "ISO-8859-1"},
	    {"ISO8859-15", "ISO-8859-15"},
	    {"iso_8859-15", "ISO-8859-15"},
	    {"latin1", "ISO-8859-1"},
	    {"sjis", "Shift_JIS"},
	    {"cp932", "Shift_JIS"},
	    {"euc_kr", "EUC-KR"},
	    {"cp949", "EUC-KR"},
	    {"koi8r", "KOI8-R"},
	    {"IBM866", "cp866"},
	    {"CP437", "cp437"},
	    {"cp852", "cp852"},
	    {"UTF-16le", "UTF-16LE"},
	    {"TIS-620", "cp874"},
	    {"US-ASCII", "UTF-8"},
	};
	static const char *const unknown[] = {"",
					      "OEM",
					      "ANSI",
					      "klingon",
					      "UTF-8//IGNORE",
					      "ISO-8859-12",
					      "8859",
					      "utf-8\n",
					      "\xE5",
					      "windows-125",
					      "99999999999999999999999999999",
					      "-",
					      "1"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (charset_canonical(rows[i][0]) == NULL)
			fail_msg("unknown: %s", rows[i][0]);
		assert_string_equal(charset_canonical(rows[i][0]), rows[i][1]);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(charset_canonical(unknown[i]));
	assert_null(charset_canonical(NULL));
	assert_null(charset_decode("klingon", "x", 1, NULL, NULL));
	assert_null(charset_conv_new("klingon"));
	charset_conv_free(NULL);
}

static void test_charset_choices_can_all_be_decoded(void **state)
{
	(void)state;
	for (const char *const *c = charset_choices(); *c != NULL; c++) {
		CLEAN_FREE char *got = NULL;
		bool wide = text_starts(*c, "UTF-16");
		size_t bad;

		got = charset_decode(*c, wide ? "a\0,\0" : "a,", wide ? 4 : 2, NULL, &bad);
		if (got == NULL)
			fail_msg("%s", *c);
		assert_string_equal(got, "a,");
		assert_int_equal(bad, 0);
	}
}

static void decodes(const char *charset, const char *bytes, size_t len, const char *want,
		    size_t want_bad)
{
	CLEAN_FREE char *got = NULL;
	size_t got_len, bad;

	got = charset_decode(charset, bytes, len, &got_len, &bad);
	assert_non_null(got);
	assert_string_equal(got, want);
	assert_int_equal(got_len, strlen(want));
	assert_int_equal(bad, want_bad);
}

static void test_charset_bad_bytes_are_counted_not_dropped(void **state)
{
	(void)state;
	decodes("UTF-8",
		"a\xFF"
		"b",
		3,
		"a\xEF\xBF\xBD"
		"b",
		1);
	decodes("UTF-8", "\xE5\x8C", 2, "\xEF\xBF\xBD\xEF\xBF\xBD", 2);
	decodes("UTF-8", "\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3);
	decodes("UTF-8",
		"\xEF\xBB\xBF"
		"a\xEF\xBB\xBF",
		7, "a\xEF\xBB\xBF", 0);
	decodes("UTF-16LE",
		"\xFF\xFE"
		"a\0",
		4, "a", 0);
	decodes("UTF-16", "\xFE\xFF\0a", 4, "a", 0);
	decodes("UTF-16BE", "\0a\xDC\0\0b\0", 7,
		"a\xEF\xBF\xBD"
		"b\xEF\xBF\xBD",
		2);
	/* A broken lead byte does not swallow the separator behind it. */
	decodes("GB18030", "\xB1\xB1\xBE,\xBE\xA9", 6, "\xE5\x8C\x97\xEF\xBF\xBD,\xE4\xBA\xAC", 1);
	decodes("GBK", "\xB1\xB1\xBE", 3, "\xE5\x8C\x97\xEF\xBF\xBD", 1);
	decodes("windows-1252", "\x80\x81\xE9", 3, "\xE2\x82\xAC\xEF\xBF\xBD\xC3\xA9", 1);
	decodes("Shift_JIS", "\x93\x8C\x8B\x9E\xB1", 5, "\xE6\x9D\xB1\xE4\xBA\xAC\xEF\xBD\xB1", 0);
	/* This decoder holds a letter back until it has seen what follows. */
	decodes("windows-1258", "a", 1, "a", 0);
	decodes("windows-1258",
		"a\xEC"
		"bo",
		4,
		"\xC3\xA1"
		"bo",
		0);
	decodes("windows-1258",
		"o\xD2"
		"a\xD2",
		4, "\xE1\xBB\x8F\xE1\xBA\xA3", 0);
	decodes("GB18030", "", 0, "", 0);
}

/* Decode BYTES in pieces of IN_STEP into buffers of OUT_SIZE. */
static char *in_pieces(const char *charset, const char *bytes, size_t len, size_t in_step,
		       size_t out_size, size_t *ret_bad)
{
	struct charset_conv *c = charset_conv_new(charset);
	char *got = mem_alloc(len * 4 + 64);
	char in[64], out[64];
	size_t held = 0, at = 0, n = 0, bad;

	*ret_bad = 0;
	for (;;) {
		size_t more = len - at < in_step ? len - at : in_step;
		const char *p = in;

		memcpy(in + held, bytes + at, more);
		held += more;
		at += more;
		for (;;) {
			size_t before = held;
			size_t made =
			    charset_conv_run(c, &p, &held, out, out_size, at == len, &bad);

			assert_true(made <= out_size);
			memcpy(got + n, out, made);
			n += made;
			*ret_bad += bad;
			if (made == 0 && held == before)
				break;
		}
		memmove(in, p, held);
		if (at == len)
			break;
		assert_true(held < 8);
	}
	assert_int_equal(held, 0);
	charset_conv_free(c);
	return got;
}

static void test_charset_pieces_give_the_same(void **state)
{
	static const char *const names[] = {"UTF-8",  "GB18030",      "UTF-16LE",
					    "EUC-JP", "windows-1258", "Big5"};
	char noise[3000];
	unsigned seed = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1103515245 + 12345;
		noise[i] = (char)(seed >> 16);
	}
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		CLEAN_FREE char *want = NULL;
		size_t want_bad, want_len;

		want = charset_decode(names[k], noise, sizeof(noise), &want_len, &want_bad);
		assert_true(text_is_utf8(want, want_len));
		for (size_t step = 1; step <= 13; step += 3) {
			for (size_t room = 8; room < 30; room += 5) {
				CLEAN_FREE char *got = NULL;
				size_t bad;

				got = in_pieces(names[k], noise, sizeof(noise), step, room, &bad);
				assert_memory_equal(got, want, want_len + 1);
				assert_int_equal(bad, want_bad);
			}
		}
	}
}

/* The guess for BYTES fed STEP at a time. */
static const char *guess(const char *bytes, size_t len, size_t step, const char **ret_source)
{
	struct charset_guess *g = charset_guess_new();
	const char *got;

	for (size_t at = 0; at < len; at += step)
		charset_guess_feed(g, bytes + at, len - at < step ? len - at : step);
	got = charset_guess_end(g, ret_source);
	charset_guess_free(g);
	return got;
}

static void guessed(const char *bytes, size_t len, const char *want, const char *want_source)
{
	for (size_t step = 1; step <= len + 1; step = step * 3 + 1) {
		const char *source;
		const char *got = guess(bytes, len, step, &source);

		if (strcmp(got, want) != 0 || strcmp(source, want_source) != 0)
			fail_msg("%s (%s) instead of %s (%s), step %zu", got, source, want,
				 want_source, step);
	}
}

static void test_charset_guess_sees_marks_and_utf8(void **state)
{
	(void)state;
	guessed("", 0, "UTF-8", "utf-8");
	guessed("a,b\n1,2\n", 8, "UTF-8", "utf-8");
	guessed(CHINESE, strlen(CHINESE), "UTF-8", "utf-8");
	guessed("\xEF\xBB\xBF"
		"a\xFF",
		5, "UTF-8", "bom");
	guessed("\xFF\xFE"
		"a\0",
		4, "UTF-16LE", "bom");
	guessed("\xFE\xFF\0a", 4, "UTF-16BE", "bom");
	guessed("\xFF\xFE", 2, "UTF-16LE", "bom");
	charset_guess_free(NULL);
}

static void test_charset_guess_wants_all_bytes_to_be_utf8(void **state)
{
	static const char *const wrong[] = {
	    "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
	    "\xE5\x8C", "\xF0\x9F\x98", "\x80"};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "%s%s",
					      "caf\xC3\xA9 and more plain text, ", wrong[i]);

		for (size_t step = 1; step < 9; step++)
			assert_string_not_equal(guess(text, len, step, NULL), "UTF-8");
	}
}

static void guessed_encoded(const char *charset, const char *text, const char *want,
			    const char *want_source)
{
	CLEAN_FREE char *bytes = NULL;
	size_t len;

	bytes = encode(charset, text, &len);
	guessed(bytes, len, want, want_source);
}

static void test_charset_guess_knows_the_languages(void **state)
{
	(void)state;
	guessed_encoded("GB18030", CHINESE, "GB18030", "gb18030");
	guessed_encoded("GBK", "name,lat\n北京,39.9\n天坛公园,39.8\n", "GB18030", "gb18030");
	guessed_encoded("GB18030", "\xF0\xA0\x80\x80" CHINESE "\xF0\xA0\x80\x81", "GB18030",
			"gb18030");
	/* The same two characters in every row, both where Korean has its own. */
	guessed_encoded("GBK", BEIJINGS BEIJINGS BEIJINGS, "GB18030", "gb18030");
	guessed_encoded("EUC-KR", KOREAN, "EUC-KR", "detector");
	guessed_encoded("EUC-JP", JAPANESE JAPANESE, "EUC-JP", "detector");
	guessed_encoded("SHIFT_JIS", JAPANESE JAPANESE, "Shift_JIS", "detector");
	guessed_encoded("BIG5", TAIWANESE TAIWANESE, "Big5", "detector");
	guessed_encoded("CP1251", RUSSIAN RUSSIAN, "windows-1251", "detector");
	guessed_encoded("KOI8-R", RUSSIAN RUSSIAN, "KOI8-R", "detector");
	guessed_encoded("CP1252", FRENCH FRENCH FRENCH, "windows-1252", "detector");
}

static void test_charset_guess_falls_back(void **state)
{
	const char *source;
	char binary[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		binary[i] = (char)(255 - i);
	assert_non_null(guess(binary, sizeof(binary), 7, &source));
	guessed("\x81\x82\x83\x84\xFF\xFF", 6, "windows-1252", "fallback");
}

static void test_charset_guess_reads_far_into_big_files(void **state)
{
	CLEAN_FREE char *plain = mem_alloc(1 << 16);
	CLEAN_FREE char *bytes = NULL;
	struct charset_guess *g = charset_guess_new();
	const char *source;
	size_t len;

	(void)state;
	bytes = encode("EUC-KR", KOREAN, &len);
	for (size_t i = 0; i < 1 << 16; i++)
		plain[i] = i % 50 == 49 ? '\n' : 'x';
	for (int i = 0; i < 1600; i++) /* 100 MiB of plain lines first */
		charset_guess_feed(g, plain, 1 << 16);
	charset_guess_feed(g, "\n", 1);
	for (int i = 0; i < 20000; i++)
		charset_guess_feed(g, bytes, len);
	assert_string_equal(charset_guess_end(g, &source), "EUC-KR");
	assert_string_equal(source, "detector");
	charset_guess_free(g);
}

static void test_charset_guess_copes_with_long_lines(void **state)
{
	CLEAN_FREE char *bytes = NULL;
	CLEAN_FREE char *line = NULL;
	size_t len;

	(void)state;
	bytes = encode("EUC-KR", KOREAN, &len);
	bytes[len - 1] = ' ';
	line = mem_array(len, 200);
	for (size_t i = 0; i < 200; i++)
		memcpy(line + i * len, bytes, len);
	guessed(line, len * 200, "EUC-KR", "detector");
	memset(line, 'x', len * 100);
	guessed(line, len * 200, "EUC-KR", "detector");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_charset_names_meet),
	    cmocka_unit_test(test_charset_choices_can_all_be_decoded),
	    cmocka_unit_test(test_charset_bad_bytes_are_counted_not_dropped),
	    cmocka_unit_test(test_charset_pieces_give_the_same),
	    cmocka_unit_test(test_charset_guess_sees_marks_and_utf8),
	    cmocka_unit_test(test_charset_guess_wants_all_bytes_to_be_utf8),
	    cmocka_unit_test(test_charset_guess_knows_the_languages),
	    cmocka_unit_test(test_charset_guess_falls_back),
	    cmocka_unit_test(test_charset_guess_reads_far_into_big_files),
	    cmocka_unit_test(test_charset_guess_copes_with_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
