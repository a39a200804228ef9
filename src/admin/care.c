/*
 * Looking after an installation: gc, check, dump, load, store stat, config, crs-index.
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "admin/command.h"
#include "base/child.h"
#include "base/fs.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "store/maintain.h"
#include "upload/upload.h"
#include "worker/worker.h"

#define PROJ_DB "/usr/share/proj/proj.db"

int gc_command(struct command_run *r)
{
	struct worker w = {
	    .config = r->config, .store = r->store, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct error error = {0};
	if (r->argc != 1)
		return 2;
	enum err err = engine_open(r->config, r->store, &w.engine, &error);
	if (err == ERR_OK)
		err = catalog_open(r->config, &w.catalog, &error);
	w.data_fd = fs_open_dir(AT_FDCWD, r->config->data_dir);
	if (err == ERR_OK && w.data_fd < 0)
		err = error_errno(&error, ERR_IO, "%s", r->config->data_dir);
	if (err == ERR_OK) {
		worker_sweep(&w);
		/*
		 * The worker's sweep goes through the folders in turns; this one through all of
		 * them.
		 */
		err = upload_sweep(w.engine, 60000, &error);
	}
	catalog_close(w.catalog);
	engine_close(w.engine);
	return err == ERR_OK ? 0 : command_error("gc", err, &error);
}

/* `check store [--repair] [--migrate]`: 0 clean, 1 findings, 2 cannot read. */
int check_command(struct command_run *r)
{
	static const struct option options[] = {{"repair", no_argument, NULL, 'r'},
						{"migrate", no_argument, NULL, 'm'},
						{NULL, 0, NULL, 0}};
	struct error error = {0};
	bool repair = false, migrate = false;
	int findings = 0, o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o == 'r')
			repair = true;
		else if (o == 'm')
			migrate = true;
		else
			return 2;
	}
	if (optind < r->argc && (strcmp(r->argv[optind], "store") != 0 || optind + 1 < r->argc))
		return 2;
	enum err err = store_check(r->store, repair, migrate, stdout, &findings, &error);
	if (err != ERR_OK) {
		(void)command_error("check", err, &error);
		return COMMAND_UNREAD;
	}
	if (check_catalog(r, repair, &findings) != 0)
		return COMMAND_UNREAD;
	printf("%d findings\n", findings);
	return findings > 0 ? 1 : 0;
}

int dump_command(struct command_run *r)
{
	static const struct option options[] = {{"secrets", no_argument, NULL, 's'},
						{NULL, 0, NULL, 0}};
	struct error error = {0};
	bool secrets = false;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 's')
			return 2;
		secrets = true;
	}
	const char **tables = mem_array((size_t)(r->argc - optind) + 1, sizeof(*tables));
	for (int i = optind; i < r->argc; i++)
		tables[i - optind] = r->argv[i];
	enum err err =
	    store_dump(r->store, optind < r->argc ? tables : NULL, secrets, stdout, stderr, &error);
	free(tables);
	return err == ERR_OK ? 0 : command_error("dump", err, &error);
}

int load_command(struct command_run *r)
{
	static const struct option options[] = {{"replace", no_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};
	struct error error = {0};
	bool replace = false;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 'r')
			return 2;
		replace = true;
	}
	if (optind != r->argc - 1)
		return 2;
	/* Root's own file may be one that whoever we are by now cannot read. */
	bool standard = strcmp(r->argv[optind], "-") == 0;
	CLEAN_FILE FILE *opened = standard ? NULL : fopen(r->argv[optind], "re");
	FILE *in = standard ? stdin : opened;
	if (in == NULL)
		return command_fail("%s: cannot be read", r->argv[optind]);
	enum err err = store_load(r->store, in, replace, &error);
	return err == ERR_OK ? 0 : command_error("load", err, &error);
}

int stat_command(struct command_run *r)
{
	if (r->argc != 1)
		return 2;
	json_object *stat = store_stat(r->store);
	puts(json_object_to_json_string_ext(stat, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(stat);
	return 0;
}

int config_command(struct command_run *r)
{
	if (r->argc != 1)
		return 2;
	config_print(r->config, stdout);
	return 0;
}

/* `config check FILE`: 0 nothing wrong, 1 slips, 2 cannot read. */
int config_check_command(struct command_run *r)
{
	struct error error = {0};
	int slips = 0;
	if (r->argc != 2)
		return 2;
	if (config_check(r->argv[1], stdout, &slips, &error) != ERR_OK) {
		(void)command_error("config check", ERR_BAD_REQUEST, &error);
		return COMMAND_UNREAD;
	}
	printf("%d errors\n", slips);
	return slips > 0 ? 1 : 0;
}

/* ---- the CRS index: written by the one program that knows PROJ */

enum err crs_index_make(const struct config *c, bool always, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/crs.index", c->data_dir);
	CLEAN_FREE char *program = mem_printf("%s/slipway-geo", c->program_dir);
	char *argv[] = {program, (char *)(uintptr_t) "--crs-index", path, NULL};
	struct stat index, proj;
	struct child child;
	int status = 1;

	if (!always && stat(path, &index) == 0 &&
	    (stat(PROJ_DB, &proj) != 0 || index.st_mtime > proj.st_mtime))
		return ERR_OK;
	enum err err = child_start(program, argv, false, &child, error);
	if (err != ERR_OK)
		return err;
	child_finish(&child, 60000, &status);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		   ? ERR_OK
		   : error_set(error, ERR_UNAVAILABLE, "slipway-geo --crs-index failed");
}

int crs_index_command(struct command_run *r)
{
	struct error error = {0};
	bool older = r->argc == 2 && strcmp(r->argv[1], "--if-older") == 0;
	if (r->argc != 1 && !older)
		return 2;
	enum err err = crs_index_make(r->config, !older, &error);
	return err == ERR_OK ? 0 : command_error("crs-index", err, &error);
}
