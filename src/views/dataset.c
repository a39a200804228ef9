/*
 * The result: a dataset's page, its map, its downloads.
 * Source: design.md; contracts/wizard.md 2 (/layers/), security.md 3.6.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "views/dataset.h"
#include "views/mycontent.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

/* What can be downloaded, and as what. */
static const struct export
{
	const char *format; /* ?format= */
	const char *extension;
	const char *type;   /* media type */
	const char *of;	    /* dataset types it is offered for: v, r, t */
	const char *native; /* dataset types whose own file this is */
}
exports[] = {
    {"gpkg", "gpkg", "application/geopackage+sqlite3", "vt", "vt"},
    {"geojson", "geojson", "application/geo+json", "v", ""},
    {"csv", "csv", "text/csv; charset=utf-8", "vt", ""},
    {"shp", "zip", "application/zip", "v", ""},
    {"fgb", "fgb", "application/octet-stream", "v", ""},
    {"kml", "kml", "application/vnd.google-earth.kml+xml", "v", ""},
    {"xlsx", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "vt", ""},
    {"tif", "tif", "image/tiff; application=geotiff; profile=cloud-optimized", "r", "r"},
};
#define PAGE_ROWS 24 /* datasets on a page of the list */
#define N_EXPORTS (sizeof(exports) / sizeof(*exports))

static char type_letter(const json_object *d)
{
	return *json_str(d, "type", "v"); /* vector, raster, table */
}

static const struct export *export_find(const json_object *d, const char *format)
{
	for (size_t i = 0; i < N_EXPORTS; i++) {
		if (strcmp(exports[i].format, format) == 0 &&
		    strchr(exports[i].of, type_letter(d)) != NULL)
			return &exports[i];
	}
	return NULL;
}

enum err dataset_find(struct call *call, json_object **ret)
{
	struct viewer v = call_viewer(call);
	int64_t id = 0;
	enum err err = ERR_NOT_FOUND;
	if (text_int(pairs_get(&call->params, "id"), 1, INT64_MAX, &id))
		err = catalog_get(call->ctx->catalog, id, &v, ret, &call->error);
	if (err != ERR_NOT_FOUND)
		return err;
	call->error = (struct error){0};
	return call_fail(call, err, problem_new("not_found"));
}

/* Milliseconds become what clients read (wizard.md 6.1). */
static void set_iso(json_object *o, const char *key)
{
	char iso[32];
	if (!json_object_is_type(json_get(o, key), json_type_int))
		return;
	clock_iso(json_int(o, key, 0), iso);
	json_set_str(o, key, iso);
}

void dataset_times(json_object *time)
{
	static const char *const instants[] = {"start", "end"};
	for (size_t i = 0; time != NULL && i < 2; i++)
		set_iso(time, instants[i]);
}

void dataset_hide(json_object *d)
{
	static const char *const stamps[] = {"created", "changed"};
	for (size_t i = 0; i < 2; i++)
		set_iso(d, stamps[i]);
	dataset_times(json_obj(d, "time"));
	json_object_object_del(d, "file");
	json_object_object_del(d, "permissions");
	json_object_object_del(d, "answers");
}

enum err dataset_page(struct call *call, json_object *d, int status, bool editing)
{
	json_object *m = json_object_new_object(), *list = json_object_new_array(),
		    *keywords = NULL;
	struct viewer v = call_viewer(call);
	int64_t id = json_int(d, "id", 0);
	bool download = catalog_may(d, &v, DATASET_DOWNLOAD);
	for (size_t i = 0; download && i < N_EXPORTS; i++) {
		if (strchr(exports[i].of, type_letter(d)) == NULL)
			continue;
		json_object *o = json_object_new_object();
		CLEAN_FREE char *url = call_url(call, "/datasets/%lld/download?format=%s",
						(long long)id, exports[i].format);
		json_set_str(o, "format", exports[i].format);
		json_set_str(o, "url", url);
		json_object_array_add(list, o);
	}
	keywords = json_arr(d, "keywords");
	json_set_bool(m, "has_keywords", json_len(keywords) > 0);
	json_set_bool(m, "may_download", download);
	CLEAN_FREE char *report = report_url(call, json_int(d, "session", 0));
	json_set_str(m, "report", report);
	json_set_bool(m, "may_edit", catalog_may(d, &v, DATASET_EDIT));
	json_set_bool(m, "may_delete", catalog_may(d, &v, DATASET_DELETE));
	json_set(m, "downloads", list);
	if (call->mode == MODE_HTML)
		dataset_edit_model(call, d, m);
	json_set_bool(m, "editing", editing);
	dataset_hide(d);
	json_set_bool(m, "success", status == 200);
	json_set(m, "dataset", d);
	if (call->problems != NULL)
		json_set(m, "details", problem_details(call, call->problems));
	(void)call_answer(call, 200, "dataset", m);
	call->reply->status = status;
	return ERR_OK;
}

