#include "wizard/message.h"

#include <stdio.h>
#include <string.h>
#include "base/limits.h"
#include "base/mem.h"
#include "wizard/shape.h"

/*
 * The shapes of message.h.  Lengths are generous: they keep a hostile jail from filling the store,
 * while each page cuts what it shows.
 */

#define LAYERS_MAX   10000
#define COLUMNS_MAX  5000
#define PROBLEMS_MAX 1000
#define NAME	     1024 /* bytes */
#define WKT	     (64 * 1024)
#define VALUE	     4096
#define COUNT	     0, INT64_C(1) << 53

#define KINDS                                                                                      \
	"shp|csv|xlsx|ods|geojson|kml|kml-overlay|gpx|gml|gpkg|fgb|tif|asc|png|jpg|zip-mosaic|"    \
	"multi|img|jp2|ntf"
#define FITS  "impossible|outside|partly|inside|unknown"
#define TYPES "integer|real|text|date|datetime|boolean|time|binary"
#define END                                                                                        \
	{                                                                                          \
		NULL, SHAPE_BOOL, false, 0, 0, NULL, NULL                                          \
	}

#define INT(name, min, max)                                                                        \
	{                                                                                          \
		name, SHAPE_INT, false, min, max, NULL, NULL                                       \
	}
#define INT_REQ(name, min, max)                                                                    \
	{                                                                                          \
		name, SHAPE_INT, true, min, max, NULL, NULL                                        \
	}
#define COUNT_OF(name)                                                                             \
	{                                                                                          \
		name, SHAPE_INT, false, COUNT, NULL, NULL                                          \
	}
#define NUM(name)                                                                                  \
	{                                                                                          \
		name, SHAPE_NUMBER, false, 0, 0, NULL, NULL                                        \
	}
#define BOOL(name)                                                                                 \
	{                                                                                          \
		name, SHAPE_BOOL, false, 0, 0, NULL, NULL                                          \
	}
#define TEXT(name, max)                                                                            \
	{                                                                                          \
		name, SHAPE_TEXT, false, 0, max, NULL, NULL                                        \
	}
#define TEXT_REQ(name, max)                                                                        \
	{                                                                                          \
		name, SHAPE_TEXT, true, 0, max, NULL, NULL                                         \
	}
#define WORD(name, words)                                                                          \
	{                                                                                          \
		name, SHAPE_WORD, false, 0, 0, words, NULL                                         \
	}
#define WORD_REQ(name, words)                                                                      \
	{                                                                                          \
		name, SHAPE_WORD, true, 0, 0, words, NULL                                          \
	}
#define SCALAR(name)                                                                               \
	{                                                                                          \
		name, SHAPE_SCALAR, false, 0, VALUE, NULL, NULL                                    \
	}
#define OBJECT(name, sub)                                                                          \
	{                                                                                          \
		name, SHAPE_OBJECT, false, 0, 0, NULL, sub                                         \
	}
#define LIST(name, max, sub)                                                                       \
	{                                                                                          \
		name, SHAPE_LIST, false, 0, max, NULL, sub                                         \
	}
#define LIST_REQ(name, max, sub)                                                                   \
	{                                                                                          \
		name, SHAPE_LIST, true, 0, max, NULL, sub                                          \
	}
#define NUMBERS(name, n)                                                                           \
	{                                                                                          \
		name, SHAPE_NUMBERS, false, 0, n, NULL, NULL                                       \
	}
#define TEXTS(name, max)                                                                           \
	{                                                                                          \
		name, SHAPE_TEXTS, false, 0, max, NULL, NULL                                       \
	}

static const struct shape problem[] = {
    {"code", SHAPE_KEY, true, 0, 48, NULL, NULL},
    TEXT("field", 64),
    TEXT("file", NAME),
    TEXT("layer", NAME),
    INT("row", 0, INT64_MAX),
    INT("line", 0, INT64_MAX),
    TEXT("column", NAME),
    SCALAR("value"),
    {"args", SHAPE_MAP, false, 0, 32, NULL, NULL},
    END,
};

