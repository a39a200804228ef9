#include "geo/driver.h"

#include <cpl_conv.h>
#include <cpl_error.h>
#include <fcntl.h>
#include <gdal.h>
#include <gdal_frmts.h>
#include <ogr_srs_api.h>
#include <proj.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"

/* OGR declares these for C++ only. */
void RegisterOGRShape(void);
void RegisterOGRGeoJSON(void);
void RegisterOGRGeoJSONSeq(void);
void RegisterOGRKML(void);
void RegisterOGRLIBKML(void);
void RegisterOGRGPX(void);
void RegisterOGRGML(void);
void RegisterOGRGeoPackage(void);
void RegisterOGRFlatGeobuf(void);
void RegisterOGRCSV(void);
void RegisterOGRXLSX(void);
void RegisterOGRODS(void);
void RegisterOGRMEM(void);

/*
 * Only these exist in the process: a driver that is not registered cannot be talked into anything.
 * Registering the list takes 0.2 ms; GDALAllRegister would also look for plugins.
 */
static void (*const drivers[])(void) = {
    RegisterOGRShape,	   RegisterOGRGeoJSON, RegisterOGRGeoJSONSeq, RegisterOGRKML,
    RegisterOGRLIBKML,	   RegisterOGRGPX,     RegisterOGRGML,	      RegisterOGRGeoPackage,
    RegisterOGRFlatGeobuf, RegisterOGRCSV,     RegisterOGRXLSX,	      RegisterOGRODS,
    RegisterOGRMEM,	   GDALRegister_GTiff, GDALRegister_COG,      GDALRegister_AAIGrid,
    GDALRegister_PNG,	   GDALRegister_JPEG,  GDALRegister_MEM,
};

static const char *const settings[][2] = {
    {"GDAL_DRIVER_PATH", "disable"},
    {"GDAL_VRT_ENABLE_PYTHON", "NO"},
    {"GDAL_PAM_ENABLED", "NO"},
    {"GML_DOWNLOAD_WFS_SCHEMA", "NO"},
    /* xlink:href, codeSpace … are values, too */
    {"GML_ATTRIBUTES_TO_OGR_FIELDS", "YES"},
    {"GDAL_HTTP_PROXY", "127.0.0.1:9"},
    {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS", ".none"},
    {"SPATIALITE_SECURITY", "strict"},
    /* as its plain driver for KML calls it */
    {"LIBKML_DESCRIPTION_FIELD", "Description"},
    {"OGR_CSV_MAX_LINE_SIZE", "10485760"},
    {"OGR_GEOJSON_MAX_OBJ_SIZE", "64"},
    /* else the rest of a cut picture is grey */
    {"GDAL_ERROR_ON_LIBJPEG_WARNING", "TRUE"},
    /* MB; its default reads /proc, which the jail hides */
    {"GDAL_CACHEMAX", "256"},
    /* a mosaic of any number of granules under 64 descriptors */
    {"GDAL_MAX_DATASET_POOL_SIZE", "32"},
    {"SHAPE_RESTORE_SHX", "NO"},
    {"SHAPE_REWIND_ON_WRITE", "NO"},
    {"CPL_ZIP_ENCODING", "UTF-8"},
    /* world files are found by listing our own folder */
    {"GDAL_DISABLE_READDIR_ON_OPEN", "FALSE"},
    {"OSR_DEFAULT_AXIS_MAPPING_STRATEGY", "TRADITIONAL_GIS_ORDER"},
};

void driver_setup(void)
{
	OGRSpatialReferenceH srs;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		CPLSetConfigOption(settings[i][0], settings[i][1]);
	OSRSetPROJEnableNetwork(0);
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		drivers[i]();
	CPLSetErrorHandler(CPLQuietErrorHandler);
	/* The first look-up opens proj.db; the descriptor stays with PROJ's context. */
	srs = OSRNewSpatialReference(NULL);
	(void)OSRImportFromEPSG(srs, 4326);
	OSRRelease(srs);
}

void driver_extras(const char *names)
{
	static const struct {
		const char *name;
		void (*add)(void);
	} extras[] = {
	    {"HFA", GDALRegister_HFA},
	    {"JP2OpenJPEG", GDALRegister_JP2OpenJPEG},
	    {"NITF", GDALRegister_NITF},
	};

	for (size_t i = 0; names != NULL && i < sizeof(extras) / sizeof(extras[0]); i++)
		if (strstr(names, extras[i].name) != NULL)
			extras[i].add();
}

static void CPL_STDCALL note_error(CPLErr level, CPLErrorNum n, const char *text)
{
	struct job *job = CPLGetErrorHandlerUserData();

	/* Releasing nothing is fine; GDAL's C interface calls it a failure. */
	if (level < CE_Failure || n == CPLE_ObjectNull)
		return;
	(void)snprintf(job->detail, sizeof(job->detail), "%s", text);
	/* What comes after it only says that the file could not be read. */
	if (strstr(text, "OGR_GEOJSON_MAX_OBJ_SIZE") != NULL)
		job->too_large = true;
}

void driver_begin(struct job *job)
{
	char work[640];

	(void)CPLSetErrorHandlerEx(note_error, job);
	/*
	 * Overviews and sorts of big files go through temporary ones: the only place that can be
	 * written.
	 */
	job_out(job, "work", work, sizeof(work));
	(void)fs_mkdirs(AT_FDCWD, "out/work", NULL);
	CPLSetConfigOption("CPL_TMPDIR", work);
	(void)setenv("SQLITE_TMPDIR", work, 1);
}

const char *driver_of(enum kind kind)
{
	static const char *const names[KIND__MAX] = {
	    [KIND_SHP] = "ESRI Shapefile",
	    [KIND_GEOJSON] = "GeoJSON",
	    [KIND_KML] = "KML",
	    [KIND_GPX] = "GPX",
	    [KIND_GML] = "GML",
	    [KIND_GPKG] = "GPKG",
	    [KIND_FGB] = "FlatGeobuf",
	    [KIND_TIF] = "GTiff",
	    [KIND_ASC] = "AAIGrid",
	    [KIND_PNG] = "PNG",
	    [KIND_JPG] = "JPEG",
	    [KIND_IMG] = "HFA",
	    [KIND_JP2] = "JP2OpenJPEG",
	    [KIND_NTF] = "NITF",
	    [KIND_CSV] = "CSV",
	    [KIND_XLSX] = "XLSX",
	    [KIND_ODS] = "ODS",
	};

	return kind < KIND__MAX ? names[kind] : NULL;
}

const char *driver_proj_version(void)
{
	return proj_info().version;
}