enum err dataset_view(struct call *call)
{
	json_object *d = NULL;
	enum err err = dataset_find(call, &d);
	return err == ERR_OK ? dataset_page(call, d, 200, false) : err;
}

enum err datasets_view(struct call *call)
{
	const char *page_text = req_query(call->req, "page");
	int64_t page = 1;
	if (page_text != NULL && !text_int(page_text, 1, 1000000, &page))
		page = 1;
	struct catalog_query q = {.viewer = call_viewer(call),
				  .keyword = req_query(call->req, "q"),
				  .max = PAGE_ROWS,
				  .skip = (size_t)(page - 1) * PAGE_ROWS};
	json_object *list = NULL, *m = NULL, *d = NULL;
	size_t total = 0;
	if (q.keyword != NULL && *q.keyword == '\0')
		q.keyword = NULL;
	enum err err = catalog_list(call->ctx->catalog, &q, &list, &total, &call->error);
	if (err == ERR_OK && json_len(list) == 0 && total > 0) {
		/* Behind the last page stands the last one: there are datasets. */
		json_object_put(list);
		page = ((int64_t)total - 1) / PAGE_ROWS + 1;
		q.skip = (size_t)(page - 1) * PAGE_ROWS;
		err = catalog_list(call->ctx->catalog, &q, &list, &total, &call->error);
	}
	if (err != ERR_OK)
		return err;
	m = json_object_new_object();
	json_set_bool(m, "success", true);
	JSON_EACH(d, list)
	dataset_hide(d);
	json_set(m, "datasets", list);
	json_set_int(m, "total", (int64_t)total);
	json_set_int(m, "page_number", page);
	json_set_str(m, "q", q.keyword != NULL ? q.keyword : "");
	json_set_int(m, "previous", page > 1 ? page - 1 : 0);
	json_set_int(m, "next", q.skip + q.max < total ? page + 1 : 0);
	return call_answer(call, 200, "datasets", m);
}

enum err layer_view(struct call *call)
{
	const char *name = pairs_get(&call->params, "name");
	struct viewer v = call_viewer(call);
	json_object *d = NULL;
	const char *colon = strchr(name, ':');
	const char *space = call->ctx->config->compat_workspace;
	if (colon != NULL && (size_t)(colon - name) == strlen(space) &&
	    strncmp(name, space, strlen(space)) == 0)
		name = colon + 1;
	enum err err = catalog_get_by_name(call->ctx->catalog, name, &v, &d, &call->error);
	if (err == ERR_NOT_FOUND) {
		call->error = (struct error){0};
		return call_fail(call, err, problem_new("not_found"));
	}
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *to = call_url(call, "/datasets/%lld", (long long)json_int(d, "id", 0));
	reply_redirect(call->reply, 303, to);
	json_object_put(d);
	return ERR_OK;
}

/* ---- files */

static enum err send_file(struct call *call, const char *path, const char *type, const char *etag,
			  const char *download_name)
{
	enum err err = call_file(call, path, type, etag, download_name);

	return err == ERR_NOT_FOUND ? call_fail(call, err, problem_new("not_found")) : err;
}

/* The folder a dataset's files stand in: "datasets/7/1-12". */
static char *folder_of(const json_object *d)
{
	const char *file = json_str(d, "file", "");
	const char *slash = strrchr(file, '/');
	return mem_printf("datasets/%.*s", slash == NULL ? 0 : (int)(slash - file), file);
}

static char *etag_of(const json_object *d, const char *what)
{
	return mem_printf("\"%lld-%lld-%s\"", (long long)json_int(d, "id", 0),
			  (long long)json_int(d, "revision", 1), what);
}

