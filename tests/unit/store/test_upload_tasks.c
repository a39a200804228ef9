/*
 * Goal: an upload task is found by its id, an open one by its owner in the order of creation; of
 * two writers that start it anew one wins; what is past its time goes.
 */
#include "store/fixture.h"

#include "store/maintain.h"
#include "store/upload_tasks.h"

static const char id_a[] = "a0000000000000000000000000000000";
static const char id_b[] = "b0000000000000000000000000000000";
static const char id_c[] = "c0000000000000000000000000000000";
static const char upload[] = "d0000000000000000000000000000000";

struct step {
	const char *id, *owner, *state, *upload, *expected;
	int64_t created, expires;
	size_t n;
	json_object *got;
	char name[33];
};

static json_object *make(const struct step *s)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "id", s->id);
	json_set_str(o, "owner", s->owner);
	json_set_str(o, "state", s->state);
	json_set_str(o, "upload", s->upload);
	json_set_int(o, "created", s->created);
	return json_set_int(o, "expires", s->expires);
}

static enum err add(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = make(arg);

	return upload_tasks_add(p, o);
}

static enum err put(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = make(s);

	return upload_tasks_put(p, o, s->expected);
}

static enum err get(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->got);
	s->got = NULL;
	return upload_tasks_get(p, s->id, &s->got);
}

static enum err list(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->got);
	s->got = NULL;
	return upload_tasks_list(p, s->owner, s->n, &s->got);
}

static enum err installation(struct pass *p, void *arg)
{
	struct step *s = arg;

	return installation_id(p, s->n > 0, s->name);
}

static void want_list(struct fixture *f, const char *owner, size_t max, const char *ids)
{
	struct step s = {.owner = owner, .n = max};
	char got[16] = "";

	run(f, PASS_READ, list, &s);
	for (size_t i = 0; i < json_len(s.got) && i + 1 < sizeof(got); i++)
		got[i] = json_str(json_at(s.got, i), "id", "?")[0];
	assert_string_equal(got, ids);
	json_object_put(s.got);
}

static void test_upload_tasks_are_listed_while_open(void **state)
{
	struct fixture *f = *state;
	struct step a = {
	    .id = id_a, .owner = "u:ann", .state = "open", .created = 10, .expires = 9000};
	struct step b = {
	    .id = id_b, .owner = "u:bob", .state = "open", .created = 20, .expires = 9000};
	struct step c = {
	    .id = id_c, .owner = "u:ann", .state = "open", .created = 30, .expires = 9000};

	run(f, PASS_SYNC, add, &c);
	run(f, PASS_SYNC, add, &a);
	run(f, PASS_SYNC, add, &b);
	want_list(f, "u:ann", 10, "ac");
	want_list(f, "u:bob", 10, "b");
	want_list(f, NULL, 10, "abc");
	want_list(f, NULL, 2, "bc"); /* the newest, the oldest of them first */
	c.state = "completed";
	run(f, PASS_SYNC, put, &c);
	want_list(f, "u:ann", 10, "a");
	want_list(f, NULL, 10, "ab");
	run(f, PASS_READ, get, &c);
	assert_string_equal(json_str(c.got, "state", ""), "completed");
	json_object_put(c.got);
}

static void test_upload_tasks_put_lets_one_of_two_win(void **state)
{
	struct fixture *f = *state;
	struct step a = {.id = id_a,
			 .owner = "u:ann",
			 .state = "open",
			 .upload = upload,
			 .created = 1,
			 .expires = 9};
	struct error error = {0};

	run(f, PASS_SYNC, add, &a);
	a.upload = NULL;
	a.expected = upload;
	run(f, PASS_SYNC, put, &a);
	a.upload = upload;
	assert_int_equal(store_pass(f->store, PASS_SYNC, "test", put, &a, &error), ERR_CONFLICT);
	a.expected = NULL;
	run(f, PASS_SYNC, put, &a);
}

static void test_upload_tasks_go_when_their_time_is_over(void **state)
{
	struct fixture *f = *state;
	struct step old = {
	    .id = id_a, .owner = "u:ann", .state = "error", .created = 10, .expires = 1000};
	struct step fresh = {.id = id_b,
			     .owner = "u:ann",
			     .state = "open",
			     .created = 10,
			     .expires = clock_now_ms() + 3600000};
	struct error error = {0};

	run(f, PASS_SYNC, add, &old);
	run(f, PASS_SYNC, add, &fresh);
	assert_int_equal(store_sweep(f->store, &error), ERR_OK);
	assert_int_equal(store_pass(f->store, PASS_READ, "test", get, &old, &error), ERR_NOT_FOUND);
	run(f, PASS_READ, get, &fresh);
	json_object_put(fresh.got);
	want_list(f, "u:ann", 10, "b");
}

static void test_installation_is_made_once(void **state)
{
	struct fixture *f = *state;
	struct step s = {0};
	struct error error = {0};
	char first[33];

	assert_int_equal(store_pass(f->store, PASS_READ, "test", installation, &s, &error),
			 ERR_NOT_FOUND);
	s.n = 1;
	run(f, PASS_SYNC, installation, &s);
	memcpy(first, s.name, sizeof(first));
	run(f, PASS_SYNC, installation, &s);
	assert_string_equal(s.name, first);
	assert_int_equal(strlen(first), 32);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_upload_tasks_are_listed_while_open),
	    T(test_upload_tasks_put_lets_one_of_two_win),
	    T(test_upload_tasks_go_when_their_time_is_over),
	    T(test_installation_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
