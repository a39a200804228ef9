/*
 * A dataset's data item: what the dataset says of itself in the item's words.  Source:
 * contracts/datas.md 5, 6, 10.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "catalog/model.h"

static const struct {
	const char *extension;
	const char *type;
} types[] = {
    {".shp.zip", "SHP"},     {".shp", "SHP"},	      {".geojson", "GEOJSON"},
    {".json", "JSON"},	     {".topojson", "JSON"},   {".csv", "CSV"},
    {".tsv", "CSV"},	     {".txt", "CSV"},	      {".xls", "EXCEL"},
    {".xlsx", "EXCEL"},	     {".ods", "EXCEL"},	      {".tif", "IMAGE"},
    {".tiff", "IMAGE"},	     {".jp2", "IMAGE"},	      {".img", "IMAGE"},
    {".vrt", "IMAGE"},	     {".png", "IMAGE"},	      {".jpg", "IMAGE"},
    {".jpeg", "IMAGE"},	     {".mbtiles", "MBTILES"}, {".smtiles", "SMTILES"},
    {".svtiles", "SVTILES"}, {".tpk", "TPK"},	      {".udb", "UDB"},
    {".sxwu", "WORKSPACE"},  {".smwu", "WORKSPACE"},  {".pdf", "PDF"},
};

const char *item_type_of_name(const char *file_name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (text_ends_icase(file_name, types[i].extension))
			return types[i].type;
	return "UNKNOWN";
}

void item_storage_id(char out[55])
{
	char hex[49];

	token_hex(hex, 48);
	(void)snprintf(out, 55, "%.8s_%.8s_%.8s_%.4s_4%.3s_8%.3s_%.12s", hex, hex + 8, hex + 16,
		       hex + 24, hex + 28, hex + 31, hex + 34);
}

/* ---- the stored file */

static bool any_shapefile(const json_object *sources)
{
	json_object *source;

	JSON_EACH(source, sources)
	if (text_ends_icase(json_str(source, "name", ""), ".shp"))
		return true;
	return false;
}

static char *stem_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	return mem_printf("%.*s",
			  dot == NULL || dot == name ? (int)strlen(name) : (int)(dot - name), name);
}

static const char *type_of(const json_object *model, const char *name)
{
	const json_object *sources = json_arr(model, "source");

	if (strcmp(json_str(model, "type", ""), "raster") == 0)
		return "IMAGE";
	if (any_shapefile(sources))
		return "SHP";
	/* A zip that became layers of lines and points is a shapefile's far more often than
	 * anything else's. */
	if (text_ends_icase(name, ".zip") && strcmp(json_str(model, "type", ""), "vector") == 0)
		return "SHP";
	return item_type_of_name(name);
}

/* One file as it came; a bundle is packed by whoever publishes and then described by "stored". */
static void set_stored(json_object *item, const json_object *model)
{
	const json_object *sources = json_arr(model, "source"), *stored = json_obj(model, "stored");
	json_object *one = json_at(sources, 0);
	const char *file = json_str(model, "file", ""), *slash = strrchr(file, '/');
	CLEAN_FREE char *stem = stem_of(json_str(one, "name", json_str(model, "name", "")));
	CLEAN_FREE char *bundle = mem_printf("%s.zip", stem);
	bool single = json_len(sources) == 1;
	const char *name = json_str(stored, "name", single ? json_str(one, "name", "") : bundle);

	if (stored == NULL && single)
		stored = one;
	(void)json_set_str(item, "fileName", name);
	(void)json_set_str(item, "type", type_of(model, name));
	(void)json_set_int(item, "size", json_int(stored, "size", 0));
	(void)json_set_str(item, "MD5", json_str(stored, "md5", NULL));
	(void)json_set_str(item, "file", json_str(json_obj(model, "stored"), "file", NULL));
	if (json_obj(model, "stored") == NULL && single && slash != NULL &&
	    json_bool(model, "originals", false)) {
		CLEAN_FREE char *path =
		    mem_printf("datasets/%.*s/original/1", (int)(slash - file), file);

		(void)json_set_str(item, "file", path);
	}
}

