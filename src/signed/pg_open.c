/*
 * Connecting to a PostgreSQL target, and what its catalogue says of a table.
 * Source: contracts/signed-api.md 5.
 */
#include "signed/pg_inside.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/plan.h"

#define PASSWORD_BYTES 4096
#define AT_ONCE_MS     1000 /* a server that is there refuses sooner */

/* ---- connecting */

static void no_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* The only line of the password file.  Caller frees; NULL: *FAULT says why. */
static char *read_password(const struct config_target *target, struct fault *fault)
{
	char *text;
	size_t len;
	struct stat st;

	if (stat(target->password_file, &st) == 0 && (st.st_mode & S_IRWXO) != 0) {
		(void)fault_set(fault, FAULT_GONE, NULL, "the password file is open to everybody");
		return NULL;
	}
	if (fs_read_file(AT_FDCWD, target->password_file, PASSWORD_BYTES, &text, &len, NULL) !=
	    ERR_OK) {
		(void)fault_set(fault, FAULT_GONE, NULL, "the password file cannot be read");
		return NULL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

/* Only a second refusal tells its code.  A server that is not there costs no second wait. */
static bool connect_again(struct pg_link *p, int64_t began_ms, struct fault *fault)
{
	if (clock_mono_ms() - began_ms < AT_ONCE_MS) {
		(void)p->pq->PQsetErrorVerbosity(p->conn, PQERRORS_VERBOSE);
		p->pq->PQreset(p->conn);
		(void)p->pq->PQsetErrorVerbosity(p->conn, PQERRORS_DEFAULT);
	}
	if (p->pq->PQstatus(p->conn) == CONNECTION_OK)
		return true;
	fault->full = strstr(p->pq->PQerrorMessage(p->conn), " 53300: ") != NULL;
	return fault_set(fault, FAULT_GONE, NULL, "%s", p->pq->PQerrorMessage(p->conn));
}

bool pg_connect(struct pg_link *p, const struct config_target *target, struct fault *fault)
{
	bool secret = target->password_file != NULL;
	char *password = secret ? read_password(target, fault) : NULL;
	/* Before "dbname": the string may say otherwise; behind it: it may not. */
	const char *const names[] = {"connect_timeout",		 "tcp_user_timeout",
				     "keepalives_idle", /* a host that vanished says nothing */
				     "keepalives_interval",	 "dbname",
				     "application_name",	 "client_encoding",
				     secret ? "password" : NULL, NULL};
	const char *const values[] = {"10",	 "60000", "30",	    "10", target->text,
				      "slipway", "UTF8",  password, NULL};
	int64_t began_ms = clock_mono_ms();

	if (secret && password == NULL)
		return false;
	p->late = false;
	p->conn = p->pq->PQconnectdbParams(names, values, 1);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
	if (p->pq->PQstatus(p->conn) != CONNECTION_OK && !connect_again(p, began_ms, fault))
		return false;
	(void)p->pq->PQsetNoticeProcessor(p->conn, no_notice, NULL);
	/* A server that takes nothing is waited for by pg_flush, not by libpq. */
	(void)p->pq->PQsetnonblocking(p->conn, 1);
	return true;
}

static void forget_tables(struct pg_link *p)
{
	for (size_t i = 0; i < PG_TABLES; i++)
		table_done(&p->known[i]);
}

void pg_close(struct link *link)
{
	struct pg_link *p = pg_mine(link);

	forget_tables(p);
	if (p->conn != NULL)
		p->pq->PQfinish(p->conn);
	free(p->text);
	free(p->values);
	free(p);
}

bool pg_open(const struct config *config, const struct receiver *receiver, const char *key,
	     struct link **ret, struct fault *fault)
{
	const struct config_target *target = config_target_find(config, receiver->target);
	const struct pg_lib *pq = pg_lib();
	struct pg_link *p;

	(void)key;
	if (target == NULL)
		return fault_set(fault, FAULT_GONE, NULL, "[target] has no \"%.64s\"",
				 receiver->target);
	if (pq == NULL)
		return fault_set(fault, FAULT_GONE, NULL,
				 "libpq is not installed (package libpq5)");
	p = mem_alloc(sizeof(*p));
	p->link = (struct link){.kind = &pg_link_kind, .deadline_ms = INT64_MAX};
	p->pq = pq;
	p->config = config;
	if (!pg_connect(p, target, fault)) {
		pg_close(&p->link);
		return false;
	}
	*ret = &p->link;
	return true;
}

/* A server that ended the connection has closed its side: there is something to read. */
bool pg_alive(struct link *link)
{
	struct pg_link *p = pg_mine(link);
	struct pollfd fd = {.fd = p->pq->PQsocket(p->conn), .events = POLLIN};

	return p->pq->PQstatus(p->conn) == CONNECTION_OK && poll(&fd, 1, 0) == 0;
}

bool pg_clean(struct link *link)
{
	struct pg_link *p = pg_mine(link);
	struct fault ignored = {0};

	if (p->pq->PQtransactionStatus(p->conn) != PQTRANS_IDLE)
		return false;
	if (!link->used_sql)
		return true;
	link->used_sql = false;
	return pg_run(p, "DISCARD ALL", NULL, &ignored);
}

/* ---- the table */

static void type_of(struct column *column, const char *type, const char *category)
{
	static const struct {
		const char *name;
		enum column_type type;
	} names[] = {
	    {"int2", TYPE_INTEGER},	   {"int4", TYPE_INTEGER},	    {"int8", TYPE_INTEGER},
	    {"oid", TYPE_INTEGER},	   {"float4", TYPE_REAL},	    {"float8", TYPE_REAL},
	    {"numeric", TYPE_REAL},	   {"bool", TYPE_BOOLEAN},	    {"date", TYPE_DATE},
	    {"timestamp", TYPE_TIMESTAMP}, {"timestamptz", TYPE_TIMESTAMP}, {"json", TYPE_JSON},
	    {"jsonb", TYPE_JSON},
	};

	column->type = TYPE_TEXT;
	column->plain = strcmp(category, "S") == 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, type) == 0)
			column->type = names[i].type;
}

