/*
 * Roles of users, groups, and directories of the catalogue from the command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "admin/command.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item.h"
#include "store/groups.h"

enum err command_forget(struct command_run *r, const char *subject, struct error *error)
{
	struct catalog *catalog = NULL;
	enum err err = catalog_open(r->config, &catalog, error);
	if (err == ERR_OK)
		err = catalog_forget(catalog, subject, error);
	catalog_close(catalog);
	return err;
}

/* ---- users */

struct user_change {
	const char *name;
	const char *role; /* NULL: disabled is meant */
	bool disabled;
};

static enum err user_pass(struct pass *p, void *arg)
{
	struct user_change *c = arg;
	return c->role != NULL ? users_set_role(p, c->name, c->role)
			       : users_set_disabled(p, c->name, c->disabled);
}

static int change_user(struct command_run *r, struct user_change *c)
{
	struct error error = {0};
	c->name = r->argv[1];
	enum err err = store_pass(r->store, PASS_SYNC, "user", user_pass, c, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no user “%s”", c->name);
	if (err == ERR_CONFLICT)
		return command_fail("“%s” is the last administrator and stays one", c->name);
	return err == ERR_BAD_REQUEST ? 2 : err == ERR_OK ? 0 : command_error("user", err, &error);
}

int user_role_command(struct command_run *r)
{
	struct user_change c = {0};
	if (r->argc != 3)
		return 2;
	c.role = r->argv[2];
	return change_user(r, &c);
}

int user_disable_command(struct command_run *r)
{
	struct user_change c = {.disabled = true};
	return r->argc != 2 ? 2 : change_user(r, &c);
}

int user_enable_command(struct command_run *r)
{
	struct user_change c = {0};
	return r->argc != 2 ? 2 : change_user(r, &c);
}

/* ---- groups */

struct group_change {
	const char *group;
	const char *user;
	enum err (*fn)(struct pass *, const char *group, const char *user);
	json_object *list;
};

static enum err group_add_pass(struct pass *p, void *arg)
{
	struct group_change *c = arg;
	return groups_add(p, c->group, clock_now_ms());
}

int group_add_command(struct command_run *r)
{
	struct group_change c = {0};
	struct error error = {0};
	if (r->argc != 2)
		return 2;
	c.group = r->argv[1];
	enum err err = store_pass(r->store, PASS_SYNC, "group", group_add_pass, &c, &error);
	if (err == ERR_CONFLICT)
		return command_fail("group “%s” exists already", c.group);
	if (err == ERR_BAD_REQUEST)
		return command_fail(
		    "“%s” cannot be a group's name: letters, digits and . _ - @, at most 64",
		    c.group);
	return err == ERR_OK ? 0 : command_error("group add", err, &error);
}

static enum err group_get_pass(struct pass *p, void *arg)
{
	struct group_change *c = arg;
	json_object *group = NULL;
	enum err err = groups_get(p, c->group, &group);
	json_object_put(group);
	return err;
}

static enum err group_delete_pass(struct pass *p, void *arg)
{
	struct group_change *c = arg;
	return groups_delete(p, c->group);
}

int group_delete_command(struct command_run *r)
{
	struct group_change c = {0};
	struct error error = {0};
	if (r->argc != 2)
		return 2;
	c.group = r->argv[1];
	CLEAN_FREE char *subject = mem_printf("g:%s", c.group);
	enum err err = store_pass(r->store, PASS_READ, "group", group_get_pass, &c, &error);
	if (err == ERR_OK)
		err = command_forget(r, subject, &error);
	if (err == ERR_OK)
		err = store_pass(r->store, PASS_SYNC, "group", group_delete_pass, &c, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no group “%s”", c.group);
	return err == ERR_OK ? 0 : command_error("group delete", err, &error);
}

static enum err group_member_pass(struct pass *p, void *arg)
{
	struct group_change *c = arg;
	return c->fn(p, c->group, c->user);
}

static int change_members(struct command_run *r, struct group_change *c)
{
	if (r->argc < 3)
		return 2;
	c->group = r->argv[1];
	for (int i = 2; i < r->argc; i++) {
		struct error error = {0};
		c->user = r->argv[i];
		enum err err =
		    store_pass(r->store, PASS_SYNC, "group", group_member_pass, c, &error);
		if (err == ERR_NOT_FOUND)
			return command_fail("there is no group “%s” or no user “%s”", c->group,
					    c->user);
		if (err != ERR_OK)
			return command_error("group", err, &error);
	}
	return 0;
}

int group_join_command(struct command_run *r)
{
	struct group_change c = {.fn = groups_join};
	return change_members(r, &c);
}

int group_leave_command(struct command_run *r)
{
	struct group_change c = {.fn = groups_leave};
	return change_members(r, &c);
}

static enum err group_list_pass(struct pass *p, void *arg)
{
	struct group_change *c = arg;
	json_object_put(c->list);
	c->list = NULL;
	return groups_list(p, &c->list);
}

int group_list_command(struct command_run *r)
{
	struct group_change c = {0};
	struct error error = {0};
	json_object *group = NULL, *member = NULL;
	if (r->argc != 1)
		return 2;
	enum err err = store_pass(r->store, PASS_READ, "groups", group_list_pass, &c, &error);
	JSON_EACH(group, c.list)
	{
		printf("%lld\t%s\t", (long long)json_int(group, "id", 0),
		       json_str(group, "name", ""));
		JSON_EACH(member, json_arr(group, "members"))
		printf("%s%s", json_i_member > 0 ? " " : "", json_object_get_string(member));
		putchar('\n');
	}
	json_object_put(c.list);
	return err == ERR_OK ? 0 : command_error("group list", err, &error);
}

/* ---- directories */

int dir_add_command(struct command_run *r)
{
	static const struct option options[] = {{"parent", required_argument, NULL, 'p'},
						{NULL, 0, NULL, 0}};
	struct catalog *catalog = NULL;
	struct error error = {0};
	int64_t parent = 0, id = 0;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 'p' || !text_int(optarg, 1, INT64_MAX, &parent))
			return 2;
	}
	if (optind != r->argc - 1)
		return 2;
	enum err err = catalog_open(r->config, &catalog, &error);
	if (err == ERR_OK)
		err = catalog_dir_add(catalog, parent, r->argv[optind], &id, &error);
	catalog_close(catalog);
	if (err == ERR_CONFLICT)
		return command_fail("there is a directory “%s” already", r->argv[optind]);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no directory %lld", (long long)parent);
	if (err != ERR_OK)
		return command_error("dir add", err, &error);
	printf("%lld\n", (long long)id);
	return 0;
}

