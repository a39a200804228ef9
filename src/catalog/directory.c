/*
 * Directories of the catalogue.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define DEPTH_MAX  32  /* levels: a path stays readable */
#define NAME_BYTES 255 /* as a file name */

static enum err number_of(struct conn *conn, const char *sql, int64_t id, int64_t *ret,
			  bool *ret_row, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	e = conn_step(conn, stmt, ret_row, error);
	if (e != ERR_OK)
		return e;
	*ret = *ret_row ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return ERR_OK;
}

static enum err add(struct conn *conn, int64_t parent, const char *name, int64_t *ret_id,
		    struct error *error)
{
	sqlite3_stmt *stmt;
	int64_t depth = 0;
	bool row = true;
	enum err e = ERR_OK;

	if (parent != 0)
		e = number_of(conn, "SELECT depth FROM directory WHERE id = ?1", parent, &depth,
			      &row, error);
	if (e == ERR_OK && !row)
		e = error_set(error, ERR_NOT_FOUND, "no such directory");
	if (e == ERR_OK && depth + 1 > DEPTH_MAX)
		e = error_set(error, ERR_TOO_LARGE, "directories go %d levels deep at most",
			      DEPTH_MAX);
	if (e == ERR_OK)
		e = conn_prepare(conn,
				 "INSERT INTO directory (parent, name, depth) VALUES (?1, ?2, ?3)",
				 &stmt, error);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, parent);
	conn_bind_text(stmt, 2, name);
	(void)sqlite3_bind_int64(stmt, 3, depth + 1);
	e = conn_step(conn, stmt, NULL, error); /* ERR_CONFLICT: the name is taken there */
	*ret_id = sqlite3_last_insert_rowid(conn->db);
	return e;
}

enum err catalog_dir_add(struct catalog *c, int64_t parent, const char *name, int64_t *ret_id,
			 struct error *error)
{
	CLEAN_FREE char *plain = text_display_name(name);
	struct conn *conn;
	int64_t id = 0;
	enum err e;

	if (plain == NULL || *plain == '\0' || strchr(name, '/') != NULL ||
	    strlen(name) > NAME_BYTES)
		return error_set(error, ERR_BAD_REQUEST, "not a name of a directory");
	e = conn_take_write(c, &conn, error);
	if (e == ERR_OK)
		e = conn_give_write(c, conn, add(conn, parent, plain, &id, error), error);
	if (e == ERR_OK)
		*ret_id = id;
	return e;
}

enum err catalog_dir_list(struct catalog *c, json_object **ret, struct error *error)
{
	CLEAN_JSON json_object *list = json_object_new_array();
	struct conn *conn;
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	/* Depth first, brothers by name: a list that reads as a tree. */
	e = conn_prepare(conn,
			 "WITH RECURSIVE tree (id, parent, name, depth) AS ("
			 " SELECT id, parent, name, depth FROM directory WHERE parent = 0"
			 " UNION ALL SELECT d.id, d.parent, d.name, d.depth FROM directory d JOIN "
			 "tree t ON d.parent = t.id"
			 " ORDER BY 4 DESC, 3)"
			 " SELECT id, parent, name, depth, (SELECT count(*) FROM item WHERE dir = "
			 "tree.id AND dir <> 0) FROM tree",
			 &stmt, error);
	while (e == ERR_OK && (e = conn_step(conn, stmt, &row, error)) == ERR_OK && row) {
		json_object *o = json_object_new_object();

		(void)json_set_int(o, "id", sqlite3_column_int64(stmt, 0));
		(void)json_set_int(o, "parent", sqlite3_column_int64(stmt, 1));
		(void)json_set_str(o, "name", conn_text(stmt, 2));
		(void)json_set_int(o, "depth", sqlite3_column_int64(stmt, 3));
		(void)json_set_int(o, "items", sqlite3_column_int64(stmt, 4));
		json_object_array_add(list, o);
	}
	conn_give(c, conn);
	if (e == ERR_OK)
		*ret = json_object_get(list);
	return e;
}

static enum err remove_dir(struct conn *conn, int64_t id, struct error *error)
{
	int64_t n = 0;
	bool row;
	enum err e = number_of(conn,
			       "SELECT EXISTS (SELECT 1 FROM directory WHERE parent = ?1)"
			       " OR EXISTS (SELECT 1 FROM item WHERE dir = ?1 AND dir <> 0)",
			       id, &n, &row, error);

	if (e == ERR_OK && n != 0)
		e = error_set(error, ERR_CONFLICT, "the directory is not empty");
	if (e == ERR_OK)
		e = conn_by_id(conn, "DELETE FROM directory WHERE id = ?1", id, error);
	if (e == ERR_OK && sqlite3_changes(conn->db) == 0)
		e = error_set(error, ERR_NOT_FOUND, "no such directory");
	return e;
}

enum err catalog_dir_delete(struct catalog *c, int64_t id, struct error *error)
{
	struct conn *conn;
	enum err e = id > 0 ? conn_take_write(c, &conn, error)
			    : error_set(error, ERR_NOT_FOUND, "no such directory");

	return e == ERR_OK ? conn_give_write(c, conn, remove_dir(conn, id, error), error) : e;
}
