/*
 * Opening the catalogue: its path first, its connections when they are wanted.
 */
#include "catalog/item_set.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/mem.h"

#define ITEMS_SINCE 4	 /* the schema that has data items: older datasets get theirs */
#define BUSY_MS	    5000 /* how long a writer waits for another */

/*
 * SQLite would count every piece of memory it takes, all threads under one lock; nobody asks for
 * the sums.
 */
static void configure_sqlite(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err catalog_open(const struct config *config, struct catalog **ret, struct error *error)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	struct catalog *c;

	(void)pthread_once(&configured, configure_sqlite);
	if (config->data_dir == NULL)
		return error_set(error, ERR_INTERNAL, "catalogue without data_dir");
	c = mem_alloc(sizeof(*c));
	c->path = mem_printf("%s/catalog.sqlite", config->data_dir);
	c->many = 8000;
	c->far = 200;
	c->sync = config->upload_sync == UPLOAD_SYNC_FULL;
	if (pthread_mutex_init(&c->mutex, NULL) != 0)
		mem_die();
	*ret = c;
	return ERR_OK;
}

static void conn_close(struct conn *conn)
{
	if (conn == NULL)
		return;
	for (size_t i = 0; i < CATALOG_STATEMENTS; i++) {
		(void)sqlite3_finalize(conn->kept[i].stmt);
		free(conn->kept[i].sql);
	}
	/*
	 * A reader must not pay for moving a writer's log into the file when it happens to be the
	 * last one.
	 */
	if (conn->db != NULL && !conn->wrote)
		(void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(conn->db);
	json_reader_free(conn->reader);
	free(conn);
}

void catalog_close(struct catalog *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_idle; i++)
		conn_close(c->idle[i]);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c->path);
	free(c);
}

/*
 * SQLite would make the file readable for everybody; log and shared memory take over its mode.  An
 * existing file is not opened here: closing it again would drop the POSIX locks of this process's
 * other connections.
 */
static enum err make_private(struct catalog *c, struct conn *conn, struct error *error)
{
	struct stat st;
	enum err e = ERR_OK;

	(void)pthread_mutex_lock(&c->mutex);
	/* What was there does not begin anew, empty, under people's eyes: its disk may be away. */
	if (lstat(c->path, &st) != 0 && c->seen) {
		e = error_errno(error, ERR_STORE, "catalog.sqlite, which was there");
	} else if (lstat(c->path, &st) != 0) {
		int fd = errno == ENOENT
			     ? open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
			     : -1;

		if (fd >= 0)
			(void)close(fd);
		if ((fd < 0 && errno != EEXIST) || lstat(c->path, &st) != 0)
			e = error_errno(error, ERR_STORE, "make the catalogue");
	}
	(void)pthread_mutex_unlock(&c->mutex);
	if (e == ERR_OK && !S_ISREG(st.st_mode))
		e = error_set(error, ERR_STORE, "the catalogue is not a regular file");
	if (e == ERR_OK) {
		conn->dev = st.st_dev;
		conn->ino = st.st_ino;
	}
	return e;
}

static enum err exec(struct conn *conn, const char *sql, struct error *error)
{
	int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? ERR_OK : conn_error(conn, rc, error);
}

/*
 * Two processes may make a new catalogue at once: SQLite does not wait for the change to WAL by
 * itself.
 */
static enum err wal(struct conn *conn, struct error *error)
{
	int64_t until = clock_mono_ms() + BUSY_MS;

	for (;;) {
		int rc = sqlite3_exec(conn->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);

		if (rc == SQLITE_OK)
			return ERR_OK;
		if ((rc & 0xff) != SQLITE_BUSY || clock_mono_ms() > until)
			return conn_error(conn, rc, error);
		clock_sleep_ms(20);
	}
}

static enum err migrate(struct conn *conn, struct error *error)
{
	int64_t version;
	enum err e = conn_number_of(conn, "PRAGMA user_version", &version, error);

	if (e != ERR_OK || version == catalog_version)
		return e;
	if (version > catalog_version)
		return error_set(error, ERR_STORE,
				 "the catalogue is newer than this program (%lld > %d)",
				 (long long)version, catalog_version);
	e = conn_begin(conn, error);
	if (e != ERR_OK)
		return e;
	/* Again under the lock: somebody else may have done it meanwhile. */
	e = conn_number_of(conn, "PRAGMA user_version", &version, error);
	for (int64_t v = version; e == ERR_OK && v < catalog_version; v++) {
		e = exec(conn, catalog_migrations[v], error);
		if (e == ERR_OK && v + 1 == ITEMS_SINCE)
			e = item_fill(conn, error);
		if (e == ERR_OK) {
			CLEAN_FREE char *set =
			    mem_printf("PRAGMA user_version = %lld", (long long)(v + 1));

			e = exec(conn, set, error);
		}
	}
	return conn_end(conn, e, error);
}

static enum err conn_open(struct catalog *c, struct conn **ret, struct error *error)
{
	struct conn *conn = mem_alloc(sizeof(*conn));
	enum err e = make_private(c, conn, error);
	int rc;

	if (e != ERR_OK) {
		conn_close(conn);
		return e;
	}
	rc = sqlite3_open_v2(c->path, &conn->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc != SQLITE_OK) {
		e = conn_error(conn, rc, error);
		conn_close(conn);
		return e;
	}
	(void)sqlite3_busy_timeout(conn->db, BUSY_MS);
	(void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	e = wal(conn, error);
	if (e == ERR_OK)
		e = exec(conn,
			 c->sync ? "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY"
				 : "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY",
			 error);
	if (e == ERR_OK)
		e = sets_register(conn, error);
	if (e == ERR_OK)
		e = migrate(conn, error);
	if (e != ERR_OK) {
		conn_close(conn);
		return e;
	}
	(void)pthread_mutex_lock(&c->mutex);
	c->seen = true;
	(void)pthread_mutex_unlock(&c->mutex);
	*ret = conn;
	return ERR_OK;
}

/*
 * Is the file this connection opened still the one under the path?  A restore puts another one
 * there.
 */
static bool conn_fresh(const struct catalog *c, const struct conn *conn)
{
	struct stat st;

	return stat(c->path, &st) == 0 && st.st_dev == conn->dev && st.st_ino == conn->ino;
}

enum err conn_take(struct catalog *c, struct conn **ret, struct error *error)
{
	for (;;) {
		struct conn *conn = NULL;

		(void)pthread_mutex_lock(&c->mutex);
		if (c->n_idle > 0)
			conn = c->idle[--c->n_idle];
		(void)pthread_mutex_unlock(&c->mutex);
		if (conn == NULL)
			return conn_open(c, ret, error);
		if (conn_fresh(c, conn)) {
			*ret = conn;
			return ERR_OK;
		}
		conn_close(conn);
	}
}

void conn_give(struct catalog *c, struct conn *conn)
{
	if (conn == NULL)
		return;
	if (!sqlite3_get_autocommit(conn->db))
		conn->broken = true;
	(void)pthread_mutex_lock(&c->mutex);
	if (!conn->broken && c->n_idle < CATALOG_IDLE) {
		c->idle[c->n_idle++] = conn;
		conn = NULL;
	}
	(void)pthread_mutex_unlock(&c->mutex);
	conn_close(conn);
}
