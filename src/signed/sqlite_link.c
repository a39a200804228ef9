/*
 * A receiver's own SQLite file.  Source: contracts/signed-api.md 5.
 */
#include "signed/link.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "signed/plan.h"
#include "signed/sqlite_auth.h"

#define NAME_BYTES   200	/* of a receiver's name that is a file's as it stands */
#define OPEN_WAIT_MS 5000	/* for another process that recovers the file */
#define STEPS	     20000	/* of SQLite's machine between two looks at the clock */
#define LOG_BYTES    (64 * MIB) /* a longer WAL is cut after a large write */
#define MARK_BYTES   32
#define MARK_KEEP_MS (3 * 86400000LL) /* longer than any request may be repeated: 2 x window */

struct sqlite_link {
	struct link link;
	sqlite3 *db;
	enum sqlite_who who;
	dev_t dev; /* the file it opened: a restored one is another */
	ino_t ino;
};

static struct sqlite_link *mine(struct link *link)
{
	return (struct sqlite_link *)link;
}

static sqlite3_stmt *statement(struct prepared *prepared)
{
	return (sqlite3_stmt *)(void *)prepared;
}

/* ---- what SQLite says */

static bool constraint(struct fault *fault, sqlite3 *db, int rc)
{
	static const struct {
		int code;
		const char *why;
	} rows[] = {
	    {SQLITE_CONSTRAINT_NOTNULL, "a value is missing"},
	    {SQLITE_CONSTRAINT_UNIQUE, "already there"},
	    {SQLITE_CONSTRAINT_PRIMARYKEY, "already there"},
	    {SQLITE_CONSTRAINT_ROWID, "already there"},
	    {SQLITE_CONSTRAINT_FOREIGNKEY, "refers to a row that is not there"},
	    {SQLITE_CONSTRAINT_CHECK, "not allowed by the table's rules"},
	};
	const char *text = sqlite3_errmsg(db), *dot = strrchr(text, '.');
	const char *why = NULL;

	/* STRICT tables: the type is refused. */
	if (rc == SQLITE_CONSTRAINT_DATATYPE)
		return fault_set(fault, FAULT_VALUE, "not a valid value", "%d", rc);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == rc)
			why = rows[i].why;
	if (rc == SQLITE_CONSTRAINT_NOTNULL && dot != NULL)
		(void)snprintf(fault->column, sizeof(fault->column), "%s", dot + 1);
	return fault_set(fault, FAULT_CONSTRAINT, why, "%d: %s", rc, text);
}

/* The only place that knows SQLite's result codes. */
static bool sqlite_fault(struct sqlite_link *s, int rc, struct fault *fault)
{
	const char *text = s->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(s->db);
	int os = s->db == NULL ? 0 : sqlite3_system_errno(s->db);

	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		mem_die();
	case SQLITE_CONSTRAINT:
		return constraint(fault, s->db, rc);
	case SQLITE_MISMATCH:
		return fault_set(fault, FAULT_VALUE, "not an integer", "%d", rc);
	case SQLITE_TOOBIG:
		return fault_set(fault, FAULT_VALUE, "too long", "%d", rc);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fault_set(fault, FAULT_BUSY, NULL, "%d: %s", rc, text);
	case SQLITE_AUTH:
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return fault_set(fault, FAULT_PERMISSION, NULL, "%d: %s", rc, text);
	case SQLITE_FULL:
		return fault_set(fault, FAULT_SPACE, NULL, "%d: %s", rc, text);
	case SQLITE_INTERRUPT:
		return fault_set(fault, FAULT_OTHER, NULL, "timeout");
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		s->link.broken = true;
		return fault_set(fault, os == ENOSPC || os == EDQUOT ? FAULT_SPACE : FAULT_GONE,
				 NULL, "%d: %s (%s)", rc, text, strerror(os));
	default: /* not an enum */
		break;
	}
	/* A statement that names what is not there has no code of its own. */
	if (strncmp(text, "no such ", 8) == 0 || strstr(text, "has no column named") != NULL)
		return fault_set(fault, FAULT_MISSING, NULL, "%d: %s", rc, text);
	if (strncmp(text, "not authorized", 14) == 0 || strstr(text, "prohibited") != NULL ||
	    strstr(text, "may not be") != NULL)
		return fault_set(fault, FAULT_PERMISSION, NULL, "%d: %s", rc, text);
	return fault_set(fault, FAULT_OTHER, NULL, "%d: %s", rc, text);
}

