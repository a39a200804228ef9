/*
 * Folders for work in progress, and how a finished file gets its name.
 */
#include "area/area.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "area/inside.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

#define STALE_MS 3600000 /* work that nobody holds is left alone this long */
#define ID_LEN	 32
#define COPY	 "file" /* a copy of the bytes, whole: fs_copy names it when it is */

/* ---- the folder */

/* <root>/.slipway */
static int hidden(const struct area *a, struct error *error)
{
	int fd;

	if (mkdirat(a->root, AREA_HIDDEN, 0700) != 0 && errno != EEXIST) {
		(void)error_errno(error, ERR_IO, "file area's work folder");
		return -1;
	}
	fd = openat(a->root, AREA_HIDDEN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		(void)error_errno(error, ERR_IO, "file area's work folder");
	return fd;
}

static bool lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

enum err area_work_begin(const struct area *a, const char *id, struct area_work *ret,
			 struct error *error)
{
	CLEAN_FD int above = hidden(a, error);
	struct area_work w = {.area = a, .dir = -1, .lock = -1};
	enum err err = ERR_OK;

	if (above < 0)
		return error != NULL ? error->err : ERR_IO;
	if (!token_is_hex(id, ID_LEN))
		return error_set(error, ERR_INTERNAL, "work without an id");
	memcpy(w.id, id, ID_LEN + 1);
	if (mkdirat(above, id, 0700) != 0 && errno != EEXIST)
		return error_errno(error, ERR_IO, "make work folder");
	w.dir = openat(above, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w.dir >= 0)
		w.lock = openat(w.dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w.dir < 0 || w.lock < 0)
		err = error_errno(error, ERR_IO, "open work folder");
	else if (!lock(w.lock))
		err = error_set(error, ERR_LOCKED, "work folder %.8s is in use", id);
	if (err != ERR_OK) {
		if (w.lock >= 0)
			(void)close(w.lock);
		if (w.dir >= 0)
			(void)close(w.dir);
		return err;
	}
	*ret = w;
	return ERR_OK;
}

void area_work_end(struct area_work *w)
{
	CLEAN_FREE char *path = NULL;

	if (w->area == NULL || w->dir < 0)
		return;
	/* The lock goes last: until then nobody else is here. */
	path = mem_printf(AREA_HIDDEN "/%s", w->id);
	(void)fs_remove_tree(w->area->root, path, NULL);
	(void)close(w->dir);
	(void)close(w->lock);
	w->dir = w->lock = -1;
}

char *area_work_path(const struct area_work *w)
{
	return mem_printf("%s/" AREA_HIDDEN "/%s", w->area->path, w->id);
}

void area_sweep(const struct area *a)
{
	int above = openat(a->root, AREA_HIDDEN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = above < 0 ? NULL : fdopendir(above);
	struct dirent *d;

	if (dir == NULL) {
		if (above >= 0)
			(void)close(above);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		struct area_work w;
		struct stat st;

		if (!token_is_hex(d->d_name, ID_LEN) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    clock_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 < STALE_MS ||
		    area_work_begin(a, d->d_name, &w, NULL) != ERR_OK)
			continue;
		area_work_end(&w);
	}
	(void)closedir(dir);
}

/* ---- a file gets its name */

/* A file to be placed. */
struct place {
	struct area_work *work;
	const struct area *area;
	int from_at; /* the bytes: FROM below it */
	const char *from;
	dev_t dev; /* their file */
	ino_t ino;
	int to; /* folder of the target */
	const char *name;
	struct error *error;
};

static bool is_ours(const struct place *p, const struct stat *st)
{
	return st->st_dev == p->dev && st->st_ino == p->ino;
}

/* The bytes under a name in the work folder, in the area's file system: linked, else copied. */
static enum err bring(struct place *p)
{
	struct stat st;
	enum err err;

	/* A copy that was made before a crash is whole, and these bytes never change. */
	if (fstatat(p->work->dir, COPY, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		/* A link here need not last: the one in its place will. */
		err = linkat(p->from_at, p->from, p->work->dir, COPY, 0) == 0
			  ? ERR_OK
			  : fs_link_or_copy(p->from_at, p->from, p->work->dir, COPY, p->error);
		if (err != ERR_OK)
			return err;
		if (fstatat(p->work->dir, COPY, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return error_errno(p->error, ERR_IO, "file area");
	}
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	if (fchmodat(p->work->dir, COPY, AREA_FILE_MODE, 0) != 0)
		return error_errno(p->error, ERR_IO, "file area");
	return ERR_OK;
}

/* Claim NAME: ERR_OK when it is ours now (or was already), ERR_CONFLICT when it is somebody's. */
static enum err claim(void *arg, const char *name)
{
	struct place *p = arg;
	struct stat st;

	if (linkat(p->work->dir, COPY, p->to, name, 0) == 0)
		return ERR_OK;
	/* A file system without hard links, or a mount below the root. */
	if (errno != EEXIST && renameat2(p->work->dir, COPY, p->to, name, RENAME_NOREPLACE) == 0)
		return ERR_OK;
	if (errno == ENAMETOOLONG)
		return area_refuse(p->error, ERR_BAD_REQUEST, "area_path");
	if (errno != EEXIST)
		return error_errno(p->error, ERR_IO, "place a file");
	/* An attempt that was killed before it could say so. */
	if (fstatat(p->to, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_ours(p, &st))
		return ERR_OK;
	return ERR_CONFLICT;
}

static enum err replace(struct place *p)
{
	struct stat st;

	if (renameat(p->work->dir, COPY, p->to, p->name) == 0)
		return ERR_OK;
	if (errno == ENAMETOOLONG)
		return area_refuse(p->error, ERR_BAD_REQUEST, "area_path");
	if (errno == EISDIR || errno == ENOTDIR || errno == EEXIST || errno == ENOTEMPTY ||
	    (fstatat(p->to, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
		return area_refuse(p->error, ERR_CONFLICT, "area_kind");
	return error_errno(p->error, ERR_IO, "place a file");
}

enum err area_place_file(struct area_work *w, int from_at, const char *from, const char *path,
			 bool overwrite, char **ret, struct error *error)
{
	CLEAN_FREE char *folder = NULL;
	CLEAN_FREE char *name = NULL;
	struct place p = {.work = w,
			  .area = w->area,
			  .from_at = from_at,
			  .from = from,
			  .name = area_split(path, &folder),
			  .to = -1,
			  .error = error};
	struct stat st;
	enum err err = area_folder(w->area, folder, true, &p.to, error);
	CLEAN_FD int to = p.to;

	if (err != ERR_OK)
		return err;
	if (fstatat(to, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return area_refuse(error, ERR_BAD_REQUEST, "area_link");
	err = bring(&p);
	if (err == ERR_OK && overwrite) {
		err = replace(&p);
		name = mem_strdup(p.name);
	} else if (err == ERR_OK) {
		err = area_claim_free(claim, &p, p.name, false, &name, p.error);
	}
	if (err == ERR_OK)
		err = area_sync(w->area, to, error);
	if (err == ERR_OK)
		*ret = mem_printf("%s%s%s", folder, *folder != '\0' ? "/" : "", name);
	return err;
}