/* ---- what is known of the data */

static const char *coord_of(const json_object *model)
{
	const char *code = json_str(json_obj(model, "crs"), "code", "");

	if (json_obj(model, "crs") == NULL)
		return "NONE";
	if (strcmp(code, "EPSG:4326") == 0)
		return "WGS84";
	if (strcmp(code, "EPSG:4490") == 0)
		return "CGCS2000";
	return strcmp(code, "EPSG:3857") == 0 ? "MACTOR" : "OTHER";
}

static json_object *meta_of(const json_object *model, const json_object *old)
{
	static const char *const members[] = {"firstRowIsHead",	  "previewURL",
					      "fileEncoding",	  "proxiedServiceType",
					      "hasScene",	  "xIndex",
					      "yField",		  "yIndex",
					      "separator",	  "url",
					      "baseLayerType",	  "xField",
					      "epsgCode",	  "realspaceType",
					      "releaseTimeMilli", "fieldTypes",
					      "bounds",		  "proxiedServiceUrl",
					      "providers"};
	const json_object *given = json_obj(model, "item_meta"), *bbox = json_arr(model, "bbox");
	const char *code = json_str(json_obj(model, "crs"), "code", "");
	json_object *meta = json_object_new_object();
	int64_t epsg;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_object *member = json_get(given, members[i]);

		if (member == NULL)
			member = json_get(old, members[i]);
		(void)json_set(meta, members[i], member == NULL ? NULL : json_copy(member));
	}
	if (text_starts(code, "EPSG:") && text_int(code + 5, 1, INT32_MAX, &epsg))
		(void)json_set_int(meta, "epsgCode", epsg);
	if (json_len(bbox) == 4) {
		CLEAN_FREE char *bounds =
		    mem_printf("%.15g,%.15g,%.15g,%.15g", json_object_get_double(json_at(bbox, 0)),
			       json_object_get_double(json_at(bbox, 1)),
			       json_object_get_double(json_at(bbox, 2)),
			       json_object_get_double(json_at(bbox, 3)));

		(void)json_set_str(meta, "bounds", bounds);
	}
	return meta;
}

static void set_content(json_object *item, const json_object *model)
{
	(void)json_set_str(item, "status", "OK");
	(void)json_set_str(item, "serviceStatus", "PUBLISHED");
	(void)json_set_str(item, "dataset", json_str(model, "type", ""));
	(void)json_set_str(item, "layer", json_str(model, "name", ""));
	/* What lies nowhere has no picture. */
	(void)json_set_bool(item, "thumbnail",
			    strcmp(json_str(model, "type", ""), "table") != 0 &&
				json_len(json_arr(model, "bbox")) == 4);
	(void)json_set(item, "dataMetaInfo", meta_of(model, json_obj(item, "dataMetaInfo")));
	if (json_bool(item, "api", false) && json_get(item, "coordType") != NULL)
		return;
	(void)json_set_str(item, "coordType", coord_of(model));
}

static void set_check(json_object *item, int64_t id)
{
	json_object *check = json_object_new_object(), *info = json_object_new_object();
	CLEAN_FREE char *number = mem_printf("%lld", (long long)id);

	(void)json_set_str(info, "checkStatus", "SUCCESS");
	(void)json_set(info, "checkMsg", NULL);
	(void)json_set_str(info, "dataType", json_str(item, "type", ""));
	(void)json_set_str(info, "id", number);
	(void)json_set_str(info, "MD5", json_str(item, "MD5", NULL));
	(void)json_set(check, "dataCheckInfo", info);
	(void)json_set(check, "serviceCheckInfos", json_object_new_array());
	(void)json_set(item, "dataCheckResult", check);
}

/* Texts of LIST, each once, at most 1000 as the dataset may have them. */
static json_object *tags_of(const json_object *list)
{
	return list != NULL ? json_copy(list) : json_object_new_array();
}

