/*
 * The enumerations of contracts/datas.md 6.
 */
#include <string.h>
#include "views/datas.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/bundle.h"

#define WORDS_MAX 40

static const char *const lists[DATAS_ENUM__MAX][WORDS_MAX] = {
    [DATAS_TYPE] = {"AUDIO",
		    "COLOR",
		    "COLORSCHEME",
		    "CSV",
		    "EXCEL",
		    "FILLSYMBOL",
		    "GEOJSON",
		    "HBASE",
		    "HDFS",
		    "IMAGE",
		    "JSON",
		    "LAYERTEMPLATE",
		    "LAYOUTTEMPLATE",
		    "LINESYMBOL",
		    "MAPBOXSTYLE",
		    "MAPTEMPLATE",
		    "MARKERSYMBOL",
		    "MBTILES",
		    "PDF",
		    "PHOTOS",
		    "SHP",
		    "SMTILES",
		    "STRUCTUREDDATA",
		    "SVTILES",
		    "THEMETEMPLATE",
		    "TPK",
		    "UDB",
		    "UGCV5",
		    "UGCV5_MVT",
		    "UNKNOWN",
		    "VIDEO",
		    "WORKENVIRONMENT",
		    "WORKSPACE"},
    [DATAS_STATUS] = {"CREATED", "DOEST_NOT_COMPLETE", "DOEST_NOT_EXIST", "MODIFYING", "OK"},
    [DATAS_SERVICE_STATUS] = {"DOES_NOT_INVOLVE", "PUBLISHED", "PUBLISHING", "PUBLISH_FAILED",
			      "UNPUBLISHED", "UNPUBLISHED_FAILED", "DISENGAGED"},
    [DATAS_COORD_TYPE] = {"BD09", "BD09_MACTOR", "CGCS2000", "GCJ02", "GCJ02_MACTOR", "MACTOR",
			  "NONE", "OTHER", "WGS84"},
    [DATAS_PERMISSION] = {"SEARCH", "DOWNLOAD", "DELETE"},
    [DATAS_ORDER_BY] = {"CREATETIME", "DOWNLOADCOUNT", "FILENAME", "ID", "LASTMODIFIEDTIME",
			"NICKNAME", "SERVICESTATUS", "SIZE", "STATUS", "TYPE", "UPDATETIME",
			"USERNAME"},
    [DATAS_ORDER_TYPE] = {"ASC", "DESC"},
    [DATAS_SCOPE] = {"ALL", "PUBLIC", "MY_RES", "MYGROUP_RES", "MYDEPARTMENT_RES", "SHARETOME_RES",
		     "MY", "MYGROUP", "MYDEPARTMENT", "SHARETOME"},
    [DATAS_FIELD] = {"FILENAME", "USERNAME", "NICKNAME", "DESCRIPTION", "TAGS", "RESTITLE",
		     "MAPTITLE", "LINKPAGE", "PROXIEDURL"},
    [DATAS_SERVICE_TYPE] = {"RESTMAP", "RESTDATA", "RESTREALSPACE", "RESTSPATIALANALYST",
			    "RESTADDRESSMATCH", "RESTVECTORTILE", "WMS111", "WMS130", "WMTS100",
			    "WMTSCHINA", "WFS100", "WFS200", "WCS111", "WCS112", "ARCGISMAP",
			    "ARCGISFEATURE", "MAPVIEWER"},
};

const char *datas_word(enum datas_enum e, const char *word)
{
	for (size_t i = 0; i < WORDS_MAX && lists[e][i] != NULL; i++) {
		if (text_ieq(lists[e][i], word))
			return lists[e][i];
	}
	return NULL;
}

bool datas_type_creatable(const char *type)
{
	return strcmp(type, "HDFS") != 0 && strcmp(type, "HBASE") != 0 &&
	       strcmp(type, "STRUCTUREDDATA") != 0;
}

static const struct {
	const char *ending, *type;
} endings[] = {
    {".shp.zip", "SHP"},     {".shp", "SHP"},	      {".zip", "UNKNOWN"},
    {".geojson", "GEOJSON"}, {".json", "JSON"},	      {".topojson", "JSON"},
    {".csv", "CSV"},	     {".tsv", "CSV"},	      {".txt", "CSV"},
    {".xls", "EXCEL"},	     {".xlsx", "EXCEL"},      {".ods", "EXCEL"},
    {".tif", "IMAGE"},	     {".tiff", "IMAGE"},      {".jp2", "IMAGE"},
    {".img", "IMAGE"},	     {".vrt", "IMAGE"},	      {".asc", "IMAGE"},
    {".ntf", "IMAGE"},	     {".png", "IMAGE"},	      {".jpg", "IMAGE"},
    {".jpeg", "IMAGE"},	     {".mbtiles", "MBTILES"}, {".smtiles", "SMTILES"},
    {".svtiles", "SVTILES"}, {".tpk", "TPK"},	      {".udb", "UDB"},
    {".sxwu", "WORKSPACE"},  {".smwu", "WORKSPACE"},  {".pdf", "PDF"},
};

const char *datas_type_of(const char *file_name)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		if (text_ends_icase(file_name, endings[i].ending))
			return endings[i].type;
	}
	return "UNKNOWN";
}

bool datas_type_importable(const char *type, const char *file_name)
{
	static const char *const imported[] = {"CSV", "EXCEL", "GEOJSON", "JSON",
					       "SHP", "IMAGE", "UNKNOWN"};

	for (size_t i = 0; i < sizeof(imported) / sizeof(*imported); i++) {
		if (strcmp(imported[i], type) == 0)
			return bundle_is_accepted(file_name, "");
	}
	return false;
}

const char *datas_type_told(const struct call *call, const char *type)
{
	static const struct {
		const char *type, *classic;
	} fewer[] = {{"GEOJSON", "JSON"},
		     {"UGCV5_MVT", "UGCV5"},
		     {"PDF", "UNKNOWN"},
		     {"VIDEO", "UNKNOWN"},
		     {"MAPBOXSTYLE", "UNKNOWN"}};

	for (size_t i = 0; call->ctx->config->iportal_classic && i < sizeof(fewer) / sizeof(*fewer);
	     i++) {
		if (strcmp(fewer[i].type, type) == 0)
			return fewer[i].classic;
	}
	return type;
}