static const struct shape bad_value[] = {
    INT("row", 0, INT64_MAX),
    INT("line", 0, INT64_MAX),
    SCALAR("value"),
    END,
};

static const struct shape bundle[] = {
    INT_REQ("i", 0, LAYERS_MAX),
    WORD_REQ("kind", KINDS),
    TEXT_REQ("stem", NAME),
    TEXTS("files", 10000),
    END,
};

static const struct shape crs[] = {
    TEXT("code", 48),
    TEXT("name", NAME),
    TEXT("wkt", WKT),
    WORD("source", "file|match|definition|none"),
    INT("confidence", 0, 100),
    BOOL("usable"),
    END,
};

static const struct shape candidate[] = {
    TEXT_REQ("code", 48), TEXT("name", NAME), INT("confidence", 0, 100), WORD("fit", FITS), END,
};

static const struct shape encoding[] = {TEXT("charset", 32), TEXT("source", 32), END};

static const struct shape geom[] = {
    WORD_REQ("format", "WKT|EWKT|WKB|GeoJSON"),
    COUNT_OF("ok"),
    INT("srid", 0, INT32_MAX),
    OBJECT("first_bad", bad_value),
    END,
};

static const struct shape column_time[] = {
    COUNT_OF("ok"),
    COUNT_OF("bad"),
    TEXT("format", 63),
    BOOL("ambiguous"),
    TEXTS("formats", 2),
    OBJECT("first_bad", bad_value),
    INT("min", INT64_MIN, INT64_MAX),
    INT("max", INT64_MIN, INT64_MAX),
    COUNT_OF("distinct"),
    END,
};

static const struct shape survey_zone[] = {INT("zone", 0, 60), COUNT_OF("ok"), END};

static const struct shape column[] = {
    INT_REQ("i", 0, COLUMNS_MAX),
    TEXT_REQ("name", NAME),
    TEXT("original", VALUE),
    WORD_REQ("type", TYPES),
    COUNT_OF("nulls"),
    COUNT_OF("values"),
    SCALAR("min"),
    SCALAR("max"),
    TEXTS("samples", 20),
    COUNT_OF("numeric"),
    COUNT_OF("lat_ok"),
    COUNT_OF("lng_ok"),
    COUNT_OF("years_ok"),
    BOOL("year_range"),
    BOOL("dms"),
    OBJECT("first_bad", bad_value),
    OBJECT("geom", geom),
    OBJECT("time", column_time),
    BOOL("decimal_comma"),
    BOOL("use"),
    {"type_bad", SHAPE_MAP_OBJECT, false, 0, 16, NULL, bad_value},
    COUNT_OF("survey_x"),
    OBJECT("survey_zone", survey_zone),
    END,
};

static const struct shape preview_row[] = {
    INT("row", 0, INT64_MAX),
    {"cells", SHAPE_CELLS, false, 0, COLUMNS_MAX, NULL, NULL},
    END,
};

static const struct shape preview[] = {
    TEXTS("columns", COLUMNS_MAX),
    LIST("rows", 20, preview_row),
    COUNT_OF("total_rows"),
    END,
};

static const struct shape dialect[] = {
    TEXT("charset", 32), TEXT("charset_source", 32), TEXT("delimiter", 16), TEXT("header", 24),
    TEXT("decimal", 8),	 TEXT("quote", 8),	     TEXT("sheet", NAME),   END,
};

static const struct shape sheet[] = {TEXT_REQ("name", NAME), COUNT_OF("rows"), BOOL("hidden"), END};

static const struct shape raster[] = {
    INT("width", 0, INT32_MAX), INT("height", 0, INT32_MAX),
    INT("bands", 0, 65536),	TEXT("dtype", 32),
    SCALAR("nodata"),		NUMBERS("pixel", 2),
    SCALAR("colors"),		END,
};

