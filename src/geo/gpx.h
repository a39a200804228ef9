/*
 * What GPX documents hold that GDAL reads wrong.
 */
#ifndef SLIPWAY_GEO_GPX_H
#define SLIPWAY_GEO_GPX_H

#include <stdbool.h>
#include <stdint.h>

struct gpx_facts {
	/*
	 * Children of <extensions> that have children themselves, as heart rates by Garmin have:
	 * the driver makes whole numbers of them, zeros.
	 */
	int64_t nested;
	int64_t heights; /* <ele> of points */
	int64_t flat;	 /* points of routes and tracks without: the driver would lay them at 0 */
};

/*
 * Look through PATH, which has passed the XML gate.  With COPY, a copy of PATH open for writing,
 * blanks take the place of what is nested in it; -1 = only look.  False: the copy cannot be
 * written.
 */
bool gpx_survey(const char *path, int copy, struct gpx_facts *ret);

#endif
