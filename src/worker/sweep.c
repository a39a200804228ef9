/*
 * Looking after what time has ended: expired sessions and uploads, old tasks, stray files.  Small
 * steps, so that requests never wait behind it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "worker/signed.h"
#include "worker/work_item.h"
#include "worker/worker.h"
#include "area/area.h"
#include "catalog/item.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/maintain.h"
#include "upload/release.h"
#include "wizard/spill.h"

#define BATCH		100		     /* records a pass */
#define TASK_KEEP_MS	(7LL * 86400 * 1000) /* ended tasks stay a week for their logs */
#define EXPORT_KEEP_S	(7LL * 86400)	     /* exports not asked for in a week are made again */
#define CONTENT_KEEP_MS (7LL * 86400 * 1000) /* what accounts with "log" 2 sent */
/* one that nobody can ask for any more may still be on its way to somebody */
#define STALE_S 60
#define STRAY_S 3600  /* younger files may belong to somebody at work */
#define COPY_S	86400 /* no check or dump takes a day */

struct expire {
	json_object *ids;
	int64_t id;
	json_object *release;
};

static enum err expired_pass(struct pass *p, void *arg)
{
	struct expire *e = arg;
	json_object_put(e->ids);
	e->ids = NULL;
	return sessions_expired(p, clock_now_ms(), BATCH, &e->ids);
}

static enum err expire_pass(struct pass *p, void *arg)
{
	struct expire *e = arg;
	json_object *doc = NULL;
	json_object_put(e->release);
	e->release = NULL;
	enum err err = sessions_get(p, e->id, &doc);
	if (err != ERR_OK)
		return err;
	/* Finished sessions expire too, silently: their datasets stay. */
	e->release = json_copy(json_arr(doc, "uploads"));
	json_object_put(doc);
	err = release_pass(p, e->release);
	return err == ERR_OK ? sessions_delete(p, e->id, true) : err;
}

/* The error is that of asking which there are. */
static enum err expire_sessions(struct worker *w, struct error *error)
{
	struct expire e = {0};
	json_object *id = NULL;
	enum err err = store_pass(w->store, PASS_READ, "expired", expired_pass, &e, error);
	if (err != ERR_OK)
		return err;
	JSON_EACH(id, e.ids)
	{
		struct session_lock lock = {.fd = -1};
		e.id = json_object_get_int64(id);
		if (session_lock(w->store, e.id, 0, &lock, NULL) != ERR_OK)
			continue; /* in use: the next sweep */
		if (store_pass(w->store, PASS_DELETE, "expire", expire_pass, &e, NULL) == ERR_OK) {
			CLEAN_FREE char *folder = session_folder(e.id);
			release_files(w->engine, e.release);
			(void)fs_remove_tree(w->data_fd, folder, NULL);
			log_line(LOG_LEVEL_INFO, NULL, "session %lld expired", (long long)e.id);
		}
		session_unlock(&lock);
	}
	json_object_put(e.ids);
	json_object_put(e.release);
	return ERR_OK;
}

static enum err old_tasks_pass(struct pass *p, void *arg)
{
	json_object *ids = NULL, *id = NULL;
	(void)arg;
	enum err err = tasks_old(p, clock_now_ms() - TASK_KEEP_MS, BATCH, &ids);
	JSON_EACH(id, ids)
	{
		if (err == ERR_OK)
			err = tasks_delete(p, json_object_get_int64(id));
	}
	json_object_put(ids);
	return err;
}

/* One search for files: whose, and what becomes of them. */
struct search {
	struct worker *w;
	void (*found)(void *arg, const char *path);
	void *arg;
};

/* Call FN for each entry of FOLDER that was not touched for OLDER_S. */
static void each_old(struct search *s, const char *folder, int64_t older_s,
		     void (*fn)(struct search *, const char *folder, const char *name))
{
	int fd = fs_open_dir(s->w->data_fd, folder);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		struct stat st;
		if (d->d_name[0] == '.' ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		/* A folder is read by every search like this one. */
		bool dir_entry = S_ISDIR(st.st_mode);
		int64_t newest =
		    !dir_entry && st.st_atime > st.st_mtime ? st.st_atime : st.st_mtime;
		if (clock_now_ms() / 1000 - newest > older_s)
			fn(s, folder, d->d_name);
	}
	(void)closedir(dir);
}

static void found(struct search *s, const char *folder, const char *name)
{
	CLEAN_FREE char *path = mem_printf("%s/%s", folder, name);
	s->found(s->arg, path);
}

/*
 * What a replacement that was cut short left beside the revision in use; FOLDER is "datasets/<id>".
 */
static void find_orphan_revision(struct search *s, const char *folder, const char *name)
{
	struct viewer all = {.user = "", .admin = true};
	json_object *d = NULL;
	int64_t id = 0;
	if (!text_int(folder + strlen("datasets/"), 1, INT64_MAX, &id) ||
	    catalog_get(s->w->catalog, id, &all, &d, NULL) != ERR_OK)
		return;
	CLEAN_FREE char *prefix = mem_printf("%lld/%s/", (long long)id, name);
	if (!text_starts(json_str(d, "file", ""), prefix))
		found(s, folder, name);
	json_object_put(d);
}

