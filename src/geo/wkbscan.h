/*
 * One walk over a geometry's WKB: is every count and coordinate believable, and what is the
 * envelope?
 */
#ifndef SLIPWAY_GEO_WKBSCAN_H
#define SLIPWAY_GEO_WKBSCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * WKB: little endian, ISO types 1-7 with Z and M, all LEN bytes.  *ENV gets minx, maxx, miny, maxy,
 * NaN when empty. False: infinite or missing coordinates, counts beyond the end, other types,
 * nesting over 32.
 */
bool wkbscan(const unsigned char *wkb, size_t len, double env[4]);

#endif
