/*
 * Inside of tables: opening a table with its dialect, shared by inspecting (tables.c) and importing
 * (tables_import.c).
 */
#ifndef SLIPWAY_GEO_TABLES_IMPL_H
#define SLIPWAY_GEO_TABLES_IMPL_H

#include "geo/rows.h"
#include "geo/sheet.h"
#include "geo/tables.h"
#include "wizard/columns.h"

/* A table ready to be read from its first record. */
struct table {
	struct rows *rows;
	struct dialect dialect;
	const char *charset;	    /* canonical; static */
	const char *charset_source; /* "chosen", "save", or as charset_guess_end; static */
	bool one_column;	    /* no delimiter fits */
	struct book *book;	    /* a workbook, NULL = delimited text; owned */
	size_t sheet;		    /* index of its sheet */
};

/*
 * Open SRC.  DIALECT: the page's overrides (9.2) or a LAYER's "dialect", NULL = all automatic;
 * CHARSET: of save or of the layer, NULL = detect; SHEET: name or number, NULL = the dialect's,
 * else the first one that is not hidden. Owns: caller calls table_close.
 */
enum err table_open(struct job *, const struct source *, const json_object *dialect,
		    const char *charset, const char *sheet, struct table *ret);
void table_close(struct table *);

/* {"charset","charset_source","delimiter","header","decimal","quote"}; caller frees. */
json_object *table_dialect_json(const struct table *);
/*
 * Read up to and including the header; *RET_NAMES are the N original column names (caller frees
 * each and the array), made up where there is no header; FIRST is then a data record not to be
 * lost.  ROWS_FAILED, or ROWS_END: nothing there.
 */
enum rows_result table_header(struct table *, char ***ret_names, size_t *ret_n,
			      const struct cell **first, size_t *n_first);

/* The first 200 characters of a cell, for people; caller frees. */
json_object *table_cut_cell(const char *s, size_t len);
/* A sample of the guessed geometries of LAYER in out/preview-<i>.json; none is fine. */
void table_preview(struct job *, const struct source *, const struct table *,
		   const struct column_guess *, const json_object *layer);
/* Does this cell hold U+FFFD? */
bool table_cell_is_bad(const struct cell *);

#endif
