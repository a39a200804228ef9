/*
 * One row of an outlayer: values by type, bad ones reported, instants, geometry, and into the file.
 */
#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/isotime.h"
#include "geo/outlayer.h"
#include "geo/wkbscan.h"
#include "wizard/number.h"

#define DAY_MS	    86400000LL
#define REPORT_ROWS 1000 /* problems written out by job_row_problem; the rest is only counted */

void out_row(struct outlayer *o, int64_t row, int64_t line)
{
	o->row = row;
	o->line = line;
	o->is_bad = false;
	o->start.is_set = o->end.is_set = false;
}

static json_object *problem_of(const struct outlayer *o, const char *code, const char *column,
			       const char *value, size_t len)
{
	json_object *p =
	    problem_str(problem_str(problem_new(code), "file", o->file), "layer", o->name);

	problem_int(p, "row", o->row);
	if (o->line > 0)
		problem_int(p, "line", o->line);
	problem_arg_int(p, "count", 1); /* sentences that count are written for warnings too */
	if (column != NULL)
		problem_str(p, "column", column);
	if (strcmp(code, "csv_encoding") == 0)
		problem_arg(p, "charset", json_str(o->spec, "charset", ""));
	if (value != NULL) {
		CLEAN_FREE char *text = mem_strndup(value, text_cut(value, len, OUT_VALUE_BYTES));

		problem_str(p, "value", text);
	}
	return p;
}

void out_note(struct outlayer *o, const char *code, const char *column, const char *value,
	      size_t len)
{
	if (o->job->report_total >= REPORT_ROWS)
		o->job->report_total++;
	else
		job_row_problem(o->job, problem_of(o, code, column, value, len));
}

void out_bad(struct outlayer *o, const char *code, const char *column, const char *value,
	     size_t len)
{
	o->rows_bad += !o->is_bad;
	o->is_bad = true;
	out_note(o, code, column, value, len);
	if (o->bad_rows == OUT_FAIL && !o->has_failed) {
		o->has_failed = true;
		(void)job_fail(o->job, problem_of(o, code, column, value, len));
	}
}

/* A value that does not fit its column. */
static void misfit(struct outlayer *o, struct out_column *c, const char *s, size_t len)
{
	c->v.kind = OUT_NULL;
	/* Rows may be left out when that was asked for; half a row is never appended. */
	if (c->strict && o->bad_rows != OUT_SKIP) {
		if (!o->has_failed)
			(void)job_fail(o->job, problem_arg(problem_of(o, "schema_mismatch",
								      c->original, s, len),
							   "reason", "value"));
		o->has_failed = true;
		return;
	}
	out_bad(o, "csv_type", c->original, s, len);
}

/* ---- values */

void out_null(struct outlayer *o, size_t i)
{
	o->col[i].v.kind = OUT_NULL;
}

