/*
 * slipway: the command line.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/command.h"
#include "admin/privilege.h"
#include "base/child.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

static const struct command commands[] = {
    {"serve", "[--web lighttpd|nginx|apache|apache-fcgid|cgi] [--listen ADDR:PORT] [--mount /PATH]",
     "run the wizard behind a web server, in the foreground", NEEDS_CONFIG, serve_command},
    {"user add", "NAME --password-stdin [--admin] [--manager]",
     "add a user; the password is the first line of standard input", NEEDS_STORE, user_add_command},
    {"user list", "", "list the users", NEEDS_KEPT, user_list_command},
    {"user password", "NAME --password-stdin", "set a user's password and end its logins",
     NEEDS_KEPT, user_password_command},
    {"user manager", "NAME yes|no",
     "let a user manage the file area of iServer clients, or no longer", NEEDS_KEPT,
     user_manager_command},
    {"user role", "NAME user|manager|administrator", "say what a user may do", NEEDS_KEPT,
     user_role_command},
    {"user disable", "NAME", "let a user log in no longer; what is his stays", NEEDS_KEPT,
     user_disable_command},
    {"user enable", "NAME", "let a disabled user log in again", NEEDS_KEPT, user_enable_command},
    {"user delete", "NAME", "delete a user with its logins, keys and what was shared with it",
     NEEDS_KEPT, user_delete_command},
    {"group add", "GROUP", "add a group", NEEDS_STORE, group_add_command},
    {"group delete", "GROUP", "delete a group and what was shared with it", NEEDS_KEPT,
     group_delete_command},
    {"group join", "GROUP USER…", "let users belong to a group", NEEDS_KEPT, group_join_command},
    {"group leave", "GROUP USER…", "let users belong to a group no longer", NEEDS_KEPT,
     group_leave_command},
    {"group list", "", "list the groups with their members", NEEDS_KEPT, group_list_command},
    {"dir add", "[--parent ID] NAME", "add a directory of the catalogue and print its id",
     NEEDS_STORE, dir_add_command},
    {"dir list", "", "list the directories of the catalogue", NEEDS_KEPT, dir_list_command},
    {"dir delete", "ID", "delete an empty directory", NEEDS_KEPT, dir_delete_command},
    {"key add",
     "USER [--name N] [--read-only] [--expires DAYS] [--ids N,…] [--address A,…] [--referer URL,…]",
     "make an API key and print it once", NEEDS_KEPT, key_add_command},
    {"key list", "USER", "list a user's API keys", NEEDS_KEPT, key_list_command},
    {"key delete", "USER ID", "revoke an API key", NEEDS_KEPT, key_delete_command},
    {"upload list", "[--owner NAME]", "list uploads, the newest first; * = being written",
     NEEDS_KEPT, upload_list_command},
    {"upload show", "ID", "show what is known of an upload", NEEDS_KEPT, upload_show_command},
    {"upload delete", "ID…", "delete uploads", NEEDS_KEPT, upload_delete_command},
    {"upload gc", "", "remove uploads that have expired and stray files", NEEDS_KEPT,
     upload_gc_command},
    {"gc", "", "remove what has expired", NEEDS_KEPT, gc_command},
    {"check --url", "https://HOST/MOUNT [--token-stdin]",
     "ask a running site what its web server and host can do; 0: nothing failed", NEEDS_CONFIG,
     check_url_command},
    {"check", "store [--repair] [--migrate]",
     "check the store against itself, the catalogue and the files", NEEDS_KEPT, check_command},
    {"dump", "[TABLE…] [--secrets]", "print the store as JSON Lines", NEEDS_KEPT, dump_command},
    {"load", "FILE [--replace]",
     "fill an empty store from a dump (- is standard input), the service being stopped; "
     "--replace: what is there is kept aside",
     NEEDS_STORE, load_command},
    {"backup", "DIR [--files]",
     "copy store and catalogue while everything runs; --files: uploads, datasets, tables and the "
     "file area, too",
     NEEDS_KEPT, backup_command},
    {"restore", "DIR [--replace]",
     "put a backup in place, Slipway being stopped; --replace: what is there is kept aside",
     NEEDS_CONFIG, restore_command},
    {"store stat", "", "show the gate, the logs and the tables", NEEDS_KEPT, stat_command},
    {"config check", "FILE", "tell every error of a configuration file with its line",
     NEEDS_NOTHING, config_check_command},
    {"config", "", "print every setting with its value and where it comes from", NEEDS_CONFIG,
     config_command},
    {"dataset account list", "[--json]", "list the accounts that sign requests of the data APIs",
     NEEDS_KEPT, dataset_account_list_command},
    {"dataset account show", "NAME [--secret] [--json]",
     "show an account; --secret: with its secret", NEEDS_KEPT, dataset_account_show_command},
    {"dataset account add", "NAME [--config FILE] [--json]",
     "add an account with the settings (JSON) in FILE; prints the secret it makes",
     NEEDS_STORE_AND_FILE, dataset_account_add_command},
    {"dataset account set", "NAME KEY=JSON… [--json]",
     "change settings; KEY=null goes back to the default", NEEDS_KEPT, dataset_account_set_command},
    {"dataset account rotate", "NAME [--grace 7d] [--json]",
     "make a new secret; the old one holds for the grace time", NEEDS_KEPT,
     dataset_account_rotate_command},
    {"dataset account remove", "NAME", "remove an account", NEEDS_KEPT,
     dataset_account_remove_command},
    {"dataset account import", "FILE [--json]", "add the accounts of SmartChart's settings object",
     NEEDS_STORE, dataset_account_import_command},
    {"dataset list", "[--json]", "list the datasets that signed requests write to", NEEDS_KEPT,
     dataset_list_command},
    {"dataset show", "NAME [--json]", "show a dataset and its configuration", NEEDS_KEPT,
     dataset_show_command},
    {"dataset add", "NAME --config FILE [--json]",
     "add a dataset with the configuration (JSON) in FILE; - is standard input",
     NEEDS_STORE_AND_FILE, dataset_add_command},
    {"dataset set", "NAME KEY=JSON… [--json]",
     "change keys of the configuration; KEY=null takes one away", NEEDS_KEPT, dataset_set_command},
    {"dataset enable", "NAME", "let requests write to a dataset again", NEEDS_KEPT,
     dataset_enable_command},
    {"dataset disable", "NAME", "let no request write to a dataset", NEEDS_KEPT,
     dataset_disable_command},
    {"dataset remove", "NAME", "remove a dataset's configuration; the table stays", NEEDS_KEPT,
     dataset_remove_command},
    {"dataset check", "NAME [--dry-run FILE [--update 0|1|2] [--account NAME]] [--json]",
     "read the configuration, connect, prepare, and see that the role has the rights it needs; "
     "--dry-run writes the ds in FILE and rolls back",
     NEEDS_KEPT, dataset_check_command},
    {"dataset sign", "ACCOUNT TYPE [--hmac METHOD PATH FILE] [--json]",
     "print stamp and token of a request, or its head fields", NEEDS_KEPT, dataset_sign_command},
    {"dataset log", "[ACCOUNT|DATASET] [--json]",
     "show what was written and what was refused, with the reasons", NEEDS_KEPT,
     dataset_log_command},
    {"task list", "[--account NAME] [--owner USER] [--json]",
     "list the writes of the signed data APIs, newest first", NEEDS_KEPT, task_list_command},
    {"crs-index", "[--if-older]",
     "write the index the CRS search reads; --if-older: only when PROJ's database is newer",
     NEEDS_CONFIG, crs_index_command},
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void usage(FILE *out)
{
	fputs("usage: slipway COMMAND [--data-dir DIR] [--config FILE] …\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %s %s\n      %s\n", commands[i].words, commands[i].usage,
			commands[i].help);
	fputs("\nSlipway uses Berkeley DB 5.3 (Sleepycat licence): its source and Slipway's own "
	      "are freely available.\n",
	      out);
}

int command_fail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("slipway: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return 1;
}

int command_error(const char *what, enum err err, const struct error *error)
{
	return command_fail("%s: %s", what, *error->text != '\0' ? error->text : err_name(err));
}

/* How many of ARGV's words are the command's; 0 = it is another one. */
static int words_match(const char *words, int argc, char **argv)
{
	int n = 0;
	while (*words != '\0') {
		size_t len = strcspn(words, " ");
		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], words, len) != 0)
			return 0;
		n++;
		words += len + (words[len] == ' ');
	}
	return n;
}

