/*
 * Goal: the files of one form and their consumer's record become real in one commit or not at all;
 * a consumer reaches only complete files of its own, and what it holds stays.
 */
#include "upload/help.h"

struct consumer {
	const char *ids[3];
	size_t n;
	enum err answer; /* what the consumer's pass says */
	int runs;
};

static enum err consume(struct pass *p, void *arg)
{
	struct consumer *c = arg;
	enum err e = ERR_OK;

	c->runs++;
	for (size_t i = 0; e == ERR_OK && i < c->n; i++)
		e = upload_hold(p, c->ids[i], 1);
	if (e == ERR_OK)
		e = counter_add(p, "consumed", 1, NULL);
	return e == ERR_OK ? c->answer : e;
}

static enum err read_counter(struct pass *p, void *arg)
{
	return counter_add(p, "consumed", 0, arg);
}

static int64_t consumed(struct scratch *s)
{
	int64_t n = -1;

	assert_int_equal(store_pass(s->store, PASS_READ, "test", read_counter, &n, NULL), ERR_OK);
	return n;
}

static struct upload *form_file(struct scratch *s, const char *text)
{
	struct upload *u = create_as(s, &ann, "form", -1);

	assert_int_equal(upload_push(u, text, strlen(text), NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_OK);
	return u;
}

static void test_form_files_and_consumer_are_one_commit(void **state)
{
	struct scratch *s = *state;
	struct upload *v[3] = {form_file(s, "one"), form_file(s, "two"), form_file(s, "")};
	struct consumer c = {.n = 3};
	char ids[3][33];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", upload_id(v[i]));
		c.ids[i] = ids[i];
		assert_null(record_of(s, ids[i]));
	}
	assert_int_equal(uploads_commit(s->engine, v, 3, consume, &c, NULL), ERR_OK);
	assert_int_equal(c.runs, 1);
	for (size_t i = 0; i < 3; i++)
		upload_close(v[i]);
	assert_int_equal(consumed(s), 1);
	assert_content(s, ids[0], "one");
	assert_content(s, ids[1], "two");
	assert_content(s, ids[2], "");
	for (size_t i = 0; i < 3; i++) {
		CLEAN_JSON json_object *r = record_of(s, ids[i]);

		assert_int_equal(json_int(r, "refs", 0), 1);
		assert_string_equal(json_str(r, "state", ""), "complete");
	}
}

static void test_refused_commit_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	struct upload *v[2] = {form_file(s, "one"), form_file(s, "two")};
	struct consumer c = {.n = 0, .answer = ERR_CONFLICT};
	char ids[2][33];

	for (size_t i = 0; i < 2; i++)
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", upload_id(v[i]));
	assert_int_equal(uploads_commit(s->engine, v, 2, consume, &c, NULL), ERR_CONFLICT);
	assert_int_equal(consumed(s), 0);
	assert_null(record_of(s, ids[0]));
	/* It may be tried again. */
	c.answer = ERR_OK;
	assert_int_equal(upload_remove(v[1], UPLOAD_DELETED, NULL), ERR_OK);
	assert_int_equal(uploads_commit(s->engine, v, 1, consume, &c, NULL), ERR_OK);
	assert_int_equal(consumed(s), 1);
	upload_close(v[0]);
	upload_close(v[1]);
	assert_content(s, ids[0], "one");
	assert_false(has_file(s, ids[1], "."));
}

static void test_closed_without_commit_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	struct upload *u = form_file(s, "one");
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_true(has_file(s, id, "part"));
	upload_close(u);
	assert_false(has_file(s, id, "."));
	assert_null(record_of(s, id));
}

static void test_commit_without_uploads_runs_the_consumer(void **state)
{
	struct scratch *s = *state;
	struct consumer c = {.n = 0};

	assert_int_equal(uploads_commit(s->engine, NULL, 0, consume, &c, NULL), ERR_OK);
	assert_int_equal(consumed(s), 1);
	assert_int_equal(uploads_commit(s->engine, NULL, 0, NULL, NULL, NULL), ERR_OK);
}

static void test_put_is_one_commit_and_leaves_nothing_when_cut(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_as(s, &ann, "put", 5), *v = create_as(s, &ann, "put", 5);
	struct memory m;
	char id[33];
	int64_t at;

	assert_null(record_of(s, upload_id(u)));
	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hello", 5, 5, TAIL_END), NULL, true, &at, NULL),
	    ERR_OK);
	assert_content(s, upload_id(u), "hello");
	upload_close(u);
	(void)snprintf(id, sizeof(id), "%s", upload_id(v));
	assert_int_equal(
	    upload_append(v, 0, memory_body(&m, "hel", 3, 5, TAIL_LOST), NULL, true, &at, NULL),
	    ERR_CUT);
	upload_close(v);
	assert_null(record_of(s, id));
	assert_false(has_file(s, id, "."));
}

