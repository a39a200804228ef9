/*
 * Is a TIFF shorter than its own index of blocks says?  GDAL opens one that was cut as long as its
 * head is there, and tells only where the missing blocks are read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/fs.h"
#include "base/text.h"
#include "geo/raster.h"

#define LOOKS_MOST 200000 /* of more blocks some are looked at, the last always */

static bool number_of(GDALRasterBandH band, const char *what, int x, int y, int64_t *ret)
{
	char key[64];
	const char *s;

	(void)snprintf(key, sizeof(key), "%s_%d_%d", what, x, y);
	s = GDALGetMetadataItem(band, key, "TIFF");
	return s != NULL && text_int(s, 0, INT64_MAX / 2, ret);
}

/*
 * Does block I of COLUMNS in a row end behind the SIZE bytes there are?  One that is not stored
 * does not.
 */
static bool block_is_cut(GDALRasterBandH band, int64_t i, int columns, int64_t size)
{
	int x = (int)(i % columns), y = (int)(i / columns);
	int64_t at, len;

	return number_of(band, "BLOCK_OFFSET", x, y, &at) &&
	       number_of(band, "BLOCK_SIZE", x, y, &len) && at + len > size;
}

static bool band_is_cut(GDALRasterBandH band, int64_t size)
{
	int w, h, columns;
	int64_t n, step;

	GDALGetBlockSize(band, &w, &h);
	columns = (GDALGetRasterBandXSize(band) - 1) / w + 1;
	n = (int64_t)columns * ((GDALGetRasterBandYSize(band) - 1) / h + 1);
	step = n / LOOKS_MOST + 1;
	for (int64_t i = 0; i < n; i += step)
		if (block_is_cut(band, i, columns, size))
			return true;
	return block_is_cut(band, n - 1, columns, size);
}

bool raster_is_cut(GDALDatasetH ds, const char *path)
{
	const char *order = GDALGetMetadataItem(ds, "INTERLEAVE", "IMAGE_STRUCTURE");
	int64_t size = fs_size(AT_FDCWD, path);
	/* Pixel by pixel all bands are in the first one's blocks. */
	int bands = order != NULL && strcmp(order, "PIXEL") == 0 ? 1 : GDALGetRasterCount(ds);

	if (strcmp(GDALGetDriverShortName(GDALGetDatasetDriver(ds)), "GTiff") != 0 || size < 0)
		return false;
	for (int i = 1; i <= bands; i++)
		if (band_is_cut(GDALGetRasterBand(ds, i), size))
			return true;
	return false;
}
