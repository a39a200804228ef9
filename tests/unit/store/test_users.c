/*
 * Goal: logins and keys identify enabled users within their times, secrets are nowhere in the
 * store's files, passwords are checked by yescrypt, and failed attempts are counted.
 */
#include "store/fixture.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "store/users.h"

static const char token_a[33] = "0123456789abcdef0123456789abcdef";
static const char token_b[33] = "f123456789abcdef0123456789abcdef";

static void test_user_name_rules(void **state)
{
	static const char *const good[] = {"ann", "ann.b_c-d@e", "李雷", "Zoë", "7"};
	static const char *const bad[] = {
	    "",
	    "a b",
	    "a/b",
	    "a\nb",
	    "Zoe\xcc\x88",
	    "\xff",
	    ".",
	    "..",
	    "a:b",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(user_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(user_name_ok(bad[i]));
}

static void test_user_password_rules(void **state)
{
	char longest[1026];

	(void)state;
	memset(longest, 'x', 1025);
	longest[1025] = '\0';
	assert_string_equal(user_password_problem("ann", "short"), "password_short");
	assert_string_equal(user_password_problem("ann", longest), "password_long");
	assert_string_equal(
	    user_password_problem("ann", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	    "password_not_text");
	assert_string_equal(user_password_problem("Anneliese.M", "anneliese.m"),
			    "password_is_name");
	longest[1024] = '\0';
	assert_null(user_password_problem("ann", longest));
	assert_null(user_password_problem("ann", "correct horse"));
}

static void test_user_password_hash_and_check(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *hash = NULL;
	CLEAN_FREE char *other = NULL;
	char longer[600], longest[600];
	bool ok = false;

	assert_int_equal(user_password_hash(f->store, "Zo\xc3\xab secret 1", &hash, NULL), ERR_OK);
	assert_memory_equal(hash, "$y$", 3);
	assert_int_equal(user_password_check(f->store, hash, "Zo\xc3\xab secret 1", &ok), ERR_OK);
	assert_true(ok);
	/* The same text in another normal form. */
	assert_int_equal(user_password_check(f->store, hash, "Zoe\xcc\x88 secret 1", &ok), ERR_OK);
	assert_true(ok);
	assert_int_equal(user_password_check(f->store, hash, "Zo\xc3\xab secret 2", &ok), ERR_OK);
	assert_false(ok);
	assert_int_equal(user_password_check(f->store, NULL, "whatever it is", &ok), ERR_OK);
	assert_false(ok);
	assert_int_equal(user_password_check(f->store, "", "", &ok), ERR_OK);
	assert_false(ok);
	/* Beyond what libcrypt takes, every byte counts all the same. */
	memset(longer, 'x', sizeof(longer));
	memset(longest, 'x', sizeof(longest));
	longer[598] = '\0';
	longest[599] = '\0';
	assert_int_equal(user_password_hash(f->store, longer, &other, NULL), ERR_OK);
	assert_int_equal(user_password_check(f->store, other, longest, &ok), ERR_OK);
	assert_false(ok);
	assert_int_equal(user_password_check(f->store, other, longer, &ok), ERR_OK);
	assert_true(ok);
}

/*
 * yescrypt takes 16 MiB: without them libcrypt says of any password what it says of a wrong
 * setting.
 */
static void test_user_password_without_memory_is_not_wrong(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *hash = NULL;
	int status = 0;
	bool ok = false;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* it needs terabytes of addresses */
#endif
	assert_int_equal(user_password_hash(f->store, "a good one", &hash, NULL), ERR_OK);
	pid = fork();
	if (pid == 0) {
		struct rlimit little = {0};
		char *none = NULL;
		long pages = 0;
		FILE *statm = fopen("/proc/self/statm", "r");

		if (statm == NULL || fscanf(statm, "%ld", &pages) != 1)
			_exit(3);
		(void)fclose(statm);
		little.rlim_cur = little.rlim_max = (rlim_t)pages * 4096 + (4 << 20);
		(void)setrlimit(RLIMIT_AS, &little);
		_exit(user_password_check(f->store, hash, "a good one", &ok) == ERR_SHORT &&
			      user_password_check(f->store, NULL, "a good one", &ok) == ERR_SHORT &&
			      user_password_hash(f->store, "another", &none, NULL) == ERR_SHORT
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(user_password_check(f->store, hash, "a good one", &ok), ERR_OK);
	assert_true(ok);
}

static void test_user_password_slots_are_two(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 2};
	int64_t start = clock_mono_ms();
	bool ok;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/locks/passwords", f->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(user_password_check(f->store, NULL, "whatever it is", &ok), ERR_RATE);
	assert_in_range(clock_mono_ms() - start, 1900, 4000);
	lock = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(user_password_check(f->store, NULL, "whatever it is", &ok), ERR_OK);
	(void)close(fd);
}

struct user {
	const char *name;
	bool admin, disabled;
};

static enum err put_user(struct pass *p, void *arg)
{
	struct user *u = arg;
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "name", u->name);
	json_set_bool(o, "admin", u->admin);
	json_set_bool(o, "disabled", u->disabled);
	return users_put(p, o);
}

struct login {
	const char *token;
	int64_t now;
	struct principal who;
	bool touch;
};

static enum err add_login(struct pass *p, void *arg)
{
	struct login *l = arg;

	return logins_add(p, "ann", "192.0.2.1", l->now, 2, l->token);
}

static enum err get_login(struct pass *p, void *arg)
{
	struct login *l = arg;

	return logins_get(p, l->token, l->now, 1000, 5000, &l->who, &l->touch);
}

static enum err touch_login(struct pass *p, void *arg)
{
	struct login *l = arg;

	return logins_touch(p, l->token, l->now);
}

static enum err end_login(struct pass *p, void *arg)
{
	return logins_end(p, ((struct login *)arg)->token);
}

static void test_logins_end_by_idle_age_and_logout(void **state)
{
	struct fixture *f = *state;
	struct user ann = {.name = "ann", .admin = true};
	struct login l = {.token = token_a, .now = 1000000};

	run(f, PASS_SYNC, put_user, &ann);
	run(f, PASS_SYNC, add_login, &l);
	run(f, PASS_READ, get_login, &l);
	assert_string_equal(l.who.owner, "u:ann");
	assert_string_equal(l.who.name, "ann");
	assert_true(l.who.admin && l.who.by_cookie && !l.who.read_only);
	assert_int_equal(strlen(l.who.login), 64);
	assert_false(l.touch);
	l.now += 999 * 1000;
	run(f, PASS_READ, get_login, &l);
	assert_true(l.touch);
	run(f, PASS_WRITE_NOSYNC, touch_login, &l);
	l.now += 1001 * 1000;
	run_want(f, PASS_READ, get_login, &l, ERR_NOT_FOUND);
	l.now -= 2 * 1000;
	for (int i = 0; i < 3; i++) {
		run(f, PASS_WRITE_NOSYNC, touch_login, &l);
		l.now += 1000 * 1000;
		run(f, PASS_READ, get_login, &l);
	}
	run(f, PASS_WRITE_NOSYNC, touch_login, &l);
	l.now += 10 * 1000;
	run_want(f, PASS_READ, get_login, &l, ERR_NOT_FOUND);
	l.now = 1000000;
	run(f, PASS_SYNC, end_login, &l);
	run_want(f, PASS_READ, get_login, &l, ERR_NOT_FOUND);
}

static enum err delete_user(struct pass *p, void *arg)
{
	return users_delete(p, arg);
}

static void test_logins_follow_their_user(void **state)
{
	struct fixture *f = *state;
	struct user ann = {.name = "ann"}, off = {.name = "ann", .disabled = true};
	struct login a = {.token = token_a, .now = 1000000}, b = {.token = token_b, .now = 1000001};
	struct login c = {.token = "c123456789abcdef0123456789abcdef", .now = 1000002};
	char name[] = "ann";

	run(f, PASS_SYNC, put_user, &ann);
	run(f, PASS_SYNC, add_login, &a);
	run(f, PASS_SYNC, add_login, &b);
	/* Two at most: the oldest goes. */
	run(f, PASS_SYNC, add_login, &c);
	run_want(f, PASS_READ, get_login, &a, ERR_NOT_FOUND);
	run(f, PASS_READ, get_login, &b);
	run(f, PASS_SYNC, put_user, &off);
	run_want(f, PASS_READ, get_login, &b, ERR_NOT_FOUND);
	run(f, PASS_SYNC, put_user, &ann);
	run(f, PASS_READ, get_login, &b);
	run(f, PASS_SYNC, delete_user, name);
	run(f, PASS_SYNC, put_user, &ann);
	run_want(f, PASS_READ, get_login, &b, ERR_NOT_FOUND);
	run_want(f, PASS_READ, get_login, &c, ERR_NOT_FOUND);
}

struct api_key {
	const char *token;
	bool read_only;
	int64_t expires;
	struct principal who;
	bool touch;
	json_object *list;
};

static enum err add_key(struct pass *p, void *arg)
{
	struct api_key *k = arg;

	return keys_add(p, "ann", "script", k->read_only, k->expires, 1000, k->token);
}

static enum err get_key(struct pass *p, void *arg)
{
	struct api_key *k = arg;

	json_object *limits = NULL;
	enum err err = keys_get(p, k->token, 5000, &k->who, &k->touch, &limits);

	assert_null(limits);
	return err;
}

static enum err list_keys(struct pass *p, void *arg)
{
	return keys_list(p, "ann", &((struct api_key *)arg)->list);
}

static enum err delete_key(struct pass *p, void *arg)
{
	return keys_delete(p, "ann", arg);
}

static void test_keys_give_rights_until_deleted(void **state)
{
	struct fixture *f = *state;
	struct user ann = {.name = "ann", .admin = true};
	struct api_key full = {.token = "full-key"},
		       look = {.token = "look-key", .read_only = true};
	struct api_key old = {.token = "old-key", .expires = 4000},
		       fourth = {.token = "one too many"};
	char id[32];

	run(f, PASS_SYNC, put_user, &ann);
	run(f, PASS_SYNC, add_key, &full);
	run(f, PASS_SYNC, add_key, &look);
	run(f, PASS_SYNC, add_key, &old);
	run_want(f, PASS_SYNC, add_key, &fourth, ERR_TOO_LARGE);
	run(f, PASS_READ, get_key, &full);
	assert_true(full.who.admin && !full.who.read_only && !full.who.by_cookie);
	run(f, PASS_READ, get_key, &look);
	assert_true(look.who.read_only && !look.who.admin);
	run_want(f, PASS_READ, get_key, &old, ERR_NOT_FOUND);
	run(f, PASS_READ, list_keys, &full);
	assert_int_equal(json_len(full.list), 3);
	assert_null(strstr(json_object_to_json_string(full.list), "-key"));
	for (size_t i = 0; i < 3; i++) {
		json_object *o = json_object_array_get_idx(full.list, i);

		if (json_bool(o, "read_only", false))
			(void)snprintf(id, sizeof(id), "%s", json_str(o, "id", ""));
	}
	json_object_put(full.list);
	run(f, PASS_SYNC, delete_key, id);
	run_want(f, PASS_READ, get_key, &look, ERR_NOT_FOUND);
	run_want(f, PASS_SYNC, delete_key, id, ERR_NOT_FOUND);
	run(f, PASS_READ, get_key, &full);
}

/* Is TEXT in any file of the store? */
static bool in_files(const struct fixture *f, const char *text)
{
	CLEAN_FREE char *command = mem_printf("grep -rqF -- '%s' %s %s", text, f->dir, f->regions);

	return system(command) == 0;
}

static void test_secrets_are_not_stored(void **state)
{
	struct fixture *f = *state;
	struct user ann = {.name = "ann"};
	struct login l = {.token = token_a, .now = 1000000};
	struct api_key k = {.token = "very-secret-api-key"};

	run(f, PASS_SYNC, put_user, &ann);
	run(f, PASS_SYNC, add_login, &l);
	run(f, PASS_SYNC, add_key, &k);
	assert_true(in_files(f, "192.0.2.1"));
	assert_false(in_files(f, token_a));
	assert_false(in_files(f, k.token));
}

static enum err first_set(struct pass *p, void *arg)
{
	return first_login_set(p, arg, 5000);
}

static enum err first_check(struct pass *p, void *arg)
{
	return first_login_check(p, arg, 4000);
}

static enum err first_check_late(struct pass *p, void *arg)
{
	return first_login_check(p, arg, 5000);
}

static enum err first_clear(struct pass *p, void *arg)
{
	(void)arg;
	return first_login_clear(p);
}

static void test_first_login_once_and_in_time(void **state)
{
	struct fixture *f = *state;
	char right[] = "the-token", wrong[] = "another";

	run_want(f, PASS_READ, first_check, right, ERR_NOT_FOUND);
	run(f, PASS_SYNC, first_set, right);
	run(f, PASS_READ, first_check, right);
	run_want(f, PASS_READ, first_check, wrong, ERR_NOT_FOUND);
	run_want(f, PASS_READ, first_check_late, right, ERR_NOT_FOUND);
	run(f, PASS_SYNC, first_clear, NULL);
	run_want(f, PASS_READ, first_check, right, ERR_NOT_FOUND);
	run(f, PASS_SYNC, first_clear, NULL);
}

struct attempt {
	const char *name, *address;
	int64_t now;
	bool allowed;
};

static enum err note(struct pass *p, void *arg)
{
	struct attempt *a = arg;

	return failures_note(p, a->name, a->address, a->now);
}

static enum err allowed(struct pass *p, void *arg)
{
	struct attempt *a = arg;

	return failures_check(p, a->name, a->address, a->now, &a->allowed);
}

static enum err clear(struct pass *p, void *arg)
{
	struct attempt *a = arg;

	return failures_clear(p, a->name, a->address);
}

static bool may_try(struct fixture *f, const char *name, const char *address, int64_t now)
{
	struct attempt a = {.name = name, .address = address, .now = now};

	run(f, PASS_READ, allowed, &a);
	return a.allowed;
}

static void fail_times(struct fixture *f, const char *name, const char *address, int64_t now,
		       int times)
{
	struct attempt a = {.name = name, .address = address, .now = now};

	for (int i = 0; i < times; i++)
		run(f, PASS_WRITE_NOSYNC, note, &a);
}

static void test_failures_refuse_for_five_minutes(void **state)
{
	struct fixture *f = *state;
	struct attempt a = {.name = "ann", .address = "192.0.2.1"};
	int64_t now = 1000000000;

	fail_times(f, "ann", "192.0.2.1", now, 10);
	assert_true(may_try(f, "ann", "192.0.2.1", now));
	fail_times(f, "ann", "192.0.2.1", now, 1);
	assert_false(may_try(f, "ann", "192.0.2.1", now + 1));
	assert_true(may_try(f, "ann", "192.0.2.2", now + 1));
	assert_true(may_try(f, "bob", "192.0.2.1", now + 1));
	assert_false(may_try(f, "ann", "192.0.2.1", now + 299 * 1000));
	assert_true(may_try(f, "ann", "192.0.2.1", now + 301 * 1000));
	/* A clock set back by a day refuses nobody. */
	assert_true(may_try(f, "ann", "192.0.2.1", now - 86400 * 1000));
	run(f, PASS_WRITE_NOSYNC, clear, &a);
	assert_true(may_try(f, "ann", "192.0.2.1", now + 1));
}

static void test_failures_per_address(void **state)
{
	struct fixture *f = *state;
	int64_t now = 1000000000;
	char name[16];

	for (int i = 0; i < 101; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_true(may_try(f, name, "192.0.2.1", now));
		fail_times(f, name, "192.0.2.1", now, 1);
	}
	assert_false(may_try(f, "fresh", "192.0.2.1", now));
	assert_true(may_try(f, "fresh", "192.0.2.9", now));
	assert_true(may_try(f, "fresh", "192.0.2.1", now + 301 * 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_user_name_rules),
	    cmocka_unit_test(test_user_password_rules),
	    STORE_TEST(test_user_password_hash_and_check),
	    STORE_TEST(test_user_password_without_memory_is_not_wrong),
	    STORE_TEST(test_user_password_slots_are_two),
	    STORE_TEST(test_logins_end_by_idle_age_and_logout),
	    STORE_TEST(test_logins_follow_their_user),
	    STORE_TEST(test_keys_give_rights_until_deleted),
	    STORE_TEST(test_secrets_are_not_stored),
	    STORE_TEST(test_first_login_once_and_in_time),
	    STORE_TEST(test_failures_refuse_for_five_minutes),
	    STORE_TEST(test_failures_per_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
