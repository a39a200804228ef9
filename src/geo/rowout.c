/*
 * Cells of text become values of JSON: what a column's type makes certain is decided here, the rest
 * is left to the database, which refuses what it cannot take.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/isotime.h"
#include "geo/rowjob.h"

#define BUF_BYTES  ((size_t)256 << 10)
#define BAD_MAX	   20  /* rows told in full */
#define NUMBER_MAX 400 /* bytes of what is still a number */

static void put(struct row_out *o, const char *s, size_t n)
{
	if (o->len + n > o->size) {
		o->size = (o->len + n) * 2;
		o->buf = mem_resize(o->buf, o->size, 1);
	}
	memcpy(o->buf + o->len, s, n);
	o->len += n;
}

/* A text in quotes: RFC 8259, 7. */
static void put_text(struct row_out *o, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	put(o, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char escape[6] = {'\\', (char)c, '0', '0', hex[c >> 4], hex[c & 15]};

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(o, s + from, i - from);
		if (c < 0x20)
			escape[1] = 'u';
		put(o, escape, c < 0x20 ? 6 : 2);
		from = i + 1;
	}
	put(o, s + from, n - from);
	put(o, "\"", 1);
}

/* ---- cells */

static bool is_space(const char *s, size_t len, size_t *ret_n)
{
	*ret_n = 1;
	if (len >= 3 && memcmp(s, "\xE3\x80\x80", 3) == 0) {
		*ret_n = 3;
		return true;
	}
	if (len >= 2 && memcmp(s, "\xC2\xA0", 2) == 0) {
		*ret_n = 2;
		return true;
	}
	return len > 0 && (*s == ' ' || (*s >= '\t' && *s <= '\r'));
}

static struct cell trimmed(struct cell c)
{
	size_t n;

	while (is_space(c.s, c.len, &n)) {
		c.s += n;
		c.len -= n;
	}
	for (;;) {
		if (c.len >= 3 && is_space(c.s + c.len - 3, 3, &n) && n == 3)
			c.len -= 3;
		else if (c.len >= 2 && is_space(c.s + c.len - 2, 2, &n) && n == 2)
			c.len -= 2;
		else if (c.len >= 1 && is_space(c.s + c.len - 1, 1, &n))
			c.len -= 1;
		else
			return c;
	}
}

static bool is_null(const struct row_out *o, struct cell c)
{
	json_object *text;

	if (o->null_texts == NULL)
		return c.len == 0;
	JSON_EACH(text, o->null_texts)
	if ((size_t)json_object_get_string_len(text) == c.len &&
	    memcmp(json_object_get_string(text), c.s, c.len) == 0)
		return true;
	return false;
}

static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

/* A number as JSON writes it? */
static bool is_number(const char *s, size_t len)
{
	size_t i = len > 0 && s[0] == '-', n = digits(s + i, len - i);

	if (n == 0 || (n > 1 && s[i] == '0'))
		return false;
	i += n;
	if (i < len && s[i] == '.') {
		n = digits(s + i + 1, len - i - 1);
		if (n == 0)
			return false;
		i += n + 1;
	}
	if (i < len && (s[i] | 0x20) == 'e') {
		i += i + 1 < len && (s[i + 1] == '+' || s[i + 1] == '-') ? 2 : 1;
		n = digits(s + i, len - i);
		i += n;
		if (n == 0)
			return false;
	}
	return i == len;
}

/* "1.234,5" → "1234.5"; OUT has room for LEN.  0: it is no number with a comma. */
static size_t from_comma(const char *s, size_t len, char *out)
{
	const char *comma = memchr(s, ',', len);
	size_t whole = comma == NULL ? len : (size_t)(comma - s), n = 0;

	for (size_t i = 0; i < len; i++) {
		/* A dot may stand before each three digits of the whole part. */
		if (s[i] == '.' && (i >= whole || i == 0 || (whole - i) % 4 != 0))
			return 0;
		if (s[i] == ',' && s + i != comma)
			return 0;
		if (s[i] != '.')
			out[n++] = s[i] == ',' ? '.' : s[i];
	}
	return is_number(out, n) ? n : 0;
}

