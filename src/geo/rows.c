#include "geo/rows.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/rows_impl.h"

#define SAMPLE_BYTES 4096
#define RAW_BYTES    ((size_t)256 << 10) /* read at once: stays in the cache of one core */
#define TEXT_BYTES   ((size_t)512 << 10) /* decoded at once */
#define HEAD_BYTES   ((size_t)256 << 10) /* of the dialect's guess */

struct csv {
	struct rows rows;
	int fd;
	int64_t size;		   /* bytes of the file */
	int64_t at;		   /* bytes read */
	bool is_utf8;		   /* nothing to convert as long as the bytes are valid */
	struct charset_conv *conv; /* NULL while is_utf8 holds */
	const char *charset;
	struct table_parser *parser;
	char *raw;	/* RAW_BYTES and the rest of a character before */
	size_t raw_len; /* bytes in raw */
	size_t fed;	/* of these, given to the parser as they are */
	char *text;	/* TEXT_BYTES, for decoded bytes */
};

/* ---- UTF-8 at memory speed where it is ASCII */

size_t rows_utf8_valid(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		int32_t cp;
		size_t n;

		while (i + 32 <= len) {
			uint64_t w[4];

			memcpy(w, s + i, 32);
			if ((w[0] | w[1] | w[2] | w[3]) & UINT64_C(0x8080808080808080))
				break;
			i += 32;
		}
		while (i < len && (unsigned char)s[i] < 0x80)
			i++;
		while (i < len && (unsigned char)s[i] >= 0x80) {
			if ((n = text_decode(s + i, len - i, &cp)) == 0)
				return i;
			i += n;
		}
	}
	return i;
}

/* Whether the LEN bytes at S, where validity ended, may be a character cut by the end of the
 * buffer. */
static bool is_cut_character(const char *s, size_t len)
{
	unsigned char lead = (unsigned char)*s;
	size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;

	if (len >= want || lead > 0xF4)
		return false;
	for (size_t i = 1; i < len; i++)
		if (((unsigned char)s[i] & 0xC0) != 0x80)
			return false;
	return true;
}

static enum err unreadable(struct job *job, const struct source *src, const char *what)
{
	(void)snprintf(job->detail, sizeof job->detail, "%s: %s", src->path, what);
	return job_fail(job, problem_str(problem_new("format_unreadable"), "file", src->file));
}

/* ---- the whole file's charset */

/* Valid UTF-8 to the last byte?  *RET_BOM: it begins with a byte order mark of any kind. */
static bool whole_is_utf8(int fd, char *buf, bool *ret_bom)
{
	size_t kept = 0;
	bool first = true;
	ssize_t n;

	*ret_bom = false;
	while ((n = read(fd, buf + kept, RAW_BYTES)) > 0) {
		size_t len = kept + (size_t)n, valid;

		if (first)
			*ret_bom = len >= 2 && (memcmp(buf, "\xFF\xFE", 2) == 0 ||
						memcmp(buf, "\xFE\xFF", 2) == 0 ||
						(len >= 3 && memcmp(buf, "\xEF\xBB\xBF", 3) == 0));
		first = false;
		valid = rows_utf8_valid(buf, len);
		kept = len - valid;
		if (kept > 0 && !is_cut_character(buf + valid, kept))
			return false;
		memmove(buf, buf + valid, kept);
	}
	return kept == 0;
}

/*
 * UTF-16 that does not say so, as some databases write it: of the pairs of bytes at the beginning a
 * third and more are ASCII with its NUL on one side, hardly any on the other.  NULL: none.
 */
static const char *unmarked_utf16(int fd)
{
	unsigned char buf[SAMPLE_BYTES];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);
	ssize_t little = 0, big = 0;

	for (ssize_t i = 0; i + 1 < n; i += 2) {
		if (buf[i] == 0 && buf[i + 1] == 0)
			return NULL;
		little += buf[i + 1] == 0 && buf[i] < 0x80;
		big += buf[i] == 0 && buf[i + 1] < 0x80;
	}
	if (little > 0 && little * 6 >= n && big * 8 <= little)
		return "UTF-16LE";
	return big > 0 && big * 6 >= n && little * 8 <= big ? "UTF-16BE" : NULL;
}

