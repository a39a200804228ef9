/*
 * The upload behind a data item: what became of it, and its end.
 * Source: contracts/datas.md 9.
 */
#include "views/mycontent.h"

#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "upload/release.h"
#include "views/mycontent_file.h"
#include "views/wizard.h"

const char *mycontent_filling(const json_object *model)
{
	return json_str(json_obj(model, "work"), "upload", "");
}

static bool has_file(const json_object *model)
{
	return json_str(model, "upload", NULL) != NULL;
}

/* The item's notes without those about an upload that is no longer filled. */
static json_object *notes_after(const json_object *model, bool filled)
{
	static const char *const filling[] = {"upload", "expected"}, *const promises[] = {
									 "md5", "fileSize"};
	json_object *work = json_copy(json_obj(model, "work"));

	if (work == NULL)
		work = json_object_new_object();
	for (size_t i = 0; i < 2; i++) {
		json_object_object_del(work, filling[i]);
		if (filled)
			json_object_object_del(work, promises[i]);
	}
	return work;
}

enum err mycontent_note_filling(struct call *call, json_object *model, const char *upload,
				int64_t expected)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	json_object *work = notes_after(model, false);
	const char *status = json_str(model, "status", "");

	json_set_str(work, "upload", upload);
	json_set_int(work, "expected", expected);
	json_set(changes, "work", work);
	json_set_str(changes, "status", has_file(model) ? "MODIFYING" : "DOEST_NOT_COMPLETE");
	/* Of two who begin with the same item, one finds another status. */
	enum err err = catalog_item_change(call->ctx->catalog, json_int(model, "id", 0), changes,
					   status, &call->error);
	if (err == ERR_OK) {
		json_set(model, "work", json_copy(work));
		json_set(model, "status", json_copy(json_get(changes, "status")));
	}
	return err;
}

enum err mycontent_give_up(struct call *call, const json_object *model)
{
	CLEAN_JSON json_object *changes = json_object_new_object();

	json_set(changes, "work", notes_after(model, false));
	json_set_str(changes, "status", has_file(model) ? "OK" : "CREATED");
	return catalog_item_change(call->ctx->catalog, json_int(model, "id", 0), changes,
				   json_str(model, "status", ""), &call->error);
}

/* ---- the end of an upload */

static enum err drop_pass(struct pass *p, void *arg)
{
	enum err err = upload_drop(p, arg);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

void mycontent_let_go(struct call *call, const char *id)
{
	CLEAN_FREE char *copy = mem_strdup(id);

	if (store_pass(call->ctx->store, PASS_DELETE, "item's file", drop_pass, copy, NULL) ==
	    ERR_OK)
		upload_release(call->ctx->engine, copy);
	else
		log_line(LOG_LEVEL_ERROR, call->req->id, "upload %s is held by nobody", copy);
}

static json_object *unchecked(const json_object *model, const char *md5)
{
	json_object *result = json_object_new_object(), *info = json_object_new_object();

	json_set_str(info, "checkStatus", "UNCHECKED");
	json_set(info, "checkMsg", NULL);
	json_set_str(info, "dataType", json_str(model, "type", "UNKNOWN"));
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
	json_set_str(info, "id", id);
	json_set_str(info, "MD5", md5);
	json_set(result, "dataCheckInfo", info);
	json_set(result, "serviceCheckInfos", json_object_new_array());
	return result;
}

enum err mycontent_settle(struct call *call, json_object *model, const json_object *meta)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	CLEAN_FREE char *old = mem_strdup(json_str(model, "upload", NULL));
	const char *id = mycontent_filling(model);
	struct upload_info info = {0};
	enum err err = upload_get(call->ctx->engine, id, NULL, &info, &call->error);

