/*
 * A sample of the geometries a table will probably give, for the picture beside the choice of a
 * CRS: a second, short look at its first rows once the guess is known.
 */
#include <cpl_vsi.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "geo/geomcell.h"
#include "geo/tables_impl.h"
#include "wizard/number.h"

#define FEATURES    2000
#define BYTES	    (250 << 10) /* below the 256 KiB the front takes */
#define ROWS_LOOKED 200000

struct preview {
	FILE *out;
	size_t n;
	long bytes;
};

static void add(struct preview *p, const char *geometry)
{
	int n =
	    fprintf(p->out, "%s{\"type\":\"Feature\",\"properties\":{},\"geometry\":%s}",
		    p->n == 0 ? "{\"type\":\"FeatureCollection\",\"features\":[" : ",\n", geometry);

	p->n++;
	p->bytes += n > 0 ? n : BYTES;
}

static bool angle(const struct cell *c, char axis, bool comma, double *ret)
{
	return number_angle(c->s, c->len, axis, comma, ret) && isfinite(*ret);
}

static void add_row(struct preview *p, const struct column_guess *g, const bool comma[2],
		    const struct cell *cells, size_t n)
{
	char text[96];
	double x, y;
	int srid;

	if (g->geometry >= 0 && (size_t)g->geometry < n) {
		OGRGeometryH geom =
		    geomcell_parse(cells[g->geometry].s, cells[g->geometry].len, &srid);
		char *json = geom == NULL ? NULL : OGR_G_ExportToJson(geom);

		/* One huge geometry must not be the whole picture. */
		if (json != NULL && strlen(json) < BYTES / 8)
			add(p, json);
		VSIFree(json);
		OGR_G_DestroyGeometry(geom);
	} else if (g->geometry < 0 && (size_t)g->lat < n && (size_t)g->lng < n &&
		   angle(&cells[g->lat], 'y', comma[0], &y) &&
		   angle(&cells[g->lng], 'x', comma[1], &x)) {
		(void)snprintf(text, sizeof text,
			       "{\"type\":\"Point\",\"coordinates\":[%.15g,%.15g]}", x, y);
		add(p, text);
	}
}

static bool is_comma(const json_object *layer, int column)
{
	return column >= 0 &&
	       json_bool(json_object_array_get_idx(json_arr(layer, "columns"), (size_t)column),
			 "decimal_comma", false);
}

void table_preview(struct job *job, const struct source *src, const struct table *t,
		   const struct column_guess *g, const json_object *layer)
{
	const bool comma[2] = {is_comma(layer, g->lat), is_comma(layer, g->lng)};
	int64_t count = json_int(layer, "count", 0), stride, row = 0;
	struct preview p = {0};
	struct rows *rows = NULL;
	const struct cell *cells;
	char name[48], path[640];
	size_t n;
	enum err err;

	if (g->geometry < 0 && (g->lat < 0 || g->lng < 0))
		return;
	err = t->book == NULL ? rows_open_csv(job, src, t->charset, &t->dialect, &rows)
			      : rows_open_sheet(job, src, t->book, t->sheet, &rows);
	if (err != ERR_OK)
		return;
	(void)snprintf(name, sizeof name, "preview-%lld.json", (long long)json_int(layer, "i", 0));
	job_out(job, name, path, sizeof path);
	p.out = fopen(path, "we");
	stride = (count < ROWS_LOOKED ? count : ROWS_LOOKED) / FEATURES + 1;
	while (p.out != NULL && row < ROWS_LOOKED && p.n < FEATURES && p.bytes < BYTES &&
	       rows_next(rows, &cells, &n) == ROWS_ROW)
		if (rows_row(rows) > t->dialect.header_row && row++ % stride == 0)
			add_row(&p, g, comma, cells, n);
	rows_free(rows);
	if (p.out == NULL)
		return;
	if (p.n > 0)
		(void)fputs("]}\n", p.out);
	if (fclose(p.out) != 0 || p.n == 0)
		(void)remove(path);
}
