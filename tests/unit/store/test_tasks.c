/*
 * Goal: the queue hands out the oldest task its owner may run, takes tasks of lost workers back,
 * and gives up after the last attempt.
 */
#include "store/fixture.h"

#include "store/tasks.h"

#define LOST_MS 60000

struct task {
	const char *owner;
	int64_t id;
};

static enum err add_task(struct pass *p, void *arg)
{
	struct task *t = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "owner", t->owner);
	json_set_str(o, "kind", "inspect");
	return tasks_add(p, o, &t->id);
}

static int64_t add(struct fixture *f, const char *owner)
{
	struct task t = {.owner = owner};

	run(f, PASS_SYNC, add_task, &t);
	return t.id;
}

struct claim {
	const char *worker;
	int64_t now;
	int per_user;
	json_object *task;
	bool lost;
};

static enum err claim_task(struct pass *p, void *arg)
{
	struct claim *c = arg;

	return tasks_claim(p, c->worker, c->now, c->per_user, LOST_MS, 3, &c->task, &c->lost);
}

/* The claimed id, 0 = nothing to do, negative = lost for good. */
static int64_t claim(struct fixture *f, const char *worker, int64_t now, int per_user)
{
	struct claim c = {.worker = worker, .now = now, .per_user = per_user};
	enum err err = store_pass(f->store, PASS_SYNC, "claim", claim_task, &c, NULL);
	int64_t id;

	if (err == ERR_NOT_FOUND)
		return 0;
	assert_int_equal(err, ERR_OK);
	id = json_int(c.task, "id", 0);
	assert_string_equal(json_str(c.task, "state", ""), "running");
	json_object_put(c.task);
	return c.lost ? -id : id;
}

struct finish {
	int64_t id;
	const char *state;
	int64_t ended;
};

static enum err finish(struct pass *p, void *arg)
{
	struct finish *t = arg;
	CLEAN_JSON json_object *o = NULL;
	enum err err = tasks_get(p, t->id, &o);

	if (err != ERR_OK)
		return err;
	json_set_str(o, "state", t->state);
	json_set_int(o, "ended", t->ended);
	return tasks_put(p, o);
}

struct counts {
	size_t queued, running;
};

static enum err count(struct pass *p, void *arg)
{
	struct counts *c = arg;

	return tasks_count(p, &c->queued, &c->running);
}

static void want_counts(struct fixture *f, size_t queued, size_t running)
{
	struct counts c;

	run(f, PASS_READ, count, &c);
	assert_int_equal(c.queued, queued);
	assert_int_equal(c.running, running);
}

static void test_tasks_claim_oldest_within_owner_limit(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		(void)add(f, "u:ann");
	(void)add(f, "u:bob");
	want_counts(f, 4, 0);
	assert_int_equal(claim(f, "w1", 1000, 2), 1);
	assert_int_equal(claim(f, "w2", 1000, 2), 2);
	/* Ann has two running: it is Bob's turn. */
	assert_int_equal(claim(f, "w3", 1000, 2), 4);
	assert_int_equal(claim(f, "w4", 1000, 2), 0);
	want_counts(f, 1, 3);
	run(f, PASS_SYNC, finish, &(struct finish){1, "done", 2000});
	assert_int_equal(claim(f, "w4", 2000, 2), 3);
	want_counts(f, 0, 3);
}

static void test_tasks_lost_goes_back_until_ended(void **state)
{
	struct fixture *f = *state;
	int64_t now = 1000000;

	(void)add(f, "u:ann");
	(void)add(f, "u:ann");
	assert_int_equal(claim(f, "w1", now, 1), 1);
	assert_int_equal(claim(f, "w2", now + LOST_MS, 1), 0);
	/* Lost: again in its old place, before the younger one. */
	assert_int_equal(claim(f, "w2", now + LOST_MS + 1, 1), 1);
	assert_int_equal(claim(f, "w3", now + 3 * LOST_MS, 1), 1);
	/* That was the third attempt. */
	assert_int_equal(claim(f, "w4", now + 5 * LOST_MS, 1), -1);
	assert_int_equal(claim(f, "w4", now + 5 * LOST_MS, 2), 2);
	want_counts(f, 0, 2);
	/* Whoever is to end it may be lost, too. */
	assert_int_equal(claim(f, "w5", now + 7 * LOST_MS, 2), -1);
}

