#include "wizard/when_format.h"

#include <string.h>
#include "base/mem.h"

/*
 * A pattern becomes a row of operations, each a byte to find, a field to read, or a bracket.
 */

struct letter {
	char letter;
	enum when_field field;
	unsigned char min, max;
};

static const struct letter java_letters[] = {
    {'y', F_YEAR, 1, WHEN_YEAR_DIGITS},
    {'M', F_MONTH, 1, 2},
    {'d', F_DAY, 1, 2},
    {'H', F_HOUR, 1, 2},
    {'h', F_HOUR12, 1, 2},
    {'m', F_MINUTE, 1, 2},
    {'s', F_SECOND, 1, 2},
    {'S', F_FRACTION, 1, 9},
    {'a', F_AMPM, 0, 0},
    {'Z', F_ZONE, 0, 0},
    {'X', F_ZONE, 0, 0},
    {'D', F_DAY_OF_YEAR, 1, 3},
};

static const struct letter strptime_letters[] = {
    {'Y', F_YEAR, 4, 4},       {'y', F_YEAR2, 2, 2},	  {'m', F_MONTH, 1, 2},
    {'d', F_DAY, 1, 2},	       {'H', F_HOUR, 1, 2},	  {'I', F_HOUR12, 1, 2},
    {'M', F_MINUTE, 1, 2},     {'S', F_SECOND, 1, 2},	  {'f', F_FRACTION, 1, 9},
    {'p', F_AMPM, 0, 0},       {'z', F_ZONE, 0, 0},	  {'j', F_DAY_OF_YEAR, 1, 3},
    {'b', F_MONTH_NAME, 0, 0}, {'B', F_MONTH_NAME, 0, 0},
};

/* Digits of the field when another number follows at once: strptime has no repeated letters. */
static const unsigned char full_width[F__MAX] = {
    [F_YEAR] = 4, [F_YEAR2] = 2,  [F_MONTH] = 2,  [F_DAY] = 2,	  [F_DAY_OF_YEAR] = 3,
    [F_HOUR] = 2, [F_HOUR12] = 2, [F_MINUTE] = 2, [F_SECOND] = 2, [F_FRACTION] = 6,
};

