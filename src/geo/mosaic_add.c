/*
 * Adding granules to a mosaic that is there: what it holds becomes granules again, one for each
 * instant, and stands before the new ones.
 * Source: contracts/wizard.md 8.6.
 */
#include <cpl_string.h>
#include <gdal_utils.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/raster.h"
#include "wizard/when.h"

#define FIRST_BUNDLE (1 << 24) /* numbers no bundle of the job has */

static bool parse_iso(const char *text, int64_t *ret)
{
	char *bad = NULL;
	struct when_format *f = when_format_new("yyyy-MM-dd'T'HH:mm:ssX", &bad);
	bool good = f != NULL && when_parse(f, text, strlen(text), 0, ret, NULL);

	when_format_free(f);
	free(bad);
	return good;
}

/* The instant of band B; NULL: the mosaic knows no times. */
static const char *time_of(GDALDatasetH ds, int b)
{
	return GDALGetMetadataItem(GDALGetRasterBand(ds, b), "TIME", NULL);
}

/* Bands from FIRST on that are of one instant. */
static int group(GDALDatasetH ds, int first)
{
	const char *is = time_of(ds, first);
	int n = 1, all = GDALGetRasterCount(ds);

	if (is == NULL)
		return all;
	while (first + n <= all && time_of(ds, first + n) != NULL &&
	       strcmp(time_of(ds, first + n), is) == 0)
		n++;
	return n;
}

/* Do both say "no value here" alike?  Old fractions without such a value have got NaN. */
static bool same_nodata(GDALDatasetH old, GDALDatasetH ds)
{
	double x, y;
	bool has = raster_nodata(old, &x), new_has = raster_nodata(ds, &y);

	return new_has ? has && (x == y || (isnan(x) && isnan(y))) : !has || isnan(x);
}

/* Do the new granules go with what is there? */
static bool agrees(struct job *job, GDALDatasetH old, const struct source *src,
		   const json_object *layer)
{
	const char *source = json_str(json_obj(layer, "srs"), "source", "");
	json_object *first = json_at(json_arr(json_obj(layer, "mosaic"), "granules"), 0);
	OGRSpatialReferenceH srs = *source != '\0' ? srs_of(source) : NULL,
			     is = GDALGetSpatialRef(old);
	GDALDatasetH ds = source_open(job, src, NULL);
	bool good = ds != NULL && GDALGetRasterCount(ds) == group(old, 1) &&
		    GDALGetRasterDataType(GDALGetRasterBand(ds, 1)) ==
			GDALGetRasterDataType(GDALGetRasterBand(old, 1)) &&
		    mosaic_mixes(old, ds) &&
		    (json_get(first, "time") != NULL) == (time_of(old, 1) != NULL) &&
		    (time_of(old, 1) == NULL || same_nodata(old, ds)) &&
		    (srs == NULL || is == NULL || OSRIsSame(srs, is) != 0);

	if (ds != NULL)
		GDALClose(ds);
	if (srs != NULL)
		OSRRelease(srs);
	return good;
}

/* Granules whose pixels are not those of the mosaic. */
static void tell_moved(struct job *job, GDALDatasetH old, const struct source_set *set,
		       json_object *news)
{
	const char *name = NULL;
	json_object *item;
	int64_t n = 0;

	JSON_EACH(item, news)
	for (size_t i = 0; i < set->n; i++) {
		GDALDatasetH ds = set->v[i].bundle == json_int(item, "bundle", -1)
				      ? source_open(job, &set->v[i], NULL)
				      : NULL;

		if (ds == NULL)
			continue;
		if (!mosaic_same_grid(old, ds) && n++ == 0)
			name = set->v[i].file;
		GDALClose(ds);
	}
	if (n > 0)
		job_warn(job,
			 problem_arg_int(problem_str(problem_new("mosaic_moved"), "file", name),
					 "count", n));
}

