#include <cpl_conv.h>
#include <cpl_string.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "geo/encoding.h"
#include "geo/shpgate.h"
#include "geo/source.h"

/*
 * Our open options for the driver of SRC; what is not named here keeps GDAL's default.  Caller
 * frees with CSLDestroy.
 */
static char **options_of(const struct source *src, const char *charset)
{
	char **o = NULL;
	struct encoding found;
	struct shp_fields fields = {0};

	switch (src->kind) {
	case KIND_SHP:
		if (charset == NULL) {
			encoding_of_dbf(src->side[SOURCE_DBF], src->side[SOURCE_CPG], NULL, &found);
			charset = found.charset;
		}
		o = CSLSetNameValue(o, "ENCODING", encoding_for_gdal(charset));
		if (src->side[SOURCE_DBF] != NULL)
			shp_fields(src->side[SOURCE_DBF], &fields);
		/* Ids of 20 digits' width would be reals; then all rows are looked at first. */
		if (fields.wide)
			o = CSLSetNameValue(o, "ADJUST_TYPE", "YES");
		break;
	case KIND_GML:
		o = CSLSetNameValue(o, "DOWNLOAD_SCHEMA", "NO");
		o = CSLSetNameValue(o, "WRITE_GFS", "NO");
		break;
	case KIND_GPKG:
		if (src->raster_table != NULL)
			o = CSLSetNameValue(o, "TABLE", src->raster_table);
		/* The folder is not writable: neither journal nor shared memory can be made. */
		o = CSLSetNameValue(o, "IMMUTABLE", "YES");
		break;
	case KIND_ASC:
		if (src->grid_type != NULL)
			o = CSLSetNameValue(o, "DATATYPE", src->grid_type);
		break;
	case KIND_CSV:
	case KIND_XLSX:
	case KIND_ODS:
	case KIND_GEOJSON:
	case KIND_KML:
	case KIND_KML_OVERLAY:
	case KIND_GPX:
	case KIND_FGB:
	case KIND_TIF:
	case KIND_PNG:
	case KIND_JPG:
	case KIND_ZIP_MOSAIC:
	case KIND_MULTI:
	case KIND_IMG:
	case KIND_JP2:
	case KIND_NTF:
	case KIND_ZIP:
	case KIND__MAX:
		break;
	}
	return o;
}

static unsigned flags_of(enum kind kind)
{
	switch (kind) {
	case KIND_TIF:
	case KIND_ASC:
	case KIND_PNG:
	case KIND_JPG:
	case KIND_IMG:
	case KIND_JP2:
	case KIND_NTF:
	case KIND_KML_OVERLAY:
	case KIND_ZIP_MOSAIC:
		return GDAL_OF_RASTER;
	case KIND_SHP:
	case KIND_CSV:
	case KIND_XLSX:
	case KIND_ODS:
	case KIND_GEOJSON:
	case KIND_KML:
	case KIND_GPX:
	case KIND_GML:
	case KIND_GPKG:
	case KIND_FGB:
	case KIND_MULTI:
	case KIND_ZIP:
	case KIND__MAX:
		break;
	}
	return GDAL_OF_VECTOR;
}

GDALDatasetH source_open(struct job *job, const struct source *src, const char *charset)
{
	const char *const drivers[] = {src->driver, NULL};
	char **options = options_of(src, charset);
	/* Of an overlay GDAL sees the image only. */
	const char *path = src->overlay != NULL ? src->side[SOURCE_IMAGE] : src->path;
	GDALDatasetH ds = NULL;

	job->detail[0] = '\0';
	job->too_large = false;
	/* Has no open option.  Else heights are a column of points, and nothing in lines. */
	CPLSetConfigOption("GPX_ELE_AS_25D", src->heights ? "YES" : "NO");
	if (src->driver != NULL && path != NULL)
		ds = GDALOpenEx(path,
				(src->raster_table != NULL ? GDAL_OF_RASTER : flags_of(src->kind)) |
				    GDAL_OF_READONLY,
				drivers, (const char *const *)options, NULL);
	CSLDestroy(options);
	if (ds == NULL) {
		json_object *p = problem_str(problem_new("format_unreadable"), "file", src->file);

		(void)job_fail(job, job->too_large ? problem_arg(p, "reason", "object") : p);
	}
	return ds;
}

OGRLayerH source_layer(struct job *job, GDALDatasetH ds, const json_object *layer)
{
	const char *name = json_str(layer, "source_layer", "");
	int n = GDALDatasetGetLayerCount(ds);
	int64_t index;

	for (int i = 0; i < n; i++) {
		OGRLayerH l = GDALDatasetGetLayer(ds, i);

		if (strcmp(OGR_L_GetName(l), name) == 0)
			return l;
	}
	/*
	 * "#3": its name could not be told (layer.c).  A single layer is meant whatever it is
	 * called.
	 */
	if (name[0] == '#' && text_int(name + 1, 0, n - 1, &index))
		return GDALDatasetGetLayer(ds, (int)index);
	if (n == 1)
		return GDALDatasetGetLayer(ds, 0);
	(void)job_fail(job, problem_str(problem_str(problem_new("format_no_layers"), "file",
						    json_str(layer, "file", NULL)),
					"layer", name));
	return NULL;
}
