/*
 * A tree that a job unpacked: gone through, marked, put in its place as a whole.
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
#include "base/fs.h"
#include "base/mem.h"

#define MARK  AREA_HIDDEN /* a file in every folder an unzip made */
#define OLD   "old"	  /* what a replaced folder is called in the work folder */
#define DEPTH 64	  /* folders in folders: one descriptor each */

/* ---- what the job left: nothing is believed */

struct walk {
	const struct area *area;
	int64_t files, bytes; /* that may still come */
	struct error *error;
};

static enum err adopt(struct walk *w, int dir, int depth);

/* A job that keeps to its limits never comes so far. */
static enum err too_large(struct error *error, const char *code)
{
	return area_refuse(error, ERR_TOO_LARGE, code);
}

static enum err adopt_entry(struct walk *w, int at, const char *name, int depth)
{
	struct stat st;
	enum err err = area_name_check(name, w->area->config->iserver_denied, w->error);

	if (err != ERR_OK)
		return err;
	if (--w->files < 0)
		return too_large(w->error, "zip_entries");
	CLEAN_FD int fd =
	    openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return area_refuse(w->error, ERR_BAD_REQUEST, "zip_link");
	if (fd < 0 || fstat(fd, &st) != 0)
		return error_errno(w->error, ERR_IO, "unpacked file");
	if (S_ISDIR(st.st_mode) && depth < DEPTH) {
		if (fchmod(fd, AREA_FOLDER_MODE) != 0)
			return error_errno(w->error, ERR_IO, "unpacked folder");
		return adopt(w, fd, depth + 1);
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return area_refuse(w->error, ERR_BAD_REQUEST, "zip_link");
	w->bytes -= st.st_size;
	if (w->bytes < 0)
		return too_large(w->error, "zip_too_big");
	if (fchmod(fd, AREA_FILE_MODE) != 0)
		return error_errno(w->error, ERR_IO, "unpacked file");
	return ERR_OK;
}

/* Everything in DIR. */
static enum err adopt(struct walk *w, int dir, int depth)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	enum err err = ERR_OK;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return error_errno(w->error, ERR_IO, "unpacked folder");
	}
	while (err == ERR_OK && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = adopt_entry(w, dir, entry->d_name, depth);
	(void)closedir(d);
	return err;
}

