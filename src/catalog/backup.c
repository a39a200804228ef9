/*
 * A copy of the catalogue while others use it.
 */
#include "catalog/db.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"

#define COPY_WAIT_MS 30000 /* for a writer to let go */

/* One step copies a snapshot: readers and writers go on meanwhile. */
static enum err copy(struct conn *conn, const char *path, struct error *error)
{
	sqlite3 *to = NULL;
	sqlite3_backup *backup;
	int rc = sqlite3_open_v2(
	    path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);
	enum err e = ERR_OK;

	if (rc == SQLITE_OK) {
		backup = sqlite3_backup_init(to, "main", conn->db, "main");
		rc = backup == NULL ? sqlite3_errcode(to) : sqlite3_backup_step(backup, -1);
		if (backup != NULL && sqlite3_backup_finish(backup) == SQLITE_OK &&
		    rc == SQLITE_DONE)
			rc = SQLITE_OK;
	}
	/* A copy stands alone: no log beside it. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		struct conn other = {.db = to};

		e = conn_error(&other, rc, error);
	}
	(void)sqlite3_close(to);
	return e;
}

enum err catalog_backup(struct catalog *c, const char *path, struct error *error)
{
	CLEAN_FREE char *temp = mem_printf("%s.part", path);
	struct conn *conn;
	enum err e;
	int fd;

	/* Made by us first: SQLite would make it readable for everybody. */
	(void)unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(error, ERR_IO, "make the catalogue's backup");
	(void)close(fd);
	e = conn_take(c, &conn, error);
	if (e == ERR_OK) {
		e = copy(conn, temp, error);
		conn_give(c, conn);
	}
	if (e == ERR_OK) {
		fd = open(temp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || fsync(fd) != 0)
			e = error_errno(error, ERR_IO, "flush the catalogue's backup");
		if (fd >= 0)
			(void)close(fd);
	}
	if (e == ERR_OK)
		e = fs_rename_durable(AT_FDCWD, temp, path, error);
	if (e != ERR_OK)
		(void)unlink(temp);
	return e;
}

enum err catalog_copy_database(const char *from, const char *to, struct error *error)
{
	CLEAN_FD int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct conn conn = {0};
	int rc;
	enum err e;

	if (fd < 0)
		return error_errno(error, ERR_IO, "make %s", to);
	/* Read and write: a log that a killed writer left is taken in by whoever opens it. */
	rc = sqlite3_open_v2(from, &conn.db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(conn.db, COPY_WAIT_MS);
	e = rc == SQLITE_OK ? copy(&conn, to, error) : conn_error(&conn, rc, error);
	(void)sqlite3_close(conn.db);
	if (e == ERR_OK && fsync(fd) != 0)
		e = error_errno(error, ERR_IO, "flush %s", to);
	if (e != ERR_OK)
		(void)unlink(to);
	return e;
}