/* A dataset's folder without its row: a publish that was cut short, or a delete that was. */
static void find_orphan_dataset(struct search *s, const char *folder, const char *name)
{
	struct viewer all = {.user = "", .admin = true};
	json_object *d = NULL;
	int64_t id = 0;
	if (!text_int(name, 1, INT64_MAX, &id))
		return;
	enum err err = catalog_get(s->w->catalog, id, &all, &d, NULL);
	if (err == ERR_NOT_FOUND) {
		found(s, folder, name);
	} else if (err == ERR_OK) {
		CLEAN_FREE char *inner = mem_printf("%s/%s", folder, name);
		each_old(s, inner, STRAY_S, find_orphan_revision);
	}
	json_object_put(d);
}

/*
 * What was made for download of a dataset that is gone, or of a revision that is:
 * "<id>-<revision>.<format>".
 */
static void find_stale_export(struct search *s, const char *folder, const char *name)
{
	struct viewer all = {.user = "", .admin = true};
	json_object *d = NULL;
	int64_t id = 0, revision = 0;
	const char *dash = strchr(name, '-'), *dot = strchr(name, '.');
	if (dash == NULL || dot == NULL || dot < dash)
		return;
	CLEAN_FREE char *first = mem_strndup(name, (size_t)(dash - name));
	CLEAN_FREE char *second = mem_strndup(dash + 1, (size_t)(dot - dash - 1));
	if (!text_int(first, 1, INT64_MAX, &id) || !text_int(second, 1, INT64_MAX, &revision))
		return;
	enum err err = catalog_get(s->w->catalog, id, &all, &d, NULL);
	if (err == ERR_NOT_FOUND ||
	    (err == ERR_OK && json_int(d, "revision", revision) != revision))
		found(s, folder, name);
	json_object_put(d);
}

void worker_strays(struct worker *w, void (*fn)(void *arg, const char *path), void *arg)
{
	struct search s = {w, fn, arg};
	each_old(&s, "datasets", STRAY_S, find_orphan_dataset);
	each_old(&s, "exports", STALE_S, find_stale_export);
}

static enum err session_there_pass(struct pass *p, void *arg)
{
	json_object *doc = NULL;
	enum err err = sessions_get(p, *(int64_t *)arg, &doc);
	bool gone = err == ERR_OK && json_get(doc, "gone") != NULL;
	json_object_put(doc);
	return gone ? ERR_NOT_FOUND : err;
}

static void find_orphan_session(struct search *s, const char *folder, const char *name)
{
	int64_t id = 0;
	if (text_int(name, 1, INT64_MAX, &id) &&
	    store_pass(s->w->store, PASS_READ, "orphan", session_there_pass, &id, NULL) ==
		ERR_NOT_FOUND)
		found(s, folder, name);
}

/* "<ms>-<request>.json": its own time counts, however often it was read since. */
static void find_old_request(struct search *s, const char *folder, const char *name)
{
	CLEAN_FREE char *when = mem_strndup(name, strcspn(name, "-"));
	int64_t ms = 0;
	if (text_int(when, 0, INT64_MAX, &ms) && ms < clock_now_ms() - CONTENT_KEEP_MS)
		found(s, folder, name);
}

/* What a killed check, dump, load or restore left of its copy: nobody asks for that again. */
static void find_orphan_copy(struct search *s, const char *folder, const char *name)
{
	static const char *const kinds[] = {"check.", "dump.", "load.", "restore."};
	(void)folder;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (text_starts(name, kinds[i]) && token_is_hex(name + strlen(kinds[i]), 16))
			s->found(s->arg, name);
	}
}

static void remove_found(void *arg, const char *path)
{
	const struct worker *w = arg;
	(void)fs_remove_tree(w->data_fd, path, NULL);
}

void worker_sweep(struct worker *w)
{
	struct error error = {0};
	/* Nothing goes while a backup copies; a minute later is soon enough. */
	if (store_keeps_files(w->store))
		return;
	/*
	 * Without the store nobody knows which files are strays: a restore may be putting them
	 * there.
	 */
	if (expire_sessions(w, &error) != ERR_OK) {
		log_line(LOG_LEVEL_WARN, NULL, "sweep: %s", error.text);
		return;
	}
	(void)store_pass(w->store, PASS_DELETE, "old tasks", old_tasks_pass, NULL, NULL);
	if (upload_sweep(w->engine, 500, &error) != ERR_OK ||
	    store_sweep(w->store, &error) != ERR_OK)
		log_line(LOG_LEVEL_WARN, NULL, "sweep: %s", error.text);
	if (catalog_fold_downloads(w->catalog, &error) != ERR_OK)
		log_line(LOG_LEVEL_WARN, NULL, "sweep: %s", error.text);
	area_sweep_all(w->config);
	work_item_sweep(w);
	signed_sweep(w);
	worker_strays(w, remove_found, w);
	struct search s = {w, remove_found, w};
	each_old(&s, "exports", EXPORT_KEEP_S, found);
	each_old(&s, "sessions", STRAY_S, find_orphan_session);
	each_old(&s, "requests", -1, find_old_request);
	each_old(&s, ".", COPY_S, find_orphan_copy);
}
