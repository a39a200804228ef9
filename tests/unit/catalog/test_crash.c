/*
 * Goal: kill -9 of writers loses nothing that was acknowledged and leaves nothing half-made; many
 * processes and threads may write at once; a damaged, newer, replaced or missing catalogue is told
 * apart; a backup taken meanwhile is whole.
 */
#include "catalog/help.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "catalog/db.h"

#define WRITERS 3

static const struct viewer root = {"root", true, NULL};

/* Publish for ever; every acknowledged id is counted in shared memory. */
static _Noreturn void writer(const struct scratch *s, volatile int64_t *acknowledged,
			     int64_t session)
{
	struct scratch own = *s;
	int64_t id;

	scratch_open(&own);
	for (int64_t layer = 0;; layer++) {
		CLEAN_FREE char *text =
		    mem_printf("{'owner':'ann','name':'n','title':'北京 %lld','type':'table',"
			       "'session':%lld,'layer':%lld}",
			       (long long)layer, (long long)session, (long long)layer);
		CLEAN_JSON json_object *model = model_of(text);

		if (catalog_reserve(own.catalog, &id, NULL) != ERR_OK)
			_exit(3);
		(void)json_set_int(model, "id", id);
		if (catalog_publish(own.catalog, model, &id, NULL) != ERR_OK)
			_exit(4);
		(*acknowledged)++;
	}
}

static int64_t number(struct scratch *s, const char *sql)
{
	struct conn *conn;
	sqlite3_stmt *stmt;
	bool row;
	int64_t n;

	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	assert_int_equal(conn_prepare(conn, sql, &stmt, NULL), ERR_OK);
	assert_int_equal(conn_step(conn, stmt, &row, NULL), ERR_OK);
	n = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_reset(stmt);
	conn_give(s->catalog, conn);
	return n;
}

static void test_killed_writers_lose_nothing(void **state)
{
	struct scratch *s = *state;
	volatile int64_t *ack =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t session = 0, until = clock_mono_ms() + 2500, sum = 0;
	pid_t pids[WRITERS] = {0};
	unsigned seed = 3;
	int kills = 0;

	while (clock_mono_ms() < until) {
		size_t i = (size_t)rand_r(&seed) % WRITERS;
		int status;

		if (pids[i] > 0) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], &status, 0);
			assert_true(WIFSIGNALED(status));
			kills++;
		}
		session++;
		pids[i] = fork();
		if (pids[i] == 0)
			writer(s, &ack[i], session);
		clock_sleep_ms(10 + rand_r(&seed) % 40);
	}
	for (size_t i = 0; i < WRITERS; i++) {
		if (pids[i] > 0) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], NULL, 0);
		}
		sum += ack[i];
	}
	print_message("%d kills, %lld acknowledged\n", kills, (long long)sum);
	assert_true(sum > 0);
	/* A kill may fall between the commit and our counting it. */
	assert_in_range(number(s, "SELECT count(*) FROM dataset"), sum, sum + kills + WRITERS);
	assert_int_equal(number(s, "SELECT count(*) FROM dataset"),
			 number(s, "SELECT sum(n) FROM scope WHERE subject = '*'"));
	assert_int_equal(number(s, "SELECT count(*) FROM dataset"),
			 number(s, "SELECT count(*) FROM published"));
	assert_int_equal(number(s, "SELECT count(*) FROM dataset"),
			 number(s, "SELECT count(*) FROM dataset_text"));
	assert_int_equal(
	    number(s, "SELECT count(*) FROM dataset"),
	    number(s, "SELECT count(*) FROM dataset_words WHERE dataset_words MATCH '\"北京\"'"));
	assert_int_equal(
	    number(s, "SELECT count(*) FROM pragma_quick_check() WHERE quick_check <> 'ok'"), 0);
	(void)munmap((void *)ack, 4096);
}

