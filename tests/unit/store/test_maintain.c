/*
 * Goal: a backup taken at work restores everything acknowledged before it, check finds and mends
 * what is wrong, a dump loads back to the same dump, and the sweep removes what is old.  Cases
 * 26-32 of contracts/store.md 16.
 */
#include "store/fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

#include "store/maintain.h"
#include "store/sessions.h"
#include "store/tasks.h"
#include "store/uploads.h"
#include "store/users.h"

static const char id_a[] = "a0000000000000000000000000000000";
static const char token[33] = "0123456789abcdef0123456789abcdef";
static const char client_key[65] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* ---- something of everything */

static enum err fill(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *user = json_object_new_object();
	CLEAN_JSON json_object *upload = json_object_new_object();
	CLEAN_JSON json_object *session = json_object_new_object();
	CLEAN_JSON json_object *task = json_object_new_object();
	json_object *uploads = json_object_new_array(), *ref = json_object_new_object();
	char taken[33];
	int64_t id, task_id;
	enum err err;

	(void)arg;
	json_set_str(user, "name", "ann");
	json_set_str(user, "password", "$y$very-secret-hash");
	json_set_str(upload, "id", id_a);
	json_set_str(upload, "owner", "u:ann");
	json_set_str(upload, "mode", "append");
	json_set_str(upload, "state", "complete");
	json_set_int(upload, "length", 5);
	json_set_int(upload, "created", 1);
	json_set_str(ref, "id", id_a);
	json_object_array_add(uploads, ref);
	json_set_str(session, "owner", "u:ann");
	json_set_str(session, "state", "WAITING");
	json_set_int(session, "expires", 99);
	json_set_str(session, "nonce", "n1");
	json_set(session, "uploads", uploads);
	json_set_str(task, "owner", "u:ann");
	json_set_int(task, "session", 1);
	err = users_put(p, user);
	if (err == ERR_OK)
		err = uploads_create(p, upload);
	if (err == ERR_OK)
		err = upload_keys_claim(p, client_key, id_a, taken);
	if (err == ERR_OK)
		err = sessions_create(p, session, "n1", &id);
	if (err == ERR_OK)
		err = tasks_add(p, task, &task_id);
	if (err == ERR_OK)
		err = logins_add(p, "ann", "192.0.2.1", clock_now_ms(), 5, token);
	if (err == ERR_OK)
		err = keys_add(p, "ann", "k", false, 0, 1, "api-key-token");
	if (err == ERR_OK)
		err = failures_note(p, "bob", "192.0.2.1", 1);
	return err;
}

static void make_file(const struct fixture *f, const char *name, const char *text)
{
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s", f->dir, id_a, id_a);
	CLEAN_FREE char *file = mem_printf("%s/%s", path, name);
	FILE *out;

	assert_int_equal(fs_mkdirs(AT_FDCWD, path, NULL), ERR_OK);
	out = fopen(file, "w");
	assert_non_null(out);
	(void)fputs(text, out);
	(void)fclose(out);
}

static void fill_store(struct fixture *f)
{
	run(f, PASS_SYNC, fill, NULL);
	make_file(f, "data", "hello");
}

/* Caller frees. */
static char *dump(struct fixture *f, bool secrets)
{
	struct error error = {0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (store_dump(f->store, NULL, secrets, out, NULL, &error) != ERR_OK)
		fail_msg("dump: %s", error.text);
	(void)fclose(out);
	return text;
}

/* What is left of a damaged store; *RET_TOLD: what is not.  Caller frees both. */
static char *dump_damaged(struct fixture *f, char **ret_told)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	FILE *told = open_memstream(ret_told, &len);

	assert_int_equal(store_dump(f->store, NULL, true, out, told, NULL), ERR_STORE);
	(void)fclose(out);
	(void)fclose(told);
	return text;
}

static void load(struct fixture *f, const char *text, enum err want)
{
	struct error error = {0};
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	enum err err = store_load(f->store, in, false, &error);

	(void)fclose(in);
	if (err != want)
		fail_msg("load: %s: %s", err_name(err), error.text);
}

