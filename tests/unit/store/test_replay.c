/*
 * Goal: a signed request is claimed once; its entry tells a repeat what became of the first, and
 * whether who carries it out still lives; it goes when its time is over.
 */
#include "store/fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/maintain.h"
#include "store/replay.h"

static const unsigned char key_a[32] = {1, 2, 3}, key_b[32] = {1, 2, 4};

struct step {
	const unsigned char *key;
	const char *content;
	int64_t expires;
	json_object *got;
};

static enum err begin(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "content", s->content);
	json_set_str(o, "state", "running");
	json_set_int(o, "expires", s->expires);
	return replay_begin(p, s->key, o);
}

static enum err get(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->got);
	s->got = NULL;
	return replay_get(p, s->key, &s->got);
}

static enum err done(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *answer = json_object_new_object();

	enum err err = get(p, s);

	json_set_int(answer, "status", 200);
	return err == ERR_OK ? replay_end(p, s->key, s->got, answer) : err;
}

static enum err forget(struct pass *p, void *arg)
{
	return replay_forget(p, ((struct step *)arg)->key);
}

static enum err put(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_set_str(s->got, "kept", "text");
	return replay_put(p, s->key, s->got);
}

static void test_replay_claims_once(void **state)
{
	struct fixture *f = *state;
	struct step s = {.key = key_a, .content = "x"}, other = {.key = key_b, .content = "y"};

	run(f, PASS_SYNC, begin, &s);
	run_want(f, PASS_SYNC, begin, &s, ERR_CONFLICT);
	run(f, PASS_READ, get, &s);
	assert_string_equal(json_str(s.got, "content", ""), "x");
	assert_string_equal(json_str(s.got, "state", ""), "running");
	run(f, PASS_SYNC, begin, &other);
	run(f, PASS_SYNC, put, &s);
	run(f, PASS_WRITE_NOSYNC, done, &s);
	run(f, PASS_READ, get, &s);
	assert_string_equal(json_str(s.got, "state", ""), "done");
	assert_string_equal(json_str(s.got, "kept", ""), "text");
	assert_int_equal(json_int(json_obj(s.got, "answer"), "status", 0), 200);
	/* What changed nothing is forgotten, and may come again. */
	run(f, PASS_WRITE_NOSYNC, forget, &s);
	run(f, PASS_WRITE_NOSYNC, forget, &s);
	run_want(f, PASS_READ, get, &s, ERR_NOT_FOUND);
	run_want(f, PASS_WRITE_NOSYNC, done, &s, ERR_NOT_FOUND);
	run(f, PASS_SYNC, begin, &s);
	json_object_put(s.got);
	json_object_put(other.got);
}

static void test_replay_entries_end(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_now_ms();
	struct step old = {.key = key_a, .content = "x", .expires = now - 1};
	struct step young = {.key = key_b, .content = "y", .expires = now + 60000};
	struct error error = {0};

	run(f, PASS_SYNC, begin, &old);
	run(f, PASS_SYNC, begin, &young);
	assert_int_equal(store_sweep(f->store, &error), ERR_OK);
	run_want(f, PASS_READ, get, &old, ERR_NOT_FOUND);
	run(f, PASS_READ, get, &young);
	json_object_put(old.got);
	json_object_put(young.got);
}

static void test_replay_lock_ends_with_its_holder(void **state)
{
	struct fixture *f = *state;
	struct replay_lock lock = {-1}, second = {-1};
	int ready[2];
	char c;
	pid_t pid;

	assert_false(replay_locked(f->store, 17));
	assert_int_equal(replay_lock(f->store, 17, &lock, NULL), ERR_OK);
	assert_true(replay_locked(f->store, 17));
	assert_false(replay_locked(f->store, 18));
	assert_int_equal(replay_lock(f->store, 17, &second, NULL), ERR_BUSY);
	replay_unlock(&lock);
	assert_false(replay_locked(f->store, 17));
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)replay_lock(f->store, 19, &lock, NULL);
		(void)!write(ready[1], "r", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_true(replay_locked(f->store, 19));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_false(replay_locked(f->store, 19));
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_replay_claims_once),
	    STORE_TEST(test_replay_entries_end),
	    STORE_TEST(test_replay_lock_ends_with_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