struct beat {
	const char *worker;
	int64_t now;
	bool cancel;
};

static enum err beat(struct pass *p, void *arg)
{
	struct beat *b = arg;
	CLEAN_JSON json_object *progress = json_object_new_object();

	json_set_int(progress, "done", 5);
	return tasks_beat(p, 1, b->worker, progress, b->now, &b->cancel);
}

static enum err ask_cancel(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	enum err err = tasks_get(p, 1, &o);

	(void)arg;
	if (err != ERR_OK)
		return err;
	json_set_bool(o, "cancel", true);
	return tasks_put(p, o);
}

static void test_tasks_beat_keeps_and_tells_cancel(void **state)
{
	struct fixture *f = *state;
	struct beat b = {.worker = "w1", .now = 50000};

	(void)add(f, "u:ann");
	run_want(f, PASS_WRITE_NOSYNC, beat, &b, ERR_CONFLICT);
	assert_int_equal(claim(f, "w1", 1000, 1), 1);
	run(f, PASS_WRITE_NOSYNC, beat, &b);
	assert_false(b.cancel);
	/* The heartbeat counts, not the start. */
	assert_int_equal(claim(f, "w2", 1000 + LOST_MS + 1, 1), 0);
	run(f, PASS_SYNC, ask_cancel, NULL);
	run(f, PASS_WRITE_NOSYNC, beat, &b);
	assert_true(b.cancel);
	assert_int_equal(claim(f, "w2", 50000 + LOST_MS + 1, 1), 1);
	run_want(f, PASS_WRITE_NOSYNC, beat, &b, ERR_CONFLICT);
}

static enum err forget_beat(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	enum err err = tasks_get(p, 1, &o);

	(void)arg;
	if (err != ERR_OK)
		return err;
	json_set_int(o, "alive", -2 * LOST_MS);
	return tasks_put(p, o);
}

/* The wall clock of a worker jumps: it knows better what it is doing itself. */
static void test_tasks_own_are_not_lost_by_a_jump_of_the_clock(void **state)
{
	struct fixture *f = *state;
	struct beat b = {.worker = "w1", .now = 2000};

	(void)add(f, "u:ann");
	assert_int_equal(claim(f, "w1", 1000, 1), 1);
	assert_int_equal(claim(f, "w1", 1000 + 100 * LOST_MS, 1), 0);
	run(f, PASS_WRITE_NOSYNC, beat, &b);
	assert_int_equal(claim(f, "w1", 1000 + 100 * LOST_MS, 1), 0);
	/*
	 * Not even its own end could be stored: somebody does it again, however the clock was set
	 * back.
	 */
	run(f, PASS_SYNC, forget_beat, NULL);
	assert_int_equal(claim(f, "w1", 1000 - 100 * LOST_MS, 1), 1);
}

struct old {
	int64_t before;
	json_object *ids;
};

static enum err old(struct pass *p, void *arg)
{
	struct old *o = arg;

	return tasks_old(p, o->before, 10, &o->ids);
}

static enum err erase(struct pass *p, void *arg)
{
	return tasks_delete(p, *(int64_t *)arg);
}

