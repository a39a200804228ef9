#include "store/groups.h"

#include <string.h>

#include "base/mem.h"
#include "store/entry.h"

#define USERS_MAX 1000000 /* looked through for members */

enum err groups_add(struct pass *p, const char *name, int64_t now_ms)
{
	CLEAN_JSON json_object *record = json_object_new_object();
	int64_t id = 0;
	size_t n = 0;
	enum err err;

	if (!user_name_ok(name))
		return error_set(p->error, ERR_BAD_REQUEST, "not a group's name");
	err = record_walk(p, TABLE_GROUPS, NULL, 0, NULL, 0, GROUPS_MAX, found_count, &n);
	if (err == ERR_OK && n >= GROUPS_MAX)
		err =
		    error_set(p->error, ERR_TOO_LARGE, "a site has %d groups at most", GROUPS_MAX);
	if (err == ERR_OK)
		err = counter_next(p, "group", &id);
	if (err != ERR_OK)
		return err;
	json_set_str(record, "name", name);
	json_set_int(record, "id", id);
	json_set_int(record, "created", now_ms);
	return record_insert(p, TABLE_GROUPS, name, strlen(name), record);
}

enum err groups_get(struct pass *p, const char *name, json_object **ret)
{
	return name[0] != '\0' ? record_get(p, TABLE_GROUPS, name, strlen(name), ret)
			       : ERR_NOT_FOUND;
}

enum err groups_by_id(struct pass *p, int64_t id, json_object **ret)
{
	CLEAN_JSON json_object *list = NULL;
	json_object *group;
	enum err err = record_list(p, TABLE_GROUPS, GROUPS_MAX, &list);

	JSON_EACH(group, list)
	{
		if (json_int(group, "id", 0) == id) {
			*ret = json_object_get(group);
			return ERR_OK;
		}
	}
	return err == ERR_OK ? ERR_NOT_FOUND : err;
}

static bool has(const json_object *user, const char *group)
{
	json_object *name;

	JSON_EACH(name, json_arr(user, "groups"))
	{
		if (strcmp(json_object_get_string(name), group) == 0)
			return true;
	}
	return false;
}

enum err groups_list(struct pass *p, json_object **ret)
{
	CLEAN_JSON json_object *list = NULL;
	CLEAN_JSON json_object *users = NULL;
	json_object *group, *user;
	enum err err = record_list(p, TABLE_GROUPS, GROUPS_MAX, &list);

	if (err == ERR_OK)
		err = users_list(p, USERS_MAX, &users);
	if (err != ERR_OK)
		return err;
	JSON_EACH(group, list)
	{
		json_object *members = json_object_new_array();

		JSON_EACH(user, users)
		{
			const char *name = json_str(user, "name", "");

			if (has(user, json_str(group, "name", "")))
				json_object_array_add(members, json_object_new_string(name));
		}
		json_set(group, "members", members);
	}
	*ret = json_object_get(list);
	return ERR_OK;
}

/* USER's record without GROUP: no change where it was not in it. */
static enum err take_out(struct pass *p, json_object *user, const char *group)
{
	json_object *left = json_object_new_array(), *name;

	if (!has(user, group)) {
		json_object_put(left);
		return ERR_OK;
	}
	JSON_EACH(name, json_arr(user, "groups"))
	{
		if (strcmp(json_object_get_string(name), group) != 0)
			json_object_array_add(left, json_object_get(name));
	}
	json_set(user, "groups", left);
	return users_put(p, user);
}

enum err groups_delete(struct pass *p, const char *name)
{
	CLEAN_JSON json_object *users = NULL;
	CLEAN_JSON json_object *group = NULL;
	json_object *user;
	enum err err = groups_get(p, name, &group);

	if (err == ERR_OK)
		err = users_list(p, USERS_MAX, &users);
	JSON_EACH(user, users)
	{
		if (err == ERR_OK)
			err = take_out(p, user, name);
	}
	return err == ERR_OK ? record_delete(p, TABLE_GROUPS, name, strlen(name)) : err;
}

enum err groups_join(struct pass *p, const char *group, const char *user_name)
{
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *user = NULL;
	struct principal who;
	json_object *groups, *name;
	size_t bytes = strlen(group) + 1;
	enum err err = groups_get(p, group, &record);

	if (err == ERR_OK)
		err = users_get(p, user_name, &user);
	if (err != ERR_OK || has(user, group))
		return err;
	groups = json_arr(user, "groups");
	if (groups == NULL) {
		groups = json_object_new_array();
		json_set(user, "groups", groups);
	}
	JSON_EACH(name, groups)
	bytes += strlen(json_object_get_string(name)) + 1;
	if (json_len(groups) >= GROUPS_PER_USER || bytes > sizeof(who.groups))
		return error_set(p->error, ERR_TOO_LARGE, "a user is in %d groups at most",
				 GROUPS_PER_USER);
	json_object_array_add(groups, json_object_new_string(group));
	return users_put(p, user);
}

enum err groups_leave(struct pass *p, const char *group, const char *user_name)
{
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *user = NULL;
	enum err err = groups_get(p, group, &record);

	if (err == ERR_OK)
		err = users_get(p, user_name, &user);
	return err == ERR_OK ? take_out(p, user, group) : err;
}

void groups_of(const json_object *user, char *to, size_t size)
{
	size_t len = 0;
	json_object *name;

	to[0] = '\0';
	JSON_EACH(name, json_arr(user, "groups"))
	{
		const char *text = json_object_get_string(name);
		size_t n = strlen(text);

		if (len + n + 2 > size)
			return;
		memcpy(to + len, text, n);
		to[len + n] = '\n';
		len += n + 1;
		to[len] = '\0';
	}
}
