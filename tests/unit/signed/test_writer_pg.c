/*
 * Goal: on PostgreSQL a write does what the contract says, wholly or not at all.  A server of the
 * test's own, from Debian's package, without network.
 */
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <sys/stat.h>
#include "signed/pg_lib.h"
#include "signed/writer_cases.h"

static char *server_dir; /* of the server all tests share */
static char *server_bin;

/* A command as the server's user: it refuses to run as root. */
static int as_postgres(const char *command)
{
	CLEAN_FREE char *whole = NULL;

	if (geteuid() == 0)
		whole = mem_printf("cd / && setpriv --reuid postgres --regid postgres "
				   "--clear-groups sh -c '%s'",
				   command);
	else
		whole = mem_strdup(command);
	return system(whole);
}

static bool start_server(void)
{
	CLEAN_FREE char *init = mem_printf("%s/initdb -D %s/data -A trust -U boss -E UTF8 "
					   "--locale=C.UTF-8 --no-sync >%s/log 2>&1",
					   server_bin, server_dir, server_dir);
	CLEAN_FREE char *start =
	    mem_printf("%s/pg_ctl -D %s/data -l %s/log -w -s "
		       "-o \"-k %s -c listen_addresses= -c fsync=off\" start >/dev/null",
		       server_bin, server_dir, server_dir, server_dir);

	return as_postgres(init) == 0 && as_postgres(start) == 0;
}

/* Where the server's programs are; false: they are not installed. */
static bool find_server(void)
{
	glob_t found;
	bool good = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0 &&
		    getpwnam("postgres") != NULL;

	if (good)
		server_bin =
		    mem_strndup(found.gl_pathv[0], strlen(found.gl_pathv[0]) - strlen("/initdb"));
	globfree(&found);
	return good;
}

static int group_setup(void **state)
{
	struct passwd *pw = getpwnam("postgres");
	void *dir;

	(void)state;
	assert_int_equal(unit_folder_make(&dir), 0);
	server_dir = dir;
	if (geteuid() == 0)
		assert_int_equal(chown(server_dir, pw->pw_uid, pw->pw_gid), 0);
	return start_server() ? 0 : 1;
}

static int group_teardown(void **state)
{
	CLEAN_FREE char *stop = NULL;
	void *dir = server_dir;

	(void)state;
	stop = mem_printf("%s/pg_ctl -D %s/data -w -s -m immediate stop", server_bin, server_dir);
	(void)as_postgres(stop);
	free(server_bin);
	return unit_folder_remove(&dir);
}

static char *ask(struct bed *bed, const char *sql)
{
	const struct pg_lib *pq = pg_lib();
	PGresult *result = NULL, *next;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ExecStatusType status;

	(void)pq->PQsendQuery(bed->db, sql);
	while ((next = pq->PQgetResult(bed->db)) != NULL) {
		pq->PQclear(result);
		result = next;
	}
	status = pq->PQresultStatus(result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, pq->PQerrorMessage(bed->db));
	for (int row = 0; row < pq->PQntuples(result); row++) {
		for (int i = 0; i < pq->PQnfields(result); i++)
			(void)fprintf(
			    out, "%s%s", i > 0 ? "|" : "",
			    pq->PQgetisnull(result, row, i) ? "~" : pq->PQgetvalue(result, row, i));
		(void)fputc('\n', out);
	}
	pq->PQclear(result);
	(void)fclose(out);
	return text;
}