static enum err mark(int tree, const char *id, struct error *error)
{
	int fd = openat(tree, MARK, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err err;

	if (fd < 0)
		return error_errno(error, ERR_IO, "mark a folder");
	err = fs_write_all(fd, id, strlen(id), error);
	if (close(fd) != 0 && err == ERR_OK)
		err = error_errno(error, ERR_IO, "mark a folder");
	return err;
}

/* ---- its place */

struct place {
	struct area_work *work;
	const char *from; /* in the work folder */
	int to;		  /* folder of the target */
	const char *name;
	struct error *error;
};

/* Which unzip made folder NAME of TO?  False: none did, or it is no folder. */
static bool marked(int to, const char *name, char ret_id[33])
{
	CLEAN_FD int dir = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEAN_FD int fd =
	    dir < 0 ? -1 : openat(dir, MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_id, 32);

	ret_id[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

/*
 * Claim NAME: ERR_OK when the tree is there (or was already), ERR_CONFLICT when something else is.
 */
static enum err claim(void *arg, const char *name)
{
	struct place *p = arg;
	char id[33] = "";

	if (renameat2(p->work->dir, p->from, p->to, name, RENAME_NOREPLACE) == 0)
		return ERR_OK;
	/*
	 * No such flag on this file system: an empty folder holds the name until the tree takes it.
	 */
	if ((errno == EINVAL || errno == ENOSYS) && mkdirat(p->to, name, 0700) == 0) {
		int why;

		if (renameat(p->work->dir, p->from, p->to, name) == 0)
			return ERR_OK;
		why = errno;
		(void)unlinkat(p->to, name, AT_REMOVEDIR);
		errno = why;
	}
	if (errno == ENAMETOOLONG)
		return area_refuse(p->error, ERR_BAD_REQUEST, "area_path");
	if (errno != EEXIST && errno != ENOTEMPTY)
		return error_errno(p->error, ERR_IO, "place a folder");
	if (marked(p->to, name, id) && strcmp(id, p->work->id) == 0)
		return ERR_OK;
	return ERR_CONFLICT;
}

/* A marked folder steps aside for the tree in one step; it goes with the work folder. */
static enum err swap(struct place *p)
{
	if (renameat2(p->work->dir, p->from, p->to, p->name, RENAME_EXCHANGE) == 0)
		return ERR_OK;
	if (errno != EINVAL && errno != ENOSYS)
		return error_errno(p->error, ERR_IO, "replace a folder");
	if (renameat(p->to, p->name, p->work->dir, OLD) != 0)
		return error_errno(p->error, ERR_IO, "replace a folder");
	if (renameat(p->work->dir, p->from, p->to, p->name) != 0) {
		enum err err = error_errno(p->error, ERR_IO, "replace a folder");

		(void)renameat(p->work->dir, OLD, p->to, p->name);
		return err;
	}
	return ERR_OK;
}

static enum err replace(struct place *p)
{
	char id[33] = "";
	struct stat st;

	/* Twice: the name may come or go between the looks. */
	for (int tries = 0; tries < 2; tries++) {
		enum err err = claim(p, p->name);

		if (err != ERR_CONFLICT)
			return err;
		if (fstatat(p->to, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (!S_ISDIR(st.st_mode))
			return area_refuse(p->error, ERR_CONFLICT, "area_kind");
		if (marked(p->to, p->name, id))
			return swap(p);
		/* An empty folder gives way to a rename; one with something in it does not. */
		if (renameat(p->work->dir, p->from, p->to, p->name) == 0)
			return ERR_OK;
	}
	return area_refuse(p->error, ERR_CONFLICT, "area_foreign");
}

/* The tree's bytes and names are on disk. */
static enum err sync_tree(const struct area *a, int tree, struct error *error)
{
	if (a->config->upload_sync == UPLOAD_SYNC_FULL && syncfs(tree) != 0)
		return error_errno(error, ERR_IO, "sync of the file area");
	return ERR_OK;
}

enum err area_place_tree(struct area_work *w, const char *from, const char *path, bool overwrite,
			 int64_t max_files, int64_t max_bytes, char **ret, struct error *error)
{
	CLEAN_FREE char *folder = NULL;
	CLEAN_FREE char *name = NULL;
	struct place p = {.work = w, .from = from, .to = -1, .error = error};
	struct walk walk = {w->area, max_files, max_bytes, error};
	CLEAN_FD int tree = openat(w->dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	enum err err;

	if (tree < 0)
		return error_errno(error, ERR_IO, "unpacked tree");
	err = adopt(&walk, tree, 0);
	if (err == ERR_OK && fchmod(tree, AREA_FOLDER_MODE) != 0)
		err = error_errno(error, ERR_IO, "unpacked tree");
	if (err == ERR_OK)
		err = mark(tree, w->id, error);
	if (err == ERR_OK)
		err = sync_tree(w->area, tree, error);
	p.name = area_split(path, &folder);
	if (err == ERR_OK)
		err = area_folder(w->area, folder, true, &p.to, error);
	CLEAN_FD int to = p.to;

	if (err != ERR_OK)
		return err;
	if (fstatat(to, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return area_refuse(error, ERR_BAD_REQUEST, "area_link");
	if (overwrite) {
		err = replace(&p);
		name = mem_strdup(p.name);
	} else {
		err = area_claim_free(claim, &p, p.name, true, &name, p.error);
	}
	if (err == ERR_OK)
		err = area_sync(w->area, to, error);
	if (err == ERR_OK)
		*ret = mem_printf("%s%s%s", folder, *folder != '\0' ? "/" : "", name);
	return err;
}
