#include "views/selftest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/child.h"
#include "base/fs.h"
#include "base/mem.h"

#define START_MS   8000 /* a program of ours stands by then */
#define CPU_FEW_S  300	/* of a process: below this long imports end early */
#define PROCS_FEW  10	/* front, worker, job, and a second visitor */
#define OTHER_WORD "other"

/* {"id","verdict","title","message"} with the words of selftest.<id>.<verdict>, their places filled
 * from ARGS (taken). */
static json_object *selftest_line(const struct call *call, const char *id, const char *verdict,
				  json_object *args)
{
	const struct words *words = pages_words(call->ctx->pages);
	json_object *line = json_object_new_object();
	CLEAN_FREE char *title = mem_printf("selftest.%s", id);
	CLEAN_FREE char *key = mem_printf("selftest.%s.%s", id, verdict);
	CLEAN_FREE char *message = words_fill(words, call->req->lang, key, args);

	json_set_str(line, "id", id);
	json_set_str(line, "verdict", verdict);
	json_set_str(line, "title", words_get(words, call->req->lang, title));
	json_set_str(line, "message", message);
	json_object_put(args);
	return line;
}

static json_object *arg(const char *name, const char *value)
{
	return json_set_str(json_object_new_object(), name, value);
}

char *selftest_below_root(const struct call *call, const char *path)
{
	const char *root = wire_env(call->req->wire, "DOCUMENT_ROOT");
	CLEAN_FREE char *real_root = root != NULL && root[0] == '/' ? realpath(root, NULL) : NULL;
	CLEAN_FREE char *real_path = realpath(path, NULL);
	size_t n = real_root == NULL ? 0 : strlen(real_root);

	if (n < 2 || real_path == NULL || strncmp(real_path, real_root, n) != 0 ||
	    real_path[n] != '/')
		return NULL;
	return mem_strdup(real_path + n);
}

/* The lines as they come. */
struct lines {
	struct call *call;
	json_object *list;
};

static void say(struct lines *l, const char *id, const char *verdict, json_object *args)
{
	json_object_array_add(l->list, selftest_line(l->call, id, verdict, args));
}

/* ---- where the data are */

static void look_at_store(struct lines *l)
{
	json_object *place = NULL;
	struct error error = {0};
	enum err err = store_selftest(l->call->ctx->store, &place, &error);
	const char *disk = json_str(place, "filesystem", OTHER_WORD);

	say(l, "locks", err == ERR_OK ? "ok" : "fail", arg("text", error.text));
	say(l, "disk", strcmp(disk, OTHER_WORD) != 0 ? "ok" : "warn", arg("type", disk));
	say(l, "regions", json_bool(place, "regions_in_memory", false) ? "ok" : "warn", NULL);
	CLEAN_FREE char *below = selftest_below_root(l->call, l->call->ctx->config->data_dir);
	say(l, "root", below != NULL ? "warn" : "ok", NULL);
	json_object_put(place);
}

static void look_at_space(struct lines *l)
{
	const struct config *c = l->call->ctx->config;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	struct fs_space space = {0};
	json_object *args = json_object_new_object();

	if (dir < 0 || fs_space(dir, &space, NULL) != ERR_OK)
		space.bytes = 0;
	json_set_int(args, "free", space.bytes);
	json_set_int(args, "min", c->upload_min_free);
	say(l, "space",
	    space.bytes < c->upload_min_free	   ? "fail"
	    : space.bytes / 2 < c->upload_min_free ? "warn"
						   : "ok",
	    args);
}

/* ---- what may be started */

/* Run slipway-worker --help; its end tells. */
static void look_at_spawn(struct lines *l)
{
	CLEAN_FREE char *program =
	    mem_printf("%s/slipway-worker", l->call->ctx->config->program_dir);
	char *argv[] = {program, (char *)(uintptr_t) "--help", NULL};
	struct error error = {0};
	struct child child;
	json_object *said = NULL;
	enum err err = child_start(program, argv, true, &child, &error);

	if (err == ERR_OK) {
		char why[200] = "";
		/* Its help is no frame; what the loader says of a missing library is. */
		err = child_receive(&child, START_MS, &said, &error);
		ssize_t n = child.log >= 0 ? read(child.log, why, sizeof(why) - 1) : 0;
		why[n > 0 ? strcspn(why, "\n") : 0] = '\0';
		child_finish(&child, 1000, NULL);
		json_object_put(said);
		err = err == ERR_TIMEOUT || n > 0
			  ? error_set(&error, ERR_UNAVAILABLE, "%s", n > 0 ? why : "no answer")
			  : ERR_OK;
	}
	say(l, "spawn", err == ERR_OK ? "ok" : "fail", arg("text", error.text));
}