/* ---- opening */

char *targets_file(const struct config *config, const struct receiver *receiver)
{
	const char *name = receiver->name;
	char hex[65];

	/* '~' is no letter of a name: nobody else's file is called so. */
	if (strlen(name) > NAME_BYTES) {
		token_sha256_hex(name, strlen(name), hex);
		return mem_printf("%s/tables/~%s.sqlite", config->data_dir, hex);
	}
	return mem_printf("%s/tables/%s%s.sqlite", config->data_dir, *name == '.' ? "~" : "", name);
}

static int look_at_clock(void *arg)
{
	const struct sqlite_link *s = arg;

	return clock_mono_ms() > s->link.deadline_ms;
}

static bool settings(struct sqlite_link *s, struct fault *fault)
{
	static const struct {
		int option, value;
	} options[] = {
	    {SQLITE_DBCONFIG_DEFENSIVE, 1},	  {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	    {SQLITE_DBCONFIG_ENABLE_FKEY, 1},	  {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	    {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}, {SQLITE_DBCONFIG_DQS_DML, 0},
	    {SQLITE_DBCONFIG_DQS_DDL, 0},
	};
	int64_t until = clock_mono_ms() + OPEN_WAIT_MS;
	char pragmas[160];
	int rc;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)sqlite3_db_config(s->db, options[i].option, options[i].value, NULL);
	(void)sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_busy_timeout(s->db, OPEN_WAIT_MS);
	(void)sqlite3_set_authorizer(s->db, sqlite_auth, &s->who);
	(void)snprintf(pragmas, sizeof(pragmas),
		       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
		       "PRAGMA journal_size_limit=%lld",
		       (long long)LOG_BYTES);
	/* Two that make the file at once: SQLite does not wait for a change to WAL. */
	while (((rc = sqlite3_exec(s->db, pragmas, NULL, NULL, NULL)) & 0xff) == SQLITE_BUSY &&
	       clock_mono_ms() < until)
		clock_sleep_ms(20);
	if (rc != SQLITE_OK)
		return sqlite_fault(s, rc, fault);
	sqlite3_progress_handler(s->db, STEPS, look_at_clock, s);
	return true;
}

static void sqlite_close(struct link *link)
{
	struct sqlite_link *s = mine(link);

	(void)sqlite3_close_v2(s->db);
	free(s);
}

static bool sqlite_open(const struct config *config, const struct receiver *receiver,
			const char *key, struct link **ret, struct fault *fault)
{
	CLEAN_FREE char *folder = mem_printf("%s/tables", config->data_dir);
	struct sqlite_link *s;
	struct error error = {0};
	struct stat st;
	int rc;

	(void)receiver;
	if (fs_mkdirs(AT_FDCWD, folder, &error) != ERR_OK)
		return fault_set(fault, error.err == ERR_NO_SPACE ? FAULT_SPACE : FAULT_GONE, NULL,
				 "%s", error.text);
	s = mem_alloc(sizeof(*s));
	s->link = (struct link){.kind = &sqlite_link_kind, .deadline_ms = INT64_MAX};
	rc = sqlite3_open_v2(key, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				 SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc != SQLITE_OK)
		(void)sqlite_fault(s, rc, fault);
	else if (settings(s, fault) && stat(key, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		s->who = SQLITE_OURS;
		*ret = &s->link;
		return true;
	}
	sqlite_close(&s->link);
	return fault_set(fault, FAULT_GONE, NULL, "the file vanished");
}

static bool sqlite_alive(struct link *link)
{
	struct stat st;

	return stat(link->key, &st) == 0 && st.st_dev == mine(link)->dev &&
	       st.st_ino == mine(link)->ino;
}

static bool sqlite_clean(struct link *link)
{
	/* Temporary tables of a configuration's statements end with the connection. */
	return !link->used_sql && sqlite3_get_autocommit(mine(link)->db);
}

/* ---- the table */

/* Source: sqlite.org/datatype3.html, 3.1, and the names of signed-api.md 4. */
static void type_of(struct column *column, const char *declared)
{
	static const struct {
		const char *part;
		enum column_type type;
	} parts[] = {
	    {"BOOL", TYPE_BOOLEAN},	   {"JSON", TYPE_JSON},	   {"DATETIME", TYPE_TIMESTAMP},
	    {"TIMESTAMP", TYPE_TIMESTAMP}, {"DATE", TYPE_DATE},	   {"INT", TYPE_INTEGER},
	    {"CHAR", TYPE_TEXT},	   {"CLOB", TYPE_TEXT},	   {"TEXT", TYPE_TEXT},
	    {"REAL", TYPE_REAL},	   {"FLOA", TYPE_REAL},	   {"DOUB", TYPE_REAL},
	    {"NUMERIC", TYPE_REAL},	   {"DECIMAL", TYPE_REAL},
	};

	column->type = TYPE_TEXT;
	column->plain = true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcasestr(declared, parts[i].part) != NULL) {
			column->type = parts[i].type;
			column->plain = column->type == TYPE_TEXT;
			column->strict = !column->plain;
			return;
		}
	}
}

