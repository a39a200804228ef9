/*
 * Who may do what with a data item.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "catalog/share.h"

#define EDITOR (RIGHT(DATASET_EDIT) | RIGHT(DATASET_DELETE))

static const char *const words[ITEM_PERMISSION__MAX] = {"", "SEARCH", "DOWNLOAD", "DELETE"};

const char *item_permission_word(enum item_permission permission)
{
	return words[permission];
}

bool item_permission_of(const char *word, enum item_permission *ret)
{
	if (text_ieq(word, "READ")) {
		*ret = ITEM_DOWNLOAD;
		return true;
	}
	for (enum item_permission p = ITEM_SEARCH; p < ITEM_PERMISSION__MAX; p++) {
		if (text_ieq(word, words[p])) {
			*ret = p;
			return true;
		}
	}
	return false;
}

static enum item_permission level_of(const json_object *entity)
{
	enum item_permission p = ITEM_NOTHING;

	return item_permission_of(json_str(entity, "permission", ""), &p) ? p : ITEM_NOTHING;
}

static bool is_kind(const json_object *entity, const char *kind)
{
	return strcmp(json_str(entity, "kind", ""), kind) == 0;
}

enum err item_share_check(const json_object *entities, struct error *error)
{
	json_object *entity;

	if (entities == NULL)
		return ERR_OK;
	if (!json_object_is_type(entities, json_type_array))
		return error_set(error, ERR_BAD_REQUEST, "entities are no list");
	JSON_EACH(entity, entities)
	{
		bool guest = is_kind(entity, "GUEST");

		if (level_of(entity) == ITEM_NOTHING || (guest && level_of(entity) == ITEM_DELETE))
			return error_set(error, ERR_BAD_REQUEST, "entity: permission");
		if (!guest && (!(is_kind(entity, "USER") || is_kind(entity, "GROUP")) ||
			       json_str(entity, "name", "")[0] == '\0'))
			return error_set(error, ERR_BAD_REQUEST, "entity: kind or name");
	}
	return ERR_OK;
}

int64_t item_share_guest(const json_object *entities)
{
	int64_t guest = 0;
	json_object *entity;

	JSON_EACH(entity, entities)
	if (is_kind(entity, "GUEST") && (int64_t)level_of(entity) > guest)
		guest = (int64_t)level_of(entity);
	return guest;
}

static enum err add(struct conn *conn, int64_t id, const char *subject, int level,
		    struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn,
				  "INSERT INTO item_share (subject, item, level, live, owner, "
				  "owner_key, nick_key, file_key, type, status,"
				  " service, size, created, changed, downloads)"
				  " SELECT ?1, id, ?3, CASE WHEN ready = 0 THEN 0 WHEN vis = 1 "
				  "THEN 2 ELSE 1 END, owner, owner_key,"
				  "  nick_key, file_key, type, status, service, size, created, "
				  "changed, downloads FROM item WHERE id = ?2"
				  " ON CONFLICT DO UPDATE SET level = max(level, excluded.level)",
				  &stmt, error);

	if (e != ERR_OK)
		return e;
	conn_bind_text(stmt, 1, subject);
	(void)sqlite3_bind_int64(stmt, 2, id);
	(void)sqlite3_bind_int(stmt, 3, level);
	return conn_step(conn, stmt, NULL, error);
}

enum err item_share_write(struct conn *conn, int64_t id, const char *owner,
			  const json_object *entities, struct error *error)
{
	enum err e = conn_by_id(conn, "DELETE FROM item_share WHERE item = ?1", id, error);
	json_object *entity;

	JSON_EACH(entity, entities)
	{
		const char *name = json_str(entity, "name", "");
		bool user = is_kind(entity, "USER");

		if (e != ERR_OK)
			return e;
		if (is_kind(entity, "GUEST") || (user && strcmp(name, owner) == 0))
			continue;
		CLEAN_FREE char *subject = mem_printf("%s%s", user ? "u:" : "g:", name);

		e = add(conn, id, subject, (int)level_of(entity), error);
	}
	return e;
}

static void append(json_object *to, const char *kind, const char *name, int64_t level)
{
	json_object *entity = json_object_new_object();

	(void)json_set_str(entity, "kind", kind);
	(void)json_set_str(entity, "name", name);
	(void)json_set_str(entity, "permission",
			   words[level < ITEM_SEARCH   ? ITEM_SEARCH
				 : level > ITEM_DELETE ? ITEM_DELETE
						       : level]);
	json_object_array_add(to, entity);
}

enum err item_share_read(struct conn *conn, int64_t id, json_object *to, struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e =
	    conn_prepare(conn,
			 "SELECT '', guest FROM item WHERE id = ?1 AND guest > 0"
			 " UNION ALL SELECT subject, level FROM item_share WHERE item = ?1",
			 &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	while ((e = conn_step(conn, stmt, &row, error)) == ERR_OK && row) {
		const char *subject = conn_text(stmt, 0);

		append(to,
		       *subject == '\0'	 ? "GUEST"
		       : *subject == 'g' ? "GROUP"
					 : "USER",
		       *subject == '\0' ? "" : subject + 2, sqlite3_column_int64(stmt, 1));
	}
	return e;
}

/* ---- the words of a dataset's permissions */

