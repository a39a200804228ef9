/*
 * What there is to know about the columns of a table, gathered over all rows: the COLUMN objects of
 * wizard/message.h, the same for text cells and for OGR's fields.
 */
#ifndef SLIPWAY_GEO_COLSTATS_H
#define SLIPWAY_GEO_COLSTATS_H

#include <stddef.h>
#include <stdint.h>
#include "base/json.h"

struct colstats;

/* Where a value stands. */
struct place {
	int64_t row;  /* as a spreadsheet numbers it */
	int64_t line; /* physical line, 0 = there are no lines */
};

/* DECIMAL: '.' or ',' for all columns; 0 = each column tells, and only '.' unless COMMA_POSSIBLE.
 */
struct colstats *colstats_new(size_t n, char decimal, bool comma_possible);
void colstats_free(struct colstats *);

/* A text cell of column COL; blank ones are nulls. */
void colstats_cell(struct colstats *, size_t col, const char *s, size_t len, struct place at);
void colstats_null(struct colstats *, size_t col);
/* A value nobody looks into. */
void colstats_opaque(struct colstats *, size_t col);
/* A number that was never text. */
void colstats_number(struct colstats *, size_t col, double v, bool is_integer, struct place at);
/*
 * The COLUMN object number COL.  TYPE: what the column is declared to be (a field of OGR); NULL =
 * judge by the values. Owns: caller frees.
 */
json_object *colstats_column(struct colstats *, size_t col, const char *name, const char *original,
			     const char *type);
/* Envelope minx, miny, maxx, maxy of a column whose cells are geometries; false: it is none (< 90 %
 * of its values). */
bool colstats_extent(const struct colstats *, size_t col, double ret[4]);

#endif
