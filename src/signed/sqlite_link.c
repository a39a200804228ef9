/*
 * Statements and transactions on a receiver's own SQLite file.
 */
#include "signed/sqlite_inside.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "signed/cells.h"

#define MARK_BYTES   32
#define MARK_KEEP_MS (3 * 86400000LL) /* longer than any request may be repeated: 2 x window */

static sqlite3_stmt *statement(struct prepared *prepared)
{
	return (sqlite3_stmt *)(void *)prepared;
}

/* ---- statements */

static int bind(sqlite3_stmt *stmt, int n, const struct value *v)
{
	char digits[CELLS_NUMBER_MAX + 1];
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
	struct sqlite_link *s = sqlite_mine(link);
	sqlite3_stmt *stmt = statement(prepared);
	int64_t before = sqlite3_total_changes64(s->db), returned = 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < params.n && rc == SQLITE_OK; i++)
		rc = bind(stmt, (int)i + 1, &params.values[i]);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		returned += rc == SQLITE_ROW;
	}
	if (rc != SQLITE_DONE)
		(void)sqlite_fault(s, rc, fault);
	else if (changed != NULL && sqlite3_column_count(stmt) > 0)
		*changed = returned;
	else if (changed != NULL)
		*changed = sqlite3_total_changes64(s->db) == before ? 0 : sqlite3_changes64(s->db);
	(void)sqlite3_reset(stmt);
	return rc == SQLITE_DONE;
}

static sqlite3_stmt *take_kept(struct sqlite_link *s, const char *sql)
{
	for (size_t i = 0; i < SQLITE_KEPT; i++) {
		if (s->kept[i].sql == NULL || s->kept[i].busy || strcmp(s->kept[i].sql, sql) != 0)
			continue;
		s->kept[i].busy = true;
		return s->kept[i].stmt;
	}
	return NULL;
}

/* Only statements of our own are kept: they run again under the same rules. */
static void keep(struct sqlite_link *s, const char *sql, sqlite3_stmt *stmt)
{
	size_t place = s->next_kept;

	for (size_t i = 0; i < SQLITE_KEPT && s->kept[place].busy; i++)
		place = (place + 1) % SQLITE_KEPT;
	if (s->kept[place].busy)
		return;
	(void)sqlite3_finalize(s->kept[place].stmt);
	free(s->kept[place].sql);
	s->kept[place].sql = mem_strdup(sql);
	s->kept[place].stmt = stmt;
	s->kept[place].busy = true;
	s->next_kept = (place + 1) % SQLITE_KEPT;
}

/* What stands before LINK_COUNTED; 0: SQL does not end with it. */
static size_t uncounted(const char *sql)
{
	size_t len = strlen(sql), behind = sizeof(LINK_COUNTED) - 1;

	return len > behind && strcmp(sql + len - behind, LINK_COUNTED) == 0 ? len - behind : 0;
}

/*
 * RETURNING hides that a view has no trigger for a statement, which would do nothing, also when
 * the trigger goes later: these are looked at each time, and not kept.
 */
static int look_at_view(struct sqlite_link *s, const char *sql)
{
	size_t len = uncounted(sql);
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_OK;

	if (len > 0)
		rc = sqlite3_prepare_v2(s->db, sql, (int)len, &stmt, NULL);
	(void)sqlite3_finalize(stmt);
	return rc;
}

static bool sqlite_prepare(struct link *link, const char *sql, size_t n_params, bool theirs,
			   struct prepared **ret, struct fault *fault)
{
	struct sqlite_link *s = sqlite_mine(link);
	sqlite3_stmt *stmt = theirs ? NULL : take_kept(s, sql);
	const char *tail = NULL;
	int rc;

	if (stmt == NULL) {
		s->who = theirs ? SQLITE_THEIRS : SQLITE_OURS;
		rc = theirs ? SQLITE_OK : look_at_view(s, sql);
		if (rc == SQLITE_OK)
			rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, &tail);
		s->who = SQLITE_OURS;
		if (rc != SQLITE_OK)
			return sqlite_fault(s, rc, fault);
		if (stmt == NULL || tail[strspn(tail, " \t\r\n;")] != '\0' ||
		    sqlite3_bind_parameter_count(stmt) != (int)n_params) {
			(void)sqlite3_finalize(stmt);
			return fault_set(fault, FAULT_OTHER, NULL, "not one statement");
		}
		if (!theirs && uncounted(sql) == 0)
			keep(s, sql, stmt);
	}
	*ret = (struct prepared *)(void *)stmt;
	return true;
}

static void sqlite_finish(struct link *link, struct prepared *prepared)
{
	struct sqlite_link *s = sqlite_mine(link);

	for (size_t i = 0; i < SQLITE_KEPT; i++) {
		if (prepared == NULL || s->kept[i].stmt != statement(prepared))
			continue;
		(void)sqlite3_reset(s->kept[i].stmt);
		(void)sqlite3_clear_bindings(s->kept[i].stmt);
		s->kept[i].busy = false;
		return;
	}
	(void)sqlite3_finalize(statement(prepared));
}