/* The number of findings; their text in *RET (caller frees) when not NULL. */
static int check(struct fixture *f, bool repair, char **ret)
{
	struct error error = {0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int findings = -1;

	if (store_check(f->store, repair, false, out, &findings, &error) != ERR_OK)
		fail_msg("check: %s", error.text);
	(void)fclose(out);
	if (ret != NULL)
		*ret = text;
	else
		free(text);
	return findings;
}

static void want_finding(struct fixture *f, const char *part)
{
	CLEAN_FREE char *text = NULL;

	if (check(f, false, &text) == 0 || strstr(text, part) == NULL)
		fail_msg("no finding \"%s\" in: %s", part, text);
	assert_true(check(f, true, NULL) > 0);
	if (check(f, false, NULL) != 0) {
		CLEAN_FREE char *rest = NULL;

		(void)check(f, false, &rest);
		fail_msg("not mended: %s", rest);
	}
}

/* ---- dump and load */

static void test_dump_load_dump_is_the_same(void **state)
{
	struct fixture *f = *state;
	struct fixture other = *f;
	CLEAN_FREE char *first = NULL;
	CLEAN_FREE char *second = NULL;

	fill_store(f);
	first = dump(f, true);
	(void)snprintf(other.dir, sizeof(other.dir), "/tmp/store-test-XXXXXX");
	assert_non_null(mkdtemp(other.dir));
	(void)snprintf(other.regions, sizeof(other.regions), "%s/regions", other.dir);
	other.config.data_dir = other.dir;
	other.config.store_regions = other.regions;
	/*
	 * Within one process one store at a time would be usual; these are two folders with a gate
	 * each.
	 */
	fixture_open(&other);
	load(&other, first, ERR_OK);
	second = dump(&other, true);
	assert_string_equal(first, second);
	make_file(&other, "data", "hello");
	assert_int_equal(check(&other, false, NULL), 0);
	load(&other, first, ERR_CONFLICT);
	fixture_close(&other);
	(void)fs_remove_tree(AT_FDCWD, other.dir, NULL);
}

static void test_dump_hides_secrets(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *hidden = NULL;
	CLEAN_FREE char *shown = NULL;

	fill_store(f);
	hidden = dump(f, false);
	shown = dump(f, true);
	assert_non_null(strstr(shown, "very-secret-hash"));
	assert_null(strstr(hidden, "very-secret-hash"));
	assert_non_null(strstr(hidden, "\"table\":\"logins\",\"key\":\"***\""));
	assert_non_null(strstr(hidden, "\"table\":\"sessions\",\"key\":1,"));
	assert_non_null(strstr(hidden, "{\"table\":\"counters\",\"key\":\"session\",\"value\":1}"));
	assert_null(strstr(hidden, "by_owner"));
	assert_null(strstr(hidden, "fail:"));
	load(f, hidden, ERR_CONFLICT);
}

static void test_load_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *text = NULL;

	load(f,
	     "{\"table\":\"users\",\"key\":\"ann\",\"value\":{\"v\":1,\"name\":\"ann\"}}\n{"
	     "\"table\":\"nonsense\"}\n",
	     ERR_BAD_REQUEST);
	load(f, "{\"table\":\"users\",\"key\":\"ann\",\"value\":{\"v\":2,\"name\":\"ann\"}}\n",
	     ERR_STORE);
	load(f, "{\"table\":\"users\",\"key\":\"***\",\"value\":{\"v\":1}}\n", ERR_BAD_REQUEST);
	load(f, "{\"table\":\"sessions\",\"key\":\"1\",\"value\":{\"v\":1}}\n", ERR_BAD_REQUEST);
	text = dump(f, true);
	assert_null(strstr(text, "\"users\""));
}

/* ---- check */

static void test_check_finds_nothing_in_good_store(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *text = NULL;

	fill_store(f);
	if (check(f, false, &text) != 0)
		fail_msg("%s", text);
}

