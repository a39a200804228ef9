/*
 * Rasters: described for the wizard, and written as Cloud Optimized GeoTIFF with overviews.
 * Source: contracts/wizard.md 5.1, 8.5; OGC 21-026 (COG).
 */
#include <cpl_conv.h>
#include <cpl_string.h>
#include <gdal_alg.h>
#include <gdal_utils.h>
#include <ogr_srs_api.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "geo/layer.h"
#include "geo/output_impl.h"
#include "geo/raster.h"

bool raster_extent(GDALDatasetH ds, double ret[4])
{
	double gt[6], w = GDALGetRasterXSize(ds), h = GDALGetRasterYSize(ds);
	const double corners[4][2] = {{0, 0}, {w, 0}, {0, h}, {w, h}};
	if (GDALGetGeoTransform(ds, gt) != CE_None)
		return false;
	for (int i = 0; i < 4; i++) {
		double x = gt[0] + corners[i][0] * gt[1] + corners[i][1] * gt[2];
		double y = gt[3] + corners[i][0] * gt[4] + corners[i][1] * gt[5];
		if (!isfinite(x) || !isfinite(y))
			return false;
		ret[0] = i == 0 || x < ret[0] ? x : ret[0];
		ret[1] = i == 0 || y < ret[1] ? y : ret[1];
		ret[2] = i == 0 || x > ret[2] ? x : ret[2];
		ret[3] = i == 0 || y > ret[3] ? y : ret[3];
	}
	return ret[2] > ret[0] && ret[3] > ret[1];
}

static const char *colors_of(GDALDatasetH ds)
{
	GDALRasterBandH first = GDALGetRasterBand(ds, 1);
	int n = GDALGetRasterCount(ds);
	if (GDALGetRasterColorTable(first) != NULL)
		return "palette";
	if (GDALGetRasterColorInterpretation(first) == GCI_RedBand)
		return n >= 4 ? "rgba" : "rgb";
	return n == 1 ? "gray" : "bands";
}

/* {"width","height","bands","dtype","nodata","pixel","colors"}; caller frees. */
static json_object *raster_json(GDALDatasetH ds)
{
	json_object *o = json_object_new_object(), *pixel = json_object_new_array();
	GDALRasterBandH first = GDALGetRasterBand(ds, 1);
	double gt[6] = {0, 1, 0, 0, 0, -1};
	int has_nodata = 0;
	double nodata = GDALGetRasterNoDataValue(first, &has_nodata);
	(void)GDALGetGeoTransform(ds, gt);
	json_set_int(o, "width", GDALGetRasterXSize(ds));
	json_set_int(o, "height", GDALGetRasterYSize(ds));
	json_set_int(o, "bands", GDALGetRasterCount(ds));
	json_set_str(o, "dtype", GDALGetDataTypeName(GDALGetRasterDataType(first)));
	if (has_nodata != 0)
		json_set_num(o, "nodata", nodata);
	else
		json_set(o, "nodata", NULL);
	json_object_array_add(pixel, json_object_new_double(hypot(gt[1], gt[4])));
	json_object_array_add(pixel, json_object_new_double(hypot(gt[2], gt[5])));
	json_set(o, "pixel", pixel);
	return json_set_str(o, "colors", colors_of(ds));
}

OGRSpatialReferenceH raster_srs(const struct source *src, GDALDatasetH ds)
{
	/* Drivers of pictures do not look at the .prj beside them. */
	CLEAN_FREE char *prj = GDALGetSpatialRef(ds) == NULL ? source_prj(src) : NULL;
	OGRSpatialReferenceH srs = src->overlay != NULL ? srs_of("EPSG:4326")
				   : prj != NULL	? srs_of(prj)
							: NULL;
	if (srs == NULL && !src->no_crs && GDALGetSpatialRef(ds) != NULL) {
		srs = GDALGetSpatialRef(ds);
		(void)OSRReference(srs);
	}
	return srs;
}

json_object *raster_layer(struct job *job, const struct source *src, GDALDatasetH ds, int64_t i,
			  const char *name)
{
	json_object *layer = layer_new(src, i, "raster", name, name),
		    *list = json_object_new_array();
	double e[4];
	json_set_str(layer, "geometry", "None");
	json_set_int(layer, "count", 1);
	json_set(layer, "raster", raster_json(ds));
	json_set(layer, "columns", json_object_new_array());
	if (src->overlay != NULL) {
		json_object *bounds = json_arr(src->overlay, "bounds");
		json_set(layer, "overlay", json_copy(src->overlay));
		for (size_t k = 0; k < 4; k++)
			e[k] = json_object_get_double(json_at(bounds, k));
	} else if (!raster_extent(ds, e)) {
		json_object_put(layer);
		json_object_put(list);
		return NULL;
	}
	for (size_t k = 0; k < 4; k++)
		json_object_array_add(list, json_object_new_double(e[k]));
	json_set(layer, "extent", list);
	OGRSpatialReferenceH srs = raster_srs(src, ds);
	srs_describe(job, srs, e, json_str(job->spec, "favourites", NULL), layer);
	OSRRelease(srs);
	return layer;
}

