/*
 * Rows of data items: read, written, removed.
 */
#include "catalog/item_db.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item_set.h"
#include "catalog/item_words.h"

/*
 * The order of `columns` below is that of the statement; ITEM_COLUMN_LEVEL counts them.  What is
 * shown as downloads counts those not folded in yet.
 */
const char item_columns[] = "i.id, i.guest, i.owner, i.nick, i.file_name, i.type, i.status, "
			    "i.service, i.size, i.created, i.changed,"
			    " i.downloads + ifnull(n.n, 0), i.dir, i.md5, i.coord, i.description,"
			    " i.storage, i.file, i.upload, i.api, i.kind, i.layer, i.thumbnail, "
			    "i.more";
const char item_downloads[] = "LEFT JOIN dataset_downloads n ON n.id = i.id";

enum column_kind { TEXT, NUMBER, FLAG };
enum column_readers { TOLD, OWN }; /* clients; the server alone */

static const struct {
	const char *member;
	enum column_kind kind;
	enum column_readers readers;
} columns[] = {
    {"id", NUMBER, TOLD},
    {"guest", NUMBER, OWN},
    {"userName", TEXT, TOLD},
    {"nickname", TEXT, TOLD},
    {"fileName", TEXT, TOLD},
    {"type", TEXT, TOLD},
    {"status", TEXT, TOLD},
    {"serviceStatus", TEXT, TOLD},
    {"size", NUMBER, TOLD},
    {"createTime", NUMBER, TOLD},
    {"lastModfiedTime", NUMBER, TOLD},
    {"downloadCount", NUMBER, TOLD},
    {"dirId", NUMBER, OWN},
    {"MD5", TEXT, TOLD},
    {"coordType", TEXT, TOLD},
    {"description", TEXT, TOLD},
    {"storageId", TEXT, TOLD},
    {"file", TEXT, OWN},
    {"upload", TEXT, OWN},
    {"api", FLAG, OWN},
    {"dataset", TEXT, OWN},
    {"layer", TEXT, OWN},
    {"thumbnail", FLAG, TOLD},
};
#define N_COLUMNS   (sizeof(columns) / sizeof(columns[0]))
#define DIR_COLUMN  12
#define KIND_COLUMN 20
#define MORE_COLUMN 23

/* What lives in `more`. */
static const char *const more_members[] = {"tags", "dataMetaInfo", "dataCheckResult",
					   "work" /* not for clients */};
#define N_MORE (sizeof(more_members) / sizeof(more_members[0]))
/* With "public", and what lists and views add; and of a brief one. */
#define ITEM_MEMBERS  (N_COLUMNS + N_MORE + 8)
#define BRIEF_MEMBERS 26

/* A connection is one thread's: its values need no protection, and are read without a lock for
 * each. */
static json_object *value_of(sqlite3_stmt *stmt, int at, enum column_kind kind)
{
	sqlite3_value *v = sqlite3_column_value(stmt, at);

	if (sqlite3_value_type(v) == SQLITE_NULL)
		return NULL;
	if (kind == TEXT) {
		/* As text SQLite would copy it for a NUL at its end. */
		const char *text = sqlite3_value_blob(v);

		return json_object_new_string_len(text != NULL ? text : "", sqlite3_value_bytes(v));
	}
	return kind == FLAG ? json_object_new_boolean(sqlite3_value_int(v) != 0)
			    : json_int_new(sqlite3_value_int64(v));
}

/* The tags of a row that has nothing else in `more`, each without an escape: nearly all.  NULL:
 * another. */
static json_object *only_tags(const char *text, size_t len)
{
	static const char before[] = "{\"tags\":[", after[] = "]}";
	const char *at = text + strlen(before), *end = text + len - strlen(after);
	json_object *list;

	if (len <= strlen(before) + strlen(after) || memcmp(text, before, strlen(before)) != 0 ||
	    memcmp(end, after, strlen(after)) != 0 || memchr(text, '\\', len) != NULL)
		return NULL;
	list = json_object_new_array();
	while (at < end && *at == '"') {
		const char *quote = memchr(at + 1, '"', (size_t)(end - at) - 1);

		if (quote == NULL)
			break;
		json_object_array_add(list,
				      json_object_new_string_len(at + 1, (int)(quote - at) - 1));
		at = quote + 1;
		if (at == end)
			return list;
		if (*at++ != ',')
			break;
	}
	json_object_put(list);
	return NULL;
}

