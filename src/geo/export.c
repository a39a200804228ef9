/*
 * Downloads in other formats, made from a dataset's own file.
 * Source: contracts/security.md 3.8 (cells that spreadsheets would calculate).
 */
#include <cpl_conv.h>
#include <cpl_string.h>
#include <dirent.h>
#include <gdal_utils.h>
#include <ogr_srs_api.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "geo/output_impl.h"

#define COPY_BYTES 65536

char **export_arg(char **args, const char *a, const char *b)
{
	args = CSLAddString(args, a);
	return b == NULL ? args : CSLAddString(args, b);
}

static int CPL_STDCALL on_progress(double done, const char *message, void *arg)
{
	struct job *job = arg;
	(void)message;
	job_progress(job, "export", "exporting", NULL, (int64_t)(done * 1000), 1000, 0, false);
	return TRUE;
}

enum err export_translate(struct job *job, GDALDatasetH ds, const char *path, char **args)
{
	int bad = 0;
	GDALVectorTranslateOptions *o = GDALVectorTranslateOptionsNew(args, NULL);
	CSLDestroy(args);
	if (o == NULL)
		return job_fail(job, problem_new("export_failed"));
	GDALVectorTranslateOptionsSetProgress(o, on_progress, job);
	GDALDatasetH out = GDALVectorTranslate(path, NULL, 1, &ds, o, &bad);
	GDALVectorTranslateOptionsFree(o);
	if (out != NULL)
		GDALClose(out);
	return out != NULL && bad == 0 ? ERR_OK : job_fail(job, problem_new("export_failed"));
}

/* ---- CSV: our own lines, so that no spreadsheet calculates what somebody uploaded */

static void csv_text(FILE *out, const char *s, bool guard)
{
	bool formula = guard && *s != '\0' && strchr("=+-@\t\r", *s) != NULL,
	     quote = strpbrk(s, ",\"\r\n") != NULL;
	if (quote)
		fputc('"', out);
	if (formula)
		fputc('\'', out);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', out);
		fputc(*s, out);
	}
	if (quote)
		fputc('"', out);
}

/* As few digits as tell this number from all others. */
static const char *csv_real(double v, char buf[FIELD_TEXT_BYTES])
{
	(void)CPLsnprintf(buf, FIELD_TEXT_BYTES, "%.15g", v);
	if (CPLAtof(buf) != v)
		(void)CPLsnprintf(buf, FIELD_TEXT_BYTES, "%.17g", v);
	return buf;
}

static const char *csv_value(OGRFeatureH f, int i, char buf[FIELD_TEXT_BYTES])
{
	OGRFieldDefnH field = OGR_F_GetFieldDefnRef(f, i);
	if (OGR_Fld_GetType(field) == OFTReal)
		return csv_real(OGR_F_GetFieldAsDouble(f, i), buf);
	/* Ones and zeros would be numbers to whoever reads them. */
	if (OGR_Fld_GetSubType(field) == OFSTBoolean)
		return OGR_F_GetFieldAsInteger(f, i) != 0 ? "true" : "false";
	return field_text(f, i, buf);
}

static void csv_feature(FILE *out, OGRFeatureH f, bool geometry)
{
	OGRFeatureDefnH defn = OGR_F_GetDefnRef(f);
	int n = OGR_FD_GetFieldCount(defn);
	char buf[FIELD_TEXT_BYTES];
	for (int i = 0; i < n; i++) {
		OGRFieldType type = OGR_Fld_GetType(OGR_FD_GetFieldDefn(defn, i));
		if (i > 0)
			fputc(',', out);
		if (OGR_F_IsFieldSetAndNotNull(f, i))
			csv_text(out, csv_value(f, i, buf), type == OFTString);
	}
	if (geometry) {
		OGRGeometryH g = OGR_F_GetGeometryRef(f);
		char *wkt = NULL;
		fputs(n > 0 ? "," : "", out);
		if (g != NULL && OGR_G_ExportToIsoWkt(g, &wkt) == OGRERR_NONE)
			csv_text(out, wkt, false);
		CPLFree(wkt);
	}
	fputs("\r\n", out);
}

