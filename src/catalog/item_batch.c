/*
 * Data items many at once: deleted or shared, all or none; and what a user or group leaves behind.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/mem.h"
#include "catalog/model.h"
#include "catalog/share.h"

struct batch {
	const int64_t *ids;
	size_t n;
	const struct viewer *viewer;
	const json_object *entities; /* of a share */
	json_object *gone;	     /* of a delete */
	int64_t bad;		     /* the id an error is about */
};

/* Item ID with the viewer's level on it; ERR_NOT_FOUND when he may not see it. */
static enum err load_for(struct conn *conn, struct batch *b, int64_t id, json_object **ret,
			 enum item_permission *ret_level, struct error *error)
{
	json_object *item = NULL;
	enum err e;

	b->bad = id;
	e = item_load(conn, id, &item, error);
	if (e != ERR_OK)
		return e;
	*ret_level = item_level(conn, item, b->viewer, error);
	if (*ret_level == ITEM_NOTHING) {
		json_object_put(item);
		return error_set(error, ERR_NOT_FOUND, "no such data item");
	}
	*ret = item;
	return ERR_OK;
}

static enum err delete_one(struct conn *conn, struct batch *b, int64_t id, struct error *error)
{
	json_object *item = NULL;
	enum item_permission level;
	enum err e = load_for(conn, b, id, &item, &level, error);

	if (e != ERR_OK)
		return e;
	json_object_array_add(b->gone, item);
	if (level != ITEM_DELETE)
		return error_set(error, ERR_FORBIDDEN, "no permission to delete data item %lld",
				 (long long)id);
	if (json_get(item, "dataset") != NULL)
		return model_remove(conn, id, error);
	return item_remove(conn, id, error);
}

static bool owns(const struct viewer *viewer, const json_object *item)
{
	const char *user = viewer->user == NULL ? "" : viewer->user;

	return viewer->admin ||
	       (*user != '\0' && strcmp(user, json_str(item, "userName", "")) == 0);
}

static enum err share_set(struct conn *conn, int64_t id, json_object *item,
			  const json_object *entities, struct error *error)
{
	CLEAN_JSON json_object *model = NULL;
	enum err e;

	if (json_get(item, "dataset") != NULL) {
		e = model_read(conn, id, NULL, &model, error);
		if (e != ERR_OK)
			return e;
		(void)json_set(model, "permissions", item_share_to_permissions(entities));
		e = share_normalise(model, false, error);
		/* Its item follows it. */
		return e == ERR_OK ? model_write(conn, id, model, false, error) : e;
	}
	(void)json_set_int(item, "guest", item_share_guest(entities));
	e = item_save(conn, id, item, false, error);
	return e == ERR_OK
		   ? item_share_write(conn, id, json_str(item, "userName", ""), entities, error)
		   : e;
}

static enum err share_one(struct conn *conn, struct batch *b, int64_t id, struct error *error)
{
	CLEAN_JSON json_object *item = NULL;
	enum item_permission level;
	enum err e = load_for(conn, b, id, &item, &level, error);

	if (e != ERR_OK)
		return e;
	if (!owns(b->viewer, item))
		return error_set(error, ERR_FORBIDDEN, "only its owner shares data item %lld",
				 (long long)id);
	return share_set(conn, id, item, b->entities, error);
}

static enum err each(struct catalog *c, struct batch *b,
		     enum err (*fn)(struct conn *, struct batch *, int64_t id, struct error *),
		     struct error *error)
{
	struct conn *conn;
	enum err e = conn_take_write(c, &conn, error);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < b->n && e == ERR_OK; i++) {
		bool again = false;

		/* An id may be named twice; the second time there is nothing left to do. */
		for (size_t j = 0; j < i && !again; j++)
			again = b->ids[j] == b->ids[i];
		if (!again)
			e = fn(conn, b, b->ids[i], error);
	}
	return conn_give_write(c, conn, e, error);
}

