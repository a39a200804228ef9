/*
 * Goal: the collection of sessions finds what was stored by owner, nonce, state and age, counts
 * rightly, and lets one writer at a time change a session.
 */
#include "store/fixture.h"

#include <pthread.h>

#include "store/sessions.h"

static json_object *make(const char *owner, const char *state, int64_t expires)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "owner", owner);
	json_set_str(o, "state", state);
	json_set_int(o, "changed", 1000);
	json_set_int(o, "expires", expires);
	return json_set_int(o, "rev", 0);
}

struct create {
	const char *owner, *state, *nonce;
	int64_t expires, id;
};

static enum err create(struct pass *p, void *arg)
{
	struct create *c = arg;
	CLEAN_JSON json_object *o = make(c->owner, c->state, c->expires);

	if (c->nonce != NULL)
		json_set_str(o, "nonce", c->nonce);
	return sessions_create(p, o, c->nonce, &c->id);
}

static int64_t add(struct fixture *f, const char *owner, const char *state, int64_t expires)
{
	struct create c = {.owner = owner, .state = state, .expires = expires};

	run(f, PASS_SYNC, create, &c);
	return c.id;
}

struct list {
	const char *owner;
	size_t skip, max, total;
	json_object *found;
};

static enum err list(struct pass *p, void *arg)
{
	struct list *l = arg;

	return sessions_list(p, l->owner, l->skip, l->max, &l->found, &l->total);
}

/* The ids of a list as text, newest first. */
static void want_list(struct fixture *f, const char *owner, size_t skip, size_t max,
		      const char *want, size_t total)
{
	struct list l = {.owner = owner, .skip = skip, .max = max};
	char text[256] = "";
	json_object *o;

	run(f, PASS_READ, list, &l);
	JSON_EACH(o, l.found)
	{
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%lld ",
			       (long long)json_int(o, "id", 0));
	}
	json_object_put(l.found);
	assert_string_equal(text, want);
	assert_int_equal(l.total, total);
}

struct change {
	int64_t id, rev, expires;
	const char *state, *owner;
	bool tombstone;
};

static enum err change(struct pass *p, void *arg)
{
	struct change *c = arg;
	CLEAN_JSON json_object *o = make(c->owner, c->state, c->expires);

	json_set_int(o, "id", c->id);
	json_set_int(o, "rev", c->rev + 1);
	return sessions_put(p, o, c->rev);
}

static enum err erase(struct pass *p, void *arg)
{
	struct change *c = arg;

	return sessions_delete(p, c->id, c->tombstone);
}

static void test_sessions_list_newest_first_of_owner(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++)
		(void)add(f, i % 2 == 0 ? "u:ann" : "u:annette", "READY", 0);
	want_list(f, "u:ann", 0, 10, "3 1 ", 2);
	want_list(f, "u:annette", 0, 10, "4 2 ", 2);
	want_list(f, NULL, 0, 10, "4 3 2 1 ", 4);
	want_list(f, NULL, 1, 2, "3 2 ", 4);
	want_list(f, "u:ann", 2, 10, "", 2);
	want_list(f, "u:nobody", 0, 10, "", 0);
	run(f, PASS_SYNC, erase, &(struct change){.id = 3});
	want_list(f, "u:ann", 0, 10, "1 ", 1);
	/* An id is never used again. */
	assert_int_equal(add(f, "u:ann", "READY", 0), 5);
}

static void test_sessions_put_compares_rev(void **state)
{
	struct fixture *f = *state;
	int64_t id = add(f, "u:ann", "READY", 0);
	struct change c = {.id = id, .rev = 0, .state = "WAITING", .owner = "u:ann"};

	run(f, PASS_SYNC, change, &c);
	run_want(f, PASS_SYNC, change, &c, ERR_CONFLICT);
	c.rev = 1;
	run(f, PASS_SYNC, change, &c);
	c.rev = -1;
	run(f, PASS_SYNC, change, &c);
	c.id = 77;
	run_want(f, PASS_SYNC, change, &c, ERR_NOT_FOUND);
}

