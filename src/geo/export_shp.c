/*
 * Shapefiles of a dataset: one for each kind of geometry, since a shapefile holds one alone.
 */
#include <cpl_conv.h>
#include <cpl_error.h>
#include <cpl_string.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/output_impl.h"
#include "geo/rows_impl.h"

#define FAMILIES       3
#define DBF_DESCRIPTOR 32 /* bytes of the head, and of each field's description */
#define DBF_NAME       10 /* bytes of a field's name, without its NUL */
#define DBF_FIELDS     2046

static const struct {
	const char *where, *empty, *empty_z;
	OGRwkbGeometryType multi;
} families[FAMILIES] = {
    /* Rows without a geometry have to go somewhere. */
    {"geom IS NULL OR ST_GeometryType(geom) IN ('POINT','MULTIPOINT')", "MULTIPOINT", "MULTIPOINTZ",
     wkbMultiPoint},
    {"ST_GeometryType(geom) IN ('LINESTRING','MULTILINESTRING')", "MULTILINESTRING",
     "MULTILINESTRINGZ", wkbMultiLineString},
    {"ST_GeometryType(geom) IN ('POLYGON','MULTIPOLYGON')", "MULTIPOLYGON", "MULTIPOLYGONZ",
     wkbMultiPolygon},
};

/* What is of no one family: collections above all. */
static const char others[] =
    "ST_GeometryType(geom) NOT IN "
    "('POINT','MULTIPOINT','LINESTRING','MULTILINESTRING','POLYGON','MULTIPOLYGON')";

struct shapes {
	struct job *job;
	const char *folder;
	OGRLayerH layer;	    /* the dataset's */
	bool parts[FAMILIES];	    /* some of OTHERS has a part of this family */
	bool parts_z[FAMILIES];	    /* … with heights */
	GDALDatasetH out[FAMILIES]; /* open while parts are added */
	/* struct wide: numbers GDAL had no room for; NULL = none can be noted */
	FILE *wide;
	size_t family; /* that is being written */
};

/* A number of more digits than a field has room for, of which GDAL writes the first ones alone. */
struct wide {
	size_t family;
	int64_t row;
	char field[DBF_NAME + 1];
	double value;
};

static void path_of(const struct shapes *s, size_t family, const char *ext, char path[800])
{
	(void)snprintf(path, 800, "%s/shape%zu.%s", s->folder, family, ext);
}

bool export_is_mixed(OGRLayerH layer)
{
	OGRwkbGeometryType type = wkbFlatten(OGR_L_GetGeomType(layer));
	return type == wkbUnknown || type == wkbGeometryCollection;
}

int64_t export_count(OGRLayerH layer, const char *where)
{
	(void)OGR_L_SetAttributeFilter(layer, where);
	int64_t n = OGR_L_GetFeatureCount(layer, 1);
	(void)OGR_L_SetAttributeFilter(layer, NULL);
	return n;
}

/* ---- numbers GDAL has no room for */

/* "Value 1.5e+30 of field r of feature 7 not successfully written…" */
static void CPL_STDCALL on_message(CPLErr level, CPLErrorNum n, const char *text)
{
	struct shapes *s = CPLGetErrorHandlerUserData();
	struct wide w = {.family = s->family};
	const char *of = strstr(text, " of field "), *name, *end = NULL;
	for (const char *p = of; p != NULL && (p = strstr(p, " of feature ")) != NULL; p++)
		end = p;
	if (level != CE_Warning || strncmp(text, "Value ", 6) != 0 || end == NULL ||
	    strstr(end, "not successfully written") == NULL) {
		if (level >= CE_Failure && n != CPLE_ObjectNull)
			(void)snprintf(s->job->detail, sizeof(s->job->detail), "%s", text);
		return;
	}
	name = of + strlen(" of field ");
	w.value = CPLAtof(text + 6);
	w.row = CPLAtoGIntBig(end + strlen(" of feature "));
	(void)snprintf(w.field, sizeof(w.field), "%.*s", (int)(end - name), name);
	if (s->wide != NULL)
		(void)fwrite(&w, sizeof(w), 1, s->wide);
}

