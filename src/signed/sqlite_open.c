/*
 * Opening a receiver's own SQLite file, and what it says.  Source: contracts/signed-api.md 5.
 */
#include "signed/sqlite_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "signed/plan.h"

#define NAME_BYTES 200	      /* of a receiver's name that is a file's as it stands */
#define STEPS	   20000      /* of SQLite's machine between two looks at the clock */
#define NAP_NS	   250000L    /* the first wait for another process; the twentieth is the longest */
#define LOG_BYTES  (64 * MIB) /* a longer WAL is cut after a large write */

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
	if (dot != NULL && (rc == SQLITE_CONSTRAINT_NOTNULL || rc == SQLITE_CONSTRAINT_DATATYPE))
		(void)snprintf(fault->column, sizeof(fault->column), "%s", dot + 1);
	if (rc == SQLITE_CONSTRAINT_DATATYPE)
		return fault_set(fault, FAULT_VALUE, "not a valid value", "%d", rc);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == rc)
			why = rows[i].why;
	return fault_set(fault, FAULT_CONSTRAINT, why, "%d: %s", rc, text);
}

bool sqlite_fault(struct sqlite_link *s, int rc, struct fault *fault)
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

/* SQLite's own naps are as long as several small writes. */
static int nap(void *arg, int times)
{
	const struct sqlite_link *s = arg;
	struct timespec t = {.tv_nsec = (times < 20 ? times + 1 : 20) * NAP_NS};

	if (clock_mono_ms() >= s->busy_until_ms)
		return 0;
	(void)nanosleep(&t, NULL);
	return 1;
}

void sqlite_wait(struct sqlite_link *s, int64_t wait_ms)
{
	int64_t now = clock_mono_ms();

	s->busy_until_ms = wait_ms < INT64_MAX - now ? now + wait_ms : INT64_MAX;
	(void)sqlite3_busy_handler(s->db, nap, s);
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
	int64_t until = clock_mono_ms() + SQLITE_OPEN_WAIT_MS;
	char pragmas[160];
	int rc;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)sqlite3_db_config(s->db, options[i].option, options[i].value, NULL);
	(void)sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_busy_timeout(s->db, SQLITE_OPEN_WAIT_MS);
	(void)sqlite3_set_authorizer(s->db, sqlite_auth, &s->who);
	(void)snprintf(pragmas, sizeof(pragmas),
		       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
		       "PRAGMA journal_size_limit=%lld",
		       (long long)LOG_BYTES);
	/* Two that make the file at once: SQLite does not wait for a change to WAL. */
	while (((rc = sqlite3_exec(s->db, pragmas, NULL, NULL, NULL)) & 0xff) == SQLITE_BUSY &&
	       clock_mono_ms() < until)
		clock_sleep_ms(20);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(s->db, "PRAGMA schema_version", -1, &s->version, NULL);
	if (rc != SQLITE_OK)
		return sqlite_fault(s, rc, fault);
	sqlite3_progress_handler(s->db, STEPS, look_at_clock, s);
	return true;
}

void sqlite_close(struct link *link)
{
	struct sqlite_link *s = sqlite_mine(link);

	for (size_t i = 0; i < SQLITE_KEPT; i++) {
		(void)sqlite3_finalize(s->kept[i].stmt);
		free(s->kept[i].sql);
	}
	(void)sqlite3_finalize(s->version);
	(void)sqlite3_close_v2(s->db);
	table_done(&s->known);
	free(s);
}

/*
 * SQLite opens what it cannot open for writing for reading, whatever the reason: for want of a
 * descriptor, say, and it would stay so for as long as this process keeps it.
 */
static bool writable(const struct sqlite_link *s, const char *path, struct fault *fault)
{
	if (sqlite3_db_readonly(s->db, "main") != 1 || (access(path, W_OK) != 0 && errno == EACCES))
		return true;
	return fault_set(fault, FAULT_GONE, NULL, "could not be opened for writing");
}

bool sqlite_open(const struct config *config, const struct receiver *receiver, const char *key,
		 struct link **ret, struct fault *fault)
{
	CLEAN_FREE char *folder = mem_printf("%s/tables", config->data_dir);
	CLEAN_FREE char *real = NULL;
	CLEAN_FREE char *path = NULL;
	struct sqlite_link *s;
	struct error error = {0};
	struct stat st;
	int rc;

