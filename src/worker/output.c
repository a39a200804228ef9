#include "worker/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"

#define DEPTH_MAX     8	    /* folders in folders: a job needs one for what it unpacks */
#define ENTRIES_SPARE 10000 /* names besides those of an archive */
#define BLOCK_BYTES   512   /* of st_blocks */

int output_open(struct work *work, const char *name, int64_t max)
{
	CLEAN_FREE char *path = mem_printf("%s/out/%s", work->folder, name);
	int fd = fs_open_read(work->w->data_fd, path);
	struct stat st;

	if (fd < 0)
		return -1;
	if (max == 0)
		max = work->w->config->output_max_bytes;
	if (fstat(fd, &st) == 0 && st.st_nlink == 1 && st.st_size <= max)
		return fd;
	(void)close(fd);
	errno = EINVAL;
	return -1;
}

enum err output_move(struct work *work, const char *name, int64_t max, const char *to,
		     struct error *error)
{
	CLEAN_FREE char *from = mem_printf("%s/out/%s", work->folder, name);
	CLEAN_FD int fd = output_open(work, name, max);

	if (fd < 0)
		return error_errno(error, ERR_IO, "%s", name);
	return fs_rename_durable(work->w->data_fd, from, to, error);
}

struct room {
	int64_t bytes;
	int64_t entries;
};

/* Take what is in FD (taken) from what is LEFT.  False: it was not enough. */
static bool take(struct room *left, int fd, int depth)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d = NULL;
	bool fits = depth < DEPTH_MAX;

	if (dir == NULL && fd >= 0)
		(void)close(fd);
	while (fits && dir != NULL && (d = readdir(dir)) != NULL) {
		struct stat st;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		left->bytes -= (int64_t)st.st_blocks * BLOCK_BYTES;
		left->entries--;
		fits = left->bytes >= 0 && left->entries >= 0;
		/* Gone or changed since: nothing to count.  It is looked at again in a second. */
		if (fits && S_ISDIR(st.st_mode))
			fits = take(left,
				    openat(dirfd(dir), d->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
				    depth + 1);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return fits;
}

bool output_fits(struct work *work)
{
	const struct config *c = work->w->config;
	CLEAN_FREE char *path = mem_printf("%s/out", work->folder);
	/* What it unpacks, the result, and once more for what it writes on the way there. */
	struct room left = {.entries = 2 * c->zip_max_entries + ENTRIES_SPARE};

	if (__builtin_mul_overflow(c->output_max_bytes, 2, &left.bytes) ||
	    __builtin_add_overflow(left.bytes, c->zip_max_bytes, &left.bytes))
		left.bytes = INT64_MAX;
	return take(&left, fs_open_dir(work->w->data_fd, path), 0);
}