static enum err spoil_indexes(struct pass *p, void *arg)
{
	/* The first entry of the owner's list of sessions, and a stray one of uploads. */
	static const unsigned char key[] = {'u',  ':',	'a',  'n',  'n',  0,	0xff,
					    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
	enum err err = index_delete(p, TABLE_SESSIONS_BY_OWNER, key, sizeof(key));

	(void)arg;
	return err == ERR_OK ? index_put(p, TABLE_UPLOADS_BY_OWNER, "u:zed", 5, "x", 1) : err;
}

static enum err spoil_sum(struct pass *p, void *arg)
{
	int64_t n;

	(void)arg;
	return counter_add(p, "bytes:u:ann", 1000, &n);
}

static void test_check_mends_indexes_and_sums(void **state)
{
	struct fixture *f = *state;

	fill_store(f);
	run(f, PASS_SYNC, spoil_indexes, NULL);
	want_finding(f, "sessions_by_owner: a missing entry");
	run(f, PASS_SYNC, spoil_indexes, NULL);
	want_finding(f, "uploads_by_owner: an entry too many");
	run(f, PASS_SYNC, spoil_sum, NULL);
	want_finding(f, "counters: a wrong entry (of uploads)");
}

/* An upload that nothing else refers to. */
static enum err add_plain_upload(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *upload = json_object_new_object();

	(void)arg;
	json_set_str(upload, "id", id_a);
	json_set_str(upload, "owner", "u:ann");
	json_set_str(upload, "mode", "append");
	json_set_str(upload, "state", "complete");
	json_set_int(upload, "length", 5);
	json_set_int(upload, "created", 1);
	return uploads_create(p, upload);
}

static void test_check_finds_missing_and_wrong_files(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s/data", f->dir, id_a, id_a);

	run(f, PASS_SYNC, add_plain_upload, NULL);
	make_file(f, "data", "hello");
	assert_int_equal(check(f, false, NULL), 0);
	make_file(f, "data", "hell");
	want_finding(f, "wrong size");
	(void)unlink(path);
	/* It is a tombstone by now. */
	assert_int_equal(check(f, false, NULL), 0);
}

static void test_check_removes_old_stray_folders(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s", f->dir, id_a, id_a);
	struct utimbuf old = {.actime = time(NULL) - 7200, .modtime = time(NULL) - 7200};

	make_file(f, "part", "x");
	/* Young: an upload may be being created. */
	assert_int_equal(check(f, true, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(utime(path, &old), 0);
	want_finding(f, "no record knows it");
	assert_int_not_equal(access(path, F_OK), 0);
}

static void flip_byte(const char *path, long offset)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, offset), 1);
	c ^= 0x40;
	assert_int_equal(pwrite(fd, &c, 1, offset), 1);
	(void)close(fd);
}

static enum err get_user(struct pass *p, void *arg)
{
	json_object *o = NULL;
	enum err err = users_get(p, "ann", &o);

	(void)arg;
	json_object_put(o);
	return err;
}

static enum err get_session(struct pass *p, void *arg)
{
	json_object *o = NULL;
	enum err err = sessions_get(p, 1, &o);

	(void)arg;
	json_object_put(o);
	return err;
}

static enum err touch_session(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	enum err err = sessions_get(p, 1, &o);

	(void)arg;
	if (err != ERR_OK)
		return err;
	json_set_str(o, "name", "touched");
	return sessions_put(p, o, json_int(o, "rev", 0));
}

static void test_damaged_page_harms_its_table_only(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", f->dir);
	CLEAN_FREE char *text = NULL;
	struct error error = {0};

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	fixture_close(f);
	/* Nothing of the table is in a cache. */
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	flip_byte(path, 4096 + 2000);
	fixture_open(f);
	run(f, PASS_READ, get_session, NULL);
	assert_int_equal(store_pass(f->store, PASS_READ, "t", get_user, NULL, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "restore needed"));
	run(f, PASS_READ, get_session, NULL);
	run_want(f, PASS_READ, get_user, NULL, ERR_STORE);
	run(f, PASS_READ, get_session, NULL);
	assert_true(check(f, false, &text) > 0);
	assert_non_null(strstr(text, "restore needed"));
}