/* thumbnail.png, map.json, map.png; original/<n>. */
enum err dataset_file_view(struct call *call)
{
	static const struct {
		const char *name, *type;
	} files[] = {{"thumbnail.png", "image/png"},
		     {"map.json", "application/geo+json"},
		     {"map.png", "image/png"}};
	const char *what = pairs_get(&call->params, "what"), *n = pairs_get(&call->params, "n");
	struct viewer v = call_viewer(call);
	json_object *d = NULL;
	int64_t number = 0;
	enum err err = dataset_find(call, &d);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *folder = folder_of(d);
	err = ERR_NOT_FOUND;
	if (n != NULL && text_int(n, 1, 100000, &number) && catalog_may(d, &v, DATASET_DOWNLOAD)) {
		CLEAN_FREE char *path = mem_printf("%s/original/%lld", folder, (long long)number);
		CLEAN_FREE char *etag = etag_of(d, n);
		json_object *source = json_at(json_arr(d, "source"), (size_t)number - 1);
		err = send_file(call, path, "application/octet-stream", etag,
				json_str(source, "name", "original"));
	}
	for (size_t i = 0; n == NULL && i < sizeof(files) / sizeof(*files); i++) {
		if (strcmp(files[i].name, what) != 0)
			continue;
		CLEAN_FREE char *path = mem_printf("%s/%s", folder, what);
		CLEAN_FREE char *etag = etag_of(d, what);
		err = send_file(call, path, files[i].type, etag, NULL);
	}
	json_object_put(d);
	if (err == ERR_NOT_FOUND && call->problems == NULL)
		(void)call_fail(call, err, problem_new("not_found"));
	return err;
}

/* ---- exports: made once by a task, then a file like any other */

struct queue_export {
	json_object *task;
	int64_t id;
};

static enum err queue_export_pass(struct pass *p, void *arg)
{
	struct queue_export *q = arg;
	return tasks_add(p, q->task, &q->id);
}

struct export_state {
	int64_t id;
	bool ended, failed;
	json_object *problems;
};

