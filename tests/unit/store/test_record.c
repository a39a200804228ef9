/*
 * Goal: records keep what they do not know, refuse what is too new or too large, and passes commit
 * all or nothing.
 */
#include "store/fixture.h"

#include "store/record.h"

static enum err put_user(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "name", "ann");
	json_set_str(o, "future", "kept");
	(void)arg;
	return record_put(p, TABLE_USERS, "ann", 3, o);
}

static enum err change_user(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	enum err err = record_get(p, TABLE_USERS, "ann", 3, &o);

	(void)arg;
	if (err != ERR_OK)
		return err;
	json_set_bool(o, "admin", true);
	return record_put(p, TABLE_USERS, "ann", 3, o);
}

static enum err get_user(struct pass *p, void *arg)
{
	return record_get(p, TABLE_USERS, "ann", 3, (json_object **)arg);
}

static void test_record_keeps_unknown_members(void **state)
{
	struct fixture *f = *state;
	CLEAN_JSON json_object *o = NULL;

	run(f, PASS_SYNC, put_user, NULL);
	run(f, PASS_SYNC, change_user, NULL);
	run(f, PASS_READ, get_user, &o);
	assert_string_equal(json_str(o, "future", ""), "kept");
	assert_true(json_bool(o, "admin", false));
	assert_int_equal(json_int(o, "v", 0), 1);
}

static enum err put_raw(struct pass *p, void *arg)
{
	const char *text = arg;

	return index_put(p, TABLE_USERS, "ann", 3, text, strlen(text));
}

static enum err get_raw(struct pass *p, void *arg)
{
	size_t len;
	enum err err = index_get(p, TABLE_USERS, "ann", 3, arg, 100, &len);

	if (err == ERR_OK)
		((char *)arg)[len] = '\0';
	return err;
}

static enum err delete_user(struct pass *p, void *arg)
{
	(void)arg;
	return record_delete(p, TABLE_USERS, "ann", 3);
}

static void test_record_refuses_newer_version(void **state)
{
	struct fixture *f = *state;
	char text[101] = "";
	json_object *o = NULL;
	char newer[] = "{\"v\":99,\"name\":\"ann\"}";

	run(f, PASS_SYNC, put_raw, newer);
	run_want(f, PASS_READ, get_user, &o, ERR_STORE);
	run_want(f, PASS_SYNC, put_user, NULL, ERR_STORE);
	run_want(f, PASS_SYNC, delete_user, NULL, ERR_STORE);
	run(f, PASS_READ, get_raw, text);
	assert_string_equal(text, newer);
}

static void test_record_refuses_damaged_json(void **state)
{
	struct fixture *f = *state;
	json_object *o = NULL;
	char bad[] = "{\"v\":1,";

	run(f, PASS_SYNC, put_raw, bad);
	run_want(f, PASS_READ, get_user, &o, ERR_STORE);
	/* The environment itself is fine: no recovery, other records are served. */
	CLEAN_JSON json_object *stat = store_stat(f->store);
	assert_int_equal(json_int(stat, "recoveries", -1), 1);
}

static enum err put_then_fail(struct pass *p, void *arg)
{
	enum err err = put_user(p, NULL);

	(void)arg;
	return err == ERR_OK ? ERR_CONFLICT : err;
}

static void test_pass_aborts_when_function_fails(void **state)
{
	struct fixture *f = *state;
	json_object *o = NULL;

	run_want(f, PASS_SYNC, put_then_fail, NULL, ERR_CONFLICT);
	run_want(f, PASS_READ, get_user, &o, ERR_NOT_FOUND);
}

static void test_pass_read_cannot_write(void **state)
{
	struct fixture *f = *state;

	run_want(f, PASS_READ, put_user, NULL, ERR_INTERNAL);
	run(f, PASS_SYNC, put_user, NULL);
}

static enum err put_large(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	size_t n = *(size_t *)arg;
	CLEAN_FREE char *text = mem_alloc(n + 1);

	memset(text, 'x', n);
	json_set_str(o, "blob", text);
	return record_put(p, TABLE_MAIL, "m", 1, o);
}

static enum err put_long_key(struct pass *p, void *arg)
{
	char key[1025];