static bool sqlite_describe(struct link *link, const struct receiver *receiver, struct table *ret,
			    struct fault *fault)
{
	struct sqlite_link *s = mine(link);
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_OK;

	*ret = (struct table){.name = plan_table_name(receiver)};
	if ((receiver->schema != NULL && strcasecmp(receiver->schema, "main") != 0) ||
	    strcasecmp(receiver->table, SQLITE_MARKS) == 0)
		return fault_set(fault, FAULT_MISSING, NULL, "no such table here");
	link->fresh = true;
	s->who = SQLITE_SETUP;
	rc = sqlite3_prepare_v2(s->db, "SELECT name, type, hidden FROM pragma_table_xinfo(?1)", -1,
				&stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, receiver->table, -1, SQLITE_STATIC);
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *type = (const char *)sqlite3_column_text(stmt, 1);
		struct column *column;

		ret->columns = mem_resize(ret->columns, ret->n + 1, sizeof(ret->columns[0]));
		column = &ret->columns[ret->n++];
		*column = (struct column){.name = mem_strdup(name),
					  .given = sqlite3_column_int(stmt, 2) != 0};
		type_of(column, type != NULL ? type : "");
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		(void)sqlite_fault(s, rc, fault);
	(void)sqlite3_finalize(stmt);
	s->who = SQLITE_OURS;
	return rc == SQLITE_DONE;
}

/* ---- statements */

static int bind(sqlite3_stmt *stmt, int n, const struct value *v)
{
	char digits[400];
	size_t len = v->len < sizeof(digits) ? v->len : sizeof(digits) - 1;

	switch (v->kind) {
	case VALUE_NULL:
		return sqlite3_bind_null(stmt, n);
	case VALUE_FALSE:
	case VALUE_TRUE:
		return sqlite3_bind_int(stmt, n, v->kind == VALUE_TRUE);
	case VALUE_INTEGER:
		return sqlite3_bind_int64(stmt, n, v->number);
	case VALUE_NUMBER:
		memcpy(digits, v->text, len);
		digits[len] = '\0';
		return sqlite3_bind_double(stmt, n, strtod(digits, NULL));
	case VALUE_TEXT:
	case VALUE_JSON:
		return sqlite3_bind_text64(stmt, n, v->text, v->len, SQLITE_STATIC, SQLITE_UTF8);
	}
	return SQLITE_MISUSE;
}

static bool sqlite_step(struct link *link, struct prepared *prepared, struct params params,
			int64_t *changed, struct fault *fault)
{
	struct sqlite_link *s = mine(link);
	sqlite3_stmt *stmt = statement(prepared);
	int64_t before = sqlite3_total_changes64(s->db);
	int rc = SQLITE_OK;

	for (size_t i = 0; i < params.n && rc == SQLITE_OK; i++)
		rc = bind(stmt, (int)i + 1, &params.values[i]);
	while (rc == SQLITE_OK || rc == SQLITE_ROW)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		(void)sqlite_fault(s, rc, fault);
	else if (changed != NULL)
		*changed = sqlite3_total_changes64(s->db) == before ? 0 : sqlite3_changes64(s->db);
	(void)sqlite3_reset(stmt);
	return rc == SQLITE_DONE;
}

