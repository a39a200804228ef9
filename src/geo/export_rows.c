/*
 * Rows into the formats that are XML inside, KML and workbooks.  GDAL's drivers for these lose
 * digits of whole numbers, know no days before March 1900, and write characters that XML does not
 * allow.
 */
#include <ogr_srs_api.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "geo/output_impl.h"

#define WHOLE_DIGITS 1e15 /* whole numbers from here on lose digits in KML */
/* workbooks count a 29 February of 1900, and nothing before January */
#define FIRST_DAY "1900-03-01"

/* How the values of a field go out. */
enum as { AS_IS, AS_TEXT, AS_SMALL };

struct rows_out {
	struct job *job;
	bool kml;
	OGRLayerH from, to;
	OGRCoordinateTransformationH ct; /* NULL = the places stay as they are */
	enum as *as;
	int *at; /* which field of TO each one is */
	int n;	 /* fields */
};

static bool is_day(OGRFieldType t)
{
	return t == OFTDate || t == OFTDateTime;
}

/*
 * One row: of each field its largest number or its first day, as it matters here.  Owns:
 * sqlite3_free.
 */
static char *extremes_sql(const struct rows_out *o)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(o->from);
	sqlite3_str *s = sqlite3_str_new(NULL);

	sqlite3_str_appendall(s, "SELECT 0");
	for (int i = 0; i < o->n; i++) {
		OGRFieldDefnH field = OGR_FD_GetFieldDefn(defn, i);

		sqlite3_str_appendf(s,
				    is_day(OGR_Fld_GetType(field))
					? ", min(CAST(\"%w\" AS TEXT)) AS f%d"
					: ", max(abs(CAST(\"%w\" AS REAL))) AS f%d",
				    OGR_Fld_GetNameRef(field), i);
	}
	sqlite3_str_appendf(s, " FROM \"%w\"", OGR_L_GetName(o->from));
	return sqlite3_str_finish(s);
}

static enum as as_of(const struct rows_out *o, OGRFieldDefnH field, OGRFeatureH extremes, int i)
{
	OGRFieldType type = OGR_Fld_GetType(field);
	const char *first = "";
	double most = 0;
	char name[16];
	int at;

	(void)snprintf(name, sizeof(name), "f%d", i);
	at = OGR_F_GetFieldIndex(extremes, name);
	if (at >= 0) {
		first = OGR_F_GetFieldAsString(extremes, at);
		most = OGR_F_GetFieldAsDouble(extremes, at);
	}
	if (is_day(type))
		return o->kml || (first[0] != '\0' && strcmp(first, FIRST_DAY) < 0) ? AS_TEXT
										    : AS_IS;
	if (type == OFTInteger64 && o->kml)
		return most >= WHOLE_DIGITS ? AS_TEXT : most <= INT32_MAX ? AS_SMALL : AS_IS;
	return type == OFTString || type == OFTInteger || type == OFTInteger64 || type == OFTReal
		   ? AS_IS
		   : AS_TEXT;
}

/* A field for FIELD, unless the format has one of this name of its own, as KML's Name. */
static int make_field(const struct rows_out *o, OGRFieldDefnH field, enum as as)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(o->to);
	const char *name = OGR_Fld_GetNameRef(field);
	int at = OGR_FD_GetFieldIndex(defn, name);
	OGRFieldDefnH made;

	if (at >= 0)
		return at;
	made = OGR_Fld_Create(name, as == AS_TEXT    ? OFTString
				    : as == AS_SMALL ? OFTInteger
						     : OGR_Fld_GetType(field));
	if (as == AS_IS)
		OGR_Fld_SetSubType(made, OGR_Fld_GetSubType(field));
	at = OGR_L_CreateField(o->to, made, 1) == OGRERR_NONE ? OGR_FD_GetFieldCount(defn) - 1 : -1;
	OGR_Fld_Destroy(made);
	return at;
}

static bool make_fields(struct rows_out *o, GDALDatasetH ds)
{
	char *sql = extremes_sql(o);
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(o->from);
	OGRLayerH answer = sql != NULL ? GDALDatasetExecuteSQL(ds, sql, NULL, NULL) : NULL;
	OGRFeatureH extremes = answer != NULL ? OGR_L_GetNextFeature(answer) : NULL;
	bool good = extremes != NULL;

	for (int i = 0; i < o->n && good; i++) {
		OGRFieldDefnH field = OGR_FD_GetFieldDefn(defn, i);

		o->as[i] = as_of(o, field, extremes, i);
		o->at[i] = make_field(o, field, o->as[i]);
		good = o->at[i] >= 0;
	}
	OGR_F_Destroy(extremes);
	sqlite3_free(sql);
	if (answer != NULL)
		GDALDatasetReleaseResultSet(ds, answer);
	return good;
}

/*
 * S without U+FFFE and U+FFFF: XML has no way to write them.  Control characters GDAL leaves out.
 */
