/*
 * Joining parts and hashing files: at once, or by the worker when a request would wait too long
 * (transports.md 1.8).
 */
#include "upload/engine.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/tasks.h"

#define COPY_AT_ONCE (64 * MIB) /* between two looks at who waits */
#define COPY_BUFFER  (256 * KIB)
#define BEAT_MS      1000

enum err assemble_beat(struct upload *u, int64_t done, struct error *error)
{
	int64_t now;

	if (!u->assembler)
		return ERR_OK;
	if (engine_stopping())
		return error_set(error, ERR_STOPPING, "stopping");
	/* Only a deletion waits for the lock of an upload that is being assembled. */
	if (lock_wanted(u))
		return error_set(error, ERR_DISPLACED, "upload %.8s: a newer request goes on", u->id);
	now = clock_mono_ms();
	if (u->beat == NULL || now - u->beaten < BEAT_MS)
		return ERR_OK;
	u->beaten = now;
	return u->beat(u->beat_arg, done, u->length)
	    ? ERR_OK
	    : error_set(error, ERR_STOPPING, "told to stop");
}

/* Where the kernel cannot copy by itself. */
static enum err copy_by_hand(struct upload *u, int from, struct error *error)
{
	CLEAN_FREE char *buf = mem_array(1, COPY_BUFFER);
	ssize_t n;
	enum err e = ERR_OK;

	while (e == ERR_OK && (n = read(from, buf, COPY_BUFFER)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, ERR_IO, "read a part");
		e = fs_write_all(u->part, buf, (size_t)n, error);
		if (e == ERR_OK) {
			u->offset += n;
			e = assemble_beat(u, u->offset, error);
		}
	}
	return e;
}

enum err assemble_copy(struct upload *u, int from, struct error *error)
{
	enum err e = ERR_OK;
	ssize_t n = 0;

	/* The first file may share its blocks: others are joined at odd places. */
	if (u->offset == 0 && ioctl(u->part, FICLONE, from) == 0) {
		u->offset = lseek(u->part, 0, SEEK_END);
		return u->offset < 0 ? error_errno(error, ERR_IO, "look at upload's file") : ERR_OK;
	}
	do {
		n = copy_file_range(from, NULL, u->part, NULL, COPY_AT_ONCE, 0);
		if (n > 0) {
			u->offset += n;
			e = assemble_beat(u, u->offset, error);
		}
	} while (e == ERR_OK && (n > 0 || (n < 0 && errno == EINTR)));
	if (e == ERR_OK && n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
		return error_errno(error, ERR_IO, "join parts");
	/* Also after 0: some file systems say so too early.  Both offsets stand where it stopped. */
	return e == ERR_OK ? copy_by_hand(u, from, error) : e;
}

bool assemble_later(const struct upload *u)
{
	int64_t bytes = u->mode->join != NULL ? u->received : u->offset;

	return !u->assembler && !u->staged && !u->pending &&
	    bytes > u->engine->config->upload_assemble_inline &&
	    ((u->mode->join != NULL && u->parts != 1) || hash_must_read(u));
}
