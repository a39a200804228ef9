/*
 * Statements and transactions on a PostgreSQL target.
 */
#include "signed/pg_inside.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define FETCH_ROWS  2000 /* of a table that is read, at most; of long rows fewer */
#define FETCH_LESS  50	 /* until it is known how long they are */
#define FETCH_BYTES (4 * 1024 * 1024)
#define OUTCOME_MS  5000 /* for a transaction that is about to end */
#define LIMIT_MS    250	 /* a limit this old is told the server anew */
#define XACT_TEXT   "select txid_current()"

/* ---- statements */

bool pg_limit(struct pg_link *p, struct fault *fault)
{
	int64_t now = clock_mono_ms(), left = p->link.deadline_ms - now;
	char sql[64];

	if (now - p->limited_ms < LIMIT_MS ||
	    p->pq->PQtransactionStatus(p->conn) != PQTRANS_INTRANS)
		return true;
	if (left <= 0)
		return fault_set(fault, FAULT_OTHER, NULL, "timeout");
	p->limited_ms = now;
	(void)snprintf(sql, sizeof(sql), "SET LOCAL statement_timeout = %lld", (long long)left);
	return pg_run(p, sql, NULL, fault);
}

/* Parameters as texts that end in NUL. */
static void set_values(struct pg_link *p, struct params params)
{
	size_t size = 0, at = 0;

	for (size_t i = 0; i < params.n; i++)
		size += params.values[i].len + 32;
	if (size > p->text_size) {
		p->text = mem_resize(p->text, size, 1);
		p->text_size = size;
	}
	if (params.n > p->n_values) {
		p->values = mem_resize(p->values, params.n, sizeof(p->values[0]));
		p->n_values = params.n;
	}
	for (size_t i = 0; i < params.n; i++) {
		char digits[32];
		size_t len;
		const char *text = pg_text(&params.values[i], digits, &len);

		p->values[i] = NULL;
		if (text == NULL)
			continue;
		p->values[i] = memcpy(p->text + at, text, len);
		p->text[at + len] = '\0';
		at += len + 1;
	}
}

struct prepared {
	char *sql;
};

static void pg_finish(struct link *link, struct prepared *prepared)
{
	struct pg_link *p = pg_mine(link);

	if (p->parsed == prepared)
		p->parsed = NULL;
	if (prepared != NULL)
		free(prepared->sql);
	free(prepared);
}

/*
 * As the statement without a name: a pool that hands a session on after each transaction
 * (PgBouncer) would find one with a name in another session, or there already.
 */
static bool pg_prepare(struct link *link, const char *sql, size_t n_params, bool theirs,
		       struct prepared **ret, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	struct prepared *prepared = mem_alloc(sizeof(*prepared));

	(void)n_params;
	(void)theirs;
	prepared->sql = mem_strdup(sql);
	p->parsed = NULL;
	if (!pg_limit(p, fault) || !pg_good(p, pg_parse(p, sql), PGRES_COMMAND_OK, NULL, fault)) {
		pg_finish(link, prepared);
		return false;
	}
	p->parsed = *ret = prepared;
	return true;
}

static bool pg_step(struct link *link, struct prepared *prepared, struct params params,
		    int64_t *changed, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	PGresult *result;
	bool good;

	if (!pg_limit(p, fault))
		return false;
	set_values(p, params);
	/* Another one took its place: it is parsed on the way. */
	if (p->parsed == prepared)
		result = pg_ask_parsed(p, params.n, p->values);
	else
		result = pg_ask_with(p, prepared->sql, params.n, p->values);
	p->parsed = prepared;
	good = pg_good(p, result, PGRES_COMMAND_OK, changed, fault);
	if (!good)
		p->parsed = NULL;
	return good;
}

/* What a statement of a configuration must not have been, whatever it was written like. */
static bool ends_transaction(const char *tag)
{
	static const char *const tags[] = {"BEGIN",	"COMMIT",  "ROLLBACK", "START",
					   "SAVEPOINT", "RELEASE", "PREPARE",  "LOAD"};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (text_starts(tag, tags[i]))
			return true;
	return false;
}