static void warn_skipped(struct job *job, const struct source *src, const char *elements, int64_t n)
{
	json_object *p;

	if (n == 0)
		return;
	p = problem_str(problem_new("elements_skipped"), "file", src->file);
	job_warn(job, problem_arg_int(problem_arg(p, "elements", elements), "count", n));
}

/*
 * Do columns of an attribute table say more than colours and counts: names of classes, for example?
 */
static bool has_attributes(GDALRasterAttributeTableH t)
{
	for (int i = 0; t != NULL && GDALRATGetRowCount(t) > 0 && i < GDALRATGetColumnCount(t);
	     i++) {
		GDALRATFieldUsage usage = GDALRATGetUsageOfCol(t, i);
		if (usage == GFU_Name ||
		    (usage == GFU_Generic && strcmp(GDALRATGetNameOfCol(t, i), "Histogram") != 0))
			return true;
	}
	return false;
}

/* What a GeoTIFF has no place for. */
static void tell_classes(struct job *job, const struct source *src, GDALDatasetH ds)
{
	int names = 0, tables = 0;

	for (int b = 1; b <= GDALGetRasterCount(ds); b++) {
		GDALRasterBandH band = GDALGetRasterBand(ds, b);

		names += CSLCount(GDALGetRasterCategoryNames(band)) > 0;
		tables += has_attributes(GDALGetDefaultRAT(band));
	}
	warn_skipped(job, src, "CategoryNames", names);
	warn_skipped(job, src, "RasterAttributeTable", tables);
}

/* Of a TIFF with several pictures GDAL opens the first. */
static void tell_other_pictures(struct job *job, const struct source *src, GDALDatasetH ds)
{
	/* a name and a description each */
	int n = CSLCount(GDALGetMetadata(ds, "SUBDATASETS")) / 2;
	char which[40];

	if (n < 2)
		return;
	(void)snprintf(which, sizeof(which), n > 2 ? "IFD 2 - %d" : "IFD %d", n);
	warn_skipped(job, src, which, n - 1);
}

enum err raster_inspect(struct job *job, const struct source *src, json_object *layers)
{
	GDALDatasetH ds = source_open(job, src, NULL);
	if (ds == NULL)
		return ERR_BAD_REQUEST;
	if (GDALGetRasterCount(ds) == 0) {
		GDALClose(ds);
		return job_fail(job,
				problem_str(problem_new("format_no_layers"), "file", src->file));
	}
	if (src->overlay == NULL && raster_is_cut(ds, src->path)) {
		GDALClose(ds);
		return job_fail(job,
				problem_str(problem_new("format_unreadable"), "file", src->file));
	}
	int64_t i = (int64_t)json_len(layers);
	json_object *layer = raster_layer(job, src, ds, i, src->stem);
	if (layer != NULL) {
		json_object_array_add(layers, layer);
		preview_raster(job, ds, i);
		tell_other_pictures(job, src, ds);
		tell_classes(job, src, ds);
	} else {
		json_object *p = problem_str(problem_new("no_georeference"), "file", src->file);
		(void)job_fail(job, GDALGetGCPCount(ds) > 0 ? problem_arg(p, "reason", "gcps") : p);
	}
	GDALClose(ds);
	return layer != NULL ? ERR_OK : ERR_BAD_REQUEST;
}

/* ---- import */

struct watch {
	struct job *job;
	const char *layer;
};

static int CPL_STDCALL on_progress(double done, const char *message, void *arg)
{
	struct watch *w = arg;
	(void)message;
	job_progress(w->job, "import", "raster", w->layer, (int64_t)(done * 1000), 1000, 0, false);
	return TRUE;
}

static char **add(char **args, const char *a, const char *b)
{
	args = CSLAddString(args, a);
	return b == NULL ? args : CSLAddString(args, b);
}