static enum err export_state_pass(struct pass *p, void *arg)
{
	struct export_state *s = arg;
	json_object *task = NULL;
	enum err err = tasks_get(p, s->id, &task);
	const char *state = json_str(task, "state", "");
	json_object_put(s->problems);
	s->failed = err != ERR_OK || strcmp(state, "failed") == 0 || strcmp(state, "canceled") == 0;
	s->ended = s->failed || strcmp(state, "done") == 0;
	s->problems = json_copy(json_arr(task, "problems"));
	json_object_put(task);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err queue_export(struct call *call, const json_object *d, const struct export *e,
			     const char *marker, int64_t *ret)
{
	struct queue_export q = {.task = json_object_new_object()};
	json_object *spec = json_object_new_object();
	json_set_str(spec, "type", "job");
	json_set_str(spec, "task", "export");
	json_set_str(spec, "file",
		     strcmp(json_str(d, "type", ""), "raster") == 0 ? "1.tif" : "1.gpkg");
	json_set_str(spec, "type_of", json_str(d, "type", "vector"));
	json_set_str(spec, "table", json_str(d, "name", ""));
	json_set_str(spec, "title", json_str(d, "title", ""));
	json_set_str(spec, "format", e->format);
	json_set_str(q.task, "kind", "export");
	json_set_int(q.task, "dataset", json_int(d, "id", 0));
	json_set_int(q.task, "revision", json_int(d, "revision", 1));
	json_set_str(q.task, "dataset_file", json_str(d, "file", ""));
	json_set_str(q.task, "owner", call->who.owner);
	json_set(q.task, "spec", spec);
	enum err err =
	    store_pass(call->ctx->store, PASS_SYNC, "export", queue_export_pass, &q, &call->error);
	json_object_put(q.task);
	if (err != ERR_OK)
		return err;
	char text[24];
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	snprintf(text, sizeof(text), "%lld", (long long)q.id);
	*ret = q.id;
	return dir < 0 ? error_errno(&call->error, ERR_IO, "data_dir")
		       : fs_replace(dir, marker, text, strlen(text), &call->error);
}

/* The task that makes this export: the one under way, or a new one. */
static enum err export_task(struct call *call, const json_object *d, const struct export *e,
			    const char *marker, struct export_state *s)
{
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *path = mem_printf("%s/%s", call->ctx->config->data_dir, marker);
	size_t len = 0;
	if (fs_read_file(AT_FDCWD, path, 32, &text, &len, NULL) == ERR_OK &&
	    text_int(text, 1, INT64_MAX, &s->id)) {
		enum err err = store_pass(call->ctx->store, PASS_READ, "export", export_state_pass,
					  s, &call->error);
		if (err != ERR_OK || !s->ended)
			return err;
	}
	*s = (struct export_state){.problems = s->problems};
	return queue_export(call, d, e, marker, &s->id);
}

static enum err export_wait(struct call *call, struct export_state *s)
{
	int slot = -1;
	int64_t deadline = clock_mono_ms() + call->ctx->config->final_wait_s * 1000;
	enum err err = ERR_OK;
	call_wake_worker_now(call);
	if (!wait_slot_take(call->ctx, &slot))
		return ERR_OK;
	while (err == ERR_OK && !s->ended && clock_mono_ms() < deadline && !transport_stopping()) {
		clock_sleep_ms(20);
		err = store_pass(call->ctx->store, PASS_READ, "export", export_state_pass, s,
				 &call->error);
	}
	wait_slot_give(slot);
	return err;
}

static enum err export_pending(struct call *call, const json_object *d, const struct export *e)
{
	json_object *m = json_object_new_object(), *page = json_object_new_object();
	json_set_bool(m, "success", true);
	json_set_str(m, "status", "pending");
	json_set_str(page, "format", e->format);
	json_set_str(page, "title", json_str(d, "title", ""));
	json_set_int(page, "id", json_int(d, "id", 0));
	json_set(m, "page", page);
	(void)call_answer(call, 200, "export", m);
	call->reply->status = 202;
	reply_header(call->reply, "Retry-After", "2");
	if (call->mode == MODE_HTML)
		reply_header(call->reply, "Refresh", "2");
	return ERR_OK;
}

static enum err make_export(struct call *call, const json_object *d, const struct export *e,
			    const char *path)
{
	CLEAN_FREE char *marker = mem_printf("%s.task", path);
	struct export_state s = {0};
	enum err err = export_task(call, d, e, marker, &s);
	if (err == ERR_OK)
		err = export_wait(call, &s);
	if (err == ERR_OK && s.failed) {
		json_object *p = json_at(s.problems, 0);
		/* What a format cannot hold is no fault of ours. */
		bool places = p != NULL && strcmp(problem_code(p), "export_places") == 0;
		err = call_fail(call, places ? ERR_CONFLICT : ERR_INTERNAL,
				p != NULL ? json_object_get(p) : problem_new("export_failed"));
	}
	json_object_put(s.problems);
	return err != ERR_OK ? err : s.ended ? ERR_OK : ERR_INCOMPLETE;
}

enum err dataset_export(struct call *call, const json_object *d, const char *format, char **ret)
{
	const struct export *e = export_find(d, format);
	if (e == NULL)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("format_unknown"), "value", format));
	CLEAN_FREE char *path = mem_printf("exports/%lld-%lld.%s", (long long)json_int(d, "id", 0),
					   (long long)json_int(d, "revision", 1), e->format);
	CLEAN_FREE char *full = mem_printf("%s/%s", call->ctx->config->data_dir, path);
	enum err err = ERR_OK;
	if (fs_size(AT_FDCWD, full) < 0)
		err = call->req->method == METHOD_HEAD ? ERR_INCOMPLETE
						       : make_export(call, d, e, path);
	if (err == ERR_OK)
		*ret = mem_strdup(path);
	return err;
}

