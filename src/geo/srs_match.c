#include "geo/srs_match.h"

#include <cpl_conv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "geo/source.h"

bool srs_own_code(OGRSpatialReferenceH srs, char out[48])
{
	const char *authority = OSRGetAuthorityName(srs, NULL),
		   *code = OSRGetAuthorityCode(srs, NULL);

	if (authority == NULL || code == NULL)
		return false;
	return snprintf(out, 48, "%s:%s", authority, code) < 48;
}

/*
 * SRS without what it says of axes: definitions by GeoServer and by old GDAL turn them round, data
 * never follow. NULL when WKT 1 cannot say it (3D, dynamic): then it is compared as it is.
 */
static OGRSpatialReferenceH without_axes(OGRSpatialReferenceH srs)
{
	static const char *const options[] = {"FORMAT=WKT1_GDAL", NULL};
	char *wkt = NULL, *p;
	OGRSpatialReferenceH bare = NULL;

	if (OSRExportToWktEx(srs, &wkt, options) != OGRERR_NONE || wkt == NULL) {
		CPLFree(wkt);
		return NULL;
	}
	while ((p = strstr(wkt, ",AXIS[")) != NULL) {
		char *end = strchr(p, ']');

		if (end == NULL)
			break;
		memmove(p, end + 1, strlen(end + 1) + 1);
	}
	bare = OSRNewSpatialReference(NULL);
	p = wkt;
	if (OSRImportFromWkt(bare, &p) != OGRERR_NONE) {
		OSRRelease(bare);
		bare = NULL;
	} else {
		OSRSetAxisMappingStrategy(bare, OAMS_TRADITIONAL_GIS_ORDER);
	}
	CPLFree(wkt);
	return bare;
}

static bool is_same(OGRSpatialReferenceH a, OGRSpatialReferenceH b)
{
	static const char *const options[] = {
	    "CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS",
	    "IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES",
	    NULL,
	};
	OGRSpatialReferenceH x, y;
	bool same = OSRIsSameEx(a, b, options) != 0;

	if (same)
		return true;
	x = without_axes(a);
	y = without_axes(b);
	same = x != NULL && y != NULL && OSRIsSameEx(x, y, options) != 0;
	OSRRelease(x);
	OSRRelease(y);
	return same;
}

/* The definition names its own code, and it is that of the register. */
static bool match_own_code(OGRSpatialReferenceH srs, struct srs_match *ret)
{
	struct srs_candidate *c = &ret->v[0];

	if (!srs_own_code(srs, c->code))
		return false;
	c->srs = srs_of(c->code);
	if (c->srs == NULL)
		return false;
	if (!is_same(srs, c->srs)) {
		OSRRelease(c->srs);
		c->srs = NULL;
		return false;
	}
	c->confidence = 100;
	ret->by_code = true;
	ret->n = 1;
	return true;
}

static int rank(const struct srs_candidate *c)
{
	static const char *const order[] = {"EPSG:", "ESRI:", "OGC:"};

	for (int i = 0; i < 3; i++)
		if (strncasecmp(c->code, order[i], strlen(order[i])) == 0)
			return i;
	return 3;
}

static int by_confidence(const void *a, const void *b)
{
	const struct srs_candidate *x = a, *y = b;

	if (x->confidence != y->confidence)
		return y->confidence - x->confidence;
	return rank(x) - rank(y);
}

/*
 * The system in the plane: of data with heights Esri's programs write GEOGCS or PROJCS and VERTCS,
 * and codes stand for the first.
 */
static OGRSpatialReferenceH flat(OGRSpatialReferenceH srs)
{
	OGRSpatialReferenceH plane = OSRClone(srs);

	if (OSRGetAxesCount(plane) == 3 && !OSRIsCompound(plane))
		(void)OSRDemoteTo2D(plane, NULL);
	return plane;
}

static void match_register(OGRSpatialReferenceH srs, struct srs_match *ret)
{
	OGRSpatialReferenceH plane = flat(srs), bare = without_axes(plane), *found;
	struct srs_candidate *all;
	int n = 0, *confidence = NULL;
	size_t kept = 0;
	char own[48];

	found = OSRFindMatches(bare != NULL ? bare : plane, NULL, &n, &confidence);
	all = mem_array((size_t)n + 1, sizeof(*all));
	for (int i = 0; i < n; i++) {
		struct srs_candidate *c = &all[kept];

		if (!srs_own_code(found[i], c->code))
			continue;
		c->confidence = confidence[i];
		c->srs = found[i];
		kept++;
	}
	qsort(all, kept, sizeof(*all), by_confidence);
	for (size_t i = 0; i < kept && ret->n < SRS_CANDIDATES; i++) {
		struct srs_candidate c = all[i];

		c.srs = srs_of(c.code);
		if (c.srs != NULL)
			ret->v[ret->n++] = c;
	}
	/* The code it names, found by another road: names of datums differ between programs. */
	ret->by_code = srs_own_code(srs, own) && ret->n > 0 && strcasecmp(ret->v[0].code, own) == 0;
	free(all);
	OSRFreeSRSArray(found);
	CPLFree(confidence);
	OSRRelease(bare);
	OSRRelease(plane);
}

/* GeoPackage's ids 0 and -1 mean "not told"; GDAL turns them into systems of these names. */
static bool is_undefined(OGRSpatialReferenceH srs)
{
	const char *name = OSRGetName(srs);

	return name != NULL && (strcasecmp(name, "Undefined geographic SRS") == 0 ||
				strcasecmp(name, "Undefined Cartesian SRS") == 0);
}

void srs_match(OGRSpatialReferenceH srs, struct srs_match *ret)
{
	*ret = (struct srs_match){0};
	if (srs == NULL || OSRIsLocal(srs) || OSRIsGeocentric(srs) || is_undefined(srs))
		return;
	if (!OSRIsGeographic(srs) && !OSRIsProjected(srs) && !OSRIsCompound(srs))
		return;
	ret->usable = true;
	if (!match_own_code(srs, ret))
		match_register(srs, ret);
}

void srs_match_done(struct srs_match *m)
{
	for (size_t i = 0; i < m->n; i++)
		OSRRelease(m->v[i].srs);
	m->n = 0;
}
