/*
 * Workbooks of Excel 5 to 2003: records, texts, and what stands around the sheets.
 * Source: [MS-XLS] 2.4; [MS-XLS] 2.5.293 (texts).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/xls_impl.h"

#define BIFF8	     0x0600
#define BIFF5	     0x0500
#define GLOBALS	     0x0005 /* kind of substream, in its BOF */
#define FORMATS_MAX  10000
#define STYLES_MAX   100000
#define HEAD_RECORDS 200 /* of a sheet, in which its size must be told */

#define FLAG_WIDE  1
#define FLAG_ASIAN 4
#define FLAG_RICH  8

/* ---- records */

bool biff_next(struct biff *b)
{
	unsigned char head[4];

	b->at += (int64_t)b->left;
	b->left = 0;
	if (!ole_read(b->ole, b->at, head, sizeof head))
		return false;
	b->at += (int64_t)sizeof head;
	b->id = ole_u16(head);
	b->left = ole_u16(head + 2);
	return true;
}

bool biff_get(struct biff *b, void *buf, size_t len)
{
	if (len > b->left || !ole_read(b->ole, b->at, buf, len))
		return false;
	b->at += (int64_t)len;
	b->left -= len;
	return true;
}

/* Into the next record, if this one is used up. */
static bool go_on(struct biff *b)
{
	while (b->left == 0)
		if (!biff_next(b) || b->id != XLS_CONTINUE)
			return false;
	return true;
}

/* The same, or past them where BUF is NULL, on into the records that continue it. */
static bool biff_get_on(struct biff *b, void *buf, size_t len)
{
	char *to = buf;

	while (len > 0) {
		size_t n;

		if (!go_on(b))
			return false;
		n = len < b->left ? len : b->left;
		if (to != NULL) {
			if (!biff_get(b, to, n))
				return false;
			to += n;
		} else {
			b->at += (int64_t)n;
			b->left -= n;
		}
		len -= n;
	}
	return true;
}

/* ---- texts */

/* Surrogates that stand alone become U+FFFD. */
static void to_utf8(struct xls *x, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int32_t cp = x->units[i];

		if (cp >= 0xD800 && cp < 0xDC00 && i + 1 < n && x->units[i + 1] >= 0xDC00 &&
		    x->units[i + 1] < 0xE000) {
			cp = 0x10000 + ((cp - 0xD800) << 10) + (x->units[i + 1] - 0xDC00);
			i++;
		} else if (cp >= 0xD800 && cp < 0xE000) {
			cp = 0xFFFD;
		}
		len += text_encode(cp, x->text + len);
	}
	x->text_len = len;
}

/* Where a text goes on in another record, that one begins with flags of its own. */
static bool read_units(struct biff *b, struct xls *x, size_t n, bool wide)
{
	unsigned char pair[2] = {0}, flags;

	for (size_t i = 0; i < n; i++) {
		if (b->left == 0) {
			if (!go_on(b) || !biff_get(b, &flags, 1))
				return false;
			wide = (flags & FLAG_WIDE) != 0;
		}
		pair[1] = 0;
		if (!biff_get(b, pair, wide ? 2 : 1))
			return false;
		x->units[i] = ole_u16(pair);
	}
	return true;
}

static bool read_bytes(struct biff *b, struct xls *x, size_t n)
{
	CLEAN_FREE char *raw = mem_alloc(n + 1), *text = NULL;
	size_t len;

	if (!biff_get_on(b, raw, n))
		return false;
	text = charset_decode(x->charset, raw, n, &len, NULL);
	if (text == NULL || len > XLS_TEXT_MAX * 3)
		return false;
	memcpy(x->text, text, len);
	x->text_len = len;
	return true;
}

bool biff_text(struct biff *b, struct xls *x, size_t n)
{
	unsigned char flags, count[4];
	size_t behind = 0;

	x->text_len = 0;
	if (n > XLS_TEXT_MAX)
		return false;
	if (!x->unicode)
		return read_bytes(b, x, n);
	if (!biff_get_on(b, &flags, 1))
		return false;
	/* Fonts and readings stand behind the text. */
	if ((flags & FLAG_RICH) != 0) {
		if (!biff_get_on(b, count, 2))
			return false;
		behind = ole_u16(count) * (size_t)4;
	}
	if ((flags & FLAG_ASIAN) != 0) {
		if (!biff_get_on(b, count, 4))
			return false;
		behind += ole_u32(count);
	}
	if (!read_units(b, x, n, (flags & FLAG_WIDE) != 0))
		return false;
	to_utf8(x, n);
	return behind == 0 || biff_get_on(b, NULL, behind);
}

/* ---- around the sheets */

struct listing {
	struct book *book;
	struct biff at;
	struct {
		int64_t id;
		enum shown shown;
	} * formats;
	size_t n;
};

static bool read_strings(struct listing *l)
{
	struct xls *x = l->book->xls;
	unsigned char head[8], count[2];
	uint32_t n;

	if (!biff_get(&l->at, head, sizeof head))
		return false;
	n = ole_u32(head + 4);
	for (uint32_t i = 0; i < n; i++)
		if (!biff_get_on(&l->at, count, 2) || !biff_text(&l->at, x, ole_u16(count)) ||
		    !book_string_text(l->book, x->text, x->text_len) || !book_string_end(l->book))
			return false;
	return true;
}

