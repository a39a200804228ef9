/*
 * What a GeoPackage holds that does not come along: SQLite keeps text in columns of numbers, of
 * which GDAL makes zeros, halves or nothing, and rows are numbered anew.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/layer.h"
#include "geo/ogrvalue.h"

#define NAME_MOST 200 /* bytes of a column that is told */

/*
 * The condition for a value that is not of its column's type; %w: the column's name.  NULL: any
 * value is.
 */
static const char *odd(OGRFieldDefnH field)
{
	OGRFieldType type = OGR_Fld_GetType(field);

	if (type == OFTInteger || type == OFTInteger64)
		return "typeof(\"%w\") NOT IN ('integer', 'null')";
	if (type == OFTReal)
		return "typeof(\"%w\") NOT IN ('real', 'integer', 'null')";
	if (type == OFTString)
		return "typeof(\"%w\") = 'blob'";
	if (type == OFTDate || type == OFTDateTime)
		return "coalesce(\"%w\" NOT GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]*', 0)";
	return NULL;
}

/*
 * One row: how many values of field I are odd as "f<I>", and "fids": the rows are not numbered from
 * 1.
 */
static OGRFeatureH count(GDALDatasetH ds, OGRLayerH layer, OGRLayerH *ret_answer)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(layer);
	sqlite3_str *s = sqlite3_str_new(NULL);
	char *sql;

	sqlite3_str_appendall(s, "SELECT 0");
	for (int i = 0; i < OGR_FD_GetFieldCount(defn); i++) {
		OGRFieldDefnH field = OGR_FD_GetFieldDefn(defn, i);

		if (odd(field) == NULL)
			continue;
		sqlite3_str_appendall(s, ", sum(");
		sqlite3_str_appendf(s, odd(field), OGR_Fld_GetNameRef(field));
		sqlite3_str_appendf(s, ") AS f%d", i);
	}
	if (OGR_L_GetFIDColumn(layer)[0] != '\0')
		sqlite3_str_appendf(s, ", min(\"%w\") <> 1 OR max(\"%w\") <> count(*) AS fids",
				    OGR_L_GetFIDColumn(layer), OGR_L_GetFIDColumn(layer));
	sqlite3_str_appendf(s, " FROM \"%w\"", OGR_L_GetName(layer));
	sql = sqlite3_str_finish(s);
	*ret_answer = sql == NULL ? NULL : GDALDatasetExecuteSQL(ds, sql, NULL, NULL);
	sqlite3_free(sql);
	return *ret_answer == NULL ? NULL : OGR_L_GetNextFeature(*ret_answer);
}

static int64_t number(OGRFeatureH counts, const char *name)
{
	int at = OGR_F_GetFieldIndex(counts, name);

	return at < 0 ? 0 : OGR_F_GetFieldAsInteger64(counts, at);
}

static void tell(struct job *job, const char *file, OGRLayerH layer, OGRFeatureH counts)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(layer);
	CLEAN_FREE char *raw = mem_printf("%s.%s", OGR_L_GetName(layer), OGR_L_GetFIDColumn(layer));
	CLEAN_FREE char *fids = charset_decode("UTF-8", raw, strlen(raw), NULL, NULL);

	for (int i = 0; i < OGR_FD_GetFieldCount(defn); i++) {
		char name[16];
		int64_t n;
		json_object *p;

		(void)snprintf(name, sizeof(name), "f%d", i);
		n = number(counts, name);
		if (n == 0)
			continue;
		CLEAN_FREE char *column = ogrvalue_name(OGR_FD_GetFieldDefn(defn, i));

		column[text_cut(column, strlen(column), NAME_MOST)] = '\0';
		p = problem_str(problem_str(problem_new("values_odd"), "file", file), "column",
				column);
		job_warn(job, problem_arg_int(p, "count", n));
	}
	fids[text_cut(fids, strlen(fids), NAME_MOST)] = '\0';
	if (number(counts, "fids") != 0)
		job_warn(job,
			 problem_arg(problem_str(problem_new("elements_skipped"), "file", file),
				     "elements", fids));
}

void gpkg_tell_odd(struct job *job, const char *file, GDALDatasetH ds, OGRLayerH layer)
{
	OGRLayerH answer = NULL;
	OGRFeatureH counts = count(ds, layer, &answer);

	if (counts != NULL)
		tell(job, file, layer, counts);
	OGR_F_Destroy(counts);
	if (answer != NULL)
		GDALDatasetReleaseResultSet(ds, answer);
}
