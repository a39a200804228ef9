/*
 * Goal: accounts and receivers are found by name and id, an id stays with its receiver; calls,
 * mails and failures are counted in their minute or day over all passes; autoCode numbers are never
 * given twice; check finds nothing wrong with any of it, and old windows go.
 */
#include "store/fixture.h"

#include "store/accounts.h"
#include "store/maintain.h"

#define NOW    INT64_C(1700000000000)
#define MINUTE INT64_C(60000)
#define DAY    INT64_C(86400000)

struct step {
	const char *name, *type, *column, *day;
	int64_t now, max, n, got;
	bool flag;
	json_object *record;
};

static enum err add_receiver(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = json_object_new_object();
	enum err err;

	json_set_str(o, "name", s->name);
	err = receivers_add(p, o);
	s->got = json_int(o, "id", 0);
	return err;
}

static enum err get_receiver(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->record);
	s->record = NULL;
	return receivers_get(p, s->type, &s->record);
}

static enum err put_receiver(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "name", s->name);
	json_set_int(o, "id", 4711);
	json_set_bool(o, "changed_by_test", true);
	return receivers_put(p, o);
}

static enum err delete_receiver(struct pass *p, void *arg)
{
	return receivers_delete(p, ((struct step *)arg)->name);
}

static void want_receiver(struct fixture *f, const char *type, const char *name, int64_t id)
{
	struct step s = {.type = type};

	run_want(f, PASS_READ, get_receiver, &s, name != NULL ? ERR_OK : ERR_NOT_FOUND);
	if (name != NULL) {
		assert_string_equal(json_str(s.record, "name", ""), name);
		assert_int_equal(json_int(s.record, "id", 0), id);
	}
	json_object_put(s.record);
}

static void test_receivers_by_name_and_id(void **state)
{
	struct fixture *f = *state;
	struct step a = {.name = "库存"}, b = {.name = "sales"};

	run(f, PASS_SYNC, add_receiver, &a);
	run(f, PASS_SYNC, add_receiver, &b);
	assert_int_equal(a.got, 1);
	assert_int_equal(b.got, 2);
	run_want(f, PASS_SYNC, add_receiver, &b, ERR_CONFLICT);
	want_receiver(f, "库存", "库存", 1);
	want_receiver(f, "1", "库存", 1);
	want_receiver(f, "2", "sales", 2);
	/* One spelling an id; a name is exact. */
	want_receiver(f, "01", NULL, 0);
	want_receiver(f, "3", NULL, 0);
	want_receiver(f, "", NULL, 0);
	want_receiver(f, "99999999999999999999", NULL, 0);
	want_receiver(f, "Sales", NULL, 0);
	run(f, PASS_SYNC, put_receiver, &b);
	want_receiver(f, "2", "sales", 2);
	want_receiver(f, "4711", NULL, 0);
	run(f, PASS_SYNC, delete_receiver, &a);
	want_receiver(f, "1", NULL, 0);
	want_receiver(f, "库存", NULL, 0);
	/* An id is never given again. */
	run(f, PASS_SYNC, add_receiver, &a);
	assert_int_equal(a.got, 3);
}

static enum err put_account(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "name", s->name);
	json_set_str(o, "token", "a secret of some length");
	return accounts_put(p, o);
}

static enum err get_account(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->record);
	s->record = NULL;
	return accounts_get(p, s->name, &s->record);
}

static void test_accounts_keep_their_birthday(void **state)
{
	struct fixture *f = *state;
	struct step s = {.name = "张三"};
	int64_t created;

	run_want(f, PASS_READ, get_account, &s, ERR_NOT_FOUND);
	run(f, PASS_SYNC, put_account, &s);
	run(f, PASS_READ, get_account, &s);
	created = json_int(s.record, "created", 0);
	assert_true(created > 0);
	clock_sleep_ms(2);
	run(f, PASS_SYNC, put_account, &s);
	run(f, PASS_READ, get_account, &s);
	assert_int_equal(json_int(s.record, "created", 0), created);
	assert_true(json_int(s.record, "changed", 0) > created);
	json_object_put(s.record);
}

static enum err call(struct pass *p, void *arg)
{
	struct step *s = arg;

	return accounts_call(p, s->name, s->max, s->now);
}

static enum err may_call(struct pass *p, void *arg)
{
	struct step *s = arg;

	return accounts_may_call(p, s->name, s->max, s->now);
}

static enum err mail(struct pass *p, void *arg)
{
	struct step *s = arg;

	return mails_take(p, s->name, s->max, s->now);
}