static const struct shape overlay[] = {NUMBERS("bounds", 4), NUM("rotation"), TEXT("name", NAME),
				       TEXT("image", NAME), END};

static const struct shape granule[] = {
    INT_REQ("bundle", 0, LAYERS_MAX),
    INT("time", INT64_MIN, INT64_MAX),
    END,
};

static const struct shape mosaic[] = {LIST_REQ("granules", LAYERS_MAX, granule), END};

static const struct shape layer[] = {
    INT_REQ("i", 0, LAYERS_MAX),
    INT("bundle", 0, LAYERS_MAX),
    TEXT_REQ("name", NAME),
    WORD_REQ("kind", "vector|raster|table"),
    TEXT("driver", 64),
    TEXT("source_layer", NAME),
    TEXT("file", NAME),
    TEXT("member", NAME),
    TEXT("geometry", 64),
    INT("count", -1, INT64_C(1) << 53),
    NUMBERS("extent", 4),
    BOOL("selected"),
    OBJECT("crs", crs),
    TEXT("native_crs", WKT),
    LIST("candidates", 100, candidate),
    LIST("supported", 100, candidate),
    OBJECT("encoding", encoding),
    LIST("columns", COLUMNS_MAX, column),
    OBJECT("preview", preview),
    OBJECT("dialect", dialect),
    LIST("sheets", 1000, sheet),
    TEXT("sheet", NAME),
    OBJECT("raster", raster),
    OBJECT("overlay", overlay),
    OBJECT("mosaic", mosaic),
    LIST("warnings", PROBLEMS_MAX, problem),
    END,
};

static const struct shape metadata[] = {
    TEXT("title", VALUE), TEXT("abstract", WKT), TEXTS("keywords", 1000), TEXT("uuid", 128), END,
};

static const struct shape digest[] = {
    INT_REQ("n", 1, 100000),
    TEXT("md5", 32),
    TEXT("sha256", 64),
    END,
};

static const struct shape inspect[] = {
    WORD_REQ("type", "result"),
    WORD_REQ("kind", KINDS),
    TEXT("name", NAME),
    LIST_REQ("bundles", LAYERS_MAX, bundle),
    LIST_REQ("layers", LAYERS_MAX, layer),
    LIST("warnings", PROBLEMS_MAX, problem),
    OBJECT("metadata", metadata),
    LIST("digests", 100000, digest),
    END,
};

static const struct shape rows[] = {
    COUNT_OF("total"), COUNT_OF("imported"), COUNT_OF("without_geometry"), COUNT_OF("skipped"), END,
};

static const struct shape result_crs[] = {TEXT("code", 48), TEXT("name", NAME), TEXT("wkt", WKT),
					  END};

static const struct shape result_column[] = {
    TEXT_REQ("name", NAME), TEXT("original", VALUE), WORD_REQ("type", TYPES), COUNT_OF("nulls"),
    SCALAR("min"),	    SCALAR("max"),	     TEXTS("samples", 20),    END,
};

static const struct shape result_time[] = {
    INT("start", INT64_MIN, INT64_MAX),
    INT("end", INT64_MIN, INT64_MAX),
    COUNT_OF("positions"),
    COUNT_OF("bad"),
    END,
};

static const struct shape result_layer[] = {
    INT_REQ("i", 0, LAYERS_MAX),
    WORD_REQ("status", "imported|failed"),
    LIST("problems", PROBLEMS_MAX, problem),
    TEXT("file", 64),
    WORD("type", "vector|raster|table"),
    TEXT("table", 256),
    TEXT("geometry", 64),
    COUNT_OF("count"),
    OBJECT("rows", rows),
    NUMBERS("extent", 4),
    NUMBERS("bbox_wgs84", 4),
    OBJECT("crs", result_crs),
    {"info", SHAPE_MAP, false, 0, COLUMNS_MAX, NULL, NULL},
    LIST("columns", COLUMNS_MAX, result_column),
    {"sample_rows", SHAPE_ROWS, false, 0, 20, NULL, NULL},
    OBJECT("time", result_time),
    OBJECT("raster", raster),
    TEXT("map", 64),
    NUMBERS("map_bounds", 4),
    TEXT("thumbnail", 64),
    COUNT_OF("size"),
    LIST("warnings", PROBLEMS_MAX, problem),
    END,
};