static enum err csv_export(struct job *job, OGRLayerH layer, const char *path)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(layer);
	bool geometry = OGR_L_GetGeomType(layer) != wkbNone;
	int n = OGR_FD_GetFieldCount(defn);
	int64_t done = 0, total = OGR_L_GetFeatureCount(layer, 1);
	OGRFeatureH f;
	CLEAN_FILE FILE *out = fopen(path, "we");
	if (out == NULL)
		return job_fail(job, problem_new("export_failed"));
	for (int i = 0; i < n; i++) {
		fputs(i > 0 ? "," : "", out);
		csv_text(out, OGR_Fld_GetNameRef(OGR_FD_GetFieldDefn(defn, i)), true);
	}
	fputs(geometry ? (n > 0 ? ",WKT\r\n" : "WKT\r\n") : "\r\n", out);
	OGR_L_ResetReading(layer);
	while ((f = OGR_L_GetNextFeature(layer)) != NULL) {
		csv_feature(out, f, geometry);
		OGR_F_Destroy(f);
		job_progress(job, "export", "exporting", NULL, ++done, total, 0, false);
	}
	return fflush(out) == 0 && ferror(out) == 0 ? ERR_OK
						    : job_fail(job, problem_new("disk_full"));
}

/* ---- Shapefile: a zip; mixed geometries become one shapefile for each kind */

static const char *const suffixes[] = {"_points", "_lines", "_polygons"};

static bool zip_file(void *zip, const char *path, const char *name)
{
	CLEAN_FREE char *block = mem_alloc(COPY_BYTES);
	CLEAN_FILE FILE *in = fopen(path, "re");
	size_t n;
	if (in == NULL || CPLCreateFileInZip(zip, name, NULL) != CE_None)
		return false;
	while ((n = fread(block, 1, COPY_BYTES, in)) > 0) {
		if (CPLWriteFileInZip(zip, block, (int)n) != CE_None)
			return false;
	}
	return CPLCloseFileInZip(zip) == CE_None && ferror(in) == 0;
}