/* Of classes nothing is to be predicted; of complex numbers and of 4 or 12 bits nothing can be. */
static const char *predictor(GDALRasterBandH band)
{
	GDALDataType type = GDALGetRasterDataType(band);
	const char *bits = GDALGetMetadataItem(band, "NBITS", "IMAGE_STRUCTURE");
	if (type == GDT_Float32 || type == GDT_Float64)
		return "PREDICTOR=FLOATING_POINT";
	bool whole = bits == NULL || strcmp(bits, "8") == 0 || strcmp(bits, "16") == 0;
	return whole && GDALGetRasterColorTable(band) == NULL && !GDALDataTypeIsComplex(type)
		   ? "PREDICTOR=STANDARD"
		   : "PREDICTOR=NO";
}

static char **creation(GDALDatasetH ds, char **args)
{
	bool classes = GDALGetRasterColorTable(GDALGetRasterBand(ds, 1)) != NULL;
	args = add(add(args, "-of", "COG"), "-co", "COMPRESS=DEFLATE");
	args = add(args, "-co", predictor(GDALGetRasterBand(ds, 1)));
	args = add(add(args, "-co", "BIGTIFF=IF_SAFER"), "-co", "NUM_THREADS=2");
	return add(args, "-co",
		   classes ? "OVERVIEW_RESAMPLING=NEAREST" : "OVERVIEW_RESAMPLING=AVERAGE");
}

/*
 * A no-data value no pixel can have, such as -9999 of bytes: GDAL would take the nearest one, a
 * good value, for it.
 */
static bool nodata_is_idle(GDALDatasetH ds)
{
	GDALRasterBandH band = GDALGetRasterBand(ds, 1);
	GDALDataType type = GDALGetRasterDataType(band);
	const char *kind = GDALGetMetadataItem(band, "PIXELTYPE", "IMAGE_STRUCTURE");
	int has = 0, clamped = 0, rounded = 0;
	double nodata = GDALGetRasterNoDataValue(band, &has);
	if (has == 0 || (!GDALDataTypeIsInteger(type) || GDALGetDataTypeSizeBytes(type) > 4) ||
	    (kind != NULL && strcmp(kind, "SIGNEDBYTE") == 0))
		return false;
	(void)GDALAdjustValueToDataType(type, nodata, &clamped, &rounded);
	return clamped != 0 || rounded != 0;
}

/*
 * All pixels of DS, once more: only asked when something went wrong.  Opened anew: some damages are
 * told once.
 */
static bool is_whole(GDALDatasetH ds)
{
	const char *const drivers[] = {GDALGetDriverShortName(GDALGetDatasetDriver(ds)), NULL};
	GDALDatasetH again =
	    GDALOpenEx(GDALGetDescription(ds), GDAL_OF_RASTER, drivers, NULL, NULL);
	bool whole = true;
	ds = again != NULL ? again : ds;
	for (int i = 1; whole && i <= GDALGetRasterCount(ds); i++) {
		CPLErrorReset();
		(void)GDALChecksumImage(GDALGetRasterBand(ds, i), 0, 0, GDALGetRasterXSize(ds),
					GDALGetRasterYSize(ds));
		whole = CPLGetLastErrorType() != CE_Failure;
	}
	if (again != NULL)
		GDALClose(again);
	return whole;
}

/*
 * DS could not be written: for want of memory, because it is damaged, or else as OTHERWISE (taken)
 * says.
 */
static enum err raster_failed(struct job *job, GDALDatasetH ds, const json_object *layer,
			      json_object *otherwise)
{
	bool memory = strcasestr(job->detail, "memory") != NULL ||
		      strcasestr(job->detail, "allocate") != NULL;
	if (memory || !is_whole(ds)) {
		json_object_put(otherwise);
		otherwise = problem_str(problem_new(memory ? "import_memory" : "format_unreadable"),
					"file", json_str(layer, "file", NULL));
	}
	return job_fail(job, problem_str(otherwise, "layer", json_str(layer, "table", "")));
}

/* Write DS to PATH as COG; ARGS (taken): more options of gdal_translate. */
static enum err raster_write(struct job *job, GDALDatasetH ds, char **args, const char *path,
			     const json_object *layer)
{
	struct watch watch = {job, json_str(layer, "table", "")};
	int bad = 0;
	args = creation(ds, args);
	if (nodata_is_idle(ds))
		args = add(args, "-a_nodata", "none");
	GDALTranslateOptions *o = GDALTranslateOptionsNew(args, NULL);
	CSLDestroy(args);
	if (o == NULL)
		return job_fail(job,
				problem_str(problem_new("import_failed"), "layer", watch.layer));
	GDALTranslateOptionsSetProgress(o, on_progress, &watch);
	GDALDatasetH out = GDALTranslate(path, ds, o, &bad);
	GDALTranslateOptionsFree(o);
	if (out != NULL)
		GDALClose(out);
	if (out == NULL || bad != 0) {
		(void)remove(path);
		return raster_failed(job, ds, layer, problem_new("import_failed"));
	}
	return ERR_OK;
}

