/*
 * Locks that last longer than a pass: one byte of a file below locks/ each, outside the gate.  A
 * descriptor of its own for each, because an open-file-description lock belongs to that and threads
 * share the rest; the kernel frees it with its process.  Source: contracts/store.md 6.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/inside.h"

#define LOCK_STEP_MS 20

static int lock_file(struct store *s, const char *file)
{
	return openat(s->dir, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

enum err byte_lock(struct store *s, const char *file, int64_t n, int wait_ms, int *ret_fd,
		   struct error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = n, .l_len = 1};
	int64_t until = clock_mono_ms() + wait_ms;
	int fd = lock_file(s, file);

	if (fd < 0)
		return error_errno(error, ERR_IO, "%s", file);
	while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		bool busy = errno == EAGAIN || errno == EACCES || errno == EINTR;

		if (!busy || clock_mono_ms() >= until) {
			enum err err = error_errno(error, busy ? ERR_BUSY : ERR_IO, "%s, byte %lld",
						   file, (long long)n);

			(void)close(fd);
			return err;
		}
		clock_sleep_ms(LOCK_STEP_MS);
	}
	*ret_fd = fd;
	return ERR_OK;
}

bool byte_lock_held(struct store *s, const char *file, int64_t n)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = n, .l_len = 1};
	CLEAN_FD int fd = lock_file(s, file);

	/* Who cannot look must not conclude that nobody is there. */
	return fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
