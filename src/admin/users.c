/*
 * Users and API keys from the command line.
 */
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include "admin/command.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/users.h"

/* The first line of standard input. */
static char *read_password(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n = getline(&line, &size, stdin);
	if (n < 0) {
		free(line);
		return NULL;
	}
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = '\0';
	return line;
}

static const char *password_sentence(const char *problem)
{
	return strcmp(problem, "password_short") == 0  ? "the password needs at least 10 characters"
	       : strcmp(problem, "password_long") == 0 ? "the password is longer than 1024 bytes"
						       : "the password must not be the user's name";
}

struct change {
	const char *name;
	char *hash;
	bool admin;
	bool manager;
	bool must_exist;
	json_object *list;
};

static enum err put_pass(struct pass *p, void *arg)
{
	struct change *c = arg;
	json_object *user = NULL;
	enum err err = users_get(p, c->name, &user);
	if (err == ERR_OK && !c->must_exist)
		err = ERR_CONFLICT;
	if (err == ERR_NOT_FOUND && !c->must_exist) {
		user = json_object_new_object();
		json_set_str(user, "name", c->name);
		json_set_bool(user, "admin", c->admin);
		json_set_bool(user, "manager", c->manager);
		json_set_int(user, "created", clock_now_ms());
		err = ERR_OK;
	}
	if (err == ERR_OK) {
		json_set_str(user, "password", c->hash);
		err = users_put(p, user);
	}
	if (err == ERR_OK && c->must_exist)
		err = logins_end_all(p, c->name);
	if (err == ERR_OK)
		err = first_login_clear(p);
	if (err == ERR_NOT_FOUND && !c->must_exist)
		err = ERR_OK;
	json_object_put(user);
	return err;
}

static int set_password(struct command_run *r, struct change *c)
{
	struct error error = {0};
	char *password = read_password();
	if (password == NULL || *password == '\0') {
		free(password);
		return command_fail("no password on standard input");
	}
	if (!user_name_ok(c->name)) {
		free(password);
		return command_fail(
		    "“%s” cannot be a user name: letters, digits and . _ - @, at most 64", c->name);
	}
	const char *bad = user_password_problem(c->name, password);
	enum err err = bad != NULL ? ERR_BAD_REQUEST
				   : user_password_hash(r->store, password, &c->hash, &error);
	OPENSSL_cleanse(password, strlen(password));
	free(password);
	if (bad != NULL)
		return command_fail("%s", password_sentence(bad));
	if (err == ERR_OK)
		err = store_pass(r->store, PASS_SYNC, "user", put_pass, c, &error);
	free(c->hash);
	if (err == ERR_CONFLICT)
		return command_fail("user “%s” exists already; change the password with: slipway "
				    "user password %s --password-stdin",
				    c->name, c->name);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no user “%s”", c->name);
	return err == ERR_OK ? 0 : command_error("user", err, &error);
}

/* NAME and options of `user add` and `user password`. */
static int user_options(struct command_run *r, struct change *c, bool with_admin)
{
	static const struct option options[] = {{"password-stdin", no_argument, NULL, 'p'},
						{"admin", no_argument, NULL, 'a'},
						{"manager", no_argument, NULL, 'm'},
						{NULL, 0, NULL, 0}};
	bool from_stdin = false;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o == 'p')
			from_stdin = true;
		else if (o == 'a' && with_admin)
			c->admin = true;
		else if (o == 'm' && with_admin)
			c->manager = true;
		else
			return 2;
	}
	if (optind != r->argc - 1 || !from_stdin)
		return 2;
	c->name = r->argv[optind];
	return 0;
}

int user_add_command(struct command_run *r)
{
	struct change c = {0};
	int bad = user_options(r, &c, true);
	if (bad != 0)
		return bad;
	int status = set_password(r, &c);
	if (status == 0)
		printf("user %s added%s\n", c.name, c.admin ? " as administrator" : "");
	return status;
}

int user_password_command(struct command_run *r)
{
	struct change c = {.must_exist = true};
	int bad = user_options(r, &c, false);
	return bad != 0 ? bad : set_password(r, &c);
}

static enum err manager_pass(struct pass *p, void *arg)
{
	struct change *c = arg;
	json_object *user = NULL;
	enum err err = users_get(p, c->name, &user);
	if (err == ERR_OK) {
		json_set_bool(user, "manager", c->manager);
		err = users_put(p, user);
	}
	json_object_put(user);
	return err;
}