static void test_damaged_first_page_harms_its_table_only(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", f->dir);

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	flip_byte(path, 30);
	fixture_open(f);
	run(f, PASS_READ, get_session, NULL);
	run_want(f, PASS_READ, get_user, NULL, ERR_STORE);
	run(f, PASS_READ, get_session, NULL);
}

/* A table of this store whose file is gone is not one that a newer program has yet to make. */
static void test_lost_table_is_told(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", f->dir);
	CLEAN_FREE char *dir = mem_printf("%s/backup-1", f->dir);
	CLEAN_FREE char *logs = mem_printf("%s/db/log", f->dir);
	CLEAN_FREE char *text = NULL;
	struct error error = {0};

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	fixture_close(f);
	assert_int_equal(unlink(path), 0);
	/* Joining what others have open, and after a recovery. */
	for (int i = 0; i < 2; i++) {
		fixture_open(f);
		run(f, PASS_READ, get_session, NULL);
		error = (struct error){0};
		assert_int_equal(store_pass(f->store, PASS_READ, "t", get_user, NULL, &error),
				 ERR_STORE);
		assert_non_null(strstr(error.text, "db/data/users.db is missing"));
		assert_non_null(strstr(error.text, "restore needed"));
		run_want(f, PASS_SYNC, fill, NULL, ERR_STORE);
		run(f, PASS_READ, get_session, NULL);
		assert_int_not_equal(access(path, F_OK), 0);
		fixture_close(f);
		(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	}
	fixture_open(f);
	assert_int_equal(check(f, true, &text), 1);
	assert_non_null(strstr(text, "db/data/users.db is missing"));
	assert_int_equal(store_backup(f->store, dir, NULL, NULL, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "db/data/users.db is missing"));
	fixture_close(f);
	/* What the tables do not hold yet stands in the log. */
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	assert_int_equal(fs_remove_tree(AT_FDCWD, logs, NULL), ERR_OK);
	fixture_open(f);
	error = (struct error){0};
	assert_int_equal(store_pass(f->store, PASS_READ, "t", get_session, NULL, &error),
			 ERR_STORE);
	assert_non_null(strstr(error.text, "db/log is empty"));
}

/* What follows from records is built anew from them, whatever became of its file. */
static void test_lost_index_is_built_anew(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/sessions_by_owner.db", f->dir);
	CLEAN_FREE char *before = NULL;
	CLEAN_FREE char *after = NULL;
	CLEAN_FREE char *text = NULL;
	FILE *file;

	fill_store(f);
	before = dump(f, true);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	for (int damage = 0; damage < 4; damage++) {
		fixture_close(f);
		(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
		switch (damage) {
		case 0:
			assert_int_equal(unlink(path), 0);
			break;
		case 1:
			flip_byte(path, 30);
			break;
		case 2:
			flip_byte(path, 4096 + 2000);
			break;
		default:
			file = fopen(path, "w");
			assert_non_null(file);
			(void)fclose(file);
		}
		fixture_open(f);
		free(text);
		text = NULL;
		assert_true(check(f, true, &text) > 0);
		assert_non_null(strstr(text, "sessions_by_owner"));
		assert_int_equal(check(f, false, NULL), 0);
		run(f, PASS_READ, get_session, NULL);
	}
	after = dump(f, true);
	assert_string_equal(before, after);
}

/* The logs of a young store would mend the copy that is looked at. */
static void test_damage_is_not_hidden_by_logs(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", f->dir);
	CLEAN_FREE char *dir = mem_printf("%s/backup-1", f->dir);
	static const long places[] = {30, 4096 + 20, 4096 + 2000};
	struct error error = {0};

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		CLEAN_FREE char *text = NULL;

		flip_byte(path, places[i]);
		assert_int_equal(check(f, false, &text), 1);
		assert_non_null(strstr(text, "db/data/users.db is damaged"));
		assert_int_equal(store_backup(f->store, dir, NULL, NULL, &error), ERR_STORE);
		assert_non_null(strstr(error.text, "db/data/users.db is damaged"));
		assert_int_equal(fs_remove_tree(AT_FDCWD, dir, NULL), ERR_OK);
		flip_byte(path, places[i]);
	}
	assert_int_equal(check(f, false, NULL), 0);
}

/* Recovery needs the page: nobody gets in, and everybody is told which table it is. */
static void test_damage_that_stops_recovery_is_named(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/sessions.db", f->dir);
	CLEAN_FREE char *backup = mem_printf("%s/backup-1", f->dir);
	struct error error = {0};

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	assert_int_equal(store_backup(f->store, backup, NULL, NULL, NULL), ERR_OK);
	run(f, PASS_SYNC, touch_session, NULL);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	flip_byte(path, 4096 + 2000);
	fixture_open(f);
	assert_int_equal(store_pass(f->store, PASS_READ, "t", get_user, NULL, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "db/data/sessions.db is damaged"));
	assert_non_null(strstr(error.text, "restore needed"));
	fixture_close(f);
	assert_int_equal(store_restore(&f->config, backup, true, NULL), ERR_OK);
	assert_int_equal(store_restored(&f->config, NULL), ERR_OK);
	fixture_open(f);
	run(f, PASS_READ, get_session, NULL);
	assert_int_equal(check(f, false, NULL), 0);
}

static enum err put_large(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	CLEAN_FREE char *text = mem_alloc(300000);

	memset(text, 'x', 299999);
	json_set_str(o, "text", text);
	return record_put(p, TABLE_MAIL, arg, 1, o);
}

static void test_lost_log_is_told(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *log = mem_printf("%s/db/log/log.0000000001", f->dir);
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *told = NULL;
	struct error error = {0};
	char key[] = "a";

	fill_store(f);
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	for (; *key < 'f'; ++*key)
		run(f, PASS_SYNC, put_large, key);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	assert_int_equal(unlink(log), 0);
	fixture_open(f);
	assert_int_equal(store_pass(f->store, PASS_READ, "t", get_user, NULL, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "a file of db/log is missing, restore needed"));
	text = dump_damaged(f, &told);
	assert_non_null(strstr(told, "db/data/users.db: read without db/log"));
	assert_non_null(strstr(text, "\"ann\""));
}

/* Recovery stops at no end that is too early: it goes on from there. */
static void test_cut_log_is_told(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *log = mem_printf("%s/db/log/log.0000000001", f->dir);
	CLEAN_FREE char *backup = mem_printf("%s/backup-1", f->dir);
	CLEAN_FREE char *text = NULL;
	struct error error = {0};

	fill_store(f);
	assert_int_equal(check(f, false, NULL), 0);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	assert_int_equal(truncate(log, 300000), 0);
	fixture_open(f);
	assert_true(check(f, false, &text) > 0);
	assert_non_null(strstr(text, "log.0000000001 is cut short"));
	assert_int_equal(store_backup(f->store, backup, NULL, NULL, &error), ERR_STORE);
	assert_non_null(strstr(error.text, "is cut short"));
	assert_int_equal(check(f, true, NULL), 1);
	assert_int_equal(check(f, false, NULL), 0);
}

/* ---- what is left of a damaged store */

static enum err put_users(struct pass *p, void *arg)
{
	enum err err = ERR_OK;

	(void)arg;
	for (int i = 0; err == ERR_OK && i < 100; i++) {
		CLEAN_JSON json_object *user = json_object_new_object();
		CLEAN_FREE char *name = mem_printf("user%02d", i);
		CLEAN_FREE char *long_one = mem_printf("%0*d", i % 10 == 0 ? 5000 : 300, i);

		json_set_str(user, "name", name);
		json_set_str(user, "password", long_one);
		err = users_put(p, user);
	}
	return err;
}

static enum err delete_large(struct pass *p, void *arg)
{
	return record_delete(p, TABLE_MAIL, arg, 1);
}

static int count(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text++;
		n++;
	}
	return n;
}

