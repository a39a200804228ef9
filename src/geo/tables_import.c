/*
 * Importing a table: its rows, as they stream by, become rows of a GeoPackage.
 * Source: contracts/wizard.md 9, 12.5, 13.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/geomcell.h"
#include "geo/outlayer.h"
#include "geo/tables_impl.h"
#include "wizard/number.h"

enum mode { MODE_NONE, MODE_LATLNG, MODE_COLUMN };

/* Rows without a place because of what COLUMN holds, and the first of them. */
struct lost {
	int64_t count, row;
	const char *column;
	char value[OUT_VALUE_BYTES + 1];
};

struct import {
	struct outlayer out;
	struct table t;
	enum mode mode;
	size_t lat, lng, column; /* of the source */
	bool lat_comma, lng_comma;
	const char *lat_name, *lng_name, *column_name;
	int srid; /* of the first geometry that named one; 0 = none yet */
	size_t n; /* columns of the source */
	struct lost unreadable, other_srid;
	bool tell; /* nobody has looked at the values before */
};

static void lose(struct import *m, struct lost *lost, const char *code, const char *column,
		 struct cell c)
{
	out_no_geometry(&m->out);
	out_bad(&m->out, code, column, c.s, c.len);
	if (lost->count++ > 0)
		return;
	lost->row = m->out.row;
	lost->column = column;
	(void)snprintf(lost->value, sizeof(lost->value), "%.*s",
		       (int)text_cut(c.s, c.len, OUT_VALUE_BYTES), c.s);
}

static void tell(const struct import *m, const char *code, const struct lost *lost)
{
	json_object *p;

	if (lost->count == 0)
		return;
	p = problem_str(problem_str(problem_new(code), "file", m->out.file), "column",
			lost->column);
	p = problem_int(problem_str(p, "value", lost->value), "row", lost->row);
	job_warn(m->out.job, problem_arg_int(p, "count", lost->count));
}

static const json_object *column_at(const json_object *layer, int64_t i)
{
	json_object *c;

	JSON_EACH(c, json_arr(layer, "columns"))
	if (json_int(c, "i", -1) == i)
		return c;
	return NULL;
}

static bool comma_of(const json_object *layer, const json_object *column)
{
	const char *decimal = json_str(layer, "decimal", "");

	return decimal[0] == ',' ||
	       (decimal[0] != '.' && json_bool(column, "decimal_comma", false));
}

static enum err take_geometry(struct job *job, struct import *m, const json_object *layer)
{
	const json_object *g = json_obj(layer, "geometry");
	const char *mode = json_str(g, "mode", "none");
	int64_t lat = json_int(g, "lat", -1), lng = json_int(g, "lng", -1),
		column = json_int(g, "column", -1);

	m->tell = json_bool(g, "tell", false);
	if (strcmp(mode, "latlng") == 0) {
		const json_object *y = column_at(layer, lat), *x = column_at(layer, lng);

		if (y == NULL || x == NULL)
			return job_fail(job, problem_new("csv_columns_missing"));
		m->mode = MODE_LATLNG;
		m->lat = (size_t)lat;
		m->lng = (size_t)lng;
		m->lat_comma = comma_of(layer, y);
		m->lng_comma = comma_of(layer, x);
		m->lat_name = json_str(y, "original", json_str(y, "name", ""));
		m->lng_name = json_str(x, "original", json_str(x, "name", ""));
	} else if (strcmp(mode, "column") == 0) {
		const json_object *c = column_at(layer, column);

		if (c == NULL)
			return job_fail(job, problem_new("csv_columns_missing"));
		m->mode = MODE_COLUMN;
		m->column = (size_t)column;
		m->column_name = json_str(c, "original", json_str(c, "name", ""));
	}
	return ERR_OK;
}

static struct cell cell_at(const struct cell *cells, size_t n, size_t i)
{
	static const struct cell none = {"", 0, false};

	return i < n ? cells[i] : none;
}

/* Nothing there: blank, or one of the words for it. */
static bool is_absent(struct cell c)
{
	return cell_classify(c.s, c.len, false) == CELL_EMPTY || number_is_null_word(c.s, c.len);
}

static bool angle(struct cell c, char axis, bool comma, double *ret)
{
	return number_parse(c.s, c.len, comma, ret) || number_angle(c.s, c.len, axis, comma, ret);
}

static void point(struct import *m, const struct cell *cells, size_t n)
{
	struct cell lat = cell_at(cells, n, m->lat), lng = cell_at(cells, n, m->lng);
	bool has_y, has_x;
	double x = NAN, y = NAN;

	has_y = angle(lat, 'y', m->lat_comma, &y);
	has_x = angle(lng, 'x', m->lng_comma, &x);
	if (!has_y || !has_x) {
		if (!has_y && !has_x && is_absent(lat) && is_absent(lng))
			out_no_geometry(&m->out);
		else
			lose(m, &m->unreadable, "csv_not_numeric",
			     has_y ? m->lng_name : m->lat_name, has_y ? lng : lat);
		return;
	}
	if (m->out.geographic && (y < -90 || y > 90 || x < -180 || x > 360)) {
		bool y_bad = y < -90 || y > 90;

		lose(m, &m->unreadable, "csv_out_of_range", y_bad ? m->lat_name : m->lng_name,
		     y_bad ? lat : lng);
		return;
	}
	out_point(&m->out, x, y);
}

