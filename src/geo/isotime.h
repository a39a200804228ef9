/*
 * ISO 8601 dates and times of cells already known to be such (cell_classify), at the speed of an
 * import.
 */
#ifndef SLIPWAY_GEO_ISOTIME_H
#define SLIPWAY_GEO_ISOTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct isotime {
	int64_t ms;	 /* since 1970 UTC; a value without zone counts as UTC */
	int64_t last_ms; /* last instant of the value's own precision */
	bool has_time;	 /* not only a date */
	bool has_zone;
	bool finer; /* than thousandths of a second: the rest is left out */
};

/* yyyy-MM-dd[(T| )HH:mm[:ss[.fff]][Z|±HH[[:]mm]]], blanks around.  False: anything else, or an
 * impossible date. */
bool isotime_parse(const char *s, size_t len, struct isotime *ret);
/* How GeoPackage writes them: "2020-02-29" and "2020-02-29T12:00:00.000Z".  Years 0..9999 only. */
#define ISOTIME_BYTES 32
size_t isotime_date(int64_t ms, char out[ISOTIME_BYTES]);
size_t isotime_datetime(int64_t ms, char out[ISOTIME_BYTES]);

#endif