const char *rows_guess(int fd, const char **ret_source)
{
	CLEAN_FREE char *buf = mem_alloc(RAW_BYTES + 8);
	struct charset_guess *g;
	const char *charset;
	bool bom;
	ssize_t n;

	if (whole_is_utf8(fd, buf, &bom)) {
		*ret_source = bom ? "bom" : "utf-8";
		return "UTF-8";
	}
	if (lseek(fd, 0, SEEK_SET) != 0)
		return NULL;
	g = charset_guess_new();
	while ((n = read(fd, buf, RAW_BYTES)) > 0)
		charset_guess_feed(g, buf, (size_t)n);
	charset = charset_guess_end(g, ret_source);
	charset_guess_free(g);
	return charset;
}

const char *rows_charset(struct job *job, const struct source *src, const char **ret_source)
{
	CLEAN_FD int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *charset;

	if (fd < 0) {
		(void)unreadable(job, src, "open");
		return NULL;
	}
	charset = unmarked_utf16(fd);
	if (charset != NULL) {
		*ret_source = "detector";
		return charset;
	}
	charset = rows_guess(fd, ret_source);
	if (charset == NULL)
		(void)unreadable(job, src, "seek");
	return charset;
}

bool rows_is_utf8(const struct source *src)
{
	CLEAN_FD int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE char *buf = mem_alloc(RAW_BYTES + 8);
	bool bom;

	return fd >= 0 && whole_is_utf8(fd, buf, &bom);
}

const char *rows_bom(const struct source *src)
{
	CLEAN_FD int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned char b[3] = {0};

	if (fd < 0 || read(fd, b, 3) < 2)
		return NULL;
	if (b[0] == 0xFF && b[1] == 0xFE)
		return "UTF-16LE";
	if (b[0] == 0xFE && b[1] == 0xFF)
		return "UTF-16BE";
	return b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF ? "UTF-8" : NULL;
}

char *rows_head(struct job *job, const struct source *src, const char *charset, size_t *ret_len,
		bool *ret_whole)
{
	CLEAN_FD int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE char *buf = mem_alloc(HEAD_BYTES + 1);
	size_t len = 0;
	ssize_t n;
	char *text;

	if (fd < 0) {
		(void)unreadable(job, src, "open");
		return NULL;
	}
	while (len <= HEAD_BYTES && (n = read(fd, buf + len, HEAD_BYTES + 1 - len)) > 0)
		len += (size_t)n;
	*ret_whole = len <= HEAD_BYTES;
	text = charset_decode(charset, buf, len > HEAD_BYTES ? HEAD_BYTES : len, ret_len, NULL);
	if (text == NULL)
		(void)job_fail(job,
			       problem_arg(problem_new("charset_unknown"), "charset", charset));
	return text;
}

/* ---- the stream */

/* Decode some of raw into text; what is left stays at the front of raw. */
static size_t decode(struct csv *c, bool last)
{
	const char *in = c->raw;
	size_t len = c->raw_len, bad = 0, n;

	n = charset_conv_run(c->conv, &in, &len, c->text, TEXT_BYTES, last, &bad);
	c->rows.bad_text = c->rows.bad_text || bad > 0;
	memmove(c->raw, in, len);
	c->raw_len = len;
	return n;
}

/* Give the parser more: it asks only when all it had is consumed.  Valid UTF-8 goes straight from
 * the read buffer. */
static enum err refill(struct csv *c)
{
	bool last;
	size_t n, valid;

	memmove(c->raw, c->raw + c->fed, c->raw_len - c->fed);
	c->raw_len -= c->fed;
	c->fed = 0;
	if (c->raw_len < RAW_BYTES && c->at < c->size) {
		ssize_t got = read(c->fd, c->raw + c->raw_len, RAW_BYTES);

		if (got < 0)
			return unreadable(c->rows.job, c->rows.src, "read");
		c->at = got == 0 ? c->size : c->at + got;
		c->raw_len += (size_t)got;
	}
	last = c->at >= c->size;
	if (c->is_utf8) {
		valid = rows_utf8_valid(c->raw, c->raw_len);
		if (valid == c->raw_len ||
		    (!last && is_cut_character(c->raw + valid, c->raw_len - valid))) {
			c->fed = valid;
			table_parser_feed(c->parser, c->raw, valid, last);
			return ERR_OK;
		}
		c->is_utf8 = false;
		c->conv = charset_conv_new("UTF-8");
	}
	n = decode(c, last);
	table_parser_feed(c->parser, c->text, n, last && c->raw_len == 0);
	return ERR_OK;
}

static enum rows_result refuse(struct csv *c, const char *code, const char *limit)
{
	json_object *p = problem_str(problem_new(code), "file", c->rows.src->file);

