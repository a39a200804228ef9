/*
 * Goal: on the embedded database a write does what the contract says, wholly or not at all; and
 * statements of a configuration reach nothing but the receiver's own tables.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <sqlite3.h>
#include "signed/writer_cases.h"

static char *ask(struct bed *bed, const char *sql)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(bed->db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(bed->db));
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			(void)fprintf(out, "%s%s", i > 0 ? "|" : "",
				      sqlite3_column_type(stmt, i) == SQLITE_NULL
					  ? "~"
					  : (const char *)sqlite3_column_text(stmt, i));
		(void)fputc('\n', out);
	}
	if (rc != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(bed->db));
	(void)sqlite3_finalize(stmt);
	(void)fclose(out);
	return text;
}

static int setup(void **state)
{
	struct bed *bed = mem_alloc(sizeof(*bed));
	CLEAN_FREE char *path = NULL;
	void *dir;

	if (unit_folder_make(&dir) != 0)
		return 1;
	bed->dir = dir;
	bed->config.data_dir = dir;
	bed->target_name = "default";
	bed->name = "销售-1";
	bed->next_code = 1;
	bed->ask = ask;
	bed->targets = targets_open(&bed->config);
	path = mem_printf("%s/tables", bed->dir);
	(void)mkdir(path, 0700);
	free(path);
	path = mem_printf("%s/tables/%s.sqlite", bed->dir, bed->name);
	assert_int_equal(sqlite3_open((char *)path, (sqlite3 **)&bed->db), SQLITE_OK);
	(void)sqlite3_busy_timeout(bed->db, 5000);
	bed_run(bed, "pragma journal_mode = wal");
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;
	void *dir = bed->dir;

	targets_close(bed->targets);
	(void)sqlite3_close(bed->db);
	free(bed);
	return unit_folder_remove(&dir);
}

/* Case 30. */
static void test_writer_sqlite_statements_stay_inside(void **state)
{
	static const char *const tries[] = {
	    "select load_extension(`x`)",
	    "create virtual table v using fts5(a)",
	    "update sqlite_master set sql = `x`",
	    "insert into sqlite_master values (1,2,3,4,5)",
	    "delete from slipway_writes",
	    "select * from slipway_writes",
	    "drop table slipway_writes",
	    "create table v as select * from pragma_database_list",
	    "select writefile(`x`, `y`)",
	    "create view v as select * from slipway_writes",
	};
	static const unsigned char mark[32] = {1};
	struct bed *bed = *state;
	struct receiver *first;
	CLEAN_FREE char *done = NULL;

	bed_run(bed, "create table t (a text)");
	first = bed_receiver(bed, "{'table':'t'}");
	done = bed_order(bed, (struct write_order){.receiver = first, .mark = mark}, "[\"1\"]");
	assert_string_equal(done, "inserted=1 updated=0 deleted=0");
	receiver_free(first);
	for (size_t i = 0; i + 1 < sizeof(tries) / sizeof(tries[0]); i++) {
		CLEAN_FREE char *config = mem_printf("{'table':'t','postSql':['%s']}", tries[i]);
		CLEAN_FREE char *got = bed_write(bed, config, OP_INSERT, "[\"2\"]");

		if (strstr(got, " in postSql 1") == NULL)
			fail_msg("%s: %s", tries[i], got);
	}
	/* A view of it can be made, but not read. */
	bed_gives(bed,
		  "{'table':'t','preSql':['create view v as select * from slipway_writes'],"
		  "'postSql':['create table copied as select * from v']}",
		  OP_INSERT, "[\"2\"]", "database error: permission in postSql 1");
	bed_gives(bed, "{'table':'slipway_writes'}", OP_INSERT, "[\"2\"]",
		  "database error: missing object in table");
	bed_is(bed, "select a from t", "1\n");
	bed_is(bed, "select count(*) from slipway_writes", "1\n");
}

static void test_writer_sqlite_second_writer_waits_or_is_told(void **state)
{
	struct bed *bed = *state;
	struct receiver *receiver;
	CLEAN_FREE char *busy = NULL, *later = NULL;
	int64_t start = clock_mono_ms();

	bed_run(bed, "create table t (a text)");
	receiver = bed_receiver(bed, "{'table':'t'}");
	bed_run(bed, "begin immediate");
	busy = bed_order(bed, (struct write_order){.receiver = receiver, .lock_wait_ms = 300},
			 "[\"1\"]");
	assert_string_equal(busy, "busy");
	assert_in_range(clock_mono_ms() - start, 250, 5000);
	bed_run(bed, "commit");
	later = bed_order(bed, (struct write_order){.receiver = receiver}, "[\"1\"]");
	assert_string_equal(later, "inserted=1 updated=0 deleted=0");
	receiver_free(receiver);
}