/* False: no number of this file.  A workbook's own numbers have points whatever people write. */
static bool put_number(struct row_out *o, struct cell c)
{
	char out[64];
	size_t n = 0;

	if (o->decimal_comma && (o->is_text || !is_number(c.s, c.len))) {
		n = c.len < sizeof(out) ? from_comma(c.s, c.len, out) : 0;
		put(o, out, n);
		return n > 0;
	}
	if (is_number(c.s, c.len) && c.len < NUMBER_MAX)
		put(o, c.s, c.len);
	else
		put_text(o, c.s, c.len);
	return true;
}

static void put_boolean(struct row_out *o, struct cell c)
{
	char word[8];
	bool value;

	if (c.len > 0 && c.len < sizeof(word)) {
		memcpy(word, c.s, c.len);
		word[c.len] = '\0';
		if (text_bool(word, &value)) {
			put(o, value ? "true" : "false", value ? 4 : 5);
			return;
		}
	}
	put_text(o, c.s, c.len);
}

/* False: not of the format. */
static bool put_time(struct row_out *o, enum row_type type, struct cell c)
{
	static const char midnight[] = "T00:00:00";
	char out[ISOTIME_BYTES];
	int64_t ms;
	size_t n;

	if (o->format == NULL) {
		/* A sheet's day without a time, in a column of days. */
		if (type == ROW_DATE && c.len == 19 && memcmp(c.s + 10, midnight, 9) == 0)
			c.len = 10;
		put_text(o, c.s, c.len);
		return true;
	}
	/* Cells that a workbook itself knows as dates come as ISO 8601, whatever people write. */
	if (!when_parse(o->format, c.s, c.len, 0, &ms, NULL) &&
	    (o->is_text || !when_parse_iso(c.s, c.len, 0, &ms, NULL)))
		return false;
	if (type == ROW_DATE) {
		n = isotime_date(ms, out);
	} else {
		n = isotime_datetime(ms, out) - 1; /* no zone */
		if (n > 4 && memcmp(out + n - 4, ".000", 4) == 0)
			n -= 4;
	}
	put_text(o, out, n);
	return n > 0;
}

/* NULL, or why not. */
static const char *put_cell(struct row_out *o, enum row_type type, struct cell c)
{
	if (o->trim)
		c = trimmed(c);
	if (is_null(o, c)) {
		put(o, "null", 4);
		return NULL;
	}
	if (rows_has_bad_text(o->file->rows) && memmem(c.s, c.len, "\xEF\xBF\xBD", 3) != NULL)
		return "encoding";
	switch (type) {
	case ROW_INTEGER:
	case ROW_REAL:
		return put_number(o, c) ? NULL : "number";
	case ROW_BOOLEAN:
		put_boolean(o, c);
		return NULL;
	case ROW_DATE:
	case ROW_TIMESTAMP:
		return put_time(o, type, c) ? NULL : "date";
	case ROW_TEXT:
	case ROW_JSON:
		break;
	}
	put_text(o, c.s, c.len);
	return NULL;
}

/* ---- rows */

static void note_bad(struct row_out *o, int64_t row, const char *column, const char *reason)
{
	if (o->n_bad++ >= BAD_MAX)
		return;
	json_object *b = json_set_int(json_object_new_object(), "row", row);

	job_set_name(b, "column", column);
	json_object_array_add(o->bad, json_set_str(b, "reason", reason));
}

static const char *header_of(const struct row_out *o, const struct row_column *c)
{
	return c->at < o->map->n_header ? o->map->header[c->at] : c->name;
}

static bool is_blank(const struct cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (trimmed(cells[i]).len > 0)
			return false;
	return true;
}

/* Text beyond the header's last column: a delimiter in a cell without quotes moves all behind it.
 */
static bool is_too_long(const struct row_out *o, const struct cell *cells, size_t n)
{
	return o->is_text && o->map->n_header > 0 && n > o->map->n_header &&
	       !is_blank(cells + o->map->n_header, n - o->map->n_header);
}

static bool write_out(struct row_out *o, int fd, const char *s, size_t n)
{
	struct error error = {0};

	if (fs_write_all(fd, s, n, &error) == ERR_OK)
		return true;
	o->failed = true;
	(void)snprintf(o->job->detail, sizeof(o->job->detail), "%s", error.text);
	(void)job_fail(
	    o->job, problem_new(error.err == ERR_NO_SPACE ? "disk_full" : "import_output_too_big"));
	return false;
}

