/*
 * Inspecting a table: one pass over all rows gives its columns, types, preview and warnings.
 * Source: contracts/wizard.md 9.
 */
#include "geo/tables.h"

#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/colstats.h"
#include "geo/layer.h"
#include "geo/outlayer.h"
#include "geo/tables_impl.h"
#include "wizard/names.h"
#include "wizard/number.h"

#define PREVIEW_ROWS  20
#define PREVIEW_CHARS 200

/* What the pass over the rows needs. */
struct pass {
	struct job *job;
	const struct source *src;
	struct table t;
	char **names; /* as written; n of them */
	char **clean;
	size_t n;
	struct colstats *stats;
	int64_t count;	      /* data rows */
	json_object *preview; /* array of rows */
	json_object *warnings;
	int64_t long_rows;     /* rows with more cells than columns */
	int64_t long_row;      /* the first of them */
	json_object *bad_text; /* csv_encoding: first cell with undecodable bytes */
};

static void pass_done(struct pass *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->names[i]);
		if (p->clean != NULL)
			free(p->clean[i]);
	}
	free(p->names);
	free(p->clean);
	colstats_free(p->stats);
	json_object_put(p->preview);
	json_object_put(p->warnings);
	json_object_put(p->bad_text);
	table_close(&p->t);
}

static json_object *problem_here(const struct pass *p, const char *code)
{
	json_object *o = problem_str(problem_new(code), "file", p->src->file);

	problem_int(o, "row", rows_row(p->t.rows));
	return problem_int(o, "line", rows_line(p->t.rows));
}

json_object *table_cut_cell(const char *s, size_t len)
{
	size_t chars = 0, i = 0;

	for (; i < len; i++)
		if (((unsigned char)s[i] & 0xC0) != 0x80 && chars++ == PREVIEW_CHARS)
			break;
	return json_object_new_string_len(s, (int)i);
}

static void add_preview(struct pass *p, const struct cell *cells, size_t n)
{
	json_object *row = json_set_int(json_object_new_object(), "row", rows_row(p->t.rows)),
		    *list = json_object_new_array();

	for (size_t i = 0; i < p->n; i++)
		json_object_array_add(list, i < n && cells[i].len > 0
						? table_cut_cell(cells[i].s, cells[i].len)
						: NULL);
	json_object_array_add(p->preview, json_set(row, "cells", list));
}

/* The bytes of a cell were no text in the charset; the first place is kept. */
static void note_bad_text(struct pass *p, const char *s, size_t len, const char *column)
{
	p->bad_text = problem_here(p, "csv_encoding");
	problem_str(p->bad_text, "column", column);
	json_set(p->bad_text, "value", table_cut_cell(s, len));
	problem_arg(p->bad_text, "charset", p->t.charset);
}

static void add_row(struct pass *p, const struct cell *cells, size_t n)
{
	const struct place at = {rows_row(p->t.rows), rows_line(p->t.rows)};
	bool bad_text = rows_has_bad_text(p->t.rows) && p->bad_text == NULL;

	p->count++;
	if (p->count <= PREVIEW_ROWS)
		add_preview(p, cells, n);
	for (size_t i = 0; i < p->n; i++) {
		if (i < n)
			colstats_cell(p->stats, i, cells[i].s, cells[i].len, at);
		else
			colstats_null(p->stats, i);
	}
	for (size_t i = 0; i < n && bad_text; i++) {
		if (!table_cell_is_bad(&cells[i]))
			continue;
		note_bad_text(p, cells[i].s, cells[i].len, i < p->n ? p->names[i] : NULL);
		break;
	}
	for (size_t i = p->n; i < n; i++) {
		if (cells[i].len == 0)
			continue;
		if (p->long_rows++ == 0)
			p->long_row = at.row;
		break;
	}
}

/* Row 1 that holds numbers is data (9.1); which cells say so. */
static void suspicious_header(struct pass *p, const struct cell *cells, size_t n)
{
	CLEAN_FREE char *list = NULL;
	int found = 0;

	for (size_t i = 0; i < n && found < 10; i++) {
		enum cell_type t = cell_classify(cells[i].s, cells[i].len, false);
		CLEAN_JSON json_object *cell = NULL;
		char *longer;

		if (t != CELL_INTEGER && t != CELL_REAL && t != CELL_DATE && t != CELL_DATETIME)
			continue;
		cell = table_cut_cell(cells[i].s, cells[i].len);
		longer = mem_printf("%s%s%s", found > 0 ? list : "", found > 0 ? ", " : "",
				    json_object_get_string(cell));
		free(list);
		list = longer;
		found++;
	}
	if (found > 0)
		problems_add(&p->warnings,
			     problem_arg(problem_here(p, "csv_suspicious_header"), "cells", list));
}