static void test_calls_of_a_minute(void **state)
{
	struct fixture *f = *state;
	struct step s = {.name = "loader", .max = 3, .now = NOW};
	struct step other = {.name = "other", .max = 3, .now = NOW};
	struct step none = {.name = "loader", .max = 0, .now = NOW};

	for (int i = 0; i < 3; i++) {
		run(f, PASS_READ, may_call, &s);
		run(f, PASS_WRITE_NOSYNC, call, &s);
	}
	run_want(f, PASS_READ, may_call, &s, ERR_RATE);
	run_want(f, PASS_WRITE_NOSYNC, call, &s, ERR_RATE);
	run(f, PASS_WRITE_NOSYNC, call, &other);
	run(f, PASS_WRITE_NOSYNC, call, &none);
	s.now += MINUTE;
	run(f, PASS_WRITE_NOSYNC, call, &s);
	/* No mails at all is a bound, too. */
	none.name = "quiet";
	run_want(f, PASS_WRITE_NOSYNC, mail, &none, ERR_RATE);
	s.max = 1;
	run(f, PASS_WRITE_NOSYNC, mail, &s);
	run_want(f, PASS_WRITE_NOSYNC, mail, &s, ERR_RATE);
	s.now += DAY;
	run(f, PASS_WRITE_NOSYNC, mail, &s);
}

static enum err fail_one(struct pass *p, void *arg)
{
	struct step *s = arg;

	return signed_failures_note(p, s->name, s->now);
}

static enum err allowed(struct pass *p, void *arg)
{
	struct step *s = arg;

	return signed_failures_check(p, s->name, s->max, s->now, &s->flag);
}

static void test_failures_of_an_address(void **state)
{
	struct fixture *f = *state;
	struct step s = {.name = "192.0.2.1", .max = 2, .now = NOW};

	run(f, PASS_WRITE_NOSYNC, fail_one, &s);
	run(f, PASS_READ, allowed, &s);
	assert_true(s.flag);
	run(f, PASS_WRITE_NOSYNC, fail_one, &s);
	run(f, PASS_READ, allowed, &s);
	assert_false(s.flag);
	s.now += MINUTE;
	run(f, PASS_READ, allowed, &s);
	assert_true(s.flag);
}

static enum err code(struct pass *p, void *arg)
{
	struct step *s = arg;

	return codes_next(p, 7, s->column, s->day, s->n, &s->got);
}

static void test_codes_count_on_each_day(void **state)
{
	struct fixture *f = *state;
	struct step s = {.column = "no", .day = "20260131", .n = 5};
	char day[32];

	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 1);
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 6);
	s.column = "other";
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 1);
	s.column = "no";
	s.day = "20260201";
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 1);
	/* A clock set back a day repeats nothing. */
	s.day = "20260131";
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 11);
	for (int i = 0; i < 60; i++) {
		(void)snprintf(day, sizeof(day), "2027%02d%02d", 1 + i / 28, 1 + i % 28);
		s.day = day;
		run(f, PASS_SYNC, code, &s);
		assert_int_equal(s.got, 1);
	}
	fixture_close(f);
	fixture_open(f);
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 6);
	s.n = 0;
	run_want(f, PASS_SYNC, code, &s, ERR_INTERNAL);
}

/* ---- all of it, seen by maintenance */

static char *dump(struct fixture *f, bool secrets)
{
	struct error error = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(store_dump(f->store, NULL, secrets, out, NULL, &error), ERR_OK);
	(void)fclose(out);
	return text;
}

static void test_sweep_check_and_dump(void **state)
{
	struct fixture *f = *state;
	struct step s = {
	    .name = "loader", .max = 5, .now = NOW, .column = "no", .day = "20260131", .n = 2};
	struct error error = {0};
	CLEAN_FREE char *shown = NULL;
	CLEAN_FREE char *whole = NULL;
	FILE *out = tmpfile();
	int findings = -1;

	run(f, PASS_SYNC, put_account, &s);
	run(f, PASS_SYNC, add_receiver, &s);
	run(f, PASS_SYNC, code, &s);
	run(f, PASS_WRITE_NOSYNC, call, &s);
	assert_int_equal(store_check(f->store, false, false, out, &findings, &error), ERR_OK);
	assert_int_equal(findings, 0);
	(void)fclose(out);
	shown = dump(f, false);
	whole = dump(f, true);
	assert_null(strstr(shown, "a secret of some length"));
	assert_non_null(strstr(whole, "a secret of some length"));
	/* What counts is kept, what only limits is not. */
	assert_non_null(strstr(shown, "code:7:"));
	assert_null(strstr(shown, "rate:"));
	assert_int_equal(store_sweep(f->store, &error), ERR_OK);
	/* The window of 2023 is gone: five more calls of that minute. */
	for (int i = 0; i < 5; i++)
		run(f, PASS_WRITE_NOSYNC, call, &s);
	run_want(f, PASS_WRITE_NOSYNC, call, &s, ERR_RATE);
	run(f, PASS_SYNC, code, &s);
	assert_int_equal(s.got, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_receivers_by_name_and_id),
	    STORE_TEST(test_accounts_keep_their_birthday),
	    STORE_TEST(test_calls_of_a_minute),
	    STORE_TEST(test_failures_of_an_address),
	    STORE_TEST(test_codes_count_on_each_day),
	    STORE_TEST(test_sweep_check_and_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