	(void)arg;
	memset(key, 'k', sizeof(key));
	return index_put(p, TABLE_MAIL, key, sizeof(key), "x", 1);
}

static void test_record_limits_sizes(void **state)
{
	struct fixture *f = *state;
	size_t fits = MIB - 100, large = MIB + 1;

	run(f, PASS_SYNC, put_large, &fits);
	run_want(f, PASS_SYNC, put_large, &large, ERR_TOO_LARGE);
	run_want(f, PASS_SYNC, put_long_key, NULL, ERR_BAD_REQUEST);
}

static enum err insert_user(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = json_object_new_object();

	(void)arg;
	return record_insert(p, TABLE_USERS, "ann", 3, o);
}

static void test_record_insert_refuses_second(void **state)
{
	struct fixture *f = *state;

	run(f, PASS_SYNC, insert_user, NULL);
	run_want(f, PASS_SYNC, insert_user, NULL, ERR_CONFLICT);
	run(f, PASS_SYNC, delete_user, NULL);
	run_want(f, PASS_SYNC, delete_user, NULL, ERR_NOT_FOUND);
}

static enum err count_two(struct pass *p, void *arg)
{
	int64_t *n = arg;
	enum err err = counter_next(p, "a", &n[0]);

	return err == ERR_OK ? counter_add(p, "b", -5, &n[1]) : err;
}

static void test_counter_grows_across_passes(void **state)
{
	struct fixture *f = *state;
	int64_t n[2];

	for (int64_t i = 1; i <= 3; i++) {
		run(f, PASS_SYNC, count_two, n);
		assert_int_equal(n[0], i);
		assert_int_equal(n[1], -5 * i);
	}
	fixture_close(f);
	fixture_open(f);
	run(f, PASS_SYNC, count_two, n);
	assert_int_equal(n[0], 4);
}

static enum err fill(struct pass *p, void *arg)
{
	static const char *const keys[] = {"a", "b1", "b2", "b3", "c"};
	enum err err = ERR_OK;

	(void)arg;
	for (size_t i = 0; err == ERR_OK && i < 5; i++)
		err = index_put(p, TABLE_MAIL, keys[i], strlen(keys[i]), NULL, 0);
	return err;
}

struct seen {
	char text[64];
	size_t stop_after;
};

static bool see(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct seen *s = arg;

	(void)value;
	assert_int_equal(len, 0);
	strncat(s->text, key, key_len);
	return --s->stop_after > 0;
}

static enum err walk_b(struct pass *p, void *arg)
{
	return record_walk(p, TABLE_MAIL, "b2", 2, "b", 1, 10, see, arg);
}

static enum err walk_all(struct pass *p, void *arg)
{
	return record_walk(p, TABLE_MAIL, NULL, 0, NULL, 0, 4, see, arg);
}

static void test_walk_stays_in_prefix_and_bounds(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.stop_after = 10};

	run(f, PASS_SYNC, fill, NULL);
	run(f, PASS_READ, walk_b, &s);
	assert_string_equal(s.text, "b2b3");
	s = (struct seen){.stop_after = 10};
	run(f, PASS_READ, walk_all, &s);
	assert_string_equal(s.text, "ab1b2b3");
	s = (struct seen){.stop_after = 2};
	run(f, PASS_READ, walk_all, &s);
	assert_string_equal(s.text, "ab1");
}

static enum err pass_in_pass(struct pass *p, void *arg)
{
	struct fixture *f = arg;
	struct error error = {0};

	(void)p;
	return store_pass(f->store, PASS_READ, "inner", get_user, NULL, &error);
}

static void test_pass_within_pass_is_refused(void **state)
{
	run_want(*state, PASS_READ, pass_in_pass, *state, ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_record_keeps_unknown_members),
	    STORE_TEST(test_record_refuses_newer_version),
	    STORE_TEST(test_record_refuses_damaged_json),
	    STORE_TEST(test_pass_aborts_when_function_fails),
	    STORE_TEST(test_pass_read_cannot_write),
	    STORE_TEST(test_record_limits_sizes),
	    STORE_TEST(test_record_insert_refuses_second),
	    STORE_TEST(test_counter_grows_across_passes),
	    STORE_TEST(test_walk_stays_in_prefix_and_bounds),
	    STORE_TEST(test_pass_within_pass_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