static void look_at_work(struct lines *l)
{
	const struct config *c = l->call->ctx->config;
	const char *verdict = !c->worker_spawn && c->slice_s > 0 ? "warn" : "ok";
	say(l, "work", verdict, json_set_int(json_object_new_object(), "seconds", c->slice_s));
}

/* GDAL, and what keeps hostile files in: both are said by slipway-geo when it is ready. */
static void look_at_geo(struct lines *l)
{
	const struct config *c = l->call->ctx->config;
	CLEAN_FREE char *program = mem_printf("%s/slipway-geo", c->program_dir);
	char *argv[] = {program, NULL};
	struct error error = {0};
	struct child child;
	json_object *ready = NULL;
	char why[200] = "";
	enum err err = child_start(program, argv, true, &child, &error);

	if (err == ERR_OK) {
		err = child_receive(&child, START_MS, &ready, &error);
		ssize_t n =
		    err != ERR_OK && child.log >= 0 ? read(child.log, why, sizeof(why) - 1) : 0;
		why[n > 0 ? strcspn(why, "\n") : 0] = '\0';
		child_finish(&child, 1000, NULL);
	}
	if (err != ERR_OK) {
		say(l, "geo", "fail", arg("text", *why != '\0' ? why : error.text));
		return;
	}
	int64_t level = json_int(ready, "level", 0);
	json_object *args = arg("gdal", json_str(ready, "gdal", ""));
	say(l, "geo", "ok", json_set_str(args, "proj", json_str(ready, "proj", "")));
	args = json_set_int(json_object_new_object(), "level", level);
	say(l, "jail",
	    level < c->jail_min_level ? "fail"
	    : level < 3		      ? "warn"
				      : "ok",
	    json_set_int(args, "min", c->jail_min_level));
	json_object_put(ready);
}

/* ---- limits and the rest */

static void look_at_limits(struct lines *l)
{
	static const struct {
		const char *id;
		__rlimit_resource_t resource;
		rlim_t few;
	} limits[] = {{"cpu", RLIMIT_CPU, CPU_FEW_S},
		      {"memory", RLIMIT_AS, 0},
		      {"processes", RLIMIT_NPROC, PROCS_FEW},
		      {"filesize", RLIMIT_FSIZE, 0}};
	const struct config *c = l->call->ctx->config;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct rlimit r = {0};
		rlim_t few = limits[i].resource == RLIMIT_AS	  ? (rlim_t)c->jail_memory
			     : limits[i].resource == RLIMIT_FSIZE ? (rlim_t)c->upload_max_size
								  : limits[i].few;
		if (getrlimit(limits[i].resource, &r) != 0)
			continue;
		bool plenty = r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= few;
		json_object *args = json_object_new_object();
		json_set_int(args, "limit",
			     r.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)r.rlim_cur);
		say(l, limits[i].id, plenty ? "ok" : "warn",
		    json_set_int(args, "want", (int64_t)few));
	}
}

json_object *selftest_host(struct call *call)
{
	struct lines l = {call, json_object_new_array()};
	const char *software = wire_env(call->req->wire, "SERVER_SOFTWARE");
	const char *nameless =
	    words_get(pages_words(call->ctx->pages), call->req->lang, "selftest.nameless");

	say(&l, "transport", call->ctx->cgi ? "warn" : "ok",
	    arg("server", software != NULL && *software != '\0' ? software : nameless));
	say(&l, "https",
	    call->req->https || strncmp(call->ctx->config->public_url, "https:", 6) == 0 ? "ok"
											 : "warn",
	    NULL);
	look_at_store(&l);
	look_at_space(&l);
	look_at_spawn(&l);
	look_at_work(&l);
	look_at_geo(&l);
	say(&l, "crs", call->ctx->crs != NULL ? "ok" : "warn", NULL);
	look_at_limits(&l);
	return l.list;
}
