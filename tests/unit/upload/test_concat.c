/*
 * Goal: a final upload is its partial ones in order, whenever they get complete; it is never made
 * of what is not there, not its owner's or not partial, and ends when one it needs does.
 */
#include <unistd.h>
#include "upload/help.h"

static struct upload_spec partial_spec(const struct principal *who, int64_t length)
{
	return (struct upload_spec){.owner = *who,
				    .adapter = "tus",
				    .mode = UPLOAD_APPEND,
				    .name = "part",
				    .length = length,
				    .partial = true,
				    .address = "192.0.2.1"};
}

/* A partial upload with TEXT of LENGTH bytes in it. */
static void partial_as(struct scratch *s, const struct principal *who, int64_t length,
		       const char *text, char id[33])
{
	struct upload_spec spec = partial_spec(who, length);
	struct upload *u = NULL;
	int64_t at;

	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	assert_int_equal(append(u, 0, text, &at), ERR_OK);
	(void)snprintf(id, 33, "%s", upload_id(u));
	upload_close(u);
}

static void partial(struct scratch *s, const char *text, char id[33])
{
	partial_as(s, &ann, (int64_t)strlen(text), text, id);
}

static enum err join(struct scratch *s, const char *const *ids, size_t n, char id[33])
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "tus",
				   .mode = UPLOAD_CONCAT,
				   .name = "whole.csv",
				   .length = -1,
				   .concat = ids,
				   .n_concat = n,
				   .address = "192.0.2.1"};
	struct upload *u = NULL;
	enum err e = upload_create(s->engine, &spec, &u, NULL);

	if (e == ERR_OK)
		(void)snprintf(id, 33, "%s", upload_id(u));
	upload_close(u);
	return e;
}

static void finish(struct scratch *s, const char *id, int64_t at, const char *text)
{
	struct upload *u = reopen(s, id);

	assert_int_equal(append(u, at, text, &at), ERR_OK);
	upload_close(u);
}

static struct upload_info status(struct scratch *s, const char *id)
{
	struct upload_info info = {0};

	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	return info;
}

static enum err status_of(struct scratch *s, const char *id)
{
	struct upload_info info = {0};
	enum err e = upload_status(s->engine, id, &ann, &info, NULL);

	upload_info_done(&info);
	return e;
}

static void test_complete_partials_are_joined_in_order(void **state)
{
	struct scratch *s = *state;
	char a[33], b[33], id[33];
	struct upload_info info = {0};

	partial(s, "ab", a);
	partial(s, "cde", b);
	assert_int_equal(join(s, (const char *[]){b, a, b}, 3, id), ERR_OK);
	assert_content(s, id, "cdeabcde");
	/* A partial one is nobody's file. */
	assert_int_equal(upload_get(s->engine, a, &ann, &info, NULL), ERR_NOT_FOUND);
	/* One partial, several finals. */
	assert_int_equal(join(s, (const char *[]){a}, 1, id), ERR_OK);
	assert_content(s, id, "ab");
	info = status(s, id);
	assert_int_equal(info.n_concat, 1);
	assert_int_equal(info.mode, UPLOAD_CONCAT);
	assert_int_equal(info.length, 2);
	upload_info_done(&info);
}

static void test_final_waits_for_its_partials(void **state)
{
	struct scratch *s = *state;
	char a[33], b[33], c[33], id[33];
	struct upload_info info;

	partial(s, "ab", a);
	partial_as(s, &ann, 4, "c", b);
	partial_as(s, &ann, -1, "x", c);
	assert_int_equal(join(s, (const char *[]){a, b, c}, 3, id), ERR_OK);
	info = status(s, id);
	assert_int_equal(info.length, -1);
	assert_int_equal(info.state, UPLOAD_RECEIVING);
	upload_info_done(&info);
	assert_null(content(s, id));
	finish(s, b, 1, "def");
	assert_null(content(s, id));
	struct upload *u = reopen(s, c);
	assert_int_equal(upload_set_length(u, 3, NULL), ERR_OK);
	upload_close(u);
	info = status(s, id);
	assert_int_equal(info.length, 9);
	upload_info_done(&info);
	/* Nobody touches the final: the last partial completes it. */
	finish(s, c, 1, "yz");
	info = status(s, id);
	assert_int_equal(info.state, UPLOAD_COMPLETE);
	upload_info_done(&info);
	assert_content(s, id, "abcdefxyz");
}

static void test_writing_to_a_final_is_refused(void **state)
{
	struct scratch *s = *state;
	char a[33], id[33];
	struct upload *u;
	int64_t at;

	partial_as(s, &ann, 4, "c", a);
	assert_int_equal(join(s, (const char *[]){a}, 1, id), ERR_OK);
	u = reopen(s, id);
	assert_int_equal(append(u, 0, "x", &at), ERR_FINAL);
	assert_int_equal(upload_finish(u, NULL), ERR_INCOMPLETE);
	upload_close(u);
	finish(s, a, 1, "def");
	assert_content(s, id, "cdef");
}