static enum err count_open(struct pass *p, void *arg)
{
	return sessions_count_open(p, "u:ann", arg);
}

static void test_sessions_count_open_follows_state(void **state)
{
	struct fixture *f = *state;
	size_t n;
	int64_t id = add(f, "u:ann", "READY", 0);

	(void)add(f, "u:ann", "WAITING", 0);
	(void)add(f, "u:ann", "PROCESSED", 0);
	(void)add(f, "u:bob", "RUNNING", 0);
	run(f, PASS_READ, count_open, &n);
	assert_int_equal(n, 2);
	run(f, PASS_SYNC, change,
	    &(struct change){.id = id, .rev = 0, .state = "INVALID", .owner = "u:ann"});
	run(f, PASS_READ, count_open, &n);
	assert_int_equal(n, 1);
}

static void test_sessions_nonce_finds_first(void **state)
{
	struct fixture *f = *state;
	struct create c = {.owner = "u:ann", .state = "READY", .nonce = "n1"};
	struct create again = c, other = c;

	run(f, PASS_SYNC, create, &c);
	run_want(f, PASS_SYNC, create, &again, ERR_CONFLICT);
	assert_int_equal(again.id, c.id);
	other.owner = "u:bob";
	run(f, PASS_SYNC, create, &other);
	assert_int_not_equal(other.id, c.id);
	/* Once the session is gone its nonce means nothing. */
	run(f, PASS_SYNC, erase, &(struct change){.id = c.id});
	run(f, PASS_SYNC, create, &again);
}

struct expired {
	int64_t now;
	json_object *ids;
};

static enum err expired(struct pass *p, void *arg)
{
	struct expired *e = arg;

	return sessions_expired(p, e->now, 10, &e->ids);
}

static void want_expired(struct fixture *f, int64_t now, const char *want)
{
	struct expired e = {.now = now};

	run(f, PASS_READ, expired, &e);
	assert_string_equal(json_object_to_json_string_ext(e.ids, JSON_C_TO_STRING_PLAIN), want);
	json_object_put(e.ids);
}

static void test_sessions_expired_by_time_and_state(void **state)
{
	struct fixture *f = *state;
	int64_t a = add(f, "u:ann", "WAITING", 2000), b = add(f, "u:ann", "INVALID", 1000);

	(void)add(f, "u:ann", "PROCESSED", 500);
	(void)add(f, "u:ann", "RUNNING", 500);
	(void)add(f, "u:ann", "READY", 0);
	want_expired(f, 1000, "[]");
	want_expired(f, 1001, "[2]");
	want_expired(f, 9999, "[2,1]");
	run(f, PASS_SYNC, change,
	    &(struct change){
		.id = a, .rev = 0, .state = "WAITING", .owner = "u:ann", .expires = 20000});
	run(f, PASS_SYNC, erase, &(struct change){.id = b, .tombstone = true});
	want_expired(f, 9999, "[]");
}

static enum err get(struct pass *p, void *arg)
{
	return sessions_get(p, 1, (json_object **)arg);
}

static void test_sessions_delete_leaves_tombstone(void **state)
{
	struct fixture *f = *state;
	CLEAN_JSON json_object *o = NULL;
	struct change c = {.id = add(f, "u:ann", "WAITING", 0),
			   .tombstone = true,
			   .state = "READY",
			   .owner = "u:ann"};

	run(f, PASS_SYNC, erase, &c);
	run(f, PASS_READ, get, &o);
	assert_true(json_int(o, "gone", 0) > 0);
	assert_string_equal(json_str(o, "owner", ""), "u:ann");
	want_list(f, "u:ann", 0, 10, "", 0);
	run_want(f, PASS_SYNC, change, &c, ERR_NOT_FOUND);
	c.tombstone = false;
	run(f, PASS_SYNC, erase, &c);
	run_want(f, PASS_READ, get, &o, ERR_NOT_FOUND);
}