static bool pg_exec(struct link *link, const char *sql, struct params params, bool theirs,
		    int64_t *changed, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	PGresult *result;
	bool ended;

	if (!pg_limit(p, fault))
		return false;
	set_values(p, params);
	p->parsed = NULL;
	/* The extended protocol takes one statement only. */
	result = pg_ask_with(p, sql, params.n, p->values);
	ended = theirs && ends_transaction(p->pq->PQcmdStatus(result));
	link->used_sql |= theirs;
	if (!pg_good(p, result, PGRES_COMMAND_OK, changed, fault))
		return false;
	if (!theirs || (!ended && p->pq->PQtransactionStatus(p->conn) == PQTRANS_INTRANS))
		return true;
	link->broken = true;
	return fault_set(fault, FAULT_OTHER, NULL, "the statement ended the transaction");
}

/* ---- transactions */

static int64_t lock_of(const struct receiver *receiver)
{
	CLEAN_FREE char *name = mem_printf("slipway receiver %s", receiver->name);
	char hex[65];

	token_sha256_hex(name, strlen(name), hex);
	hex[16] = '\0';
	return (int64_t)strtoull(hex, NULL, 16);
}

static bool begin_now(struct pg_link *p, const struct write_order *order, struct fault *fault)
{
	const struct receiver *receiver = order->receiver;
	int64_t wait = order->lock_wait_ms > 0 ? order->lock_wait_ms : 1;
	char sql[768];
	PGresult *result;

	/* Who waited for the lock has to see what the one before has written. */
	(void)snprintf(sql, sizeof(sql),
		       "BEGIN ISOLATION LEVEL READ COMMITTED;" PG_SETTINGS
		       "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = %lld;"
		       "SELECT pg_advisory_xact_lock(%lld); SET LOCAL lock_timeout = 0;"
		       "SET LOCAL statement_timeout = %lld; " XACT_TEXT,
		       (long long)wait, (long long)lock_of(receiver),
		       (long long)receiver->timeout_s * 1000);
	result = pg_ask(p, sql);
	if (p->pq->PQresultStatus(result) != PGRES_TUPLES_OK)
		return pg_good(p, result, PGRES_TUPLES_OK, NULL, fault);
	(void)snprintf(p->xact, sizeof(p->xact), "%.20s", p->pq->PQgetvalue(result, 0, 0));
	p->pq->PQclear(result);
	p->limited_ms = clock_mono_ms();
	return true;
}

static bool pg_begin(struct link *link, const struct write_order *order, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	const struct config_target *target = config_target_find(p->config, order->receiver->target);
	struct fault first = {0};

	link->deadline_ms = clock_mono_ms() + order->lock_wait_ms;
	if (begin_now(p, order, &first))
		return true;
	if (first.kind != FAULT_GONE || target == NULL) {
		*fault = first;
		return false;
	}
	/* The server was started again since: nothing has been sent that counts. */
	p->pq->PQfinish(p->conn);
	p->conn = NULL;
	link->broken = false;
	link->deadline_ms = clock_mono_ms() + order->lock_wait_ms;
	if (pg_connect(p, target, fault) && begin_now(p, order, fault))
		return true;
	link->broken = true;
	return false;
}

static void pg_rollback(struct link *link)
{
	struct pg_link *p = pg_mine(link);
	struct fault ignored = {0};

	if (link->broken || p->pq->PQtransactionStatus(p->conn) == PQTRANS_IDLE)
		return;
	if (!pg_run(p, "ROLLBACK", NULL, &ignored))
		link->broken = true;
}

static enum mark_state ask_outcome(struct pg_link *p, const char *xact)
{
	const char *const values[] = {xact};
	enum mark_state state = MARK_UNKNOWN;
	int64_t until = clock_mono_ms() + OUTCOME_MS;
	bool running = true;

