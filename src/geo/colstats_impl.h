/*
 * Inside of column statistics: what is gathered (colstats.c) and told (colstats_json.c).
 */
#ifndef SLIPWAY_GEO_COLSTATS_IMPL_H
#define SLIPWAY_GEO_COLSTATS_IMPL_H

#include "geo/colstats.h"
#include "geo/geomcell.h"
#include "wizard/number.h"
#include "wizard/when.h"

#define SAMPLES 5
#define ZONES	46 /* 3-degree zones of the Chinese survey grid end at 45 */

/* Types a cell can fit, as bits. */
enum {
	FIT_INTEGER = 1,
	FIT_REAL = 2,
	FIT_DATE = 4,
	FIT_DATETIME = 8,
	FIT_BOOLEAN = 16,
	FIT_ALL = 31,
	FIT__N = 5
};

struct found {
	struct place at;
	char *value; /* owned, NULL = nothing found */
};

/* Everything that depends on whether the comma is a decimal mark. */
struct reading {
	int64_t types[CELL__MAX];
	int64_t words; /* NULL, NA …: empty if this is a number column */
	int64_t numeric, lat, lng, years, survey;
	int64_t zones[ZONES];
	int64_t not_year; /* not whole, or outside -9999..9999 */
	int64_t angles;	  /* degrees-minutes-seconds */
	double min, max;
	struct found not_number;
	unsigned missed; /* FIT bits with a value in misfit */
	struct found misfit[FIT__N];
};

struct geom {
	enum geom_format format;
	int64_t tried, ok;
	int srid;
	bool mixed_srid;
	bool has_extent;
	double extent[4]; /* minx, miny, maxx, maxy */
	struct found bad;
};

struct column {
	int64_t nulls, values;
	struct reading as[2];	/* decimal point, decimal comma */
	int64_t commas;		/* cells that only a decimal comma explains */
	bool point;		/* a decimal point alone was seen */
	char *samples[SAMPLES]; /* owned */
	size_t n_samples;
	char first_day[40], last_day[40]; /* ISO text */
	struct geom *geom;		  /* owned; NULL before the first text */
	bool no_geom;
	struct when_guess *guess; /* owned; made with the first value that may be a time */
	bool no_time;
	int64_t fed, plausible; /* to the guess; of these, what may be a time */
	int64_t before;		/* values before there was a guess */
	struct found odd;	/* the first of them */
};

struct colstats {
	size_t n;
	struct column *v;
	char decimal;
	bool comma_possible;
	size_t guesses; /* searches for times under way */
};

#endif
