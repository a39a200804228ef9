/*
 * Goal: range mode takes bytes in any order from writers side by side, keeps what came of a cut
 * body, counts only what it recorded, and completes exactly once when nothing is missing.
 */
#include <pthread.h>
#include <unistd.h>
#include "upload/help.h"

static struct upload *create_range(struct scratch *s, int64_t length)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "dropzone",
				   .mode = UPLOAD_RANGE,
				   .name = "a.csv",
				   .length = length,
				   .address = "192.0.2.1"};
	struct error error = {0};
	struct upload *u = NULL;

	if (upload_create(s->engine, &spec, &u, &error) != ERR_OK)
		fail_msg("create: %s", error.text);
	return u;
}

static enum err put(struct upload *u, int64_t first, const char *text)
{
	struct memory m;
	int64_t n = (int64_t)strlen(text);

	return upload_put_range(u, first, n, memory_body(&m, text, strlen(text), n, TAIL_END),
				NULL);
}

static struct upload_info status(struct scratch *s, const char *id)
{
	struct upload_info info = {0};

	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	return info;
}

static void test_ranges_in_any_order_make_the_file(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 11);
	char id[33];
	struct upload_info info;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 6, "world"), ERR_OK);
	upload_close(u);
	info = status(s, id);
	assert_int_equal(info.received, 5);
	assert_int_equal(info.offset, 0);
	assert_int_equal(info.state, UPLOAD_RECEIVING);
	assert_int_equal(info.mode, UPLOAD_RANGE);
	upload_info_done(&info);
	assert_null(content(s, id));
	u = reopen(s, id);
	assert_true(upload_covers(u, 6, 5));
	assert_true(upload_covers(u, 7, 0));
	assert_false(upload_covers(u, 5, 2));
	assert_false(upload_covers(u, 6, 6));
	/* Over what is there: the later bytes win. */
	assert_int_equal(put(u, 3, "lo W"), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_int_equal(put(u, 0, "hel"), ERR_OK);
	assert_true(upload_is_complete(u));
	/* A repetition whose answer was lost has no effect. */
	assert_int_equal(put(u, 0, "xxx"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "hello World");
	info = status(s, id);
	assert_int_equal(info.received, 11);
	assert_int_equal(info.state, UPLOAD_COMPLETE);
	upload_info_done(&info);
	u = reopen(s, id);
	assert_int_equal(put(u, 3, "zzz"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "hello World");
}

static void test_cut_body_keeps_what_came(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 20);
	struct memory m;
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(
	    upload_put_range(u, 10, 10, memory_body(&m, "abcd", 4, 10, TAIL_LOST), NULL), ERR_CUT);
	upload_close(u);
	u = reopen(s, id);
	assert_true(upload_covers(u, 10, 4));
	assert_false(upload_covers(u, 10, 5));
	assert_int_equal(put(u, 14, "efghij"), ERR_OK);
	assert_int_equal(put(u, 0, "0123456789"), ERR_OK);
	upload_close(u);
	assert_content(s, id, "0123456789abcdefghij");
}

static void test_senseless_ranges_are_refused(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 10);
	struct memory m;
	struct body *body;
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, -1, "a"), ERR_LENGTH);
	assert_int_equal(put(u, 10, "a"), ERR_LENGTH);
	assert_int_equal(put(u, 8, "abc"), ERR_LENGTH);
	assert_int_equal(put(u, INT64_MAX, "abc"), ERR_LENGTH);
	/* Body of another length than the range, both ways. */
	assert_int_equal(upload_put_range(u, 0, 3, memory_body(&m, "ab", 2, 2, TAIL_END), NULL),
			 ERR_LENGTH);
	assert_int_equal(upload_put_range(u, 0, 1, memory_body(&m, "ab", 2, 2, TAIL_END), NULL),
			 ERR_LENGTH);
	/* Without CONTENT_LENGTH: whole only when it is as long as the chunk was said to be. */
	assert_int_equal(upload_put_range(u, 0, -1, memory_body(&m, "ab", 2, -1, TAIL_END), NULL),
			 ERR_NEED_LENGTH);
	assert_int_equal(upload_put_range(u, 0, 3, memory_body(&m, "abcd", 4, -1, TAIL_END), NULL),
			 ERR_LENGTH);
	body = memory_body(&m, "", 0, -1, TAIL_END);
	body->chunked = false;
	assert_int_equal(upload_put_range(u, 0, 3, body, NULL), ERR_LENGTH);
	assert_int_equal(upload_put_range(u, 3, 3, memory_body(&m, "def", 3, -1, TAIL_END), NULL),
			 ERR_OK);
	assert_int_equal(put(u, 9, "a"), ERR_OK);
	upload_close(u);
	/* Appending is another mode. */
	u = reopen(s, id);
	int64_t at;
	assert_int_equal(append(u, 0, "abc", &at), ERR_FINAL);
	upload_close(u);
	u = create(s, 5);
	assert_int_equal(put(u, 0, "hello"), ERR_FINAL);
	upload_close(u);
}

