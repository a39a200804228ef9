/*
 * Rights on a dataset.
 */
#include "catalog/share.h"

#include <string.h>
#include "base/mem.h"

static const struct {
	const char *word;
	unsigned rights;
} words[] = {
    {"see", RIGHT(DATASET_SEE)},
    {"download", RIGHT(DATASET_DOWNLOAD)},
    {"edit", RIGHT(DATASET_EDIT)},
    {"delete", RIGHT(DATASET_DELETE)},
    {"share", RIGHT(DATASET_SHARE)},
    {"view_resourcebase", RIGHT(DATASET_SEE)},
    {"download_resourcebase", RIGHT(DATASET_DOWNLOAD)},
    {"change_resourcebase", RIGHT(DATASET_EDIT)},
    {"change_resourcebase_metadata", RIGHT(DATASET_EDIT)},
    {"change_layer_data", RIGHT(DATASET_EDIT)},
    {"change_layer_style", RIGHT(DATASET_EDIT)},
    {"change_dataset_data", RIGHT(DATASET_EDIT)},
    {"change_dataset_style", RIGHT(DATASET_EDIT)},
    {"delete_resourcebase", RIGHT(DATASET_DELETE)},
    {"change_resourcebase_permissions", RIGHT(DATASET_SHARE)},
};

unsigned share_rights(const json_object *list)
{
	unsigned rights = 0;
	json_object *item;

	if (list == NULL || !json_object_is_type(list, json_type_array))
		return 0;
	JSON_EACH(item, list)
	{
		const char *word =
		    json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(words[i].word, word) == 0)
				rights |= words[i].rights;
	}
	return rights == 0 ? 0 : rights | RIGHT(DATASET_SEE);
}

static const char *access_of(unsigned rights)
{
	if (rights & RIGHT(DATASET_DOWNLOAD))
		return "download";
	return rights & RIGHT(DATASET_SEE) ? "view" : "private";
}

static json_object *list_of_access(const char *access)
{
	json_object *list = json_object_new_array();

	json_object_array_add(list, json_object_new_string("see"));
	if (strcmp(access, "download") == 0)
		json_object_array_add(list, json_object_new_string("download"));
	return list;
}

enum err share_normalise(json_object *model, bool access_wins, struct error *error)
{
	const char *access = json_str(model, "access", NULL);
	json_object *permissions = json_get(model, "permissions");
	json_object *users;

	if (access != NULL && strcmp(access, "private") != 0 && strcmp(access, "view") != 0 &&
	    strcmp(access, "download") != 0)
		return error_set(error, ERR_BAD_REQUEST, "dataset: unknown access");
	if (permissions == NULL) {
		permissions = json_object_new_object();
		(void)json_set(model, "permissions", permissions);
		access_wins = access != NULL;
	}
	if (!json_object_is_type(permissions, json_type_object))
		return error_set(error, ERR_BAD_REQUEST, "dataset: permissions are no object");
	if (json_get(permissions, "users") == NULL)
		(void)json_set(permissions, "users", json_object_new_object());
	if (json_get(permissions, "groups") == NULL)
		(void)json_set(permissions, "groups", json_object_new_object());
	users = json_obj(permissions, "users");
	if (users == NULL || json_obj(permissions, "groups") == NULL)
		return error_set(error, ERR_BAD_REQUEST, "dataset: users or groups are no object");
	if (access_wins && access != NULL) {
		json_object_object_del(users, EVERYBODY);
		if (strcmp(access, "private") != 0)
			(void)json_set(users, EVERYBODY, list_of_access(access));
	}
	(void)json_set_str(model, "access", access_of(share_rights(json_get(users, EVERYBODY))));
	return ERR_OK;
}

/* What GROUPS, one name a line, may do by the list of groups. */
static unsigned group_rights(const json_object *list, const char *groups)
{
	unsigned rights = 0;

	while (list != NULL && groups != NULL && *groups != '\0') {
		size_t len = strcspn(groups, "\n");
		CLEAN_FREE char *name = mem_strndup(groups, len);

		rights |= share_rights(json_get(list, name));
		groups += len + (groups[len] == '\n');
	}
	return rights;
}

bool catalog_may(const json_object *model, const struct viewer *viewer, enum dataset_right right)
{
	const char *user = viewer == NULL || viewer->user == NULL ? "" : viewer->user;
	const json_object *users = json_obj(json_obj(model, "permissions"), "users");
	unsigned rights = share_rights(json_get(users, EVERYBODY));

	if (model == NULL || right >= DATASET_RIGHT__MAX)
		return false;
	if (viewer != NULL && viewer->admin)
		return true;
	/* Nobody is no owner: a dataset without one must not belong to every passer-by. */
	if (user[0] != '\0') {
		if (strcmp(user, json_str(model, "owner", "")) == 0)
			return true;
		rights |= share_rights(json_get(users, user));
		rights |= group_rights(json_obj(json_obj(model, "permissions"), "groups"),
				       viewer->groups);
	}
	return (rights & RIGHT(right)) != 0;
}