	problem_int(p, "row", table_parser_row(c->parser));
	problem_int(p, "line", table_parser_line(c->parser));
	if (limit != NULL)
		problem_arg_int(p, "limit", job_limit(c->rows.job, limit));
	(void)job_fail(c->rows.job, p);
	return ROWS_FAILED;
}

static enum rows_result csv_next(struct rows *r, const struct cell **ret_cells, size_t *ret_n)
{
	struct csv *c = (struct csv *)r;

	for (;;) {
		switch (table_parser_next(c->parser, ret_cells, ret_n)) {
		case TABLE_ROW:
			return ROWS_ROW;
		case TABLE_MORE:
			if (refill(c) != ERR_OK)
				return ROWS_FAILED;
			break;
		case TABLE_END:
			return ROWS_END;
		case TABLE_TOO_WIDE:
			return refuse(c, "csv_too_many_columns", "csv_max_columns");
		case TABLE_CELL_LONG:
			return refuse(c, "csv_cell_too_long", "csv_max_cell_bytes");
		case TABLE_NUL:
			return refuse(c, "csv_binary", NULL);
		case TABLE_OPEN_QUOTE:
			return refuse(c, "csv_open_quote", NULL);
		}
	}
}

static int64_t csv_row(const struct rows *r)
{
	return table_parser_row(((const struct csv *)r)->parser);
}

static int64_t csv_line(const struct rows *r)
{
	return table_parser_line(((const struct csv *)r)->parser);
}

static int64_t csv_estimate(const struct rows *r)
{
	const struct csv *c = (const struct csv *)r;
	int64_t row = csv_row(r);

	return c->at >= c->size || c->at == 0
		   ? row
		   : (int64_t)((double)row * (double)c->size / (double)c->at);
}

static void csv_free(struct rows *r)
{
	struct csv *c = (struct csv *)r;

	table_parser_free(c->parser);
	charset_conv_free(c->conv);
	if (c->fd >= 0)
		close(c->fd);
	free(c->raw);
	free(c->text);
	free(c);
}

enum err rows_open_csv(struct job *job, const struct source *src, const char *charset,
		       const struct dialect *d, struct rows **ret)
{
	static const struct rows_kind kind = {csv_next, csv_row, csv_line, csv_estimate, csv_free};
	struct csv *c = mem_alloc(sizeof *c);
	char bom[3];

	c->rows = (struct rows){.kind = &kind, .job = job, .src = src};
	c->fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	c->charset = charset;
	c->is_utf8 = strcmp(charset, "UTF-8") == 0;
	c->conv = c->is_utf8 ? NULL : charset_conv_new(charset);
	c->raw = mem_alloc(2 * RAW_BYTES);
	c->text = mem_alloc(TEXT_BYTES);
	c->parser = table_parser_new(d, (size_t)job_limit(job, "csv_max_columns"),
				     (size_t)job_limit(job, "csv_max_cell_bytes"));
	if (c->fd < 0 || (c->size = lseek(c->fd, 0, SEEK_END)) < 0 ||
	    lseek(c->fd, 0, SEEK_SET) != 0) {
		csv_free(&c->rows);
		return unreadable(job, src, "open");
	}
	if (!c->is_utf8 && c->conv == NULL) {
		csv_free(&c->rows);
		return job_fail(job,
				problem_arg(problem_new("charset_unknown"), "charset", charset));
	}
	/* The converters take a byte order mark away themselves. */
	if (c->is_utf8 && pread(c->fd, bom, 3, 0) == 3 && memcmp(bom, "\xEF\xBB\xBF", 3) == 0)
		c->at = lseek(c->fd, 3, SEEK_SET);
	*ret = &c->rows;
	return ERR_OK;
}

/* ---- what all kinds share */

enum rows_result rows_next(struct rows *r, const struct cell **ret_cells, size_t *ret_n)
{
	return r->kind->next(r, ret_cells, ret_n);
}

int64_t rows_row(const struct rows *r)
{
	return r->kind->row(r);
}

int64_t rows_line(const struct rows *r)
{
	return r->kind->line(r);
}

bool rows_has_bad_text(const struct rows *r)
{
	return r->bad_text;
}

int64_t rows_estimate(const struct rows *r)
{
	return r->kind->estimate(r);
}

void rows_free(struct rows *r)
{
	if (r != NULL)
		r->kind->free(r);
}