static bool read_format(struct listing *l)
{
	struct xls *x = l->book->xls;
	unsigned char head[4];
	size_t len = x->unicode ? 4 : 3;

	if (l->n >= FORMATS_MAX)
		return true;
	if (!biff_get(&l->at, head, len) ||
	    !biff_text(&l->at, x, x->unicode ? ole_u16(head + 2) : head[2]))
		return false;
	x->text[x->text_len] = '\0';
	l->formats = mem_resize(l->formats, l->n + 1, sizeof *l->formats);
	l->formats[l->n].id = ole_u16(head);
	l->formats[l->n++].shown = sheet_shown(x->text);
	return true;
}

static bool read_style(struct listing *l)
{
	struct book *b = l->book;
	unsigned char p[4];
	enum shown shown;

	if (!biff_get(&l->at, p, sizeof p))
		return false;
	if (b->n_styles >= STYLES_MAX)
		return true;
	shown = sheet_shown_builtin(ole_u16(p + 2));
	for (size_t i = 0; i < l->n; i++)
		if (l->formats[i].id == ole_u16(p + 2))
			shown = l->formats[i].shown;
	b->styles = mem_resize(b->styles, b->n_styles + 1, 1);
	b->styles[b->n_styles++] = (unsigned char)shown;
	return true;
}

static bool read_sheet(struct listing *l)
{
	struct xls *x = l->book->xls;
	unsigned char p[7];
	struct sheet *s;

	if (!biff_get(&l->at, p, sizeof p) || !biff_text(&l->at, x, p[6]))
		return false;
	x->text[x->text_len] = '\0';
	/* Charts and modules are listed, too. */
	if (p[5] != 0 || (s = sheet_add(l->book, x->text)) == NULL)
		return true;
	s->at = ole_u32(p);
	s->hidden = (p[4] & 3) != 0;
	return true;
}

static const char *charset_of(unsigned page)
{
	char name[16];
	const char *found;

	(void)snprintf(name, sizeof name, "%u", page);
	found = charset_canonical(name);
	return found != NULL ? found : "windows-1252";
}

/* One record before the sheets.  *RET_CODE: why the file is refused. */
static bool read_global(struct listing *l, const char **ret_code)
{
	unsigned char p[2];

	switch (l->at.id) {
	case XLS_FILEPASS:
		*ret_code = "rows_encrypted";
		return false;
	case XLS_CODEPAGE:
		if (!biff_get(&l->at, p, sizeof p))
			return false;
		l->book->xls->charset = charset_of(ole_u16(p));
		return true;
	case XLS_DATEMODE:
		if (!biff_get(&l->at, p, sizeof p))
			return false;
		l->book->from_1904 = ole_u16(p) == 1;
		return true;
	case XLS_FORMAT:
		return read_format(l);
	case XLS_XF:
		return read_style(l);
	case XLS_BOUNDSHEET:
		return read_sheet(l);
	case XLS_SST:
		return read_strings(l);
	default:
		return true;
	}
}

/* What the head of a sheet says of its rows; for progress only. */
static int64_t rows_of(struct xls *x, int64_t at)
{
	struct biff b = {.ole = x->ole, .at = at};
	unsigned char p[8];
	int64_t n = 0;

	for (int i = 0; i < HEAD_RECORDS && biff_next(&b); i++)
		if (b.id == XLS_DIMENSIONS && biff_get(&b, p, x->unicode ? 8 : 4)) {
			n = x->unicode ? ole_u32(p + 4) : ole_u16(p + 2);
			break;
		}
	return n <= SHEET_ROWS_MAX ? n : SHEET_ROWS_MAX;
}

static bool list(struct book *book, const char **ret_code)
{
	struct listing l = {.book = book, .at = {.ole = book->xls->ole}};
	unsigned char bof[4];
	bool fine = biff_next(&l.at) && (l.at.id & 0xFF) == (XLS_BOF & 0xFF);

	if (fine && (!biff_get(&l.at, bof, sizeof bof) || l.at.id != XLS_BOF ||
		     (ole_u16(bof) != BIFF8 && ole_u16(bof) != BIFF5))) {
		*ret_code = "rows_xls";
		return false;
	}
	fine = fine && ole_u16(bof + 2) == GLOBALS;
	if (fine)
		book->xls->unicode = ole_u16(bof) == BIFF8;
	while (fine && (fine = biff_next(&l.at)) && l.at.id != XLS_EOF)
		fine = read_global(&l, ret_code);
	for (size_t i = 0; i < book->n; i++)
		book->v[i].rows = rows_of(book->xls, book->v[i].at);
	free(l.formats);
	return fine;
}

bool xls_list(struct job *job, const struct source *src, struct book *b)
{
	struct xls *x = mem_alloc(sizeof *x);
	const char *code = NULL;
	json_object *p;

	b->xls = x;
	x->charset = "windows-1252";
	x->units = mem_array(XLS_TEXT_MAX, sizeof *x->units);
	x->text = mem_alloc(XLS_TEXT_MAX * 3 + 1);
	if ((x->ole = ole_open(src->path)) == NULL)
		return false;
	if (ole_has(x->ole, "_VBA_PROJECT_CUR"))
		code = "rows_macro";
	else if (!ole_stream(x->ole, "Workbook") && !ole_stream(x->ole, "Book"))
		code = ole_has(x->ole, "Workbook") ? "format_unreadable" : "rows_not_table";
	else if (list(b, &code))
		return true;
	p = problem_str(problem_new(code != NULL ? code : "format_unreadable"), "file", src->file);
	if (code != NULL && strcmp(code, "rows_not_table") == 0)
		problem_arg(p, "sent", "ole");
	(void)job_fail(job, p);
	return false;
}

void xls_free(struct xls *x)
{
	if (x == NULL)
		return;
	ole_close(x->ole);
	free(x->units);
	free(x->text);
	free(x);
}
