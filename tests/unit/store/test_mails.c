/*
 * Goal: one mail waits for each task and address; whoever claims the oldest that is due is alone
 * with it; it comes again when it is put off or its sender died.
 */
#include "store/fixture.h"

#include "store/mails.h"
#include "store/maintain.h"

#define NOW INT64_C(1700000000000)

struct step {
	const char *to;
	int64_t task, due, now, until, id;
	size_t n;
	json_object *got;
};

static enum err add(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "to", s->to);
	json_set_int(o, "task", s->task);
	json_set_int(o, "queued", s->due);
	return mails_add(p, o);
}

static enum err claim(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->got);
	s->got = NULL;
	return mails_claim(p, s->now, s->until, &s->got);
}

static enum err later(struct pass *p, void *arg)
{
	struct step *s = arg;

	return mails_later(p, s->id, s->due);
}

static enum err erase(struct pass *p, void *arg)
{
	return mails_delete(p, ((struct step *)arg)->id);
}

static enum err count(struct pass *p, void *arg)
{
	return mails_count(p, &((struct step *)arg)->n);
}

static void queue(struct fixture *f, const char *to, int64_t task, int64_t due)
{
	struct step s = {.to = to, .task = task, .due = due};

	run(f, PASS_SYNC, add, &s);
}

/* The address of the next mail due at NOW, "" = none; its id in *RET. */
static const char *next(struct fixture *f, struct step *s, int64_t now)
{
	struct error error = {0};

	s->now = now;
	s->until = now + 1000;
	if (store_pass(f->store, PASS_SYNC, "claim", claim, s, &error) == ERR_NOT_FOUND)
		return "";
	s->id = json_int(s->got, "id", 0);
	return json_str(s->got, "to", "?");
}

static void test_mails_oldest_first_and_once(void **state)
{
	struct fixture *f = *state;
	struct step s = {0};

	queue(f, "b@x", 1, NOW + 2);
	queue(f, "a@x", 1, NOW + 1);
	queue(f, "a@x", 1, NOW + 1);
	queue(f, "a@x", 2, NOW + 3);
	run(f, PASS_READ, count, &s);
	assert_int_equal(s.n, 3);
	assert_string_equal(next(f, &s, NOW), "");
	assert_string_equal(next(f, &s, NOW + 10), "a@x");
	assert_int_equal(json_int(s.got, "task", 0), 1);
	assert_int_equal(json_int(s.got, "tries", 0), 1);
	run(f, PASS_SYNC, erase, &s);
	assert_string_equal(next(f, &s, NOW + 10), "b@x");
	assert_string_equal(next(f, &s, NOW + 10), "a@x");
	assert_string_equal(next(f, &s, NOW + 10), "");
	/* Their sender died: a second later they are due again. */
	assert_string_equal(next(f, &s, NOW + 1010), "b@x");
	assert_int_equal(json_int(s.got, "tries", 0), 2);
	s.due = NOW + 90000;
	run(f, PASS_SYNC, later, &s);
	assert_string_equal(next(f, &s, NOW + 1010), "a@x");
	run(f, PASS_SYNC, erase, &s);
	assert_string_equal(next(f, &s, NOW + 89999), "");
	assert_string_equal(next(f, &s, NOW + 90000), "b@x");
	run(f, PASS_SYNC, erase, &s);
	run_want(f, PASS_SYNC, erase, &s, ERR_NOT_FOUND);
	run(f, PASS_READ, count, &s);
	assert_int_equal(s.n, 0);
	json_object_put(s.got);
}

static void test_mails_survive_check_and_reopening(void **state)
{
	struct fixture *f = *state;
	struct step s = {0};
	struct error error = {0};
	FILE *out = tmpfile();
	int findings = -1;

	queue(f, "a@x", 1, NOW);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(store_check(f->store, false, false, out, &findings, &error), ERR_OK);
	assert_int_equal(findings, 0);
	(void)fclose(out);
	assert_string_equal(next(f, &s, NOW), "a@x");
	json_object_put(s.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_mails_oldest_first_and_once),
	    STORE_TEST(test_mails_survive_check_and_reopening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
