#include "views/target.h"

#include <fcntl.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "wizard/final.h"

#define LIST_MAX 200 /* datasets to choose from on a page; others can be named */

enum err target_find(struct call *call, const char *which, json_object **ret)
{
	struct viewer v = call_viewer(call);
	struct catalog *cat = call->ctx->catalog;
	json_object *found = NULL;
	int64_t id = 0;
	enum err err = text_id(which, INT64_MAX, &id)
			   ? catalog_get(cat, id, &v, &found, &call->error)
			   : catalog_get_by_name(cat, which, &v, &found, &call->error);
	if (err == ERR_NOT_FOUND)
		return call_fail(call, err,
				 problem_str(problem_new("dataset_unknown"), "value", which));
	if (err == ERR_OK && !catalog_may(found, &v, DATASET_EDIT)) {
		json_object_put(found);
		return call_fail(call, ERR_FORBIDDEN,
				 problem_str(problem_new("dataset_forbidden"), "value", which));
	}
	if (err == ERR_OK)
		*ret = found;
	return err;
}

json_object *target_list(struct call *call)
{
	struct catalog_query q = {.viewer = call_viewer(call), .editable = true, .max = LIST_MAX};
	json_object *list = NULL, *d = NULL, *out = json_object_new_array();
	size_t total = 0;
	if (*q.viewer.user == '\0' ||
	    catalog_list(call->ctx->catalog, &q, &list, &total, NULL) != ERR_OK)
		return out;
	JSON_EACH(d, list)
	{
		json_object *o = json_object_new_object();
		json_set_int(o, "id", json_int(d, "id", 0));
		json_set_str(o, "name", json_str(d, "title", json_str(d, "name", "")));
		json_object_array_add(out, o);
	}
	json_object_put(list);
	return out;
}

static json_object *first_selected(struct turn *t)
{
	json_object *layer = NULL;
	JSON_EACH(layer, session_layers(t->s))
	{
		if (json_bool(layer, "selected", true))
			return layer;
	}
	return NULL;
}

enum err target_diff(struct turn *t, const struct target_ask *ask, json_object **ret,
		     json_object **ret_dataset)
{
	json_object *layer = first_selected(t);
	*ret = *ret_dataset = NULL;
	if (ask->mode == NULL || strcmp(ask->mode, "create") == 0 || ask->which == NULL ||
	    *ask->which == '\0' || layer == NULL)
		return ERR_OK;
	enum err err = target_find(t->call, ask->which, ret_dataset);
	if (err == ERR_OK)
		*ret = final_diff(t->s, layer, *ret_dataset, ask->mode, ask->ignore_extra,
				  ask->skip_rows);
	return err;
}

void target_set(struct session *s, const char *mode, const json_object *dataset)
{
	json_object *target = json_object_new_object();
	json_set_str(target, "mode", mode);
	json_set_int(target, "dataset", json_int(dataset, "id", 0));
	json_set_int(target, "revision", json_int(dataset, "revision", 0));
	json_set_str(target, "file", json_str(dataset, "file", ""));
	json_set_str(target, "table", json_str(dataset, "name", ""));
	json_set(s->doc, "target", target);
}

bool target_is_current(struct turn *t)
{
	json_object *target = json_obj(t->s->doc, "target"), *now = NULL;
	struct viewer v = call_viewer(t->call);
	bool current = target != NULL &&
		       catalog_get(t->call->ctx->catalog, json_int(target, "dataset", 0), &v, &now,
				   NULL) == ERR_OK &&
		       json_int(now, "revision", 0) == json_int(target, "revision", -1);
	json_object_put(now);
	return current;
}

bool target_is_changing(const struct ctx *ctx, int64_t id)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1};
	CLEAN_FREE char *path = mem_printf("%s/locks/datasets", ctx->config->data_dir);
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

enum err target_of_save(struct call *call, const char *which, const char *mode, json_object **ret)
{
	json_object *dataset = NULL;
	enum err err = target_find(call, which, &dataset);
	if (err != ERR_OK)
		return err;
	json_object *o = json_object_new_object();
	json_set_int(o, "id", json_int(dataset, "id", 0));
	json_set_str(o, "title", json_str(dataset, "title", json_str(dataset, "name", "")));
	json_set_str(o, "type", json_str(dataset, "type", ""));
	json_set_str(o, "mode",
		     mode != NULL && strcmp(mode, "append") == 0 ? "append" : "overwrite");
	json_object_put(dataset);
	*ret = o;
	return ERR_OK;
}