/* Nobody gets in, no log reaches back to the beginning, and there is no backup. */
static void test_dump_saves_what_a_damaged_page_leaves(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", f->dir);
	CLEAN_FREE char *log = mem_printf("%s/db/log/log.0000000001", f->dir);
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *told = NULL;
	CLEAN_FREE char *mark = mem_printf("%s/loading", f->dir);
	struct error error = {0};
	FILE *in;

	fill_store(f);
	for (char key[] = "a"; *key < 'f'; ++*key)
		run(f, PASS_SYNC, put_large, key);
	for (char key[] = "a"; *key < 'f'; ++*key)
		run(f, PASS_SYNC, delete_large, key);
	for (int i = 0; i < 2; i++) {
		run(f, PASS_SYNC, put_users, NULL);
		if (i == 0)
			assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	}
	assert_int_not_equal(access(log, F_OK), 0);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	for (int pages = 1; pages <= 2; pages++) {
		CLEAN_FREE char *want = mem_printf("%d damaged pages", pages);

		/* One with records, then also the first. */
		flip_byte(path, pages == 1 ? 5 * 4096 + 2000 : 30);
		fixture_open(f);
		if (pages == 1)
			run_want(f, PASS_READ, get_session, NULL, ERR_STORE);
		free(text);
		free(told);
		text = dump_damaged(f, &told);
		assert_non_null(strstr(told, "db/data/users.db"));
		assert_non_null(strstr(told, want));
		assert_int_equal(count(text, "\"table\":\"sessions\""), 1);
		assert_in_range(count(text, "\"table\":\"users\""), 80, 100);
		if (pages == 1)
			fixture_close(f);
	}
	load(f, text, ERR_STORE);
	/* As when a load was killed with the old store aside and the new one not yet in place. */
	in = fopen(mark, "w");
	(void)fclose(in);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	assert_int_equal(store_pass(f->store, PASS_READ, "t", get_session, NULL, &error),
			 ERR_STORE);
	assert_non_null(strstr(error.text, "run slipway load --replace again"));
	in = fmemopen(text, strlen(text), "r");
	assert_int_equal(store_load(f->store, in, true, NULL), ERR_OK);
	(void)fclose(in);
	run(f, PASS_READ, get_session, NULL);
	assert_int_equal(check(f, false, NULL), 0);
}

