/*
 * What its owner says of a dataset on its own page: description, directory, and who may see it.
 * Two forms, each sent alone; both work without a script.
 */
#include <string.h>
#include "views/dataset.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item.h"
#include "wizard/final.h"
#include "wizard/texts.h"

#define EVERYBODY  "AnonymousUser"
#define SHARES_MAX 1000 /* rows of the form: contracts/datas.md 3, elements of a list */
#define BLANK_ROWS 3	/* to fill in */

/* What the form offers, weakest first; each includes those before it. */
static const char *const levels[] = {"see", "download", "edit", "delete"};
#define N_LEVELS (sizeof(levels) / sizeof(*levels))

static json_object *list_of_level(const char *level)
{
	json_object *list = json_object_new_array();
	for (size_t i = 0; i < N_LEVELS; i++) {
		json_object_array_add(list, json_object_new_string(levels[i]));
		if (strcmp(levels[i], level) == 0)
			return list;
	}
	json_object_put(list);
	return NULL;
}

/* The strongest word of LIST that the form knows; "" for none. */
static const char *level_of_list(const json_object *list)
{
	const char *level = "";
	json_object *word = NULL;
	for (size_t i = 0; i < N_LEVELS; i++) {
		JSON_EACH(word, list)
		{
			if (strcmp(json_object_get_string(word), levels[i]) == 0)
				level = levels[i];
		}
	}
	return level;
}

/* ---- what the page shows */

static void add_rows(json_object *rows, const char *kind, const json_object *subjects)
{
	if (subjects == NULL)
		return;
	json_object_object_foreach(subjects, name, list)
	{
		const char *level = level_of_list(list);
		if (*level == '\0' || (*kind == 'u' && strcmp(name, EVERYBODY) == 0))
			continue;
		json_object *row = json_object_new_object();
		json_set_int(row, "i", (int64_t)json_len(rows));
		json_set_str(row, "kind", kind);
		json_set_str(row, "name", name);
		json_set_str(row, "right", level);
		json_object_array_add(rows, row);
	}
}

static json_object *blank_rows(size_t from)
{
	json_object *rows = json_object_new_array();
	for (size_t i = 0; i < BLANK_ROWS; i++)
		json_object_array_add(
		    rows, json_set_int(json_object_new_object(), "i", (int64_t)(from + i)));
	return rows;
}

/* The directories, each as its way from the top: "rivers / main / upper". */
static json_object *directories(struct call *call)
{
	json_object *list = NULL, *dir = NULL;
	const char *trail[64] = {NULL};
	if (catalog_dir_list(call->ctx->catalog, &list, NULL) != ERR_OK)
		return json_object_new_array();
	JSON_EACH(dir, list)
	{
		size_t depth = (size_t)json_int(dir, "depth", 1);
		CLEAN_FREE char *path = NULL;
		if (depth == 0 || depth >= sizeof(trail) / sizeof(*trail))
			continue;
		trail[depth] = json_str(dir, "name", "");
		for (size_t i = 1; i <= depth; i++) {
			char *longer = mem_printf("%s%s%s", path == NULL ? "" : path,
						  path == NULL ? "" : " / ", trail[i]);
			free(path);
			path = longer;
		}
		json_set_str(dir, "path", path);
	}
	return list;
}

static const char *path_of(const json_object *dirs, int64_t id)
{
	json_object *dir = NULL;
	JSON_EACH(dir, dirs)
	{
		if (json_int(dir, "id", 0) == id)
			return json_str(dir, "path", "");
	}
	return NULL;
}

static void set_sent(struct call *call, json_object *to, const char *field, const char *stored)
{
	const char *sent = form_get(&call->form, field);
	json_set_str(to, field, sent != NULL ? sent : stored);
}

static char *joined(const json_object *list)
{
	char *all = mem_strdup("");
	json_object *word = NULL;
	JSON_EACH(word, list)
	{
		char *longer = mem_printf("%s%s%s", all, *all == '\0' ? "" : ", ",
					  json_object_get_string(word));
		free(all);
		all = longer;
	}
	return all;
}

static void add_describe(struct call *call, const json_object *d, json_object *edit,
			 json_object *dirs, int64_t dir)
{
	CLEAN_FREE char *keywords = joined(json_arr(d, "keywords"));
	json_object *o = NULL;
	int64_t sent = dir;
	const char *text = form_get(&call->form, "dir");
	if (text != NULL && !text_int(text, 0, INT64_MAX, &sent))
		sent = 0;
	set_sent(call, edit, "title", json_str(d, "title", ""));
	set_sent(call, edit, "abstract", json_str(d, "abstract", ""));
	set_sent(call, edit, "keywords", keywords);
	json_set_int(edit, "dir", sent);
	JSON_EACH(o, dirs)
	json_set_bool(o, "selected", json_int(o, "id", 0) == sent);
	json_set(edit, "dirs", dirs);
}

