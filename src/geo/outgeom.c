/*
 * Geometries of an outlayer: reprojected, made what a GeoPackage may hold, refused when they are
 * not finite.
 */
#include <cpl_error.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/outlayer.h"
#include "geo/wkbscan.h"

void out_no_geometry(struct outlayer *o)
{
	o->row_geometry = false;
	if (o->has_geometry)
		gpkg_no_geometry(o->g);
}

void out_point(struct outlayer *o, double x, double y)
{
	double px = x, py = y;

	if (o->ct != NULL) {
		int fine = 0;

		CPLPushErrorHandler(CPLQuietErrorHandler);
		(void)OCTTransformEx(o->ct, 1, &px, &py, NULL, &fine);
		CPLPopErrorHandler();
		if (!fine)
			px = NAN;
	}
	if (!isfinite(px) || !isfinite(py)) {
		char text[64];
		int n = snprintf(text, sizeof text, "%.15g %.15g", x, y);

		out_no_geometry(o);
		out_bad(o, "csv_out_of_range", NULL, text, (size_t)n);
		return;
	}
	o->row_geometry = true;
	gpkg_point(o->g, px, py);
}

/* LIBKML leaves the rings of KML such, also as parts; only a polygon's can be written. */
static bool has_ring(OGRGeometryH g)
{
	if (strcmp(OGR_G_GetGeometryName(g), "LINEARRING") == 0)
		return true;
	for (int i = 0; OGR_GT_Flatten(OGR_G_GetGeometryType(g)) == wkbGeometryCollection &&
			i < OGR_G_GetGeometryCount(g);
	     i++)
		if (has_ring(OGR_G_GetGeometryRef(g, i)))
			return true;
	return false;
}

/* Owns: caller destroys the result. */
static OGRGeometryH without_rings(OGRGeometryH g)
{
	OGRGeometryH all;

	if (!has_ring(g))
		return OGR_G_Clone(g);
	if (OGR_GT_Flatten(OGR_G_GetGeometryType(g)) != wkbGeometryCollection)
		return OGR_G_ForceToLineString(OGR_G_Clone(g));
	all = OGR_G_CreateGeometry(wkbGeometryCollection);
	for (int i = 0; i < OGR_G_GetGeometryCount(g); i++)
		(void)OGR_G_AddGeometryDirectly(all, without_rings(OGR_G_GetGeometryRef(g, i)));
	return all;
}

/* Curves become lines, surfaces of other kinds polygons.  Owns: caller destroys the result; takes
 * G. */
static OGRGeometryH simple(OGRGeometryH g)
{
	OGRwkbGeometryType t = OGR_GT_Flatten(OGR_G_GetGeometryType(g));

	if (OGR_GT_IsNonLinear(t)) {
		OGRGeometryH linear = OGR_G_GetLinearGeometry(g, 0, NULL);

		OGR_G_DestroyGeometry(g);
		return linear;
	}
	if (t == wkbTriangle)
		return OGR_G_ForceToPolygon(g);
	if (t == wkbTIN || t == wkbPolyhedralSurface)
		return OGR_G_ForceToMultiPolygon(g);
	return g;
}

/* Whether a row of this kind may stand in the target's column. */
static bool is_welcome(const struct outlayer *o, unsigned kind)
{
	int want;

	if (!o->append || o->geometry == NULL)
		return true;
	want = gpkg_kind_of(o->geometry);
	return want <= 0 || (unsigned)want == kind || (unsigned)want == kind + 3 ||
	       (unsigned)want + 3 == kind;
}

static void refuse_kind(struct outlayer *o, OGRGeometryH g)
{
	if (!o->has_failed) {
		json_object *p =
		    problem_str(problem_str(problem_new("geometry_mismatch"), "file", o->file),
				"layer", o->name);

		problem_int(p, "row", o->row);
		problem_arg(p, "to", OGR_G_GetGeometryName(g));
		(void)job_fail(o->job, problem_arg(p, "from", o->geometry));
	}
	o->has_failed = true;
	out_no_geometry(o);
}

void out_geometry(struct outlayer *o, OGRGeometryH g, const char *column)
{
	OGRGeometryH own = NULL;
	double env[4];
	size_t len;
	uint32_t type;
	bool fine = true;

	o->curves += OGR_G_HasCurveGeometry(g, 1) != 0;
	if (has_ring(g))
		g = own = without_rings(g);
	if (OGR_GT_IsNonLinear(OGR_G_GetGeometryType(g)) ||
	    OGR_GT_Flatten(OGR_G_GetGeometryType(g)) > wkbGeometryCollection)
		g = own = simple(OGR_G_Clone(g));
	if (o->ct != NULL && g != NULL) {
		CPLPushErrorHandler(CPLQuietErrorHandler);
		fine = OGR_G_Transform(g, o->ct) == OGRERR_NONE;
		CPLPopErrorHandler();
	}
	if (g == NULL || !fine) {
		out_no_geometry(o);
		out_bad(o, "geometry_invalid", column, NULL, 0);
		OGR_G_DestroyGeometry(own);
		return;
	}
	len = (size_t)OGR_G_WkbSize(g);
	if (len > o->wkb_cap) {
		o->wkb_cap = len + len / 2;
		o->wkb = mem_resize(o->wkb, o->wkb_cap, 1);
	}
	fine = OGR_G_ExportToIsoWkb(g, wkbNDR, o->wkb) == OGRERR_NONE && wkbscan(o->wkb, len, env);
	memcpy(&type, fine ? o->wkb + 1 : (const unsigned char *)"\0\0\0\0", 4);
	if (!fine) {
		out_no_geometry(o);
		out_bad(o, "geometry_invalid", column, NULL, 0);
	} else if (!is_welcome(o, type % 1000)) {
		refuse_kind(o, g);
	} else {
		o->row_geometry = true;
		gpkg_wkb(o->g, o->wkb, len, env);
	}
	OGR_G_DestroyGeometry(own);
}