static void test_empty_file_is_complete_at_once(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 0);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_content(s, id, "");
}

static void test_pushed_range_is_kept_without_its_end(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 11);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_push_range(u, 0, 5, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "hel", 3, NULL), ERR_OK);
	upload_close(u); /* cut */
	u = reopen(s, id);
	assert_true(upload_covers(u, 0, 3));
	assert_false(upload_covers(u, 0, 4));
	/* More than the range, and less. */
	assert_int_equal(upload_push_range(u, 3, 2, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "lo and", 6, NULL), ERR_LENGTH);
	assert_int_equal(upload_push(u, "more", 4, NULL), ERR_LENGTH);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_LENGTH);
	assert_int_equal(upload_push_range(u, 5, 6, NULL), ERR_OK);
	assert_int_equal(upload_push(u, " wo", 3, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_LENGTH);
	assert_true(upload_covers(u, 0, 8));
	assert_int_equal(upload_push_range(u, 8, -1, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "rl", 2, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "d", 1, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_content(s, id, "hello world");
}

static void test_too_many_gaps_are_refused(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nmax_ranges = 3\n");
	struct upload *u = create_range(s, 100);
	char id[33];

	(void)state;
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 10, "a"), ERR_OK);
	assert_int_equal(put(u, 20, "a"), ERR_OK);
	assert_int_equal(put(u, 30, "a"), ERR_OK);
	assert_int_equal(put(u, 40, "a"), ERR_LENGTH);
	assert_false(upload_covers(u, 40, 1));
	/* What closes a gap is welcome. */
	assert_int_equal(put(u, 11, "bcdefghij"), ERR_OK);
	assert_int_equal(put(u, 40, "a"), ERR_OK);
	upload_close(u);
	scratch_free(s);
}

/* ---- side by side */

struct writer {
	struct scratch *s;
	const char *id;
	int64_t first;
	const char *p;
	size_t n;
	enum err err;
	bool complete;
};

static void *write_one(void *arg)
{
	struct writer *w = arg;
	struct upload *u = NULL;
	struct memory m;

	w->err = upload_open(w->s->engine, w->id, &ann, UPLOAD_WANT_WRITE, &u, NULL);
	if (w->err != ERR_OK)
		return NULL;
	memory_body(&m, w->p, w->n, (int64_t)w->n, TAIL_END);
	m.piece = 1000;
	m.slow_ms = 5;
	w->err = upload_put_range(u, w->first, (int64_t)w->n, &m.body, NULL);
	w->complete = upload_is_complete(u);
	upload_close(u);
	return NULL;
}

