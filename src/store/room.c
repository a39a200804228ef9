#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define BALLAST		  "ballast"
#define BALLAST_NEW	  "ballast.new"
#define RECOVERY_MIN_FREE (16 * MIB)
#define SMALL_INODES	  100000 /* below so many inodes 1 % of them is the reserve */

bool room_has_ballast(const struct store *store)
{
	return store->config->store_ballast <= 0 || faccessat(store->dir, BALLAST, F_OK, 0) == 0;
}

enum err room_check(const struct store *store, enum pass_kind kind, struct error *error)
{
	const struct config *config = store->config;
	int64_t min_inodes = config->upload_min_inodes;
	struct fs_space space;
	enum err err;

	if (!pass_writes(kind) || kind == PASS_DELETE)
		return ERR_OK;
	err = fs_space(store->dir, &space, error);
	if (err != ERR_OK)
		return err;
	if (space.inodes_total > 0 && space.inodes_total < SMALL_INODES &&
	    min_inodes > space.inodes_total / 100)
		min_inodes = space.inodes_total / 100;
	/*
	 * Bytes promised to unfinished uploads are not subtracted here: those written already would
	 * count twice and stop the very commit that completes an upload.  The engine reserves them
	 * when it admits one.
	 */
	if (space.bytes < config->upload_min_free)
		return error_set(error, ERR_NO_SPACE,
				 "data_dir: %lld bytes free, upload.min_free is %lld",
				 (long long)space.bytes, (long long)config->upload_min_free);
	if (space.inodes < min_inodes)
		return error_set(error, ERR_NO_SPACE, "data_dir: %lld inodes free, %lld are kept",
				 (long long)space.inodes, (long long)min_inodes);
	if (!room_make_ballast(store))
		return error_set(error, ERR_NO_SPACE,
				 "data_dir: the ballast was given up, only deletions may write");
	return ERR_OK;
}

void store_make_room(const struct store *store)
{
	(void)unlinkat(store->dir, BALLAST, 0);
}

enum err room_for_recovery(const struct store *store, struct error *error)
{
	int64_t ballast = store->config->store_ballast, want = RECOVERY_MIN_FREE;
	struct fs_space space;
	enum err err = fs_space(store->dir, &space, error);

	/*
	 * A smaller ballast, once given up, must be enough: else nothing would ever recover on a
	 * full disk.
	 */
	if (ballast > 0 && ballast < want)
		want = ballast;
	if (err != ERR_OK || space.bytes >= want)
		return err;
	if (unlinkat(store->dir, BALLAST, 0) == 0)
		return ERR_OK;
	return error_set(error, ERR_NO_SPACE, "recovery needs space and %lld bytes are free",
			 (long long)space.bytes);
}

bool room_make_ballast(const struct store *store)
{
	int64_t size = store->config->store_ballast;
	struct fs_space space;
	CLEAN_FD int fd = -1;

	if (room_has_ballast(store))
		return true;
	if (fs_space(store->dir, &space, NULL) != ERR_OK || space.bytes < 2 * size)
		return false;
	/* One at a time; what a killed maker left is used by the next. */
	fd = openat(store->dir, BALLAST_NEW, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK; /* it is being made: there is room for it */
	if (room_has_ballast(store) || posix_fallocate(fd, 0, size) != 0 ||
	    renameat(store->dir, BALLAST_NEW, store->dir, BALLAST) != 0)
		(void)unlinkat(store->dir, BALLAST_NEW, 0);
	return room_has_ballast(store);
}
