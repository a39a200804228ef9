#include "wizard/final.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define EVERYBODY  "AnonymousUser"
#define RIGHT__MAX 5

/* In the order of enum dataset_right (catalog/catalog.h). */
static const char *const rights[RIGHT__MAX] = {"see", "download", "edit", "delete", "share"};

/* GeoNode's words; right -1 = understood, without effect here. */
static const struct {
	const char *name;
	int right;
} names[] = {
    {"view_resourcebase", 0},	  {"download_resourcebase", 1},
    {"change_resourcebase", 2},	  {"change_resourcebase_metadata", 2},
    {"change_layer_data", 2},	  {"change_layer_style", 2},
    {"change_dataset_data", 2},	  {"change_dataset_style", 2},
    {"delete_resourcebase", 3},	  {"change_resourcebase_permissions", 4},
    {"publish_resourcebase", -1},
};

static int find_right(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].right;
	return -2;
}

static json_object *words_of(unsigned set)
{
	json_object *list = json_object_new_array();

	for (int r = 0; r < RIGHT__MAX; r++)
		if (set >> r & 1)
			json_object_array_add(list, json_object_new_string(rights[r]));
	return list;
}

static json_object *invalid(const char *value)
{
	return problem_str(problem_str(problem_new("permissions_invalid"), "field", "permissions"),
			   "value", value);
}

/* One subject's list of GeoNode's words; false when it is no list of texts. */
static bool read_rights(json_object *list, json_object **warnings, json_object **ret)
{
	json_object *item;
	unsigned set = 0;

	if (!json_object_is_type(list, json_type_array))
		return false;
	JSON_EACH(item, list)
	{
		int right;

		if (!json_object_is_type(item, json_type_string))
			return false;
		right = find_right(json_object_get_string(item));
		if (right >= 0)
			set |= 1U << right;
		if (right == -2)
			problems_add(warnings,
				     problem_str(problem_str(problem_new("permission_unknown"),
							     "field", "permissions"),
						 "value", json_object_get_string(item)));
	}
	*ret = words_of(set);
	return true;
}

/* The subjects under KEY ("users", "groups") to RET. */
static bool read_subjects(const json_object *in, const char *key, subject_fn *exists, void *arg,
			  json_object *ret, json_object **errors, json_object **warnings)
{
	json_object *all = json_get(in, key), *out = json_object_new_object();
	bool group = strcmp(key, "groups") == 0, ok = true;

	json_set(ret, key, out);
	if (all == NULL)
		return true;
	if (!json_object_is_type(all, json_type_object)) {
		problems_add(errors, invalid(key));
		return false;
	}
	json_object_object_foreach(all, name, list)
	{
		json_object *words = NULL;

		if (!read_rights(list, warnings, &words)) {
			problems_add(errors, invalid(name));
			ok = false;
		} else if ((group || strcmp(name, EVERYBODY) != 0) && exists != NULL &&
			   !exists(name, group, arg)) {
			problems_add(errors,
				     problem_str(problem_str(problem_new("permission_subject"),
							     "field", "permissions"),
						 "value", name));
			ok = false;
		}
		json_set(out, name, words);
	}
	return ok;
}

void permissions_check(const char *json, subject_fn *exists, void *arg, json_object **ret,
		       json_object **errors, json_object **warnings)
{
	CLEAN_JSON json_object *in = NULL;
	json_object *out;
	bool users, groups;

	*ret = NULL;
	if (json_read(json, strlen(json), &json_limits_form, &in) != ERR_OK ||
	    !json_object_is_type(in, json_type_object)) {
		problems_add(errors, invalid(NULL));
		return;
	}
	out = json_object_new_object();
	users = read_subjects(in, "users", exists, arg, out, errors, warnings);
	groups = read_subjects(in, "groups", exists, arg, out, errors, warnings);
	if (users && groups)
		*ret = out;
	else
		json_object_put(out);
}

json_object *permissions_of_access(const char *access)
{
	static const char *const words[] = {"private", "view", "download"};
	static const unsigned sets[] = {0, 1, 3};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		json_object *o, *users;

		if (strcmp(access, words[i]) != 0)
			continue;
		o = json_object_new_object();
		users = json_object_new_object();
		if (sets[i] != 0)
			json_set(users, EVERYBODY, words_of(sets[i]));
		json_set(o, "users", users);
		return json_set(o, "groups", json_object_new_object());
	}
	return NULL;
}

const char *permissions_access(const json_object *permissions)
{
	static const char *const words[] = {"private", "view", "download"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		CLEAN_JSON json_object *plain = permissions_of_access(words[i]);
		json_object *users = json_obj(permissions, "users");

		if (permissions == NULL && i == 0)
			return words[i];
		if (users != NULL && json_equal(users, json_obj(plain, "users")) &&
		    json_object_object_length(json_obj(permissions, "groups")) == 0)
			return words[i];
	}
	return NULL;
}