	p->link.deadline_ms = until;
	while (running) {
		PGresult *result = pg_ask_with(p, "SELECT txid_status($1::bigint)", 1, values);
		const char *text = p->pq->PQresultStatus(result) == PGRES_TUPLES_OK
				       ? p->pq->PQgetvalue(result, 0, 0)
				       : "";

		running = strcmp(text, "in progress") == 0 && clock_mono_ms() < until;
		if (strcmp(text, "committed") == 0)
			state = MARK_COMMITTED;
		else if (strcmp(text, "aborted") == 0)
			state = MARK_ROLLED_BACK;
		p->pq->PQclear(result);
		if (running)
			clock_sleep_ms(50);
	}
	return state;
}

static enum mark_state pg_outcome(struct link *link, const unsigned char mark[32], const char *kept)
{
	int64_t number;

	(void)mark;
	/* It is told before COMMIT is sent: without it there was none. */
	if (kept == NULL)
		return MARK_ROLLED_BACK;
	return text_int(kept, 1, INT64_MAX, &number) ? ask_outcome(pg_mine(link), kept)
						     : MARK_UNKNOWN;
}

/* COMMIT was sent and no answer came: another connection knows. */
static bool committed_after_all(struct pg_link *p, const struct write_order *order)
{
	const struct config_target *target = config_target_find(p->config, order->receiver->target);
	struct fault ignored = {0};

	if (target == NULL)
		return false;
	p->pq->PQfinish(p->conn);
	p->conn = NULL;
	return pg_connect(p, target, &ignored) && ask_outcome(p, p->xact) == MARK_COMMITTED;
}

static bool pg_commit(struct link *link, const struct write_order *order, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	PGresult *result;
	bool done;

	if (order->dry_run) {
		bool good = pg_run(p, "SET CONSTRAINTS ALL IMMEDIATE", NULL, fault);

		pg_rollback(link);
		return good;
	}
	if (order->keep != NULL && order->mark != NULL && !order->keep(order->arg, p->xact))
		return fault_set(fault, FAULT_OTHER, NULL, "the mark could not be kept");
	result = pg_ask(p, "COMMIT");
	/* A transaction that had failed answers COMMIT with ROLLBACK. */
	done = text_starts(p->pq->PQcmdStatus(result), "COMMIT");
	if (!pg_good(p, result, PGRES_COMMAND_OK, NULL, fault))
		return fault->kind == FAULT_GONE && committed_after_all(p, order);
	return done || fault_set(fault, FAULT_OTHER, NULL, "COMMIT was refused");
}

/* ---- blame, reading */

/* Can V become TYPE?  By a cast; STORED: in a table, where a length is not cut to. */
static enum fault_kind try_value(struct link *link, const char *type, const struct value *v,
				 bool stored)
{
	struct fault fault = {0};
	CLEAN_FREE char *table =
	    mem_printf("CREATE TEMP TABLE pg_temp.slipway_blame (c %s) ON COMMIT DROP", type);
	CLEAN_FREE char *cast = mem_printf("SELECT CAST(CAST($1 AS text) AS %s)", type);

	if (stored && !pg_run(pg_mine(link), table, NULL, &fault))
		return FAULT_OTHER;
	(void)pg_exec(link, stored ? "INSERT INTO pg_temp.slipway_blame VALUES ($1)" : cast,
		      (struct params){v, 1}, false, NULL, &fault);
	return fault.kind;
}

static void blame_one(struct link *link, const struct column *const *columns, struct params params,
		      bool stored, struct fault *fault)
{
	struct fault ignored = {0};

	for (size_t i = 0; i < params.n && fault->param == 0; i++) {
		enum fault_kind kind;

		if (columns[i] == NULL || columns[i]->sql_type == NULL)
			continue;
		kind = try_value(link, columns[i]->sql_type, &params.values[i], stored);
		if (kind == FAULT_VALUE)
			fault->param = i + 1;
		if ((kind != FAULT_NONE || stored) &&
		    !pg_run(pg_mine(link), "ROLLBACK TO SAVEPOINT slipway_blame", NULL, &ignored))
			return;
	}
}