	(void)receiver;
	if (fs_mkdirs(AT_FDCWD, folder, &error) != ERR_OK)
		return fault_set(fault, error.err == ERR_NO_SPACE ? FAULT_SPACE : FAULT_GONE, NULL,
				 "%s", error.text);
	/* The data directory may be reached by a link; the file itself must be none. */
	real = realpath(folder, NULL);
	path = mem_printf("%s%s", real != NULL ? real : folder, key + strlen(folder));
	s = mem_alloc(sizeof(*s));
	s->link = (struct link){.kind = &sqlite_link_kind, .deadline_ms = INT64_MAX};
	rc = sqlite3_open_v2(path, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				 SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (rc != SQLITE_OK)
		(void)sqlite_fault(s, rc, fault);
	else if (writable(s, path, fault) && settings(s, fault) && stat(path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		s->who = SQLITE_OURS;
		*ret = &s->link;
		return true;
	}
	sqlite_close(&s->link);
	return fault_set(fault, FAULT_GONE, NULL, "the file vanished");
}

bool sqlite_alive(struct link *link)
{
	struct stat st;

	return stat(link->key, &st) == 0 && st.st_dev == sqlite_mine(link)->dev &&
	       st.st_ino == sqlite_mine(link)->ino;
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
	column->plain = column->strict = true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcasestr(declared, parts[i].part) != NULL) {
			column->type = parts[i].type;
			column->plain = column->type == TYPE_TEXT;
			return;
		}
	}
}

/* The schema's number, which every change of it counts up; -1 when it cannot be read. */
static int64_t schema_version(struct sqlite_link *s)
{
	int64_t version = -1;

	s->who = SQLITE_SETUP;
	if (sqlite3_step(s->version) == SQLITE_ROW)
		version = sqlite3_column_int64(s->version, 0);
	(void)sqlite3_reset(s->version);
	s->who = SQLITE_OURS;
	return version;
}

static bool read_columns(struct sqlite_link *s, const char *table, struct table *ret,
			 struct fault *fault)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	s->who = SQLITE_SETUP;
	rc = sqlite3_prepare_v2(s->db,
				"SELECT name, type, hidden, EXISTS (SELECT 1 FROM sqlite_schema"
				" WHERE type = 'view' AND name = ?1 COLLATE NOCASE)"
				" FROM pragma_table_xinfo(?1)",
				-1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *type = (const char *)sqlite3_column_text(stmt, 1);
		struct column *column;

		ret->columns = mem_resize(ret->columns, ret->n + 1, sizeof(ret->columns[0]));
		column = &ret->columns[ret->n++];
		*column = (struct column){.name = mem_strdup(name),
					  .given = sqlite3_column_int(stmt, 2) != 0};
		type_of(column, type != NULL ? type : "");
		ret->view = sqlite3_column_int(stmt, 3) != 0;
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		(void)sqlite_fault(s, rc, fault);
	(void)sqlite3_finalize(stmt);
	s->who = SQLITE_OURS;
	return rc == SQLITE_DONE;
}

bool sqlite_describe(struct link *link, const struct receiver *receiver, struct table *ret,
		     struct fault *fault)
{
	struct sqlite_link *s = sqlite_mine(link);
	int64_t version = schema_version(s);

	*ret = (struct table){.name = plan_table_name(receiver)};
	link->fresh = true;
	if ((receiver->schema != NULL && strcasecmp(receiver->schema, "main") != 0) ||
	    strcasecmp(receiver->table, SQLITE_MARKS) == 0)
		return fault_set(fault, FAULT_MISSING, NULL, "no such table here");
	if (s->known.n > 0 && version >= 0 && version == s->known_version &&
	    strcmp(s->known.name, ret->name) == 0) {
		table_done(ret);
		table_copy(ret, &s->known);
		return true;
	}
	if (!read_columns(s, receiver->table, ret, fault))
		return false;
	table_done(&s->known);
	table_copy(&s->known, ret);
	s->known_version = version;
	return true;
}