int dir_list_command(struct command_run *r)
{
	struct catalog *catalog = NULL;
	struct error error = {0};
	json_object *list = NULL, *dir = NULL;
	if (r->argc != 1)
		return 2;
	enum err err = catalog_open(r->config, &catalog, &error);
	if (err == ERR_OK)
		err = catalog_dir_list(catalog, &list, &error);
	JSON_EACH(dir, list)
	printf("%lld\t%*s%s\t%lld\n", (long long)json_int(dir, "id", 0),
	       (int)(2 * (json_int(dir, "depth", 1) - 1)), "", json_str(dir, "name", ""),
	       (long long)json_int(dir, "items", 0));
	json_object_put(list);
	catalog_close(catalog);
	return err == ERR_OK ? 0 : command_error("dir list", err, &error);
}

int dir_delete_command(struct command_run *r)
{
	struct catalog *catalog = NULL;
	struct error error = {0};
	int64_t id = 0;
	if (r->argc != 2 || !text_int(r->argv[1], 1, INT64_MAX, &id))
		return 2;
	enum err err = catalog_open(r->config, &catalog, &error);
	if (err == ERR_OK)
		err = catalog_dir_delete(catalog, id, &error);
	catalog_close(catalog);
	if (err == ERR_CONFLICT)
		return command_fail("directory %lld is not empty", (long long)id);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no directory %lld", (long long)id);
	return err == ERR_OK ? 0 : command_error("dir delete", err, &error);
}