static enum err put_bytes(struct pass *p, void *arg)
{
	(void)arg;
	return index_put(p, TABLE_USERS, "bob", 3, "\xff\xfe", 2);
}

static void test_a_record_that_is_no_text_is_named(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *told = NULL;
	CLEAN_FREE char *said = NULL;

	fill_store(f);
	run(f, PASS_SYNC, put_bytes, NULL);
	text = dump_damaged(f, &told);
	assert_string_equal(told, "table users, key \"bob\": a damaged record\n");
	assert_non_null(strstr(text, "\"ann\""));
	assert_int_equal(count(text, "\"table\":\"uploads\""), 1);
	assert_int_equal(check(f, false, &said), 1);
	assert_non_null(strstr(said, "key \"bob\""));
}

/* ---- backup and restore */

static void test_backup_restores_everything(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *dir = mem_printf("%s/backup-1", f->dir);
	CLEAN_FREE char *before = NULL;
	CLEAN_FREE char *after = NULL;
	struct error error = {0};
	struct dirent *entry;
	bool kept = false;
	DIR *d;

	fill_store(f);
	before = dump(f, true);
	assert_int_equal(store_backup(f->store, dir, NULL, NULL, &error), ERR_OK);
	assert_int_equal(store_backup(f->store, dir, NULL, NULL, NULL), ERR_CONFLICT);
	run(f, PASS_SYNC, spoil_indexes, NULL);
	run_want(f, PASS_SYNC, fill, NULL, ERR_CONFLICT);
	/*
	 * The store is in use, also by ourselves: refused, then done and noticed by the open
	 * handle.
	 */
	assert_int_equal(store_restore(&f->config, dir, false, NULL), ERR_CONFLICT);
	fixture_close(f);
	if (store_restore(&f->config, dir, true, &error) != ERR_OK)
		fail_msg("restore: %s", error.text);
	/*
	 * Whoever put this in place may have been killed here: the rest of the site is the old one.
	 */
	fixture_open(f);
	run_want(f, PASS_READ, get_user, NULL, ERR_STORE);
	fixture_close(f);
	assert_int_equal(store_restore(&f->config, dir, true, NULL), ERR_OK);
	assert_int_equal(store_restored(&f->config, NULL), ERR_OK);
	fixture_open(f);
	after = dump(f, true);
	assert_string_equal(before, after);
	assert_int_equal(check(f, false, NULL), 0);
	d = opendir(f->dir);
	while ((entry = readdir(d)) != NULL)
		kept = kept || strncmp(entry->d_name, "db.old-", 7) == 0;
	(void)closedir(d);
	assert_true(kept);
}