static PGconn *connect_as(const char *user)
{
	CLEAN_FREE char *text = mem_printf("host=%s dbname=postgres user=%s", server_dir, user);
	const char *const names[] = {"dbname", NULL};
	const char *const values[] = {text, NULL};
	PGconn *conn = pg_lib()->PQconnectdbParams(names, values, 1);

	if (pg_lib()->PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s", pg_lib()->PQerrorMessage(conn));
	return conn;
}

static int setup(void **state)
{
	struct bed *bed = mem_alloc(sizeof(*bed));

	bed->dir = server_dir;
	bed->config.data_dir = server_dir;
	bed->target = (struct config_target){
	    .name = (char *)(uintptr_t) "pg",
	    .text = mem_printf("host=%s dbname=postgres user=boss", server_dir)};
	bed->config.targets = &bed->target;
	bed->config.n_targets = 1;
	bed->target_name = "pg";
	bed->name = "sales";
	bed->postgres = true;
	bed->next_code = 1;
	bed->ask = ask;
	bed->targets = targets_open(&bed->config);
	bed->db = connect_as("boss");
	bed_run(bed, "set client_min_messages = error; drop schema public cascade; "
		     "create schema public");
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	targets_close(bed->targets);
	pg_lib()->PQfinish(bed->db);
	free(bed->target.text);
	free(bed);
	return 0;
}

static void test_writer_pg_permission(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "drop role if exists clerk; create role clerk login; "
		     "grant usage on schema public to clerk; grant insert, select on t to clerk");
	free(bed->target.text);
	bed->target.text = mem_printf("host=%s dbname=postgres user=clerk", server_dir);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[],[1,\"a\",1],[2,\"a\",1]]",
		  "inserted=2 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, "{\"id\":1,\"age\":2}",
		  "database error: permission in row 1");
	bed_gives(bed, "{'table':'t','preSql':['truncate t']}", OP_INSERT, "[3,\"a\",1]",
		  "database error: permission in preSql 1");
	bed_run(bed, "drop owned by clerk; drop role clerk");
}

static void test_writer_pg_unreachable(void **state)
{
	struct bed *bed = *state;
	CLEAN_FREE char *password = mem_printf("%s/pw", server_dir);
	int fd;

	bed_run(bed, PEOPLE);
	/* The password comes from a file that not everybody may read. */
	fd = open(password, O_CREAT | O_WRONLY, 0644);
	assert_int_equal(write(fd, "secret\n", 7), 7);
	(void)fchmod(fd, 0644);
	(void)close(fd);
	bed->target.password_file = password;
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[1,\"a\",1]", "database not reachable");
	assert_int_equal(chmod(password, 0600), 0);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[1,\"a\",1]", "inserted=1 updated=0 deleted=0");
	bed->target.password_file = NULL;
	free(bed->target.text);
	bed->target.text = mem_printf("host=%s dbname=nowhere user=boss", server_dir);
	targets_close(bed->targets);
	bed->targets = targets_open(&bed->config);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[2,\"a\",1]", "database not reachable");
	bed->config.n_targets = 0;
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[2,\"a\",1]", "database not reachable");
	bed_is(bed, "select id from t", "1\n");
}

/* Connections the server has ended are made anew, before anything was sent that counts. */
static void test_writer_pg_ended_connection(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[1,\"a\",1]", "inserted=1 updated=0 deleted=0");
	bed_run(bed, "select pg_terminate_backend(pid) from pg_stat_activity where "
		     "application_name = 'slipway'");
	clock_sleep_ms(100);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[2,\"a\",1]", "inserted=1 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t','postSql':['select pg_terminate_backend(pg_backend_pid())']}",
		  OP_INSERT, "[3,\"a\",1]", "database not reachable");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[4,\"a\",1]", "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select id from t order by id", "1\n2\n4\n");
}

static void test_writer_pg_lock(void **state)
{
	struct bed *bed = *state;
	struct receiver *receiver;
	CLEAN_FREE char *busy = NULL, *later = NULL;
	struct bed first = *bed;
	struct write_order order;
	int64_t start;

	bed_run(bed, PEOPLE);
	receiver = bed_receiver(bed, "{'table':'t','postSql':['select pg_sleep(1)']}");
	order = (struct write_order){.receiver = receiver, .lock_wait_ms = 300};
	if (fork() == 0) {
		first.targets = targets_open(&bed->config);
		free(bed_order(&first, order, "[1,\"a\",1]"));
		_exit(0);
	}
	start = clock_mono_ms();
	while (start + 5000 > clock_mono_ms()) {
		CLEAN_FREE char *held = ask(
		    bed, "select count(*) from pg_locks where locktype = 'advisory' and granted");

		if (strcmp(held, "1\n") == 0)
			break;
		clock_sleep_ms(10);
	}
	start = clock_mono_ms();
	busy = bed_order(bed, order, "[2,\"a\",1]");
	assert_string_equal(busy, "busy");
	assert_in_range(clock_mono_ms() - start, 250, 5000);
	order.lock_wait_ms = 20000;
	later = bed_order(bed, order, "[2,\"a\",1]");
	assert_string_equal(later, "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select id from t order by id", "1\n2\n");
	receiver_free(receiver);
}

static void test_writer_pg_time_is_bounded(void **state)
{
	struct bed *bed = *state;
	int64_t start = clock_mono_ms();

	bed_run(bed, PEOPLE);
	bed_gives(bed, "{'table':'t','timeout':1,'postSql':['select pg_sleep(30)']}", OP_INSERT,
		  "[1,\"a\",1]", "database error: other in postSql 1");
	assert_in_range(clock_mono_ms() - start, 900, 10000);
	bed_is(bed, "select count(*) from t", "0\n");
}

/* What COPY cannot do is done row by row; a column that appears later is found. */
static void test_writer_pg_tables_of_all_kinds(void **state)
{
	static const char six[] = "[[],[1,\"a\",1],[2,\"b\",1],[3,\"c\",1],[4,\"d\",1],[5,\"e\",1],"
				  "[6,\"f\",1]]";
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "create view v as select * from t");
	bed_gives(bed, "{'table':'v'}", OP_INSERT, six, "inserted=6 updated=0 deleted=0");
	bed_run(bed, "alter table t add later text");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "{\"id\":7,\"later\":\"x\"}",
		  "inserted=1 updated=0 deleted=0");
	bed_run(bed, "create table g (id int generated always as identity, a varchar(3), "
		     "b text generated always as (a || '!') stored, n numeric(4,1), e date)");
	bed_gives(bed, "{'table':'g'}", OP_INSERT, "[[],[\"abc\",1,null],[\"abc   \",2,null]]",
		  "inserted=2 updated=0 deleted=0");
	bed_gives(bed, "{'table':'g'}", OP_INSERT, "[[],[\"abcd\",1,null]]",
		  "bad request: row 1, column a: longer than 3 characters");
	bed_gives(bed, "{'table':'g'}", OP_INSERT, "[[],[\"a\",123456,null]]",
		  "bad request: row 1, column n: out of range");
	bed_gives(bed, "{'table':'g'}", OP_INSERT,
		  "[[],[\"a\",1,null],[\"a\",1,null],[\"a\",1,null],[\"a\",123456,null]]",
		  "bad request: row 4, column n: out of range");
	bed_gives(bed, "{'table':'g'}", OP_INSERT, "{\"id\":1}",
		  "bad request: row 1: the server fills \"id\"");
	bed_run(bed, "create schema s; create table s.t (a text)");
	bed_gives(bed, "{'table':'s.t'}", OP_INSERT, "[[],[\"1\"],[\"2\"],[\"3\"],[\"4\"],[\"5\"]]",
		  "inserted=5 updated=0 deleted=0");
	bed_gives(bed, "{'table':'pg_catalog.pg_am'}", OP_INSERT, "[1,\"x\",1,\"i\"]",
		  "database error: missing object in table");
	bed_is(bed, "select count(*) from s.t", "5\n");
	bed_run(bed, "drop schema s cascade");
}