static char *allowed(const char *s)
{
	char *copy = mem_strdup(s), *to = copy;

	for (; *s != '\0'; s++) {
		if (strncmp(s, "\xEF\xBF\xBE", 3) == 0 || strncmp(s, "\xEF\xBF\xBF", 3) == 0)
			s += 2;
		else
			*to++ = *s;
	}
	*to = '\0';
	return copy;
}

static void put_value(const struct rows_out *o, OGRFeatureH from, OGRFeatureH to, int i)
{
	OGRFieldType type = OGR_Fld_GetType(OGR_F_GetFieldDefnRef(from, i));
	char buf[FIELD_TEXT_BYTES];
	int year, month, day, hour, minute, zone, at = o->at[i];
	float second;

	if (!OGR_F_IsFieldSetAndNotNull(from, i))
		return;
	if (o->as[i] == AS_TEXT || type == OFTString) {
		CLEAN_FREE char *text = allowed(field_text(from, i, buf));

		OGR_F_SetFieldString(to, at, text);
	} else if (type == OFTReal) {
		OGR_F_SetFieldDouble(to, at, OGR_F_GetFieldAsDouble(from, i));
	} else if (is_day(type)) {
		if (OGR_F_GetFieldAsDateTimeEx(from, i, &year, &month, &day, &hour, &minute,
					       &second, &zone))
			OGR_F_SetFieldDateTimeEx(to, at, year, month, day, hour, minute, second,
						 zone);
	} else {
		OGR_F_SetFieldInteger64(to, at, OGR_F_GetFieldAsInteger64(from, i));
	}
}

static bool put_row(const struct rows_out *o, OGRFeatureH from)
{
	OGRFeatureH to = OGR_F_Create(OGR_L_GetLayerDefn(o->to));
	OGRGeometryH g = o->kml ? OGR_F_GetGeometryRef(from) : NULL;
	bool good = true;

	for (int i = 0; i < o->n; i++)
		put_value(o, from, to, i);
	if (g != NULL)
		good = (o->ct == NULL || OGR_G_Transform(g, o->ct) == OGRERR_NONE) &&
		       OGR_F_SetGeometry(to, g) == OGRERR_NONE;
	good = good && OGR_L_CreateFeature(o->to, to) == OGRERR_NONE;
	OGR_F_Destroy(to);
	return good;
}

static bool put_rows(const struct rows_out *o)
{
	int64_t done = 0, total = OGR_L_GetFeatureCount(o->from, 1);
	OGRFeatureH f;
	bool good = true;

	OGR_L_ResetReading(o->from);
	while (good && (f = OGR_L_GetNextFeature(o->from)) != NULL) {
		good = put_row(o, f);
		OGR_F_Destroy(f);
		job_progress(o->job, "export", "exporting", NULL, ++done, total, 0, false);
	}
	return good;
}

/*
 * KML is in degrees of WGS 84.  Without a CRS nothing can be moved: coordinates go out as they are.
 */
static bool make_layer(struct rows_out *o, GDALDatasetH out, const char *name)
{
	OGRSpatialReferenceH is = OGR_L_GetSpatialRef(o->from),
			     degrees = o->kml && is != NULL ? OSRNewSpatialReference(NULL) : NULL;
	bool good = true;

	if (degrees != NULL) {
		good = OSRImportFromEPSG(degrees, 4326) == OGRERR_NONE;
		OSRSetAxisMappingStrategy(degrees, OAMS_TRADITIONAL_GIS_ORDER);
		if (good && !OSRIsSame(is, degrees)) {
			o->ct = OCTNewCoordinateTransformation(is, degrees);
			good = o->ct != NULL;
		}
	}
	o->to = good ? GDALDatasetCreateLayer(out, name, degrees,
					      o->kml ? OGR_L_GetGeomType(o->from) : wkbNone, NULL)
		     : NULL;
	OSRRelease(degrees);
	return o->to != NULL;
}

enum err export_rows(struct job *job, GDALDatasetH ds, OGRLayerH layer, const char *driver,
		     const char *path)
{
	struct rows_out o = {.job = job, .kml = strcmp(driver, "KML") == 0, .from = layer};
	GDALDatasetH out =
	    GDALCreate(GDALGetDriverByName(driver), path, 0, 0, 0, GDT_Unknown, NULL);
	bool good;

	o.n = OGR_FD_GetFieldCount(OGR_L_GetLayerDefn(layer));
	o.as = mem_array((size_t)o.n + 1, sizeof(*o.as));
	o.at = mem_array((size_t)o.n + 1, sizeof(*o.at));
	good = out != NULL && make_layer(&o, out, json_str(job->spec, "table", "data")) &&
	       make_fields(&o, ds) && put_rows(&o);
	if (out != NULL)
		GDALClose(out);
	OCTDestroyCoordinateTransformation(o.ct);
	free(o.as);
	free(o.at);
	return good ? ERR_OK : job_fail(job, problem_new("export_failed"));
}