/* ---- geometries of several kinds: each kind's parts go into its own file */

/*
 * Add the points, lines and polygons G is made of to OF, one multi-geometry a family; NULL = none
 * yet.
 */
static void take_parts(OGRGeometryH g, OGRGeometryH of[FAMILIES])
{
	OGRwkbGeometryType type = wkbFlatten(OGR_G_GetGeometryType(g));
	size_t k = type == wkbPoint ? 0 : type == wkbLineString ? 1 : 2;
	if (type != wkbPoint && type != wkbLineString && type != wkbPolygon) {
		for (int i = 0; i < OGR_G_GetGeometryCount(g); i++)
			take_parts(OGR_G_GetGeometryRef(g, i), of);
		return;
	}
	if (OGR_G_IsEmpty(g))
		return;
	if (of[k] == NULL)
		of[k] = OGR_G_CreateGeometry(families[k].multi);
	(void)OGR_G_AddGeometry(of[k], g);
}

/* The parts of F's geometry, arcs as lines; the caller destroys them. */
static void parts_of(OGRFeatureH f, OGRGeometryH of[FAMILIES])
{
	OGRGeometryH g = OGR_F_GetGeometryRef(f),
		     linear = g != NULL ? OGR_G_GetLinearGeometry(g, 0, NULL) : NULL;
	memset(of, 0, FAMILIES * sizeof(*of));
	if (linear != NULL)
		take_parts(linear, of);
	OGR_G_DestroyGeometry(linear);
}

/* Call TAKE for each row of OTHERS and family it has parts of. */
static enum err each_part(struct shapes *s, enum err (*take)(struct shapes *, OGRFeatureH,
							     size_t family, OGRGeometryH))
{
	enum err err = ERR_OK;
	OGRFeatureH f;
	(void)OGR_L_SetAttributeFilter(s->layer, others);
	OGR_L_ResetReading(s->layer);
	while (err == ERR_OK && (f = OGR_L_GetNextFeature(s->layer)) != NULL) {
		OGRGeometryH of[FAMILIES];
		parts_of(f, of);
		for (size_t k = 0; k < FAMILIES; k++) {
			if (of[k] != NULL && err == ERR_OK)
				err = take(s, f, k, of[k]);
			OGR_G_DestroyGeometry(of[k]);
		}
		OGR_F_Destroy(f);
	}
	(void)OGR_L_SetAttributeFilter(s->layer, NULL);
	return err;
}

static enum err note_part(struct shapes *s, OGRFeatureH f, size_t family, OGRGeometryH part)
{
	(void)f;
	s->parts[family] = true;
	s->parts_z[family] = s->parts_z[family] || OGR_G_Is3D(part);
	return ERR_OK;
}

/*
 * A row of the shapefile with F's values: its fields are the layer's in their order, but for what
 * no DBF holds.
 */
static enum err add_part(struct shapes *s, OGRFeatureH f, size_t family, OGRGeometryH part)
{
	OGRFeatureDefnH from = OGR_F_GetDefnRef(f);
	int n = OGR_FD_GetFieldCount(from), next = 0;
	OGRLayerH layer = s->out[family] == NULL ? NULL : GDALDatasetGetLayer(s->out[family], 0);
	s->family = family;
	int n_out = layer == NULL ? 0 : OGR_FD_GetFieldCount(OGR_L_GetLayerDefn(layer));
	int *map = mem_array((size_t)n + 1, sizeof(*map));
	OGRFeatureH row = layer == NULL ? NULL : OGR_F_Create(OGR_L_GetLayerDefn(layer));
	bool good = row != NULL;
	for (int i = 0; i < n; i++)
		map[i] = OGR_Fld_GetType(OGR_FD_GetFieldDefn(from, i)) != OFTBinary && next < n_out
			     ? next++
			     : -1;
	good = good && OGR_F_SetFromWithMap(row, f, TRUE, map) == OGRERR_NONE &&
	       OGR_F_SetGeometry(row, part) == OGRERR_NONE &&
	       OGR_L_CreateFeature(layer, row) == OGRERR_NONE;
	OGR_F_Destroy(row);
	free(map);
	return good ? ERR_OK : job_fail(s->job, problem_new("export_failed"));
}