struct compiler {
	struct when_format *f;
	unsigned char width[WHEN_FORMAT_MAX + 1]; /* per op: digits when a number follows at once */
	unsigned char open[WHEN_OPTIONAL_MAX];	  /* ops of brackets not yet closed */
	size_t n_open;
	unsigned char n_optional;
	char bad[54]; /* letters nobody knows */
	bool broken;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_literal(struct compiler *c, char byte)
{
	c->f->op[c->f->n++] = (struct when_op){.kind = OP_LITERAL, .literal = byte};
}

static void add_bad(struct compiler *c, char letter)
{
	size_t n = strlen(c->bad);

	if (strchr(c->bad, letter) == NULL && n + 1 < sizeof(c->bad))
		c->bad[n] = letter;
}

static void add_field(struct compiler *c, const struct letter *l, size_t count)
{
	struct when_op o = {.kind = OP_FIELD, .field = l->field, .min = l->min, .max = l->max};

	c->width[c->f->n] = (unsigned char)count;
	if (l->field == F_YEAR && l->letter == 'y' && count == 2) {
		o.field = F_YEAR2;
		o.min = o.max = 2;
	} else if (l->field == F_YEAR && l->letter == 'y' && count > 2) {
		o.min = o.max = 4;
	} else if (l->letter == 'M' && l->field == F_MONTH && count > 2) {
		o.field = F_MONTH_NAME;
		o.min = o.max = 0;
	}
	c->f->op[c->f->n++] = o;
}

static const struct letter *find_letter(const struct letter *table, size_t n, char letter)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

static void compile_strptime(struct compiler *c, const char *p)
{
	for (; *p != '\0'; p++) {
		const struct letter *l;

		if (*p != '%') {
			add_literal(c, *p);
			continue;
		}
		p++;
		if (*p == '\0') {
			c->broken = true;
			return;
		}
		if (*p == '%') {
			add_literal(c, '%');
			continue;
		}
		l = find_letter(strptime_letters,
				sizeof(strptime_letters) / sizeof(*strptime_letters), *p);
		if (l == NULL)
			add_bad(c, *p);
		else
			add_field(c, l, full_width[l->field]);
	}
}

/* 'text', '' inside or outside is one quote.  Returns the last byte consumed, NULL when it is not
 * closed. */
static const char *quoted(struct compiler *c, const char *p)
{
	if (p[1] == '\'') {
		add_literal(c, '\'');
		return p + 1;
	}
	for (p++; *p != '\0'; p++) {
		if (*p == '\'' && p[1] != '\'')
			return p;
		if (*p == '\'')
			p++;
		add_literal(c, *p);
	}
	return NULL;
}

static void bracket(struct compiler *c, char which)
{
	struct when_format *f = c->f;

	if (which == '[' && c->n_open < WHEN_OPTIONAL_MAX && c->n_optional < WHEN_OPTIONAL_MAX) {
		c->open[c->n_open++] = (unsigned char)f->n;
		f->op[f->n++] = (struct when_op){.kind = OP_OPTIONAL, .id = c->n_optional++};
	} else if (which == ']' && c->n_open > 0) {
		f->op[c->open[--c->n_open]].end = (unsigned char)f->n;
		f->op[f->n++] = (struct when_op){.kind = OP_END};
	} else {
		c->broken = true;
	}
}

static void compile_java(struct compiler *c, const char *p)
{
	for (; p != NULL && *p != '\0' && !c->broken; p++) {
		const struct letter *l;
		size_t count = 1;

		if (*p == '\'') {
			p = quoted(c, p);
			if (p == NULL) {
				c->broken = true;
				return;
			}
		} else if (*p == '[' || *p == ']') {
			bracket(c, *p);
		} else if (!is_letter(*p)) {
			add_literal(c, *p);
		} else {
			while (p[1] == *p) {
				p++;
				count++;
			}
			l = find_letter(java_letters, sizeof(java_letters) / sizeof(*java_letters),
					*p);
			if (l == NULL)
				add_bad(c, *p);
			else
				add_field(c, l, count);
		}
	}
	if (c->n_open > 0)
		c->broken = true;
}

/* A number followed at once by a number takes exactly its letters' width, as in SimpleDateFormat.
 */
static void fix_widths(struct compiler *c)
{
	struct when_format *f = c->f;

	for (size_t i = 0; i < f->n; i++) {
		size_t j = i + 1;

		if (f->op[i].kind != OP_FIELD || f->op[i].max == 0)
			continue;
		while (j < f->n && (f->op[j].kind == OP_OPTIONAL || f->op[j].kind == OP_END))
			j++;
		if (j < f->n && f->op[j].kind == OP_FIELD && f->op[j].max > 0) {
			f->op[i].min = f->op[i].max = c->width[i];
			if (c->width[i] > WHEN_YEAR_DIGITS)
				c->broken = true;
		}
	}
}

static bool has_year(const struct when_format *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->op[i].kind == OP_FIELD &&
		    (f->op[i].field == F_YEAR || f->op[i].field == F_YEAR2))
			return true;
	return false;
}

struct when_format *when_format_new(const char *pattern, char **ret_bad)
{
	struct compiler c = {0};

	if (strlen(pattern) <= WHEN_FORMAT_MAX) {
		c.f = mem_alloc(sizeof(*c.f));
		if (strchr(pattern, '%') != NULL)
			compile_strptime(&c, pattern);
		else
			compile_java(&c, pattern);
		fix_widths(&c);
		if (c.bad[0] == '\0' && !c.broken && has_year(c.f))
			return c.f;
	}
	when_format_free(c.f);
	if (ret_bad != NULL)
		*ret_bad = mem_strdup(c.bad);
	return NULL;
}

void when_format_free(struct when_format *f)
{
	free(f);
}
