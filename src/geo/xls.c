/*
 * Workbooks of Excel 5 to 2003: the cells of a sheet.
 * Source: [MS-XLS] 2.1.7.20.6 (worksheet), 2.4 (records), 2.5.217 (RK numbers).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/xls_impl.h"

#define CELL_HEAD 6 /* row, column, style */

struct cells {
	struct biff at;
	bool have;  /* a record was read that belongs to the next row */
	int depth;  /* of charts inside the sheet */
	size_t col; /* of the formula whose text follows in a record of its own */
	bool broken;
};

static enum shown shown_of(const struct sheet_rows *s, unsigned style)
{
	return style < s->book->n_styles ? (enum shown)s->book->styles[style] : SHOWN_NUMBER;
}

static double double_of(const unsigned char *p)
{
	uint64_t bits = ole_u32(p) | (uint64_t)ole_u32(p + 4) << 32;
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* A number in 30 bits: an integer or the upper part of a double, of either perhaps a hundredth. */
static double rk_of(const unsigned char *p)
{
	uint32_t rk = ole_u32(p);
	uint64_t bits = (uint64_t)(rk & 0xFFFFFFFCU) << 32;
	double v;

	if ((rk & 2) != 0)
		v = (double)((int32_t)rk >> 2);
	else
		memcpy(&v, &bits, sizeof v);
	return (rk & 1) != 0 ? v / 100 : v;
}

static void put_number(struct sheet_rows *s, size_t col, unsigned style, double v)
{
	if (isfinite(v))
		sheet_number(s, col, shown_of(s, style), v);
	else
		(void)sheet_error(s, true);
}

/* Errors leave their cell empty. */
static void put_boolean(struct sheet_rows *s, size_t col, unsigned value, bool is_error)
{
	if (is_error)
		(void)sheet_error(s, true);
	else
		sheet_text(s, col, value != 0 ? "true" : "false", value != 0 ? 4 : 5);
}

static bool put_text(struct sheet_rows *s, struct cells *c, size_t col)
{
	struct xls *x = s->book->xls;
	unsigned char n[2];

	if (!biff_get(&c->at, n, sizeof n) || !biff_text(&c->at, x, ole_u16(n)))
		return false;
	sheet_text(s, col, x->text, x->text_len);
	return true;
}

static bool put_formula(struct sheet_rows *s, struct cells *c, const unsigned char *head)
{
	size_t col = ole_u16(head + 2);
	unsigned char p[8];

	if (!biff_get(&c->at, p, sizeof p))
		return false;
	if (p[6] != 0xFF || p[7] != 0xFF)
		put_number(s, col, ole_u16(head + 4), double_of(p));
	else if (p[0] == 0)
		c->col = col; /* its text comes next */
	else if (p[0] == 1 || p[0] == 2)
		put_boolean(s, col, p[2], p[0] == 2);
	return true;
}

static bool put_several(struct sheet_rows *s, struct cells *c, const unsigned char *head)
{
	size_t col = ole_u16(head + 2);
	unsigned char p[6];
	unsigned style = ole_u16(head + 4);

	/* The first style stood where the others have it; two bytes say which column is the last.
	 */
	if (!biff_get(&c->at, p, 4))
		return false;
	put_number(s, col++, style, rk_of(p));
	while (c->at.left >= sizeof p + 2 && biff_get(&c->at, p, sizeof p))
		put_number(s, col++, ole_u16(p), rk_of(p + 2));
	return true;
}

/* The cell of the record at hand, behind its head; false: the file is broken. */
static bool put_cell(struct sheet_rows *s, struct cells *c, const unsigned char *head)
{
	size_t col = ole_u16(head + 2);
	unsigned style = ole_u16(head + 4);
	unsigned char p[8];

	switch (c->at.id) {
	case XLS_NUMBER:
		if (!biff_get(&c->at, p, 8))
			return false;
		put_number(s, col, style, double_of(p));
		return true;
	case XLS_RK:
		if (!biff_get(&c->at, p, 4))
			return false;
		put_number(s, col, style, rk_of(p));
		return true;
	case XLS_MULRK:
		return put_several(s, c, head);
	case XLS_LABELSST:
		if (!biff_get(&c->at, p, 4))
			return false;
		sheet_shared(s, col, ole_u32(p));
		return true;
	case XLS_LABEL:
	case XLS_RSTRING:
		return put_text(s, c, col);
	case XLS_BOOLERR:
		if (!biff_get(&c->at, p, 2))
			return false;
		put_boolean(s, col, p[0], p[1] != 0);
		return true;
	default:
		return put_formula(s, c, head);
	}
}

static bool is_cell(unsigned id)
{
	static const unsigned ids[] = {XLS_NUMBER, XLS_RK,	XLS_MULRK,   XLS_LABELSST,
				       XLS_LABEL,  XLS_RSTRING, XLS_BOOLERR, XLS_FORMULA};

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* What is no cell: the ends of charts, the text of a formula.  False: the sheet ends, or is broken.
 */
static bool pass_by(struct sheet_rows *s, struct cells *c)
{
	if (c->at.id == XLS_BOF)
		c->depth++;
	else if (c->at.id == XLS_EOF)
		return --c->depth > 0;
	else if (c->at.id == XLS_STRING && c->depth == 1 && c->col != SIZE_MAX)
		c->broken = !put_text(s, c, c->col);
	return !c->broken;
}

/* Cells as long as they are of one row; that of the next row stays at hand. */
enum zipxml_result xls_run(struct sheet_rows *s)
{
	struct cells *c = s->own;
	unsigned char head[CELL_HEAD];
	bool begun = false;

	sheet_clear(s);
	while (s->failed == NULL) {
		if (!c->have && !biff_next(&c->at))
			return ZIPXML_BROKEN; /* without the sheet's end */
		if (c->depth != 1 || !is_cell(c->at.id)) {
			if (pass_by(s, c))
				continue;
			/* The row at hand first; then the end is met again. */
			c->have = begun && !c->broken;
			c->depth += c->have;
			return c->broken ? ZIPXML_BROKEN : begun ? ZIPXML_PAUSED : ZIPXML_END;
		}
		if (!ole_read(c->at.ole, c->at.at, head, sizeof head) || c->at.left < sizeof head)
			return ZIPXML_BROKEN;
		if (begun && ole_u16(head) + 1 != s->row) {
			c->have = true;
			return ZIPXML_PAUSED;
		}
		if (!begun && ole_u16(head) < s->row)
			return ZIPXML_BROKEN; /* rows that go back */
		s->row = ole_u16(head) + 1;
		begun = true;
		c->have = false;
		c->col = SIZE_MAX;
		if (!biff_get(&c->at, head, sizeof head) || !put_cell(s, c, head))
			return ZIPXML_BROKEN;
	}
	return ZIPXML_BROKEN;
}

/* Merged cells stand behind all rows. */
static void read_merges(struct merges *m, struct biff b)
{
	int depth = 0;

	while (biff_next(&b)) {
		unsigned char p[8];

		depth += b.id == XLS_BOF ? 1 : b.id == XLS_EOF ? -1 : 0;
		if (depth < 1)
			return;
		if (b.id != XLS_MERGECELLS || depth != 1 || !biff_get(&b, p, 2))
			continue;
		for (unsigned n = ole_u16(p); n > 0 && biff_get(&b, p, sizeof p); n--)
			merges_add(m, &(struct merge){.row1 = ole_u16(p) + 1,
						      .row2 = ole_u16(p + 2) + 1,
						      .col1 = ole_u16(p + 4),
						      .col2 = ole_u16(p + 6)});
	}
}

bool xls_begin(struct sheet_rows *s, const struct sheet *sheet)
{
	struct cells *c = mem_alloc(sizeof *c);

	s->own = c;
	c->at = (struct biff){.ole = s->book->xls->ole, .at = sheet->at};
	c->col = SIZE_MAX;
	read_merges(&s->merges, c->at);
	merges_ready(&s->merges);
	if (!biff_next(&c->at) || c->at.id != XLS_BOF)
		return false;
	c->depth = 1;
	return true;
}
