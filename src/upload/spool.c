/*
 * Bytes whose upload is not known yet.  The file has no name, so that nothing is left of it
 * whatever happens.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include "base/fs.h"
#include "base/mem.h"

#define COPY_BYTES (64 * KIB)

struct spool {
	struct engine *engine;
	int fd;
	int64_t bytes;	 /* in it */
	int64_t checked; /* of them when the disk was looked at last */
	int64_t at;	 /* read by its body */
};

/* Where a file system cannot make one without a name, it has one for a moment. */
static int open_named(struct engine *e)
{
	char random[17], name[32];
	int fd;

	token_hex(random, 16);
	(void)snprintf(name, sizeof(name), "spool.%s", random);
	fd = openat(e->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)unlinkat(e->dir, name, 0);
	return fd;
}

enum err spool_begin(struct engine *e, struct spool **ret, struct error *error)
{
	struct spool *s;
	enum err err = admit_space(e, 0, 1, 0, error);
	int fd;

	if (err != ERR_OK)
		return err;
	fd = openat(e->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = open_named(e);
	if (fd < 0)
		return error_errno(error, ERR_IO, "make a spool");
	s = mem_alloc(sizeof(*s));
	s->engine = e;
	s->fd = fd;
	*ret = s;
	return ERR_OK;
}

enum err spool_push(struct spool *s, const void *bytes, size_t n, struct error *error)
{
	const struct config *c = s->engine->config;
	enum err e = ERR_OK;

	if ((int64_t)n > c->upload_max_size - s->bytes ||
	    (c->upload_max_request > 0 && (int64_t)n > c->upload_max_request - s->bytes))
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	if (s->bytes - s->checked >= c->upload_checkpoint) {
		e = admit_space(s->engine, 0, 1, 0, error);
		s->checked = s->bytes;
	}
	if (e == ERR_OK)
		e = fs_write_all(s->fd, bytes, n, error);
	s->bytes += e == ERR_OK ? (int64_t)n : 0;
	return e;
}

static ssize_t spool_read(void *arg, void *buf, size_t size, int wait_ms)
{
	struct spool *s = arg;
	ssize_t n;

	(void)wait_ms;
	do {
		n = pread(s->fd, buf, size, s->at);
	} while (n < 0 && errno == EINTR);
	s->at += n > 0 ? n : 0;
	return n < 0 ? -2 : n;
}

struct body spool_body(struct spool *s)
{
	s->at = 0;
	return (struct body){.read = spool_read, .arg = s, .length = s->bytes};
}

/* ---- a spool that is a whole file */

/* Where its file cannot get a name, its bytes are copied. */
static enum err copy(struct upload *u, struct spool *s, struct error *error)
{
	struct body body = spool_body(s);
	CLEAN_FREE unsigned char *buf = mem_array(1, COPY_BYTES);
	enum err e = ERR_OK;
	ssize_t n = 1;

	while (e == ERR_OK && (n = body.read(body.arg, buf, COPY_BYTES, 0)) > 0)
		e = upload_push(u, buf, (size_t)n, error);
	return e == ERR_OK && n < 0 ? error_set(error, ERR_IO, "read a spool") : e;
}

enum err upload_take(struct upload *u, struct spool *s, struct error *error)
{
	char from[40], name[40], random[17];
	enum err full = ERR_FINAL, e;
	int fd;

	if (u->mode != mode_of(UPLOAD_APPEND) || !u->pending || u->offset != 0)
		e = error_set(error, ERR_FINAL, "upload %.8s has begun", u->id);
	else if (s->bytes > receive_room(u, &full))
		e = error_set(error, full, "upload %.8s is full", u->id);
	else
		e = upload_mark(u, true, error);
	if (e != ERR_OK) {
		u->refused = e;
		return e;
	}
	token_hex(random, 16);
	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", s->fd);
	(void)snprintf(name, sizeof(name), "in.%ld.%s", (long)getpid(), random);
	if (linkat(AT_FDCWD, from, u->dir, name, AT_SYMLINK_FOLLOW) != 0)
		return copy(u, s, error);
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || renameat(u->dir, name, u->dir, "part") != 0) {
		e = u->refused = error_errno(error, ERR_IO, "name a spool");
		if (fd >= 0)
			(void)close(fd);
		(void)unlinkat(u->dir, name, 0);
		return e;
	}
	(void)close(u->part);
	u->part = fd;
	u->offset = s->bytes;
	return ERR_OK;
}

void spool_end(struct spool *s)
{
	if (s == NULL)
		return;
	(void)close(s->fd);
	free(s);
}
