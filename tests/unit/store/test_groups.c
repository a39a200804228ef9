/*
 * Goal: groups are made, joined, left and deleted; a principal carries the groups of now; roles and
 * disabling keep one administrator who can log in.
 */
#include "store/fixture.h"

#include "store/groups.h"

#define NOW INT64_C(1700000000000)

struct step {
	const char *group, *user, *role;
	struct principal who;
	json_object *list;
	bool flag;
};

static enum err add_user(struct pass *p, void *arg)
{
	struct step *s = arg;
	CLEAN_JSON json_object *user = json_object_new_object();

	json_set_str(user, "name", s->user);
	json_set_bool(user, "admin", s->flag);
	return users_put(p, user);
}

static enum err add_group(struct pass *p, void *arg)
{
	return groups_add(p, ((struct step *)arg)->group, NOW);
}

static enum err join(struct pass *p, void *arg)
{
	struct step *s = arg;

	return groups_join(p, s->group, s->user);
}

static enum err leave(struct pass *p, void *arg)
{
	struct step *s = arg;

	return groups_leave(p, s->group, s->user);
}

static enum err delete_group(struct pass *p, void *arg)
{
	return groups_delete(p, ((struct step *)arg)->group);
}

static enum err principal(struct pass *p, void *arg)
{
	struct step *s = arg;

	return users_principal(p, s->user, &s->who);
}

static enum err list(struct pass *p, void *arg)
{
	struct step *s = arg;

	json_object_put(s->list);
	s->list = NULL;
	return groups_list(p, &s->list);
}

static enum err role(struct pass *p, void *arg)
{
	struct step *s = arg;

	return users_set_role(p, s->user, s->role);
}

static enum err disabled(struct pass *p, void *arg)
{
	struct step *s = arg;

	return users_set_disabled(p, s->user, s->flag);
}

static void make_users(struct fixture *f)
{
	run(f, PASS_SYNC, add_user, &(struct step){.user = "root", .flag = true});
	run(f, PASS_SYNC, add_user, &(struct step){.user = "ann"});
}

static void test_group_membership_is_the_principals(void **state)
{
	struct fixture *f = *state;
	struct step ann = {.user = "ann"};

	make_users(f);
	run(f, PASS_SYNC, add_group, &(struct step){.group = "staff"});
	run(f, PASS_SYNC, add_group, &(struct step){.group = "测量"});
	run_want(f, PASS_SYNC, add_group, &(struct step){.group = "staff"}, ERR_CONFLICT);
	run_want(f, PASS_SYNC, add_group, &(struct step){.group = "a b"}, ERR_BAD_REQUEST);
	run_want(f, PASS_SYNC, join, &(struct step){.group = "none", .user = "ann"}, ERR_NOT_FOUND);
	run_want(f, PASS_SYNC, join, &(struct step){.group = "staff", .user = "none"},
		 ERR_NOT_FOUND);
	run(f, PASS_SYNC, join, &(struct step){.group = "staff", .user = "ann"});
	run(f, PASS_SYNC, join, &(struct step){.group = "staff", .user = "ann"});
	run(f, PASS_SYNC, join, &(struct step){.group = "测量", .user = "ann"});
	run(f, PASS_READ, principal, &ann);
	assert_string_equal(ann.who.groups, "staff\n测量\n");
	run(f, PASS_SYNC, leave, &(struct step){.group = "staff", .user = "ann"});
	run(f, PASS_READ, principal, &ann);
	assert_string_equal(ann.who.groups, "测量\n");
}

static void test_group_ids_are_never_used_again(void **state)
{
	struct fixture *f = *state;
	struct step s = {.group = "staff", .user = "ann"};

	make_users(f);
	run(f, PASS_SYNC, add_group, &s);
	run(f, PASS_SYNC, join, &s);
	run(f, PASS_SYNC, delete_group, &s);
	run_want(f, PASS_SYNC, delete_group, &s, ERR_NOT_FOUND);
	run(f, PASS_SYNC, add_group, &s);
	run(f, PASS_READ, list, &s);
	assert_int_equal(json_len(s.list), 1);
	assert_int_equal(json_int(json_at(s.list, 0), "id", 0), 2);
	assert_int_equal(json_len(json_arr(json_at(s.list, 0), "members")), 0);
	run(f, PASS_READ, principal, &s);
	assert_string_equal(s.who.groups, "");
	json_object_put(s.list);
}

static void test_group_memberships_have_a_limit(void **state)
{
	struct fixture *f = *state;
	char name[24];

	make_users(f);
	for (int i = 0; i <= GROUPS_PER_USER; i++) {
		(void)snprintf(name, sizeof(name), "group%d", i);
		run(f, PASS_SYNC, add_group, &(struct step){.group = name});
		run_want(f, PASS_SYNC, join, &(struct step){.group = name, .user = "ann"},
			 i < GROUPS_PER_USER ? ERR_OK : ERR_TOO_LARGE);
	}
}

static void test_user_roles_keep_one_administrator(void **state)
{
	struct fixture *f = *state;
	struct step ann = {.user = "ann"};

	make_users(f);
	run_want(f, PASS_SYNC, role, &(struct step){.user = "ann", .role = "king"},
		 ERR_BAD_REQUEST);
	run_want(f, PASS_SYNC, role, &(struct step){.user = "none", .role = "user"}, ERR_NOT_FOUND);
	run_want(f, PASS_SYNC, role, &(struct step){.user = "root", .role = "user"}, ERR_CONFLICT);
	run_want(f, PASS_SYNC, disabled, &(struct step){.user = "root", .flag = true},
		 ERR_CONFLICT);
	run(f, PASS_SYNC, role, &(struct step){.user = "ann", .role = "manager"});
	run(f, PASS_READ, principal, &ann);
	assert_true(ann.who.manager && !ann.who.admin);
	run(f, PASS_SYNC, role, &(struct step){.user = "ann", .role = "administrator"});
	run(f, PASS_SYNC, disabled, &(struct step){.user = "root", .flag = true});
	/* A disabled administrator does not count. */
	run_want(f, PASS_SYNC, role, &(struct step){.user = "ann", .role = "user"}, ERR_CONFLICT);
	run_want(f, PASS_READ, principal, &(struct step){.user = "root"}, ERR_NOT_FOUND);
	run(f, PASS_SYNC, disabled, &(struct step){.user = "root", .flag = false});
	run(f, PASS_READ, principal, &(struct step){.user = "root"});
}

static enum err list_all(struct pass *p, void *arg)
{
	return groups_list(p, arg);
}

/*
 * A store of a program that knew no groups: reading finds none, at the first try and without a
 * recovery.
 */
static void test_group_table_of_an_older_store_is_made(void **state)
{
	struct fixture *f = *state;
	CLEAN_FREE char *table = mem_printf("%s/db/data/groups.db", f->dir);
	CLEAN_FREE char *made = mem_printf("%s/db/tables", f->dir);
	CLEAN_JSON json_object *list = NULL;

	make_users(f);
	fixture_close(f);
	assert_int_equal(unlink(table), 0);
	assert_int_equal(unlink(made), 0);
	fixture_open(f);
	run(f, PASS_READ, list_all, (struct step *)(void *)&list);
	assert_int_equal(json_len(list), 0);
	run(f, PASS_SYNC, add_group, &(struct step){.group = "new"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {STORE_TEST(test_group_table_of_an_older_store_is_made),
					   STORE_TEST(test_group_membership_is_the_principals),
					   STORE_TEST(test_group_ids_are_never_used_again),
					   STORE_TEST(test_group_memberships_have_a_limit),
					   STORE_TEST(test_user_roles_keep_one_administrator)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