static void test_writer_sqlite_time_is_bounded(void **state)
{
	struct bed *bed = *state;
	int64_t start = clock_mono_ms();

	bed_run(bed, "create table t (a text)");
	bed_gives(bed,
		  "{'table':'t','timeout':1,'postSql':['insert into t with recursive c(n) as "
		  "(select 1 union all select n + 1 from c) select max(n) from c']}",
		  OP_INSERT, "[\"1\"]", "database error: other in postSql 1");
	assert_in_range(clock_mono_ms() - start, 900, 10000);
	bed_is(bed, "select count(*) from t", "0\n");
}

static void *write_twenty(void *arg)
{
	struct bed *bed = arg;
	struct receiver *receiver = bed_receiver(bed, "{'table':'t'}");
	const char ds[] = "[[],[1],[2],[3],[4],[5]]";

	for (int i = 0; i < 20; i++) {
		struct write_counts counts;
		struct refusal r = {0};
		struct ds *rows = NULL;
		struct write_order order = {
		    .receiver = receiver, .visitor = "x", .max_bad = 1, .lock_wait_ms = 20000};

		if (!ds_open(ds, strlen(ds), 100, &rows, &r))
			return arg;
		order.rows = ds_rows(rows);
		if (!write_rows(bed->targets, &order, &counts, &r) || counts.inserted != 5)
			return arg;
		ds_free(rows);
	}
	receiver_free(receiver);
	return NULL;
}

static void test_writer_sqlite_threads(void **state)
{
	struct bed *bed = *state;
	pthread_t threads[4];
	void *bad;

	bed_run(bed, "create table t (a integer)");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_twenty, bed), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	bed_is(bed, "select count(*), sum(a) from t", "400|1200\n");
}

/* ---- writes that share a transaction */

#define WRITERS 8

/* WRITERS writes of two rows each, carried out together; how many of them were told of success? */
static int write_together(struct bed *bed)
{
	struct receiver *receiver = bed_receiver(bed, "{'table':'t'}");
	unsigned char marks[WRITERS][32] = {0};
	struct write_order orders[WRITERS];
	struct write_part parts[WRITERS] = {0};
	struct ds *rows[WRITERS];
	char *texts[WRITERS]; /* the rows borrow them */
	struct refusal r = {0};
	int done = 0;

	for (int i = 0; i < WRITERS; i++) {
		texts[i] = mem_printf("[[],[%d],[%d]]", i * 2, i * 2 + 1);
		assert_true(ds_open(texts[i], strlen(texts[i]), 10, &rows[i], &r));
		marks[i][0] = (unsigned char)(i + 1);
		orders[i] = (struct write_order){.receiver = receiver,
						 .visitor = "loader",
						 .mark = marks[i],
						 .rows = ds_rows(rows[i]),
						 .lock_wait_ms = 20000,
						 .max_bad = 1};
		assert_true(write_open(bed->targets, &orders[i], &parts[i].write, &r));
	}
	write_run_together(parts, WRITERS);
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(write_outcome(bed->targets, receiver, marks[i], NULL),
				 parts[i].good ? MARK_COMMITTED : MARK_ROLLED_BACK);
		assert_int_equal(parts[i].refusal.code == REFUSE_NOTHING, parts[i].good);
		assert_true(!parts[i].good || parts[i].counts.inserted == 2);
		done += parts[i].good;
		write_close(parts[i].write);
		ds_free(rows[i]);
		free(texts[i]);
	}
	receiver_free(receiver);
	return done;
}

/* Commits in the log.  Source: sqlite.org/fileformat2.html#walformat. */
static int commits(const struct bed *bed)
{
	CLEAN_FREE char *path = mem_printf("%s/tables/%s.sqlite-wal", bed->dir, bed->name);
	FILE *log = fopen(path, "rb");
	unsigned char frame[24 + 4096];
	int n = 0;

	assert_non_null(log);
	assert_int_equal(fread(frame, 32, 1, log), 1);
	while (fread(frame, sizeof(frame), 1, log) == 1)
		n += (frame[4] | frame[5] | frame[6] | frame[7]) != 0;
	(void)fclose(log);
	return n;
}