static void *publish_many(void *arg)
{
	struct scratch *s = arg;

	for (int i = 0; i < 25; i++) {
		publish_text(s, "{'owner':'ann','name':'t','type':'table','access':'view'}");
		(void)catalog_count_download(s->catalog, 1, NULL);
	}
	return NULL;
}

static void test_threads_write_at_once(void **state)
{
	struct scratch *s = *state;
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, publish_many, s), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(number(s, "SELECT count(*) FROM dataset"), 100);
	assert_int_equal(number(s, "SELECT count(DISTINCT name) FROM dataset"), 100);
}

static void test_opening_is_lazy_and_private(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->dir);
	struct stat st;

	assert_int_not_equal(access(path, F_OK), 0);
	assert_list(s, ": 0", .viewer = root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Processes that find no catalogue at the same moment make one together. */
static void test_first_openers_may_race(void **state)
{
	struct scratch *s = *state;
	pid_t pids[6];

	for (size_t i = 0; i < 6; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int64_t id;

			_exit(catalog_reserve(s->catalog, &id, NULL) == ERR_OK ? 0 : 1);
		}
	}
	for (size_t i = 0; i < 6; i++) {
		int status;

		(void)waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(number(s, "SELECT value FROM sequence"), 6);
}

static void test_newer_schema_is_refused(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->dir);
	struct error error = {0};
	sqlite3 *db;
	int64_t id;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(catalog_reserve(s->catalog, &id, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "newer"));
}

static void test_damaged_catalogue_is_told(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->dir);
	int64_t id;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "this is not a database, not at all", 34), 34);
	(void)close(fd);
	assert_int_equal(catalog_reserve(s->catalog, &id, NULL), ERR_STORE);
	(void)unlink(path);
	assert_int_equal(catalog_reserve(s->catalog, &id, NULL), ERR_OK);
	assert_int_equal(id, 1);
}

/* Its disk may be away for a while: an empty one in its place would say that all is gone. */
static void test_a_catalogue_that_vanishes_is_not_made_anew(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->dir);
	CLEAN_FREE char *away = mem_printf("%s/away.sqlite", s->dir);
	struct error error = {0};
	int64_t id;

	assert_int_equal(catalog_reserve(s->catalog, &id, NULL), ERR_OK);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(catalog_reserve(s->catalog, &id, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "catalog.sqlite"));
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rename(away, path), 0);
	assert_int_equal(catalog_reserve(s->catalog, &id, NULL), ERR_OK);
	assert_int_equal(id, 2);
}

static void test_backup_is_whole_and_a_restored_file_is_noticed(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *copy = mem_printf("%s/copy.sqlite", s->dir);
	CLEAN_FREE char *path = mem_printf("%s/catalog.sqlite", s->dir);
	CLEAN_FREE char *wal = mem_printf("%s-wal", path);
	CLEAN_FREE char *shm = mem_printf("%s-shm", path);
	struct stat st;
	pid_t pid;

	publish_text(s, "{'owner':'ann','name':'a','title':'公园','type':'table'}");
	pid = fork();
	if (pid == 0)
		writer(s,
		       mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		       50);
	for (int i = 0; i < 5; i++)
		assert_int_equal(catalog_backup(s->catalog, copy, NULL), ERR_OK);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)unlink(wal);
	(void)unlink(shm);
	assert_int_equal(rename(copy, path), 0);
	assert_list(s, "1 : 1", .viewer = root, .keyword = "公园");
	assert_int_equal(
	    number(s, "SELECT count(*) FROM pragma_quick_check() WHERE quick_check <> 'ok'"), 0);
	assert_int_equal(catalog_backup(s->catalog, "/nonexistent/x", NULL), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_killed_writers_lose_nothing),
	    T(test_threads_write_at_once),
	    T(test_opening_is_lazy_and_private),
	    T(test_first_openers_may_race),
	    T(test_newer_schema_is_refused),
	    T(test_damaged_catalogue_is_told),
	    T(test_a_catalogue_that_vanishes_is_not_made_anew),
	    T(test_backup_is_whole_and_a_restored_file_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
