/*
 * The raster of a mosaic, made of its granules.  With times it has one group of bands for each
 * instant, in order, each band described by its instant: one Cloud Optimized GeoTIFF any program
 * reads.
 * Source: contracts/wizard.md 8.6.
 */
#include <cpl_conv.h>
#include <cpl_string.h>
#include <gdal_utils.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "geo/raster.h"
#include "geo/output_impl.h"

#define BLOCK_ROWS 64

static const struct source *by_bundle(const struct source_set *set, int64_t bundle)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].bundle == bundle)
			return &set->v[i];
	}
	return NULL;
}

/* Granules open at a time: a job has 64 descriptors. */
#define BATCH 24

static char **word(char **args, const char *a, const char *b)
{
	args = CSLAddString(args, a);
	return b == NULL ? args : CSLAddString(args, b);
}

static char **number(char **args, double v)
{
	char text[40];
	(void)CPLsnprintf(text, sizeof(text), "%.17g", v);
	return CSLAddString(args, text);
}

/* The granules of one instant (TIME NULL: all), in order; their number. */
static size_t chosen(const struct source_set *set, const json_object *layer, const int64_t *time,
		     const struct source ***ret)
{
	json_object *list = json_arr(json_obj(layer, "mosaic"), "granules"), *item;
	const struct source **v = mem_array(json_len(list) + 1, sizeof(*v));
	size_t n = 0;
	JSON_EACH(item, list)
	{
		const struct source *src = by_bundle(set, json_int(item, "bundle", -1));
		if (src != NULL && (time == NULL || json_int(item, "time", 0) == *time))
			v[n++] = src;
	}
	*ret = v;
	return n;
}

/*
 * What granules are merged on: the extent of all of them, the first one's pixels, and how they say
 * "no value here".
 */
struct grid {
	double e[4], pixel[2];
	GDALDataType type;
	bool alpha, differ; /* some have an alpha band; their no-data values are not all the same */
	bool idle;	    /* some have a no-data value no pixel can have */
	size_t n, with;	    /* granules; those with a no-data value */
	double nodata;	    /* of the first of these */
};

static void take_blank(struct grid *g, GDALDatasetH ds)
{
	int declared = 0;
	double nodata;
	bool has = raster_nodata(ds, &nodata);
	(void)GDALGetRasterNoDataValue(GDALGetRasterBand(ds, 1), &declared);
	g->type = GDALGetRasterDataType(GDALGetRasterBand(ds, 1));
	g->alpha = g->alpha || raster_has_alpha(ds);
	g->idle = g->idle || (declared != 0 && !has);
	if (has && g->with++ == 0)
		g->nodata = nodata;
	g->differ =
	    g->differ || (has && nodata != g->nodata && !(isnan(nodata) && isnan(g->nodata)));
	g->n++;
}

static bool grid_of(struct job *job, const struct source **v, size_t n, struct grid *g)
{
	for (size_t i = 0; i < n; i++) {
		GDALDatasetH ds = source_open(job, v[i], NULL);
		double one[4], gt[6];
		bool good =
		    ds != NULL && raster_extent(ds, one) && GDALGetGeoTransform(ds, gt) == CE_None;
		if (good)
			take_blank(g, ds);
		if (ds != NULL)
			GDALClose(ds);
		if (!good)
			return false;
		for (int k = 0; k < 4; k++)
			g->e[k] = i == 0 || (k < 2 ? one[k] < g->e[k] : one[k] > g->e[k]) ? one[k]
											  : g->e[k];
		if (i == 0) {
			g->pixel[0] = gt[1];
			g->pixel[1] = gt[5] < 0 ? -gt[5] : gt[5];
		}
	}
	return n > 0;
}

/*
 * How the merged raster says "no value here": as its granules do, by NaN, or by one more band, its
 * mask.
 */
enum blank { BLANK_OWN, BLANK_NAN, BLANK_MASK };

/* STACKED: bands of one raster, which has one mask for all. */
static enum blank blank_of(const struct grid *g, bool stacked)
{
	if (g->alpha || (g->with == g->n && !g->differ))
		return BLANK_OWN;
	return stacked && !GDALDataTypeIsInteger(g->type) ? BLANK_NAN : BLANK_MASK;
}

/* Warp a batch of granules into OUT, or to a new file at PATH when there is none yet. */
static GDALDatasetH warp_batch(struct job *job, const struct source **v, size_t n, GDALDatasetH out,
			       const char *path, char **args)
{
	GDALDatasetH open[BATCH];
	int k = 0, bad = 0;
	GDALWarpAppOptions *o = GDALWarpAppOptionsNew(args, NULL);
	CSLDestroy(args);
	for (size_t i = 0; i < n; i++) {
		open[k] = source_open(job, v[i], NULL);
		k += open[k] != NULL;
	}
	GDALDatasetH done = o == NULL || (size_t)k != n ? NULL
			    : out == NULL		? GDALWarp(path, NULL, k, open, o, &bad)
							: GDALWarp(NULL, out, k, open, o, &bad);
	if (o != NULL)
		GDALWarpAppOptionsFree(o);
	for (int i = 0; i < k; i++)
		GDALClose(open[i]);
	return done;
}

