/*
 * Search terms.
 */
#include "catalog/words.h"

#include <stdint.h>
#include <string.h>
#include "base/buf.h"
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

/*
 * A run "abc" gives "ab bc c": its last character alone lets a question of one character find it as
 * a beginning.
 */
static void put_pairs(struct buf *b, const char *run, size_t len)
{
	const char *end = run + len;

	while (run < end) {
		size_t one = words_char(run);
		size_t two = run + one < end ? one + words_char(run + one) : one;

		buf_add(b, run, two);
		buf_char(b, ' ');
		run += one;
	}
}

char *words_index(const char *folded)
{
	struct buf b = {0};
	size_t len, chars;
	const char *run;
	enum word_class class;

	while ((run = next_run(&folded, &class, &len, &chars)) != NULL) {
		if (class == WORD_DENSE) {
			put_pairs(&b, run, len);
			continue;
		}
		buf_add(&b, run, len);
		buf_char(&b, ' ');
	}
	return buf_take(&b, NULL);
}

/* Only letters and digits are ever quoted here: no term can end its quotes. */
static void ask_term(struct buf *b, const char *term, size_t len, const char *after)
{
	buf_char(b, '"');
	buf_add(b, term, len);
	buf_str(b, after);
}

static size_t ask_dense(struct buf *b, const char *run, size_t len, size_t chars)
{
	const char *end = run + len;
	size_t n = 0;

	if (chars == 1) {
		ask_term(b, run, len, "\" * ");
		return 1;
	}
	for (size_t one = words_char(run); run + one < end && n < MAX_TERMS;
	     one = words_char(run)) {
		ask_term(b, run, one + words_char(run + one), "\" ");
		run += one;
		n++;
	}
	return n;
}

char *words_match(const char *folded, char ***ret_runs)
{
	struct buf b = {0};
	char **runs = NULL;
	size_t len, chars, terms = 0, n_runs = 0;
	const char *run;
	enum word_class class;

	while (terms < MAX_TERMS && (run = next_run(&folded, &class, &len, &chars)) != NULL) {
		if (class == WORD_LETTERS) {
			ask_term(&b, run, len, "\" * ");
			terms++;
			continue;
		}
		terms += ask_dense(&b, run, len, chars);
		if (chars > 2 && ret_runs != NULL) {
			runs = mem_resize(runs, n_runs + 2, sizeof(*runs));
			runs[n_runs++] = mem_strndup(run, len);
			runs[n_runs] = NULL;
		}
	}
	if (ret_runs != NULL)
		*ret_runs = runs;
	return buf_take(&b, NULL);
}

void words_runs_free(char **runs)
{
	for (size_t i = 0; runs != NULL && runs[i] != NULL; i++)
		free(runs[i]);
	free(runs);
}