static void geometry(struct import *m, const struct cell *cells, size_t n)
{
	struct cell c = cell_at(cells, n, m->column);
	OGRGeometryH g;
	int srid;

	if (is_absent(c)) {
		out_no_geometry(&m->out);
		return;
	}
	g = geomcell_parse(c.s, c.len, &srid);
	if (srid != 0 && m->srid == 0)
		m->srid = srid;
	/* One column, one CRS: another SRID would put the row in the wrong place. */
	if (g == NULL)
		lose(m, &m->unreadable, "csv_geometry_bad", m->column_name, c);
	else if (srid != 0 && srid != m->srid)
		lose(m, &m->other_srid, "csv_srid_other", m->column_name, c);
	else
		out_geometry(&m->out, g, m->column_name);
	OGR_G_DestroyGeometry(g);
}

static void times(struct import *m, const struct cell *cells, size_t n)
{
	struct outlayer *o = &m->out;

	if (o->start.column >= 0) {
		struct cell c = cell_at(cells, n, (size_t)o->start.column);

		out_time(o, &o->start, c.s, c.len);
	}
	if (o->end.column >= 0) {
		struct cell c = cell_at(cells, n, (size_t)o->end.column);

		out_time(o, &o->end, c.s, c.len);
	}
}

/* Bytes the charset does not know, cells beyond the last column: said, not punished. */
static void remarks(struct import *m, const struct cell *cells, size_t n)
{
	struct outlayer *o = &m->out;

	for (size_t i = 0; i < n && rows_has_bad_text(m->t.rows); i++)
		if (table_cell_is_bad(&cells[i])) {
			const json_object *c = column_at(o->spec, (int64_t)i);

			out_note(o, "csv_encoding", json_str(c, "original", NULL), cells[i].s,
				 cells[i].len);
		}
	for (size_t i = m->n; i < n; i++)
		if (cells[i].len > 0) {
			out_note(o, "row_length", NULL, cells[i].s, cells[i].len);
			break;
		}
}

static enum err one_row(struct import *m, const struct cell *cells, size_t n)
{
	struct outlayer *o = &m->out;
	int64_t row = rows_row(m->t.rows), line = rows_line(m->t.rows);

	out_row(o, row, line);
	if (m->mode == MODE_LATLNG)
		point(m, cells, n);
	else if (m->mode == MODE_COLUMN)
		geometry(m, cells, n);
	for (size_t i = 0; i < o->n; i++) {
		size_t src = o->col[i].src;

		if (src < n)
			out_text(o, i, cells[src].s, cells[src].len);
		else
			out_null(o, i);
	}
	if (o->start.column >= 0)
		times(m, cells, n);
	if (n > m->n || rows_has_bad_text(m->t.rows))
		remarks(m, cells, n);
	return out_row_end(o);
}

static enum err all_rows(struct job *job, struct import *m, const char *file)
{
	const struct cell *cells = NULL;
	char **names = NULL;
	size_t n = 0;
	enum rows_result r = table_header(&m->t, &names, &m->n, &cells, &n);
	enum err err = ERR_OK;

	for (size_t i = 0; r == ROWS_ROW && i < m->n; i++)
		free(names[i]);
	free(names);
	if (r == ROWS_ROW && n > 0)
		err = one_row(m, cells, n);
	while (r == ROWS_ROW && err == ERR_OK &&
	       (r = rows_next(m->t.rows, &cells, &n)) == ROWS_ROW) {
		if (n == 0)
			continue;
		if (m->out.total % 4096 == 0)
			m->out.expected = rows_estimate(m->t.rows);
		err = one_row(m, cells, n);
	}
	if (err != ERR_OK || r == ROWS_FAILED)
		return ERR_BAD_REQUEST;
	if (m->out.total == 0 && !json_bool(m->out.spec, "may_be_empty", false))
		return job_fail(job, problem_str(problem_new("csv_no_rows"), "file", file));
	return ERR_OK;
}

json_object *tables_import(struct job *job, const struct source *src, const json_object *layer)
{
	static const char *const kinds[] = {
	    [MODE_NONE] = NULL, [MODE_LATLNG] = "POINT", [MODE_COLUMN] = "GEOMETRY"};
	const char *charset =
	    json_str(layer, "charset", json_str(json_obj(layer, "dialect"), "charset", NULL));
	struct import m = {.mode = MODE_NONE};
	json_object *result = NULL;

	if (take_geometry(job, &m, layer) != ERR_OK)
		return NULL;
	if (table_open(job, src, json_obj(layer, "dialect"), charset,
		       json_str(layer, "sheet", NULL), &m.t) != ERR_OK)
		return NULL;
	if (out_begin(job, layer, src->file, kinds[m.mode], &m.out) == ERR_OK) {
		if (all_rows(job, &m, src->file) == ERR_OK)
			result = out_finish(&m.out);
		tell(&m, "csv_srid_other", &m.other_srid);
		if (m.tell)
			tell(&m, "csv_bad_rows", &m.unreadable);
		out_done(&m.out);
	}
	table_close(&m.t);
	return result;
}
