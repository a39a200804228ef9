/*
 * Datasets of the catalogue: made, changed, read, removed.
 */
#include "catalog/catalog.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item_db.h"
#include "catalog/model.h"
#include "catalog/share.h"

#define NAME_BYTES 63 /* contracts/wizard.md 17.4: what PostgreSQL takes */
#define NAME_STEPS 64 /* suffixes tried one by one before leaping */

static enum err query_id(struct conn *conn, const char *sql, int64_t a, int64_t b, int64_t *ret,
			 struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	if (sqlite3_bind_parameter_count(stmt) >= 1)
		(void)sqlite3_bind_int64(stmt, 1, a);
	if (sqlite3_bind_parameter_count(stmt) >= 2)
		(void)sqlite3_bind_int64(stmt, 2, b);
	e = conn_step(conn, stmt, &row, error);
	if (e != ERR_OK)
		return e;
	*ret = row ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return ERR_OK;
}

enum err model_next_id(struct conn *conn, int64_t *ret, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(
	    conn, "UPDATE sequence SET value = value + 1 WHERE name = 'dataset'", &stmt, error);

	if (e == ERR_OK)
		e = conn_step(conn, stmt, NULL, error);
	return e == ERR_OK ? query_id(conn, "SELECT value FROM sequence WHERE name = 'dataset'", 0,
				      0, ret, error)
			   : e;
}

enum err catalog_reserve(struct catalog *c, int64_t *ret_id, struct error *error)
{
	struct conn *conn;
	int64_t id = 0;
	enum err e = conn_take_write(c, &conn, error);

	if (e == ERR_OK)
		e = conn_give_write(c, conn, model_next_id(conn, &id, error), error);
	if (e == ERR_OK)
		*ret_id = id;
	return e;
}

/* ---- names */

static char *name_with(const char *base, int64_t k)
{
	CLEAN_FREE char *suffix = k < 2 ? mem_strdup("") : mem_printf("_%lld", (long long)k);

	return mem_printf("%.*s%s", (int)text_cut(base, strlen(base), NAME_BYTES - strlen(suffix)),
			  base, suffix);
}

static enum err name_taken(struct conn *conn, const char *base, int64_t k, bool *ret,
			   struct error *error)
{
	CLEAN_FREE char *name = name_with(base, k);
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, "SELECT 1 FROM dataset WHERE name = ?1", &stmt, error);

	if (e != ERR_OK)
		return e;
	conn_bind_text(stmt, 1, name);
	e = conn_step(conn, stmt, ret, error);
	(void)sqlite3_reset(stmt);
	return e;
}

/*
 * The first free of base, base_2, base_3 …; past 64 of them a free one behind a taken one is good
 * enough.
 */
static enum err free_name(struct conn *conn, const char *base, char **ret, struct error *error)
{
	int64_t low = 1, high = 1;
	bool taken = true;
	enum err e = name_taken(conn, base, high, &taken, error);

	while (e == ERR_OK && taken) {
		low = high;
		high = high < NAME_STEPS ? high + 1 : high * 2;
		e = name_taken(conn, base, high, &taken, error);
	}
	while (e == ERR_OK && high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		e = name_taken(conn, base, middle, &taken, error);
		if (taken)
			low = middle;
		else
			high = middle;
	}
	if (e == ERR_OK)
		*ret = name_with(base, high);
	return e;
}

/* ---- publish, replace */

static bool keyword_list(const json_object *list)
{
	json_object *item;

	if (!json_object_is_type(list, json_type_array))
		return false;
	JSON_EACH(item, list)
	if (!json_object_is_type(item, json_type_string))
		return false;
	return true;
}

static enum err check_model(const json_object *model, struct error *error)
{
	const char *type = json_str(model, "type", "");
	const json_object *keywords = json_get(model, "keywords");

	if (strcmp(type, "vector") != 0 && strcmp(type, "raster") != 0 &&
	    strcmp(type, "table") != 0)
		return error_set(error, ERR_BAD_REQUEST, "dataset: type \"%.20s\"", type);
	if (json_str(model, "name", "")[0] == '\0')
		return error_set(error, ERR_BAD_REQUEST, "dataset without a name");
	if (keywords != NULL && !keyword_list(keywords))
		return error_set(error, ERR_BAD_REQUEST, "dataset: keywords are no list of texts");
	return ERR_OK;
}

static enum err note_published(struct conn *conn, const json_object *model, int64_t id,
			       struct error *error)
{
	int64_t session = json_int(model, "session", 0);
	sqlite3_stmt *stmt;
	enum err e;

	if (session <= 0)
		return ERR_OK;
	e = conn_prepare(conn,
			 "INSERT INTO published (session, layer, dataset) VALUES (?1, ?2, ?3)",
			 &stmt, error);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, session);
	(void)sqlite3_bind_int64(stmt, 2, json_int(model, "layer", 0));
	(void)sqlite3_bind_int64(stmt, 3, id);
	return conn_step(conn, stmt, NULL, error);
}

