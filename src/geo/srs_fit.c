#include "geo/srs_fit.h"

#include <math.h>
#include <stddef.h>
#include "geo/source.h"

#define POINTS	 9    /* corners, middles of the edges, centre */
#define FARTHEST 1e9  /* units: 25 times round the earth in metres, 7 times in inches */
#define SLACK	 1e-6 /* degrees: a pole by rounding is still a pole */
#define DEG	 (180.0 / 3.14159265358979323846)

const char *srs_fit_name(enum srs_fit fit)
{
	static const char *const names[] = {
	    [SRS_IMPOSSIBLE] = "impossible", [SRS_OUTSIDE] = "outside",	    [SRS_PARTLY] = "partly",
	    [SRS_INSIDE] = "inside",	     [SRS_FIT_UNKNOWN] = "unknown",
	};

	return names[fit];
}

bool srs_is_coordinate(double v)
{
	return fabs(v) < FARTHEST; /* false for NaN */
}

static void edge_points(const double e[4], double x[POINTS], double y[POINTS])
{
	for (int i = 0; i < POINTS; i++) {
		x[i] = e[0] + (e[2] - e[0]) * (i % 3) / 2.0;
		y[i] = e[1] + (e[3] - e[1]) * (int)(i / 3) / 2.0;
	}
}

/* Projected coordinates to longitudes and latitudes of the same datum, in degrees of Greenwich. */
static bool to_degrees(OGRSpatialReferenceH srs, double x[POINTS], double y[POINTS])
{
	double unit = OSRGetAngularUnits(srs, NULL), greenwich = OSRGetPrimeMeridian(srs, NULL);
	bool fine = true;

	if (OSRIsProjected(srs)) {
		OGRSpatialReferenceH base = OSRCloneGeogCS(srs);
		OGRCoordinateTransformationH t;
		int ok[POINTS] = {0};

		if (base == NULL)
			return false;
		OSRSetAxisMappingStrategy(base, OAMS_TRADITIONAL_GIS_ORDER);
		t = OCTNewCoordinateTransformation(srs, base);
		fine = t != NULL;
		if (t != NULL)
			(void)OCTTransformEx(t, POINTS, x, y, NULL, ok);
		for (int i = 0; fine && i < POINTS; i++)
			fine = ok[i] && isfinite(x[i]) && isfinite(y[i]);
		OCTDestroyCoordinateTransformation(t);
		OSRRelease(base);
	}
	for (int i = 0; i < POINTS; i++) {
		x[i] = x[i] * unit * DEG + greenwich;
		y[i] = y[i] * unit * DEG;
	}
	return fine;
}

/* Overlap of [A0, A1] with [B0, B1]: 0 none, 1 some, 2 A wholly inside B. */
static int overlap(double a0, double a1, double b0, double b1)
{
	if (a1 < b0 || a0 > b1)
		return 0;
	return a0 >= b0 && a1 <= b1 ? 2 : 1;
}

static enum srs_fit compare(OGRSpatialReferenceH srs, double w, double s, double e, double n)
{
	double aw, as, ae, an, dx, dy;
	int best = 0, lat;

	if (!OSRGetAreaOfUse(srs, &aw, &as, &ae, &an, NULL) || aw < -180 || as < -90)
		return SRS_FIT_UNKNOWN;
	if (ae < aw) /* across the antimeridian */
		ae += 360;
	/* A generous border: 10 %, at least a degree. */
	dx = fmax(1, (ae - aw) * 0.05);
	dy = fmax(1, (an - as) * 0.05);
	lat = overlap(s, n, as - dy, an + dy);
	/* Longitudes repeat. */
	for (int turn = -1; turn <= 1; turn++) {
		int lon = overlap(w + 360 * turn, e + 360 * turn, aw - dx, ae + dx);

		if (lon > best)
			best = lon;
	}
	if (ae - aw + 2 * dx >= 360)
		best = 2;
	if (best == 0 || lat == 0)
		return SRS_OUTSIDE;
	return best == 2 && lat == 2 ? SRS_INSIDE : SRS_PARTLY;
}

enum srs_fit srs_fit(OGRSpatialReferenceH srs, const double *extent, double ret_place[2])
{
	double x[POINTS], y[POINTS], w, s, e, n;

	if (ret_place != NULL)
		ret_place[0] = ret_place[1] = NAN;
	if (srs == NULL || extent == NULL ||
	    !isfinite(extent[0] + extent[1] + extent[2] + extent[3]))
		return SRS_FIT_UNKNOWN;
	for (int i = 0; i < 4; i++)
		if (!srs_is_coordinate(extent[i]))
			return SRS_IMPOSSIBLE;
	edge_points(extent, x, y);
	if (!to_degrees(srs, x, y))
		return SRS_IMPOSSIBLE;
	w = e = x[0];
	s = n = y[0];
	for (int i = 1; i < POINTS; i++) {
		w = fmin(w, x[i]);
		e = fmax(e, x[i]);
		s = fmin(s, y[i]);
		n = fmax(n, y[i]);
	}
	if (OSRIsGeographic(srs) &&
	    (w < -180 - SLACK || e > 360 + SLACK || s < -90 - SLACK || n > 90 + SLACK))
		return SRS_IMPOSSIBLE;
	if (ret_place != NULL) {
		ret_place[0] = x[POINTS / 2];
		ret_place[1] = y[POINTS / 2];
	}
	return compare(srs, w, s, e, n);
}
