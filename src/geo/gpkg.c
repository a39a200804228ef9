#include "geo/gpkg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/gpkg_db.h"

#define PAGE_BYTES 4096

/* The file is private until it is published, and thrown away after any failure: no journal, no
 * syncing. */
static const char settings[] =
    "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -32768; PRAGMA foreign_keys = OFF;"
    "PRAGMA trusted_schema = OFF; PRAGMA temp_store = FILE; PRAGMA encoding = 'UTF-8';";

/* Has the file grown to what one file may be?  SQLite does not always keep the errno that says so.
 */
static bool is_at_limit(const struct gpkg *g, int sys)
{
	struct rlimit most;
	struct stat st;

	if (sys == EFBIG)
		return true;
	return getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY &&
	       stat(g->path, &st) == 0 && (rlim_t)st.st_size + PAGE_BYTES > most.rlim_cur;
}

enum err gpkg_error(struct gpkg *g, const char *doing, struct error *error)
{
	int rc = sqlite3_errcode(g->db);
	int sys = sqlite3_system_errno(g->db);

	if (rc == SQLITE_NOMEM)
		mem_die();
	if (rc == SQLITE_TOOBIG || (rc == SQLITE_IOERR && is_at_limit(g, sys))) {
		(void)error_set(error, ERR_TOO_LARGE, "%s: %s", doing, sqlite3_errmsg(g->db));
		return error_code(error, ERR_TOO_LARGE, "import_output_too_big");
	}
	if (rc == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT)
		return error_set(error, ERR_NO_SPACE, "%s: %s", doing, sqlite3_errmsg(g->db));
	return error_set(error, ERR_IO, "%s: %s", doing, sqlite3_errmsg(g->db));
}

enum err gpkg_run(struct gpkg *g, char *sql, struct error *error)
{
	int rc;

	if (sql == NULL)
		mem_die();
	rc = sqlite3_exec(g->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc == SQLITE_OK ? ERR_OK : gpkg_error(g, "sql", error);
}

static sqlite3_stmt *ask(struct gpkg *g, char *sql)
{
	sqlite3_stmt *s = NULL;

	if (sql == NULL)
		mem_die();
	(void)sqlite3_prepare_v2(g->db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		return s;
	sqlite3_finalize(s);
	return NULL;
}

int64_t gpkg_ask(struct gpkg *g, char *sql, int64_t def)
{
	sqlite3_stmt *s = ask(g, sql);
	int64_t v = s == NULL || sqlite3_column_type(s, 0) == SQLITE_NULL
			? def
			: sqlite3_column_int64(s, 0);

	sqlite3_finalize(s);
	return v;
}

/* The same as text.  Caller frees with sqlite3_free. */
static char *gpkg_ask_text(struct gpkg *g, char *sql)
{
	sqlite3_stmt *s = ask(g, sql);
	const unsigned char *t = s == NULL ? NULL : sqlite3_column_text(s, 0);
	char *copy = mem_strdup((const char *)t);

	sqlite3_finalize(s);
	return copy;
}

/* SQLite's own temporary files must lie where the jail may write: beside the output. */
static void temp_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? sqlite3_mprintf(".")
				  : sqlite3_mprintf("%.*s", (int)(slash - path), path);

	sqlite3_free(sqlite3_temp_directory);
	sqlite3_temp_directory = dir;
}

static enum err open_file(const char *path, const char *table, int flags, struct gpkg **ret,
			  struct error *error)
{
	struct gpkg *g = mem_alloc(sizeof *g);
	char *spill;

	temp_beside(path);
	g->path = mem_strdup(path);
	g->table = mem_strdup(table);
	spill = mem_printf("%s-boxes", path);
	g->tree = rtree_new(spill);
	free(spill);
	*ret = g;
	if (sqlite3_open_v2(path, &g->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags,
			    NULL) != SQLITE_OK)
		return gpkg_error(g, "open", error);
	(void)sqlite3_db_config(g->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	return gpkg_run(g, sqlite3_mprintf("%s BEGIN", settings), error);
}

/* "INSERT INTO t (fid, geom, …) VALUES (?1, ?2, …)" */
static enum err prepare_insert(struct gpkg *g, const struct gpkg_column *c, size_t n,
			       struct error *error)
{
	sqlite3_str *s = sqlite3_str_new(g->db);
	char *sql;
	int rc;

