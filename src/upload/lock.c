/*
 * Who may write (transports.md 1.7).  Append mode: one writer at a time, and the newest one wins: a
 * newcomer puts a file `stop` beside the lock; the writer that finds it stores what it has and
 * goes.  Range and parts mode: writers side by side, until one wants to be alone to complete it.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define TRY_MS	 50  /* between two tries of a waiting newcomer */
#define AGAIN_MS 500 /* it puts `stop` back this often: another newcomer may have removed it */
/* A `stop` not renewed for this long was left by somebody who died waiting. */
#define STALE_MS (3 * AGAIN_MS)

bool lock_try(int fd, bool exclusive)
{
	struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

int lock_open(int dir)
{
	int fd = openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		fd = openat(dir, "data", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

static void put_stop(const struct upload *u)
{
	int fd = openat(u->dir, "stop", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0) {
		(void)futimens(fd, NULL);
		(void)close(fd);
	}
}

bool lock_held(int fd)
{
	struct flock ask = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &ask) == 0 && ask.l_type != F_UNLCK;
}

enum err lock_displace(struct upload *u, struct error *error)
{
	int64_t now = clock_mono_ms(), again = now;
	int64_t until = now + u->engine->config->upload_lock_wait_s * 1000;

	while (!lock_try(u->lock, true)) {
		if (engine_stopping())
			return error_set(error, ERR_STOPPING, "stopping");
		now = clock_mono_ms();
		if (now >= until)
			return error_set(error, ERR_LOCKED, "upload %.8s is busy", u->id);
		if (now >= again) {
			put_stop(u);
			again = now + AGAIN_MS;
		}
		clock_sleep_ms(TRY_MS);
	}
	u->exclusive = true;
	(void)unlinkat(u->dir, "stop", 0);
	return ERR_OK;
}

/* Does somebody alive wait to be alone? */
static bool stop_stands(const struct upload *u)
{
	struct stat st;
	int64_t age;

	if (fstatat(u->dir, "stop", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	age = clock_now_ms() - mtime_ms(&st);
	if (age >= 0 && age < STALE_MS)
		return true;
	(void)unlinkat(u->dir, "stop", 0);
	return false;
}

enum err lock_share(struct upload *u, bool try, struct error *error)
{
	int64_t until = clock_mono_ms() + u->engine->config->upload_lock_wait_s * 1000;

	while (stop_stands(u) || !lock_try(u->lock, false)) {
		if (engine_stopping())
			return error_set(error, ERR_STOPPING, "stopping");
		if (try || clock_mono_ms() >= until)
			return error_set(try ? NULL : error, ERR_LOCKED, "upload %.8s is busy",
					 u->id);
		clock_sleep_ms(TRY_MS);
	}
	u->exclusive = false;
	return ERR_OK;
}

void lock_ease(struct upload *u)
{
	/* From exclusive to shared there is nothing to wait for. */
	if (u->exclusive && !u->pending && lock_try(u->lock, false))
		u->exclusive = false;
}

bool lock_wanted(struct upload *u)
{
	int64_t now = clock_mono_ms();

	/* Of a pending one nobody knows. */
	if (u->pending || now - u->looked < POLL_MS)
		return false;
	u->looked = now;
	return faccessat(u->dir, "stop", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * The note needs no fsync: it speaks about what a killed process may have left in memory, and after
 * a power cut there is no such thing.
 */
enum err upload_mark(struct upload *u, bool dirty, struct error *error)
{
	char text[MARK_LEN + 1];

	u->marked = dirty;
	/* Without a record nobody looks at it. */
	if (u->pending && !u->kept)
		return ERR_OK;
	(void)snprintf(text, sizeof(text), "%c%020lld",
		       u->mode->shared ? 's'
		       : dirty	       ? 'd'
				       : 'c',
		       (long long)u->durable);
	if (pwrite(u->lock, text, MARK_LEN, 0) != MARK_LEN)
		return error_errno(error, ERR_IO, "write upload's lock file");
	return ERR_OK;
}

bool mark_read(int lock, int64_t *ret_durable, bool *ret_dirty)
{
	char text[MARK_LEN + 1] = "";

	if (pread(lock, text, MARK_LEN, 0) != MARK_LEN || (text[0] != 'c' && text[0] != 'd'))
		return false;
	if (!text_int(text + 1, 0, INT64_MAX, ret_durable))
		return false;
	*ret_dirty = text[0] == 'd';
	return true;
}

bool lock_is_shared_kind(int lock)
{
	char kind = '\0';

	return pread(lock, &kind, 1, 0) == 1 && kind == 's';
}
