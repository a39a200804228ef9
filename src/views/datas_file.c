/*
 * The bytes of a data item: its file as it was stored, the imported result, the thumbnail.
 * Source: contracts/datas.md 8.
 */
#include <string.h>
#include "views/datas.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "views/views.h"

/* What a browser is told; everything else is just bytes. */
static const char *media_type(const char *name)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
	    {".csv", "text/csv; charset=utf-8"},
	    {".txt", "text/plain; charset=utf-8"},
	    {".json", "application/json"},
	    {".geojson", "application/geo+json"},
	    {".zip", "application/zip"},
	    {".png", "image/png"},
	    {".jpg", "image/jpeg"},
	    {".jpeg", "image/jpeg"},
	    {".tif", "image/tiff"},
	    {".tiff", "image/tiff"},
	    {".gpkg", "application/geopackage+sqlite3"},
	    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (text_ends_icase(name, types[i].ending))
			return types[i].type;
	}
	return "application/octet-stream";
}

static enum err no_file(struct call *call)
{
	call->error = (struct error){0};
	return supermap_fail(call, ERR_NOT_FOUND, "datas_no_bytes", NULL);
}

/* Unchanged since the client's copy?  With an ETag of the client's that alone decides (RFC
 * 9110, 13.2.2). */
static bool unchanged(struct call *call, int64_t changed_ms)
{
	const char *since = req_header(call->req, "If-Modified-Since");
	int64_t ms = since != NULL && req_header(call->req, "If-None-Match") == NULL
			 ? clock_parse_http(since)
			 : -1;

	return ms >= 0 && changed_ms / 1000 <= ms / 1000;
}

/* PATH (below data_dir, made of our own names) as a download called NAME. */
static enum err send_file(struct call *call, const char *path, const char *name, const char *etag,
			  int64_t changed_ms)
{
	struct reply *reply = call->reply;
	char modified[32];

	enum err err = call_file(call, path, media_type(name), etag, name);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? no_file(call) : err;
	clock_http(changed_ms, modified);
	reply_header(reply, "Last-Modified", modified);
	reply_header(reply, "Content-Security-Policy", "sandbox; default-src 'none'");
	reply_header(reply, "Cache-Control", "private, no-cache");
	reply_header(reply, "Vary", "Origin");
	if (unchanged(call, changed_ms)) {
		reply->status = 304;
		reply->body = REPLY_NOTHING;
		reply_header(reply, "ETag", etag);
	}
	return ERR_OK;
}

/* The dataset behind an imported item, for where its files are. */
static enum err dataset_of(struct call *call, const json_object *model, json_object **ret)
{
	struct viewer all = {.user = "", .admin = true};
	enum err err = ERR_NOT_FOUND;

	/* Who may see the item was asked already. */
	if (json_str(model, "dataset", NULL) != NULL)
		err = catalog_get(call->ctx->catalog, json_int(model, "id", 0), &all, ret,
				  &call->error);
	return err == ERR_NOT_FOUND ? no_file(call) : err;
}

static enum err send_result(struct call *call, const json_object *model)
{
	CLEAN_JSON json_object *d = NULL;
	enum err err = dataset_of(call, model, &d);

	if (err != ERR_OK)
		return err;
	const char *file = json_str(d, "file", ""), *name = json_str(model, "fileName", "data");
	const char *dot = strrchr(name, '.'), *ending = strrchr(file, '.');
	CLEAN_FREE char *path = mem_printf("datasets/%s", file);
	CLEAN_FREE char *called =
	    mem_printf("%.*s%s", dot != NULL && dot > name ? (int)(dot - name) : (int)strlen(name),
		       name, ending != NULL ? ending : "");
	CLEAN_FREE char *etag = mem_printf("\"%lld-%lld\"", (long long)json_int(d, "id", 0),
					   (long long)json_int(d, "revision", 1));
	return *file == '\0' ? no_file(call)
			     : send_file(call, path, called, etag, json_int(d, "changed", 0));
}

enum err datas_download_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	const char *variant = supermap_query(call, "variant");
	enum err err = datas_find(call, ITEM_DOWNLOAD, &model);

	if (err != ERR_OK)
		return err;
	if (variant != NULL && strcmp(variant, "result") == 0) {
		err = send_result(call, model);
	} else {
		const char *file = json_str(model, "file", NULL),
			   *md5 = json_str(model, "MD5", NULL);
		CLEAN_FREE char *etag =
		    md5 != NULL ? mem_printf("\"%s\"", md5)
				: mem_printf("\"%s\"", json_str(model, "storageId", ""));
		err = file == NULL ? no_file(call)
				   : send_file(call, file, json_str(model, "fileName", "data"),
					       etag, json_int(model, "lastModfiedTime", 0));
	}
	if (err == ERR_OK && call->req->method == METHOD_GET)
		call->counted_item = json_int(model, "id", 0);
	return err;
}

enum err datas_thumbnail_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	CLEAN_JSON json_object *d = NULL;
	enum err err = datas_find(call, ITEM_SEARCH, &model);

	if (err == ERR_OK)
		err = json_bool(model, "thumbnail", false) ? dataset_of(call, model, &d)
							   : no_file(call);
	if (err != ERR_OK)
		return err;
	const char *file = json_str(d, "file", ""), *slash = strrchr(file, '/');
	CLEAN_FREE char *path = mem_printf("datasets/%.*s/thumbnail.png",
					   slash == NULL ? 0 : (int)(slash - file), file);
	CLEAN_FREE char *etag = mem_printf("\"%lld-%lld-t\"", (long long)json_int(d, "id", 0),
					   (long long)json_int(d, "revision", 1));
	err = call_file(call, path, "image/png", etag, NULL);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? no_file(call) : err;
	reply_header(call->reply, "Cache-Control", "private, max-age=3600");
	reply_header(call->reply, "Vary", "Origin");
	return ERR_OK;
}