/* What was sent stands in the rows again when something in it is wrong. */
static json_object *sent_rows(struct call *call)
{
	json_object *rows = json_object_new_array();
	for (size_t i = 0; i < SHARES_MAX; i++) {
		static const char *const members[] = {"kind", "name", "right"};
		json_object *row = json_object_new_object();
		for (size_t m = 0; m < sizeof(members) / sizeof(*members); m++) {
			CLEAN_FREE char *field = mem_printf("%s_%zu", members[m], i);
			json_set_str(row, members[m], form_get(&call->form, field));
		}
		if (json_str(row, "name", NULL) == NULL) {
			json_object_put(row);
			break;
		}
		json_set_int(row, "i", (int64_t)i);
		json_object_array_add(rows, row);
	}
	return rows;
}

/* Rows that were left empty at the end are offered anew; those with a problem are marked. */
static void tidy_rows(const struct call *call, json_object *rows)
{
	json_object *row = NULL, *p = NULL;
	while (json_len(rows) > 0 &&
	       json_str(json_at(rows, json_len(rows) - 1), "name", "")[0] == '\0')
		(void)json_object_array_del_idx(rows, json_len(rows) - 1, 1);
	JSON_EACH(row, rows)
	{
		CLEAN_FREE char *field = mem_printf("name_%lld", (long long)json_int(row, "i", 0));
		JSON_EACH(p, call->problems)
		{
			if (strcmp(json_str(p, "field", ""), field) == 0)
				json_set_bool(row, "wrong", true);
		}
	}
}

void dataset_edit_model(struct call *call, const json_object *d, json_object *m)
{
	json_object *edit = json_object_new_object(), *dirs = directories(call), *item = NULL,
		    *rows;
	const json_object *permissions = json_obj(d, "permissions");
	struct viewer v = call_viewer(call);
	bool describe = catalog_may(d, &v, DATASET_EDIT), share = catalog_may(d, &v, DATASET_SHARE);
	int64_t dir = 0;

	if (catalog_item_get(call->ctx->catalog, json_int(d, "id", 0), &v, &item, NULL) == ERR_OK)
		dir = json_int(item, "dirId", 0);
	json_object_put(item);
	json_set_str(m, "directory", path_of(dirs, dir));
	json_set_bool(edit, "describe", describe);
	json_set_bool(edit, "share", share);
	if (describe)
		add_describe(call, d, edit, dirs, dir);
	else
		json_object_put(dirs);
	if (share) {
		bool sent = form_get(&call->form, "access") != NULL;
		rows = sent ? sent_rows(call) : json_object_new_array();
		if (!sent) {
			add_rows(rows, "user", json_obj(permissions, "users"));
			add_rows(rows, "group", json_obj(permissions, "groups"));
		}
		tidy_rows(call, rows);
		set_sent(call, edit, "access", json_str(d, "access", "private"));
		json_set(edit, "blank", blank_rows(json_len(rows)));
		json_set_bool(edit, "shared", json_len(rows) > 0);
		json_set(edit, "rows", rows);
	}
	json_set(m, "edit", edit);
}

/* ---- what is sent */

static enum err refuse(struct call *call, json_object *errors)
{
	json_object *p = NULL;
	enum err err = ERR_OK;
	JSON_EACH(p, errors)
	err = call_fail(call, ERR_BAD_REQUEST, json_object_get(p));
	return err;
}

static enum err change_dir(struct call *call, int64_t id)
{
	const char *text = form_get(&call->form, "dir");
	CLEAN_JSON json_object *changes = json_object_new_object();
	int64_t dir = 0;
	if (text == NULL)
		return ERR_OK;
	if (*text != '\0' && !text_int(text, 0, INT64_MAX, &dir))
		return call_fail(
		    call, ERR_BAD_REQUEST,
		    problem_str(problem_str(problem_new("dir_unknown"), "field", "dir"), "value",
				text));
	json_set(changes, "dirId", dir == 0 ? NULL : json_object_new_int64(dir));
	enum err err = catalog_item_change(call->ctx->catalog, id, changes, NULL, &call->error);
	if (err != ERR_NOT_FOUND)
		return err;
	call->error = (struct error){0};
	return call_fail(
	    call, ERR_BAD_REQUEST,
	    problem_str(problem_str(problem_new("dir_unknown"), "field", "dir"), "value", text));
}

static enum err describe(struct call *call, const json_object *d)
{
	CLEAN_JSON json_object *fields = form_fields(&call->form);
	CLEAN_JSON json_object *changes = json_object_new_object();
	CLEAN_JSON json_object *errors = NULL;
	CLEAN_JSON json_object *keywords = texts_keywords(fields, &errors);
	const char *title = texts_checked(fields, "title", TITLE_MAX, "title_too_long", &errors);
	const char *abstract =
	    texts_checked(fields, "abstract", ABSTRACT_MAX, "abstract_too_long", &errors);
	int64_t id = json_int(d, "id", 0);