static void test_tasks_old_lists_ended_only(void **state)
{
	struct fixture *f = *state;
	struct old o = {.before = 3000};
	int64_t first = 2;

	for (int i = 0; i < 4; i++)
		(void)add(f, "u:ann");
	run(f, PASS_SYNC, finish, &(struct finish){1, "done", 2500});
	run(f, PASS_SYNC, finish, &(struct finish){2, "canceled", 2000});
	run(f, PASS_SYNC, finish, &(struct finish){3, "failed", 3000});
	run(f, PASS_READ, old, &o);
	assert_string_equal(json_object_to_json_string_ext(o.ids, JSON_C_TO_STRING_PLAIN), "[2,1]");
	json_object_put(o.ids);
	run(f, PASS_SYNC, erase, &first);
	run(f, PASS_READ, old, &o);
	assert_string_equal(json_object_to_json_string_ext(o.ids, JSON_C_TO_STRING_PLAIN), "[1]");
	json_object_put(o.ids);
}

struct signed_task {
	const char *kind, *owner, *account;
	bool begin;
	int64_t heartbeat;
	int64_t most;
	int64_t id;
};

static enum err add_signed(struct pass *p, void *arg)
{
	struct signed_task *t = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(json_set_str(o, "kind", t->kind), "owner", t->owner);
	json_set_str(o, "account", t->account);
	json_set_int(o, "heartbeat", t->heartbeat);
	if (t->most > 0)
		json_set_int(o, "most", t->most);
	return t->begin ? tasks_begin(p, o, &t->id) : tasks_add(p, o, &t->id);
}

struct kept {
	int64_t until, id;
	const char *name;
	json_object *found;
};

static enum err add_kept(struct pass *p, void *arg)
{
	struct kept *k = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(json_set_str(o, "kind", "import-table"), "owner", "u:ann");
	json_set_str(json_set_str(o, "account", "x"), "filename", k->name);
	json_set_int(json_set_int(o, "receiver_id", 7), "until", k->until);
	return tasks_add(p, o, &k->id);
}

static enum err find_kept(struct pass *p, void *arg)
{
	struct kept *k = arg;

	return tasks_of_file(p, "x", 7, k->name, &k->found);
}

static enum err due_kept(struct pass *p, void *arg)
{
	struct kept *k = arg;

	return tasks_kept_until(p, k->until, 10, &k->found);
}

static enum err let_go(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = NULL;
	enum err err = tasks_get(p, *(int64_t *)arg, &o);

	if (err != ERR_OK)
		return err;
	json_object_object_del(o, "until");
	return tasks_put(p, o);
}

static void test_tasks_find_the_newest_kept_file(void **state)
{
	struct fixture *f = *state;
	struct kept k = {.name = "march.xlsx"};
	int64_t third = 3;

	run(f, PASS_SYNC, add_kept, &(struct kept){.until = 5000, .name = "march.xlsx"});
	run(f, PASS_SYNC, add_kept, &(struct kept){.until = 5000, .name = "march"});
	run(f, PASS_SYNC, add_kept, &(struct kept){.until = 6000, .name = "march.xlsx"});
	run(f, PASS_READ, find_kept, &k);
	assert_int_equal(json_int(k.found, "id", 0), 3);
	json_object_put(k.found);
	k.until = 5500;
	run(f, PASS_READ, due_kept, &k);
	assert_string_equal(json_object_to_json_string_ext(k.found, JSON_C_TO_STRING_PLAIN),
			    "[1,2]");
	json_object_put(k.found);
	run(f, PASS_SYNC, let_go, &third);
	run(f, PASS_READ, find_kept, &k);
	assert_int_equal(json_int(k.found, "id", 0), 1);
	json_object_put(k.found);
	k.name = "../march.xlsx";
	run_want(f, PASS_READ, find_kept, &k, ERR_NOT_FOUND);
}

struct list {
	const char *owner, *account;
	int64_t before;
	json_object *tasks;
};

static enum err list(struct pass *p, void *arg)
{
	struct list *l = arg;

	return tasks_signed(p, l->owner, l->account, l->before, 10, &l->tasks);
}

static void assert_lists(struct fixture *f, struct list l, const char *ids)
{
	char text[64] = "";
	json_object *t;

	run(f, PASS_READ, list, &l);
	JSON_EACH(t, l.tasks)
	{
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%lld ",
			       (long long)json_int(t, "id", 0));
	}
	json_object_put(l.tasks);
	assert_string_equal(text, ids);
}

