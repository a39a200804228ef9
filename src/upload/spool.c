/*
 * Bytes whose upload is not known yet.  The file has no name, so that nothing is left of it
 * whatever happens.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include "base/fs.h"
#include "base/mem.h"

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

void spool_end(struct spool *s)
{
	if (s == NULL)
		return;
	(void)close(s->fd);
	free(s);
}