/* Does the last band of DS, a mask, hide anything? */
static bool hides(GDALDatasetH ds)
{
	double range[2] = {0, 0};
	GDALComputeRasterMinMax(GDALGetRasterBand(ds, GDALGetRasterCount(ds)), FALSE, range);
	return !(range[0] > 0);
}

/* Options of the warp that makes the merged raster. */
static char **new_raster(char **args, const char *source, const struct grid *g, enum blank blank)
{
	args = *source != '\0' ? word(args, "-t_srs", source) : args;
	args = word(word(word(args, "-of", "GTiff"), "-co", "BIGTIFF=IF_SAFER"), "-te", NULL);
	for (int k = 0; k < 4; k++)
		args = number(args, g->e[k]);
	args = number(number(word(args, "-tr", NULL), g->pixel[0]), g->pixel[1]);
	if (blank == BLANK_NAN)
		return word(args, "-dstnodata", "nan");
	return blank == BLANK_MASK ? word(word(args, "-dstnodata", "None"), "-dstalpha", NULL)
				   : args;
}

/*
 * Granules of one instant (TIME NULL: all) merged to a GeoTIFF, in their own CRS.  STACKED: as
 * bands of many; *RET_LAST: what its last band is.
 */
static GDALDatasetH merge(struct job *job, const struct source_set *set, const json_object *layer,
			  const int64_t *time, size_t nth, bool stacked, enum raster_last *ret_last)
{
	CLEAN_FREE const struct source **v = NULL;
	size_t n = chosen(set, layer, time, &v);
	const char *source = json_str(json_obj(layer, "srs"), "source", "");
	struct grid g = {.n = 0};
	char path[700], name[48];
	GDALDatasetH out = NULL, first;
	bool good = grid_of(job, v, n, &g);
	enum blank blank = blank_of(&g, stacked);

	(void)snprintf(name, sizeof(name), "work/mosaic-%zu.tif", nth);
	job_out(job, name, path, sizeof(path));
	for (size_t done = 0; good && done < n; done += BATCH) {
		char **args = *source != '\0' ? word(NULL, "-s_srs", source) : NULL;
		if (g.idle && g.with == 0)
			args = word(args, "-srcnodata", "None");
		if (out == NULL)
			args = new_raster(args, source, &g, blank);
		GDALDatasetH next =
		    warp_batch(job, v + done, n - done < BATCH ? n - done : BATCH, out, path, args);
		good = next != NULL;
		out = good ? next : out;
	}
	if (!good) {
		if (out != NULL)
			GDALClose(out);
		(void)job_fail(job, problem_str(problem_new("import_failed"), "layer",
						json_str(layer, "table", "")));
		return NULL;
	}
	if ((first = source_open(job, v[0], NULL)) != NULL) {
		raster_copy_words(first, out, 0);
		GDALClose(first);
	}
	*ret_last = blank != BLANK_MASK ? LAST_PLAIN : hides(out) ? LAST_MASK : LAST_IDLE;
	return out;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The distinct instants in order; their number. */
static size_t instants(const json_object *layer, int64_t **ret)
{
	json_object *list = json_arr(json_obj(layer, "mosaic"), "granules"), *item;
	int64_t *v = mem_array(json_len(list) + 1, sizeof(*v));
	size_t n = 0, kept = 0;
	JSON_EACH(item, list)
	{
		if (json_get(item, "time") != NULL)
			v[n++] = json_int(item, "time", 0);
	}
	qsort(v, n, sizeof(*v), by_time);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	*ret = v;
	return kept;
}

/*
 * Copy one band, row block by row block, onto TO's grid; outside FROM's own extent the band keeps
 * its nodata.
 */
static bool copy_band(GDALRasterBandH from, GDALRasterBandH to, int x, int y)
{
	GDALDataType type = GDALGetRasterDataType(from);
	int w = GDALGetRasterBandXSize(from), h = GDALGetRasterBandYSize(from);
	CLEAN_FREE void *rows =
	    mem_array((size_t)w * BLOCK_ROWS, (size_t)GDALGetDataTypeSizeBytes(type));
	for (int row = 0; row < h; row += BLOCK_ROWS) {
		int n = h - row < BLOCK_ROWS ? h - row : BLOCK_ROWS;
		if (GDALRasterIO(from, GF_Read, 0, row, w, n, rows, w, n, type, 0, 0) != CE_None ||
		    GDALRasterIO(to, GF_Write, x, y + row, w, n, rows, w, n, type, 0, 0) != CE_None)
			return false;
	}
	return true;
}

/* Where FROM's upper left corner falls on TO's grid, in pixels. */
static void offset_of(GDALDatasetH from, GDALDatasetH to, int *x, int *y)
{
	double a[6], b[6];
	(void)GDALGetGeoTransform(from, a);
	(void)GDALGetGeoTransform(to, b);
	*x = (int)((a[0] - b[0]) / b[1] + 0.5);
	*y = (int)((a[3] - b[3]) / b[5] + 0.5);
}

/* An empty raster over ALL's grid with room for the BANDS of N instants. */
static GDALDatasetH stack_new(struct job *job, GDALDatasetH all, int bands, size_t n)
{
	char path[700];
	double gt[6], nodata;
	int has = 0;
	char *options[] = {(char *)(uintptr_t) "TILED=YES", (char *)(uintptr_t) "BIGTIFF=IF_SAFER",
			   (char *)(uintptr_t) "SPARSE_OK=TRUE", NULL};
	job_out(job, "work/stack.tif", path, sizeof(path));
	GDALRasterBandH first = GDALGetRasterBand(all, 1);
	GDALDatasetH out = GDALCreate(GDALGetDriverByName("GTiff"), path, GDALGetRasterXSize(all),
				      GDALGetRasterYSize(all), bands * (int)n,
				      GDALGetRasterDataType(first), options);
	if (out == NULL)
		return NULL;
	(void)GDALGetGeoTransform(all, gt);
	(void)GDALSetGeoTransform(out, gt);
	(void)GDALSetSpatialRef(out, GDALGetSpatialRef(all));
	nodata = GDALGetRasterNoDataValue(first, &has);
	for (int b = 1; b <= bands * (int)n && has != 0; b++)
		(void)GDALSetRasterNoDataValue(GDALGetRasterBand(out, b), nodata);
	return out;
}

static enum err write_timed(struct job *job, const struct source_set *set, const json_object *layer,
			    const int64_t *times, size_t n, const char *path)
{
	enum raster_last last = LAST_PLAIN;
	GDALDatasetH all = merge(job, set, layer, NULL, 0, true, &last);
	int bands = all == NULL ? 0 : GDALGetRasterCount(all) - (last != LAST_PLAIN);
	GDALDatasetH stack = all == NULL ? NULL : stack_new(job, all, bands, n);
	int64_t gaps = 0;
	const char *name = json_str(layer, "table", "");
	enum err err = stack == NULL ? ERR_BAD_REQUEST : ERR_OK;
	for (size_t i = 0; i < n && err == ERR_OK; i++) {
		GDALDatasetH one = merge(job, set, layer, &times[i], i + 1, true, &last);
		char iso[32];
		int x = 0, y = 0;
		if (one == NULL) {
			err = ERR_BAD_REQUEST;
			break;
		}
		clock_iso(times[i], iso);
		offset_of(one, stack, &x, &y);
		gaps +=
		    last == LAST_MASK ||
		    (last == LAST_IDLE && (GDALGetRasterXSize(one) < GDALGetRasterXSize(stack) ||
					   GDALGetRasterYSize(one) < GDALGetRasterYSize(stack)));
		raster_copy_words(one, stack, (int)i * bands);
		for (int b = 1; b <= bands && err == ERR_OK; b++) {
			GDALRasterBandH to = GDALGetRasterBand(stack, (int)i * bands + b);
			GDALSetDescription(to, iso);
			(void)GDALSetMetadataItem(to, "TIME", iso, NULL);
			if (!copy_band(GDALGetRasterBand(one, b), to, x, y))
				err = job_fail(
				    job, problem_str(problem_new("import_failed"), "layer", name));
		}
		GDALClose(one);
		job_progress(job, "import", "merging", name, (int64_t)i + 1, (int64_t)n, 0, false);
	}
	if (gaps > 0)
		job_warn(job,
			 problem_arg_int(problem_str(problem_new("mosaic_gaps"), "layer", name),
					 "count", gaps));
	if (err == ERR_OK)
		err = raster_write_as(job, stack, LAST_PLAIN, layer, path);
	if (stack != NULL)
		GDALClose(stack);
	if (all != NULL)
		GDALClose(all);
	if (err != ERR_OK && json_len(job->problems) == 0)
		(void)job_fail(job, problem_str(problem_new("import_failed"), "layer", name));
	return err;
}

enum err mosaic_write(struct job *job, const struct source_set *set, const json_object *layer,
		      const char *path, json_object **ret_times)
{
	if (json_obj(layer, "target") != NULL) {
		struct source_set both;
		json_object *all = NULL;
		enum err added = mosaic_add(job, set, layer, &both, &all);
		if (added != ERR_OK)
			return added;
		json_object_object_del(all, "target");
		added = mosaic_write(job, &both, all, path, ret_times);
		mosaic_added_done(&both, set->n);
		json_object_put(all);
		return added;
	}
	CLEAN_FREE int64_t *times = NULL;
	size_t n = instants(layer, &times);
	if (n == 0) {
		enum raster_last last = LAST_PLAIN;
		GDALDatasetH all = merge(job, set, layer, NULL, 0, false, &last);
		enum err err =
		    all == NULL ? ERR_BAD_REQUEST : raster_write_as(job, all, last, layer, path);
		if (all != NULL)
			GDALClose(all);
		return err;
	}
	enum err err = write_timed(job, set, layer, times, n, path);
	if (err == ERR_OK) {
		json_object *t = json_set_int(json_object_new_object(), "start", times[0]);
		json_set_int(json_set_int(t, "end", times[n - 1]), "positions", (int64_t)n);
		*ret_times = json_set_int(t, "bad", 0);
	}
	return err;
}
