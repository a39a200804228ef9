/*
 * Appending: the target dataset's table and how the source's columns fit it.
 * Source: contracts/wizard.md 13.2.
 */
#include <fcntl.h>
#include <gdal.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/gpkg.h"
#include "geo/outlayer.h"
#include "geo/source.h"

static enum gpkg_type type_of(OGRFieldDefnH f)
{
	switch (OGR_Fld_GetType(f)) {
	case OFTInteger:
		return OGR_Fld_GetSubType(f) == OFSTBoolean ? GPKG_BOOLEAN : GPKG_INTEGER;
	case OFTInteger64:
		return GPKG_INTEGER;
	case OFTReal:
		return GPKG_REAL;
	case OFTDate:
		return GPKG_DATE;
	case OFTDateTime:
		return GPKG_DATETIME;
	case OFTBinary:
		return GPKG_BLOB;
	case OFTString:
	case OFTTime:
	case OFTIntegerList:
	case OFTInteger64List:
	case OFTRealList:
	case OFTStringList:
	case OFTWideString:
	case OFTWideStringList:
		return GPKG_TEXT;
	}
	return GPKG_TEXT;
}

static void describe(struct outlayer *o, OGRLayerH l)
{
	OGRFeatureDefnH def = OGR_L_GetLayerDefn(l);
	OGRSpatialReferenceH srs = OGR_L_GetSpatialRef(l);

	o->table = mem_strdup(OGR_L_GetName(l));
	if (srs != NULL && !OSRIsLocal(srs)) {
		o->srs = OSRClone(srs);
		OSRSetAxisMappingStrategy(o->srs, OAMS_TRADITIONAL_GIS_ORDER);
	}
	o->target_columns = json_object_new_object();
	for (int i = 0; i < OGR_FD_GetFieldCount(def); i++) {
		OGRFieldDefnH f = OGR_FD_GetFieldDefn(def, i);

		json_set_int(o->target_columns, OGR_Fld_GetNameRef(f), (int64_t)type_of(f));
	}
	if (OGR_FD_GetGeomFieldCount(def) > 0) {
		OGRwkbGeometryType t = OGR_GT_Flatten(OGR_L_GetGeomType(l));

		o->geometry = mem_strdup(gpkg_kind_name(t <= wkbGeometryCollection ? (int)t : 0));
	}
}

/* The target's column called NAME without case; NULL = none. */
static const char *find(const struct outlayer *o, const char *name, enum gpkg_type *ret_type)
{
	json_object_object_foreach(o->target_columns, key, value)
	{
		CLEAN_FREE char *a = text_fold(key), *b = text_fold(name);

		if (a != NULL && b != NULL && strcmp(a, b) == 0) {
			*ret_type = (enum gpkg_type)json_object_get_int(value);
			return key;
		}
	}
	return NULL;
}

/* Missing columns stay null; extra ones are refused or left out. */
static enum err match(struct outlayer *o)
{
	bool ignore = strcmp(json_str(o->spec, "extra_columns", "error"), "ignore") == 0;
	enum err err = ERR_OK;
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct out_column *c = &o->col[i];
		enum gpkg_type type;
		const char *name = find(o, c->name, &type);
		json_object *p;

		if (name != NULL) {
			c->name = name;
			c->strict = true;
			c->is_time_of_day = c->is_time_of_day && type == GPKG_TEXT;
			c->type = type;
			o->col[n++] = *c;
			continue;
		}
		if (ignore)
			continue;
		p = problem_str(problem_str(problem_new("schema_mismatch"), "file", o->file),
				"layer", o->name);
		err = job_fail(
		    o->job, problem_arg(problem_str(p, "column", c->original), "reason", "extra"));
	}
	o->n = n;
	return err;
}

static enum err read_target(struct outlayer *o, const char *path, const char *table)
{
	/* The folder is not writable: no journal can be made beside the file. */
	const char *const drivers[] = {"GPKG", NULL}, *const options[] = {"IMMUTABLE=YES", NULL};
	GDALDatasetH ds =
	    GDALOpenEx(path, GDAL_OF_VECTOR | GDAL_OF_READONLY, drivers, options, NULL);
	OGRLayerH l = ds == NULL ? NULL : GDALDatasetGetLayerByName(ds, table);

	if (l == NULL && ds != NULL && GDALDatasetGetLayerCount(ds) == 1)
		l = GDALDatasetGetLayer(ds, 0);
	if (l != NULL)
		describe(o, l);
	if (ds != NULL)
		GDALClose(ds);
	return l == NULL
		   ? job_fail(o->job, problem_str(problem_new("dataset_unknown"), "value", table))
		   : ERR_OK;
}

enum err out_target(struct outlayer *o)
{
	const json_object *target = json_obj(o->spec, "target");
	const char *file = json_str(target, "file", "");
	CLEAN_FREE char *path = mem_printf("%s/in/%s", o->job->dir, file);
	struct error error = {0};
	enum err err;

	if (file[0] == '\0' || file[0] == '.' || strchr(file, '/') != NULL)
		return job_fail(o->job, problem_str(problem_new("dataset_unknown"), "value",
						    json_str(target, "table", "")));
	if ((err = read_target(o, path, json_str(target, "table", ""))) != ERR_OK)
		return err;
	if (o->has_geometry != (o->geometry != NULL)) {
		json_object *p = problem_str(
		    problem_str(problem_new("kind_mismatch"), "file", o->file), "layer", o->name);

		problem_arg(p, "from", o->geometry != NULL ? "vector" : "table");
		return job_fail(o->job, problem_arg(p, "to", o->has_geometry ? "vector" : "table"));
	}
	if ((err = match(o)) != ERR_OK)
		return err;
	if (fs_copy(AT_FDCWD, path, AT_FDCWD, o->path, &error) != ERR_OK)
		return out_failed(o, &error);
	return ERR_OK;
}
