#include "wizard/table.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

#define STEP_BYTES   4096 /* of the next buffer for a record that spans two, at a time */
#define RECORD_CELLS 16	  /* a record may be as long as this many of the longest cells */

/*
 * A record is parsed from one stretch of memory: the caller's bytes, or `carry` when it spans two
 * of the caller's buffers.  It is parsed from its start again when more bytes have come, so no
 * state survives inside a record.
 */
struct table_parser {
	struct dialect dialect;
	size_t max_columns, max_cell;
	uint64_t specials[4]; /* delimiter's first byte, LF, CR, NUL: each 8 times */
	size_t delimiter_len;
	const char *in; /* the caller's bytes not yet taken */
	size_t in_len;
	bool last;   /* nothing comes behind `in` */
	char *carry; /* owned: a record that began in an earlier buffer */
	size_t carry_len, carry_size;
	struct cell *cells; /* owned */
	size_t n, size;
	char *scratch; /* owned: cells whose quotes had to be taken out */
	size_t scratch_len, scratch_size;
	int64_t row, line;	  /* of the record returned last */
	int64_t next_line;	  /* where the next record begins */
	int64_t breaks;		  /* line ends inside the record just parsed, and its own */
	bool skip;		  /* the "sep=" line is still to be dropped */
	enum table_result failed; /* TABLE_ROW: not yet */
};

/* How one attempt to parse a record ended. */
enum attempt { DONE, SHORT, FAILED };

static uint64_t repeat(char c)
{
	return (uint64_t)(unsigned char)c * UINT64_C(0x0101010101010101);
}

struct table_parser *table_parser_new(const struct dialect *dialect, size_t max_columns,
				      size_t max_cell)
{
	struct table_parser *t = mem_alloc(sizeof(*t));

	t->dialect = *dialect;
	t->delimiter_len = strlen(dialect->delimiter);
	t->max_columns = max_columns;
	t->max_cell = max_cell;
	t->specials[0] = repeat(dialect->delimiter[0]);
	t->specials[1] = repeat('\n');
	t->specials[2] = repeat('\r');
	t->specials[3] = repeat('\0');
	t->skip = dialect->sep_line;
	t->failed = TABLE_ROW;
	t->next_line = 1;
	return t;
}

void table_parser_free(struct table_parser *t)
{
	if (t == NULL)
		return;
	free(t->carry);
	free(t->cells);
	free(t->scratch);
	free(t);
}

int64_t table_parser_row(const struct table_parser *t)
{
	return t->row;
}

int64_t table_parser_line(const struct table_parser *t)
{
	return t->line;
}

/* ---- memory that only grows */

static void carry_add(struct table_parser *t, const char *s, size_t len)
{
	if (t->carry_len + len > t->carry_size) {
		t->carry_size = (t->carry_len + len) * 2;
		t->carry = mem_resize(t->carry, t->carry_size, 1);
	}
	if (len > 0)
		memcpy(t->carry + t->carry_len, s, len);
	t->carry_len += len;
}

/* Append to the scratch; cells that lie in it move along. */
static void scratch_add(struct table_parser *t, const char *s, size_t len)
{
	if (t->scratch_len + len > t->scratch_size) {
		size_t size = (t->scratch_len + len) * 2 + 256;
		char *bigger = mem_alloc(size);

		if (t->scratch_len > 0)
			memcpy(bigger, t->scratch, t->scratch_len);
		for (size_t i = 0; i < t->n; i++) {
			uintptr_t at = (uintptr_t)t->cells[i].s, base = (uintptr_t)t->scratch;

			if (t->scratch != NULL && at >= base && at < base + t->scratch_len)
				t->cells[i].s = bigger + (at - base);
		}
		free(t->scratch);
		t->scratch = bigger;
		t->scratch_size = size;
	}
	if (len > 0)
		memcpy(t->scratch + t->scratch_len, s, len);
	t->scratch_len += len;
}

static void cells_grow(struct table_parser *t)
{
	t->size = t->size * 2 + 16;
	t->cells = mem_resize(t->cells, t->size, sizeof(*t->cells));
}

/* ---- scanning */

/* 0x80 in each byte of W that is zero, exactly. */
static inline uint64_t zeros(uint64_t w)
{
	const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);

	return ~(((w & low) + low) | w | low);
}