static void pg_blame(struct link *link, const struct column *const *columns, struct params params,
		     struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	struct fault ignored = {0};

	/* A transaction that has failed and is not collecting bad rows is of no more use. */
	if (p->pq->PQtransactionStatus(p->conn) == PQTRANS_INERROR &&
	    !pg_run(p, "ROLLBACK; BEGIN;" PG_SETTINGS, NULL, &ignored))
		return;
	if (!pg_run(p, "SAVEPOINT slipway_blame", NULL, &ignored))
		return;
	blame_one(link, columns, params, false, fault);
	blame_one(link, columns, params, true, fault);
}

static struct value cell(struct pg_link *p, const PGresult *result, int row, const struct column *c,
			 int n)
{
	struct value v = {.kind = VALUE_TEXT,
			  .text = p->pq->PQgetvalue(result, row, n),
			  .len = (size_t)p->pq->PQgetlength(result, row, n)};

	if (p->pq->PQgetisnull(result, row, n) != 0)
		return (struct value){.kind = VALUE_NULL};
	if (c->type == TYPE_BOOLEAN)
		v.kind = v.text[0] == 't' ? VALUE_TRUE : VALUE_FALSE;
	else if (c->type == TYPE_REAL)
		v.kind = VALUE_NUMBER;
	else if (c->type == TYPE_JSON)
		v.kind = VALUE_JSON;
	else if (c->type == TYPE_INTEGER && text_int(v.text, INT64_MIN, INT64_MAX, &v.number))
		v.kind = VALUE_INTEGER;
	return v;
}

/* One piece of the table of *ROWS rows, and how many the next may have; 0: it is over. */
static bool read_piece(struct pg_link *p, const struct table *table,
		       const struct table_reader *reader, size_t *rows, struct fault *fault)
{
	CLEAN_FREE struct value *cells = mem_array(table->n, sizeof(cells[0]));
	CLEAN_FREE char *sql = mem_printf("FETCH %zu FROM slipway_read", *rows);
	size_t bytes = 1, n;
	PGresult *result = pg_ask(p, sql);
	bool good = true;

	if (p->pq->PQresultStatus(result) != PGRES_TUPLES_OK)
		return pg_good(p, result, PGRES_TUPLES_OK, NULL, fault);
	n = (size_t)p->pq->PQntuples(result);
	for (size_t i = 0; i < n && good; i++) {
		for (size_t k = 0; k < table->n; k++) {
			cells[k] = cell(p, result, (int)i, &table->columns[k], (int)k);
			bytes += cells[k].len;
		}
		good = reader->row(reader->arg, cells, table->n);
	}
	p->pq->PQclear(result);
	*rows = n == 0 ? 0 : FETCH_BYTES / (bytes / n + 1) + 1;
	if (*rows > FETCH_ROWS)
		*rows = FETCH_ROWS;
	return good;
}

static bool pg_read(struct link *link, const char *sql, const struct table *table,
		    const struct table_reader *reader, struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	CLEAN_FREE char *declare = mem_printf("DECLARE slipway_read NO SCROLL CURSOR FOR %s", sql);
	/* Who locks a table for long keeps no worker. */
	int64_t wait = p->config->signed_lock_wait_s * 1000;
	CLEAN_FREE char *begin =
	    mem_printf("BEGIN READ ONLY;" PG_SETTINGS "SET LOCAL timezone = 'UTC';"
		       "SET LOCAL lock_timeout = %lld",
		       (long long)(wait > 0 ? wait : 1));
	size_t rows = FETCH_LESS;
	bool good;

	link->deadline_ms = INT64_MAX;
	good = pg_run(p, begin, NULL, fault) && pg_run(p, declare, NULL, fault);

	while (good && rows > 0)
		good = read_piece(p, table, reader, &rows, fault);
	pg_rollback(link);
	return good;
}

const struct link_kind pg_link_kind = {
    .dialect = STATEMENT_POSTGRES,
    .marker = '$',
    .fails_rows = true,
    .open = pg_open,
    .alive = pg_alive,
    .close = pg_close,
    .clean = pg_clean,
    .describe = pg_describe,
    .begin = pg_begin,
    .exec = pg_exec,
    .prepare = pg_prepare,
    .step = pg_step,
    .finish = pg_finish,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .bulk = pg_bulk,
    .blame = pg_blame,
    .outcome = pg_outcome,
    .read = pg_read,
};