enum err catalog_items_delete(struct catalog *c, const int64_t *ids, size_t n,
			      const struct viewer *viewer, json_object **ret_gone, int64_t *ret_bad,
			      struct error *error)
{
	struct batch b = {.ids = ids, .n = n, .viewer = viewer, .gone = json_object_new_array()};
	enum err e = each(c, &b, delete_one, error);

	if (ret_bad != NULL)
		*ret_bad = b.bad;
	if (e == ERR_OK && ret_gone != NULL)
		*ret_gone = json_object_get(b.gone);
	json_object_put(b.gone);
	return e;
}

enum err catalog_items_share(struct catalog *c, const int64_t *ids, size_t n,
			     const struct viewer *viewer, const json_object *entities,
			     int64_t *ret_bad, struct error *error)
{
	struct batch b = {.ids = ids, .n = n, .viewer = viewer, .entities = entities};
	enum err e = item_share_check(entities, error);

	if (e == ERR_OK)
		e = each(c, &b, share_one, error);
	if (ret_bad != NULL)
		*ret_bad = b.bad;
	return e;
}

enum err catalog_item_entities(struct catalog *c, int64_t id, json_object **ret,
			       struct error *error)
{
	CLEAN_JSON json_object *item = NULL;
	CLEAN_JSON json_object *list = json_object_new_array();
	json_object *owner = json_object_new_object();
	struct conn *conn;
	enum err e = conn_take(c, &conn, error);

	json_object_array_add(list, owner);
	if (e != ERR_OK)
		return e;
	e = item_load(conn, id, &item, error);
	if (e == ERR_OK) {
		(void)json_set_str(owner, "kind", "USER");
		(void)json_set_str(owner, "name", json_str(item, "userName", ""));
		(void)json_set_str(owner, "permission", item_permission_word(ITEM_DELETE));
		e = item_share_read(conn, id, list, error);
	}
	conn_give(c, conn);
	if (e == ERR_OK)
		*ret = json_object_get(list);
	return e;
}

/* ---- a user or group that goes */

static enum err forget_one(struct conn *conn, int64_t id, const char *subject, struct error *error)
{
	CLEAN_JSON json_object *model = NULL;
	enum err e = model_read(conn, id, NULL, &model, error);
	json_object *of =
	    json_obj(json_obj(model, "permissions"), *subject == 'g' ? "groups" : "users");

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	json_object_object_del(of, subject + 2);
	return model_write(conn, id, model, false, error);
}

/* The next dataset after *ID shared to SUBJECT but not owned by it; 0 = none. */
static enum err next_shared(struct conn *conn, const char *subject, int64_t *id,
			    struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_prepare(conn,
				  "SELECT dataset FROM dataset_share WHERE subject = ?1 AND "
				  "dataset > ?2 ORDER BY dataset LIMIT 1",
				  &stmt, error);

	if (e != ERR_OK)
		return e;
	conn_bind_text(stmt, 1, subject);
	(void)sqlite3_bind_int64(stmt, 2, *id);
	e = conn_step(conn, stmt, &row, error);
	*id = e == ERR_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return e;
}

static enum err forget(struct conn *conn, const char *subject, struct error *error)
{
	sqlite3_stmt *stmt;
	int64_t id = 0;
	enum err e = next_shared(conn, subject, &id, error);

	while (e == ERR_OK && id != 0) {
		e = forget_one(conn, id, subject, error);
		if (e == ERR_OK)
			e = next_shared(conn, subject, &id, error);
	}
	if (e == ERR_OK)
		e = conn_prepare(conn, "DELETE FROM item_share WHERE subject = ?1", &stmt, error);
	if (e != ERR_OK)
		return e;
	conn_bind_text(stmt, 1, subject);
	return conn_step(conn, stmt, NULL, error);
}

enum err catalog_forget(struct catalog *c, const char *subject, struct error *error)
{
	struct conn *conn;
	enum err e;

	if (strncmp(subject, "u:", 2) != 0 && strncmp(subject, "g:", 2) != 0)
		return error_set(error, ERR_BAD_REQUEST, "not a subject");
	e = conn_take_write(c, &conn, error);
	return e == ERR_OK ? conn_give_write(c, conn, forget(conn, subject, error), error) : e;
}