/* Case 29: what passed the check of the configuration still cannot end the transaction. */
static void test_writer_pg_statements_stay_inside(void **state)
{
	static const char *const tries[] = {
	    "do $$ begin commit; end $$",
	    "call finish()",
	    "select 1 from finishing()",
	};
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "create procedure finish() language plpgsql as 'begin commit; end'");
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		CLEAN_FREE char *config = mem_printf("{'table':'t','postSql':['%s']}", tries[i]);
		CLEAN_FREE char *got = bed_write(bed, config, OP_INSERT, "[1,\"a\",1]");

		assert_non_null(strstr(got, " in postSql 1"));
	}
	/* What a statement sets for the session is gone with the write. */
	bed_run(bed, "create schema other; create table other.t (id int)");
	bed_gives(bed,
		  "{'table':'t','preSql':['select set_config(`search_path`, `other`, false)']}",
		  OP_INSERT, "[1,\"a\",1]", "database error: missing object in row 1");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[1,\"a\",1]", "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select count(*) from t", "1\n");
	bed_run(bed, "drop schema other cascade; drop procedure finish");
}

int main(void)
{
#define X(test) cmocka_unit_test_setup_teardown(test, setup, teardown),
	const struct CMUnitTest tests[] = {
	    WRITER_CASES(X) X(test_writer_pg_permission) X(test_writer_pg_unreachable)
		X(test_writer_pg_ended_connection) X(test_writer_pg_lock)
		    X(test_writer_pg_time_is_bounded) X(test_writer_pg_tables_of_all_kinds)
			X(test_writer_pg_statements_stay_inside)};

	if (!find_server()) {
		(void)puts("ok - # SKIP postgresql is not installed");
		return 0;
	}
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
