/*
 * What GPX documents hold that GDAL reads wrong.
 */
#ifndef SLIPWAY_GEO_GPX_H
#define SLIPWAY_GEO_GPX_H

#include <stdint.h>

/*
 * How many children of <extensions> in PATH, which has passed the XML gate, have children
 * themselves, as heart rates by Garmin have: the driver makes whole numbers of them, zeros.  With
 * COPY, a copy of PATH open for writing, blanks take their place in it; -1 = only count.  Negative:
 * the copy cannot be written.
 */
int64_t gpx_nested_extensions(const char *path, int copy);

#endif
