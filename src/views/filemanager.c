/*
 * The file area as SuperMap's file manager shows it.
 */
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/uploadtask.h"

#define LIST_MAX 10000

enum err filemanager_view(struct call *call)
{
	json_object *m = json_object_new_object();
	CLEAN_FREE char *root = area_shown(call->ctx->config, call->who.name, "", true);

	json_set_str(m, "Path", root);
	return supermap_answer(call, 200, NULL, m);
}

/* The parameters of a GET, which may stand in the body of a POST that acts as one. */
struct asked {
	json_object *body;
	const char *path;
	char *filters; /* separated by semicolons; owned */
};

/* "*.smwu;*.csv", or the same as a list. */
static char *read_filters(const struct call *call, const json_object *body)
{
	const char *text = supermap_query(call, "filters");
	json_object *list = NULL, *item, *member = json_get(body, "filters");
	char *all;

	if (text == NULL && json_object_is_type(member, json_type_string))
		text = json_object_get_string(member);
	if (text != NULL && *text == '[')
		(void)json_read(text, strlen(text), &json_limits_form, &list);
	else if (json_object_is_type(member, json_type_array))
		list = json_object_get(member);
	if (!json_object_is_type(list, json_type_array)) {
		json_object_put(list);
		return text != NULL ? mem_strdup(text) : NULL;
	}
	all = mem_strdup("");
	JSON_EACH(item, list)
	{
		char *more = mem_printf("%s%s;", all, json_object_get_string(item));

		free(all);
		all = more;
	}
	json_object_put(list);
	return all;
}

static enum err read_asked(struct call *call, struct asked *a)
{
	enum err err = ERR_OK;

	*a = (struct asked){.path = supermap_query(call, "path")};
	if (strcmp(call->req->method_name, "POST") == 0)
		err = supermap_object(call, call->ctx->config->json_body_bytes, "limits.json_body",
				      &a->body);
	if (err == ERR_OK && a->path == NULL && a->body != NULL)
		err = supermap_member_text(call, a->body, "path", &a->path);
	if (a->path == NULL)
		a->path = "";
	a->filters = read_filters(call, a->body);
	return err;
}

static json_object *file_info(const struct call *call, const json_object *entry)
{
	json_object *m = json_object_new_object();
	bool folder = json_bool(entry, "folder", false);
	CLEAN_FREE char *shown =
	    area_shown(call->ctx->config, call->who.name, json_str(entry, "path", ""), folder);

	json_set_str(m, "fileName", json_str(entry, "name", ""));
	json_set_str(m, "filePath", shown);
	json_set_int(m, "fileSize", json_int(entry, "size", 0));
	return json_set_bool(m, "isDirectory", folder);
}

static enum err list_path(struct call *call, const struct area *area, const char *path,
			  const char *filters)
{
	CLEAN_JSON json_object *found = NULL;
	json_object *list, *entry;
	enum err err = area_list(area, path, filters, LIST_MAX, &found, &call->error);

	if (err != ERR_OK)
		return err;
	list = json_object_new_array();
	JSON_EACH(entry, found)
	json_object_array_add(list, file_info(call, entry));
	return supermap_answer(call, 200, "list/FileInfo", list);
}

enum err filemanager_list_view(struct call *call)
{
	bool remove = call->req->method == METHOD_DELETE;
	CLEAN_FREE char *path = NULL;
	struct area area = {0};
	struct asked a;
	enum err err = read_asked(call, &a);

	if (err == ERR_OK)
		err = area_open(call->ctx->config, call->who.name, &area, &call->error);
	if (err == ERR_OK)
		err = area_target(&area, a.path, remove, &path, &call->error);
	if (err == ERR_OK && remove) {
		err = area_delete(&area, path, &call->error);
		if (err == ERR_OK)
			err = supermap_done(call);
	} else if (err == ERR_OK) {
		err = list_path(call, &area, path, a.filters);
	}
	area_close(&area);
	json_object_put(a.body);
	free(a.filters);
	return err;
}