	if (err != ERR_OK)
		return err;
	json_set_str(changes, "status", "OK");
	json_set_int(changes, "size", info.offset);
	json_set_str(changes, "MD5", *info.md5 != '\0' ? info.md5 : NULL);
	json_set_str(changes, "file", info.path);
	json_set_str(changes, "upload", id);
	json_set(changes, "work", notes_after(model, true));
	json_set(changes, "dataCheckResult", unchecked(model, info.md5));
	if (meta != NULL)
		json_set(changes, "dataMetaInfo", json_copy(meta));
	err = catalog_item_change(call->ctx->catalog, json_int(model, "id", 0), changes,
				  "DOEST_NOT_COMPLETE MODIFYING", &call->error);
	upload_info_done(&info);
	if (err == ERR_OK && old != NULL && strcmp(old, id) != 0)
		mycontent_let_go(call, old);
	/* The item was deleted while its file came.  (A conflict is another process that settled
	 * the same upload.) */
	if (err == ERR_NOT_FOUND)
		mycontent_let_go(call, id);
	return err;
}

/* ---- after a crash */

static enum err heal(struct call *call, json_object *model, bool *ret_changed)
{
	const char *status = json_str(model, "status", ""), *id = mycontent_filling(model);
	bool modifying = strcmp(status, "MODIFYING") == 0;
	struct upload_info info = {0};

	*ret_changed = false;
	if (*id == '\0' || (!modifying && strcmp(status, "DOEST_NOT_COMPLETE") != 0))
		return ERR_OK;
	enum err err = upload_status(call->ctx->engine, id, NULL, &info, &call->error);
	bool gone = err == ERR_NOT_FOUND || err == ERR_GONE ||
		    (err == ERR_OK && info.state == UPLOAD_EXPIRED);
	bool dead = err == ERR_OK && !info.writing;
	bool whole = dead && info.state == UPLOAD_COMPLETE;
	upload_info_done(&info);
	if (gone)
		call->error = (struct error){0};
	if (err != ERR_OK && !gone)
		return err;
	*ret_changed = gone || whole || (dead && modifying);
	if (whole)
		return mycontent_settle(call, model, NULL);
	if (!*ret_changed)
		return ERR_OK;
	/* A replacement that was cut short is over; a first filling waits to be continued. */
	struct upload *u = NULL;
	if (dead &&
	    upload_open(call->ctx->engine, id, NULL, UPLOAD_WANT_REMOVE, &u, NULL) == ERR_OK) {
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
		upload_close(u);
	}
	return mycontent_give_up(call, model);
}

enum err mycontent_heal(struct call *call, json_object **model)
{
	bool changed = false;
	enum err err = ERR_OK;

	if (call->ctx->config->read_only || call->who.read_only)
		return ERR_OK;
	err = heal(call, *model, &changed);
	/* Somebody else was quicker: what he made of it counts. */
	if (err == ERR_CONFLICT) {
		call->error = (struct error){0};
		err = ERR_OK;
	}
	if (err != ERR_OK || !changed)
		return err;
	json_object *fresh = NULL;
	err = datas_find(call, ITEM_DELETE, &fresh);
	if (err == ERR_OK) {
		json_object_put(*model);
		*model = fresh;
	}
	return err;
}

/* ---- deletion */

/* Whoever imports it stops. */
static enum err cancel_pass(struct pass *p, void *arg)
{
	json_object *doc = NULL, *task = NULL;
	enum err err = sessions_get(p, *(int64_t *)arg, &doc);

	if (err == ERR_OK)
		err = tasks_get(p, json_int(json_obj(doc, "task"), "id", 0), &task);
	const char *state = json_str(task, "state", "");
	if (err == ERR_OK && (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)) {
		json_set_bool(task, "cancel", true);
		err = tasks_put(p, task);
	}
	json_object_put(doc);
	json_object_put(task);
	return err;
}

void mycontent_drop_files(struct call *call, const json_object *model)
{
	int64_t session = json_int(json_obj(model, "work"), "session", 0);

	const char *filling = mycontent_filling(model);
	struct upload *u = NULL;

	if (session != 0 && strcmp(json_str(model, "serviceStatus", ""), "PUBLISHING") == 0)
		(void)store_pass(call->ctx->store, PASS_SYNC, "cancel", cancel_pass, &session,
				 NULL);
	if (has_file(model))
		mycontent_let_go(call, json_str(model, "upload", ""));
	if (*filling != '\0' &&
	    upload_open(call->ctx->engine, filling, NULL, UPLOAD_WANT_REMOVE, &u, NULL) == ERR_OK) {
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
		upload_close(u);
	}
	if (json_str(model, "dataset", NULL) != NULL)
		dataset_remove_files(call, json_int(model, "id", 0));
}
