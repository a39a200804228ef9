/*
 * A vector or table layer on its way into a GeoPackage: columns by the job's types, time columns,
 * bad rows, append, reprojection of what it stands in.  Fed row by row by tables_import.c (text
 * cells) and vector.c (OGR features). Source: contracts/wizard.md 9.2, 12.5, 13.2, 14.6.
 */
#ifndef SLIPWAY_GEO_OUTLAYER_H
#define SLIPWAY_GEO_OUTLAYER_H

#include "geo/gpkg.h"
#include "geo/job.h"
#include "wizard/when.h"

#define OUT_SAMPLES	5
#define OUT_VALUE_BYTES 200 /* of a value that is reported */

enum out_bad { OUT_KEEP, OUT_SKIP, OUT_FAIL };

/* The value of the row being built. */
enum out_kind { OUT_NULL, OUT_INT, OUT_REAL, OUT_TEXT, OUT_BLOB };
struct out_value {
	enum out_kind kind;
	int64_t i;
	double d;
	const char *s; /* until out_row_end */
	size_t len;
	char buf[48]; /* for text made here */
};

/* Values that are told together. */
struct out_told {
	int64_t n;
	json_object *first; /* the warning of the first of them; owned */
};

struct out_column {
	size_t src;	      /* column of the source */
	const char *name;     /* in the file written; borrowed from the job or from target_name */
	const char *original; /* as in the source */
	enum gpkg_type type;
	bool is_time_of_day; /* OGR's time: text in the file, "time" in the result */
	bool decimal_comma;
	bool strict; /* append: a value that does not fit is a schema_mismatch */
	struct out_value v;
	int64_t nulls;
	struct out_told finer; /* times finer than thousandths of a second */
	struct out_told local; /* times that name no zone */
	bool has_range;
	double min, max;	    /* of numbers */
	char first[40], last[40];   /* of dates */
	char *samples[OUT_SAMPLES]; /* owned */
	size_t n_samples;
};

/* One end of the time dimension. */
struct out_time {
	int column;		    /* of the source; -1 = none */
	const char *original;	    /* that column's name in the source; NULL = not known */
	char kind;		    /* 'd' 't' 'y' */
	struct when_format *format; /* owned; NULL = ISO */
	size_t at;		    /* column of the file; SIZE_MAX = the target has none */
	bool is_set;		    /* this row has an instant */
	int64_t ms;
};

struct outlayer {
	struct job *job;
	const json_object *spec; /* the job's layer */
	const char *file, *name; /* for messages */
	enum out_bad bad_rows;
	bool append;
	char path[640];
	struct gpkg *g; /* NULL after out_finish */
	struct out_column *col;
	size_t n;
	struct out_time start, end;
	int zone_min;
	int64_t time_bad;
	OGRSpatialReferenceH srs;	 /* of the file written; owned; NULL = unknown */
	OGRSpatialReferenceH source;	 /* of the coordinates read; owned */
	OGRCoordinateTransformationH ct; /* source to srs; NULL = same; owned */
	bool geographic;		 /* source is in degrees */
	char *table, *geometry;		 /* append: of the target; owned */
	json_object *target_columns;	 /* append: {"name":type…}; owned */
	/* the row being built */
	int64_t row, line;
	bool has_geometry;  /* the layer has a geometry column */
	bool row_geometry;  /* … and this row something in it */
	int64_t curves;	    /* rows whose arcs became lines */
	bool is_bad;	    /* something in this row is wrong */
	bool has_failed;    /* the job has: job->problems says why */
	unsigned char *wkb; /* owned scratch */
	size_t wkb_cap;
	int64_t expected; /* rows there will be about, -1 = no idea */
	int64_t total, imported, without_geometry, skipped, rows_bad;
};

/*
 * Begin out/<i>.gpkg as SPEC says.  GEOMETRY as gpkg_create; NULL = a table.  FILE is for messages.
 * Owns:   caller calls out_done.
 * Errors: job->problems filled.
 */
enum err out_begin(struct job *, const json_object *spec, const char *file, const char *geometry,
		   struct outlayer *ret);
void out_done(struct outlayer *);

/* How many columns a layer may have. */
size_t out_columns_most(bool with_geometry);

/* A row: begin, geometry, values, times, end.  ROW as people count, LINE = 0 when there are none.
 */
void out_row(struct outlayer *, int64_t row, int64_t line);
/* Say that something in this row is wrong; the row then goes the way of bad_rows.  COLUMN may be
 * NULL. */
void out_bad(struct outlayer *, const char *code, const char *column, const char *value,
	     size_t len);
/* The same as a remark only: the row stays good. */
void out_note(struct outlayer *, const char *code, const char *column, const char *value,
	      size_t len);
/* Text by the column's type; blank is null, what does not fit is bad. */
void out_text(struct outlayer *, size_t col, const char *s, size_t len);
/* Text of a source that can say null: there an empty one is a value, if the column is text. */
void out_string(struct outlayer *, size_t col, const char *s, size_t len);
void out_int(struct outlayer *, size_t col, int64_t v);
void out_real(struct outlayer *, size_t col, double v);
void out_blob(struct outlayer *, size_t col, const void *p, size_t len);
void out_null(struct outlayer *, size_t col);
void out_no_geometry(struct outlayer *);
/* Coordinates in the source's CRS. */
void out_point(struct outlayer *, double x, double y);
/* Takes nothing; G may be changed.  COLUMN: where it stood, for messages. */
void out_geometry(struct outlayer *, OGRGeometryH g, const char *column);
void out_time(struct outlayer *, struct out_time *, const char *s, size_t len);
/* Errors: ERR_BAD_REQUEST with job->problems filled: bad_rows=fail, schema_mismatch, disk full … */
enum err out_row_end(struct outlayer *);

/* Indexes, extent, result.  Owns: caller frees.  NULL: job->problems filled, no file left. */
json_object *out_finish(struct outlayer *);
/* A failure of the GeoPackage writer as a problem.  Returns ERR_BAD_REQUEST. */
enum err out_failed(struct outlayer *, const struct error *);

/*
 * outtarget.c: the dataset to be appended to: copied to PATH, its CRS, table and columns; the
 * source's columns fitted to them.  Errors: kind_mismatch, schema_mismatch.
 */
enum err out_target(struct outlayer *);

#endif