static enum err find_published(struct conn *conn, int64_t session, int64_t layer, int64_t *ret,
			       struct error *error)
{
	*ret = 0;
	if (session <= 0)
		return ERR_OK;
	return query_id(conn, "SELECT dataset FROM published WHERE session = ?1 AND layer = ?2",
			session, layer, ret, error);
}

/* An id that came from elsewhere than catalog_reserve must not be given out a second time. */
static enum err claim_id(struct conn *conn, int64_t *id, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e;

	if (*id <= 0)
		return model_next_id(conn, id, error);
	e = conn_prepare(conn, "UPDATE sequence SET value = max(value, ?1) WHERE name = 'dataset'",
			 &stmt, error);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, *id);
	return conn_step(conn, stmt, NULL, error);
}

/* An API item that is imported stays what it is; no other dataset may take its id. */
static enum err take_item(struct conn *conn, int64_t id, json_object *model, struct error *error)
{
	bool item = json_bool(model, "item", false), found = false;
	enum err e;

	json_object_object_del(model, "item");
	e = item ? item_give(conn, id, model, &found, error) : ERR_OK;
	if (e == ERR_OK && item && !found)
		e = error_set(error, ERR_NOT_FOUND, "no such data item");
	return e == ERR_OK && item ? share_normalise(model, false, error) : e;
}

/* MODEL is the catalogue's own copy. */
static enum err insert(struct conn *conn, json_object *model, int64_t now, int64_t *ret_id,
		       struct error *error)
{
	CLEAN_FREE char *name = NULL;
	int64_t id = json_int(model, "id", 0);
	enum err e = take_item(conn, id, model, error);

	if (e == ERR_OK)
		e = claim_id(conn, &id, error);
	if (e == ERR_OK)
		e = free_name(conn, json_str(model, "name", ""), &name, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_int(model, "id", id);
	(void)json_set_str(model, "name", name);
	(void)json_set_int(model, "revision", 1);
	(void)json_set_int(model, "created", json_int(model, "created", now));
	(void)json_set_int(model, "changed", json_int(model, "changed", now));
	if (json_str(model, "title", "")[0] == '\0')
		(void)json_set_str(model, "title", name);
	e = model_write(conn, id, model, true, error);
	if (e == ERR_OK)
		e = note_published(conn, model, id, error);
	*ret_id = id;
	return e;
}

/* What the caller's MODEL learns from the stored one. */
static void tell(json_object *model, const json_object *stored)
{
	static const char *const members[] = {"id",	 "name",    "title",  "revision",
					      "created", "changed", "access", "permissions"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_object *member = json_get(stored, members[i]);

		if (member != NULL)
			(void)json_set(model, members[i], json_copy(member));
	}
}

enum err catalog_publish(struct catalog *c, json_object *model, int64_t *ret_id,
			 struct error *error)
{
	CLEAN_JSON json_object *stored = json_copy(model);
	struct conn *conn;
	int64_t id = 0;
	bool new = false;
	enum err e = check_model(model, error);

