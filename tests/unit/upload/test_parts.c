/*
 * Goal: parts mode keeps whole bodies only, lets a repeated number replace, joins in order when all
 * are there and the sum is right, and keeps the parts when it is not.
 */
#include <pthread.h>
#include <unistd.h>
#include "upload/help.h"

static struct upload *create_parts(struct scratch *s, int64_t length, uint32_t parts, bool by_mark)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = by_mark ? "gws" : "webuploader",
				   .mode = UPLOAD_PARTS,
				   .name = "a.csv",
				   .length = length,
				   .parts = parts,
				   .by_mark = by_mark,
				   .address = "192.0.2.1"};
	struct error error = {0};
	struct upload *u = NULL;

	if (upload_create(s->engine, &spec, &u, &error) != ERR_OK)
		fail_msg("create: %s", error.text);
	return u;
}

static enum err put(struct upload *u, uint32_t number, const char *text)
{
	struct memory m;

	return upload_put_part(
	    u, number, memory_body(&m, text, strlen(text), (int64_t)strlen(text), TAIL_END), NULL);
}

static void test_parts_in_any_order_make_the_file(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, 11, 3, false);
	struct upload_info info = {0};
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 2, "rld"), ERR_OK);
	assert_int_equal(put(u, 0, "HELLO"), ERR_OK);
	upload_close(u);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_int_equal(info.received, 8);
	assert_int_equal(info.offset, 0);
	assert_int_equal(info.parts, 3);
	assert_int_equal(info.mode, UPLOAD_PARTS);
	upload_info_done(&info);
	u = reopen(s, id);
	assert_true(upload_has_part(u, 2));
	assert_false(upload_has_part(u, 1));
	assert_false(upload_has_part(u, 3));
	assert_int_equal(put(u, 0, "hello "), ERR_OK);
	assert_int_equal(put(u, 3, "x"), ERR_LENGTH);
	assert_int_equal(put(u, 1, "wo"), ERR_OK);
	assert_true(upload_is_complete(u));
	assert_int_equal(put(u, 1, "late"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "hello world");
	assert_false(has_file(s, id, "p.0"));
	assert_false(has_file(s, id, "sizes"));
	assert_false(has_file(s, id, "part"));
}

static void test_cut_part_changes_nothing(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, 6, 2, false);
	struct memory m;
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 0, "abc"), ERR_OK);
	assert_int_equal(upload_put_part(u, 0, memory_body(&m, "xyz", 3, 9, TAIL_LOST), NULL),
			 ERR_CUT);
	upload_close(u);
	u = reopen(s, id);
	assert_true(upload_has_part(u, 0));
	assert_int_equal(put(u, 1, "def"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "abcdef");
}

static void test_wrong_total_keeps_the_parts(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, 6, 2, false);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 0, "abc"), ERR_OK);
	assert_int_equal(put(u, 1, "defg"), ERR_INCOMPLETE);
	upload_close(u);
	assert_null(content(s, id));
	u = reopen(s, id);
	assert_int_equal(upload_finish(u, NULL), ERR_INCOMPLETE);
	assert_int_equal(put(u, 1, "def"), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_content(s, id, "abcdef");
}

static void test_sum_may_exceed_by_one_part(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, 4, 4, true);

	assert_int_equal(put(u, 0, "abcde"), ERR_OK);
	assert_int_equal(put(u, 1, "f"), ERR_LENGTH);
	/* The one that was too long may be corrected. */
	assert_int_equal(put(u, 0, "a"), ERR_OK);
	assert_int_equal(put(u, 1, "bcdefg"), ERR_OK);
	assert_int_equal(put(u, 2, ""), ERR_LENGTH);
	upload_close(u);
}

static void test_marked_parts_complete_only_on_finish(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, 3, 2, true);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_finish(u, NULL), ERR_INCOMPLETE);
	assert_int_equal(put(u, 0, ""), ERR_OK);
	assert_int_equal(put(u, 1, "abc"), ERR_OK);
	assert_false(upload_is_complete(u));
	upload_close(u);
	u = reopen(s, id);
	assert_false(upload_is_complete(u));
	assert_int_equal(put(u, 1, "xyz"), ERR_OK);
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	upload_close(u);
	assert_content(s, id, "xyz");
	/* upload_get finishes on demand. */
	u = create_parts(s, 3, 1, true);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	assert_null(content(s, id));
	u = reopen(s, id);
	assert_int_equal(put(u, 0, "abc"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "abc");
}

