/*
 * Data items one by one: made, read, changed.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/model.h"

/* What may be given, and whether it is a change of the file or its attributes. */
static const struct {
	const char *member;
	json_type type;
	bool touches;
} members[] = {
    {"fileName", json_type_string, true},
    {"type", json_type_string, true},
    {"size", json_type_int, true},
    {"MD5", json_type_string, true},
    {"status", json_type_string, false},
    {"nickname", json_type_string, false},
    {"description", json_type_string, true},
    {"tags", json_type_array, true},
    {"coordType", json_type_string, true},
    {"dataMetaInfo", json_type_object, true},
    {"dataCheckResult", json_type_object, false},
    {"serviceStatus", json_type_string, false},
    {"dirId", json_type_int, true},
    {"file", json_type_string, false},
    {"upload", json_type_string, false},
    {"work", json_type_object, false},
    {"thumbnail", json_type_boolean, false},
};
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

/* Texts are compared in NFC. */
static json_object *in_nfc(const json_object *value)
{
	CLEAN_FREE char *text = text_nfc(json_object_get_string((json_object *)value));

	return text == NULL ? NULL : json_object_new_string(text);
}

/* VALUE as it is kept; NULL when it is not of TYPE. */
static json_object *kept(const json_object *value, json_type type)
{
	json_object *list, *item;

	if (!json_object_is_type(value, type))
		return NULL;
	if (type == json_type_string)
		return in_nfc(value);
	if (type != json_type_array)
		return json_copy(value);
	list = json_object_new_array();
	JSON_EACH(item, value)
	{
		json_object *text =
		    json_object_is_type(item, json_type_string) ? in_nfc(item) : NULL;

		if (text == NULL) {
			json_object_put(list);
			return NULL;
		}
		json_object_array_add(list, text);
	}
	return list;
}

static enum err take_member(json_object *item, const char *key, const json_object *value,
			    bool *ret_touches, struct error *error)
{
	for (size_t i = 0; i < N_MEMBERS; i++) {
		json_object *copy;

		if (strcmp(members[i].member, key) != 0)
			continue;
		*ret_touches = *ret_touches || members[i].touches;
		if (value == NULL) {
			(void)json_set(item, key, NULL);
			return ERR_OK;
		}
		copy = kept(value, members[i].type);
		if (copy == NULL)
			break;
		(void)json_set(item, key, copy);
		return ERR_OK;
	}
	return error_set(error, ERR_BAD_REQUEST, "data item: bad member \"%.40s\"", key);
}

static enum err check_dir(struct conn *conn, const json_object *item, struct error *error)
{
	int64_t dir = json_int(item, "dirId", 0);
	sqlite3_stmt *stmt;
	bool row;
	enum err e;

	if (dir == 0)
		return ERR_OK;
	e = conn_prepare(conn, "SELECT 1 FROM directory WHERE id = ?1", &stmt, error);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, dir);
	e = conn_step(conn, stmt, &row, error);
	(void)sqlite3_reset(stmt);
	if (e != ERR_OK)
		return e;
	return row ? ERR_OK : error_set(error, ERR_NOT_FOUND, "no such directory");
}

static enum err insert(struct conn *conn, json_object *item, const json_object *entities,
		       int64_t *ret_id, struct error *error)
{
	int64_t id = 0;
	enum err e = check_dir(conn, item, error);

	if (e == ERR_OK)
		e = model_next_id(conn, &id, error);
	if (e == ERR_OK)
		e = item_save(conn, id, item, true, error);
	*ret_id = id;
	return e == ERR_OK
		   ? item_share_write(conn, id, json_str(item, "userName", ""), entities, error)
		   : e;
}

enum err catalog_item_create(struct catalog *c, const json_object *model,
			     const json_object *entities, int64_t *ret_id, struct error *error)
{
	CLEAN_JSON json_object *item = json_object_new_object();
	const char *owner = json_str(model, "userName", "");
	bool touches = false;
	char storage[55];
	struct conn *conn;
	int64_t id = 0;
	enum err e = item_share_check(entities, error);

	json_object_object_foreach(model, key, value)
	{
		if (e == ERR_OK && strcmp(key, "userName") != 0)
			e = take_member(item, key, value, &touches, error);
	}
	if (e == ERR_OK && (*owner == '\0' || json_str(item, "fileName", "")[0] == '\0'))
		e = error_set(error, ERR_BAD_REQUEST, "data item without owner or file name");
	if (e != ERR_OK)
		return e;
	item_storage_id(storage);
	(void)json_set_str(item, "userName", owner);
	(void)json_set_str(item, "storageId", storage);
	(void)json_set_bool(item, "api", true);
	(void)json_set_int(item, "createTime", clock_now_ms());
	(void)json_set_int(item, "lastModfiedTime", json_int(item, "createTime", 0));
	(void)json_set_int(item, "guest", item_share_guest(entities));
	if (json_get(item, "type") == NULL)
		(void)json_set_str(item, "type", item_type_of_name(json_str(item, "fileName", "")));
	e = conn_take_write(c, &conn, error);
	if (e == ERR_OK)
		e = conn_give_write(c, conn, insert(conn, item, entities, &id, error), error);
	if (e == ERR_OK)
		*ret_id = id;
	return e;
}