/* "geometry(Point,3857)", with its schema or without. */
static int64_t srid_of(const char *type)
{
	const char *name = strstr(type, "geometry("), *comma = strrchr(type, ',');
	char digits[8];
	int64_t srid = 0;

	if (name == NULL || (name > type && name[-1] != '.') || comma == NULL)
		return 0;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(comma + 1, "0123456789"),
		       comma + 1);
	return text_int(digits, 1, 999999, &srid) ? srid : 0;
}

static void read_columns(struct pg_link *p, const PGresult *result, struct table *ret)
{
	int n = p->pq->PQntuples(result);

	ret->n = (size_t)n;
	ret->columns = mem_array(ret->n, sizeof(ret->columns[0]));
	for (int i = 0; i < n; i++) {
		struct column *column = &ret->columns[i];

		column->name = mem_strdup(p->pq->PQgetvalue(result, i, 0));
		column->sql_type = mem_strdup(p->pq->PQgetvalue(result, i, 1));
		column->given = p->pq->PQgetvalue(result, i, 4)[0] == 't';
		(void)text_int(p->pq->PQgetvalue(result, i, 5), 0, INT64_MAX, &column->max_chars);
		ret->bulk = p->pq->PQgetvalue(result, i, 6)[0] == 't';
		column->srid = srid_of(column->sql_type);
		type_of(column, p->pq->PQgetvalue(result, i, 2), p->pq->PQgetvalue(result, i, 3));
	}
}

/* Names, types as a cast names them, their base types, what cannot be written, lengths. */
static const char describe_sql[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.typname, b.typcategory,"
    " a.attgenerated <> '' OR a.attidentity = 'a',"
    " CASE WHEN b.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4"
    " THEN a.atttypmod - 4 ELSE 0 END,"
    " c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND NOT c.relhasrules"
    " FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_type b ON b.oid = (WITH RECURSIVE base AS ("
    "SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid"
    " UNION ALL SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type t"
    " JOIN base ON base.typtype = 'd' AND t.oid = base.typbasetype)"
    " SELECT oid FROM base WHERE typtype <> 'd')"
    " WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'f')"
    " AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace"
    " WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))"
    " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

bool pg_describe(struct link *link, const struct receiver *receiver, struct table *ret,
		 struct fault *fault)
{
	struct pg_link *p = pg_mine(link);
	CLEAN_FREE char *name = plan_table_name(receiver);
	const char *const values[] = {name};
	struct table *place;
	PGresult *result;

	if (link->stale)
		forget_tables(p);
	link->stale = false;
	link->fresh = true;
	for (size_t i = 0; i < PG_TABLES; i++) {
		if (p->known[i].n > 0 && strcmp(p->known[i].name, name) == 0) {
			table_copy(ret, &p->known[i]);
			link->fresh = false;
			return true;
		}
	}
	*ret = (struct table){.name = mem_strdup(name)};
	link->deadline_ms = clock_mono_ms();
	if (!pg_run(p, "BEGIN READ ONLY;" PG_SETTINGS, NULL, fault))
		return false;
	result = pg_ask_with(p, describe_sql, 1, values);
	if (p->pq->PQresultStatus(result) != PGRES_TUPLES_OK) {
		(void)pg_good(p, result, PGRES_TUPLES_OK, NULL, fault);
		link->kind->rollback(link);
		return false;
	}
	read_columns(p, result, ret);
	p->pq->PQclear(result);
	link->kind->rollback(link);
	if (ret->n > 0) {
		place = &p->known[p->next_known++ % PG_TABLES];
		table_done(place);
		table_copy(place, ret);
	}
	return true;
}