	if (title != NULL) {
		CLEAN_FREE char *trimmed = text_trim(title);
		if (trimmed == NULL || *trimmed == '\0')
			problems_add(&errors,
				     problem_str(problem_new("title_missing"), "field", "title"));
		else
			json_set_str(changes, "title", trimmed);
	}
	if (abstract != NULL)
		json_set_str(changes, "abstract", abstract);
	if (keywords != NULL)
		json_set(changes, "keywords", json_object_get(keywords));
	if (json_len(errors) > 0)
		return refuse(call, errors);
	enum err err = change_dir(call, id);
	return err == ERR_OK ? catalog_update(call->ctx->catalog, id, changes, &call->error) : err;
}

/* The right stays as it was, finer words included, where the form says the same level. */
static json_object *right_of(const json_object *old, const char *level)
{
	if (old != NULL && strcmp(level_of_list(old), level) == 0)
		return json_copy(old);
	return list_of_level(level);
}

static json_object *row_problem(const char *code, size_t i, const char *value)
{
	CLEAN_FREE char *field = mem_printf("name_%zu", i);
	return problem_str(problem_str(problem_new(code), "field", field), "value", value);
}

static void take_row(struct call *call, const json_object *row, size_t i, const json_object *old,
		     json_object *to, json_object **errors)
{
	CLEAN_FREE char *name = text_trim(json_str(row, "name", ""));
	const char *level = json_str(row, "right", "");
	bool group = strcmp(json_str(row, "kind", ""), "group") == 0;
	const char *key = group ? "groups" : "users";

	if (name == NULL || *name == '\0' || *level == '\0' || strcmp(level, "none") == 0)
		return;
	json_object *right = right_of(json_get(json_obj(old, key), name), level);
	if (right == NULL) {
		problems_add(errors, row_problem("bad_choice", i, level));
		return;
	}
	if ((!group && strcmp(name, EVERYBODY) == 0) || !subject_exists(name, group, call)) {
		problems_add(errors, row_problem("permission_subject", i, name));
		json_object_put(right);
		return;
	}
	json_set(json_obj(to, key), name, right);
}

static void take_access(struct call *call, const json_object *d, json_object *to,
			json_object **errors)
{
	const char *access = form_get(&call->form, "access");
	json_object *old = json_get(json_obj(json_obj(d, "permissions"), "users"), EVERYBODY);
	CLEAN_JSON json_object *plain = permissions_of_access(access);

	if (plain == NULL) {
		problems_add(errors,
			     problem_str(problem_str(problem_new("bad_choice"), "field", "access"),
					 "value", access));
		return;
	}
	json_object *words = strcmp(json_str(d, "access", ""), access) == 0
				 ? old
				 : json_get(json_obj(plain, "users"), EVERYBODY);
	if (words != NULL)
		json_set(json_obj(to, "users"), EVERYBODY, json_copy(words));
}

static enum err share(struct call *call, const json_object *d)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	CLEAN_JSON json_object *rows = sent_rows(call);
	CLEAN_JSON json_object *errors = NULL;
	json_object *to = json_object_new_object(), *row = NULL;

	json_set(to, "users", json_object_new_object());
	json_set(to, "groups", json_object_new_object());
	json_set(changes, "permissions", to);
	take_access(call, d, to, &errors);
	JSON_EACH(row, rows)
	take_row(call, row, json_i_row, json_obj(d, "permissions"), to, &errors);
	if (json_len(errors) > 0)
		return refuse(call, errors);
	return catalog_update(call->ctx->catalog, json_int(d, "id", 0), changes, &call->error);
}

/* GET shows the dataset's page with the forms open; POST takes one of them. */
enum err dataset_edit_view(struct call *call)
{
	CLEAN_JSON json_object *d = NULL;
	struct viewer v = call_viewer(call);
	bool post = call->req->method == METHOD_POST,
	     sharing = post && form_get(&call->form, "access") != NULL;
	enum err err = dataset_find(call, &d);

	if (err != ERR_OK)
		return err;
	bool describes = catalog_may(d, &v, DATASET_EDIT),
	     shares = catalog_may(d, &v, DATASET_SHARE);
	if (post ? !(sharing ? shares : describes) : !describes && !shares)
		return call_fail(call, ERR_FORBIDDEN, problem_new("dataset_forbidden"));
	if (!post)
		return dataset_page(call, json_object_get(d), 200, true);
	err = sharing ? share(call, d) : describe(call, d);
	if (err == ERR_BAD_REQUEST && call->problems != NULL && call->mode == MODE_HTML)
		return dataset_page(call, json_object_get(d), 400, true);
	if (err != ERR_OK)
		return err;
	if (call->mode == MODE_HTML) {
		CLEAN_FREE char *to =
		    call_url(call, "/datasets/%lld%s", (long long)json_int(d, "id", 0),
			     sharing ? "?note=dataset_shared" : "?note=dataset_changed");
		reply_redirect(call->reply, 303, to);
		return ERR_OK;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", true);
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}