static inline uint64_t load(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

/* The first delimiter byte, line end or NUL in [P, END), else END. */
static inline const char *special(const struct table_parser *t, const char *p, const char *end)
{
	const uint64_t d = t->specials[0], lf = t->specials[1], cr = t->specials[2];

	for (; end - p >= 8; p += 8) {
		uint64_t w = load(p);
		uint64_t hit = zeros(w ^ d) | zeros(w ^ lf) | zeros(w ^ cr) | zeros(w);

		if (hit != 0)
			return p + (__builtin_ctzll(hit) >> 3);
	}
	for (; p < end; p++)
		if (*p == t->dialect.delimiter[0] || *p == '\n' || *p == '\r' || *p == '\0')
			return p;
	return end;
}

/* Line ends in S: LF, CR, CRLF. */
static int64_t count_breaks(const char *s, size_t len)
{
	int64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '\n' ? i == 0 || s[i - 1] != '\r' : s[i] == '\r';
	return n;
}

static enum attempt fail(struct table_parser *t, enum table_result why)
{
	t->failed = why;
	return FAILED;
}

/* How far the attempt has come. */
struct cursor {
	const char *p, *end;
	bool last; /* nothing comes behind end */
};

/* A cell that begins with a quote, to the character behind its text; the cell is C's. */
static enum attempt quoted_cell(struct table_parser *t, struct cursor *at, struct cell *c)
{
	const char *begin = at->p + 1, *from = begin, *stop;
	size_t scratch = t->scratch_len;
	bool spliced = false;

	for (;;) {
		stop = memchr(from, t->dialect.quote, (size_t)(at->end - from));
		if (stop == NULL) {
			/* What came before a doubled quote is in the scratch already. */
			if ((size_t)(at->end - from) + (spliced ? t->scratch_len - scratch : 0) >
			    t->max_cell)
				return fail(t, TABLE_CELL_LONG);
			return at->last ? fail(t, TABLE_OPEN_QUOTE) : SHORT;
		}
		if (stop + 1 == at->end && !at->last)
			return SHORT;
		if (stop + 1 == at->end || stop[1] != t->dialect.quote)
			break;
		scratch_add(t, from, (size_t)(stop + 1 - from));
		spliced = true;
		from = stop + 2;
		if (t->scratch_len - scratch > t->max_cell)
			return fail(t, TABLE_CELL_LONG);
	}
	at->p = stop + 1;
	t->breaks += count_breaks(begin, (size_t)(stop - begin));
	/* Text behind the closing quote belongs to the cell, as spreadsheets read it. */
	const char *tail = special(t, at->p, at->end);
	while (tail < at->end && *tail == t->dialect.delimiter[0] && t->delimiter_len > 1 &&
	       ((size_t)(at->end - tail) < t->delimiter_len ||
		memcmp(tail, t->dialect.delimiter, t->delimiter_len) != 0))
		tail = special(t, tail + 1, at->end);
	if (spliced || tail > at->p) {
		scratch_add(t, from, (size_t)(stop - from));
		scratch_add(t, at->p, (size_t)(tail - at->p));
		*c = (struct cell){t->scratch + scratch, t->scratch_len - scratch, true};
	} else {
		*c = (struct cell){begin, (size_t)(stop - begin), true};
	}
	at->p = tail;
	if (c->len > 0 && memchr(c->s, '\0', c->len) != NULL)
		return fail(t, TABLE_NUL);
	return c->len > t->max_cell ? fail(t, TABLE_CELL_LONG) : DONE;
}

/* One record from AT->p; on DONE AT->p is behind its line end. */
static enum attempt record(struct table_parser *t, struct cursor *at)
{
	const char *p = at->p;
	enum attempt a;

	t->n = 0;
	t->scratch_len = 0;
	t->breaks = 0;
	for (;;) {
		struct cell *c;

		if (t->n == t->size)
			cells_grow(t);
		c = &t->cells[t->n];
		if (p < at->end && *p == t->dialect.quote) {
			struct cell got;

			at->p = p;
			a = quoted_cell(t, at, &got);
			if (a != DONE)
				return a;
			t->cells[t->n] = got;
			p = at->p;
		} else {
			const char *begin = p;

			p = special(t, p, at->end);
			/* The first byte of a longer delimiter may begin another character. */
			while (t->delimiter_len > 1 && p < at->end &&
			       *p == t->dialect.delimiter[0] &&
			       (size_t)(at->end - p) >= t->delimiter_len &&
			       memcmp(p, t->dialect.delimiter, t->delimiter_len) != 0)
				p = special(t, p + 1, at->end);
			*c = (struct cell){begin, (size_t)(p - begin), false};
			if (c->len > t->max_cell)
				return fail(t, TABLE_CELL_LONG);
		}
		if (p == at->end) {
			if (!at->last)
				return SHORT;
			t->n++;
			at->p = p;
			return DONE;
		}
		if (*p == '\n' || *p == '\r') {
			if (*p == '\r' && p + 1 == at->end && !at->last)
				return SHORT; /* a LF may follow */
			t->n++;
			at->p = p + (*p == '\r' && p + 1 < at->end && p[1] == '\n' ? 2 : 1);
			t->breaks++;
			return DONE;
		}
		if (*p == '\0')
			return fail(t, TABLE_NUL);
		if ((size_t)(at->end - p) < t->delimiter_len) {
			if (!at->last)
				return SHORT;
			c->len +=
			    (size_t)(at->end - p); /* a character cut by the end of the file */
			t->n++;
			at->p = at->end;
			return DONE;
		}
		if (++t->n == t->max_columns)
			return fail(t, TABLE_TOO_WIDE);
		p += t->delimiter_len;
	}
}

/* ---- records from buffers */

void table_parser_feed(struct table_parser *t, const char *bytes, size_t len, bool last)
{
	assert(t->in_len == 0 && !t->last); /* only after TABLE_MORE */
	t->in = bytes;
	t->in_len = len;
	t->last = last;
}

static enum attempt from_input(struct table_parser *t)
{
	struct cursor at = {t->in, t->in + t->in_len, t->last};
	enum attempt a = record(t, &at);

	if (a == DONE) {
		t->in = at.p;
		t->in_len = (size_t)(at.end - at.p);
	} else if (a == SHORT) {
		carry_add(t, t->in, t->in_len);
		t->in_len = 0;
	}
	return a;
}

/* The record that began in an earlier buffer: take more of this one until it is complete. */
static enum attempt from_carry(struct table_parser *t)
{
	for (;;) {
		struct cursor at = {t->carry, t->carry + t->carry_len, t->last && t->in_len == 0};
		enum attempt a = record(t, &at);
		size_t more = t->carry_len > STEP_BYTES ? t->carry_len : STEP_BYTES;

		if (a == DONE) {
			/* What was taken too much came from `in` in this very call. */
			size_t rest = (size_t)(at.end - at.p);

			t->in -= rest;
			t->in_len += rest;
			t->carry_len = 0; /* its bytes stay until the next call */
		}
		if (a != SHORT || t->in_len == 0)
			return a;
		if (t->carry_len / RECORD_CELLS > t->max_cell)
			return fail(t, TABLE_CELL_LONG);
		if (more > t->in_len)
			more = t->in_len;
		carry_add(t, t->in, more);
		t->in += more;
		t->in_len -= more;
	}
}

static bool is_blank(const struct table_parser *t)
{
	const struct cell *c = t->cells;

	if (t->n == 1 && !c->quoted) {
		for (size_t i = 0; i < c->len; i++)
			if (c->s[i] != ' ' && c->s[i] != '\t')
				return false;
		return true;
	}
	for (size_t i = 0; i < t->n; i++)
		if (c[i].len > 0 || c[i].quoted)
			return false;
	return true;
}

enum table_result table_parser_next(struct table_parser *t, const struct cell **ret_cells,
				    size_t *ret_n)
{
	for (;;) {
		enum attempt a;

		if (t->failed != TABLE_ROW)
			return t->failed;
		if (t->carry_len == 0 && t->in_len == 0)
			return t->last ? TABLE_END : TABLE_MORE;
		a = t->carry_len > 0 ? from_carry(t) : from_input(t);
		if (a == SHORT)
			return TABLE_MORE;
		t->line = t->next_line;
		if (a == FAILED) {
			t->row++;
			return t->failed;
		}
		t->next_line += t->breaks;
		if (t->skip) {
			t->skip = false;
			continue;
		}
		t->row++;
		*ret_cells = t->cells;
		*ret_n = is_blank(t) ? 0 : t->n;
		return TABLE_ROW;
	}
}