/* What `more` of the row holds becomes members of O.  False: damaged. */
static bool add_more(struct conn *conn, sqlite3_stmt *stmt, bool brief, json_object *o)
{
	const char *text = sqlite3_column_blob(stmt, MORE_COLUMN);
	int len = sqlite3_column_bytes(stmt, MORE_COLUMN);
	json_object *tags = len > 2 ? only_tags(text, (size_t)len) : NULL;
	CLEAN_JSON json_object *more = NULL;

	if (len > 2 && tags == NULL &&
	    (more = json_own_read(&conn->reader, text, (size_t)len)) == NULL)
		return false;
	if (tags == NULL)
		tags = json_object_get(json_arr(more, more_members[0]));
	json_add(o, more_members[0], tags != NULL ? tags : json_object_new_array());
	for (size_t i = 1; i < N_MORE - brief; i++)
		json_add(o, more_members[i], json_object_get(json_get(more, more_members[i])));
	return true;
}

json_object *item_of_row(struct conn *conn, sqlite3_stmt *stmt, bool brief)
{
	json_object *o = json_new(brief ? BRIEF_MEMBERS : ITEM_MEMBERS);

	for (size_t i = 0; i < N_COLUMNS; i++) {
		bool none = i == DIR_COLUMN && sqlite3_column_int64(stmt, DIR_COLUMN) == 0;

		if (brief && columns[i].readers == OWN &&
		    (i != KIND_COLUMN || sqlite3_column_type(stmt, KIND_COLUMN) == SQLITE_NULL))
			continue;
		if (brief && columns[i].kind == FLAG)
			none = sqlite3_column_int(stmt, (int)i) == 0;
		json_add(o, columns[i].member,
			 none ? NULL : value_of(stmt, (int)i, columns[i].kind));
	}
	if (!add_more(conn, stmt, brief, o)) {
		json_object_put(o);
		return NULL;
	}
	if (!brief)
		json_add(
		    o, "public",
		    json_object_new_boolean(sqlite3_column_int64(stmt, ITEM_COLUMN_GUEST) > 0));
	return o;
}

enum err item_load(struct conn *conn, int64_t id, json_object **ret, struct error *error)
{
	CLEAN_FREE char *sql =
	    mem_printf("SELECT %s FROM item i %s WHERE i.id = ?1", item_columns, item_downloads);
	sqlite3_stmt *stmt;
	bool row;
	enum err e = id > 0 ? conn_prepare(conn, sql, &stmt, error)
			    : error_set(error, ERR_NOT_FOUND, "no such data item");

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	e = conn_step(conn, stmt, &row, error);
	if (e != ERR_OK)
		return e;
	if (!row)
		return error_set(error, ERR_NOT_FOUND, "no such data item");
	*ret = item_of_row(conn, stmt, false);
	(void)sqlite3_reset(stmt);
	return *ret != NULL ? ERR_OK : error_set(error, ERR_STORE, "data item's row is damaged");
}

/* ---- writing */

static char *fold(const char *text)
{
	char *folded = text_fold(text);

	return folded != NULL ? folded : mem_strdup("");
}

static void bind_fold(sqlite3_stmt *stmt, int n, const char *text)
{
	CLEAN_FREE char *folded = fold(text);

	conn_bind_text(stmt, n, folded);
}

static void bind_more(sqlite3_stmt *stmt, int n, const json_object *model)
{
	CLEAN_JSON json_object *more = json_object_new_object();
	CLEAN_FREE char *text = NULL;

	for (size_t i = 0; i < N_MORE; i++) {
		json_object *member = json_get(model, more_members[i]);

		if (member != NULL)
			(void)json_set(more, more_members[i], json_object_get(member));
	}
	text = json_print(more, NULL);
	conn_bind_text(stmt, n, text);
}

static bool is_ready(const char *status)
{
	return strcmp(status, "CREATED") != 0 && strcmp(status, "DOEST_NOT_COMPLETE") != 0;
}