/* Plain digits up to 15 of them; -1 = look closer. */
static int plain_integer(const char *s, size_t len, int64_t *ret)
{
	bool negative = len > 0 && *s == '-';
	int64_t v = 0;

	if (len - negative < 1 || len > 15 || (s[negative] == '0' && len - negative > 1))
		return -1;
	for (size_t i = negative; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	*ret = negative ? -v : v;
	return 0;
}

static bool is_blank(const char *s, size_t len)
{
	unsigned char first = len == 0 ? ' ' : (unsigned char)*s;

	return len == 0 || ((first <= ' ' || first == 0xC2 || first == 0xE3) &&
			    cell_classify(s, len, false) == CELL_EMPTY);
}

static void trim(const char **s, size_t *len)
{
	while (*len > 0 && (unsigned char)**s <= ' ') {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && (unsigned char)(*s)[*len - 1] <= ' ')
		(*len)--;
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(s, word, len) == 0;
}

static bool boolean(const char *s, size_t len, int64_t *ret)
{
	trim(&s, &len);
	if (is_word(s, len, "true") || is_word(s, len, "1"))
		*ret = 1;
	else if (is_word(s, len, "false") || is_word(s, len, "0"))
		*ret = 0;
	else
		return false;
	return true;
}

static void tell(struct outlayer *o, struct out_told *told, const char *code,
		 const struct out_column *c, const char *s, size_t len)
{
	if (told->n++ == 0)
		told->first = problem_of(o, code, c->original, s, len);
}

/* Text as the file has it: dates and times in GeoPackage's spelling, which knows years of four
 * digits, also when the value's zone is taken off. */
static bool instant(struct outlayer *o, struct out_column *c, const char *s, size_t len)
{
	struct isotime t;

	if (!isotime_parse(s, len, &t) || (c->type == GPKG_DATE && t.has_time) ||
	    t.ms < clock_days(0, 1, 1) * DAY_MS || t.ms >= clock_days(10000, 1, 1) * DAY_MS)
		return false;
	if (t.finer)
		tell(o, &c->finer, "times_cut", c, s, len);
	if (c->type == GPKG_DATETIME && !t.has_zone)
		tell(o, &c->local, "times_local", c, s, len);
	c->v.len =
	    c->type == GPKG_DATE ? isotime_date(t.ms, c->v.buf) : isotime_datetime(t.ms, c->v.buf);
	c->v.s = c->v.buf;
	c->v.kind = OUT_TEXT;
	return true;
}

void out_text(struct outlayer *o, size_t i, const char *s, size_t len)
{
	struct out_column *c = &o->col[i];
	bool fits = true;

	c->v.kind = OUT_NULL;
	if (is_blank(s, len))
		return;
	switch (c->type) {
	case GPKG_INTEGER:
		c->v.kind = OUT_INT;
		fits = plain_integer(s, len, &c->v.i) == 0 || number_integer(s, len, &c->v.i);
		break;
	case GPKG_REAL:
		c->v.kind = OUT_REAL;
		fits = number_parse(s, len, c->decimal_comma, &c->v.d);
		break;
	case GPKG_BOOLEAN:
		c->v.kind = OUT_INT;
		fits = boolean(s, len, &c->v.i);
		break;
	case GPKG_DATE:
	case GPKG_DATETIME:
		fits = instant(o, c, s, len);
		break;
	case GPKG_TEXT:
	case GPKG_BLOB:
		c->v.kind = OUT_TEXT;
		c->v.s = s;
		c->v.len = len;
		break;
	}
	if (fits)
		return;
	c->v.kind = OUT_NULL;
	/* NULL, NA …: empty in a number column (9.1) */
	if ((c->type != GPKG_INTEGER && c->type != GPKG_REAL) || !number_is_null_word(s, len))
		misfit(o, c, s, len);
}

void out_string(struct outlayer *o, size_t i, const char *s, size_t len)
{
	struct out_column *c = &o->col[i];

	if (c->type != GPKG_TEXT) {
		out_text(o, i, s, len);
		return;
	}
	c->v.kind = OUT_TEXT;
	c->v.s = s;
	c->v.len = len;
}

void out_int(struct outlayer *o, size_t i, int64_t v)
{
	struct out_column *c = &o->col[i];

	if (c->type == GPKG_REAL) {
		c->v.kind = OUT_REAL;
		c->v.d = (double)v;
	} else if (c->type == GPKG_INTEGER || (c->type == GPKG_BOOLEAN && (v == 0 || v == 1))) {
		c->v.kind = OUT_INT;
		c->v.i = v;
	} else {
		int n = snprintf(c->v.buf, sizeof c->v.buf, "%lld", (long long)v);

		out_text(o, i, c->v.buf, (size_t)n);
	}
}

void out_real(struct outlayer *o, size_t i, double v)
{
	struct out_column *c = &o->col[i];
	int n;

	if (c->type == GPKG_REAL && isfinite(v)) {
		c->v.kind = OUT_REAL;
		c->v.d = v;
		return;
	}
	if (c->type == GPKG_INTEGER && v == trunc(v) && fabs(v) <= 9e15) {
		c->v.kind = OUT_INT;
		c->v.i = (int64_t)v;
		return;
	}
	n = snprintf(c->v.buf, sizeof c->v.buf, "%.15g", v);
	if (!isfinite(v))
		misfit(o, c, c->v.buf, (size_t)n);
	else
		out_text(o, i, c->v.buf, (size_t)n);
}

void out_blob(struct outlayer *o, size_t i, const void *p, size_t len)
{
	struct out_column *c = &o->col[i];

	c->v.kind = OUT_BLOB;
	c->v.s = p;
	c->v.len = len;
	if (c->type != GPKG_BLOB)
		misfit(o, c, "", 0);
}

/* ---- times */

void out_time(struct outlayer *o, struct out_time *t, const char *s, size_t len)
{
	struct isotime iso;
	int64_t last = 0;
	bool fine;

	if (is_blank(s, len))
		return;
	if (t->kind == 'y') {
		fine = when_parse_year(s, len, &t->ms, &last);
		if (t == &o->end)
			t->ms = last;
	} else if (t->format != NULL) {
		fine = when_parse(t->format, s, len, o->zone_min, &t->ms, NULL);
	} else if ((fine = isotime_parse(s, len, &iso))) {
		t->ms = iso.has_zone ? iso.ms : iso.ms - (int64_t)o->zone_min * 60000;
	} else {
		fine = when_parse_iso(s, len, o->zone_min, &t->ms, NULL);
	}
	t->is_set = fine;
	if (fine)
		return;
	o->time_bad++;
	out_note(o, "time_bad_rows", t->original, s, len);
}

/* Both ends or none: an end before its start leaves the row without time. */
static void settle_time(struct outlayer *o)
{
	bool order = true;

	if (o->start.at == SIZE_MAX)
		return;
	if (o->start.is_set && o->end.is_set && o->end.ms < o->start.ms) {
		char end[ISOTIME_BYTES];
		size_t n = isotime_datetime(o->end.ms, end);

		order = false;
		o->time_bad++;
		out_note(o, "time_bad_rows", o->end.original, end, n);
	}
	if (o->start.is_set && order)
		gpkg_int(o->g, o->start.at, o->start.ms);
	else
		gpkg_null(o->g, o->start.at);
	if (o->end.at == SIZE_MAX)
		return;
	if (o->start.is_set && o->end.is_set && order)
		gpkg_int(o->g, o->end.at, o->end.ms);
	else
		gpkg_null(o->g, o->end.at);
}

/* ---- the row's end */

static void sample(struct out_column *c, const char *s, size_t len)
{
	size_t cut = text_cut(s, len, OUT_VALUE_BYTES);

	for (size_t k = 0; k < c->n_samples; k++)
		if (strlen(c->samples[k]) == cut && memcmp(c->samples[k], s, cut) == 0)
			return;
	c->samples[c->n_samples++] = mem_strndup(s, cut);
}

static void range(struct out_column *c, double v)
{
	if (!c->has_range)
		c->min = c->max = v;
	c->has_range = true;
	c->min = v < c->min ? v : c->min;
	c->max = v > c->max ? v : c->max;
}

static void day_range(struct out_column *c)
{
	if (c->v.len >= sizeof c->first || (c->type != GPKG_DATE && c->type != GPKG_DATETIME))
		return;
	if (c->first[0] == '\0' || memcmp(c->v.s, c->first, c->v.len) < 0) {
		memcpy(c->first, c->v.s, c->v.len);
		c->first[c->v.len] = '\0';
	}
	if (c->last[0] == '\0' || memcmp(c->v.s, c->last, c->v.len) > 0) {
		memcpy(c->last, c->v.s, c->v.len);
		c->last[c->v.len] = '\0';
	}
}

static void bind(struct outlayer *o, size_t i)
{
	struct out_column *c = &o->col[i];
	bool wanted = c->n_samples < OUT_SAMPLES;
	char text[48];

	switch (c->v.kind) {
	case OUT_NULL:
		c->nulls++;
		gpkg_null(o->g, i);
		break;
	case OUT_INT:
		gpkg_int(o->g, i, c->v.i);
		range(c, (double)c->v.i);
		if (wanted)
			sample(c, text,
			       (size_t)snprintf(text, sizeof text, "%lld", (long long)c->v.i));
		break;
	case OUT_REAL:
		gpkg_real(o->g, i, c->v.d);
		range(c, c->v.d);
		if (wanted)
			sample(c, text, (size_t)snprintf(text, sizeof text, "%.15g", c->v.d));
		break;
	case OUT_TEXT:
		gpkg_text(o->g, i, c->v.s, c->v.len);
		day_range(c);
		if (wanted && !is_blank(c->v.s, c->v.len))
			sample(c, c->v.s, c->v.len);
		break;
	case OUT_BLOB:
		gpkg_blob(o->g, i, c->v.s, c->v.len);
		break;
	}
}

enum err out_row_end(struct outlayer *o)
{
	struct error error = {0};

	o->total++;
	if (o->has_failed)
		return ERR_BAD_REQUEST;
	if (o->is_bad && o->bad_rows == OUT_SKIP) {
		o->skipped++;
		return ERR_OK;
	}
	for (size_t i = 0; i < o->n; i++)
		bind(o, i);
	settle_time(o);
	o->without_geometry += o->has_geometry && !o->row_geometry;
	if (gpkg_row(o->g, &error) != ERR_OK)
		return out_failed(o, &error);
	o->imported++;
	if (o->total % 1024 == 0)
		job_progress(o->job, "import", "writing", o->name, o->total, o->expected,
			     o->rows_bad, false);
	return ERR_OK;
}
