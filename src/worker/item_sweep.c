/*
 * Data items whose file never came, or stopped coming.
 * Source: contracts/datas.md 9.
 */
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/item.h"
#include "worker/work_item.h"

#define AT_ONCE 100 /* items looked at in one sweep */

/* Nobody filled them for iportal.created_keep. */
static enum err drop_unfilled(struct worker *w, struct error *error)
{
	int64_t before = clock_now_ms() - w->config->iportal_created_keep_s * 1000;
	struct viewer all = {.user = "", .admin = true};
	CLEAN_JSON json_object *ids = NULL;
	json_object *item = NULL;
	enum err err = catalog_items_unfilled(w->catalog, before, AT_ONCE, &ids, error);

	JSON_EACH(item, ids)
	{
		int64_t id = json_object_get_int64(item), bad;
		if (err == ERR_OK)
			err = catalog_items_delete(w->catalog, &id, 1, &all, NULL, &bad, error);
		if (err == ERR_NOT_FOUND)
			err = ERR_OK;
	}
	return err;
}

/* Have the bytes that came so far expired? */
static bool bytes_are_gone(struct worker *w, const char *upload)
{
	struct upload_info info = {0};
	enum err err = upload_status(w->engine, upload, NULL, &info, NULL);
	bool gone = err == ERR_NOT_FOUND || err == ERR_GONE ||
		    (err == ERR_OK && info.state == UPLOAD_EXPIRED);

	upload_info_done(&info);
	return gone;
}

static enum err set_back(struct worker *w, const json_object *model, struct error *error)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	json_object *notes = json_copy(json_obj(model, "work"));
	bool filled = json_str(model, "upload", NULL) != NULL;

	json_object_object_del(notes, "upload");
	json_object_object_del(notes, "expected");
	json_set(changes, "work", notes);
	json_set_str(changes, "status", filled ? "OK" : "CREATED");
	enum err err = catalog_item_change(w->catalog, json_int(model, "id", 0), changes,
					   json_str(model, "status", ""), error);
	/* Its client was quicker. */
	return err == ERR_CONFLICT || err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err set_back_interrupted(struct worker *w, struct error *error)
{
	static const char *const open[] = {"DOEST_NOT_COMPLETE", "MODIFYING"};
	struct item_query q = {
	    .viewer = {.user = "", .admin = true}, .statuses = {open, 2}, .max = AT_ONCE};
	CLEAN_JSON json_object *items = NULL;
	json_object *model = NULL;
	size_t total = 0;
	enum err err = catalog_items(w->catalog, &q, &items, &total, error);

	JSON_EACH(model, items)
	{
		const char *upload = json_str(json_obj(model, "work"), "upload", "");
		if (err == ERR_OK && *upload != '\0' && bytes_are_gone(w, upload))
			err = set_back(w, model, error);
	}
	return err;
}

void work_item_sweep(struct worker *w)
{
	struct error error = {0};
	enum err err = set_back_interrupted(w, &error);

	if (err == ERR_OK)
		err = drop_unfilled(w, &error);
	if (err != ERR_OK)
		log_line(LOG_LEVEL_WARN, NULL, "sweep of data items: %s", error.text);
}