/*
 * Values between two pixels mean something: fractions and colours, but not the numbers of classes.
 */
static bool is_measured(GDALDatasetH ds)
{
	GDALRasterBandH band = GDALGetRasterBand(ds, 1);
	return !GDALDataTypeIsInteger(GDALGetRasterDataType(band)) ||
	       GDALGetRasterColorInterpretation(band) == GCI_RedBand;
}

bool raster_nodata(GDALDatasetH ds, double *ret)
{
	int has = 0;
	*ret = GDALGetRasterNoDataValue(GDALGetRasterBand(ds, 1), &has);
	return has != 0 && !nodata_is_idle(ds);
}

bool raster_has_alpha(GDALDatasetH ds)
{
	for (int i = 1; i <= GDALGetRasterCount(ds); i++)
		if (GDALGetRasterColorInterpretation(GDALGetRasterBand(ds, i)) == GCI_AlphaBand)
			return true;
	return false;
}

/*
 * Nothing in the pixels of DS can say "no value here": neither a no-data value nor an alpha band.
 */
static bool has_no_blank(GDALDatasetH ds)
{
	double nodata;
	return !raster_has_alpha(ds) && !raster_nodata(ds, &nodata);
}

/*
 * The last band of DS, an alpha band that a warp added, as the mask of those before it, or left
 * out.
 */
static char **last_as_mask(GDALDatasetH ds, bool needed)
{
	char **args = NULL, number[16];
	int n = GDALGetRasterCount(ds);
	for (int i = 1; i <= n; i++) {
		(void)snprintf(number, sizeof(number), "%d", i);
		args =
		    i < n ? add(args, "-b", number) : add(args, "-mask", needed ? number : "none");
	}
	return args;
}

void raster_copy_words(GDALDatasetH ds, GDALDatasetH to, int skip)
{
	for (int b = 1; b <= GDALGetRasterCount(ds) && skip + b <= GDALGetRasterCount(to); b++) {
		GDALRasterBandH from = GDALGetRasterBand(ds, b),
				band = GDALGetRasterBand(to, skip + b);
		char **items = GDALGetMetadata(from, NULL);
		int has = 0;
		double v = GDALGetRasterScale(from, &has);
		if (has != 0)
			(void)GDALSetRasterScale(band, v);
		v = GDALGetRasterOffset(from, &has);
		if (has != 0)
			(void)GDALSetRasterOffset(band, v);
		(void)GDALSetRasterUnitType(band, GDALGetRasterUnitType(from));
		GDALSetDescription(band, GDALGetDescription(from));
		for (; items != NULL && *items != NULL; items++) {
			char *key = NULL;
			const char *value = CPLParseNameValue(*items, &key);
			/* Of moved values these are others. */
			if (key != NULL && value != NULL && strncmp(key, "STATISTICS_", 11) != 0)
				(void)GDALSetMetadataItem(band, key, value, NULL);
			CPLFree(key);
		}
	}
}

/*
 * DS in TARGET's system, as a GeoTIFF of our own below out/work; NULL: problem added.  The corners
 * a turned picture leaves, and what its mask hides, would become zeros like any value: where
 * has_no_blank, an alpha band tells them.
 */
static GDALDatasetH reproject(struct job *job, GDALDatasetH ds, const char *source,
			      const char *target, const json_object *layer)
{
	struct watch watch = {job, json_str(layer, "table", "")};
	char path[700];
	int bad = 0;
	char **args = add(add(NULL, "-t_srs", target), "-of", "GTiff");
	args = add(add(args, "-co", "TILED=YES"), "-co", "BIGTIFF=IF_SAFER");
	if (is_measured(ds))
		args = add(args, "-r", "bilinear");
	if (nodata_is_idle(ds))
		args = add(args, "-srcnodata", "None");
	if (has_no_blank(ds))
		args = add(args, "-dstalpha", NULL);
	if (*source != '\0')
		args = add(args, "-s_srs", source);
	job_out(job, "work/warped.tif", path, sizeof(path));
	GDALWarpAppOptions *o = GDALWarpAppOptionsNew(args, NULL);
	CSLDestroy(args);
	if (o != NULL)
		GDALWarpAppOptionsSetProgress(o, on_progress, &watch);
	GDALDatasetH out = o == NULL ? NULL : GDALWarp(path, NULL, 1, &ds, o, &bad);
	if (o != NULL)
		GDALWarpAppOptionsFree(o);
	if (out == NULL)
		(void)raster_failed(job, ds, layer,
				    problem_arg(problem_new("srs_transform"), "target", target));
	if (out != NULL)
		raster_copy_words(ds, out, 0);
	return out;
}