static void test_writer_sqlite_shared_commit(void **state)
{
	struct bed *bed = *state;
	int before;

	bed_run(bed, "create table t (a integer primary key, check (a <> 5))");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[1000]", "inserted=1 updated=0 deleted=0");
	bed_run(bed, "create table slipway_writes (at integer not null, mark blob not null, "
		     "primary key (at, mark)) without rowid");
	before = commits(bed);
	/* The third one's second row is refused: its first goes with it, nobody else's. */
	assert_int_equal(write_together(bed), WRITERS - 1);
	assert_int_equal(commits(bed), before + 1);
	bed_is(bed, "select count(*) from t where a < 1000", "14\n");
	bed_is(bed, "select count(*) from t where a in (4, 5)", "0\n");
	bed_is(bed, "select count(*) from slipway_writes", "7\n");
}

/* A trigger may end the whole transaction: the others are written all the same, once. */
static void test_writer_sqlite_shared_rollback(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table t (a integer primary key)");
	bed_run(bed, "create trigger g before insert on t when new.a = 9 begin "
		     "select raise(rollback, 'no nine'); end");
	assert_int_equal(write_together(bed), WRITERS - 1);
	bed_is(bed, "select count(*), sum(a) from t", "14|103\n");
	bed_is(bed, "select count(*) from slipway_writes", "7\n");
}

/* What is only checked at COMMIT fails for whom it concerns. */
static void test_writer_sqlite_shared_deferred(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table known (a integer primary key)");
	bed_run(bed, "insert into known values (0),(1),(2),(3),(4),(5),(6),(8),(9),(10),(11),(12),"
		     "(13),(14),(15)");
	bed_run(bed, "create table t (a integer references known (a) deferrable initially "
		     "deferred)");
	assert_int_equal(write_together(bed), WRITERS - 1);
	bed_is(bed, "select count(*), sum(a) from t", "14|107\n");
}

static void test_writer_sqlite_file_names(void **state)
{
	struct bed *bed = *state;
	char name[300];
	const char *const names[] = {"..", ".hidden", name};

	for (size_t i = 0; i + 3 < sizeof(name); i += 3)
		memcpy(name + i, "数", 3);
	name[64 * 3] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bed->name = names[i];
		bed_gives(bed, "{'table':'t','columns':{'a':'text'}}", OP_INSERT, "[\"1\"]",
			  "inserted=1 updated=0 deleted=0");
	}
	bed->name = "销售-1";
	{
		CLEAN_FREE char *command =
		    mem_printf("test $(ls -A %s | wc -l) = 1 && test $(ls -A %s/tables/*.sqlite | "
			       "wc -l) = 4 && test $(stat -c %%a %s/tables) = 700",
			       bed->dir, bed->dir, bed->dir);

		assert_int_equal(system(command), 0);
	}
}

/* The data directory may be reached by a link, the file may be none. */
static void test_writer_sqlite_links(void **state)
{
	struct bed *bed = *state;
	CLEAN_FREE char *link = mem_printf("%s/link", bed->dir);
	CLEAN_FREE char *trap = mem_printf("%s/tables/trap.sqlite", bed->dir);
	CLEAN_FREE char *elsewhere = mem_printf("%s/elsewhere", bed->dir);

	bed_run(bed, "create table t (a text)");
	assert_int_equal(symlink(bed->dir, link), 0);
	assert_int_equal(symlink(elsewhere, trap), 0);
	bed->config.data_dir = link;
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[\"1\"]", "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select a from t", "1\n");
	bed->name = "trap";
	bed_gives(bed, "{'table':'t','columns':{'a':'text'}}", OP_INSERT, "[\"1\"]",
		  "database not reachable");
	assert_int_not_equal(access(elsewhere, F_OK), 0);
}

int main(void)
{
#define X(test) cmocka_unit_test_setup_teardown(test, setup, teardown),
	const struct CMUnitTest tests[] = {
	    WRITER_CASES(X) X(test_writer_sqlite_statements_stay_inside)
		X(test_writer_sqlite_second_writer_waits_or_is_told)
		    X(test_writer_sqlite_time_is_bounded) X(test_writer_sqlite_threads)
			X(test_writer_sqlite_shared_commit) X(test_writer_sqlite_shared_rollback)
			    X(test_writer_sqlite_shared_deferred) X(test_writer_sqlite_file_names)
				X(test_writer_sqlite_links)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