static enum err save_row(struct conn *conn, int64_t id, const json_object *model, bool insert,
			 struct error *error)
{
	static const char add[] = "INSERT INTO item (id, vis, ready, guest, owner, owner_key, "
				  "nick, nick_key, file_name, file_key, type,"
				  " status, service, size, created, changed, dir, md5, coord, "
				  "description, storage, file, upload, api,"
				  " kind, layer, thumbnail, more, downloads)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
				  "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"
				  " ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)";
	/* downloads grow elsewhere meanwhile */
	static const char change[] = "UPDATE item SET vis = ?2, ready = ?3, guest = ?4, owner = "
				     "?5, owner_key = ?6, nick = ?7, nick_key = ?8,"
				     " file_name = ?9, file_key = ?10, type = ?11, status = ?12, "
				     "service = ?13, size = ?14, created = ?15,"
				     " changed = ?16, dir = ?17, md5 = ?18, coord = ?19, "
				     "description = ?20, storage = ?21, file = ?22,"
				     " upload = ?23, api = ?24, kind = ?25, layer = ?26, thumbnail "
				     "= ?27, more = ?28 WHERE id = ?1";
	const char *status = json_str(model, "status", "CREATED");
	const char *owner = json_str(model, "userName", ""),
		   *file = json_str(model, "fileName", "");
	const char *nick = json_str(model, "nickname", owner);
	int64_t guest = json_int(model, "guest", 0);
	static const char *const texts[] = {"MD5",	 "coordType", "description",
					    "storageId", "file",      "upload"};
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, insert ? add : change, &stmt, error);
	int n = 18;

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	(void)sqlite3_bind_int(stmt, 2, guest > 0 && is_ready(status));
	(void)sqlite3_bind_int(stmt, 3, is_ready(status));
	(void)sqlite3_bind_int64(stmt, 4, guest);
	conn_bind_text(stmt, 5, owner);
	bind_fold(stmt, 6, owner);
	conn_bind_text(stmt, 7, nick);
	bind_fold(stmt, 8, nick);
	conn_bind_text(stmt, 9, file);
	bind_fold(stmt, 10, file);
	conn_bind_text(stmt, 11, json_str(model, "type", "UNKNOWN"));
	conn_bind_text(stmt, 12, status);
	conn_bind_text(stmt, 13, json_str(model, "serviceStatus", "DOES_NOT_INVOLVE"));
	(void)sqlite3_bind_int64(stmt, 14, json_int(model, "size", 0));
	(void)sqlite3_bind_int64(stmt, 15, json_int(model, "createTime", 0));
	(void)sqlite3_bind_int64(stmt, 16, json_int(model, "lastModfiedTime", 0));
	(void)sqlite3_bind_int64(stmt, 17, json_int(model, "dirId", 0));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		conn_bind_text(stmt, n++, json_str(model, texts[i], NULL));
	(void)sqlite3_bind_int(stmt, n++, json_bool(model, "api", false));
	conn_bind_text(stmt, n++, json_str(model, "dataset", NULL));
	conn_bind_text(stmt, n++, json_str(model, "layer", NULL));
	(void)sqlite3_bind_int(stmt, n++, json_bool(model, "thumbnail", false));
	bind_more(stmt, n++, model);
	if (insert)
		(void)sqlite3_bind_int64(stmt, n, json_int(model, "downloadCount", 0));
	return conn_step(conn, stmt, NULL, error);
}

static enum err save_tags(struct conn *conn, int64_t id, const json_object *model, bool insert,
			  struct error *error)
{
	enum err e =
	    insert ? ERR_OK : conn_by_id(conn, "DELETE FROM item_tag WHERE item = ?1", id, error);
	json_object *tag;

	JSON_EACH(tag, json_arr(model, "tags"))
	{
		sqlite3_stmt *stmt;

		if (e == ERR_OK)
			e = conn_prepare(conn,
					 "INSERT OR IGNORE INTO item_tag SELECT ?1, vis, id FROM "
					 "item WHERE id = ?2",
					 &stmt, error);
		if (e != ERR_OK)
			return e;
		conn_bind_text(stmt, 1, json_object_get_string(tag));
		(void)sqlite3_bind_int64(stmt, 2, id);
		e = conn_step(conn, stmt, NULL, error);
	}
	return e;
}

/* ---- searched text */

