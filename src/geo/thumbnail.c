/*
 * Small pictures: features drawn by GDAL's rasterizer, rasters scaled to eight bits; always PNG
 * written by us.
 */
#include <cpl_conv.h>
#include <cpl_string.h>
#include <gdal_alg.h>
#include <gdal_utils.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "geo/output.h"
#include "geo/output_impl.h"

#define DRAW_MAX   4000 /* features drawn at most: a small picture shows no more */
#define MAP_PIXELS 1024 /* longer side of a raster's map */
#define MERCATOR   20037508.342789244

/* ---- features */

enum ink { INK_PAPER, INK_FILL, INK_LINE, INK__MAX }; /* indexes of the picture's palette */

struct canvas {
	GDALDatasetH ds;	   /* one band of palette indexes, in memory */
	double pixel;		   /* layer units of a pixel */
	OGRGeometryH *v[INK__MAX]; /* owned geometries, to be burnt in this order of inks */
	size_t n[INK__MAX];
};

/* EXTENT with a margin, grown to the picture's shape; a lone point gets a little room. */
static bool canvas_open(struct canvas *c, const double extent[4])
{
	double cx = (extent[0] + extent[2]) / 2, cy = (extent[1] + extent[3]) / 2;
	double px = (extent[2] - extent[0]) * 1.1 / THUMBNAIL_W,
	       py = (extent[3] - extent[1]) * 1.1 / THUMBNAIL_H;
	double gt[6];
	*c = (struct canvas){.pixel = px > py ? px : py};
	if (!(c->pixel > 0))
		c->pixel = fabs(cx) > 0 ? fabs(cx) * 1e-6 : 1e-6;
	c->ds =
	    GDALCreate(GDALGetDriverByName("MEM"), "", THUMBNAIL_W, THUMBNAIL_H, 1, GDT_Byte, NULL);
	if (c->ds == NULL)
		return false;
	gt[0] = cx - c->pixel * THUMBNAIL_W / 2;
	gt[1] = c->pixel;
	gt[2] = 0;
	gt[3] = cy + c->pixel * THUMBNAIL_H / 2;
	gt[4] = 0;
	gt[5] = -c->pixel;
	GDALSetGeoTransform(c->ds, gt);
	return true;
}

/* Takes G. */
static void ink(struct canvas *c, enum ink which, OGRGeometryH g)
{
	size_t n = c->n[which];
	if ((n & (n - 1)) == 0)
		c->v[which] = mem_resize(c->v[which], n == 0 ? 1 : 2 * n, sizeof(*c->v[which]));
	c->v[which][c->n[which]++] = g;
}

/* A point is one pixel to the rasterizer: a small square can be seen. */
static OGRGeometryH dot(OGRGeometryH g, double half)
{
	OGREnvelope e;
	OGRGeometryH ring = OGR_G_CreateGeometry(wkbLinearRing),
		     polygon = OGR_G_CreateGeometry(wkbPolygon);
	OGR_G_GetEnvelope(g, &e);
	double x = (e.MinX + e.MaxX) / 2, y = (e.MinY + e.MaxY) / 2;
	const double corners[5][2] = {{x - half, y - half},
				      {x + half, y - half},
				      {x + half, y + half},
				      {x - half, y + half},
				      {x - half, y - half}};
	for (int i = 0; i < 5; i++)
		OGR_G_AddPoint_2D(ring, corners[i][0], corners[i][1]);
	(void)OGR_G_AddGeometryDirectly(polygon, ring);
	return polygon;
}

static void draw(struct canvas *c, OGRGeometryH g)
{
	int dimension = OGR_G_GetDimension(g), parts = OGR_G_GetGeometryCount(g);
	OGRwkbGeometryType type = wkbFlatten(OGR_G_GetGeometryType(g));
	if (type == wkbMultiPoint || type == wkbGeometryCollection) {
		for (int i = 0; i < parts && i < 1000; i++)
			draw(c, OGR_G_GetGeometryRef(g, i));
	} else if (dimension == 0) {
		ink(c, INK_LINE, dot(g, c->pixel * 1.4));
	} else if (dimension == 1) {
		ink(c, INK_LINE, OGR_G_Clone(g));
	} else {
		ink(c, INK_FILL, OGR_G_Clone(g));
		ink(c, INK_LINE, OGR_G_ForceToMultiLineString(OGR_G_Clone(g)));
	}
}