	sqlite3_str_appendf(s, "INSERT INTO \"%w\" (\"%w\"", g->table, g->fid);
	g->base = 2;
	if (g->geom != NULL) {
		sqlite3_str_appendf(s, ", \"%w\"", g->geom);
		g->base = 3;
	}
	for (size_t i = 0; i < n; i++)
		sqlite3_str_appendf(s, ", \"%w\"", c[i].name);
	sqlite3_str_appendall(s, ") VALUES (?1");
	for (size_t i = 1; i + 1 < n + (size_t)g->base; i++)
		sqlite3_str_appendall(s, ", ?");
	sqlite3_str_appendchar(s, 1, ')');
	if ((sql = sqlite3_str_finish(s)) == NULL)
		mem_die();
	g->n = n;
	rc = sqlite3_prepare_v3(g->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &g->insert, NULL);
	sqlite3_free(sql);
	return rc == SQLITE_OK ? ERR_OK : gpkg_error(g, "insert", error);
}

enum err gpkg_create(const char *path, const char *table, const char *title, const char *geometry,
		     OGRSpatialReferenceH srs, const struct gpkg_column *c, size_t n,
		     struct gpkg **ret, struct error *error)
{
	struct gpkg *g = NULL;
	enum err err;

	if (access(path, F_OK) == 0)
		return error_set(error, ERR_CONFLICT, "the output exists already");
	err = open_file(path, table, SQLITE_OPEN_CREATE, &g, error);
	g->fid = mem_strdup("fid");
	if (geometry != NULL) {
		int kind = gpkg_kind_of(geometry);

		g->geom = mem_strdup("geom");
		g->declared = kind < 0 ? 0 : kind;
	}
	if (err == ERR_OK)
		err = gpkg_meta_create(g, srs, error);
	if (err == ERR_OK)
		err = gpkg_meta_srs(g, srs, error);
	if (err == ERR_OK)
		err = gpkg_meta_table(g, title, geometry, c, n, error);
	if (err == ERR_OK)
		err = prepare_insert(g, c, n, error);
	if (err != ERR_OK) {
		gpkg_abort(g);
		return err;
	}
	*ret = g;
	return ERR_OK;
}

/* The boxes of the rows that are there; the tree is written anew at the end. */
static enum err collect_boxes(struct gpkg *g, struct error *error)
{
	sqlite3_stmt *s = NULL;
	char *sql =
	    sqlite3_mprintf("SELECT id, minx, maxx, miny, maxy FROM \"rtree_%w_%w\" ORDER BY id",
			    g->table, g->geom);
	enum err err = ERR_OK;
	int rc;

	if (sql == NULL)
		mem_die();
	rc = sqlite3_prepare_v2(g->db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	if (rc != SQLITE_OK)
		return gpkg_error(g, "existing index", error);
	while (err == ERR_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		const double env[4] = {sqlite3_column_double(s, 1), sqlite3_column_double(s, 2),
				       sqlite3_column_double(s, 3), sqlite3_column_double(s, 4)};

		err = rtree_add(g->tree, sqlite3_column_int64(s, 0), env, error);
	}
	if (err == ERR_OK && rc != SQLITE_DONE)
		err = gpkg_error(g, "existing index", error);
	sqlite3_finalize(s);
	return err;
}

static enum err drop_all(struct gpkg *g, const char *type, const char *pattern, struct error *error)
{
	enum err err = ERR_OK;
	char *name;

	while (err == ERR_OK &&
	       (name = gpkg_ask_text(
		    g, sqlite3_mprintf("SELECT name FROM sqlite_master WHERE type = %Q"
				       " AND lower(tbl_name) = lower(%Q) AND "
				       "substr(name, 1, %d) = %Q AND sql IS NOT NULL",
				       type, g->table, (int)strlen(pattern), pattern))) != NULL) {
		err = gpkg_run(g, sqlite3_mprintf("DROP %s \"%w\"", type, name), error);
		free(name);
	}
	return err;
}

/* What is known of the table to be continued. */
static enum err read_state(struct gpkg *g, struct error *error)
{
	char *kind;

	g->fid = gpkg_ask_text(
	    g, sqlite3_mprintf("SELECT name FROM pragma_table_info(%Q) WHERE pk = 1", g->table));
	if (g->fid == NULL)
		return error_set(error, ERR_NOT_FOUND, "no such table in the target");
	g->geom = gpkg_ask_text(g, sqlite3_mprintf("SELECT column_name FROM gpkg_geometry_columns"
						   " WHERE lower(table_name) = lower(%Q)",
						   g->table));
	g->row =
	    gpkg_ask(g, sqlite3_mprintf("SELECT max(\"%w\") FROM \"%w\"", g->fid, g->table), 0);
	g->row =
	    gpkg_ask(g,
		     sqlite3_mprintf("SELECT max(seq, %lld) FROM sqlite_sequence WHERE name = %Q",
				     (long long)g->row, g->table),
		     g->row);
	g->count = gpkg_ask(g, sqlite3_mprintf("SELECT count(*) FROM \"%w\"", g->table), 0);
	if (g->geom == NULL)
		return ERR_OK;
	kind =
	    gpkg_ask_text(g, sqlite3_mprintf("SELECT geometry_type_name FROM gpkg_geometry_columns"
					     " WHERE lower(table_name) = lower(%Q)",
					     g->table));
	g->declared = kind == NULL || gpkg_kind_of(kind) < 0 ? 0 : gpkg_kind_of(kind);
	free(kind);
	g->srs_id = (int32_t)gpkg_ask(g,
				      sqlite3_mprintf("SELECT srs_id FROM gpkg_geometry_columns"
						      " WHERE lower(table_name) = lower(%Q)",
						      g->table),
				      -1);
	if (g->count > 0) {
		int64_t z = gpkg_ask(g,
				     sqlite3_mprintf("SELECT z FROM gpkg_geometry_columns"
						     " WHERE lower(table_name) = lower(%Q)",
						     g->table),
				     0);
		int64_t m = gpkg_ask(g,
				     sqlite3_mprintf("SELECT m FROM gpkg_geometry_columns"
						     " WHERE lower(table_name) = lower(%Q)",
						     g->table),
				     0);

		g->kinds[g->declared] = true;
		g->with_z = z != 0;
		g->without_z = z != 1;
		g->with_m = m != 0;
		g->without_m = m != 1;
	}
	return ERR_OK;
}

static enum err read_extent(struct gpkg *g, struct error *error)
{
	static const char *const sides[4] = {"min_x", "min_y", "max_x", "max_y"};

