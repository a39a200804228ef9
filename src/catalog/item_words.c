/*
 * Terms of data items.
 */
#include "catalog/item_words.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
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
static void put_sign(FILE *f, int32_t cp)
{
	fprintf(f, "\xee\x80\x80%x", (unsigned)cp);
}

char *item_words_index(const char *folded)
{
	char *text = NULL;
	size_t len = 0;
	int n;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		mem_die();
	for (struct at a = at(folded); a.len > 0; a = at(a.s + a.len)) {
		if (a.class == WORD_OTHER && is_blank(a.cp))
			continue;
		if (a.class == WORD_OTHER)
			put_sign(f, a.cp);
		else
			fprintf(f, "%.*s", (int)(term_end(a, &n) - a.s), a.s);
		(void)fputc(' ', f);
	}
	if (fclose(f) != 0)
		mem_die();
	return text;
}

/*
 * "river" asks for riv, ive and ver: the shorter ends of a run are beginnings of terms of the
 * index, so "er" and "r" ask for more than they prove and are left out unless the run has nothing
 * longer.
 */
char *item_words_match(const char *folded, bool *ret_exact)
{
	char *text = NULL;
	size_t len = 0, terms = 0, chars = 0, proven = 1;
	bool inside = false; /* the run has a full term already */
	enum word_class class = WORD_OTHER;
	FILE *f = open_memstream(&text, &len);
	int n = 0;

	if (f == NULL)
		mem_die();
	for (struct at a = at(folded); a.len > 0 && terms < MAX_TERMS; a = at(a.s + a.len)) {
		chars++;
		if (a.class != class)
			inside = false;
		class = a.class;
		if (a.class == WORD_OTHER) {
			if (is_blank(a.cp))
				continue;
			(void)fputc('"', f);
			put_sign(f, a.cp);
			fputs("\" ", f);
			terms++;
			continue;
		}
		const char *end = term_end(a, &n);

		if (n < span(a.class) && inside)
			continue;
		fprintf(f, "\"%.*s\" %s", (int)(end - a.s), a.s, n < span(a.class) ? "* " : "");
		terms++;
		proven = (size_t)n;
		inside = true;
	}
	if (fclose(f) != 0)
		mem_die();
	/* One term, as long as the keyword, is the keyword. */
	*ret_exact = terms == 1 && chars == proven;
	return text;
}
