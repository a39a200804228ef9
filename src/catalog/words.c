/*
 * Search terms.
 */
#include "catalog/words.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "catalog/words_run.h"

#define MAX_TERMS 64 /* of one question */

/* Scripts without spaces between words. */
static const struct {
	int32_t first, last;
} dense[] = {
    {0x0e00, 0x0eff},	/* Thai, Lao */
    {0x1000, 0x109f},	/* Myanmar */
    {0x1100, 0x11ff},	/* Hangul Jamo */
    {0x1780, 0x17ff},	/* Khmer */
    {0x2e80, 0x2fdf},	/* CJK radicals */
    {0x3005, 0x3007},	/* iteration mark, closing mark, zero */
    {0x3041, 0x31ff},	/* Kana, Bopomofo, Hangul compatibility Jamo */
    {0x3400, 0x4dbf},	/* CJK extension A */
    {0x4e00, 0x9fff},	/* CJK */
    {0xa960, 0xa97f},	/* Hangul Jamo extended */
    {0xac00, 0xd7ff},	/* Hangul */
    {0xf900, 0xfaff},	/* CJK compatibility */
    {0x1b000, 0x1b16f}, /* Kana supplement */
    {0x20000, 0x3ffff}, /* CJK extensions */
};

enum word_class words_class(int32_t cp)
{
	if (!text_is_letter(cp) && !text_is_digit(cp))
		return cp >= 0x3005 && cp <= 0x3007 ? WORD_DENSE : WORD_OTHER;
	for (size_t i = 0; i < sizeof(dense) / sizeof(dense[0]); i++)
		if (cp >= dense[i].first && cp <= dense[i].last)
			return WORD_DENSE;
	return WORD_LETTERS;
}

/*
 * The next run of one class at *P: its start; *RET_LEN bytes, *RET_CHARS characters.  NULL at the
 * end.
 */
static const char *next_run(const char **p, enum word_class *ret_class, size_t *ret_len,
			    size_t *ret_chars)
{
	const char *s = *p, *start = NULL;
	enum word_class now = WORD_OTHER;
	size_t chars = 0;

	while (*s != '\0') {
		int32_t cp = 0;
		size_t n = text_decode(s, strnlen(s, 4), &cp);
		enum word_class c = n == 0 ? WORD_OTHER : words_class(cp);

		if (start != NULL && c != now)
			break;
		if (c != WORD_OTHER && start == NULL) {
			start = s;
			now = c;
		}
		if (start != NULL)
			chars++;
		s += n == 0 ? 1 : n;
	}
	*p = s;
	*ret_class = now;
	*ret_len = start == NULL ? 0 : (size_t)(s - start);
	*ret_chars = chars;
	return start;
}

size_t words_char(const char *s)
{
	int32_t cp;
	size_t n = text_decode(s, strnlen(s, 4), &cp);

	return n == 0 ? 1 : n;
}

char *words_fold(const char *text)
{
	char *folded = text == NULL ? NULL : text_fold_plain(text);

	return folded == NULL ? mem_strdup("") : folded;
}

static FILE *open_text(char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	if (f == NULL)
		mem_die();
	return f;
}

static char *close_text(FILE *f, char *const *text)
{
	if (fclose(f) != 0)
		mem_die();
	return *text;
}

/*
 * A run "abc" gives "ab bc c": its last character alone lets a question of one character find it as
 * a beginning.
 */
static void put_pairs(FILE *f, const char *run, size_t len)
{
	const char *end = run + len;

	while (run < end) {
		size_t one = words_char(run);
		size_t two = run + one < end ? one + words_char(run + one) : one;

		fprintf(f, "%.*s ", (int)two, run);
		run += one;
	}
}

char *words_index(const char *folded)
{
	char *text = NULL;
	size_t text_len = 0, len, chars;
	FILE *f = open_text(&text, &text_len);
	const char *run;
	enum word_class class;

	while ((run = next_run(&folded, &class, &len, &chars)) != NULL) {
		if (class == WORD_DENSE)
			put_pairs(f, run, len);
		else
			fprintf(f, "%.*s ", (int)len, run);
	}
	return close_text(f, &text);
}

/* Only letters and digits are ever quoted here: no term can end its quotes. */
static size_t ask_dense(FILE *f, const char *run, size_t len, size_t chars)
{
	const char *end = run + len;
	size_t n = 0;

	if (chars == 1) {
		fprintf(f, "\"%.*s\" * ", (int)len, run);
		return 1;
	}
	for (size_t one = words_char(run); run + one < end && n < MAX_TERMS;
	     one = words_char(run)) {
		fprintf(f, "\"%.*s\" ", (int)(one + words_char(run + one)), run);
		run += one;
		n++;
	}
	return n;
}

char *words_match(const char *folded, char ***ret_runs)
{
	char *text = NULL, **runs = NULL;
	size_t text_len = 0, len, chars, terms = 0, n_runs = 0;
	FILE *f = open_text(&text, &text_len);
	const char *run;
	enum word_class class;

	while (terms < MAX_TERMS && (run = next_run(&folded, &class, &len, &chars)) != NULL) {
		if (class == WORD_LETTERS) {
			fprintf(f, "\"%.*s\" * ", (int)len, run);
			terms++;
			continue;
		}
		terms += ask_dense(f, run, len, chars);
		if (chars > 2 && ret_runs != NULL) {
			runs = mem_resize(runs, n_runs + 2, sizeof(*runs));
			runs[n_runs++] = mem_strndup(run, len);
			runs[n_runs] = NULL;
		}
	}
	if (ret_runs != NULL)
		*ret_runs = runs;
	return close_text(f, &text);
}

void words_runs_free(char **runs)
{
	for (size_t i = 0; runs != NULL && runs[i] != NULL; i++)
		free(runs[i]);
	free(runs);
}