static void test_tasks_signed_are_listed_newest_first(void **state)
{
	struct fixture *f = *state;
	int64_t second = 2;
	struct old o = {.before = 9000};

	run(f, PASS_SYNC, add_signed,
	    &(struct signed_task){"import-table", "u:ann", "x", false, 0, 0, 0});
	run(f, PASS_SYNC, add_signed,
	    &(struct signed_task){"receive", "u:ann", "y", true, 0, 0, 0});
	(void)add(f, "u:ann");
	run(f, PASS_SYNC, add_signed,
	    &(struct signed_task){"import-table", "u:bob", "x", false, 0, 0, 0});
	assert_lists(f, (struct list){NULL, NULL, 0, NULL}, "4 2 1 ");
	assert_lists(f, (struct list){"u:ann", NULL, 0, NULL}, "2 1 ");
	assert_lists(f, (struct list){NULL, "x", 0, NULL}, "4 1 ");
	assert_lists(f, (struct list){NULL, NULL, 4, NULL}, "2 1 ");
	run(f, PASS_SYNC, finish, &(struct finish){2, "done", 2500});
	run(f, PASS_SYNC, finish, &(struct finish){3, "done", 2500});
	/* They are kept for another time than other tasks. */
	run(f, PASS_READ, old, &o);
	assert_string_equal(json_object_to_json_string_ext(o.ids, JSON_C_TO_STRING_PLAIN), "[3]");
	json_object_put(o.ids);
	run(f, PASS_SYNC, erase, &second);
	assert_lists(f, (struct list){NULL, NULL, 0, NULL}, "4 1 ");
}

static enum err requeue(struct pass *p, void *arg)
{
	(void)arg;
	return tasks_requeue(p);
}

static void test_tasks_receive_belongs_to_its_front(void **state)
{
	struct fixture *f = *state;

	run(f, PASS_SYNC, add_signed,
	    &(struct signed_task){"receive", "u:ann", "x", true, 200000, 0, 0});
	run(f, PASS_SYNC, requeue, NULL);
	(void)add(f, "u:ann");
	/* Neither taken nor counted while its request may run; then somebody has to end it. */
	assert_int_equal(claim(f, "w1", 1000, 1), 2);
	assert_int_equal(claim(f, "w1", 200000 + LOST_MS + 1, 0), 1);
}

static void test_tasks_tell_their_own_attempts(void **state)
{
	struct fixture *f = *state;

	run(f, PASS_SYNC, add_signed,
	    &(struct signed_task){"import-table", "u:ann", "x", false, 0, 2, 0});
	assert_int_equal(claim(f, "w1", 1000, 1), 1);
	assert_int_equal(claim(f, "w2", 1000 + 2 * LOST_MS, 1), 1);
	assert_int_equal(claim(f, "w3", 1000 + 4 * LOST_MS, 1), -1);
	/* Whoever is to end it may be lost, too. */
	assert_int_equal(claim(f, "w4", 1000 + 4 * LOST_MS, 1), 0);
	assert_int_equal(claim(f, "w4", 1000 + 6 * LOST_MS, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_tasks_claim_oldest_within_owner_limit),
	    STORE_TEST(test_tasks_lost_goes_back_until_ended),
	    STORE_TEST(test_tasks_beat_keeps_and_tells_cancel),
	    STORE_TEST(test_tasks_own_are_not_lost_by_a_jump_of_the_clock),
	    STORE_TEST(test_tasks_old_lists_ended_only),
	    STORE_TEST(test_tasks_signed_are_listed_newest_first),
	    STORE_TEST(test_tasks_receive_belongs_to_its_front),
	    STORE_TEST(test_tasks_tell_their_own_attempts),
	    STORE_TEST(test_tasks_find_the_newest_kept_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