static void burn(struct canvas *c, enum ink which)
{
	int band = 1;
	char *options[] = {(char *)(uintptr_t) "ALL_TOUCHED=TRUE", NULL};
	double *values = mem_array(c->n[which] + 1, sizeof(*values));
	for (size_t i = 0; i < c->n[which]; i++)
		values[i] = (double)which;
	if (c->n[which] > 0)
		(void)GDALRasterizeGeometries(c->ds, 1, &band, (int)c->n[which], c->v[which], NULL,
					      NULL, values, options, NULL, NULL);
	for (size_t i = 0; i < c->n[which]; i++)
		OGR_G_DestroyGeometry(c->v[which][i]);
	free(c->v[which]);
	free(values);
}

static bool write_png(struct canvas *c, const char *path)
{
	static const GDALColorEntry colors[INK__MAX] = {
	    [INK_PAPER] = {245, 247, 250, 255},
	    [INK_FILL] = {158, 197, 232, 255},
	    [INK_LINE] = {21, 87, 153, 255},
	};
	GDALColorTableH table = GDALCreateColorTable(GPI_RGB);
	for (int i = 0; i < INK__MAX; i++)
		GDALSetColorEntry(table, i, &colors[i]);
	(void)GDALSetRasterColorTable(GDALGetRasterBand(c->ds, 1), table);
	GDALDestroyColorTable(table);
	GDALDatasetH png =
	    GDALCreateCopy(GDALGetDriverByName("PNG"), path, c->ds, FALSE, NULL, NULL, NULL);
	if (png != NULL)
		GDALClose(png);
	return png != NULL;
}

/* A picture of a layer; false: none could be made. */
static bool thumbnail_vector(OGRLayerH layer, const double extent[4], int64_t count,
			     const char *path)
{
	struct canvas c;
	char filter[64];
	OGRFeatureH f;
	if (!canvas_open(&c, extent))
		return false;
	if (count > DRAW_MAX) {
		(void)snprintf(filter, sizeof(filter), "fid %% %lld = 0",
			       (long long)(count / DRAW_MAX + 1));
		(void)OGR_L_SetAttributeFilter(layer, filter);
	}
	OGR_L_ResetReading(layer);
	while ((f = OGR_L_GetNextFeature(layer)) != NULL) {
		OGRGeometryH g = OGR_F_GetGeometryRef(f);
		if (g != NULL && !OGR_G_IsEmpty(g))
			draw(&c, g);
		OGR_F_Destroy(f);
	}
	(void)OGR_L_SetAttributeFilter(layer, NULL);
	burn(&c, INK_FILL);
	burn(&c, INK_LINE);
	bool good = write_png(&c, path);
	GDALClose(c.ds);
	return good;
}

/* ---- rasters */

static char **args_add(char **args, const char *a, const char *b)
{
	args = CSLAddString(args, a);
	return b == NULL ? args : CSLAddString(args, b);
}

/*
 * Options that turn any raster into eight-bit gray or colour: palettes expanded, other types
 * stretched.
 */
static char **eight_bits(GDALDatasetH ds, char **args)
{
	GDALRasterBandH first = GDALGetRasterBand(ds, 1);
	int bands = GDALGetRasterCount(ds);
	GDALColorTableH palette = GDALGetRasterColorTable(first);
	int good = 0;
	double range[2] = {0, 0};
	char low[40], high[40];
	(void)GDALGetRasterNoDataValue(first, &good);
	args = args_add(args, "-of", "PNG");
	if (palette != NULL)
		return args_add(args, "-expand", "rgba");
	if (bands > 4) {
		args = args_add(args_add(args, "-b", "1"), "-b", "2");
		args = args_add(args, "-b", "3");
	} else if (bands == 2 &&
		   GDALGetRasterColorInterpretation(GDALGetRasterBand(ds, 2)) != GCI_AlphaBand) {
		args = args_add(args, "-b", "1");
	}
	if (GDALGetRasterDataType(first) == GDT_Byte && bands > 2)
		return args;
	args = args_add(args, "-ot", "Byte");
	if (GDALComputeRasterStatistics(first, TRUE, &range[0], &range[1], NULL, NULL, NULL,
					NULL) != CE_None ||
	    !(range[1] > range[0]))
		range[1] = range[0] + 1;
	/*
	 * Gray pictures that use the whole scale are shown as they are, classes 0 to 5 are spread
	 * over it.
	 */
	if (GDALGetRasterDataType(first) == GDT_Byte && range[1] >= 128)
		return args;
	(void)CPLsnprintf(low, sizeof(low), "%.17g", range[0]);
	(void)CPLsnprintf(high, sizeof(high), "%.17g", range[1]);
	args = args_add(args, "-scale", low);
	args = args_add(args, high, "0");
	args = args_add(args, "255", NULL);
	return good ? args_add(args, "-a_nodata", "0") : args;
}