/* Bands FIRST … FIRST + N - 1 as a GeoTIFF of their own: *RET, its path; caller frees. */
static bool split(struct job *job, GDALDatasetH old, int first, int n, char **ret)
{
	char path[700], name[48], band[16];
	char **args = CSLAddString(CSLAddString(NULL, "-of"), "GTiff");
	int bad = 0;

	(void)snprintf(name, sizeof(name), "work/old-%d.tif", first);
	job_out(job, name, path, sizeof(path));
	args = CSLAddString(CSLAddString(args, "-co"), "BIGTIFF=IF_SAFER");
	for (int b = first; b < first + n; b++) {
		(void)snprintf(band, sizeof(band), "%d", b);
		args = CSLAddString(CSLAddString(args, "-b"), band);
	}
	GDALTranslateOptions *o = GDALTranslateOptionsNew(args, NULL);
	GDALDatasetH out = o == NULL ? NULL : GDALTranslate(path, old, o, &bad);

	CSLDestroy(args);
	if (o != NULL)
		GDALTranslateOptionsFree(o);
	if (out != NULL)
		GDALClose(out);
	*ret = mem_strdup(path);
	return out != NULL && bad == 0;
}

/* One more source at the end of SET, and a granule for it in LIST.  Takes PATH. */
static void add_source(struct source_set *set, json_object *list, char *path, const char *iso,
		       const char *name)
{
	struct source *s = &set->v[set->n];
	json_object *item = json_object_new_object();
	int64_t ms = 0;

	*s = (struct source){.bundle = FIRST_BUNDLE + (int)set->n,
			     .kind = KIND_TIF,
			     .driver = "GTiff",
			     .path = path};
	s->file = mem_strdup(name);
	set->n++;
	json_set_int(item, "bundle", s->bundle);
	if (iso != NULL && parse_iso(iso, &ms))
		json_set_int(item, "time", ms);
	json_object_array_add(list, item);
}

static enum err add_old(struct job *job, GDALDatasetH old, const char *name, struct source_set *set,
			json_object *list)
{
	int n;

	for (int b = 1; b <= GDALGetRasterCount(old); b += n) {
		char *path = NULL;

		n = group(old, b);
		if (!split(job, old, b, n, &path)) {
			free(path);
			return job_fail(job,
					problem_str(problem_new("import_failed"), "layer", name));
		}
		add_source(set, list, path, time_of(old, b), name);
	}
	return ERR_OK;
}

void mosaic_added_done(struct source_set *set, size_t n_own)
{
	for (size_t i = n_own; i < set->n; i++) {
		free(set->v[i].path);
		free(set->v[i].file);
	}
	free(set->v);
}

enum err mosaic_add(struct job *job, const struct source_set *set, const json_object *layer,
		    struct source_set *ret_set, json_object **ret_layer)
{
	const char *const drivers[] = {"GTiff", NULL};
	const char *file = json_str(json_obj(layer, "target"), "file", ""),
		   *name = json_str(layer, "table", "");
	json_object *news = json_arr(json_obj(layer, "mosaic"), "granules"),
		    *list = json_object_new_array(), *item;
	int64_t first = json_int(json_at(news, 0), "bundle", -1);
	const struct source *src = NULL;
	char path[700];
	enum err err = ERR_OK;

	(void)snprintf(path, sizeof(path), "%s/in/%s", job->dir, file);
	GDALDatasetH old =
	    strchr(file, '/') != NULL
		? NULL
		: GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY, drivers, NULL, NULL);
	for (size_t i = 0; i < set->n; i++)
		src = set->v[i].bundle == first ? &set->v[i] : src;
	if (old == NULL || src == NULL)
		err = job_fail(job, problem_new("dataset_unknown"));
	else if (!agrees(job, old, src, layer))
		err = job_fail(job, problem_str(problem_new("mosaic_mismatch"), "file", src->file));
	if (err != ERR_OK) {
		if (old != NULL)
			GDALClose(old);
		json_object_put(list);
		return err;
	}
	*ret_set = *set;
	ret_set->v = mem_array(set->n + (size_t)GDALGetRasterCount(old), sizeof(*ret_set->v));
	memcpy(ret_set->v, set->v, set->n * sizeof(*set->v));
	tell_moved(job, old, set, news);
	err = add_old(job, old, name, ret_set, list);
	JSON_EACH(item, news)
	json_object_array_add(list, json_object_get(item));
	GDALClose(old);
	*ret_layer = json_copy(layer);
	json_set(json_obj(*ret_layer, "mosaic"), "granules", list);
	if (err != ERR_OK) {
		mosaic_added_done(ret_set, set->n);
		json_object_put(*ret_layer);
	}
	return err;
}
