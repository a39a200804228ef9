#include "geo/prescan.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/prescan_sql.h"

#define MAX_TABLES  1000
#define DEADLINE_MS 5000
#define GPKG_MAGIC  0x47504b47 /* "GPKG", OGC 12-128r18 1.1.1.1.1 */
#define GP10_MAGIC  0x47503130 /* "GP10", version 1.0 */
#define GP11_MAGIC  0x47503131

/* Functions a view may call: they neither make big values from small ones nor reach outside. */
static const char *const view_functions[] = {
    "abs",	"avg",	 "cast",	 "ceil",   "coalesce", "count",	 "date",
    "datetime", "floor", "group_concat", "ifnull", "iif",      "instr",	 "julianday",
    "length",	"like",	 "lower",	 "ltrim",  "max",      "min",	 "nullif",
    "rank",	"round", "row_number",	 "rtrim",  "strftime", "substr", "substring",
    "sum",	"time",	 "total",	 "trim",   "typeof",   "upper",	 NULL,
};

struct scan {
	sqlite3 *db;
	int64_t until;	     /* clock_mono_ms */
	const char *refused; /* by the authorizer: what */
	char **tables;	     /* names of the file's own tables and views */
	size_t n_tables;
	struct error *error;
	struct prescan_object *found;
};

static enum err refuse(struct scan *s, const char *what, const char *name)
{
	(void)error_set(s->error, ERR_BAD_REQUEST, "prescan: %s: %s", what,
			name != NULL ? name : "");
	return error_code(s->error, ERR_BAD_REQUEST,
			  clock_mono_ms() > s->until ? "inspect_timeout" : "format_unreadable");
}

static int on_progress(void *user)
{
	const struct scan *s = user;

	return clock_mono_ms() > s->until;
}

/* Reading a view tells all it would do: functions, recursion, tables that are not in the schema. */
static int on_authorize(void *user, int action, const char *a, const char *b, const char *db,
			const char *view)
{
	struct scan *s = user;

	(void)db;
	(void)view;
	switch (action) {
	case SQLITE_SELECT:
		return SQLITE_OK;
	case SQLITE_READ:
		/* Table-valued functions and pragma tables are no part of the file. */
		for (size_t i = 0; a != NULL && i < s->n_tables; i++)
			if (sqlite3_stricmp(a, s->tables[i]) == 0)
				return SQLITE_OK;
		break;
	case SQLITE_FUNCTION:
		for (size_t i = 0; b != NULL && view_functions[i] != NULL; i++)
			if (sqlite3_stricmp(b, view_functions[i]) == 0)
				return SQLITE_OK;
		break;
	default:
		break;
	}
	s->refused = "a view does more than read";
	return SQLITE_DENY;
}

static enum err open_db(struct scan *s, const char *path)
{
	CLEAN_FREE char *escaped = NULL;
	CLEAN_FREE char *uri = NULL;
	static const int limits[][2] = {
	    {SQLITE_LIMIT_LENGTH, 16 << 20},
	    {SQLITE_LIMIT_SQL_LENGTH, 1 << 20},
	    {SQLITE_LIMIT_COLUMN, 2000},
	    {SQLITE_LIMIT_EXPR_DEPTH, 100},
	    {SQLITE_LIMIT_COMPOUND_SELECT, 20},
	    {SQLITE_LIMIT_VDBE_OP, 250000},
	    {SQLITE_LIMIT_FUNCTION_ARG, 100},
	    {SQLITE_LIMIT_ATTACHED, 0},
	    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
	    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
	    {SQLITE_LIMIT_WORKER_THREADS, 0},
	};
	size_t n = 0;

	/* Our own paths hold no character a URI minds but perhaps the job directory's. */
	escaped = mem_array(3 * strlen(path) + 1, 1);
	for (const char *p = path; *p != '\0'; p++)
		n += (size_t)snprintf(escaped + n, 4, strchr("%?#", *p) != NULL ? "%%%02x" : "%c",
				      *p);
	uri = mem_printf("file:%s?immutable=1", escaped);
	if (sqlite3_open_v2(uri, &s->db,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
				SQLITE_OPEN_PRIVATECACHE,
			    NULL) != SQLITE_OK)
		return refuse(s, "open", sqlite3_errmsg(s->db));
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		(void)sqlite3_limit(s->db, limits[i][0], limits[i][1]);
	sqlite3_progress_handler(s->db, 1000, on_progress, s);
	if (sqlite3_exec(s->db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0", NULL, NULL,
			 NULL) != SQLITE_OK)
		return refuse(s, "settings", sqlite3_errmsg(s->db));
	return ERR_OK;
}

/* First column of the first row of SQL, -1 when it cannot be had. */
static int64_t scalar(struct scan *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return v;
}

static enum err check_identity(struct scan *s)
{
	int64_t id = scalar(s, "PRAGMA application_id");
	int64_t tables =
	    scalar(s, "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view')");