/* The row numbers of lines, told where they stop growing with them. */
static bool tell_gap(struct row_out *o, int64_t row)
{
	char text[64];
	int n;

	if (row - o->lines == o->gap)
		return true;
	o->gap = row - o->lines;
	o->n_gaps++;
	n = snprintf(text, sizeof(text), "[%lld,%lld]\n", (long long)o->lines, (long long)row);
	return write_out(o, o->gaps_fd, text, (size_t)n);
}

static bool end_line(struct row_out *o, int64_t row)
{
	put(o, "]\n", 2);
	o->lines++;
	if (!tell_gap(o, row))
		return false;
	if (o->len >= BUF_BYTES) {
		if (!write_out(o, o->fd, o->buf, o->len))
			return false;
		o->len = 0;
	}
	o->line_at = o->len;
	return true;
}

enum err row_out_put(struct row_out *o, const struct cell *cells, size_t n, int64_t row)
{
	static const struct cell none = {"", 0, false};
	const char *why = NULL;

	if (o->skip_empty && is_blank(cells, n))
		return ERR_OK;
	if (o->max_rows > 0 && o->lines + o->n_bad >= o->max_rows)
		return job_fail(o->job,
				problem_arg_int(problem_new("rows_limit"), "limit", o->max_rows));
	if (is_too_long(o, cells, n)) {
		note_bad(o, row, "", "cells");
		return ERR_OK;
	}
	put(o, "[", 1);
	for (size_t i = 0; i < o->map->n && why == NULL; i++) {
		const struct row_column *c = &o->map->v[i];

		if (i > 0)
			put(o, ",", 1);
		why = put_cell(o, c->type, c->at < n ? cells[c->at] : none);
		if (why != NULL)
			note_bad(o, row, header_of(o, c), why);
	}
	if (why != NULL) {
		o->len = o->line_at;
		return ERR_OK;
	}
	return end_line(o, row) ? ERR_OK : ERR_BAD_REQUEST;
}

enum err row_out_begin(struct job *job, const struct row_file *file, const struct row_map *map,
		       struct row_out *ret)
{
	const json_object *keys = json_obj(job->spec, "file");
	const char *format = json_str(keys, "dateFormat", "");
	CLEAN_FREE char *letters = NULL;

	*ret = (struct row_out){.job = job,
				.map = map,
				.file = file,
				.null_texts = json_arr(keys, "nullText"),
				.trim = json_bool(keys, "trim", true),
				.skip_empty = json_bool(keys, "skipEmptyRows", true),
				.decimal_comma = strcmp(json_str(keys, "decimal", "."), ",") == 0,
				.is_text = file->book == NULL,
				.max_rows = json_int(job->spec, "max_rows", 0),
				.bad = json_object_new_array()};
	ret->size = BUF_BYTES * 2;
	ret->buf = mem_alloc(ret->size);
	ret->fd = fs_create(AT_FDCWD, "out/rows.jsonl");
	ret->gaps_fd = fs_create(AT_FDCWD, "out/gaps.jsonl");
	if (ret->fd < 0 || ret->gaps_fd < 0)
		return job_fail(job, problem_new("import_failed"));
	if (format[0] == '\0' || text_ieq(format, "ISO"))
		return ERR_OK;
	ret->format = when_format_new(format, &letters);
	return ret->format != NULL
		   ? ERR_OK
		   : job_fail(job, problem_str(problem_new("time_bad_format"), "value", format));
}

enum err row_out_end(struct row_out *o)
{
	if (o->failed || !write_out(o, o->fd, o->buf, o->len))
		return ERR_BAD_REQUEST;
	o->len = 0;
	return ERR_OK;
}

void row_out_done(struct row_out *o)
{
	when_format_free(o->format);
	json_object_put(o->bad);
	free(o->buf);
	if (o->fd >= 0)
		(void)close(o->fd);
	if (o->gaps_fd >= 0)
		(void)close(o->gaps_fd);
	*o = (struct row_out){.fd = -1, .gaps_fd = -1};
}