static GDALDatasetH translated(GDALDatasetH ds, const char *path, char **args)
{
	int bad = 0;
	GDALTranslateOptions *o = GDALTranslateOptionsNew(args, NULL);
	GDALDatasetH out = o == NULL ? NULL : GDALTranslate(path, ds, o, &bad);
	if (o != NULL)
		GDALTranslateOptionsFree(o);
	CSLDestroy(args);
	if (out != NULL && bad != 0) {
		GDALClose(out);
		return NULL;
	}
	return out;
}

static bool translate(GDALDatasetH ds, const char *path, char **args)
{
	GDALDatasetH out = translated(ds, path, args);
	if (out == NULL)
		return false;
	GDALClose(out);
	return true;
}

/* Is the first line the southern one? */
static bool south_up(GDALDatasetH ds)
{
	double t[6];
	return GDALGetGeoTransform(ds, t) == CE_None && t[5] > 0;
}

/* The last line of an eight-bit picture becomes the first. */
static bool turn_over(GDALDatasetH ds)
{
	int w = GDALGetRasterXSize(ds), h = GDALGetRasterYSize(ds);
	CLEAN_FREE unsigned char *lines = mem_array(2 * (size_t)w, 1);
	CPLErr rc = CE_None;
	for (int b = 1; b <= GDALGetRasterCount(ds); b++) {
		GDALRasterBandH band = GDALGetRasterBand(ds, b);
		for (int y = 0; rc == CE_None && y < h / 2; y++) {
			int pair[2] = {y, h - 1 - y};
			for (int i = 0; rc == CE_None && i < 2; i++)
				rc = GDALRasterIO(band, GF_Read, 0, pair[i], w, 1, lines + i * w, w,
						  1, GDT_Byte, 0, 0);
			for (int i = 0; rc == CE_None && i < 2; i++)
				rc = GDALRasterIO(band, GF_Write, 0, pair[1 - i], w, 1,
						  lines + i * w, w, 1, GDT_Byte, 0, 0);
		}
	}
	return rc == CE_None;
}

/* Where the last band of DS, of bytes, is 0, that of PICTURE becomes so, too. */
static bool hide(GDALDatasetH ds, GDALDatasetH picture)
{
	int w = GDALGetRasterXSize(ds), h = GDALGetRasterYSize(ds);
	GDALRasterBandH from = GDALGetRasterBand(ds, GDALGetRasterCount(ds)),
			to = GDALGetRasterBand(picture, GDALGetRasterCount(picture));
	CLEAN_FREE unsigned char *lines = mem_array(2 * (size_t)w, 1);
	for (int y = 0; y < h; y++) {
		if (GDALRasterIO(from, GF_Read, 0, y, w, 1, lines, w, 1, GDT_Byte, 0, 0) !=
			CE_None ||
		    GDALRasterIO(to, GF_Read, 0, y, w, 1, lines + w, w, 1, GDT_Byte, 0, 0) !=
			CE_None)
			return false;
		for (int x = 0; x < w; x++)
			lines[w + x] = lines[x] == 0 ? 0 : lines[w + x];
		if (GDALRasterIO(to, GF_Write, 0, y, w, 1, lines + w, w, 1, GDT_Byte, 0, 0) !=
		    CE_None)
			return false;
	}
	return true;
}

