/*
 * Mosaics: a zip of rasters that are one dataset.  Granules must agree; file names may tell times.
 * Source: contracts/wizard.md 8.6.
 */
#include <math.h>
#include <ogr_srs_api.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/raster.h"
#include "geo/output_impl.h"
#include "wizard/when.h"

#define REGEX_BYTES 200
#define GRID_SLACK  0.01 /* of a pixel */

/* ---- times in names */

static bool is_raster(enum kind kind)
{
	return kind == KIND_TIF || kind == KIND_ASC || kind == KIND_PNG || kind == KIND_JPG ||
	       kind == KIND_IMG || kind == KIND_JP2 || kind == KIND_NTF;
}

/* The instant FILE's name tells by RE; false: no match, or no date. */
static bool time_of_name(regex_t *re, const char *file, int64_t *ret)
{
	static const char *const formats[] = {"yyyyMMdd'T'HHmmss'Z'",
					      "yyyyMMdd'T'HHmmss",
					      "yyyyMMddHHmmss",
					      "yyyy-MM-dd",
					      "yyyyMMdd",
					      "yyyyMM",
					      "yyyy"};
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	regmatch_t m[2];
	if (regexec(re, name, 2, m, 0) != 0)
		return false;
	const regmatch_t *hit = m[1].rm_so >= 0 ? &m[1] : &m[0];
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		char *bad = NULL;
		struct when_format *f = when_format_new(formats[i], &bad);
		bool good =
		    f != NULL && when_parse(f, name + hit->rm_so, (size_t)(hit->rm_eo - hit->rm_so),
					    0, ret, NULL);
		when_format_free(f);
		free(bad);
		if (good)
			return true;
	}
	return false;
}

/*
 * Compile what the form or the zip's sidecar says; *RET_HAS: there is one.  A pattern is small,
 * names are short: no backtracking bomb fits (POSIX matching of 255 bytes ends).
 */
static enum err compile(struct job *job, regex_t *re, bool *ret_has)
{
	const char *text = json_str(json_obj(job->spec, "mosaic"), "regex", NULL);
	*ret_has = text != NULL && *text != '\0';
	if (!*ret_has)
		return ERR_OK;
	if (strlen(text) > REGEX_BYTES || regcomp(re, text, REG_EXTENDED) != 0)
		return job_fail(job, problem_str(problem_str(problem_new("mosaic_time_missing"),
							     "field", "mosaic_time_regex"),
						 "value", text));
	return ERR_OK;
}

/* ---- inspection */

static bool same_srs(OGRSpatialReferenceH x, OGRSpatialReferenceH y)
{
	return x == NULL || y == NULL ? x == y : OSRIsSame(x, y) != 0;
}

/* The same number stands for the same colour in both. */
static bool same_colors(GDALDatasetH first, GDALDatasetH ds)
{
	GDALColorTableH x = GDALGetRasterColorTable(GDALGetRasterBand(first, 1)),
			y = GDALGetRasterColorTable(GDALGetRasterBand(ds, 1));
	if (x == NULL || y == NULL)
		return x == y;
	if (GDALGetColorEntryCount(x) != GDALGetColorEntryCount(y))
		return false;
	for (int i = 0; i < GDALGetColorEntryCount(x); i++) {
		if (memcmp(GDALGetColorEntry(x, i), GDALGetColorEntry(y, i),
			   sizeof(GDALColorEntry)) != 0)
			return false;
	}
	return true;
}

/* The same number means the same in both: factor, offset and unit of each band. */
static bool same_meaning(GDALDatasetH first, GDALDatasetH ds)
{
	for (int b = 1; b <= GDALGetRasterCount(first) && b <= GDALGetRasterCount(ds); b++) {
		GDALRasterBandH x = GDALGetRasterBand(first, b), y = GDALGetRasterBand(ds, b);
		const char *x_unit = GDALGetRasterUnitType(x), *y_unit = GDALGetRasterUnitType(y);
		if (GDALGetRasterScale(x, NULL) != GDALGetRasterScale(y, NULL) ||
		    GDALGetRasterOffset(x, NULL) != GDALGetRasterOffset(y, NULL))
			return false;
		if (*x_unit != '\0' && *y_unit != '\0' && strcmp(x_unit, y_unit) != 0)
			return false;
	}
	return true;
}

bool mosaic_mixes(GDALDatasetH first, GDALDatasetH ds)
{
	return same_colors(first, ds) && same_meaning(first, ds);
}

static bool agrees(GDALDatasetH first, OGRSpatialReferenceH first_srs, GDALDatasetH ds,
		   const struct source *src)
{
	OGRSpatialReferenceH srs = raster_srs(src, ds);
	bool same = same_srs(first_srs, srs);
	OSRRelease(srs);
	return same && GDALGetRasterCount(first) == GDALGetRasterCount(ds) &&
	       mosaic_mixes(first, ds) &&
	       GDALGetRasterDataType(GDALGetRasterBand(first, 1)) ==
		   GDALGetRasterDataType(GDALGetRasterBand(ds, 1));
}