/* The result item of a raster written to PATH. */
static json_object *raster_item(const char *path, const json_object *layer)
{
	const char *const drivers[] = {"GTiff", NULL};
	GDALDatasetH ds = GDALOpenEx(path, GDAL_OF_RASTER, drivers, NULL, NULL);
	json_object *item = json_object_new_object(), *list;
	double e[4];
	if (ds == NULL) {
		json_object_put(item);
		return NULL;
	}
	json_set_str(json_set_str(item, "type", "raster"), "table", json_str(layer, "table", ""));
	json_set_str(item, "geometry", "None");
	json_set_int(item, "count", 1);
	json_set(item, "raster", raster_json(ds));
	json_set(item, "columns", json_object_new_array());
	json_set(item, "crs",
		 GDALGetSpatialRef(ds) != NULL ? srs_json(GDALGetSpatialRef(ds)) : NULL);
	if (raster_extent(ds, e)) {
		list = json_object_new_array();
		for (size_t k = 0; k < 4; k++)
			json_object_array_add(list, json_object_new_double(e[k]));
		json_set(item, "extent", list);
	}
	json_set(item, "info", json_object_new_object());
	GDALClose(ds);
	return item;
}

/* -a_srs and, for an overlay, the corners: what the file does not say itself. */
static char **georeference(const struct source *src, const char *source)
{
	char **args = NULL, number[40];
	if (src != NULL && src->overlay != NULL) {
		json_object *b = json_arr(src->overlay, "bounds");
		static const size_t order[4] = {0, 3, 2, 1}; /* ulx uly lrx lry of w s e n */
		args = add(args, "-a_ullr", NULL);
		for (size_t k = 0; k < 4; k++) {
			(void)CPLsnprintf(number, sizeof(number), "%.17g",
					  json_object_get_double(json_at(b, order[k])));
			args = add(args, number, NULL);
		}
		return add(args, "-a_srs", "EPSG:4326");
	}
	return *source != '\0' ? add(args, "-a_srs", source) : args;
}

enum err raster_write_as(struct job *job, GDALDatasetH ds, enum raster_last last,
			 const json_object *layer, const char *path)
{
	const char *source = json_str(json_obj(layer, "srs"), "source", ""),
		   *target = json_str(json_obj(layer, "srs"), "target", "");

	if (*target == '\0' || strcmp(target, source) == 0) {
		char **args = last != LAST_PLAIN ? last_as_mask(ds, last == LAST_MASK) : NULL,
		     **more = georeference(NULL, source);
		args = CSLInsertStrings(args, -1, (CSLConstList)more);
		CSLDestroy(more);
		return raster_write(job, ds, args, path, layer);
	}
	GDALDatasetH warped = reproject(job, ds, source, target, layer);
	bool masked = warped != NULL &&
		      (last != LAST_PLAIN || GDALGetRasterCount(warped) > GDALGetRasterCount(ds));
	enum err err = warped == NULL
			   ? ERR_BAD_REQUEST
			   : raster_write(job, warped, masked ? last_as_mask(warped, true) : NULL,
					  path, layer);
	if (warped != NULL)
		GDALClose(warped);
	return err;
}

json_object *raster_import(struct job *job, const struct source_set *set, const struct source *src,
			   const json_object *layer)
{
	const char *source = json_str(json_obj(layer, "srs"), "source", "");
	char file[32], path[700];
	enum err err;

	(void)snprintf(file, sizeof(file), "%lld.tif", (long long)json_int(layer, "i", 0));
	job_out(job, file, path, sizeof(path));
	if (json_obj(layer, "mosaic") != NULL) {
		json_object *times = NULL;
		err = mosaic_write(job, set, layer, path, &times);
		json_object *item = err == ERR_OK ? raster_item(path, layer) : NULL;
		if (item != NULL)
			json_set(item, "time", times);
		else
			json_object_put(times);
		return item;
	}
	GDALDatasetH ds = src == NULL ? NULL : source_open(job, src, NULL);
	if (ds == NULL)
		return NULL;
	err = src->overlay != NULL ? raster_write(job, ds, georeference(src, source), path, layer)
				   : raster_write_as(job, ds, LAST_PLAIN, layer, path);
	GDALClose(ds);
	return err == ERR_OK ? raster_item(path, layer) : NULL;
}
