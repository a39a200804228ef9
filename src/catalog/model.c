/*
 * A model's rows.
 */
#include "catalog/model.h"
#include "catalog/item_db.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "catalog/share.h"
#include "catalog/words.h"

/* What a list does not show; crs.wkt goes with them. */
static const char *const bulky[] = {"columns", "rows", "answers"};

/* Cut MODEL in two: what lists show, and the rest. */
static void split(const json_object *model, json_object **ret_brief, json_object **ret_detail)
{
	json_object *brief = json_copy(model), *detail = json_object_new_object();
	json_object *crs = json_obj(brief, "crs"), *wkt = json_get(crs, "wkt");

	for (size_t i = 0; i < sizeof(bulky) / sizeof(bulky[0]); i++) {
		json_object *member = json_get(brief, bulky[i]);

		if (member != NULL)
			(void)json_set(detail, bulky[i], json_object_get(member));
		json_object_object_del(brief, bulky[i]);
	}
	if (wkt != NULL) {
		(void)json_set(detail, "wkt", json_object_get(wkt));
		json_object_object_del(crs, "wkt");
	}
	json_object_object_del(brief, "downloads");
	*ret_brief = brief;
	*ret_detail = detail;
}

static enum err write_row(struct conn *conn, int64_t id, const json_object *model,
			  const json_object *brief, bool insert, struct error *error)
{
	static const char add[] =
	    "INSERT INTO dataset (id, name, owner, type, title, access, file, size,"
	    " revision, created, changed, brief)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
	static const char change[] =
	    "UPDATE dataset SET name = ?2, owner = ?3, type = ?4, title = ?5, access = ?6, file = "
	    "?7,"
	    " size = ?8,"
	    " revision = ?9, created = ?10, changed = ?11, brief = ?12 WHERE id = ?1";
	static const char *const texts[] = {"name", "owner", "type", "title", "access", "file"};
	static const char *const numbers[] = {"size", "revision", "created", "changed"};
	CLEAN_FREE char *text = json_print(brief, NULL);
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, insert ? add : change, &stmt, error);
	int n = 1;

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, n++, id);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		conn_bind_text(stmt, n++, json_str(model, texts[i], ""));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sqlite3_bind_int64(stmt, n++, json_int(model, numbers[i], 0));
	conn_bind_text(stmt, n, text);
	return conn_step(conn, stmt, NULL, error);
}

static enum err write_detail(struct conn *conn, int64_t id, const json_object *detail,
			     struct error *error)
{
	CLEAN_FREE char *text = json_print(detail, NULL);
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, "INSERT OR REPLACE INTO dataset_detail VALUES (?1, ?2)",
				  &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	conn_bind_text(stmt, 2, text);
	return conn_step(conn, stmt, NULL, error);
}

/* ---- shares */

struct share_to {
	struct conn *conn;
	struct error *error;
	int64_t id;
	const char *type;
	bool public;
};

static enum err share_add(const struct share_to *to, const char *prefix, const char *name,
			  unsigned rights)
{
	CLEAN_FREE char *subject = mem_printf("%s%s", prefix, name);
	sqlite3_stmt *stmt;
	enum err e;

	if (rights == 0)
		return ERR_OK;
	e = conn_prepare(to->conn,
			 "INSERT INTO dataset_share (subject, public, dataset, type, rights)"
			 " VALUES (?1, ?2, ?3, ?4, ?5)"
			 " ON CONFLICT DO UPDATE SET rights = rights | excluded.rights",
			 &stmt, to->error);
	if (e != ERR_OK)
		return e;
	conn_bind_text(stmt, 1, subject);
	(void)sqlite3_bind_int(stmt, 2, to->public);
	(void)sqlite3_bind_int64(stmt, 3, to->id);
	conn_bind_text(stmt, 4, to->type);
	(void)sqlite3_bind_int64(stmt, 5, rights);
	return conn_step(to->conn, stmt, NULL, to->error);
}

static enum err share_list(const struct share_to *to, const char *prefix,
			   const json_object *subjects)
{
	enum err e = ERR_OK;

	if (subjects == NULL)
		return ERR_OK;
	json_object_object_foreach(subjects, name, list)
	{
		bool all = prefix[0] == 'u' && strcmp(name, EVERYBODY) == 0;

		if (e == ERR_OK)
			e = share_add(to, all ? "" : prefix, all ? "" : name, share_rights(list));
	}
	return e;
}