static enum err add_parts(struct shapes *s)
{
	const char *const drivers[] = {"ESRI Shapefile", NULL};
	enum err err;
	for (size_t k = 0; k < FAMILIES; k++) {
		char path[800];
		path_of(s, k, "shp", path);
		if (s->parts[k])
			s->out[k] =
			    GDALOpenEx(path, GDAL_OF_VECTOR | GDAL_OF_UPDATE, drivers, NULL, NULL);
	}
	CPLPushErrorHandlerEx(on_message, s);
	err = each_part(s, add_part);
	CPLPopErrorHandler();
	for (size_t k = 0; k < FAMILIES; k++) {
		if (s->out[k] != NULL)
			GDALClose(s->out[k]);
	}
	return err;
}

/* ---- names of columns: GDAL cuts them at ten bytes, through characters, too */

static bool is_taken(char names[][DBF_NAME + 1], size_t n, size_t name)
{
	for (size_t i = 0; i < n; i++) {
		if (i != name && text_ieq(names[i], names[name]))
			return true;
	}
	return false;
}

/* The whole characters of NAMES[I], unlike all others. */
static void make_whole(char names[][DBF_NAME + 1], size_t n, size_t i)
{
	char stem[DBF_NAME + 1];
	size_t len = rows_utf8_valid(names[i], strlen(names[i]));
	(void)snprintf(stem, sizeof(stem), "%.*s", (int)len, names[i]);
	memcpy(names[i], stem, sizeof(stem));
	for (unsigned k = 1; k < 1000 && (names[i][0] == '\0' || is_taken(names, n, i)); k++) {
		char suffix[8];
		(void)snprintf(suffix, sizeof(suffix), "_%u", k);
		len = text_cut(stem, strlen(stem), DBF_NAME - strlen(suffix));
		(void)snprintf(names[i], DBF_NAME + 1, "%.*s%s", (int)len, stem, suffix);
	}
}

static enum err mend_names(struct job *job, const char *path)
{
	CLEAN_FILE FILE *f = fopen(path, "r+e");
	char(*names)[DBF_NAME + 1] = mem_array(DBF_FIELDS, sizeof(*names));
	unsigned char b[DBF_DESCRIPTOR];
	size_t n = 0;
	bool good = f != NULL && fread(b, sizeof(b), 1, f) == 1;
	while (good && n < DBF_FIELDS && fread(b, sizeof(b), 1, f) == 1 && b[0] != '\r')
		memcpy(names[n++], b, DBF_NAME);
	for (size_t i = 0; good && i < n; i++) {
		if (text_is_utf8(names[i], strlen(names[i])))
			continue;
		make_whole(names, n, i);
		good = fseek(f, (long)(DBF_DESCRIPTOR * (i + 1)), SEEK_SET) == 0 &&
		       fwrite(names[i], DBF_NAME, 1, f) == 1;
	}
	free(names);
	return good && fflush(f) == 0 ? ERR_OK : job_fail(job, problem_new("export_failed"));
}

/* ---- numbers beyond the width of a column: 1e+30 as such, as other programs write it */

/* Where field NAME of the DBF F begins in a row, and its WIDTH; 0: there is none. */
static long place_of_field(FILE *f, const char *name, int *ret_width)
{
	unsigned char b[DBF_DESCRIPTOR];
	long at = 1;
	if (fseek(f, DBF_DESCRIPTOR, SEEK_SET) != 0)
		return 0;
	while (fread(b, sizeof(b), 1, f) == 1 && b[0] != '\r') {
		*ret_width = b[16];
		if (strncmp((const char *)b, name, DBF_NAME) == 0)
			return at;
		at += b[16];
	}
	return 0;
}

