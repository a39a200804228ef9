/*
 * Statements, transactions and SQLite's result codes.
 */
#include "catalog/item_db.h"

#include <errno.h>
#include <string.h>
#include "base/mem.h"

enum err conn_error(struct conn *conn, int rc, struct error *error)
{
	const char *text = conn->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(conn->db);
	int os = conn->db == NULL ? 0 : sqlite3_system_errno(conn->db);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(error, ERR_BUSY, "catalogue: %s", text);
	case SQLITE_FULL:
		return error_set(error, ERR_NO_SPACE, "catalogue: %s", text);
	case SQLITE_NOMEM:
		mem_die();
	case SQLITE_IOERR:
		conn->broken = true;
		return error_set(error, err_of_errno(os, ERR_IO), "catalogue: %s (%d, %s)", text,
				 rc, strerror(os));
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		conn->broken = true;
		return error_set(error, err_of_errno(os, ERR_STORE), "catalogue: %s (%d, %s)", text,
				 rc, strerror(os));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		conn->broken = true;
		return error_set(error, ERR_STORE, "catalogue damaged, restore needed: %s", text);
	case SQLITE_CONSTRAINT:
		return error_set(error, ERR_CONFLICT, "catalogue: %s", text);
	case SQLITE_TOOBIG:
		return error_set(error, ERR_TOO_LARGE, "catalogue: %s", text);
	default: /* not an enum: everything else is a mistake of ours */
		conn->broken = true;
		return error_set(error, ERR_INTERNAL, "catalogue: %s (%d)", text, rc);
	}
}

enum err conn_prepare(struct conn *conn, const char *sql, sqlite3_stmt **ret, struct error *error)
{
	size_t slot = conn->next, len = strlen(sql);
	sqlite3_stmt *stmt;
	int rc;

	for (size_t i = 0; i < CATALOG_STATEMENTS; i++) {
		if (conn->kept[i].len == len && conn->kept[i].sql != NULL &&
		    memcmp(conn->kept[i].sql, sql, len) == 0) {
			stmt = conn->kept[i].stmt;
			(void)sqlite3_reset(stmt);
			(void)sqlite3_clear_bindings(stmt);
			*ret = stmt;
			return ERR_OK;
		}
	}
	rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return conn_error(conn, rc, error);
	(void)sqlite3_finalize(conn->kept[slot].stmt);
	free(conn->kept[slot].sql);
	conn->kept[slot].stmt = stmt;
	conn->kept[slot].sql = mem_strdup(sql);
	conn->kept[slot].len = len;
	conn->next = (slot + 1) % CATALOG_STATEMENTS;
	*ret = stmt;
	return ERR_OK;
}

enum err conn_step(struct conn *conn, sqlite3_stmt *stmt, bool *ret_row, struct error *error)
{
	int rc = sqlite3_step(stmt);
	enum err e;

	if (rc == SQLITE_ROW) {
		if (ret_row != NULL)
			*ret_row = true;
		else
			(void)sqlite3_reset(stmt);
		return ERR_OK;
	}
	if (rc != SQLITE_DONE) {
		e = conn_error(conn, rc, error);
		(void)sqlite3_reset(stmt);
		return e;
	}
	(void)sqlite3_reset(stmt);
	if (ret_row != NULL)
		*ret_row = false;
	return ERR_OK;
}

static enum err run(struct conn *conn, const char *sql, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	return e == ERR_OK ? conn_step(conn, stmt, NULL, error) : e;
}

enum err conn_begin(struct conn *conn, struct error *error)
{
	conn->wrote = true;
	return run(conn, "BEGIN IMMEDIATE", error);
}

enum err conn_end(struct conn *conn, enum err e, struct error *error)
{
	if (e == ERR_OK)
		e = run(conn, "COMMIT", error);
	/*
	 * A failed commit leaves the transaction open more often than not; SQLite may have ended it
	 * itself, too.
	 */
	if (e != ERR_OK && !sqlite3_get_autocommit(conn->db) &&
	    run(conn, "ROLLBACK", NULL) != ERR_OK)
		conn->broken = true;
	return e;
}

enum err conn_begin_read(struct conn *conn, struct error *error)
{
	return run(conn, "BEGIN", error);
}

enum err conn_take_write(struct catalog *c, struct conn **ret, struct error *error)
{
	struct conn *conn;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = conn_begin(conn, error);
	if (e == ERR_OK)
		*ret = conn;
	else
		conn_give(c, conn);
	return e;
}

enum err conn_give_write(struct catalog *c, struct conn *conn, enum err e, struct error *error)
{
	e = conn_end(conn, e, error);
	conn_give(c, conn);
	return e;
}

enum err conn_by_id(struct conn *conn, const char *sql, int64_t id, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	return conn_step(conn, stmt, NULL, error);
}

enum err conn_texts(struct conn *conn, const char *sql, int64_t id, char *ret[], int n,
		    struct error *error)
{
	sqlite3_stmt *stmt;
	bool row = false;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	e = conn_step(conn, stmt, &row, error);
	for (int i = 0; i < n; i++)
		ret[i] = row ? mem_strdup(conn_text(stmt, i)) : NULL;
	if (row)
		(void)sqlite3_reset(stmt);
	return e;
}

enum err conn_by_texts(struct conn *conn, const char *sql, int64_t id, char *const texts[], int n,
		       char *(*terms)(const char *text), struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, 1, id);
	for (int i = 0; i < n; i++) {
		CLEAN_FREE char *index = terms != NULL ? terms(texts[i]) : NULL;

		conn_bind_text(stmt, i + 2, terms != NULL ? index : texts[i]);
	}
	return conn_step(conn, stmt, NULL, error);
}

enum err conn_number(struct conn *conn, sqlite3_stmt *stmt, int64_t *ret, struct error *error)
{
	bool row;
	enum err e = conn_step(conn, stmt, &row, error);

	if (e != ERR_OK)
		return e;
	*ret = row ? sqlite3_column_int64(stmt, 0) : 0;
	if (row)
		(void)sqlite3_reset(stmt);
	return ERR_OK;
}

enum err conn_number_of(struct conn *conn, const char *sql, int64_t *ret, struct error *error)
{
	sqlite3_stmt *stmt;
	enum err e = conn_prepare(conn, sql, &stmt, error);

	return e == ERR_OK ? conn_number(conn, stmt, ret, error) : e;
}

const char *conn_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text == NULL ? "" : (const char *)text;
}

void conn_bind_text(sqlite3_stmt *stmt, int n, const char *text)
{
	if (text == NULL)
		(void)sqlite3_bind_null(stmt, n);
	else if (sqlite3_bind_text64(stmt, n, text, strlen(text), SQLITE_TRANSIENT, SQLITE_UTF8) ==
		 SQLITE_NOMEM)
		mem_die();
}