/* DS, colours of a palette and its mask behind them, as colours with an alpha band. */
static GDALDatasetH open_colors(GDALDatasetH ds)
{
	GDALDatasetH picture = translated(
	    ds, "", args_add(args_add(args_add(NULL, "-of", "MEM"), "-b", "1"), "-expand", "rgba"));
	if (picture == NULL || hide(ds, picture))
		return picture;
	GDALClose(picture);
	return NULL;
}

/* PICTURE as PNG, from north to south.  Takes PICTURE, which may be NULL. */
static bool write_picture(GDALDatasetH picture, bool upside_down, const char *path)
{
	bool good = picture != NULL && (!upside_down || turn_over(picture)) &&
		    translate(picture, path, args_add(NULL, "-of", "PNG"));
	if (picture != NULL)
		GDALClose(picture);
	return good;
}

/* A palette whose values do not all count? */
static bool has_gaps(GDALDatasetH ds)
{
	GDALRasterBandH first = GDALGetRasterBand(ds, 1);
	return GDALGetRasterColorTable(first) != NULL &&
	       (GDALGetMaskFlags(first) & GMF_ALL_VALID) == 0;
}

static bool thumbnail_raster(GDALDatasetH ds, const char *path, int max_w, int max_h)
{
	int w = GDALGetRasterXSize(ds), h = GDALGetRasterYSize(ds);
	double k = fmax((double)w / max_w, (double)h / max_h);
	char width[16], height[16];
	bool gaps = has_gaps(ds);
	char **args =
	    gaps ? args_add(args_add(args_add(NULL, "-b", "1"), "-b", "mask"), "-mask", "none")
		 : eight_bits(ds, NULL);
	if (k < 1)
		k = 1;
	(void)snprintf(width, sizeof(width), "%d", (int)fmax(1, w / k));
	(void)snprintf(height, sizeof(height), "%d", (int)fmax(1, h / k));
	args = args_add(args, "-outsize", width);
	args = args_add(args, height, NULL);
	if (!gaps && !south_up(ds))
		return translate(ds, path, args);
	GDALDatasetH picture = translated(ds, "", args_add(args, "-of", "MEM"));
	if (gaps && picture != NULL) {
		GDALDatasetH colors = open_colors(picture);
		GDALClose(picture);
		picture = colors;
	}
	return write_picture(picture, south_up(ds), path);
}

static double to_degrees(double y)
{
	return atan(sinh(y / 6378137.0)) * 180 / 3.14159265358979323846;
}

/*
 * DS, whose last band is its alpha band, as PNG.  Colours of a palette have an alpha of their own
 * beside it.
 */
static bool write_map(GDALDatasetH ds, const char *path)
{
	if (GDALGetRasterColorTable(GDALGetRasterBand(ds, 1)) == NULL ||
	    GDALGetRasterCount(ds) != 2)
		return translate(ds, path, eight_bits(ds, NULL));
	return write_picture(open_colors(ds), false, path);
}

/* Warped to Web Mercator for the page's map; *RET_BOUNDS west, south, east, north in WGS 84. */
static bool map_raster(GDALDatasetH ds, const char *path, double ret[4])
{
	int w = GDALGetRasterXSize(ds), h = GDALGetRasterYSize(ds), bad = 0;
	char size[16];
	double e[4];
	(void)snprintf(size, sizeof(size), "%d", w > h ? (w < MAP_PIXELS ? w : MAP_PIXELS) : 0);
	char height[16];
	(void)snprintf(height, sizeof(height), "%d", w > h ? 0 : (h < MAP_PIXELS ? h : MAP_PIXELS));
	char **args = args_add(args_add(NULL, "-t_srs", "EPSG:3857"), "-of", "MEM");
	args = args_add(args, "-ts", size);
	args = args_add(args, height, NULL);
	args = args_add(args, "-dstalpha", NULL);
	GDALWarpAppOptions *o = GDALWarpAppOptionsNew(args, NULL);
	GDALDatasetH warped = o == NULL ? NULL : GDALWarp("", NULL, 1, &ds, o, &bad);
	if (o != NULL)
		GDALWarpAppOptionsFree(o);
	CSLDestroy(args);
	if (warped == NULL)
		return false;
	bool good = raster_extent(warped, e) && write_map(warped, path);
	GDALClose(warped);
	ret[0] = e[0] / MERCATOR * 180;
	ret[1] = to_degrees(e[1]);
	ret[2] = e[2] / MERCATOR * 180;
	ret[3] = to_degrees(e[3]);
	return good && isfinite(ret[0]) && isfinite(ret[1]) && isfinite(ret[2]) && isfinite(ret[3]);
}