static bool sqlite_prepare(struct link *link, const char *sql, size_t n_params, bool theirs,
			   struct prepared **ret, struct fault *fault)
{
	struct sqlite_link *s = mine(link);
	sqlite3_stmt *stmt = NULL;
	const char *tail = NULL;
	int rc;

	s->who = theirs ? SQLITE_THEIRS : SQLITE_OURS;
	rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, &tail);
	s->who = SQLITE_OURS;
	if (rc != SQLITE_OK)
		return sqlite_fault(s, rc, fault);
	if (stmt == NULL || tail[strspn(tail, " \t\r\n;")] != '\0' ||
	    sqlite3_bind_parameter_count(stmt) != (int)n_params) {
		(void)sqlite3_finalize(stmt);
		return fault_set(fault, FAULT_OTHER, NULL, "not one statement");
	}
	*ret = (struct prepared *)(void *)stmt;
	return true;
}

static void sqlite_finish(struct link *link, struct prepared *prepared)
{
	(void)link;
	(void)sqlite3_finalize(statement(prepared));
}

static bool sqlite_exec(struct link *link, const char *sql, struct params params, bool theirs,
			int64_t *changed, struct fault *fault)
{
	struct sqlite_link *s = mine(link);
	struct prepared *prepared = NULL;
	bool good;

	link->used_sql |= theirs;
	good = sqlite_prepare(link, sql, params.n, theirs, &prepared, fault);
	/* A statement may be prepared again while it runs, as the schema may have changed. */
	s->who = theirs ? SQLITE_THEIRS : SQLITE_OURS;
	good = good && sqlite_step(link, prepared, params, changed, fault);
	s->who = SQLITE_OURS;
	sqlite_finish(link, prepared);
	if (good && theirs && sqlite3_get_autocommit(s->db))
		return fault_set(fault, FAULT_OTHER, NULL, "the statement ended the transaction");
	return good;
}

static bool run(struct link *link, const char *sql, struct fault *fault)
{
	return sqlite_exec(link, sql, (struct params){0}, false, NULL, fault);
}

/* ---- transactions */

static bool sqlite_begin(struct link *link, const struct write_order *order, struct fault *fault)
{
	int64_t wait = order->lock_wait_ms < INT32_MAX ? order->lock_wait_ms : INT32_MAX;

	link->deadline_ms = INT64_MAX;
	(void)sqlite3_busy_timeout(mine(link)->db, (int)wait);
	return run(link, "BEGIN IMMEDIATE", fault);
}

static void sqlite_rollback(struct link *link)
{
	struct fault ignored = {0};

	link->deadline_ms = INT64_MAX;
	if (!sqlite3_get_autocommit(mine(link)->db) && !run(link, "ROLLBACK", &ignored))
		link->broken = true;
}

static bool put_mark(struct link *link, const unsigned char mark[MARK_BYTES], struct fault *fault)
{
	struct value values[2] = {{.kind = VALUE_INTEGER, .number = clock_now_ms() - MARK_KEEP_MS},
				  {.kind = VALUE_INTEGER, .number = clock_now_ms()}};
	struct prepared *insert = NULL;
	bool good;

	if (!run(link,
		 "CREATE TABLE IF NOT EXISTS " SQLITE_MARKS
		 " (mark BLOB PRIMARY KEY, at INTEGER NOT NULL)",
		 fault) ||
	    !run(link, "CREATE INDEX IF NOT EXISTS " SQLITE_MARKS "_at ON " SQLITE_MARKS " (at)",
		 fault) ||
	    !sqlite_exec(link, "DELETE FROM " SQLITE_MARKS " WHERE at < ?1",
			 (struct params){values, 1}, false, NULL, fault) ||
	    !sqlite_prepare(link, "INSERT OR REPLACE INTO " SQLITE_MARKS " VALUES (?2, ?1)", 2,
			    false, &insert, fault))
		return false;
	(void)sqlite3_bind_blob(statement(insert), 2, mark, MARK_BYTES, SQLITE_STATIC);
	good = sqlite_step(link, insert, (struct params){values + 1, 1}, NULL, fault);
	sqlite_finish(link, insert);
	return good;
}