static void test_only_own_partials_can_be_joined(void **state)
{
	struct scratch *s = *state;
	struct upload *plain = create(s, 5);
	char a[33], b[33], id[33], gone[33];
	static const char unknown[] = "00000000000000000000000000000000";

	partial(s, "ab", a);
	partial_as(s, &bob, 2, "xy", b);
	partial(s, "cd", gone);
	assert_int_equal(remove_id(s, gone, &ann), ERR_OK);
	assert_int_equal(join(s, (const char *[]){a, unknown}, 2, id), ERR_CONCAT);
	assert_int_equal(join(s, (const char *[]){a, "../etc"}, 2, id), ERR_CONCAT);
	assert_int_equal(join(s, (const char *[]){a, b}, 2, id), ERR_CONCAT);
	assert_int_equal(join(s, (const char *[]){a, gone}, 2, id), ERR_CONCAT);
	assert_int_equal(join(s, (const char *[]){a, upload_id(plain)}, 2, id), ERR_CONCAT);
	assert_int_equal(join(s, (const char *[]){a}, 0, id), ERR_CONCAT);
	/* A final of a final. */
	assert_int_equal(join(s, (const char *[]){a}, 1, id), ERR_OK);
	assert_int_equal(join(s, (const char *[]){a, id}, 2, b), ERR_CONCAT);
	upload_close(plain);
}

static void test_sums_and_numbers_have_limits(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nmax_size = 5\nmax_concat = 3\n");
	char a[33], b[33], id[33];

	(void)state;
	partial(s, "abc", a);
	partial(s, "de", b);
	assert_int_equal(join(s, (const char *[]){a, b}, 2, id), ERR_OK);
	assert_int_equal(join(s, (const char *[]){a, b, b}, 3, id), ERR_TOO_LARGE);
	assert_int_equal(join(s, (const char *[]){b, b, b, b}, 4, id), ERR_CONCAT);
	scratch_free(s);
}

static void test_lost_partial_ends_the_final(void **state)
{
	struct scratch *s = *state;
	char a[33], b[33], id[33], done[33];

	partial(s, "ab", a);
	partial_as(s, &ann, 4, "c", b);
	assert_int_equal(join(s, (const char *[]){a, b}, 2, id), ERR_OK);
	assert_int_equal(join(s, (const char *[]){a}, 1, done), ERR_OK);
	assert_int_equal(remove_id(s, a, &ann), ERR_OK);
	assert_int_equal(status_of(s, id), ERR_GONE);
	assert_false(has_file(s, id, "part"));
	json_object *r = record_of(s, id);
	assert_string_equal(json_str(r, "reason", ""), "invalid");
	json_object_put(r);
	/* One that was complete before has lost nothing. */
	assert_content(s, done, "ab");
	/* The partial that is left is still of use. */
	finish(s, b, 1, "def");
	assert_int_equal(join(s, (const char *[]){b}, 1, id), ERR_OK);
	assert_content(s, id, "cdef");
}

static void test_expired_partial_ends_the_final(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nidle_ttl = 2\n");
	char a[33], b[33], id[33];

	(void)state;
	partial_as(s, &ann, 4, "c", a);
	clock_sleep_ms(1200);
	partial_as(s, &ann, 4, "d", b);
	assert_int_equal(join(s, (const char *[]){a, b}, 2, id), ERR_OK);
	clock_sleep_ms(1000);
	assert_int_equal(upload_sweep(s->engine, 1000, NULL), ERR_OK);
	assert_int_equal(status_of(s, a), ERR_GONE);
	assert_int_equal(status_of(s, b), ERR_OK);
	assert_int_equal(status_of(s, id), ERR_GONE);
	scratch_free(s);
}

static void test_partials_end_after_their_final(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\npartial_ttl = 1\n");
	char a[33], b[33], id[33], waiting[33];
	struct upload_info info;

	(void)state;
	partial(s, "ab", a);
	partial_as(s, &ann, 2, "c", b);
	assert_int_equal(join(s, (const char *[]){a, b}, 2, id), ERR_OK);
	assert_int_equal(join(s, (const char *[]){a, b, a}, 3, waiting), ERR_OK);
	info = status(s, a);
	assert_true(info.expires > clock_now_ms() + 10000);
	upload_info_done(&info);
	finish(s, b, 1, "d");
	assert_content(s, id, "abcd");
	assert_content(s, waiting, "abcdab");
	clock_sleep_ms(1200);
	assert_int_equal(upload_sweep(s->engine, 1000, NULL), ERR_OK);
	assert_int_equal(status_of(s, a), ERR_GONE);
	assert_int_equal(status_of(s, b), ERR_GONE);
	assert_content(s, id, "abcd");
	scratch_free(s);
}

static void test_thousand_partials(void **state)
{
	enum { N = 1000 };
	struct scratch *s =
	    scratch_in(NULL, FAST "[upload]\nmax_open = 2000\ncreate_rate = 5000\n");
	char(*ids)[33] = mem_array(N, sizeof(*ids));
	const char **list = mem_array(N, sizeof(*list));
	char *expected = mem_array(N, 8), id[33];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		char text[8];

		(void)snprintf(text, sizeof(text), "%zu,", i);
		len += (size_t)sprintf(expected + len, "%s", text);
		partial(s, text, ids[i]);
		list[i] = ids[i];
	}
	assert_int_equal(join(s, list, N, id), ERR_OK);
	assert_content(s, id, expected);
	free(expected);
	free(list);
	free(ids);
	scratch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_complete_partials_are_joined_in_order),
	    T(test_final_waits_for_its_partials),
	    T(test_writing_to_a_final_is_refused),
	    T(test_only_own_partials_can_be_joined),
	    cmocka_unit_test(test_sums_and_numbers_have_limits),
	    T(test_lost_partial_ends_the_final),
	    cmocka_unit_test(test_expired_partial_ends_the_final),
	    cmocka_unit_test(test_partials_end_after_their_final),
	    cmocka_unit_test(test_thousand_partials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