/* Row 1 is read, too, when it is the header. */
static void look_at_header(struct pass *p)
{
	for (size_t i = 0; i < p->n && p->bad_text == NULL; i++) {
		const struct cell name = {.s = p->names[i], .len = strlen(p->names[i])};

		if (table_cell_is_bad(&name))
			note_bad_text(p, name.s, name.len, p->names[i]);
	}
}

static enum err all_rows(struct pass *p, const char *header)
{
	const struct cell *cells = NULL;
	size_t n = 0;
	enum rows_result r = table_header(&p->t, &p->names, &p->n, &cells, &n);

	if (r == ROWS_FAILED)
		return ERR_BAD_REQUEST;
	if (r == ROWS_END)
		return job_fail(p->job,
				problem_str(problem_new("csv_no_rows"), "file", p->src->file));
	p->clean = names_columns((const char *const *)p->names, p->n);
	p->stats = colstats_new(p->n, p->t.dialect.decimal,
				strcmp(p->t.dialect.delimiter, ",") != 0 || p->t.book != NULL);
	p->preview = json_object_new_array();
	if (n == 0 && rows_has_bad_text(p->t.rows))
		look_at_header(p);
	if (n > 0) {
		if (text_ieq(header, "auto"))
			suspicious_header(p, cells, n);
		add_row(p, cells, n);
	}
	while ((r = rows_next(p->t.rows, &cells, &n)) == ROWS_ROW) {
		if (n == 0)
			continue;
		add_row(p, cells, n);
		if (p->count % 4096 == 0)
			job_progress(p->job, "inspect", "reading", p->src->stem, p->count,
				     rows_estimate(p->t.rows), 0, false);
	}
	if (r == ROWS_FAILED)
		return ERR_BAD_REQUEST;
	if (p->count == 0)
		return job_fail(p->job,
				problem_str(problem_new("csv_no_rows"), "file", p->src->file));
	return ERR_OK;
}

/* A charset chosen on the page must fit (9.2); one sent with save, or guessed, is shown with its
 * faults. */
static enum err judge_text(struct pass *p)
{
	if (p->bad_text == NULL)
		return ERR_OK;
	if (strcmp(p->t.charset_source, "chosen") == 0) {
		json_object *error = p->bad_text;

		p->bad_text = NULL;
		return job_fail(p->job, error);
	}
	json_set_str(p->bad_text, "code", "charset_mismatch");
	problems_add(&p->warnings, p->bad_text);
	p->bad_text = NULL;
	return ERR_OK;
}

static void warn_cells(struct pass *p, const char *code, struct book_errors e)
{
	json_object *w;

	if (e.count == 0)
		return;
	w = problem_int(problem_str(problem_new(code), "file", p->src->file), "row", e.first_row);
	problems_add(&p->warnings, problem_arg_int(w, "count", e.count));
}

static void add_warnings(struct pass *p)
{
	json_object *w;

	if (p->t.one_column && p->n <= 1)
		problems_add(&p->warnings,
			     problem_str(problem_new("csv_one_column"), "file", p->src->file));
	if (strcmp(p->t.charset_source, "fallback") == 0)
		problems_add(&p->warnings, problem_arg(problem_str(problem_new("charset_guessed"),
								   "file", p->src->file),
						       "charset", p->t.charset));
	if (p->t.book != NULL) {
		warn_cells(p, "formulas_unsolved", book_unsolved(p->t.book));
		warn_cells(p, "rows_error_cells", book_errors(p->t.book));
		warn_cells(p, "times_hidden", book_hidden_times(p->t.book));
	}
	w = names_renamed(p->src->file, (const char *const *)p->names, p->clean, p->n);
	if (w != NULL)
		problems_add(&p->warnings, w);
	/* Some can be left out on the page. */
	if (p->n > out_columns_most(true)) {
		w = problem_str(problem_new("csv_too_many_columns"), "file", p->src->file);
		problems_add(&p->warnings,
			     problem_arg_int(w, "limit", (int64_t)out_columns_most(true)));
	}
	if (p->long_rows > 0) {
		w = problem_int(problem_str(problem_new("row_length"), "file", p->src->file), "row",
				p->long_row);
		problem_arg_int(w, "count", p->long_rows);
		problems_add(&p->warnings, problem_arg_int(w, "columns", (int64_t)p->n));
	}
}

static json_object *extent_json(const double e[4])
{
	json_object *a = json_object_new_array();

	for (int i = 0; i < 4; i++)
		json_object_array_add(a, json_object_new_double(e[i]));
	return a;
}