static enum err write_shares(struct conn *conn, int64_t id, const json_object *model,
			     struct error *error)
{
	const json_object *permissions = json_obj(model, "permissions"),
			  *users = json_obj(permissions, "users");
	const char *owner = json_str(model, "owner", "");
	struct share_to to = {conn, error, id, json_str(model, "type", ""), false};
	enum err e = conn_by_id(conn, "DELETE FROM dataset_share WHERE dataset = ?1", id, error);

	to.public = (share_rights(json_get(users, EVERYBODY)) & RIGHT(DATASET_SEE)) != 0;
	if (e == ERR_OK && owner[0] != '\0')
		e = share_add(&to, "u:", owner, RIGHTS_ALL);
	if (e == ERR_OK)
		e = share_list(&to, "u:", users);
	if (e == ERR_OK)
		e = share_list(&to, "g:", json_obj(permissions, "groups"));
	return e;
}

/* ---- searched text */

enum field {
	FIELD_TITLE,
	FIELD_NAME,
	FIELD_ABSTRACT,
	FIELD_KEYWORDS,
	FIELD_FILES,
	FIELD_OWNER,
	FIELD__MAX
};

static char *joined(const json_object *list, const char *member)
{
	struct buf b = {0};
	json_object *item;

	JSON_EACH(item, list)
	{
		const char *s = member != NULL ? json_str(item, member, "")
				: json_object_is_type(item, json_type_string)
				    ? json_object_get_string(item)
				    : "";

		buf_str(&b, s);
		buf_char(&b, '\n');
	}
	return buf_take(&b, NULL);
}

static void fields_of(const json_object *model, char *ret[FIELD__MAX])
{
	CLEAN_FREE char *keywords = joined(json_arr(model, "keywords"), NULL);
	CLEAN_FREE char *files = joined(json_arr(model, "source"), "name");

	ret[FIELD_TITLE] = words_fold(json_str(model, "title", ""));
	ret[FIELD_NAME] = words_fold(json_str(model, "name", ""));
	ret[FIELD_ABSTRACT] = words_fold(json_str(model, "abstract", ""));
	ret[FIELD_KEYWORDS] = words_fold(keywords);
	ret[FIELD_FILES] = words_fold(files);
	ret[FIELD_OWNER] = words_fold(json_str(model, "owner", ""));
}

/*
 * The word index keeps no text of its own: it forgets a row only when it is told the very terms
 * again.
 */
static enum err remove_text(struct conn *conn, int64_t id, struct error *error)
{
	char *fields[FIELD__MAX] = {NULL};
	enum err e =
	    conn_texts(conn,
		       "SELECT title, name, abstract, keywords, files, owner FROM dataset_text"
		       " WHERE id = ?1",
		       id, fields, FIELD__MAX, error);

	if (e != ERR_OK || fields[0] == NULL)
		return e;
	e = conn_by_texts(conn,
			  "INSERT INTO dataset_words"
			  " (dataset_words, rowid, title, name, abstract, keywords, files, owner)"
			  " VALUES ('delete', ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			  id, fields, FIELD__MAX, words_index, error);
	if (e == ERR_OK)
		e = conn_by_id(conn, "DELETE FROM dataset_text WHERE id = ?1", id, error);
	for (int i = 0; i < FIELD__MAX; i++)
		free(fields[i]);
	return e;
}

static enum err write_text(struct conn *conn, int64_t id, const json_object *model,
			   struct error *error)
{
	char *fields[FIELD__MAX] = {NULL};
	enum err e;

	fields_of(model, fields);
	e = conn_by_texts(
	    conn,
	    "INSERT INTO dataset_text (id, title, name, abstract, keywords, files, owner)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	    id, fields, FIELD__MAX, NULL, error);
	if (e == ERR_OK)
		e = conn_by_texts(conn,
				  "INSERT INTO dataset_words"
				  " (rowid, title, name, abstract, keywords, files, owner)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
				  id, fields, FIELD__MAX, words_index, error);
	for (int i = 0; i < FIELD__MAX; i++)
		free(fields[i]);
	return e;
}

static enum err write_uuid(struct conn *conn, int64_t id, const json_object *model, bool insert,
			   struct error *error)
{
	const char *uuid = json_str(model, "uuid", NULL);
	sqlite3_stmt *stmt;
	enum err e =
	    insert ? ERR_OK
		   : conn_by_id(conn, "DELETE FROM dataset_uuid WHERE dataset = ?1", id, error);

