/*
 * CRS search for the srs page, and the map before anything is published.
 * Source: contracts/wizard.md 10.4.
 */
#include <fcntl.h>
#include <string.h>
#include "views/geo_ask.h"
#include "views/wizard.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/spill.h"

#define PREVIEW_MAX (1024 * 1024)

enum err crs_view(struct call *call)
{
	const char *q = req_query(call->req, "q"), *id_text = req_query(call->req, "id"),
		   *limit_text = req_query(call->req, "limit");
	int64_t limit = 20, id = 0;
	struct turn t;

	if (call->ctx->crs == NULL)
		return call_fail(call, ERR_UNAVAILABLE, problem_new("crs_index_missing"));
	if (limit_text != NULL && !text_int(limit_text, 1, 100, &limit))
		limit = 100;
	json_object *m = crs_index_search(call->ctx->crs, q != NULL ? q : "", (size_t)limit,
					  call->ctx->config->crs_favourites);
	if (text_id(id_text, TURN_ID_MAX, &id)) {
		enum err err = turn_begin(call, id, false, &t);
		if (err != ERR_OK) {
			json_object_put(m);
			return err;
		}
		if (session_inspected(t.s))
			geo_ask_fit(call, t.s, m);
		turn_end(&t);
	}
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

/* The sample of geometries that inspection left, in the layer's own coordinates. */
static enum err read_preview(struct call *call, int64_t id, int64_t layer, json_object **ret)
{
	CLEAN_FREE char *folder = session_folder(id);
	CLEAN_FREE char *path = mem_printf("%s/%s/preview-%lld.json", call->ctx->config->data_dir,
					   folder, (long long)layer);
	CLEAN_FREE char *text = NULL;
	size_t len = 0;
	if (fs_read_file(AT_FDCWD, path, PREVIEW_MAX, &text, &len, NULL) != ERR_OK ||
	    json_read(text, len, &json_limits_job, ret) != ERR_OK)
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	return ERR_OK;
}

static enum err preview_of(struct turn *t, int64_t layer_i)
{
	struct call *call = t->call;
	json_object *layer = session_layer(t->s, layer_i), *geojson = NULL, *answer = NULL;
	const char *asked = req_query(call->req, "srs");
	char buf[48];

	if (layer == NULL)
		return call_fail(call, ERR_NOT_FOUND, problem_new("layer_unknown"));
	const char *srs =
	    asked != NULL && srs_spelling(asked, buf) ? buf : srs_layer_source(t->s, layer, buf);
	enum err err = read_preview(call, t->s->id, layer_i, &geojson);
	if (err != ERR_OK)
		return err;
	if (strcmp(srs, "EPSG:4326") != 0 && *srs != '\0') {
		json_object *q = json_object_new_object();
		json_set_str(q, "type", "job");
		json_set_str(q, "task", "preview");
		json_set(q, "geojson", geojson);
		json_set_str(q, "srs", srs);
		geojson = NULL;
		err = geo_ask(call, q, &answer);
		if (err == ERR_OK)
			geojson = json_object_get(json_obj(answer, "geojson"));
		json_object_put(answer);
		if (err != ERR_OK)
			return err;
	}
	reply_model(call->reply, 200, "json", geojson != NULL ? geojson : json_object_new_object());
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

enum err preview_view(struct call *call)
{
	const char *v = req_query(call->req, "id"), *l = req_query(call->req, "layer");
	int64_t id = 0, layer = 0;
	struct turn t;
	if (!text_id(v, TURN_ID_MAX, &id) || (l != NULL && !text_int(l, 0, 100000, &layer)))
		return call_fail(call, ERR_BAD_REQUEST, problem_new("id_invalid"));
	enum err err = turn_begin(call, id, false, &t);
	if (err != ERR_OK)
		return err;
	const char *image = req_query(call->req, "image");
	if (image != NULL) {
		CLEAN_FREE char *folder = session_folder(id);
		CLEAN_FREE char *path =
		    mem_printf("%s/%s/preview-%lld.png", call->ctx->config->data_dir, folder,
			       (long long)layer);
		int fd = fs_open_read(AT_FDCWD, path);
		int64_t size = fs_size(AT_FDCWD, path);
		if (fd < 0 || size < 0)
			err = call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
		else
			reply_file(call->reply, fd, size, "image/png", NULL, NULL);
	} else {
		err = preview_of(&t, layer);
	}
	turn_end(&t);
	return err;
}