enum field { FIELD_FILE, FIELD_DESCRIPTION, FIELD_TAGS, FIELD_OWNER, FIELD_NICK, FIELD__MAX };

static char *fold_tags(const json_object *tags)
{
	struct buf b = {0};
	json_object *tag;

	JSON_EACH(tag, tags)
	{
		CLEAN_FREE char *folded = fold(json_object_get_string(tag));

		buf_str(&b, folded);
		buf_char(&b, '\n');
	}
	return buf_take(&b, NULL);
}

/* *RET_SAME: what stands there is what would be written.  The index forgets a row only when told
 * its terms. */
static enum err drop_text(struct conn *conn, int64_t id, char *const now[], bool *ret_same,
			  struct error *error)
{
	char *was[FIELD__MAX] = {NULL};
	bool same = now != NULL;
	enum err e = conn_texts(
	    conn, "SELECT file, description, tags, owner, nick FROM item_text WHERE id = ?1", id,
	    was, FIELD__MAX, error);

	*ret_same = false;
	if (e != ERR_OK || was[0] == NULL)
		return e;
	for (int i = 0; i < FIELD__MAX; i++)
		same = same && strcmp(was[i], now[i]) == 0;
	*ret_same = same;
	if (!same) {
		e = conn_by_texts(conn,
				  "INSERT INTO item_words (item_words, rowid, file, description, "
				  "tags, owner, nick)"
				  " VALUES ('delete', ?1, ?2, ?3, ?4, ?5, ?6)",
				  id, was, FIELD__MAX, item_words_index, error);
		if (e == ERR_OK)
			e = conn_by_id(conn, "DELETE FROM item_text WHERE id = ?1", id, error);
	}
	for (int i = 0; i < FIELD__MAX; i++)
		free(was[i]);
	return e;
}

static enum err save_text(struct conn *conn, int64_t id, const json_object *model, bool insert,
			  struct error *error)
{
	const char *owner = json_str(model, "userName", "");
	char *fields[FIELD__MAX] = {
	    [FIELD_FILE] = fold(json_str(model, "fileName", "")),
	    [FIELD_DESCRIPTION] = fold(json_str(model, "description", "")),
	    [FIELD_TAGS] = fold_tags(json_arr(model, "tags")),
	    [FIELD_OWNER] = fold(owner),
	    [FIELD_NICK] = fold(json_str(model, "nickname", owner)),
	};
	bool same = false;
	enum err e = insert ? ERR_OK : drop_text(conn, id, fields, &same, error);

	if (e == ERR_OK && !same)
		e = conn_by_texts(
		    conn,
		    "INSERT INTO item_text (id, file, description, tags, owner, nick) "
		    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		    id, fields, FIELD__MAX, NULL, error);
	if (e == ERR_OK && !same)
		e = conn_by_texts(conn,
				  "INSERT INTO item_words (rowid, file, description, tags, owner, "
				  "nick) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
				  id, fields, FIELD__MAX, item_words_index, error);
	for (int i = 0; i < FIELD__MAX; i++)
		free(fields[i]);
	return e;
}

enum err item_save(struct conn *conn, int64_t id, const json_object *model, bool insert,
		   struct error *error)
{
	bool seen =
	    json_int(model, "guest", 0) > 0 && is_ready(json_str(model, "status", "CREATED"));
	enum err e = save_row(conn, id, model, insert, error);

	if (e == ERR_OK)
		e = item_seen_write(conn, id, seen,
				    seen && json_int(model, "guest", 0) >= ITEM_DOWNLOAD, error);
	if (e == ERR_OK)
		e = save_tags(conn, id, model, insert, error);
	return e == ERR_OK ? save_text(conn, id, model, insert, error) : e;
}

enum err item_remove(struct conn *conn, int64_t id, struct error *error)
{
	bool same;
	enum err e = drop_text(conn, id, NULL, &same, error);

	if (e == ERR_OK)
		e = item_seen_write(conn, id, false, false, error);
	if (e == ERR_OK)
		e = conn_by_id(conn, "DELETE FROM dataset_downloads WHERE id = ?1", id, error);
	/* Its shares and tags go with it: a trigger's work. */
	return e == ERR_OK ? conn_by_id(conn, "DELETE FROM item WHERE id = ?1", id, error) : e;
}