static bool write_wide(FILE *f, const struct wide *w)
{
	unsigned char head[DBF_DESCRIPTOR];
	char text[64];
	int width = 0, digits = 17;
	long at = place_of_field(f, w->field, &width);
	if (at == 0 || fseek(f, 0, SEEK_SET) != 0 || fread(head, sizeof(head), 1, f) != 1)
		return false;
	do
		(void)CPLsnprintf(text, sizeof(text), "%*.*g", width, digits, w->value);
	while ((int)strlen(text) > width && --digits > 0);
	at += head[8] + head[9] * 256L + w->row * (head[10] + head[11] * 256L);
	return (int)strlen(text) == width && fseek(f, at, SEEK_SET) == 0 &&
	       fwrite(text, (size_t)width, 1, f) == 1;
}

static enum err mend_numbers(struct shapes *s)
{
	FILE *dbf[FAMILIES] = {NULL};
	struct wide w;
	bool good = true;
	if (s->wide == NULL)
		return ERR_OK;
	rewind(s->wide);
	while (good && fread(&w, sizeof(w), 1, s->wide) == 1) {
		if (dbf[w.family] == NULL) {
			char path[800];
			path_of(s, w.family, "dbf", path);
			dbf[w.family] = fopen(path, "r+e");
		}
		good = dbf[w.family] != NULL && write_wide(dbf[w.family], &w);
	}
	for (size_t k = 0; k < FAMILIES; k++) {
		if (dbf[k] != NULL && fclose(dbf[k]) != 0)
			good = false;
	}
	(void)fclose(s->wide);
	return good ? ERR_OK : job_fail(s->job, problem_new("export_failed"));
}

/* ---- the files */

/* The rows of one family; without any a file for the parts that will be added. */
static enum err translate_family(struct shapes *s, GDALDatasetH ds, size_t k, bool mixed)
{
	char path[800], name[80];
	char **args =
	    export_arg(export_arg(NULL, "-f", "ESRI Shapefile"), "-lco", "ENCODING=UTF-8");
	path_of(s, k, "shp", path);
	(void)snprintf(name, sizeof(name), "shape%zu", k);
	/* A DBF has days, but no time of day: GDAL would leave it out. */
	args = export_arg(args, "-mapFieldType", "DateTime=String");
	args = export_arg(export_arg(args, "-nln", name), OGR_L_GetName(s->layer), NULL);
	if (mixed) {
		int64_t rows = export_count(s->layer, families[k].where);
		/* Of no geometry at all GDAL would write the attributes only. */
		bool bare = k == 0 && export_count(s->layer, "geom IS NOT NULL") == 0;
		const char *empty = s->parts_z[k] ? families[k].empty_z : families[k].empty;
		if (rows == 0 && !bare && !s->parts[k]) {
			CSLDestroy(args);
			return ERR_OK;
		}
		bool none =
		    bare || rows == 0 || (k == 0 && rows == export_count(s->layer, "geom IS NULL"));
		args = export_arg(export_arg(args, "-where", families[k].where), "-nlt",
				  none ? empty : "PROMOTE_TO_MULTI");
	}
	s->family = k;
	CPLPushErrorHandlerEx(on_message, s);
	enum err err = export_translate(s->job, ds, path, args);
	CPLPopErrorHandler();
	return err;
}

enum err export_shapefiles(struct job *job, GDALDatasetH ds, OGRLayerH layer, const char *folder)
{
	bool mixed = export_is_mixed(layer);
	struct shapes s = {.job = job, .folder = folder, .layer = layer};
	char list[800];
	(void)snprintf(list, sizeof(list), "%s/wide", folder);
	s.wide = fopen(list, "w+e");
	enum err err = mixed ? each_part(&s, note_part) : ERR_OK;
	for (size_t k = 0; k < (mixed ? FAMILIES : 1U) && err == ERR_OK; k++)
		err = translate_family(&s, ds, k, mixed);
	if (err == ERR_OK && mixed)
		err = add_parts(&s);
	enum err mended = mend_numbers(&s);
	err = err == ERR_OK ? mended : err;
	for (size_t k = 0; k < FAMILIES && err == ERR_OK; k++) {
		char path[800];
		path_of(&s, k, "dbf", path);
		if (access(path, F_OK) == 0)
			err = mend_names(job, path);
	}
	return err;
}