/* What says "no value here" is the same in both: bands of several instants share it. */
static bool same_nodata(GDALDatasetH first, GDALDatasetH ds)
{
	double x, y;
	bool has = raster_nodata(first, &x);
	return has == raster_nodata(ds, &y) && (!has || x == y || (isnan(x) && isnan(y)));
}

bool mosaic_same_grid(GDALDatasetH first, GDALDatasetH ds)
{
	double a[6], b[6];
	if (GDALGetGeoTransform(first, a) != CE_None || GDALGetGeoTransform(ds, b) != CE_None)
		return true;
	double x = (b[0] - a[0]) / a[1], y = (b[3] - a[3]) / a[5];
	int most = GDALGetRasterXSize(ds) > GDALGetRasterYSize(ds) ? GDALGetRasterXSize(ds)
								   : GDALGetRasterYSize(ds);
	return fabs(x - round(x)) < GRID_SLACK && fabs(y - round(y)) < GRID_SLACK &&
	       fabs(b[1] / a[1] - 1) * most < GRID_SLACK &&
	       fabs(b[5] / a[5] - 1) * most < GRID_SLACK && a[2] == 0 && a[4] == 0 && b[2] == 0 &&
	       b[4] == 0;
}

static void widen(json_object *layer, const double e[4])
{
	json_object *old = json_arr(layer, "extent"), *list = json_object_new_array();
	for (size_t k = 0; k < 4; k++) {
		double v = json_object_get_double(json_at(old, k));
		bool further = k < 2 ? e[k] < v : e[k] > v;
		json_object_array_add(list, json_object_new_double(further ? e[k] : v));
	}
	json_set(layer, "extent", list);
}

struct granules {
	struct job *job;
	regex_t re;
	bool timed;
	GDALDatasetH first;
	/* what the first one tells, inside or beside it; NULL = nothing */
	OGRSpatialReferenceH srs;
	json_object *layer;
	json_object *list;	 /* [{"bundle","time"}] */
	int64_t moved;		 /* granules whose pixels are not those of the first */
	const char *moved_first; /* file name of the first of them */
};

static enum err add_granule(struct granules *g, const struct source_set *set,
			    const struct source *src)
{
	GDALDatasetH ds = source_open(g->job, src, NULL);
	int64_t ms = 0;
	double e[4];
	enum err err = ERR_OK;
	if (ds == NULL)
		return ERR_BAD_REQUEST;
	if (raster_is_cut(ds, src->path)) {
		err = job_fail(g->job,
			       problem_str(problem_new("format_unreadable"), "file", src->file));
	} else if (g->first == NULL) {
		g->first = ds;
		g->srs = raster_srs(src, ds);
		g->layer = raster_layer(g->job, src, ds, 0, set->name);
		if (g->layer == NULL)
			err = job_fail(
			    g->job, problem_str(problem_new("no_georeference"), "file", src->file));
		else
			preview_raster(g->job, ds, 0);
	} else if (!agrees(g->first, g->srs, ds, src) || (g->timed && !same_nodata(g->first, ds))) {
		err = job_fail(g->job,
			       problem_str(problem_new("mosaic_mismatch"), "file", src->file));
	} else if (raster_extent(ds, e)) {
		widen(g->layer, e);
		if (!mosaic_same_grid(g->first, ds) && g->moved++ == 0)
			g->moved_first = src->file;
	}
	if (err == ERR_OK && g->timed && !time_of_name(&g->re, src->file, &ms))
		err = job_fail(g->job,
			       problem_str(problem_new("mosaic_time_missing"), "file", src->file));
	if (ds != g->first)
		GDALClose(ds);
	if (err != ERR_OK)
		return err;
	json_object *item = json_set_int(json_object_new_object(), "bundle", src->bundle);
	json_object_array_add(g->list, g->timed ? json_set_int(item, "time", ms) : item);
	return ERR_OK;
}

enum err mosaic_inspect(struct job *job, const struct source_set *set, json_object *layers)
{
	struct granules g = {.job = job, .list = json_object_new_array()};
	enum err err = compile(job, &g.re, &g.timed);
	for (size_t i = 0; i < set->n && err == ERR_OK; i++) {
		if (is_raster(set->v[i].kind))
			err = add_granule(&g, set, &set->v[i]);
	}
	if (err == ERR_OK && g.layer == NULL)
		err = job_fail(job, problem_new("format_no_layers"));
	if (g.first != NULL)
		GDALClose(g.first);
	OSRRelease(g.srs);
	if (g.timed)
		regfree(&g.re);
	if (err != ERR_OK) {
		json_object_put(g.layer);
		json_object_put(g.list);
		return err;
	}
	if (g.moved > 0)
		job_warn(job, problem_arg_int(
				  problem_str(problem_new("mosaic_moved"), "file", g.moved_first),
				  "count", g.moved));
	json_set(g.layer, "mosaic", json_set(json_object_new_object(), "granules", g.list));
	json_object_array_add(layers, g.layer);
	return ERR_OK;
}
