/*
 * Goal: an upload whose client learns its id only with the answer to its first bytes costs one
 * commit: nothing is known of it before upload_keep or its completion, everything afterwards.
 */
#include <unistd.h>
#include "upload/help.h"

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

static void test_late_upload_completes_in_one_commit(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_late(s, 5);
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_null(record_of(s, id));
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	assert_true(upload_is_complete(u));
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
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
	assert_int_equal(upload_keep(u, NULL), ERR_OK);
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
	CLEAN_FREE char *dir = mem_printf("%s/uploads/%.2s/%s", s->dir, id, id);
	assert_int_equal(access(dir, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_late_upload_completes_in_one_commit),
	    T(test_late_upload_is_kept_with_its_first_bytes),
	    T(test_late_upload_without_bytes_is_kept),
	    T(test_late_upload_closed_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
