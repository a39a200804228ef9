/*
 * The start page, static files, and whether this process can take work.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "views/wizard.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

enum err start_view(struct call *call)
{
	json_object *m = json_object_new_object(), *page = json_object_new_object(), *list = NULL,
		    *d = NULL;
	struct catalog_query q = {.viewer = call_viewer(call), .max = 12};
	size_t total = 0;

	json_set(page, "sessions", open_sessions(call));
	if (catalog_list(call->ctx->catalog, &q, &list, &total, &call->error) != ERR_OK) {
		json_object_put(page);
		json_object_put(m);
		return call->error.err;
	}
	JSON_EACH(d, list)
	dataset_hide(d);
	json_set(page, "datasets", list);
	json_set_int(page, "total", (int64_t)total);
	json_set_bool(m, "success", true);
	json_set(m, "page", page);
	return call_answer(call, 200, "start", m);
}

static const struct {
	const char *ending;
	const char *type;
} static_types[] = {
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".txt", "text/plain; charset=utf-8"},
};

/* Leaflet comes from Debian's package: these of its files, under static/leaflet/. */
static const char *const leaflet_files[] = {"leaflet.js",
					    "leaflet.css",
					    "images/layers.png",
					    "images/layers-2x.png",
					    "images/marker-icon.png",
					    "images/marker-icon-2x.png",
					    "images/marker-shadow.png"};

static bool is_leaflet(const char *name)
{
	for (size_t i = 0; i < sizeof(leaflet_files) / sizeof(*leaflet_files); i++) {
		if (strcmp(name, leaflet_files[i]) == 0)
			return true;
	}
	return false;
}

/* Our own folder holds our own names only: letters, digits, dot, dash; no folders. */
static bool is_static(const char *name)
{
	return *name != '\0' && *name != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == strlen(name);
}

enum err static_view(struct call *call)
{
	const char *name = pairs_get(&call->params, "path");
	const char *root = call->ctx->config->static_dir, *type = NULL;
	struct stat st;

	if (text_starts(name, "leaflet/") && is_leaflet(name + 8)) {
		root = call->ctx->config->leaflet_dir;
		name += 8;
	} else if (!is_static(name)) {
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	}
	for (size_t i = 0; i < sizeof(static_types) / sizeof(*static_types); i++) {
		if (text_ends_icase(name, static_types[i].ending))
			type = static_types[i].type;
	}
	/*
	 * Debian links leaflet.js to the minified file: links inside its own folder are followed.
	 */
	CLEAN_FREE char *path = mem_printf("%s/%s", root, name);
	int fd = type == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	enum err err = type == NULL || fd >= 0 ? ERR_NOT_FOUND : call_not_opened(call, path);
	if (err != ERR_NOT_FOUND)
		return err;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			(void)close(fd);
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	}
	CLEAN_FREE char *etag = mem_printf(
	    "\"%llx-%llx\"", (unsigned long long)st.st_size,
	    (unsigned long long)(st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000));
	reply_file(call->reply, fd, st.st_size, type, etag, NULL);
	call->reply->cacheable = true;
	reply_header(call->reply, "Cache-Control", "public, max-age=300");
	return ERR_OK;
}

static enum err nothing_pass(struct pass *p, void *arg)
{
	json_object *r = NULL;
	(void)arg;
	enum err err = record_get(p, TABLE_META, "format", 6, &r);
	json_object_put(r);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* 200 when this process can take work: the store opens and the data directory can be written. */
enum err health_view(struct call *call)
{
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "health", nothing_pass, NULL, &call->error);
	if (err != ERR_OK)
		return err;
	if (faccessat(AT_FDCWD, call->ctx->config->data_dir, W_OK | X_OK, AT_EACCESS) != 0)
		return error_errno(&call->error, ERR_STORE, "data_dir");
	reply_text(call->reply, 200, "text/plain; charset=utf-8", "ok\n");
	return ERR_OK;
}

enum err ready_view(struct call *call)
{
	if (transport_stopping())
		return error_set(&call->error, ERR_STOPPING, "stopping");
	enum err err = store_has_room(call->ctx->store, &call->error);
	return err != ERR_OK ? err : health_view(call);
}

enum err about_view(struct call *call)
{
	static const struct {
		const char *method, *path, *text;
	} rows[] = {{"POST", "/upload/", "about.wizard"},
		    {"PUT", "/files/", "about.put"},
		    {"GET", "/api/v2/uploads/", "about.api"}};
	json_object *m = json_object_new_object(), *page = json_object_new_object(),
		    *list = json_object_new_array();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_object *row = json_object_new_object();
		CLEAN_FREE char *url = call_url(call, "%s", rows[i].path);
		json_set_str(row, "method", rows[i].method);
		json_set_str(row, "url", url);
		json_set_str(
		    row, "text",
		    words_get(pages_words(call->ctx->pages), call->req->lang, rows[i].text));
		json_object_array_add(list, row);
	}
	json_set(page, "addresses", list);
	json_set_bool(m, "success", true);
	json_set(m, "page", page);
	return call_answer(call, 200, "about", m);
}
