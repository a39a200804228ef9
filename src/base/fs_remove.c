#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/mem.h"
#include "base/token.h"

/*
 * A hostile job may nest folders a million deep, which would eat our stack or descriptors.  So the
 * tree is flattened instead of walked: the folders inside a folder are first renamed into the top
 * one; then every folder holds files only.  Two descriptors are enough for any depth.
 */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Emptying a folder and moving it need all three bits.  If this fails, what follows says why. */
static void make_writable(int at, const char *name, mode_t mode)
{
	if ((mode & 0700) != 0700 && fchmodat(at, name, 0700, 0) != 0)
		errno = 0;
}

/* Open folder NAME in AT for emptying; refuses links and other file systems. */
static DIR *open_own(int at, const char *name, dev_t dev)
{
	struct stat st;
	DIR *dir;
	int fd;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return NULL;
	if (!S_ISDIR(st.st_mode) || st.st_dev != dev) {
		errno = S_ISDIR(st.st_mode) ? EXDEV : ENOTDIR;
		return NULL;
	}
	make_writable(at, name, st.st_mode);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (dir == NULL)
		(void)close(fd);
	return dir;
}

/* Remove all in SUB that is no folder, and move its folders to TOP under names of our own. */
static bool flatten(int top, DIR *sub)
{
	struct dirent *entry;

	while ((errno = 0, entry = readdir(sub)) != NULL) {
		char name[40];
		struct stat st;

		if (is_dots(entry->d_name))
			continue;
		if (unlinkat(dirfd(sub), entry->d_name, 0) == 0)
			continue;
		/* EISDIR on Linux, EPERM by POSIX. */
		if (errno != EISDIR && errno != EPERM)
			return false;
		if (unlinkat(dirfd(sub), entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (fstatat(dirfd(sub), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return false;
		make_writable(dirfd(sub), entry->d_name, st.st_mode);
		memcpy(name, ".gone-", 6);
		token_hex(name + 6, 32);
		if (renameat(dirfd(sub), entry->d_name, top, name) != 0)
			return false;
	}
	return errno == 0;
}

/* One pass over TOP; *RET_LEFT tells whether a folder was met, so that another pass is needed. */
static bool pass(DIR *top, dev_t dev, bool *ret_left)
{
	struct dirent *entry;

	*ret_left = false;
	rewinddir(top);
	while ((errno = 0, entry = readdir(top)) != NULL) {
		DIR *sub;
		bool done;

		if (is_dots(entry->d_name) || unlinkat(dirfd(top), entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return false;
		*ret_left = true;
		if (unlinkat(dirfd(top), entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		sub = open_own(dirfd(top), entry->d_name, dev);
		if (sub == NULL)
			return false;
		done = flatten(dirfd(top), sub);
		(void)closedir(sub);
		/* Not empty yet: readdir may skip names while others go.  The next pass sees. */
		if (!done ||
		    (unlinkat(dirfd(top), entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY))
			return false;
	}
	return errno == 0;
}

enum err fs_remove_tree(int at, const char *path, struct error *error)
{
	struct stat st;
	DIR *top;
	bool left = true, good = true;
	enum err e;

	if (unlinkat(at, path, 0) == 0 || errno == ENOENT)
		return ERR_OK;
	if (errno != EISDIR && errno != EPERM)
		return error_errno(error, ERR_IO, "remove %s", path);
	if (unlinkat(at, path, AT_REMOVEDIR) == 0)
		return ERR_OK;
	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return error_errno(error, ERR_IO, "remove %s", path);
	top = open_own(at, path, st.st_dev);
	if (top == NULL)
		return error_errno(error, ERR_IO, "remove %s", path);
	while (good && left)
		good = pass(top, st.st_dev, &left);
	e = good ? ERR_OK : error_errno(error, ERR_IO, "remove from %s", path);
	(void)closedir(top);
	if (e != ERR_OK)
		return e;
	if (unlinkat(at, path, AT_REMOVEDIR) != 0)
		return error_errno(error, ERR_IO, "remove %s", path);
	return ERR_OK;
}
