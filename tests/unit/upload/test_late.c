/*
 * Goal: an upload whose client learns its id only with the answer to its first bytes costs one
 * commit: nothing is known of it before upload_keep or its completion, everything afterwards.
 */
#include <unistd.h>
#include "upload/help.h"
#include "upload/engine.h"

static struct upload *create_late(struct scratch *s, int64_t length)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "tus",
				   .mode = UPLOAD_APPEND,
				   .name = "a.csv",
				   .length = length,
				   .late = true,
				   .address = "192.0.2.1"};
	struct upload *u = NULL;

	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	return u;
}

/* Nothing of it is there, not even its folder. */
static bool leaves_nothing(const struct scratch *s, const char *id)
{
	CLEAN_FREE char *dir = mem_printf("%s/uploads/%.2s/%s", s->dir, id, id);

	return access(dir, F_OK) != 0;
}

static void test_late_upload_completes_in_one_commit(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, 5);
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_null(record_of(s, id));
	assert_true(leaves_nothing(s, id));
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	assert_true(upload_is_complete(u));
	assert_true(has_file(s, id, "data"));
	assert_false(has_file(s, id, "lock"));
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	upload_close(u);
	CLEAN_FREE char *text = content(s, id);
	assert_string_equal(text, "hello");
}

static void test_late_upload_is_kept_with_its_first_bytes(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, 11);
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "hello ", &at), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_null(record_of(s, id));
	assert_false(has_file(s, id, "lock"));
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	assert_true(has_file(s, id, "lock"));
	assert_true(upload_expires(u) > clock_now_ms());
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 6);
	assert_int_equal(append(u, 6, "world", &at), ERR_OK);
	upload_close(u);
	CLEAN_FREE char *text = content(s, id);
	assert_string_equal(text, "hello world");
}

static void test_late_upload_without_bytes_is_kept(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, -1);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 0);
	upload_close(u);
}

static void test_late_upload_closed_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, 11);
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	upload_close(u);
	assert_null(record_of(s, id));
	assert_true(leaves_nothing(s, id));
}

/* All bytes at once that are not what they should be: the file already had its last name. */
static void test_late_upload_of_wrong_bytes_is_kept_empty(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, 5);
	struct checksum sum = {.algorithm = DIGEST_MD5};
	struct memory m;
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hello", 5, 5, TAIL_END), &sum, false, &at, NULL),
	    ERR_CHECKSUM);
	assert_int_equal(at, 0);
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	upload_close(u);
	assert_true(has_file(s, id, "part"));
	assert_false(has_file(s, id, "data"));
	u = reopen(s, id);
	assert_int_equal(append(u, 0, "world", &at), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
}

/* Without a lock file its bytes' file says that somebody is at it, however long. */
static void test_late_upload_is_not_swept_while_it_is_written(void **state)
{
	static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	struct scratch *s = *state;

	for (int64_t length = 5; length <= 6; length++) {
		struct upload *u = create_late(s, length);
		char id[33];
		int64_t at = -1;

		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		if (length > 5)
			assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
		else
			assert_int_equal(upload_place(u, 5, NULL), ERR_OK);
		CLEAN_FREE char *dir = mem_printf("%s/uploads/%.2s/%s", s->dir, id, id);
		assert_int_equal(utimensat(AT_FDCWD, dir, long_ago, 0), 0);
		assert_int_equal(upload_sweep(s->engine, 10000, NULL), ERR_OK);
		assert_true(has_file(s, id, length > 5 ? "part" : "data"));
		/* Whoever was killed here is nobody. */
		(void)close(u->part);
		u->part = -1;
		assert_int_equal(utimensat(AT_FDCWD, dir, long_ago, 0), 0);
		assert_int_equal(upload_sweep(s->engine, 10000, NULL), ERR_OK);
		assert_true(leaves_nothing(s, id));
		upload_close(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_late_upload_completes_in_one_commit),
	    T(test_late_upload_is_kept_with_its_first_bytes),
	    T(test_late_upload_without_bytes_is_kept),
	    T(test_late_upload_closed_leaves_nothing),
	    T(test_late_upload_of_wrong_bytes_is_kept_empty),
	    T(test_late_upload_is_not_swept_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