	if (e == ERR_OK && uuid != NULL) {
		e = conn_prepare(conn, "INSERT OR IGNORE INTO dataset_uuid VALUES (?1, ?2)", &stmt,
				 error);
		if (e != ERR_OK)
			return e;
		(void)sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
		(void)sqlite3_bind_int64(stmt, 2, id);
		e = conn_step(conn, stmt, NULL, error);
	}
	return e;
}

/* ---- the whole */

static enum err write_rows(struct conn *conn, int64_t id, const json_object *model, bool insert,
			   struct error *error)
{
	CLEAN_JSON json_object *brief = NULL;
	CLEAN_JSON json_object *detail = NULL;
	enum err e;

	split(model, &brief, &detail);
	e = write_row(conn, id, model, brief, insert, error);
	if (e == ERR_OK)
		e = write_detail(conn, id, detail, error);
	if (e == ERR_OK)
		e = write_shares(conn, id, model, error);
	if (e == ERR_OK)
		e = write_uuid(conn, id, model, insert, error);
	if (e == ERR_OK && !insert)
		e = remove_text(conn, id, error);
	return e == ERR_OK ? write_text(conn, id, model, error) : e;
}

enum err model_write(struct conn *conn, int64_t id, const json_object *model, bool insert,
		     struct error *error)
{
	enum err e = write_rows(conn, id, model, insert, error);

	return e == ERR_OK ? item_follow(conn, id, model, insert ? ITEM_MADE : ITEM_META, error)
			   : e;
}

enum err model_write_content(struct conn *conn, int64_t id, const json_object *model,
			     struct error *error)
{
	enum err e = write_rows(conn, id, model, false, error);

	return e == ERR_OK ? item_follow(conn, id, model, ITEM_CONTENT, error) : e;
}

static json_object *parse(const char *text)
{
	json_object *o = NULL;

	return json_read(text, strlen(text), &json_limits_job, &o) == ERR_OK ? o : NULL;
}

json_object *model_brief(sqlite3_stmt *stmt, int brief_column, int downloads_column)
{
	json_object *model = parse(conn_text(stmt, brief_column));

	return model == NULL
		   ? NULL
		   : json_set_int(model, "downloads", sqlite3_column_int64(stmt, downloads_column));
}

enum err model_read(struct conn *conn, int64_t id, const char *name, json_object **ret,
		    struct error *error)
{
	static const char wanted[] =
	    "SELECT brief, ifnull(n, 0) + ifnull(i.downloads, 0), detail FROM dataset d"
	    " LEFT JOIN dataset_downloads USING (id) LEFT JOIN dataset_detail USING (id)"
	    " LEFT JOIN item i USING (id)";
	CLEAN_FREE char *sql = mem_printf("%s WHERE %s = ?1", wanted, id > 0 ? "d.id" : "d.name");
	CLEAN_JSON json_object *detail = NULL;
	json_object *model, *crs;
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	if (id > 0)
		(void)sqlite3_bind_int64(stmt, 1, id);
	else
		conn_bind_text(stmt, 1, name);
	e = conn_step(conn, stmt, &row, error);
	if (e != ERR_OK)
		return e;
	if (!row)
		return error_set(error, ERR_NOT_FOUND, "no such dataset");
	model = model_brief(stmt, 0, 1);
	detail = parse(conn_text(stmt, 2));
	(void)sqlite3_reset(stmt);
	if (model == NULL || detail == NULL) {
		json_object_put(model);
		return error_set(error, ERR_STORE, "dataset's model is damaged");
	}
	for (size_t i = 0; i < sizeof(bulky) / sizeof(bulky[0]); i++)
		(void)json_set(model, bulky[i], json_object_get(json_get(detail, bulky[i])));
	crs = json_obj(model, "crs");
	if (crs != NULL)
		(void)json_set(crs, "wkt", json_object_get(json_get(detail, "wkt")));
	*ret = model;
	return ERR_OK;
}

enum err model_remove(struct conn *conn, int64_t id, struct error *error)
{
	static const char *const tables[] = {
	    "DELETE FROM dataset_share WHERE dataset = ?1",
	    "DELETE FROM dataset_uuid WHERE dataset = ?1",
	    "DELETE FROM dataset_detail WHERE id = ?1",
	    "DELETE FROM dataset WHERE id = ?1",
	};
	enum err e = remove_text(conn, id, error);

	if (e == ERR_OK)
		e = item_remove(conn, id, error);

	for (size_t i = 0; e == ERR_OK && i < sizeof(tables) / sizeof(tables[0]); i++)
		e = conn_by_id(conn, tables[i], id, error);
	if (e == ERR_OK && sqlite3_changes(conn->db) == 0)
		e = error_set(error, ERR_NOT_FOUND, "no such dataset");
	return e;
}
