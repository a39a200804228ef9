/*
 * Does an extent make sense in a CRS?
 * Source: contracts/wizard.md 10.3.
 */
#ifndef SLIPWAY_GEO_SRS_FIT_H
#define SLIPWAY_GEO_SRS_FIT_H

#include <ogr_srs_api.h>
#include <stdbool.h>

enum srs_fit { SRS_IMPOSSIBLE, SRS_OUTSIDE, SRS_PARTLY, SRS_INSIDE, SRS_FIT_UNKNOWN };

/*
 * EXTENT = minx, miny, maxx, maxy in SRS, NULL = no features.  RET_PLACE (may be NULL) = longitude,
 * latitude of the centre, NaN when it cannot be told.
 * Units: degrees.  Datum shifts (hundreds of metres) are left out: they decide nothing here and
 *        cost milliseconds.
 */
enum srs_fit srs_fit(OGRSpatialReferenceH srs, const double *extent, double ret_place[2]);
/*
 * Can V be a coordinate at all?  GDAL 3.6 brings Web Mercator's longitudes back into range by
 * subtracting 2 pi until they are, which for 1e20 is for ever: nothing beyond may reach a
 * transformation.
 */
bool srs_is_coordinate(double v);
const char *srs_fit_name(enum srs_fit); /* "inside" */

#endif