static bool sqlite_commit(struct link *link, const struct write_order *order, struct fault *fault)
{
	int open = 0, most = 0;

	link->deadline_ms = INT64_MAX;
	if (order->dry_run) {
		(void)sqlite3_db_status(mine(link)->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &most,
					0);
		sqlite_rollback(link);
		return open == 0 || fault_set(fault, FAULT_CONSTRAINT, NULL, "deferred");
	}
	return (order->mark == NULL || put_mark(link, order->mark, fault)) &&
	       run(link, "COMMIT", fault);
}

static enum mark_state sqlite_outcome(struct link *link, const unsigned char mark[MARK_BYTES],
				      const char *kept)
{
	const struct write_order now = {.lock_wait_ms = OPEN_WAIT_MS};
	enum mark_state state = MARK_ROLLED_BACK;
	struct fault fault = {0};
	struct prepared *find = NULL;

	(void)kept;
	/* While another writer is at work it may be the one in question. */
	if (!sqlite_begin(link, &now, &fault))
		return MARK_UNKNOWN;
	if (sqlite_prepare(link, "SELECT 1 FROM " SQLITE_MARKS " WHERE mark = ?1", 1, false, &find,
			   &fault)) {
		int rc;

		(void)sqlite3_bind_blob(statement(find), 1, mark, MARK_BYTES, SQLITE_STATIC);
		rc = sqlite3_step(statement(find));
		state = rc == SQLITE_ROW    ? MARK_COMMITTED
			: rc == SQLITE_DONE ? MARK_ROLLED_BACK
					    : MARK_UNKNOWN;
		sqlite_finish(link, find);
	} else if (fault.kind != FAULT_MISSING) {
		state = MARK_UNKNOWN;
	}
	sqlite_rollback(link);
	return state;
}

/* ---- reading */

static struct value cell(sqlite3_stmt *stmt, int n)
{
	switch (sqlite3_column_type(stmt, n)) {
	case SQLITE_NULL:
		return (struct value){.kind = VALUE_NULL};
	case SQLITE_INTEGER:
		return (struct value){.kind = VALUE_INTEGER,
				      .number = sqlite3_column_int64(stmt, n),
				      .text = (const char *)sqlite3_column_text(stmt, n),
				      .len = (size_t)sqlite3_column_bytes(stmt, n)};
	case SQLITE_FLOAT:
		return (struct value){.kind = VALUE_NUMBER,
				      .text = (const char *)sqlite3_column_text(stmt, n),
				      .len = (size_t)sqlite3_column_bytes(stmt, n)};
	default: /* not an enum: text, and bytes as text */
		return (struct value){.kind = VALUE_TEXT,
				      .text = (const char *)sqlite3_column_text(stmt, n),
				      .len = (size_t)sqlite3_column_bytes(stmt, n)};
	}
}

static bool sqlite_read(struct link *link, const char *sql, const struct table *table,
			const struct table_reader *reader, struct fault *fault)
{
	struct sqlite_link *s = mine(link);
	struct prepared *prepared = NULL;
	CLEAN_FREE struct value *cells = mem_array(table->n, sizeof(cells[0]));
	bool good = true;
	int rc = SQLITE_ROW;

	link->deadline_ms = INT64_MAX;
	if (!sqlite_prepare(link, sql, 0, false, &prepared, fault))
		return false;
	while (good && (rc = sqlite3_step(statement(prepared))) == SQLITE_ROW) {
		for (size_t i = 0; i < table->n; i++)
			cells[i] = cell(statement(prepared), (int)i);
		good = reader->row(reader->arg, cells, table->n);
	}
	if (good && rc != SQLITE_DONE)
		good = sqlite_fault(s, rc, fault);
	sqlite_finish(link, prepared);
	return good;
}

const struct link_kind sqlite_link_kind = {
    .dialect = STATEMENT_SQLITE,
    .marker = '?',
    .open = sqlite_open,
    .alive = sqlite_alive,
    .close = sqlite_close,
    .clean = sqlite_clean,
    .describe = sqlite_describe,
    .begin = sqlite_begin,
    .exec = sqlite_exec,
    .prepare = sqlite_prepare,
    .step = sqlite_step,
    .finish = sqlite_finish,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .outcome = sqlite_outcome,
    .read = sqlite_read,
};