/* ---- what is added to an imported layer's result */

static bool get_numbers(const json_object *a, double ret[4])
{
	for (size_t i = 0; i < 4; i++) {
		json_object *v = json_at(a, i);
		if (v == NULL)
			return false;
		ret[i] = json_object_get_double(v);
	}
	return true;
}

static void set_numbers(json_object *item, const char *key, const double v[4])
{
	json_object *a = json_object_new_array();
	for (size_t i = 0; i < 4; i++)
		json_object_array_add(a, json_object_new_double(v[i]));
	json_set(item, key, a);
}

static void describe_vector(struct job *job, GDALDatasetH ds, const char *table, int64_t i,
			    json_object *item)
{
	OGRLayerH layer = GDALDatasetGetLayerByName(ds, table);
	double extent[4], wgs84[4];
	char name[32], path[700];
	if (layer == NULL)
		return;
	sample_rows(layer, item);
	if (strcmp(json_str(item, "type", ""), "table") == 0 ||
	    !get_numbers(json_arr(item, "extent"), extent))
		return;
	(void)snprintf(name, sizeof(name), "%lld.png", (long long)i);
	job_out(job, name, path, sizeof(path));
	if (thumbnail_vector(layer, extent, json_int(item, "count", 0), path))
		json_set_str(item, "thumbnail", name);
	OGRSpatialReferenceH srs = OGR_L_GetSpatialRef(layer);
	if (srs != NULL && srs_wgs84_bounds(srs, extent, wgs84)) {
		set_numbers(item, "bbox_wgs84", wgs84);
		map_vector(job, layer, srs, wgs84, i, item);
	}
}

static void describe_raster(struct job *job, GDALDatasetH ds, int64_t i, json_object *item)
{
	double extent[4], wgs84[4], bounds[4];
	char name[32], path[700];
	OGRSpatialReferenceH srs = GDALGetSpatialRef(ds);
	(void)snprintf(name, sizeof(name), "%lld.png", (long long)i);
	job_out(job, name, path, sizeof(path));
	if (thumbnail_raster(ds, path, THUMBNAIL_W, THUMBNAIL_H))
		json_set_str(item, "thumbnail", name);
	if (srs == NULL || !raster_extent(ds, extent) || !srs_wgs84_bounds(srs, extent, wgs84))
		return;
	set_numbers(item, "bbox_wgs84", wgs84);
	(void)snprintf(name, sizeof(name), "%lld.map.png", (long long)i);
	job_out(job, name, path, sizeof(path));
	if (map_raster(ds, path, bounds)) {
		json_set_str(item, "map", name);
		set_numbers(item, "map_bounds", bounds);
	}
}

void output_describe(struct job *job, const char *file, const char *table, int64_t i,
		     json_object *item)
{
	bool raster = strcmp(json_str(item, "type", ""), "raster") == 0;
	const char *const drivers[] = {raster ? "GTiff" : "GPKG", NULL};
	GDALDatasetH ds =
	    GDALOpenEx(file, (raster ? GDAL_OF_RASTER : GDAL_OF_VECTOR) | GDAL_OF_READONLY, drivers,
		       NULL, NULL);
	if (ds == NULL)
		return;
	if (raster)
		describe_raster(job, ds, i, item);
	else
		describe_vector(job, ds, table != NULL ? table : "", i, item);
	GDALClose(ds);
}

void preview_raster(struct job *job, GDALDatasetH ds, int64_t i)
{
	char name[48], path[700];
	(void)snprintf(name, sizeof(name), "preview-%lld.png", (long long)i);
	job_out(job, name, path, sizeof(path));
	(void)thumbnail_raster(ds, path, 512, 512);
}