/* The extent of what will probably be the geometry; the front has its own once the user has chosen.
 */
static bool guessed_extent(const struct pass *p, const struct column_guess *g,
			   const json_object *layer, double ret[4])
{
	json_object *columns = json_arr(layer, "columns"), *x, *y;

	if (g->geometry >= 0)
		return colstats_extent(p->stats, (size_t)g->geometry, ret);
	if (g->lat < 0 || g->lng < 0)
		return false;
	x = json_object_array_get_idx(columns, (size_t)g->lng);
	y = json_object_array_get_idx(columns, (size_t)g->lat);
	if (json_get(x, "min") == NULL || json_get(y, "min") == NULL)
		return false;
	ret[0] = json_num(x, "min", 0);
	ret[1] = json_num(y, "min", 0);
	ret[2] = json_num(x, "max", 0);
	ret[3] = json_num(y, "max", 0);
	return true;
}

static void describe_srs(struct pass *p, json_object *layer, const double *extent)
{
	CLEAN_FREE char *prj = source_prj(p->src);
	OGRSpatialReferenceH srs = prj != NULL ? srs_of(prj) : NULL;

	srs_describe(p->job, srs, extent, json_str(p->job->spec, "favourites", ""), layer);
	if (srs != NULL)
		OSRRelease(srs);
}

static json_object *layer_json(struct pass *p, int64_t index)
{
	static const char *const drivers[KIND__MAX] = {
	    [KIND_CSV] = "CSV", [KIND_XLSX] = "XLSX", [KIND_ODS] = "ODS"};
	const char *inner =
	    p->t.book == NULL ? p->src->stem : book_sheet_name(p->t.book, p->t.sheet);
	json_object *l = layer_new(p->src, index, "table", p->src->stem, inner),
		    *columns = json_object_new_array();
	json_object *preview = json_object_new_object(), *names = json_object_new_array();
	struct column_guess guess = {.lat = -1, .lng = -1, .geometry = -1};
	double extent[4];
	bool has_extent;

	for (size_t i = 0; i < p->n; i++) {
		json_object_array_add(columns,
				      colstats_column(p->stats, i, p->clean[i], p->names[i], NULL));
		json_object_array_add(names, json_object_new_string(p->clean[i]));
	}
	json_set_str(l, "driver", drivers[p->src->kind]);
	json_set_str(l, "geometry", "None");
	json_set_int(l, "count", p->count);
	json_set(l, "columns", columns);
	json_set(json_set(preview, "columns", names), "rows", json_object_get(p->preview));
	json_set(l, "preview", json_set_int(preview, "total_rows", p->count));
	json_set(l, "dialect", table_dialect_json(&p->t));
	json_set(l, "encoding", NULL);
	if (p->t.book == NULL)
		json_set(
		    l, "encoding",
		    json_set_str(json_set_str(json_object_new_object(), "charset", p->t.charset),
				 "source", p->t.charset_source));
	json_set(l, "sheets", p->t.book == NULL ? NULL : json_object_get(book_sheets(p->t.book)));
	json_set_str(l, "sheet", p->t.book == NULL ? NULL : book_sheet_name(p->t.book, p->t.sheet));
	columns_guess(l, &guess);
	has_extent = guessed_extent(p, &guess, l, extent);
	json_set(l, "extent", has_extent ? extent_json(extent) : NULL);
	describe_srs(p, l, has_extent ? extent : NULL);
	table_preview(p->job, p->src, &p->t, &guess, l);
	json_set(l, "raster", NULL);
	json_set(l, "overlay", NULL);
	return json_set(l, "warnings",
			p->warnings == NULL ? json_object_new_array()
					    : json_object_get(p->warnings));
}

enum err tables_inspect(struct job *job, const struct source *src, json_object *layers)
{
	json_object *dialects = json_obj(job->spec, "dialects"), *dialect;
	struct pass p = {.job = job, .src = src};
	char key[24];
	enum err err;

	(void)snprintf(key, sizeof key, "%zu", json_len(layers));
	dialect = json_obj(dialects, key);
	if (dialect == NULL)
		dialect = json_obj(dialects, "*");
	err = table_open(job, src, dialect, json_str(job->spec, "charset", NULL), NULL, &p.t);
	if (err != ERR_OK)
		return err;
	err = all_rows(&p, json_str(dialect, "header", "auto"));
	if (err == ERR_OK)
		err = judge_text(&p);
	if (err == ERR_OK) {
		add_warnings(&p);
		json_object_array_add(layers, layer_json(&p, (int64_t)json_len(layers)));
	}
	pass_done(&p);
	return err;
}