	if (id < 0 || tables < 0)
		return refuse(s, "schema", sqlite3_errmsg(s->db));
	if ((id != GPKG_MAGIC && id != GP10_MAGIC && id != GP11_MAGIC) ||
	    scalar(s, "SELECT count(*) FROM sqlite_master WHERE name = 'gpkg_contents'") != 1) {
		(void)refuse(s, "no GeoPackage", NULL);
		return error_code(s->error, ERR_BAD_REQUEST, "content_mismatch");
	}
	return tables > MAX_TABLES ? refuse(s, "more than 1000 tables", NULL) : ERR_OK;
}

static enum err list_tables(struct scan *s)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_ERROR;

	s->tables = mem_array(MAX_TABLES, sizeof(*s->tables));
	if (sqlite3_prepare_v2(s->db,
			       "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')", -1,
			       &st, NULL) == SQLITE_OK)
		while ((step = sqlite3_step(st)) == SQLITE_ROW && s->n_tables < MAX_TABLES)
			if (sqlite3_column_text(st, 0) != NULL)
				s->tables[s->n_tables++] =
				    mem_strdup((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	return step == SQLITE_DONE ? ERR_OK : refuse(s, "schema", sqlite3_errmsg(s->db));
}

static enum err check_view(struct scan *s, const char *name)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
	sqlite3_stmt *st = NULL;
	int e;

	if (sql == NULL)
		mem_die();
	s->refused = NULL;
	(void)sqlite3_set_authorizer(s->db, on_authorize, s);
	e = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	(void)sqlite3_set_authorizer(s->db, NULL, NULL);
	(void)sqlite3_finalize(st);
	sqlite3_free(sql);
	if (e == SQLITE_OK)
		return ERR_OK;
	return refuse(s, s->refused != NULL ? s->refused : sqlite3_errmsg(s->db), name);
}

/* Generated columns are computed with every row read. */
static enum err check_table(struct scan *s, const char *name, const char *sql)
{
	sqlite3_stmt *st = NULL;
	bool generated = false;

	if (prescan_is_virtual(sql))
		return prescan_is_rtree(sql) ? ERR_OK : refuse(s, "virtual table", name);
	if (sqlite3_prepare_v2(s->db, "SELECT hidden FROM pragma_table_xinfo(?1)", -1, &st, NULL) !=
	    SQLITE_OK)
		return refuse(s, sqlite3_errmsg(s->db), name);
	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	while (sqlite3_step(st) == SQLITE_ROW)
		generated = generated || sqlite3_column_int(st, 0) >= 2;
	(void)sqlite3_finalize(st);
	if (generated && prescan_calls_other(sql, view_functions))
		return refuse(s, "generated column", name);
	return ERR_OK;
}

static enum err check_row(struct scan *s, const char *type, const char *name, const char *sql)
{
	if (sql == NULL) /* an index SQLite made by itself */
		return strcmp(type, "index") == 0 ? ERR_OK : refuse(s, "no definition", name);
	if (strcmp(type, "table") == 0)
		return check_table(s, name, sql);
	if (strcmp(type, "view") == 0)
		return check_view(s, name);
	if (strcmp(type, "trigger") == 0)
		return prescan_is_gpkg_trigger(sql) ? ERR_OK : refuse(s, "trigger", name);
	if (strcmp(type, "index") == 0)
		return prescan_calls_other(sql, view_functions) ? refuse(s, "index", name) : ERR_OK;
	return refuse(s, "unknown object", name);
}

/* Name the object that is refused. */
static void take_object(struct scan *s, const char *type, const char *name)
{
	static const char *const types[] = {"trigger", "view", "table", "index"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			s->found->type = types[i];
	(void)snprintf(s->found->name, sizeof(s->found->name), "%.*s",
		       (int)text_cut(name, strlen(name), sizeof(s->found->name) - 1), name);
}

enum err prescan_gpkg(const char *path, struct prescan_object *ret, struct error *error)
{
	struct scan s = {.until = clock_mono_ms() + DEADLINE_MS, .error = error, .found = ret};
	sqlite3_stmt *st = NULL;
	enum err e;
	int step = SQLITE_DONE;

	*ret = (struct prescan_object){0};
	e = open_db(&s, path);
	if (e == ERR_OK)
		e = check_identity(&s);
	if (e == ERR_OK)
		e = list_tables(&s);
	if (e == ERR_OK && sqlite3_prepare_v2(s.db, "SELECT type, name, sql FROM sqlite_master", -1,
					      &st, NULL) != SQLITE_OK)
		e = refuse(&s, "schema", sqlite3_errmsg(s.db));
	while (e == ERR_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *type = (const char *)sqlite3_column_text(st, 0);
		const char *name = (const char *)sqlite3_column_text(st, 1);

		e = type == NULL || name == NULL
			? refuse(&s, "schema", NULL)
			: check_row(&s, type, name, (const char *)sqlite3_column_text(st, 2));
		if (e != ERR_OK && type != NULL && name != NULL)
			take_object(&s, type, name);
	}
	if (e == ERR_OK && step != SQLITE_DONE)
		e = refuse(&s, "schema", sqlite3_errmsg(s.db));
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(s.db);
	for (size_t i = 0; i < s.n_tables; i++)
		free(s.tables[i]);
	free(s.tables);
	return e;
}