static void test_racing_threads_complete_exactly_once(void **state)
{
	enum { N = 12, PIECE = 20000 };
	struct scratch *s = *state;
	CLEAN_FREE char *bytes = mem_array(N, PIECE);
	struct upload *u;
	char id[33];
	struct writer w[N];
	pthread_t threads[N];

	for (size_t i = 0; i < (size_t)N * PIECE; i++)
		bytes[i] = (char)('a' + i * 7919 % 26);
	for (int round = 0; round < 3; round++) {
		size_t complete = 0;

		u = create_range(s, (int64_t)N * PIECE);
		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		upload_close(u);
		for (size_t i = 0; i < N; i++) {
			w[i] = (struct writer){.s = s,
					       .id = id,
					       .first = (int64_t)(i * PIECE),
					       .p = bytes + i * PIECE,
					       .n = PIECE};
			assert_int_equal(pthread_create(&threads[i], NULL, write_one, &w[i]), 0);
		}
		for (size_t i = 0; i < N; i++) {
			pthread_join(threads[i], NULL);
			assert_int_equal(w[i].err, ERR_OK);
			complete += w[i].complete;
		}
		assert_true(complete >= 1);
		char *text = content(s, id);
		assert_non_null(text);
		assert_memory_equal(text, bytes, (size_t)N * PIECE);
		free(text);
	}
}

static void test_duplicate_writer_does_not_hold_up_completion(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 8000);
	CLEAN_FREE char *bytes = mem_array(1, 8000);
	struct writer slow;
	pthread_t thread;
	int64_t began;
	char id[33];

	memset(bytes, 'x', 8000);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	/* 4 pieces of 1000 bytes, 600 ms each: the others bring its bytes meanwhile. */
	slow = (struct writer){.s = s, .id = id, .first = 0, .p = bytes, .n = 4000};
	assert_int_equal(pthread_create(&thread, NULL, write_one, &slow), 0);
	clock_sleep_ms(8);
	u = reopen(s, id);
	began = clock_mono_ms();
	assert_int_equal(
	    upload_put_range(u, 0, 8000,
			     &(struct body){.read = memory_read,
					    .arg = &(struct memory){.p = bytes, .n = 8000},
					    .length = 8000},
			     NULL),
	    ERR_OK);
	assert_true(clock_mono_ms() - began < 3000);
	upload_close(u);
	pthread_join(thread, NULL);
	assert_int_equal(slow.err, ERR_OK);
	char *text = content(s, id);
	assert_non_null(text);
	assert_memory_equal(text, bytes, 8000);
	free(text);
}

/* ---- deletion, expiry, by_mark */

static void test_removal_and_restart_by_others(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, 10), *gone = NULL;
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 0, "abc"), ERR_OK);
	upload_close(u);
	assert_int_equal(upload_open(s->engine, id, &bob, UPLOAD_WANT_WRITE, &gone, NULL),
			 ERR_NOT_FOUND);
	u = reopen(s, id);
	upload_close(u);
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_REMOVE, &u, NULL), ERR_OK);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &gone, NULL),
			 ERR_GONE);
}

static void test_unknown_length_is_set_or_finished(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_range(s, -1);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 5, "fghij"), ERR_OK);
	assert_int_equal(upload_finish(u, NULL), ERR_INCOMPLETE);
	assert_int_equal(upload_set_length(u, 9, NULL), ERR_LENGTH);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_set_length(u, 10, NULL), ERR_OK);
	assert_int_equal(upload_set_length(u, 10, NULL), ERR_OK);
	assert_int_equal(upload_set_length(u, 11, NULL), ERR_LENGTH);
	assert_int_equal(put(u, 0, "abcde"), ERR_OK);
	assert_true(upload_is_complete(u));
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	upload_close(u);
	assert_content(s, id, "abcdefghij");
	u = create_range(s, -1);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(put(u, 0, "abcde"), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	upload_close(u);
	assert_content(s, id, "abcde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_ranges_in_any_order_make_the_file),
	    T(test_cut_body_keeps_what_came),
	    T(test_senseless_ranges_are_refused),
	    T(test_empty_file_is_complete_at_once),
	    T(test_pushed_range_is_kept_without_its_end),
	    cmocka_unit_test(test_too_many_gaps_are_refused),
	    T(test_racing_threads_complete_exactly_once),
	    T(test_duplicate_writer_does_not_hold_up_completion),
	    T(test_removal_and_restart_by_others),
	    T(test_unknown_length_is_set_or_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