static int64_t level_of_rights(unsigned rights)
{
	if ((rights & EDITOR) == EDITOR)
		return ITEM_DELETE;
	if (rights & (RIGHT(DATASET_DOWNLOAD) | RIGHT(DATASET_EDIT)))
		return ITEM_DOWNLOAD;
	return rights != 0 ? ITEM_SEARCH : ITEM_NOTHING;
}

static void each_subject(json_object *to, const char *kind, const json_object *subjects)
{
	if (subjects == NULL)
		return;
	json_object_object_foreach(subjects, name, list)
	{
		int64_t level = level_of_rights(share_rights(list));
		bool all = *kind == 'U' && strcmp(name, EVERYBODY) == 0;

		if (level == ITEM_NOTHING || *name == '\0')
			continue;
		/* Everybody deletes nothing here, whatever the dataset's own pages allow. */
		append(to, all ? "GUEST" : kind, all ? "" : name,
		       all && level > ITEM_DOWNLOAD ? ITEM_DOWNLOAD : level);
	}
}

json_object *item_share_of_permissions(const json_object *permissions)
{
	json_object *to = json_object_new_array();

	each_subject(to, "USER", json_obj(permissions, "users"));
	each_subject(to, "GROUP", json_obj(permissions, "groups"));
	return to;
}

json_object *item_share_to_permissions(const json_object *entities)
{
	static const char *const rights[] = {"see", "download", "edit", "delete"};
	static const size_t n_rights[ITEM_PERMISSION__MAX] = {0, 1, 2, 4};
	json_object *permissions = json_object_new_object(), *users = json_object_new_object(),
		    *groups = json_object_new_object(), *entity;

	JSON_EACH(entity, entities)
	{
		json_object *to = is_kind(entity, "GROUP") ? groups : users;
		const char *name =
		    is_kind(entity, "GUEST") ? EVERYBODY : json_str(entity, "name", "");
		size_t n = n_rights[level_of(entity)];
		json_object *list = json_object_new_array();

		for (size_t i = 0; i < n; i++)
			json_object_array_add(list, json_object_new_string(rights[i]));
		if (json_len(json_arr(to, name)) < n)
			(void)json_set(to, name, list);
		else
			json_object_put(list);
	}
	(void)json_set(permissions, "users", users);
	(void)json_set(permissions, "groups", groups);
	return permissions;
}

/* ---- viewers */

json_object *item_subjects(const struct viewer *viewer)
{
	json_object *list = json_object_new_array();
	const char *group = viewer->groups;

	if (viewer->user != NULL && viewer->user[0] != '\0') {
		CLEAN_FREE char *own = mem_printf("u:%s", viewer->user);

		json_object_array_add(list, json_object_new_string(own));
	}
	while (group != NULL && *group != '\0') {
		size_t len = strcspn(group, "\n");
		CLEAN_FREE char *subject = mem_printf("g:%.*s", (int)len, group);

		if (len > 0)
			json_object_array_add(list, json_object_new_string(subject));
		group += len + (group[len] == '\n');
	}
	return list;
}

enum item_permission item_level(struct conn *conn, const json_object *item,
				const struct viewer *viewer, struct error *error)
{
	const char *user = viewer->user == NULL ? "" : viewer->user,
		   *status = json_str(item, "status", "");
	CLEAN_JSON json_object *list = item_subjects(viewer);
	CLEAN_FREE char *subjects = json_print(list, NULL);
	sqlite3_stmt *stmt;
	bool row;
	int64_t level = json_int(item, "guest", 0), shared;

	if (viewer->admin || (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0))
		return ITEM_DELETE;
	if (strcmp(status, "CREATED") == 0 || strcmp(status, "DOEST_NOT_COMPLETE") == 0)
		return ITEM_NOTHING;
	if (conn_prepare(conn,
			 "SELECT ifnull(max(level), 0) FROM item_share WHERE item = ?1"
			 " AND subject IN (SELECT value FROM json_each(?2))",
			 &stmt, error) != ERR_OK)
		return ITEM_NOTHING;
	(void)sqlite3_bind_int64(stmt, 1, json_int(item, "id", 0));
	conn_bind_text(stmt, 2, subjects);
	if (conn_step(conn, stmt, &row, error) != ERR_OK)
		return ITEM_NOTHING;
	shared = row ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	level = shared > level ? shared : level;
	return level > ITEM_DELETE ? ITEM_DELETE : (enum item_permission)level;
}