static const struct shape import[] = {
    WORD_REQ("type", "result"),
    LIST_REQ("layers", LAYERS_MAX, result_layer),
    WORD("report", "report.jsonl"),
    LIST("warnings", PROBLEMS_MAX, problem),
    END,
};

static const struct shape bad_row[] = {
    INT_REQ("row", 0, INT64_C(1) << 53),
    TEXT_REQ("column", NAME),
    WORD_REQ("reason", "date|number|encoding|cells"),
    END,
};

static const struct shape table_rows[] = {
    WORD_REQ("type", "result"),
    WORD_REQ("kind", "xlsx|xls|ods|csv|tsv"),
    INT_REQ("rows", 0, INT64_C(1) << 53),
    TEXTS("columns", COLUMNS_MAX),
    LIST_REQ("bad", 20, bad_row),
    INT_REQ("bad_rows", 0, INT64_C(1) << 53),
    INT_REQ("gaps", 0, INT64_C(1) << 53),
    LIST("warnings", PROBLEMS_MAX, problem),
    END,
};

static const struct shape progress[] = {
    WORD_REQ("type", "progress"),
    WORD_REQ("phase", "inspect|import|export"),
    {"message", SHAPE_KEY, false, 0, 64, NULL, NULL},
    TEXT("layer", NAME),
    COUNT_OF("done"),
    INT("total", -1, INT64_C(1) << 53),
    COUNT_OF("rows_bad"),
    END,
};

static const struct shape failed[] = {
    WORD_REQ("type", "failed"),
    LIST_REQ("problems", PROBLEMS_MAX, problem),
    TEXT("detail", 64 * 1024),
    END,
};

/* ---- what a table cannot say */

static bool is_hex(const char *s, size_t n)
{
	return s == NULL || (strlen(s) == n && strspn(s, "0123456789abcdef") == n);
}

static bool is_box(const json_object *o, const char *key)
{
	json_object *v = json_arr(o, key);

	return v == NULL || (json_object_get_double(json_object_array_get_idx(v, 0)) <=
				 json_object_get_double(json_object_array_get_idx(v, 2)) &&
			     json_object_get_double(json_object_array_get_idx(v, 1)) <=
				 json_object_get_double(json_object_array_get_idx(v, 3)));
}

/* Every list's items are numbered from 0 in order, so that an index finds its item. */
static bool in_order(json_object *list)
{
	int64_t i = 0;
	json_object *item;

	JSON_EACH(item, list)
	if (json_int(item, "i", -1) != i++)
		return false;
	return true;
}

enum err message_check_inspect(json_object *result, size_t n_files, struct error *error)
{
	enum err e = shape_check(result, inspect, error);
	json_object *item;
	size_t n_bundles;

	if (e != ERR_OK)
		return e;
	n_bundles = json_len(json_arr(result, "bundles"));
	if (!in_order(json_arr(result, "bundles")) || !in_order(json_arr(result, "layers")))
		return error_set(error, ERR_BAD_REQUEST,
				 "bundles or layers are not numbered in order");
	JSON_EACH(item, json_arr(result, "layers"))
	{
		if (json_int(item, "bundle", 0) >= (int64_t)(n_bundles > 0 ? n_bundles : 1))
			return error_set(error, ERR_BAD_REQUEST,
					 "a layer of a bundle that is not there");
		if (!in_order(json_arr(item, "columns")) || !is_box(item, "extent"))
			return error_set(error, ERR_BAD_REQUEST, "columns or extent of a layer");
	}
	JSON_EACH(item, json_arr(result, "digests"))
	if (json_int(item, "n", 0) > (int64_t)n_files || !is_hex(json_str(item, "md5", NULL), 32) ||
	    !is_hex(json_str(item, "sha256", NULL), 64))
		return error_set(error, ERR_BAD_REQUEST,
				 "a digest of a file that is not there, or no digest");
	return ERR_OK;
}

