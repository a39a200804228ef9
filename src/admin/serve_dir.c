#include "admin/serve_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define NAME	   "slipway-"
#define NOTE	   "serve-"
#define RANDOM_LEN 6	   /* of mkdtemp */
#define BODY_MS	   3600000 /* a body that comes is written to more often */

static char *place_path(const char *data_dir, size_t place)
{
	return place == 0 ? mem_strdup("/tmp") : mem_printf("%s/run", data_dir);
}

static bool lock_note(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

void serve_dir_remove(const char *data_dir, struct serve_dir *d)
{
	CLEAN_FREE char *note = mem_printf("%s/run/%s", data_dir, d->note);

	if (*d->path != '\0')
		(void)fs_remove_tree(AT_FDCWD, d->path, NULL);
	if (*d->note != '\0')
		(void)unlink(note);
	if (d->lock >= 0)
		(void)close(d->lock);
	*d = (struct serve_dir){.lock = -1};
}

enum err serve_dir_make(const char *data_dir, size_t place, struct serve_dir *ret,
			struct error *error)
{
	CLEAN_FREE char *where = place_path(data_dir, place);
	struct serve_dir d = {.lock = -1};
	CLEAN_FREE char *note = NULL;

	if ((size_t)snprintf(d.path, sizeof(d.path), "%s/" NAME "XXXXXX", where) >= sizeof(d.path))
		return error_set(error, ERR_IO, "%s: too long for a socket", where);
	if (mkdtemp(d.path) == NULL)
		return error_errno(error, ERR_IO, "%s", where);
	(void)snprintf(d.note, sizeof(d.note), NOTE "%s", d.path + strlen(d.path) - RANDOM_LEN);
	note = mem_printf("%s/run/%s", data_dir, d.note);
	d.lock = open(note, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	/*
	 * On a full disk there is no note, and nobody to clean up behind us: that is no reason not
	 * to start.
	 */
	if (d.lock >= 0)
		(void)lock_note(d.lock);
	*ret = d;
	return ERR_OK;
}

/* The folder that belongs to a note, wherever it was made; only our own. */
static void remove_folders(const char *data_dir, const char *random)
{
	for (size_t place = 0; place < SERVE_DIR_PLACES; place++) {
		CLEAN_FREE char *where = place_path(data_dir, place);
		CLEAN_FREE char *path = mem_printf("%s/" NAME "%s", where, random);
		struct stat st;

		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
			(void)fs_remove_tree(AT_FDCWD, path, NULL);
	}
}

static void sweep_note(int run, const char *data_dir, const char *name)
{
	CLEAN_FD int fd = openat(run, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || !lock_note(fd))
		return;
	remove_folders(data_dir, name + strlen(NOTE));
	(void)unlinkat(run, name, 0);
}

static void sweep_body(int tmp, const char *name)
{
	struct stat st;

	if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    !fs_is_fresh(tmp, name, BODY_MS))
		(void)unlinkat(tmp, name, 0);
}

static DIR *open_folder(const char *data_dir, const char *name)
{
	CLEAN_FREE char *path = mem_printf("%s/%s", data_dir, name);

	return opendir(path);
}

void serve_dir_sweep(const char *data_dir)
{
	DIR *run = open_folder(data_dir, "run"), *tmp = open_folder(data_dir, "tmp");
	struct dirent *d;

	while (run != NULL && (d = readdir(run)) != NULL)
		if (text_starts(d->d_name, NOTE) && strlen(d->d_name) == strlen(NOTE) + RANDOM_LEN)
			sweep_note(dirfd(run), data_dir, d->d_name);
	while (tmp != NULL && (d = readdir(tmp)) != NULL)
		sweep_body(dirfd(tmp), d->d_name);
	if (run != NULL)
		(void)closedir(run);
	if (tmp != NULL)
		(void)closedir(tmp);
}
