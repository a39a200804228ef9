#include "geo/gridgate.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"

#define BLOCK	     65536
#define MAX_WORD     63	       /* of a longer one the beginning is looked at */
#define SIDE_MOST    INT32_MAX /* columns or rows */
#define FLOAT_DIGITS 7	       /* digits any number of 32 bits keeps */

struct scan {
	struct grid_facts *facts;
	char word[MAX_WORD + 1];
	size_t len;
	char key[MAX_WORD + 1]; /* of the head, while its value is awaited */
	bool in_cells;		/* the head is over */
	bool over;		/* so are the cells: what follows are remarks */
	int64_t columns, rows;
	bool real, big; /* a cell with a fraction; one beyond 32 bits */
	unsigned told;	/* what of the four keys of a place the head has, bits */
};

/* "nan", "-inf", "1.#QNAN": what programs write for no value. */
static bool is_no_value(const char *s)
{
	static const char *const words[] = {"nan", "inf", "1.#"};

	s += *s == '-' || *s == '+';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncasecmp(s, words[i], 3) == 0)
			return true;
	return false;
}

/* Would 32 bits change what the word, a number, says?  Its digits tell how exactly it is meant. */
static bool needs_double(char *word)
{
	char *comma = strchr(word, ',');
	int digits = 0;
	double v;

	if (comma != NULL)
		*comma = '.';
	for (const char *p = word + strspn(word, "+-0."); *p != '\0' && *p != 'e' && *p != 'E'; p++)
		digits += *p != '.';
	if (digits <= FLOAT_DIGITS || !text_double(word, &v) || v == 0)
		return false;
	return fabs((double)(float)v - v) > pow(10, floor(log10(fabs(v))) - digits + 1) / 2;
}

static void take_cell(struct scan *s)
{
	struct grid_facts *f = s->facts;
	size_t sign = s->word[0] == '-' || s->word[0] == '+';
	size_t digits = strspn(s->word + sign, "0123456789");

	if (digits > 0 && sign + digits == s->len) {
		s->big = s->big || (digits >= 10 && llabs(strtoll(s->word, NULL, 10)) > INT32_MAX);
	} else if (is_no_value(s->word) || (strspn(s->word, "0123456789.,+-eE") == s->len &&
					    strpbrk(s->word, "0123456789") != NULL)) {
		s->real = true;
		s->big = s->big || needs_double(s->word);
	} else {
		if (f->found < s->columns * s->rows)
			memcpy(f->bad, s->word, sizeof(f->bad));
		s->over = true;
		return;
	}
	f->found++;
}

/* GDAL wants both of one kind; else it calls the place 0, 0. */
static void take_place(struct scan *s)
{
	static const char *const keys[] = {"xllcorner", "yllcorner", "xllcenter", "yllcenter"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcasecmp(s->key, keys[i]) == 0)
			s->told |= 1u << i;
	s->facts->placed = (s->told & 3) == 3 || (s->told & 12) == 12;
}

static void take_word(struct scan *s)
{
	s->word[s->len] = '\0';
	if (s->in_cells) {
		take_cell(s);
	} else if (s->key[0] != '\0') {
		if (strcasecmp(s->key, "ncols") == 0)
			(void)text_int(s->word, 1, SIDE_MOST, &s->columns);
		else if (strcasecmp(s->key, "nrows") == 0)
			(void)text_int(s->word, 1, SIDE_MOST, &s->rows);
		else
			take_place(s);
		s->key[0] = '\0';
	} else if (strspn(s->word, "0123456789.,+-") > 0 || is_no_value(s->word)) {
		s->in_cells = true;
		take_cell(s);
	} else {
		memcpy(s->key, s->word, sizeof(s->key));
	}
	s->len = 0;
}

void grid_gate_file(const char *path, struct grid_facts *ret)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE char *block = mem_alloc(BLOCK);
	struct scan s = {.facts = ret};
	ssize_t n = 0;

	*ret = (struct grid_facts){0};
	while (fd >= 0 && !s.over && (n = read(fd, block, BLOCK)) > 0) {
		for (ssize_t i = 0; i < n && !s.over; i++) {
			char c = block[i];

			if (c == ' ' || (c >= '\t' && c <= '\r')) {
				if (s.len > 0)
					take_word(&s);
			} else if (s.len < MAX_WORD) {
				s.word[s.len++] = c;
			}
		}
	}
	if (s.len > 0 && !s.over)
		take_word(&s);
	ret->columns = s.columns;
	ret->expected = s.columns * s.rows;
	ret->type = s.big ? "Float64" : s.real ? "Float32" : NULL;
}