	for (int i = 0; i < 4; i++) {
		char *v = gpkg_ask_text(
		    g, sqlite3_mprintf(
			   "SELECT printf('%%!.17g', %s) FROM gpkg_contents WHERE %s IS NOT NULL"
			   " AND lower(table_name) = lower(%Q)",
			   sides[i], sides[i], g->table));

		g->has_extent = v != NULL && text_double(v, &g->extent[i]);
		free(v);
		if (!g->has_extent)
			break;
	}
	(void)error;
	return ERR_OK;
}

enum err gpkg_append(const char *path, const char *table, const struct gpkg_column *c, size_t n,
		     struct gpkg **ret, struct error *error)
{
	struct gpkg *g = NULL;
	enum err err = open_file(path, table, 0, &g, error);

	g->append = true;
	if (err == ERR_OK)
		err = read_state(g, error);
	if (err == ERR_OK && g->geom != NULL)
		err = read_extent(g, error);
	if (err == ERR_OK && g->geom != NULL)
		err = collect_boxes(g, error);
	if (err == ERR_OK && g->geom != NULL)
		err = gpkg_run(g, sqlite3_mprintf("DROP TABLE \"rtree_%w_%w\"", g->table, g->geom),
			       error);
	if (err == ERR_OK)
		err = drop_all(g, "trigger", "rtree_", error);
	if (err == ERR_OK)
		err = drop_all(g, "trigger", "trigger_", error);
	if (err == ERR_OK)
		err = drop_all(g, "index", "idx_", error);
	if (err == ERR_OK)
		err = prepare_insert(g, c, n, error);
	if (err != ERR_OK) {
		gpkg_abort(g);
		return err;
	}
	*ret = g;
	return ERR_OK;
}

void gpkg_null(struct gpkg *g, size_t col)
{
	sqlite3_bind_null(g->insert, g->base + (int)col);
}

void gpkg_int(struct gpkg *g, size_t col, int64_t v)
{
	sqlite3_bind_int64(g->insert, g->base + (int)col, v);
}

void gpkg_real(struct gpkg *g, size_t col, double v)
{
	sqlite3_bind_double(g->insert, g->base + (int)col, v);
}

void gpkg_text(struct gpkg *g, size_t col, const char *s, size_t len)
{
	sqlite3_bind_text64(g->insert, g->base + (int)col, s, len, SQLITE_STATIC, SQLITE_UTF8);
}

void gpkg_blob(struct gpkg *g, size_t col, const void *p, size_t len)
{
	sqlite3_bind_blob64(g->insert, g->base + (int)col, p, len, SQLITE_STATIC);
}

enum err gpkg_row(struct gpkg *g, struct error *error)
{
	int rc;

	sqlite3_bind_int64(g->insert, 1, ++g->row);
	rc = sqlite3_step(g->insert);
	if (rc != SQLITE_DONE) {
		enum err err = gpkg_error(g, "row", error);

		(void)sqlite3_reset(g->insert);
		return err;
	}
	(void)sqlite3_reset(g->insert);
	(void)sqlite3_clear_bindings(g->insert);
	g->count++;
	return g->geom == NULL ? ERR_OK : gpkg_geom_row(g, error);
}

void gpkg_abort(struct gpkg *g)
{
	if (g == NULL)
		return;
	sqlite3_finalize(g->insert);
	(void)sqlite3_close(g->db);
	(void)unlink(g->path);
	gpkg_free(g);
}

void gpkg_free(struct gpkg *g)
{
	rtree_free(g->tree);
	free(g->path);
	free(g->table);
	free(g->geom);
	free(g->fid);
	free(g->blob);
	free(g);
}