static bool sqlite_exec(struct link *link, const char *sql, struct params params, bool theirs,
			int64_t *changed, struct fault *fault)
{
	struct sqlite_link *s = sqlite_mine(link);
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

static bool sqlite_clean(struct link *link)
{
	/* Temporary tables of a configuration's statements end with the connection. */
	return !link->used_sql && sqlite3_get_autocommit(sqlite_mine(link)->db);
}

static bool sqlite_begin(struct link *link, const struct write_order *order, struct fault *fault)
{
	link->deadline_ms = INT64_MAX;
	sqlite_wait(sqlite_mine(link), order->lock_wait_ms);
	return run(link, "BEGIN IMMEDIATE", fault);
}

static void sqlite_rollback(struct link *link)
{
	struct fault ignored = {0};

	link->deadline_ms = INT64_MAX;
	if (!sqlite3_get_autocommit(sqlite_mine(link)->db) && !run(link, "ROLLBACK", &ignored))
		link->broken = true;
}

static bool insert_mark(struct link *link, const unsigned char mark[MARK_BYTES], int64_t now,
			struct fault *fault)
{
	const struct value at = {.kind = VALUE_INTEGER, .number = now};
	struct prepared *insert = NULL;
	bool good = sqlite_prepare(link, "INSERT OR REPLACE INTO " SQLITE_MARKS " VALUES (?1, ?2)",
				   2, false, &insert, fault);

	if (good)
		(void)sqlite3_bind_blob(statement(insert), 2, mark, MARK_BYTES, SQLITE_STATIC);
	good = good && sqlite_step(link, insert, (struct params){&at, 1}, NULL, fault);
	sqlite_finish(link, insert);
	return good;
}

/*
 * Marks stand in the order of time, so that each one costs no more than the end of a table; they
 * are looked for so rarely that reading them all will do.
 */
static bool put_mark(struct link *link, const unsigned char mark[MARK_BYTES], struct fault *fault)
{
	int64_t now = clock_now_ms();
	const struct value old = {.kind = VALUE_INTEGER, .number = now - MARK_KEEP_MS};
	struct fault first = {0};

	/* A kept statement may remember a table whose making was rolled back. */
	if (!insert_mark(link, mark, now, &first) &&
	    (first.kind != FAULT_MISSING ||
	     !run(link,
		  "CREATE TABLE IF NOT EXISTS " SQLITE_MARKS " (at INTEGER NOT NULL, mark BLOB NOT "
		  "NULL, PRIMARY KEY (at, mark)) WITHOUT ROWID",
		  fault) ||
	     !insert_mark(link, mark, now, fault)))
		return fault_set(fault, first.kind, first.why, "%s", first.text);
	return sqlite_exec(link, "DELETE FROM " SQLITE_MARKS " WHERE at < ?1",
			   (struct params){&old, 1}, false, NULL, fault);
}

/* Constraints that are only checked at COMMIT, and are broken now: COMMIT would refuse. */
static bool deferred_ok(struct link *link, struct fault *fault)
{
	int open = 0, most = 0;

	(void)sqlite3_db_status(sqlite_mine(link)->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &most,
				0);
	return open == 0 || fault_set(fault, FAULT_CONSTRAINT, NULL, "deferred");
}

static bool sqlite_commit(struct link *link, const struct write_order *order, struct fault *fault)
{
	link->deadline_ms = INT64_MAX;
	if (order->dry_run) {
		bool good = deferred_ok(link, fault);

		sqlite_rollback(link);
		return good;
	}
	return (order->mark == NULL || put_mark(link, order->mark, fault)) &&
	       run(link, "COMMIT", fault);
}

/* ---- parts of a shared transaction */

#define PART "slipway_part"

static bool sqlite_part_begin(struct link *link, struct fault *fault)
{
	return run(link, "SAVEPOINT " PART, fault);
}

static bool sqlite_part_end(struct link *link, const struct write_order *order, struct fault *fault)
{
	link->deadline_ms = INT64_MAX;
	return deferred_ok(link, fault) && put_mark(link, order->mark, fault) &&
	       run(link, "RELEASE " PART, fault);
}

static bool sqlite_part_undo(struct link *link)
{
	struct fault ignored = {0};

	link->deadline_ms = INT64_MAX;
	/* Some errors make SQLite roll back everything by itself. */
	return !sqlite3_get_autocommit(sqlite_mine(link)->db) &&
	       run(link, "ROLLBACK TO " PART, &ignored) && run(link, "RELEASE " PART, &ignored);
}

static enum mark_state sqlite_outcome(struct link *link, const unsigned char mark[MARK_BYTES],
				      const char *kept)
{
	const struct write_order now = {.lock_wait_ms = SQLITE_OPEN_WAIT_MS};
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
	struct sqlite_link *s = sqlite_mine(link);
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
    .part_begin = sqlite_part_begin,
    .part_end = sqlite_part_end,
    .part_undo = sqlite_part_undo,
    .outcome = sqlite_outcome,
    .read = sqlite_read,
};