static void test_pushed_part_counts_only_with_its_end(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, -1, 2, false);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_push_part(u, 0, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "abc", 3, NULL), ERR_OK);
	upload_close(u);
	u = reopen(s, id);
	assert_false(upload_has_part(u, 0));
	assert_int_equal(upload_push_part(u, 2, NULL), ERR_LENGTH);
	assert_int_equal(upload_push(u, "abc", 3, NULL), ERR_LENGTH);
	assert_int_equal(upload_push_part(u, 1, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "de", 2, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "f", 1, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, true, NULL), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_int_equal(upload_push_part(u, 0, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_content(s, id, "def");
}

static void test_restart_drops_what_came(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_parts(s, -1, 2, false);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 1, "old"), ERR_OK);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_restart(u, NULL), ERR_OK);
	assert_false(upload_has_part(u, 1));
	assert_int_equal(put(u, 0, "new"), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_int_equal(put(u, 1, "er"), ERR_OK);
	assert_int_equal(upload_restart(u, NULL), ERR_FINAL);
	upload_close(u);
	assert_content(s, id, "newer");
}

static void test_limits_of_parts(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nmax_parts = 5\npart_files = 8\n");
	struct upload_spec spec = {
	    .owner = ann, .adapter = "gws", .mode = UPLOAD_PARTS, .length = 10, .parts = 5};
	struct upload *u = NULL, *v = NULL;

	(void)state;
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	spec.parts = 6;
	assert_int_equal(upload_create(s->engine, &spec, &v, NULL), ERR_LENGTH);
	spec.parts = 0;
	assert_int_equal(upload_create(s->engine, &spec, &v, NULL), ERR_LENGTH);
	spec.parts = 4;
	assert_int_equal(upload_create(s->engine, &spec, &v, NULL), ERR_QUOTA);
	spec.parts = 3;
	assert_int_equal(upload_create(s->engine, &spec, &v, NULL), ERR_OK);
	upload_close(v);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	spec.parts = 5;
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	upload_close(u);
	scratch_free(s);
}

/* ---- racing */

struct writer {
	struct scratch *s;
	const char *id;
	uint32_t number;
	char text[8];
	enum err err;
};

static void *write_one(void *arg)
{
	struct writer *w = arg;
	struct upload *u = NULL;

	w->err = upload_open(w->s->engine, w->id, &ann, UPLOAD_WANT_WRITE, &u, NULL);
	if (w->err != ERR_OK)
		return NULL;
	w->err = put(u, w->number, w->text);
	upload_close(u);
	return NULL;
}

static void test_racing_parts_complete_exactly_once(void **state)
{
	enum { N = 18 };
	struct scratch *s = *state;
	struct writer w[N];
	pthread_t threads[N];
	char id[33], expected[N + 1] = "";

	for (int round = 0; round < 5; round++) {
		struct upload *u = create_parts(s, N, N, false);

		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		upload_close(u);
		for (uint32_t i = 0; i < N; i++) {
			w[i] = (struct writer){.s = s, .id = id, .number = i};
			w[i].text[0] = expected[i] = (char)('a' + i);
			assert_int_equal(pthread_create(&threads[i], NULL, write_one, &w[i]), 0);
		}
		for (size_t i = 0; i < N; i++)
			pthread_join(threads[i], NULL);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(w[i].err, ERR_OK);
		assert_content(s, id, expected);
	}
}

static void *finish_one(void *arg)
{
	struct writer *w = arg;
	struct upload *u = NULL;

	w->err = upload_open(w->s->engine, w->id, &ann, UPLOAD_WANT_WRITE, &u, NULL);
	if (w->err == ERR_OK)
		w->err = upload_finish(u, NULL);
	upload_close(u);
	return NULL;
}

static void test_two_finishes_at_once_both_succeed(void **state)
{
	struct scratch *s = *state;
	char id[33];

	for (int round = 0; round < 10; round++) {
		struct upload *u = create_parts(s, 4, 2, true);
		struct writer a = {.s = s, .id = id}, b = a;
		pthread_t x, y;

		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		assert_int_equal(put(u, 0, "ab"), ERR_OK);
		assert_int_equal(put(u, 1, "cd"), ERR_OK);
		upload_close(u);
		assert_int_equal(pthread_create(&x, NULL, finish_one, &a), 0);
		assert_int_equal(pthread_create(&y, NULL, finish_one, &b), 0);
		pthread_join(x, NULL);
		pthread_join(y, NULL);
		assert_int_equal(a.err, ERR_OK);
		assert_int_equal(b.err, ERR_OK);
		assert_content(s, id, "abcd");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_parts_in_any_order_make_the_file),
	    T(test_cut_part_changes_nothing),
	    T(test_wrong_total_keeps_the_parts),
	    T(test_sum_may_exceed_by_one_part),
	    T(test_marked_parts_complete_only_on_finish),
	    T(test_pushed_part_counts_only_with_its_end),
	    T(test_restart_drops_what_came),
	    cmocka_unit_test(test_limits_of_parts),
	    T(test_racing_parts_complete_exactly_once),
	    T(test_two_finishes_at_once_both_succeed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
