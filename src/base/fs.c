#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/token.h"

#define COPY_BYTES (1 << 20) /* a step of a copy that the kernel does not do itself */

/*
 * Open PATH below AT so that no component is a link.  A path that starts at the root or the working
 * folder is the administrator's, who may have linked /var/lib/slipway elsewhere: there only the
 * last component counts.
 */
static int open_plain(int at, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
	    .flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
	    .mode = mode,
	    .resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd;

	if (at != AT_FDCWD && path[0] != '/') {
		do {
			fd = syscall(SYS_openat2, at, path, &how, sizeof(how));
		} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
		/* Linux before 5.6 and old container filters do not have it. */
		if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
			return (int)fd;
	}
	return openat(at, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

int fs_open_dir(int at, const char *path)
{
	if (at == AT_FDCWD || path[0] == '/')
		return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return open_plain(at, path, O_RDONLY | O_DIRECTORY, 0);
}

int fs_open_read(int at, const char *path)
{
	/* O_NONBLOCK: the open itself must not wait when somebody put a pipe there. */
	int fd = open_plain(at, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

int fs_create(int at, const char *path)
{
	return open_plain(at, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

/* Some file systems (FUSE, 9p) cannot sync a folder and say EINVAL: then there is no waiting. */
static bool sync_fd(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL;
}

enum err fs_sync_dir(int at, const char *path, struct error *error)
{
	CLEAN_FD int fd = fs_open_dir(at, *path != '\0' ? path : ".");

	if (fd < 0 || !sync_fd(fd))
		return error_errno(error, ERR_IO, "sync of folder %s", path);
	return ERR_OK;
}

/* Sync the folder that PATH stands in. */
static enum err sync_parent(int at, const char *path, struct error *error)
{
	const char *slash = strrchr(path, '/');
	CLEAN_FREE char *dir = NULL;

	if (slash == NULL)
		return fs_sync_dir(at, ".", error);
	dir = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	return fs_sync_dir(at, dir, error);
}

enum err fs_mkdirs(int at, const char *path, struct error *error)
{
	int follow = at == AT_FDCWD || path[0] == '/' ? 0 : O_NOFOLLOW;
	CLEAN_FREE char *copy = mem_strdup(path);
	char *rest = NULL;
	/* O_PATH: /home may be passed through without being readable. */
	CLEAN_FD int dir = openat(at, path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (char *name = strtok_r(copy, "/", &rest); name != NULL;
	     name = strtok_r(NULL, "/", &rest)) {
		int next;

		if (dir < 0)
			break;
		if (mkdirat(dir, name, 0700) == 0) {
			enum err e = fs_sync_dir(dir, ".", error);

			if (e != ERR_OK)
				return e;
		} else if (errno != EEXIST) {
			return error_errno(error, ERR_IO, "mkdir %s in %s", name, path);
		}
		next = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC | follow);
		(void)close(dir);
		dir = next;
	}
	if (dir < 0)
		return error_errno(error, ERR_IO, "open folder %s", path);
	return ERR_OK;
}

enum err fs_write_all(int fd, const void *p, size_t n, struct error *error)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_errno(error, ERR_IO, "write");
		at += done;
		n -= (size_t)done;
	}
	return ERR_OK;
}

enum err fs_read_file(int at, const char *path, size_t max, char **ret, size_t *ret_len,
		      struct error *error)
{
	CLEAN_FD int fd = fs_open_read(at, path);
	CLEAN_FREE char *text = NULL;
	size_t len = 0, size = 0;
	ssize_t got;

	if (fd < 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s",
				   path);
	/* Read to the end, whatever the size said: files grow, and those in /proc have none. */
	do {
		if (size - len < 2) {
			size = size == 0 ? 4096 : size * 2;
			text = mem_resize(text, size, 1);
		}
		got = read(fd, text + len, size - len - 1);
		if (got < 0 && errno != EINTR)
			return error_errno(error, ERR_IO, "read %s", path);
		if (got > 0)
			len += (size_t)got;
		if (len > max)
			return error_set(error, ERR_TOO_LARGE, "%s has more than %zu bytes", path,
					 max);
	} while (got != 0);
	text[len] = '\0';
	*ret = text;
	text = NULL;
	if (ret_len != NULL)
		*ret_len = len;
	return ERR_OK;
}

/* A name beside PATH that nobody else uses. */
static char *temp_name(const char *path)
{
	char random[17];

	token_hex(random, 16);
	return mem_printf("%s.%s.tmp", path, random);
}

/* Sync and close *FD, put TEMP in PATH's place and sync the folder; on error TEMP is gone. */
static enum err finish_temp(int at, int *fd, const char *temp, const char *path, enum err e,
			    struct error *error)
{
	if (e == ERR_OK && fsync(*fd) != 0)
		e = error_errno(error, ERR_IO, "fsync %s", path);
	if (close(*fd) != 0 && e == ERR_OK)
		e = error_errno(error, ERR_IO, "close %s", path);
	*fd = -1;
	if (e == ERR_OK && renameat(at, temp, at, path) != 0)
		e = error_errno(error, ERR_IO, "rename to %s", path);
	if (e != ERR_OK) {
		(void)unlinkat(at, temp, 0);
		return e;
	}
	return sync_parent(at, path, error);
}

off_t fs_lock_one(int fd, off_t from, off_t n)
{
	for (off_t i = from; i < from + n; i++) {
		struct flock l = {
		    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};

		if (fcntl(fd, F_OFD_SETLK, &l) == 0)
			return i;
	}
	return -1;
}

bool fs_is_fresh(int at, const char *path, int64_t ms)
{
	struct stat st;
	int64_t age = ms;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		age = clock_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 -
		      st.st_mtim.tv_nsec / 1000000;
	return age >= 0 && age < ms;
}

enum err fs_replace(int at, const char *path, const void *p, size_t n, struct error *error)
{
	CLEAN_FREE char *temp = temp_name(path);
	int fd = fs_create(at, temp);

	if (fd < 0)
		return error_errno(error, ERR_IO, "create %s", temp);
	return finish_temp(at, &fd, temp, path, fs_write_all(fd, p, n, error), error);
}

enum err fs_rename_durable(int at, const char *from, const char *to, struct error *error)
{
	enum err e;

	if (renameat(at, from, at, to) != 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
				   "rename %s to %s", from, to);
	e = sync_parent(at, to, error);
	return e == ERR_OK ? sync_parent(at, from, error) : e;
}

/* The bytes of FROM into the empty TO: shared blocks, else the kernel's copy, else ours. */
static enum err copy_bytes(int from, int to, struct error *error)
{
	CLEAN_FREE char *buf = NULL;
	ssize_t n;

	if (ioctl(to, FICLONE, from) == 0)
		return ERR_OK;
	do {
		n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	/*
	 * Also after 0: some file systems say so too early.  Both offsets stand where it stopped.
	 */
	buf = mem_alloc(COPY_BYTES);
	while ((n = read(from, buf, COPY_BYTES)) != 0) {
		enum err e;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, ERR_IO, "read");
		e = fs_write_all(to, buf, (size_t)n, error);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err fs_copy(int from_at, const char *from, int to_at, const char *to, struct error *error)
{
	CLEAN_FREE char *temp = temp_name(to);
	CLEAN_FD int in = fs_open_read(from_at, from);
	int out;

	if (in < 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s",
				   from);
	out = fs_create(to_at, temp);
	if (out < 0)
		return error_errno(error, ERR_IO, "create %s", temp);
	return finish_temp(to_at, &out, temp, to, copy_bytes(in, out, error), error);
}

enum err fs_link_or_copy(int from_at, const char *from, int to_at, const char *to,
			 struct error *error)
{
	struct stat a, b;

	if (linkat(from_at, from, to_at, to, 0) == 0)
		return sync_parent(to_at, to, error);
	/* Done already, by an attempt that was killed before it could say so. */
	if (errno == EEXIST && fstatat(from_at, from, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(to_at, to, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	    a.st_dev == b.st_dev)
		return sync_parent(to_at, to, error);
	return fs_copy(from_at, from, to_at, to, error);
}

int64_t fs_size(int at, const char *path)
{
	struct stat st;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return -1;
	return st.st_size;
}

enum err fs_space(int fd, struct fs_space *ret, struct error *error)
{
	struct statvfs v;
	__uint128_t bytes;

	if (fstatvfs(fd, &v) != 0)
		return error_errno(error, ERR_IO, "statvfs");
	bytes = (__uint128_t)v.f_bavail * v.f_frsize;
	ret->bytes = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	/* btrfs and others make inodes as they need them and report none. */
	ret->inodes_total = (int64_t)v.f_files;
	ret->inodes = v.f_files == 0 ? INT64_MAX : (int64_t)v.f_favail;
	return ERR_OK;
}
