/*
 * Sources: from the job's files to something GDAL has open with exactly one driver, after the
 * content gate.
 */
#ifndef SLIPWAY_GEO_SOURCE_H
#define SLIPWAY_GEO_SOURCE_H

#include <gdal.h>
#include <ogr_api.h>
#include "geo/job.h"
#include "wizard/bundle.h"

/*
 * One bundle made ready: members of a zip are unpacked under our own names into out/work/ (counted,
 * limited).
 */
struct source {
	int bundle; /* its index */
	enum kind kind;
	char *stem;    /* as written: "roads" */
	char *file;    /* main file's display name (or member path in a zip): "roads.shp" */
	char *path;    /* main file's path, for GDAL or the table reader */
	char *side[8]; /* paths by role: see SOURCE_SIDE_… ; NULL = not there */
	/* GDAL's name of the one driver, set by the content gate; static */
	const char *driver;
	bool heights;	       /* KIND_GPX: there are heights, and no route or track lacks one */
	const char *grid_type; /* KIND_ASC: GDAL's DATATYPE, NULL = its own choice; static */
	/* its own CRS is a link, which nobody follows, or no name we know */
	bool no_crs;
	bool in_zip; /* FILE is a member's path */
	/* KIND_GPKG: the one table this source is; NULL = the vector ones */
	char *raster_table;
	json_object *overlay; /* KIND_KML_OVERLAY: {"bounds":[w,s,e,n],"rotation"}; owned */
};
enum source_side {
	SOURCE_PRJ,
	SOURCE_CPG,
	SOURCE_XML,
	SOURCE_SLD,
	SOURCE_IMAGE /* of an overlay */,
	SOURCE_DBF,
	SOURCE_SIDE__MAX
};

struct source_set {
	struct source *v;
	size_t n;
	enum kind kind;	      /* of the session: single kind, multi, zip-mosaic */
	char *name;	      /* session name: the zip's or the file's stem */
	json_object *bundles; /* array for the inspect result */
};

/*
 * Sort the job's files into bundles, look into a zip, pass every member through the content gate.
 * The same for inspect and import, so that "bundle" numbers agree.
 * Owns:   caller calls source_set_done.
 * Errors: job->problems filled.
 */
enum err source_set_open(struct job *, struct source_set *ret);
void source_set_done(struct source_set *);

/* The definition in its .prj, trimmed; NULL = none, too long or no text.  Caller frees. */
char *source_prj(const struct source *);

/*
 * Open with the one driver of its kind, read-only, with our open options (CHARSET: for DBF, NULL =
 * what inspection found).
 * Owns: caller calls GDALClose.  NULL: job->problems has format_unreadable.
 */
GDALDatasetH source_open(struct job *, const struct source *, const char *charset);
/* The layer of DS that LAYER (a LAYER object) names.  Borrowed.  NULL: problem added. */
OGRLayerH source_layer(struct job *, GDALDatasetH ds, const json_object *layer);
/*
 * CRS of a LAYER-to-import: {"source":code|wkt,"target":…} to a handle with traditional axis order;
 * caller releases; NULL = none.
 */
OGRSpatialReferenceH srs_of(const char *code_or_wkt);
/*
 * Fill "crs", "native_crs", "candidates", "supported" of LAYER from SRS (may be NULL) and its
 * extent.
 */
void srs_describe(struct job *, OGRSpatialReferenceH srs, const double extent[4] /* NULL = none */,
		  const char *favourites, json_object *layer);
/* {"code","name","wkt"} of a CRS, caller frees. */
json_object *srs_json(OGRSpatialReferenceH srs);
/* Extent in SRS to west, south, east, north in WGS 84; false: cannot be computed. */
bool srs_wgs84_bounds(OGRSpatialReferenceH srs, const double extent[4], double ret[4]);

#endif