enum err dataset_download_view(struct call *call)
{
	struct viewer v = call_viewer(call);
	json_object *d = NULL;
	const char *format = req_query(call->req, "format");
	enum err err = dataset_find(call, &d);
	if (err != ERR_OK)
		return err;
	if (format == NULL)
		format = type_letter(d) == 'r' ? "tif" : "gpkg";
	const struct export *e = export_find(d, format);
	if (!catalog_may(d, &v, DATASET_DOWNLOAD)) {
		json_object_put(d);
		return call_fail(call, ERR_FORBIDDEN, problem_new("download_forbidden"));
	}
	if (e == NULL) {
		json_object_put(d);
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("format_unknown"), "value", format));
	}
	bool native = strchr(e->native, type_letter(d)) != NULL && *e->native != '\0';
	CLEAN_FREE char *path =
	    native ? mem_printf("datasets/%s", json_str(d, "file", ""))
		   : mem_printf("exports/%lld-%lld.%s", (long long)json_int(d, "id", 0),
				(long long)json_int(d, "revision", 1), e->format);
	CLEAN_FREE char *full = mem_printf("%s/%s", call->ctx->config->data_dir, path);
	if (!native && fs_size(AT_FDCWD, full) < 0)
		err = call->req->method == METHOD_HEAD ? ERR_INCOMPLETE
						       : make_export(call, d, e, path);
	if (err == ERR_OK) {
		CLEAN_FREE char *etag = etag_of(d, e->format);
		CLEAN_FREE char *name =
		    mem_printf("%s.%s", json_str(d, "name", "data"), e->extension);
		err = send_file(call, path, e->type, etag, name);
		if (err == ERR_OK && call->req->method == METHOD_GET &&
		    req_header(call->req, "Range") == NULL)
			(void)catalog_count_download(call->ctx->catalog, json_int(d, "id", 0),
						     NULL);
	} else if (err == ERR_INCOMPLETE) {
		call->error = (struct error){0};
		err = export_pending(call, d, e);
	}
	json_object_put(d);
	return err;
}

/* ---- delete */

/* What was made of dataset ID for download: "exports/<id>-<revision>.<format>". */
static void remove_exports(int dir, int64_t id)
{
	CLEAN_FREE char *prefix = mem_printf("%lld-", (long long)id);
	int fd = fs_open_dir(dir, "exports");
	DIR *all = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	if (all == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((d = readdir(all)) != NULL) {
		if (text_starts(d->d_name, prefix))
			(void)unlinkat(dirfd(all), d->d_name, 0);
	}
	(void)closedir(all);
}

void dataset_remove_files(struct call *call, int64_t id)
{
	CLEAN_FREE char *folder = mem_printf("datasets/%lld", (long long)id);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	/* What stays is taken by the worker's sweep. */
	if (dir >= 0 && !store_keeps_files(call->ctx->store)) {
		(void)fs_remove_tree(dir, folder, NULL);
		remove_exports(dir, id);
	}
}

enum err dataset_delete_view(struct call *call)
{
	struct viewer v = call_viewer(call);
	json_object *d = NULL;
	bool get = call->req->method == METHOD_GET || call->req->method == METHOD_HEAD;
	enum err err = dataset_find(call, &d);
	if (err != ERR_OK)
		return err;
	int64_t id = json_int(d, "id", 0);
	if (!catalog_may(d, &v, DATASET_DELETE)) {
		json_object_put(d);
		return call_fail(call, ERR_FORBIDDEN, problem_new("dataset_forbidden"));
	}
	if (get) {
		json_object *m = json_object_new_object();
		dataset_hide(d);
		json_set(m, "dataset", d);
		return call_answer(call, 200, "dataset_delete", m);
	}
	json_object_put(d);
	/* As a data item it may have a file of its own, beside what was imported from it. */
	CLEAN_JSON json_object *item = NULL;
	(void)catalog_item_get(call->ctx->catalog, id, &v, &item, NULL);
	err = catalog_delete(call->ctx->catalog, id, &call->error);
	if (err == ERR_NO_SPACE) {
		store_make_room(call->ctx->store);
		call->error = (struct error){0};
		err = catalog_delete(call->ctx->catalog, id, &call->error);
	}
	if (err != ERR_OK)
		return err;
	/*
	 * The row is gone: nobody finds the files any more; the sweep takes what cannot be removed
	 * now.
	 */
	if (item != NULL)
		mycontent_drop_files(call, item);
	dataset_remove_files(call, id);
	if (call->mode == MODE_HTML) {
		CLEAN_FREE char *to = call_url(call, "/?note=dataset_deleted");
		reply_redirect(call->reply, 303, to);
		return ERR_OK;
	}
	json_object *m = json_object_new_object();
	json_set_bool(m, "success", true);
	return call_answer(call, 200, "json", m);
}