static void test_only_owners_reach_complete_files(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 2), *w = NULL;
	struct upload_info info = {0};
	char id[33];
	int64_t at;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_INCOMPLETE);
	assert_int_equal(upload_get(s->engine, id, &bob, &info, NULL), ERR_NOT_FOUND);
	assert_int_equal(append(u, 0, "hi", &at), ERR_OK);
	upload_close(u);
	assert_int_equal(upload_get(s->engine, id, &bob, &info, NULL), ERR_NOT_FOUND);
	assert_int_equal(upload_get(s->engine, id, &admin, &info, NULL), ERR_NOT_FOUND);
	assert_int_equal(upload_get(s->engine, id, NULL, &info, NULL), ERR_OK);
	assert_int_equal(info.state, UPLOAD_COMPLETE);
	assert_int_equal(info.length, 2);
	assert_string_equal(info.name, "a.csv");
	upload_info_done(&info);
	assert_int_equal(upload_status(s->engine, id, &admin, &info, NULL), ERR_OK);
	upload_info_done(&info);
	assert_int_equal(upload_open(s->engine, id, &bob, UPLOAD_WANT_WRITE, &w, NULL),
			 ERR_NOT_FOUND);
	assert_int_equal(upload_open(s->engine, id, &admin, UPLOAD_WANT_WRITE, &w, NULL),
			 ERR_NOT_FOUND);
	assert_int_equal(upload_open(s->engine, id, &bob, UPLOAD_WANT_REMOVE, &w, NULL),
			 ERR_NOT_FOUND);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = {"", "..", "0123456789ABCDEF0123456789ABCDEF",
						  "ffffffffffffffffffffffffffffffff"};

		assert_int_equal(
		    upload_open(s->engine, bad[i], &admin, UPLOAD_WANT_REMOVE, &w, NULL),
		    ERR_NOT_FOUND);
	}
	assert_int_equal(upload_open(s->engine, id, &admin, UPLOAD_WANT_REMOVE, &w, NULL), ERR_OK);
	assert_int_equal(upload_remove(w, UPLOAD_DELETED, NULL), ERR_OK);
	assert_int_equal(upload_remove(w, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(w);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_GONE);
	assert_int_equal(upload_status(s->engine, id, &bob, &info, NULL), ERR_NOT_FOUND);
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_NOT_FOUND);
}

static void test_uploads_of_nobody_are_reached_by_id(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_as(s, &anyone, "tus", 2);
	struct upload_info info = {0};

	assert_int_equal(upload_status(s->engine, upload_id(u), &bob, &info, NULL), ERR_OK);
	upload_info_done(&info);
	upload_close(u);
}

static enum err hold(struct pass *p, void *arg)
{
	return upload_hold(p, arg, 1);
}

static enum err let_go(struct pass *p, void *arg)
{
	return upload_hold(p, arg, -1);
}

static enum err drop(struct pass *p, void *arg)
{
	return upload_drop(p, arg);
}

static void test_held_bytes_stay_until_released(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 2), *v = create(s, 2);
	struct upload_info info = {0};
	char id[33], other[33];
	int64_t at;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	(void)snprintf(other, sizeof(other), "%s", upload_id(v));
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", hold, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(append(u, 0, "hi", &at), ERR_OK);
	assert_int_equal(append(v, 0, "ho", &at), ERR_OK);
	upload_close(v);
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", hold, id, NULL), ERR_OK);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	assert_true(has_file(s, id, "data"));
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_NOT_FOUND);
	assert_int_equal(upload_get(s->engine, id, NULL, &info, NULL), ERR_OK);
	upload_info_done(&info);
	upload_release(s->engine, id);
	assert_true(has_file(s, id, "data"));
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", let_go, id, NULL), ERR_OK);
	upload_release(s->engine, id);
	assert_false(has_file(s, id, "."));
	/* What was only let go stays for a while; what was dropped goes. */
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", hold, other, NULL), ERR_OK);
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", let_go, other, NULL), ERR_OK);
	upload_release(s->engine, other);
	assert_content(s, other, "ho");
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", hold, other, NULL), ERR_OK);
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", hold, other, NULL), ERR_OK);
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", drop, other, NULL), ERR_OK);
	upload_release(s->engine, other);
	assert_content(s, other, "ho");
	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", drop, other, NULL), ERR_OK);
	upload_release(s->engine, other);
	assert_false(has_file(s, other, "."));
}

static void test_only_its_owner_removes_an_upload(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 5);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	assert_int_equal(remove_id(s, "ffffffffffffffffffffffffffffffff", &ann), ERR_NOT_FOUND);
	assert_int_equal(remove_id(s, "nonsense", &ann), ERR_NOT_FOUND);
	assert_int_equal(remove_id(s, id, &bob), ERR_NOT_FOUND);
	assert_true(has_file(s, id, "part"));
	assert_int_equal(remove_id(s, id, &ann), ERR_OK);
	assert_false(has_file(s, id, "."));
	assert_int_equal(remove_id(s, id, &ann), ERR_GONE);
}

static void test_content_is_compared_and_peeked_at(void **state)
{
	struct scratch *s = *state;
	struct upload *a = form_file(s, "same text"), *b = form_file(s, "same text"),
		      *c = form_file(s, "some text");
	struct upload_info info = {0};
	char head[5];

	assert_true(upload_same_content(a, b));
	assert_false(upload_same_content(a, c));
	assert_int_equal(upload_push_end(a, true, NULL), ERR_OK);
	assert_int_equal(upload_get(s->engine, upload_id(a), &ann, &info, NULL), ERR_OK);
	assert_int_equal(upload_head(s->engine, &info, head, sizeof(head)), 5);
	assert_memory_equal(head, "same ", 5);
	upload_info_done(&info);
	upload_close(a);
	upload_close(b);
	upload_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_form_files_and_consumer_are_one_commit),
	    T(test_refused_commit_leaves_nothing),
	    T(test_closed_without_commit_leaves_nothing),
	    T(test_commit_without_uploads_runs_the_consumer),
	    T(test_put_is_one_commit_and_leaves_nothing_when_cut),
	    T(test_only_owners_reach_complete_files),
	    T(test_uploads_of_nobody_are_reached_by_id),
	    T(test_held_bytes_stay_until_released),
	    T(test_only_its_owner_removes_an_upload),
	    T(test_content_is_compared_and_peeked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