/* Is STATUS one of the words of LIST? */
static bool one_of(const char *status, const char *list)
{
	size_t n = strlen(status);

	for (const char *p = list; *p != '\0'; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (len == n && strncmp(p, status, n) == 0)
			return true;
		p += len;
	}
	return false;
}

/* An imported dataset says the same of itself. */
static enum err tell_dataset(struct conn *conn, int64_t id, const json_object *item,
			     const json_object *changes, struct error *error)
{
	CLEAN_JSON json_object *model = NULL;
	enum err e;

	if (json_get(item, "dataset") == NULL ||
	    (!json_object_object_get_ex(changes, "description", NULL) &&
	     !json_object_object_get_ex(changes, "tags", NULL)))
		return ERR_OK;
	e = model_read(conn, id, NULL, &model, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_str(model, "abstract", json_str(item, "description", ""));
	(void)json_set(model, "keywords", json_copy(json_arr(item, "tags")));
	(void)json_set_int(model, "changed", json_int(item, "lastModfiedTime", 0));
	return model_write(conn, id, model, false, error);
}

static enum err change(struct conn *conn, int64_t id, const json_object *changes,
		       const char *if_status, struct error *error)
{
	CLEAN_JSON json_object *item = NULL;
	bool touches = false;
	enum err e = item_load(conn, id, &item, error);

	if (e != ERR_OK)
		return e;
	if (if_status != NULL && !one_of(json_str(item, "status", ""), if_status))
		return error_set(error, ERR_CONFLICT, "data item %lld is %s", (long long)id,
				 json_str(item, "status", ""));
	json_object_object_foreach(changes, key, value)
	{
		if (e == ERR_OK)
			e = take_member(item, key, value, &touches, error);
	}
	if (e == ERR_OK && json_str(item, "fileName", "")[0] == '\0')
		e = error_set(error, ERR_BAD_REQUEST, "data item without a file name");
	if (e == ERR_OK && json_object_object_get_ex(changes, "dirId", NULL))
		e = check_dir(conn, item, error);
	if (e != ERR_OK)
		return e;
	if (json_arr(item, "tags") == NULL)
		(void)json_set(item, "tags", json_object_new_array());
	if (touches)
		(void)json_set_int(item, "lastModfiedTime", clock_now_ms());
	e = item_save(conn, id, item, false, error);
	return e == ERR_OK ? tell_dataset(conn, id, item, changes, error) : e;
}

enum err catalog_item_change(struct catalog *c, int64_t id, const json_object *changes,
			     const char *if_status, struct error *error)
{
	struct conn *conn;
	enum err e = conn_take_write(c, &conn, error);

	if (e == ERR_OK)
		e = conn_give_write(c, conn, change(conn, id, changes, if_status, error), error);
	return e;
}

static enum err get(struct conn *conn, int64_t id, const struct viewer *viewer, json_object **ret,
		    struct error *error)
{
	CLEAN_JSON json_object *item = NULL;
	const char *user = viewer->user == NULL ? "" : viewer->user;
	enum item_permission level;
	enum err e = item_load(conn, id, &item, error);

	if (e != ERR_OK)
		return e;
	level = item_level(conn, item, viewer, error);
	if (level == ITEM_NOTHING)
		return error_set(error, ERR_NOT_FOUND, "no such data item");
	(void)json_set_str(item, "permission", item_permission_word(level));
	(void)json_set_bool(
	    item, "may_share",
	    viewer->admin || (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0));
	*ret = json_object_get(item);
	return ERR_OK;
}

enum err catalog_item_get(struct catalog *c, int64_t id, const struct viewer *viewer,
			  json_object **ret, struct error *error)
{
	struct conn *conn;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = get(conn, id, viewer, ret, error);
	conn_give(c, conn);
	return e;
}

enum err catalog_item_downloaded(struct catalog *c, int64_t id, struct error *error)
{
	return catalog_count_download(c, id, error);
}

enum err catalog_fold_downloads(struct catalog *c, struct error *error)
{
	struct conn *conn;
	int rc;
	enum err e = conn_take_write(c, &conn, error);

	if (e != ERR_OK)
		return e;
	rc = sqlite3_exec(conn->db,
			  "UPDATE item SET downloads = downloads + p.n FROM "
			  "dataset_downloads p WHERE item.id = p.id;"
			  "DELETE FROM dataset_downloads;",
			  NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		e = conn_error(conn, rc, error);
	return conn_give_write(c, conn, e, error);
}

enum err catalog_items_unfilled(struct catalog *c, int64_t before_ms, size_t max, json_object **ret,
				struct error *error)
{
	CLEAN_JSON json_object *list = json_object_new_array();
	struct conn *conn;
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = conn_prepare(conn,
			 "SELECT id FROM item WHERE status = 'CREATED' AND created < ?1 ORDER BY "
			 "created LIMIT ?2",
			 &stmt, error);
	if (e == ERR_OK) {
		(void)sqlite3_bind_int64(stmt, 1, before_ms);
		(void)sqlite3_bind_int64(stmt, 2, (int64_t)max);
		while ((e = conn_step(conn, stmt, &row, error)) == ERR_OK && row)
			json_object_array_add(list,
					      json_object_new_int64(sqlite3_column_int64(stmt, 0)));
	}
	conn_give(c, conn);
	if (e == ERR_OK)
		*ret = json_object_get(list);
	return e;
}