static void *lock_in_thread(void *arg)
{
	struct fixture *f = arg;
	struct session_lock lock;
	enum err err = session_lock(f->store, 7, 50, &lock, NULL);

	session_unlock(&lock);
	return (void *)(intptr_t)err;
}

static void test_session_lock_excludes_other_thread(void **state)
{
	struct fixture *f = *state;
	struct session_lock lock, other;
	pthread_t thread;
	void *result;

	assert_int_equal(session_lock(f->store, 7, 0, &lock, NULL), ERR_OK);
	assert_int_equal(session_lock(f->store, 8, 0, &other, NULL), ERR_OK);
	session_unlock(&other);
	assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, f), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, ERR_BUSY);
	session_unlock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, f), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, ERR_OK);
}

struct brief {
	int64_t id;
	json_object *whole, *brief;
};

static enum err get_both(struct pass *p, void *arg)
{
	struct brief *b = arg;
	enum err err = sessions_get(p, b->id, &b->whole);

	return err == ERR_OK ? sessions_get_brief(p, b->id, &b->brief) : err;
}

static enum err put_layers(struct pass *p, void *arg)
{
	struct brief *b = arg;

	return sessions_put(p, b->whole, -1);
}

/* Stored with LAYERS and INPUT, read briefly: the layers are WANT. */
static void want_brief(struct fixture *f, const char *layers, const char *input, const char *want)
{
	struct brief b = {.id = add(f, "u:ann", "WAITING", 0)};

	run(f, PASS_READ, get_both, &b);
	assert_true(json_equal(b.brief, b.whole));
	json_set(b.whole, "layers", json_tokener_parse(layers));
	json_set(b.whole, "input", json_tokener_parse(input));
	run(f, PASS_SYNC, put_layers, &b);
	json_object_put(b.whole);
	json_object_put(b.brief);
	run(f, PASS_READ, get_both, &b);
	assert_string_equal(
	    json_object_to_json_string_ext(json_get(b.whole, "layers"), JSON_C_TO_STRING_PLAIN),
	    layers);
	assert_string_equal(
	    json_object_to_json_string_ext(json_get(b.brief, "layers"), JSON_C_TO_STRING_PLAIN),
	    want);
	json_object_put(b.whole);
	json_object_put(b.brief);
}

static void test_sessions_brief_lacks_what_pages_show(void **state)
{
#define COLUMNS "\"columns\":[{\"name\":\"preview\"}]"
#define REST	"\"samples\":[\"a\"],\"preview\":{\"rows\":[\"}\"]}}"
	struct fixture *f = *state;

	want_brief(f, "[{\"i\":0,\"kind\":\"vector\"," COLUMNS "," REST "]",
		   "{\"save\":{\"time\":false}}", "[{\"i\":0,\"kind\":\"vector\"}]");
	/* The columns are there for whom the next step depends on them. */
	want_brief(f, "[{\"i\":0,\"kind\":\"vector\"," COLUMNS "," REST "]",
		   "{\"save\":{\"time\":true}}", "[{\"i\":0,\"kind\":\"vector\"," COLUMNS "}]");
	want_brief(f, "[{\"i\":0,\"kind\":\"table\"," COLUMNS "," REST "]", "{}",
		   "[{\"i\":0,\"kind\":\"table\"," COLUMNS "}]");
	want_brief(f, "[{\"i\":0},{\"dialect\":{}," COLUMNS "," REST "]", "{}",
		   "[{\"i\":0},{\"dialect\":{}," COLUMNS "}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_sessions_list_newest_first_of_owner),
	    STORE_TEST(test_sessions_put_compares_rev),
	    STORE_TEST(test_sessions_brief_lacks_what_pages_show),
	    STORE_TEST(test_sessions_count_open_follows_state),
	    STORE_TEST(test_sessions_nonce_finds_first),
	    STORE_TEST(test_sessions_expired_by_time_and_state),
	    STORE_TEST(test_sessions_delete_leaves_tombstone),
	    STORE_TEST(test_session_lock_excludes_other_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
