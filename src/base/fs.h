/*
 * Files that appear complete or not at all.  Everything is opened close-on-exec, relative to a
 * directory descriptor, without following links.
 */
#ifndef SLIPWAY_BASE_FS_H
#define SLIPWAY_BASE_FS_H

#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

int fs_open_dir(int at, const char *path);  /* O_DIRECTORY; -1 and errno */
int fs_open_read(int at, const char *path); /* regular file, O_NOFOLLOW */
int fs_create(int at, const char *path);    /* O_EXCL, 0600, write */
/* 0700, each component, fsyncs parents */
enum err fs_mkdirs(int at, const char *path, struct error *);
enum err fs_write_all(int fd, const void *p, size_t n, struct error *);
/* caller frees; NUL-terminated */
enum err fs_read_file(int at, const char *path, size_t max, char **ret, size_t *ret_len,
		      struct error *);
/*
 * The first of N bytes of FD from FROM on that nobody has locked, locked until FD is closed; -1 and
 * errno: none.
 */
off_t fs_lock_one(int fd, off_t from, off_t n);
/*
 * Was PATH written less than MS ago?  A time ahead of ours is of before the clock was set back: it
 * was not.
 */
bool fs_is_fresh(int at, const char *path, int64_t ms);
/* temp, write, fsync, rename, fsync of the folder. */
enum err fs_replace(int at, const char *path, const void *p, size_t n, struct error *);
enum err fs_rename_durable(int at, const char *from, const char *to, struct error *);
enum err fs_sync_dir(int at, const char *path, struct error *);
/* missing is fine; never leaves AT's file system or follows links */
enum err fs_remove_tree(int at, const char *path, struct error *);
/* reflink where possible; fsynced */
enum err fs_copy(int from_at, const char *from, int to_at, const char *to, struct error *);
enum err fs_link_or_copy(int from_at, const char *from, int to_at, const char *to, struct error *);
/* -1: missing or not a regular file */
int64_t fs_size(int at, const char *path);

/* Space for others than root. */
struct fs_space {
	int64_t bytes;	      /* free */
	int64_t inodes;	      /* free; INT64_MAX where the file system has none */
	int64_t inodes_total; /* 0 where it has none */
};
enum err fs_space(int fd, struct fs_space *ret, struct error *);

#endif