	if (e == ERR_OK)
		e = share_normalise(stored, false, error);
	if (e == ERR_OK)
		e = conn_take_write(c, &conn, error);
	if (e != ERR_OK)
		return e;
	e = find_published(conn, json_int(model, "session", 0), json_int(model, "layer", 0), &id,
			   error);
	if (e == ERR_OK && id == 0) {
		new = true;
		e = insert(conn, stored, clock_now_ms(), &id, error);
	}
	e = conn_give_write(c, conn, e, error);
	if (e != ERR_OK)
		return e;
	if (new)
		tell(model, stored);
	*ret_id = id;
	return ERR_OK;
}

enum err catalog_by_session(struct catalog *c, int64_t session, int64_t layer, int64_t *ret_id,
			    struct error *error)
{
	struct conn *conn;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = find_published(conn, session, layer, ret_id, error);
	conn_give(c, conn);
	return e;
}

enum err catalog_by_uuid(struct catalog *c, const char *uuid, int64_t *ret_id, struct error *error)
{
	struct conn *conn;
	sqlite3_stmt *stmt;
	bool row = false;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = conn_prepare(conn, "SELECT dataset FROM dataset_uuid WHERE uuid = ?1", &stmt, error);
	if (e == ERR_OK) {
		(void)sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
		e = conn_step(conn, stmt, &row, error);
		*ret_id = row ? sqlite3_column_int64(stmt, 0) : 0;
		(void)sqlite3_reset(stmt);
	}
	conn_give(c, conn);
	return e;
}

/* Is KEY a matter of the dataset rather than of its content? */
static bool stays(const char *key)
{
	static const char *const keys[] = {"id",       "owner",	   "name",	  "title",
					   "abstract", "keywords", "permissions", "access",
					   "created",  "revision", "downloads"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static enum err replace(struct conn *conn, int64_t id, const json_object *model, int64_t expected,
			json_object **ret_stored, struct error *error)
{
	json_object *stored = NULL;
	int64_t done;
	enum err e = model_read(conn, id, NULL, &stored, error);

	if (e != ERR_OK)
		return e;
	*ret_stored = stored;
	e = find_published(conn, json_int(model, "session", 0), json_int(model, "layer", 0), &done,
			   error);
	if (e != ERR_OK || done == id)
		return e;
	if (json_int(stored, "revision", 0) != expected)
		return error_set(error, ERR_CONFLICT, "dataset %lld was changed meanwhile",
				 (long long)id);
	if (strcmp(json_str(stored, "type", ""), json_str(model, "type", "")) != 0)
		return error_set(error, ERR_CONFLICT, "dataset %lld is of another type",
				 (long long)id);
	json_object_object_foreach(model, key, value) if (!stays(key))(void)
	    json_set(stored, key, value == NULL ? NULL : json_copy(value));
	(void)json_set_int(stored, "revision", expected + 1);
	(void)json_set_int(stored, "changed", clock_now_ms());
	e = model_write_content(conn, id, stored, error);
	return e == ERR_OK ? note_published(conn, model, id, error) : e;
}

enum err catalog_replace(struct catalog *c, int64_t id, json_object *model, int64_t expected,
			 struct error *error)
{
	CLEAN_JSON json_object *stored = NULL;
	struct conn *conn;
	enum err e = conn_take_write(c, &conn, error);

	if (e == ERR_OK)
		e = conn_give_write(c, conn, replace(conn, id, model, expected, &stored, error),
				    error);
	if (e == ERR_OK)
		tell(model, stored);
	return e;
}

/* ---- change, read, remove */

static enum err apply(json_object *model, const json_object *changes, struct error *error)
{
	bool content = false;

	json_object_object_foreach(changes, key, value)
	{
		bool text = strcmp(key, "title") == 0 || strcmp(key, "abstract") == 0;

		if (text ? !json_object_is_type(value, json_type_string)
		    : strcmp(key, "keywords") == 0
			? !keyword_list(value)
			: strcmp(key, "permissions") != 0 && strcmp(key, "access") != 0)
			return error_set(error, ERR_BAD_REQUEST, "dataset: bad change of \"%.40s\"",
					 key);
		if (value == NULL)
			continue;
		(void)json_set(model, key, json_copy(value));
		content = content || text || strcmp(key, "keywords") == 0;
	}
	if (content)
		(void)json_set_int(model, "changed", clock_now_ms());
	return share_normalise(
	    model, json_get(changes, "access") != NULL && json_get(changes, "permissions") == NULL,
	    error);
}

enum err catalog_update(struct catalog *c, int64_t id, const json_object *changes,
			struct error *error)
{
	CLEAN_JSON json_object *model = NULL;
	struct conn *conn;
	enum err e = conn_take_write(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = id > 0 ? model_read(conn, id, NULL, &model, error)
		   : error_set(error, ERR_NOT_FOUND, "no such dataset");
	if (e == ERR_OK)
		e = apply(model, changes, error);
	if (e == ERR_OK)
		e = model_write(conn, id, model, false, error);
	return conn_give_write(c, conn, e, error);
}

static enum err get(struct catalog *c, int64_t id, const char *name, const struct viewer *viewer,
		    json_object **ret, struct error *error)
{
	json_object *model = NULL;
	struct conn *conn;
	enum err e;

	if (id <= 0 && name == NULL)
		return error_set(error, ERR_NOT_FOUND, "no such dataset");
	e = conn_take(c, &conn, error);
	if (e != ERR_OK)
		return e;
	e = model_read(conn, id, name, &model, error);
	conn_give(c, conn);
	if (e != ERR_OK)
		return e;
	if (!catalog_may(model, viewer, DATASET_SEE)) {
		json_object_put(model);
		return error_set(error, ERR_NOT_FOUND, "no such dataset");
	}
	*ret = model;
	return ERR_OK;
}

enum err catalog_get(struct catalog *c, int64_t id, const struct viewer *viewer, json_object **ret,
		     struct error *error)
{
	return get(c, id, NULL, viewer, ret, error);
}

enum err catalog_get_by_name(struct catalog *c, const char *name, const struct viewer *viewer,
			     json_object **ret, struct error *error)
{
	return get(c, 0, name, viewer, ret, error);
}

enum err catalog_delete(struct catalog *c, int64_t id, struct error *error)
{
	struct conn *conn;
	enum err e = conn_take_write(c, &conn, error);

	if (e == ERR_OK)
		e = conn_give_write(c, conn, model_remove(conn, id, error), error);
	return e;
}

/* A figure: it may be lost in a power cut, so nobody waits for the disk. */
enum err catalog_count_download(struct catalog *c, int64_t id, struct error *error)
{
	struct conn *conn;
	sqlite3_stmt *stmt;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_exec(conn->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	e = conn_prepare(conn,
			 "INSERT INTO dataset_downloads SELECT id, 1 FROM item WHERE id = ?1"
			 " ON CONFLICT (id) DO UPDATE SET n = n + 1",
			 &stmt, error);
	if (e == ERR_OK) {
		(void)sqlite3_bind_int64(stmt, 1, id);
		e = conn_step(conn, stmt, NULL, error);
	}
	conn->wrote = true;
	if (c->sync &&
	    sqlite3_exec(conn->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK)
		conn->broken = true;
	conn_give(c, conn);
	return e;
}