/* Files named after the dataset, in a zip: only here its name becomes a file's. */
static enum err zip_folder(struct job *job, const char *folder, const char *path)
{
	const char *table = json_str(job->spec, "table", "data");
	void *zip = CPLCreateZip(path, NULL);
	DIR *dir = opendir(folder);
	struct dirent *d;
	int n = 0;
	bool good = zip != NULL && dir != NULL, many = false;
	while (good && (d = readdir(dir)) != NULL)
		many = many || (strncmp(d->d_name, "shape", 5) == 0 && d->d_name[5] != '0');
	if (dir != NULL)
		rewinddir(dir);
	while (good && (d = readdir(dir)) != NULL) {
		unsigned family = (unsigned)(d->d_name[5] - '0');
		if (strncmp(d->d_name, "shape", 5) != 0 || family > 2)
			continue;
		CLEAN_FREE char *from = mem_printf("%s/%s", folder, d->d_name);
		CLEAN_FREE char *name =
		    mem_printf("%s%s%s", table, many ? suffixes[family] : "", d->d_name + 6);
		good = zip_file(zip, from, name);
		n++;
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (zip != NULL && CPLCloseZip(zip) != CE_None)
		good = false;
	return good && n > 0 ? ERR_OK : job_fail(job, problem_new("export_failed"));
}

/* ---- the job */

static const struct format {
	const char *name;    /* as asked for */
	const char *file;    /* the result's name */
	const char *driver;  /* GDAL's; NULL = written by us */
	const char *options; /* more words of ogr2ogr, separated by blanks */
} formats[] = {
    {"geojson", "export.geojson", "GeoJSON",
     "-t_srs EPSG:4326 -lco RFC7946=YES -lco COORDINATE_PRECISION=9 -lco WRITE_NAME=NO"},
    {"csv", "export.csv", NULL, ""},
    {"shp", "export.zip", NULL, ""},
    {"fgb", "export.fgb", "FlatGeobuf", ""},
    {"kml", "export.kml", "KML", ""},
    {"xlsx", "export.xlsx", "XLSX", ""},
};

/* Degrees north of the pole, as of metres that somebody called degrees. */
static bool beyond_poles(OGRLayerH layer)
{
	OGRSpatialReferenceH srs = OGR_L_GetSpatialRef(layer);
	OGREnvelope e;
	return srs != NULL && OSRIsGeographic(srs) &&
	       OGR_L_GetExtent(layer, &e, 1) == OGRERR_NONE && (e.MinY < -90 || e.MaxY > 90);
}

/*
 * GDAL cuts at the antimeridian for RFC 7946 and keeps one kind of a collection's parts when it
 * does, and it refuses a layer for one place beyond the poles: such layers are written as they are.
 */
static const char *options_of(const struct format *f, OGRLayerH layer)
{
	if (strcmp(f->name, "geojson") == 0 &&
	    (beyond_poles(layer) ||
	     (export_is_mixed(layer) &&
	      export_count(layer, "ST_GeometryType(geom) = 'GEOMETRYCOLLECTION'") > 0)))
		return "-t_srs EPSG:4326 -lco COORDINATE_PRECISION=9 -lco WRITE_NAME=NO";
	return f->options;
}

static enum err export_as(struct job *job, const struct format *f, GDALDatasetH ds, OGRLayerH layer)
{
	char path[700], folder[700];
	job_out(job, f->file, path, sizeof(path));
	if (strcmp(f->name, "csv") == 0)
		return csv_export(job, layer, path);
	if (strcmp(f->name, "shp") == 0) {
		job_out(job, "work", folder, sizeof(folder));
		(void)VSIMkdir(folder, 0700);
		enum err err = export_shapefiles(job, ds, layer, folder);
		return err == ERR_OK ? zip_folder(job, folder, path) : err;
	}
	if (strcmp(f->name, "kml") == 0 || strcmp(f->name, "xlsx") == 0)
		return export_rows(job, ds, layer, f->driver, path);
	/* GDAL 3.6 leaves rows without a place out of a FlatGeobuf without a word. */
	bool drops = strcmp(f->name, "fgb") == 0;
	int64_t nowhere = drops ? export_count(layer, "geom IS NULL OR ST_IsEmpty(geom)") : 0;
	if (nowhere > 0)
		return job_fail(job,
				problem_arg_int(problem_new("export_places"), "count", nowhere));
	char **args = export_arg(NULL, "-f", f->driver),
	     **more = CSLTokenizeString(options_of(f, layer));
	bool known = OGR_L_GetSpatialRef(layer) != NULL;
	for (int i = 0; more != NULL && more[i] != NULL; i++) {
		/* Without a CRS nothing can be moved: coordinates go out as they are. */
		if (!known && strcmp(more[i], "-t_srs") == 0) {
			i++;
			continue;
		}
		args = export_arg(args, more[i], NULL);
	}
	CSLDestroy(more);
	/*
	 * The table keeps the name of its first upload; what goes out is called like the dataset.
	 */
	args = export_arg(export_arg(args, "-nln", json_str(job->spec, "table", "data")),
			  OGR_L_GetName(layer), NULL);
	return export_translate(job, ds, path, args);
}

json_object *export_run(struct job *job)
{
	const char *wanted = json_str(job->spec, "format", ""),
		   *file = json_str(job->spec, "file", "");
	const char *const drivers[] = {"GPKG", NULL};
	const struct format *f = NULL;
	char path[700];
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strcmp(formats[i].name, wanted) == 0)
			f = &formats[i];
	}
	if (f == NULL || strcmp(file, "1.gpkg") != 0) {
		(void)job_fail(job, problem_str(problem_new("format_unknown"), "value", wanted));
		return NULL;
	}
	(void)snprintf(path, sizeof(path), "%s/in/%s", job->dir, file);
	GDALDatasetH ds = GDALOpenEx(path, GDAL_OF_VECTOR | GDAL_OF_READONLY, drivers, NULL, NULL);
	OGRLayerH layer =
	    ds == NULL ? NULL : GDALDatasetGetLayerByName(ds, json_str(job->spec, "table", ""));
	if (ds != NULL && layer == NULL)
		layer = GDALDatasetGetLayer(ds, 0);
	enum err err = layer == NULL ? job_fail(job, problem_new("export_failed"))
				     : export_as(job, f, ds, layer);
	if (ds != NULL)
		GDALClose(ds);
	return err == ERR_OK ? json_set_str(json_object_new_object(), "file", f->file) : NULL;
}