int user_manager_command(struct command_run *r)
{
	struct change c = {0};
	struct error error = {0};
	if (r->argc != 3 || !text_bool(r->argv[2], &c.manager))
		return 2;
	c.name = r->argv[1];
	enum err err = store_pass(r->store, PASS_SYNC, "user", manager_pass, &c, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no user “%s”", c.name);
	return err == ERR_OK ? 0 : command_error("user manager", err, &error);
}

static enum err list_pass(struct pass *p, void *arg)
{
	struct change *c = arg;
	json_object_put(c->list);
	c->list = NULL;
	return users_list(p, 100000, &c->list);
}

int user_list_command(struct command_run *r)
{
	struct change c = {0};
	struct error error = {0};
	json_object *u = NULL;
	if (r->argc != 1)
		return 2;
	enum err err = store_pass(r->store, PASS_READ, "users", list_pass, &c, &error);
	JSON_EACH(u, c.list)
	{
		char created[32];
		clock_iso(json_int(u, "created", 0), created);
		printf("%s\t%s\t%s%s\n", json_str(u, "name", ""), user_role(u), created,
		       json_bool(u, "disabled", false) ? "\tdisabled" : "");
	}
	json_object_put(c.list);
	return err == ERR_OK ? 0 : command_error("user list", err, &error);
}

static enum err delete_pass(struct pass *p, void *arg)
{
	struct change *c = arg;
	return users_delete(p, c->name);
}

int user_delete_command(struct command_run *r)
{
	struct change c = {0};
	struct error error = {0};
	if (r->argc != 2)
		return 2;
	c.name = r->argv[1];
	/* A user of this name who comes later must not find what this one was shown. */
	CLEAN_FREE char *subject = mem_printf("u:%s", c.name);
	enum err err = command_forget(r, subject, &error);
	if (err == ERR_OK)
		err = store_pass(r->store, PASS_SYNC, "user", delete_pass, &c, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no user “%s”", c.name);
	return err == ERR_OK ? 0 : command_error("user delete", err, &error);
}

/* ---- keys */

struct key {
	const char *user, *name, *id;
	bool read_only;
	int64_t expires;     /* ms, 0 = never */
	json_object *limits; /* what it may be used for, NULL = no bounds */
	char token[41];
	json_object *list;
};

static enum err key_add_pass(struct pass *p, void *arg)
{
	struct key *k = arg;
	json_object *user = NULL;
	enum err err = users_get(p, k->user, &user);
	json_object_put(user);
	return err != ERR_OK ? err
			     : keys_add_limited(p, k->user, k->name, k->read_only, k->expires,
						clock_now_ms(), k->token, k->limits);
}

/* "1,2,3" or "http://a,http://b" as a list in the key's bounds. */
static bool add_limit(struct key *k, const char *name, const char *text, bool numbers)
{
	if (k->limits == NULL)
		k->limits = json_object_new_object();
	json_object *list = json_arr(k->limits, name);
	if (list == NULL)
		json_set(k->limits, name, list = json_object_new_array());
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, ",");
		CLEAN_FREE char *item = mem_strndup(p, n);
		int64_t id = 0;
		if (n == 0 || (numbers && !text_int(item, 1, INT32_MAX, &id)))
			return false;
		json_object_array_add(list, numbers ? json_object_new_int64(id)
						    : json_object_new_string(item));
		p += n + (p[n] == ',');
	}
	return json_len(list) > 0;
}

/* The options of `key add`; false: usage. */
static bool key_options(struct command_run *r, struct key *k)
{
	static const struct option options[] = {{"name", required_argument, NULL, 'n'},
						{"read-only", no_argument, NULL, 'r'},
						{"expires", required_argument, NULL, 'e'},
						{"ids", required_argument, NULL, 'i'},
						{"address", required_argument, NULL, 'a'},
						{"referer", required_argument, NULL, 'f'},
						{NULL, 0, NULL, 0}};
	int64_t days = 0;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		bool good = o == 'n' || o == 'r' ||
			    (o == 'e' && text_int(optarg, 1, 36500, &days)) ||
			    (o == 'i' && add_limit(k, "ids", optarg, true)) ||
			    (o == 'a' && add_limit(k, "addresses", optarg, false)) ||
			    (o == 'f' && add_limit(k, "referers", optarg, false));
		if (!good)
			return false;
		if (o == 'n')
			k->name = optarg;
		k->read_only = k->read_only || o == 'r';
	}
	k->user = r->argv[optind];
	k->expires = days > 0 ? clock_now_ms() + days * 86400 * 1000 : 0;
	return optind == r->argc - 1;
}

int key_add_command(struct command_run *r)
{
	struct key k = {.name = ""};
	struct error error = {0};
	if (!key_options(r, &k)) {
		json_object_put(k.limits);
		return 2;
	}
	/* Bounds on items make sense for reading them alone. */
	k.read_only = k.read_only || json_arr(k.limits, "ids") != NULL;
	token_letters(k.token, 40);
	enum err err = store_pass(r->store, PASS_SYNC, "key", key_add_pass, &k, &error);
	json_object_put(k.limits);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no user “%s”", k.user);
	if (err == ERR_TOO_LARGE || err == ERR_RATE)
		return command_fail(
		    "user “%s” has the most keys a user may have (login.keys_per_user)", k.user);
	if (err != ERR_OK)
		return command_error("key add", err, &error);
	printf("API key of %s%s, shown only this once: %s\n", k.user,
	       k.read_only ? " (read-only)" : "", k.token);
	return 0;
}

static enum err key_list_pass(struct pass *p, void *arg)
{
	struct key *k = arg;
	json_object_put(k->list);
	k->list = NULL;
	return keys_list(p, k->user, &k->list);
}

int key_list_command(struct command_run *r)
{
	struct key k = {0};
	struct error error = {0};
	json_object *o = NULL;
	if (r->argc != 2)
		return 2;
	k.user = r->argv[1];
	enum err err = store_pass(r->store, PASS_READ, "keys", key_list_pass, &k, &error);
	JSON_EACH(o, k.list)
	{
		char created[32];
		clock_iso(json_int(o, "created", 0), created);
		printf("%s\t%s\t%s\t%s\n", json_str(o, "id", ""), json_str(o, "name", ""),
		       json_bool(o, "read_only", false) ? "read-only" : "full", created);
	}
	json_object_put(k.list);
	return err == ERR_OK ? 0 : command_error("key list", err, &error);
}

static enum err key_delete_pass(struct pass *p, void *arg)
{
	struct key *k = arg;
	return keys_delete(p, k->user, k->id);
}

int key_delete_command(struct command_run *r)
{
	struct key k = {0};
	struct error error = {0};
	if (r->argc != 3)
		return 2;
	k.user = r->argv[1];
	k.id = r->argv[2];
	enum err err = store_pass(r->store, PASS_SYNC, "key", key_delete_pass, &k, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail("user “%s” has no key %s", k.user, k.id);
	return err == ERR_OK ? 0 : command_error("key delete", err, &error);
}
