/*
 * Does the catalogue agree with the store and with the files?  What sessions published is looked
 * for in it, its files are looked for on the disk, and what lies there without a row is told.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "admin/command.h"
#include "base/fs.h"
#include "base/mem.h"
#include "catalog/item.h"
#include "store/sessions.h"
#include "worker/worker.h"

#define PAGE 200 /* records a pass */

struct look {
	struct worker w;
	size_t skip;
	json_object *sessions; /* of this page */
	bool repair;
	int findings;
	struct error error;
};

static const struct viewer everybody = {.user = "", .admin = true};

static void say(struct look *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct look *l, const char *fmt, ...)
{
	va_list args;
	l->findings++;
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	(void)putchar('\n');
}

/* ---- what sessions published */

static enum err page_pass(struct pass *p, void *arg)
{
	struct look *l = arg;
	size_t total = 0;
	json_object_put(l->sessions);
	l->sessions = NULL;
	return sessions_list(p, NULL, l->skip, PAGE, &l->sessions, &total);
}

/*
 * A dataset that somebody deleted since is remembered by the catalogue; one it never heard of is
 * lost.
 */
static enum err look_at_dataset(struct look *l, int64_t session, const json_object *d)
{
	json_object *model = NULL;
	int64_t id = json_int(d, "id", 0), known = 0;
	int64_t layer = json_int(d, "i", json_int(d, "layer", 0));
	if (id == 0 || strcmp(json_str(d, "status", ""), "imported") != 0)
		return ERR_OK;
	enum err err = catalog_get(l->w.catalog, id, &everybody, &model, &l->error);
	json_object_put(model);
	if (err != ERR_NOT_FOUND)
		return err;
	l->error = (struct error){0};
	err = catalog_by_session(l->w.catalog, session, layer, &known, &l->error);
	if (err == ERR_OK && known == 0)
		say(l,
		    "session %lld: its dataset %lld is missing from the catalogue, restore needed",
		    (long long)session, (long long)id);
	return err;
}

static enum err look_at_sessions(struct look *l)
{
	enum err err = ERR_OK;
	for (size_t n = PAGE; n == PAGE && err == ERR_OK; l->skip += PAGE) {
		json_object *s = NULL, *d = NULL;
		err = store_pass(l->w.store, PASS_READ, "check", page_pass, l, &l->error);
		n = err == ERR_OK ? json_len(l->sessions) : 0;
		JSON_EACH(s, l->sessions)
		{
			JSON_EACH(d, json_arr(s, "datasets"))
			{
				if (err == ERR_OK)
					err = look_at_dataset(l, json_int(s, "id", 0), d);
			}
		}
	}
	json_object_put(l->sessions);
	return err;
}

/* ---- the catalogue's files */

static enum err look_at_files(struct look *l)
{
	struct catalog_query q = {.viewer = everybody, .max = PAGE};
	enum err err = ERR_OK;
	for (size_t n = PAGE; n == PAGE && err == ERR_OK; q.skip += PAGE) {
		json_object *list = NULL, *d = NULL;
		size_t total = 0;
		err = catalog_list(l->w.catalog, &q, &list, &total, &l->error);
		n = err == ERR_OK ? json_len(list) : 0;
		JSON_EACH(d, list)
		{
			CLEAN_FREE char *path = mem_printf("datasets/%s", json_str(d, "file", ""));
			if (*json_str(d, "file", "") != '\0' && fs_size(l->w.data_fd, path) < 0)
				say(l, "dataset %lld: %s is missing, restore needed",
				    (long long)json_int(d, "id", 0), path);
		}
		json_object_put(list);
	}
	return err;
}

/* ---- data items */

static void say_disagreement(void *arg, const char *what, int64_t n, bool mended)
{
	say(arg, "catalogue: %lld %s%s", (long long)n, what, mended ? ", mended" : "");
}

/* An item's file is an upload of the store: whole items have whole files. */
static void look_at_item(struct look *l, const json_object *item)
{
	const char *upload = json_str(item, "upload", NULL);
	struct upload_info info = {0};
	struct error error = {0};
	if (upload == NULL || strcmp(json_str(item, "status", ""), "OK") != 0)
		return;
	enum err err = upload_get(l->w.engine, upload, NULL, &info, &error);
	if (err == ERR_NOT_FOUND || err == ERR_GONE ||
	    (err == ERR_OK && fs_size(l->w.data_fd, info.path) < 0))
		say(l, "item %lld: its upload %.8s is missing, restore needed",
		    (long long)json_int(item, "id", 0), upload);
	upload_info_done(&info);
}

static enum err look_at_items(struct look *l)
{
	struct item_query q = {.viewer = everybody, .max = PAGE};
	enum err err = catalog_check(l->w.catalog, l->repair, say_disagreement, l, &l->error);
	for (size_t n = PAGE; n == PAGE && err == ERR_OK; q.skip += PAGE) {
		json_object *list = NULL, *item = NULL;
		size_t total = 0;
		err = catalog_items(l->w.catalog, &q, &list, &total, &l->error);
		n = err == ERR_OK ? json_len(list) : 0;
		JSON_EACH(item, list)
		look_at_item(l, item);
		json_object_put(list);
	}
	return err;
}

static void look_at_stray(void *arg, const char *path)
{
	struct look *l = arg;
	bool gone = l->repair && fs_remove_tree(l->w.data_fd, path, NULL) == ERR_OK;
	say(l, "%s: no dataset's%s", path, gone ? ", removed" : "");
}

int check_catalog(struct command_run *r, bool repair, int *ret_findings)
{
	struct look l = {.w = {.config = r->config, .store = r->store}, .repair = repair};
	enum err err = catalog_open(r->config, &l.w.catalog, &l.error);
	l.w.data_fd = fs_open_dir(AT_FDCWD, r->config->data_dir);
	if (err == ERR_OK && l.w.data_fd < 0)
		err = error_errno(&l.error, ERR_IO, "%s", r->config->data_dir);
	if (err == ERR_OK)
		err = engine_open(r->config, r->store, &l.w.engine, &l.error);
	if (err == ERR_OK)
		err = look_at_sessions(&l);
	if (err == ERR_OK)
		err = look_at_files(&l);
	if (err == ERR_OK)
		err = look_at_items(&l);
	if (err == ERR_OK)
		worker_strays(&l.w, look_at_stray, &l);
	if (l.w.data_fd >= 0)
		(void)close(l.w.data_fd);
	engine_close(l.w.engine);
	catalog_close(l.w.catalog);
	*ret_findings += l.findings;
	return err == ERR_OK ? 0 : command_error("check", err, &l.error);
}