/* Is member KEY missing or "<i><suffix>" with one of the suffixes? */
static bool names_file(const json_object *item, const char *key, int64_t i, const char *a,
		       const char *b)
{
	const char *s = json_str(item, key, NULL);
	char one[64], two[64];

	(void)snprintf(one, sizeof(one), "%lld%s", (long long)i, a);
	(void)snprintf(two, sizeof(two), "%lld%s", (long long)i, b);
	return s == NULL || strcmp(s, one) == 0 || strcmp(s, two) == 0;
}

static enum err check_result_layer(const json_object *item, struct error *error)
{
	int64_t i = json_int(item, "i", -1);
	bool imported = strcmp(json_str(item, "status", ""), "imported") == 0;

	if (!names_file(item, "file", i, ".gpkg", ".tif") ||
	    !names_file(item, "map", i, ".map.json", ".map.png") ||
	    !names_file(item, "thumbnail", i, ".png", ".png"))
		return error_set(error, ERR_BAD_REQUEST,
				 "layer %lld names a file that is not its own", (long long)i);
	if (!is_box(item, "extent"))
		return error_set(error, ERR_BAD_REQUEST, "extent of layer %lld", (long long)i);
	if (imported &&
	    (json_str(item, "file", NULL) == NULL || json_str(item, "type", NULL) == NULL))
		return error_set(error, ERR_BAD_REQUEST, "layer %lld was imported to nowhere",
				 (long long)i);
	if (!imported && json_str(item, "file", NULL) != NULL)
		return error_set(error, ERR_BAD_REQUEST, "layer %lld failed and left a file",
				 (long long)i);
	return ERR_OK;
}

enum err message_check_import(json_object *result, const json_object *job, struct error *error)
{
	enum err e = shape_check(result, import, error);
	json_object *asked = json_arr(job, "layers"), *got, *a, *g;

	if (e != ERR_OK)
		return e;
	got = json_arr(result, "layers");
	if (json_len(got) != json_len(asked))
		return error_set(error, ERR_BAD_REQUEST, "%zu layers were asked for, %zu came",
				 json_len(asked), json_len(got));
	/* Equal length and each asked one there: none twice, none new. */
	JSON_EACH(a, asked)
	{
		bool found = false;

		JSON_EACH(g, got)
		found = found || json_int(g, "i", -1) == json_int(a, "i", -2);
		if (!found)
			return error_set(error, ERR_BAD_REQUEST, "layer %lld is missing",
					 (long long)json_int(a, "i", -1));
	}
	JSON_EACH(g, got)
	{
		e = check_result_layer(g, error);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err message_check_rows(json_object *result, struct error *error)
{
	enum err e = shape_check(result, table_rows, error);

	if (e == ERR_OK &&
	    json_int(result, "bad_rows", 0) < (int64_t)json_len(json_arr(result, "bad")))
		return error_set(error, ERR_BAD_REQUEST, "more bad rows told than there are");
	return e;
}

enum err message_check_progress(json_object *o, struct error *error)
{
	return shape_check(o, progress, error);
}

enum err message_check_failed(json_object *o, struct error *error)
{
	enum err e = shape_check(o, failed, error);

	if (e == ERR_OK && json_len(json_arr(o, "problems")) == 0)
		return error_set(error, ERR_BAD_REQUEST, "failed without a problem");
	return e;
}
