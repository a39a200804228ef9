/*
 * Terms of data items.
 */
#include "catalog/item_words.h"

#include <stdint.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/words_run.h"

#define MAX_TERMS 16 /* of one keyword: what more there is, the comparison sees */

/* The characters of a text with their classes. */
struct at {
	const char *s;
	size_t len; /* bytes of the character, 0 at the end */
	enum word_class class;
	int32_t cp;
};

static struct at at(const char *s)
{
	struct at a = {.s = s};

	if (*s == '\0')
		return a;
	a.len = words_char(s);
	if (text_decode(s, a.len, &a.cp) == 0)
		a.cp = ' ';
	a.class = words_class(a.cp);
	return a;
}

static bool is_blank(int32_t cp)
{
	return cp <= ' ' || cp == 0xa0 || cp == 0x3000;
}

/* How many characters a term of this class has. */
static int span(enum word_class class)
{
	return class == WORD_DENSE ? 2 : 3;
}

/* The end of the term that begins at A: up to SPAN characters of its class; *RET_N tells how many.
 */
static const char *term_end(struct at a, int *ret_n)
{
	int n = 1, most = span(a.class);
	struct at next = at(a.s + a.len);

	while (n < most && next.len > 0 && next.class == a.class) {
		n++;
		a = next;
		next = at(a.s + a.len);
	}
	*ret_n = n;
	return a.s + a.len;
}

/* A sign's term begins with a private character, which is no letter and so begins no other term. */
static void put_sign(struct buf *b, int32_t cp)
{
	buf_printf(b, "\xee\x80\x80%x", (unsigned)cp);
}

char *item_words_index(const char *folded)
{
	struct buf b = {0};
	int n;

	for (struct at a = at(folded); a.len > 0; a = at(a.s + a.len)) {
		if (a.class == WORD_OTHER && is_blank(a.cp))
			continue;
		if (a.class == WORD_OTHER)
			put_sign(&b, a.cp);
		else
			buf_add(&b, a.s, (size_t)(term_end(a, &n) - a.s));
		buf_char(&b, ' ');
	}
	return buf_take(&b, NULL);
}

/*
 * "river" asks for riv, ive and ver: the shorter ends of a run are beginnings of terms of the
 * index, so "er" and "r" ask for more than they prove and are left out unless the run has nothing
 * longer.
 */
char *item_words_match(const char *folded, bool *ret_exact)
{
	struct buf b = {0};
	size_t terms = 0, chars = 0, proven = 1;
	bool inside = false; /* the run has a full term already */
	enum word_class class = WORD_OTHER;
	int n = 0;

	for (struct at a = at(folded); a.len > 0 && terms < MAX_TERMS; a = at(a.s + a.len)) {
		chars++;
		if (a.class != class)
			inside = false;
		class = a.class;
		if (a.class == WORD_OTHER) {
			if (is_blank(a.cp))
				continue;
			buf_char(&b, '"');
			put_sign(&b, a.cp);
			buf_str(&b, "\" ");
			terms++;
			continue;
		}
		const char *end = term_end(a, &n);

		if (n < span(a.class) && inside)
			continue;
		buf_char(&b, '"');
		buf_add(&b, a.s, (size_t)(end - a.s));
		buf_str(&b, n < span(a.class) ? "\" * " : "\" ");
		terms++;
		proven = (size_t)n;
		inside = true;
	}
	/* One term, as long as the keyword, is the keyword. */
	*ret_exact = terms == 1 && chars == proven;
	return buf_take(&b, NULL);
}
