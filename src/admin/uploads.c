/*
 * Uploads from the command line: what is there, and away with it.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "admin/command.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "upload/upload.h"

#define PAGE 100
/* all 256 folders and whatever has expired: an hour's sweeps of the worker */
#define GC_MS 600000

static const char *state_of(const struct upload_info *u)
{
	static const char *const words[UPLOAD_STATE__MAX] = {"created", "receiving", "complete",
							     "expired"};
	return u->assembling ? "assembling" : words[u->state];
}

static const char *mode_of(const struct upload_info *u)
{
	static const char *const words[UPLOAD_MODE__MAX] = {"append", "range", "parts", "concat"};
	return words[u->mode];
}

static void print_line(const struct upload_info *u)
{
	char length[24] = "?";
	if (u->length >= 0)
		snprintf(length, sizeof(length), "%lld", (long long)u->length);
	printf("%s\t%s%s\t%lld/%s\t%s\t%s\t%s\n", u->id, state_of(u), u->writing ? "*" : "",
	       (long long)u->received, length, u->adapter, u->owner, u->name);
}

/* `upload list [--owner OWNER]`: one line each, newest first. */
int upload_list_command(struct command_run *r)
{
	static const struct option options[] = {{"owner", required_argument, NULL, 'o'},
						{NULL, 0, NULL, 0}};
	struct engine *e = NULL;
	struct error error = {0};
	CLEAN_FREE char *owner = NULL;
	size_t n = PAGE;
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 'o' || owner != NULL)
			return 2;
		/* A user's name is enough. */
		owner = strchr(optarg, ':') != NULL || strcmp(optarg, "-") == 0
			    ? mem_strdup(optarg)
			    : mem_printf("u:%s", optarg);
	}
	if (optind != r->argc)
		return 2;
	enum err err = engine_open(r->config, r->store, &e, &error);
	for (size_t skip = 0; err == ERR_OK && n == PAGE; skip += PAGE) {
		struct upload_info *list = NULL;
		err = uploads_of(e, owner, skip, PAGE, &list, &n, &error);
		for (size_t i = 0; err == ERR_OK && i < n; i++) {
			print_line(&list[i]);
			upload_info_done(&list[i]);
		}
		free(list);
	}
	engine_close(e);
	return err == ERR_OK ? 0 : command_error("upload list", err, &error);
}

static void print_time(const char *what, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char text[32] = "never";
	if (ms > 0 && gmtime_r(&s, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%-12s%s\n", what, text);
}

static void print_text(const char *what, const char *text)
{
	if (text != NULL && *text != '\0')
		printf("%-12s%s\n", what, text);
}

static void print_all(const struct upload_info *u)
{
	printf("%-12s%s\n%-12s%s\n%-12s%s\n", "id", u->id, "name", u->name, "owner", u->owner);
	print_text("folders", u->rel_path);
	print_text("type", u->media_type);
	printf("%-12s%s%s\n%-12s%s by %s%s\n", "state", state_of(u),
	       u->writing ? ", being written" : "", "filled", mode_of(u), u->adapter,
	       u->partial ? ", partial" : "");
	if (u->length >= 0)
		printf("%-12s%lld\n", "length", (long long)u->length);
	printf("%-12s%lld\n", "received", (long long)u->received);
	if (u->parts > 0)
		printf("%-12s%lu\n", "parts", (unsigned long)u->parts);
	if (u->n_concat > 0)
		printf("%-12s%zu\n", "joins", u->n_concat);
	print_text("md5", u->md5);
	print_text("sha1", u->sha1);
	print_text("sha256", u->sha256);
	print_time("created", u->created);
	print_time("expires", u->expires);
}

int upload_show_command(struct command_run *r)
{
	struct upload_info u = {0};
	struct engine *e = NULL;
	struct error error = {0};
	if (r->argc != 2)
		return 2;
	enum err err = engine_open(r->config, r->store, &e, &error);
	if (err == ERR_OK)
		err = upload_status(e, r->argv[1], NULL, &u, &error);
	if (err == ERR_OK)
		print_all(&u);
	upload_info_done(&u);
	engine_close(e);
	return err == ERR_OK ? 0 : command_error("upload show", err, &error);
}

/* `upload delete ID…`: its bytes go at once, unless a dataset in the making still needs them. */
int upload_delete_command(struct command_run *r)
{
	struct engine *e = NULL;
	struct error error = {0};
	int status = 0;
	if (r->argc < 2)
		return 2;
	enum err err = engine_open(r->config, r->store, &e, &error);
	if (err != ERR_OK)
		return command_error("upload delete", err, &error);
	for (int i = 1; i < r->argc; i++) {
		struct error why = {0};
		struct upload *u = NULL;
		err = upload_open(e, r->argv[i], NULL, UPLOAD_WANT_REMOVE, &u, &why);
		if (err == ERR_OK)
			err = upload_remove(u, UPLOAD_DELETED, &why);
		upload_close(u);
		if (err != ERR_OK)
			status = command_error(r->argv[i], err, &why);
		else
			printf("upload %s deleted\n", r->argv[i]);
	}
	engine_close(e);
	return status;
}

int upload_gc_command(struct command_run *r)
{
	struct engine *e = NULL;
	struct error error = {0};
	if (r->argc != 1)
		return 2;
	enum err err = engine_open(r->config, r->store, &e, &error);
	if (err == ERR_OK)
		err = upload_sweep(e, GC_MS, &error);
	engine_close(e);
	return err == ERR_OK ? 0 : command_error("upload gc", err, &error);
}