static void test_restore_refuses_damaged_backup(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *dir = mem_printf("%s/backup-1", f->dir);
	CLEAN_FREE char *path = mem_printf("%s/db/data/users.db", dir);
	CLEAN_FREE char *manifest = mem_printf("%s/manifest.json", dir);

	fill_store(f);
	assert_int_equal(store_backup(f->store, dir, NULL, NULL, NULL), ERR_OK);
	fixture_close(f);
	flip_byte(path, 5000);
	assert_int_equal(store_restore(&f->config, dir, true, NULL), ERR_DIGEST);
	(void)unlink(manifest);
	assert_int_equal(store_restore(&f->config, dir, true, NULL), ERR_NOT_FOUND);
	fixture_open(f);
	run(f, PASS_READ, get_user, NULL);
}

/* Recovering a copy must never reach into the store it was taken from. */
static void test_copy_leaves_the_original_alone(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *dir = mem_printf("%s/backup-1", f->dir);
	CLEAN_FREE char *data = mem_printf("%s/db/data", f->dir);
	struct fixture other = *f;
	struct dirent *entry;
	DIR *d;

	fill_store(f);
	assert_int_equal(store_backup(f->store, dir, NULL, NULL, NULL), ERR_OK);
	fixture_close(f);
	(void)fs_remove_tree(AT_FDCWD, data, NULL);
	assert_int_equal(mkdir(data, 0700), 0);
	(void)snprintf(other.dir, sizeof(other.dir), "/tmp/store-test-XXXXXX");
	assert_non_null(mkdtemp(other.dir));
	(void)snprintf(other.regions, sizeof(other.regions), "%s/regions", other.dir);
	other.config.data_dir = other.dir;
	other.config.store_regions = other.regions;
	assert_int_equal(store_restore(&other.config, dir, false, NULL), ERR_OK);
	assert_int_equal(store_restored(&other.config, NULL), ERR_OK);
	fixture_open(&other);
	run(&other, PASS_READ, get_user, NULL);
	fixture_close(&other);
	(void)fs_remove_tree(AT_FDCWD, other.dir, NULL);
	d = opendir(data);
	while ((entry = readdir(d)) != NULL)
		assert_int_equal(entry->d_name[0], '.');
	(void)closedir(d);
	fixture_open(f);
}

/* ---- versions */

static enum err raise_min_reader(struct pass *p, void *arg)
{
	static const char text[] = "{\"v\":1,\"format\":99,\"min_reader\":99}";

	(void)arg;
	return index_put(p, TABLE_META, "format", 6, text, strlen(text));
}

static void test_newer_store_is_refused_and_left(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};

	fill_store(f);
	run(f, PASS_SYNC, raise_min_reader, NULL);
	fixture_close(f);
	fixture_open(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_pass(f->store, PASS_READ, "t", get_user, NULL, &error),
				 ERR_STORE);
	assert_non_null(strstr(error.text, "newer"));
	CLEAN_JSON json_object *stat = store_stat(f->store);
	assert_int_equal(json_int(stat, "recoveries", -1), 0);
	assert_false(json_bool(stat, "dirty", true));
}

static enum err put_old(struct pass *p, void *arg)
{
	(void)arg;
	return index_put(p, TABLE_USERS, "old", 3, "{\"name\":\"old\"}", 14);
}