/* What a common option of ARGV[I] sets; NULL: it is none. */
static const char **common_option(const char *arg, const char **dir, const char **file)
{
	size_t len = strcspn(arg, "=");
	if (strncmp(arg, "--data-dir", len) == 0 && len == 10)
		return dir;
	return strncmp(arg, "--config", len) == 0 && len == 8 ? file : NULL;
}

/* Do the words of ARGV name a command with a --config of its own? */
static bool owns_config(int argc, char **argv)
{
	const char *dir, *file;
	char *words[4];
	int n = 0;
	for (int i = 0; i < argc && n < 4; i++) {
		if (common_option(argv[i], &dir, &file) != NULL)
			i += strchr(argv[i], '=') == NULL;
		else
			words[n++] = argv[i];
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (words_match(commands[i].words, n, words) > 0)
			return commands[i].needs == NEEDS_STORE_AND_FILE;
	return false;
}

/* Does PATH look like slipway.conf: a comment, a section or nothing?  JSON begins otherwise. */
static bool is_settings(const char *path)
{
	CLEAN_FILE FILE *in = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");
	char first[3] = "";
	if (in == NULL)
		return false;
	return fscanf(in, " %2s", first) != 1 || first[0] == '#' || first[0] == ';' ||
	       (first[0] == '[' && isalpha((unsigned char)first[1]));
}

/*
 * Is FILE, behind the words of a command with a --config of its own, meant for that?  The first of
 * two is, or one that is no slipway.conf.
 */
static bool is_own_config(const char *path, const char *other, int argc, char **argv)
{
	const char *dir = NULL, *file = NULL;
	for (int i = 0; i < argc; i++)
		if (common_option(argv[i], &dir, &file) == &file)
			return true;
	return other != NULL || !is_settings(path);
}

/*
 * Take --data-dir, --config and --help out of ARGV, wherever they stand; a command with a --config
 * of its own keeps one.
 * -1: a value is missing.
 */
static int take_common(int argc, char **argv, const char **dir, const char **file, bool *help)
{
	bool own = owns_config(argc, argv);
	int n = 0;
	for (int i = 0; i < argc; i++) {
		const char **value = common_option(argv[i], dir, file);
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			*help = true;
		} else if (value != NULL) {
			char *option = argv[i], *equals = strchr(option, '=');
			char *given = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
			if (given == NULL)
				return -1;
			if (own && value == file && n > 0 &&
			    is_own_config(given, *file, argc - i - 1, argv + i + 1)) {
				own = false;
				argv[n++] = option;
				if (equals == NULL)
					argv[n++] = given;
			} else {
				*value = given;
			}
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

/* A store, or what a crash in its first moment leaves: a mistyped directory has neither. */
static bool is_kept(const char *data_dir)
{
	CLEAN_FD int dir = fs_open_dir(-1, data_dir);
	return dir >= 0 && (faccessat(dir, "db", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			    faccessat(dir, "gate", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

/* C's store, opened; else what to exit with, told. */
static int open_store(const struct command *c, struct command_run *r)
{
	struct error error = {0};
	int status = c->run == check_command ? 2 : 1; /* 1 are findings there */
	if (c->needs == NEEDS_KEPT && !is_kept(r->config->data_dir)) {
		(void)command_fail("%s: Slipway keeps nothing there (--data-dir, --config)",
				   r->config->data_dir);
		return status;
	}
	if (mkdir(r->config->data_dir, 0700) != 0 && fs_open_dir(-1, r->config->data_dir) < 0) {
		(void)command_fail("%s: no such directory", r->config->data_dir);
		return status;
	}
	enum err err = privilege_drop(r->config, false, &error);
	if (err == ERR_OK)
		err = store_open(r->config, false, &r->store, &error);
	if (err == ERR_OK)
		return 0;
	(void)command_error(c->words, err, &error);
	return status;
}

static bool has_word(const struct command_run *r)
{
	for (int i = 1; i < r->argc; i++)
		if (r->argv[i][0] != '-' || r->argv[i][1] == '\0')
			return true;
	return false;
}

static int usage_of(const struct command *c)
{
	(void)fprintf(stderr, "usage: slipway %s %s [--data-dir DIR] [--config FILE]\n", c->words,
		      c->usage);
	return 2;
}

static int run(const struct command *c, struct command_run *r, const char *dir, const char *file)
{
	struct error error = {0};
	int status = 0;
	enum err err = ERR_OK;
	/* Before a store is made for nothing. */
	if (*c->usage >= 'A' && *c->usage <= 'Z' && !has_word(r))
		return usage_of(c);
	if (c->needs != NEEDS_NOTHING)
		err = config_load(file, dir, r->program, &r->config, &error);
	if (err != ERR_OK)
		return command_error("configuration", err, &error);
	if (c->needs >= NEEDS_STORE)
		status = open_store(c, r);
	if (status == 0) {
		status = c->run(r);
		/* A list cut short, or a key that nobody has seen, is no success. */
		if (status == 0 && c->run != serve_command &&
		    (fflush(stdout) != 0 || ferror(stdout) != 0))
			status = command_fail("%s: its answer could not be written", c->words);
		if (status == 2)
			(void)usage_of(c);
	}
	store_close(r->store);
	config_free(r->config);
	return status == COMMAND_UNREAD ? 2 : status;
}

int main(int argc, char **argv)
{
	const char *dir = NULL, *file = NULL;
	bool help = false;
	struct command_run r = {.program = argv[0]};

	/* Where all programs lie in a cgi-bin, nobody's address may be a command. */
	if (child_refuses_web("slipway"))
		return 2;
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	log_open("slipway", NULL);
	int n = take_common(argc - 1, argv + 1, &dir, &file, &help);
	if (n < 0)
		return command_fail("an option lacks its value") + 1;
	if (n > 0 && strcmp(argv[1], "--version") == 0) {
		printf("slipway 0.1\n%s (Sleepycat licence): its source is Debian's package db5.3 "
		       "(apt-get source db5.3)\n"
		       "Slipway's own source: with whoever passed it on (`make dist`)\n",
		       store_library());
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		int words = n > 0 ? words_match(commands[i].words, n, argv + 1) : 0;
		if (words == 0)
			continue;
		if (help) {
			printf("usage: slipway %s %s [--data-dir DIR] [--config FILE]\n%s\n",
			       commands[i].words, commands[i].usage, commands[i].help);
			return 0;
		}
		r.argc = n - words + 1;
		r.argv = argv + words;
		return run(&commands[i], &r, dir, file);
	}
	usage(help ? stdout : stderr);
	return help ? 0 : 2;
}