static void set_meta(json_object *item, const json_object *model)
{
	const char *abstract = json_str(model, "abstract", "");

	(void)json_set_str(item, "userName", json_str(model, "owner", ""));
	if (json_str(item, "nickname", NULL) == NULL)
		(void)json_set_str(item, "nickname", json_str(model, "owner", ""));
	(void)json_set_str(item, "description", *abstract != '\0' ? abstract : NULL);
	(void)json_set(item, "tags", tags_of(json_arr(model, "keywords")));
	(void)json_set_int(item, "lastModfiedTime", json_int(model, "changed", 0));
}

static json_object *fresh(int64_t id, const json_object *model)
{
	json_object *item = json_object_new_object();
	char storage[55];

	item_storage_id(storage);
	(void)json_set_int(item, "id", id);
	(void)json_set_bool(item, "api", false);
	(void)json_set_str(item, "storageId", storage);
	(void)json_set_int(item, "createTime", json_int(model, "created", 0));
	(void)json_set_int(item, "downloadCount", json_int(model, "downloads", 0));
	return item;
}

enum err item_follow(struct conn *conn, int64_t id, const json_object *model, enum item_event event,
		     struct error *error)
{
	CLEAN_JSON json_object *entities =
	    item_share_of_permissions(json_obj(model, "permissions"));
	CLEAN_JSON json_object *item = NULL;
	enum err e = item_load(conn, id, &item, error);
	bool insert = e == ERR_NOT_FOUND;

	if (e != ERR_OK && !insert)
		return e;
	if (insert)
		item = fresh(id, model);
	set_meta(item, model);
	(void)json_set_int(item, "guest", item_share_guest(entities));
	if (insert || event != ITEM_META) {
		if (!json_bool(item, "api", false))
			set_stored(item, model);
		set_content(item, model);
		set_check(item, id);
	}
	e = item_save(conn, id, item, insert, error);
	return e == ERR_OK
		   ? item_share_write(conn, id, json_str(item, "userName", ""), entities, error)
		   : e;
}

enum err item_give(struct conn *conn, int64_t id, json_object *model, bool *ret_found,
		   struct error *error)
{
	CLEAN_JSON json_object *item = NULL;
	CLEAN_JSON json_object *entities = json_object_new_array();
	enum err e = id > 0 ? item_load(conn, id, &item, error) : ERR_NOT_FOUND;

	*ret_found = e == ERR_OK;
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	e = item_share_read(conn, id, entities, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_str(model, "owner", json_str(item, "userName", ""));
	(void)json_set_str(model, "abstract", json_str(item, "description", ""));
	(void)json_set(model, "keywords", tags_of(json_arr(item, "tags")));
	(void)json_set(model, "permissions", item_share_to_permissions(entities));
	(void)json_set_int(model, "created", json_int(item, "createTime", 0));
	return ERR_OK;
}

/* ---- an older catalogue */

static enum err fill_one(struct conn *conn, int64_t id, struct error *error)
{
	CLEAN_JSON json_object *model = NULL;
	enum err e = model_read(conn, id, NULL, &model, error);

	return e == ERR_OK ? item_follow(conn, id, model, ITEM_MADE, error) : e;
}

enum err item_fill(struct conn *conn, struct error *error)
{
	int64_t id = 0;
	enum err e = ERR_OK;

	while (e == ERR_OK) {
		sqlite3_stmt *stmt;
		bool row;

		e = conn_prepare(conn, "SELECT id FROM dataset WHERE id > ?1 ORDER BY id LIMIT 1",
				 &stmt, error);
		if (e != ERR_OK)
			return e;
		(void)sqlite3_bind_int64(stmt, 1, id);
		e = conn_step(conn, stmt, &row, error);
		if (e != ERR_OK || !row)
			break;
		id = sqlite3_column_int64(stmt, 0);
		(void)sqlite3_reset(stmt);
		e = fill_one(conn, id, error);
	}
	if (e == ERR_OK &&
	    sqlite3_exec(conn->db, "DELETE FROM dataset_downloads", NULL, NULL, NULL) != SQLITE_OK)
		e = conn_error(conn, sqlite3_errcode(conn->db), error);
	return e;
}