static void test_migrate_rewrites_old_records(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *text = NULL;
	FILE *null = fopen("/dev/null", "w");
	int findings;

	run(f, PASS_SYNC, put_old, NULL);
	assert_int_equal(check(f, false, &text), 1);
	assert_non_null(strstr(text, "older program"));
	assert_int_equal(store_check(f->store, false, true, null, &findings, NULL), ERR_OK);
	assert_int_equal(findings, 0);
	(void)fclose(null);
}

/* ---- sweep */

static enum err old_things(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *replay = json_object_new_object();
	CLEAN_JSON json_object *stone = json_object_new_object();
	static const unsigned char stone_key[8] = {0, 0, 0, 0, 0, 0, 0, 77};
	static const unsigned char nonce[20] = {TABLE_SESSION_NONCES, 0, 0, 1};
	static const unsigned char due[17] = {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 77};
	enum err err =
	    logins_add(p, "ann", "192.0.2.1", 1000, 5, "f123456789abcdef0123456789abcdef");

	(void)arg;
	json_set_int(replay, "expires", 5);
	json_set_int(stone, "id", 77);
	json_set_int(stone, "gone", 1);
	if (err == ERR_OK)
		err = record_put(p, TABLE_REPLAY, "r", 1, replay);
	if (err == ERR_OK)
		err = record_put(p, TABLE_SESSIONS, stone_key, 8, stone);
	if (err == ERR_OK)
		err = index_put(p, TABLE_SESSIONS_BY_STATE, due, sizeof(due), nonce, 4);
	if (err == ERR_OK)
		err = index_put(p, TABLE_SESSION_NONCES, "u:ann\0old", 9, nonce, sizeof(nonce));
	if (err == ERR_OK)
		err = failures_note(p, "ann", "192.0.2.1", 1);
	return err;
}

static void test_sweep_removes_old_keeps_new(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *before = NULL;
	CLEAN_FREE char *after = NULL;
	CLEAN_FREE char *ballast = mem_printf("%s/ballast", f->dir);

	fill_store(f);
	before = dump(f, true);
	run(f, PASS_SYNC, old_things, NULL);
	/* Given up, and no room to make it again: only deletions may write. */
	(void)unlink(ballast);
	f->config.store_ballast = INT64_MAX / 4;
	run_want(f, PASS_SYNC, fill, NULL, ERR_NO_SPACE);
	run(f, PASS_DELETE, get_user, NULL);
	f->config.store_ballast = MIB;
	assert_int_equal(store_sweep(f->store, NULL), ERR_OK);
	after = dump(f, true);
	assert_string_equal(before, after);
	assert_int_equal(access(ballast, F_OK), 0);
	assert_int_equal(check(f, false, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_dump_load_dump_is_the_same),
	    STORE_TEST(test_dump_hides_secrets),
	    STORE_TEST(test_load_is_all_or_nothing),
	    STORE_TEST(test_check_finds_nothing_in_good_store),
	    STORE_TEST(test_check_mends_indexes_and_sums),
	    STORE_TEST(test_check_finds_missing_and_wrong_files),
	    STORE_TEST(test_check_removes_old_stray_folders),
	    STORE_TEST(test_damaged_page_harms_its_table_only),
	    STORE_TEST(test_damaged_first_page_harms_its_table_only),
	    STORE_TEST(test_lost_table_is_told),
	    STORE_TEST(test_lost_index_is_built_anew),
	    STORE_TEST(test_damage_is_not_hidden_by_logs),
	    STORE_TEST(test_damage_that_stops_recovery_is_named),
	    STORE_TEST(test_cut_log_is_told),
	    STORE_TEST(test_dump_saves_what_a_damaged_page_leaves),
	    STORE_TEST(test_a_record_that_is_no_text_is_named),
	    STORE_TEST(test_lost_log_is_told),
	    STORE_TEST(test_backup_restores_everything),
	    STORE_TEST(test_restore_refuses_damaged_backup),
	    STORE_TEST(test_copy_leaves_the_original_alone),
	    STORE_TEST(test_newer_store_is_refused_and_left),
	    STORE_TEST(test_migrate_rewrites_old_records),
	    STORE_TEST(test_sweep_removes_old_keeps_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
