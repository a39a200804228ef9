/*
 * Are these the bytes that are stored in their place already?  For pieces that may be of another
 * file: where only a client's address tells whose they are.
 */
#include "upload/engine.h"

#include <errno.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"

#define COMPARE_BYTES ((size_t)64 * KIB)
#define WAIT_MS	      1000

/* What is stored of the place of a body. */
struct stored {
	int fd;			     /* -1 = nothing */
	int64_t shift;		     /* byte 0 of the body stands here in it */
	int64_t size;		     /* of the file */
	const struct ranges *ranges; /* what of the file counts; NULL = all */
};

/* Pieces of one length, the last one shorter or longer. */
static int64_t place_of_part(const struct upload *u, uint32_t number, int64_t len)
{
	int64_t at;

	if (number + 1 == u->parts)
		return u->length - len;
	return __builtin_mul_overflow((int64_t)number, len, &at) ? -1 : at;
}

/* Find it.  False: a body of LEN bytes does not fit what is there. */
static bool find(const struct upload *u, int64_t first, uint32_t number, int64_t len,
		 struct stored *ret)
{
	bool parts = u->mode == mode_of(UPLOAD_PARTS), complete = u->state == UPLOAD_COMPLETE;
	char name[16];

	if (!complete && parts) {
		(void)snprintf(name, sizeof(name), "p.%lu", (unsigned long)number);
		ret->fd = fs_open_read(u->dir, name);
		ret->size = ret->fd < 0 ? 0 : fs_size(u->dir, name);
		return ret->fd < 0 || ret->size == len;
	}
	ret->shift = parts ? place_of_part(u, number, len) : first;
	ret->ranges = complete ? NULL : &u->ranges;
	ret->size = complete ? u->length : ranges_end(&u->ranges);
	if (complete && (ret->shift < 0 || ret->shift > u->length - len))
		return false;
	ret->fd = fs_open_read(u->dir, "data");
	if (ret->fd < 0)
		ret->fd = fs_open_read(u->dir, "part");
	return ret->fd >= 0 || ret->size == 0;
}

/* Do the N bytes for AT agree with the file, where both are in [FIRST, END)? */
static bool same(const struct stored *s, const unsigned char *bytes, int64_t at, int64_t n,
		 int64_t first, int64_t end, unsigned char *buf)
{
	int64_t from = at > first ? at : first, to = at + n < end ? at + n : end;

	while (from < to) {
		ssize_t got = pread(s->fd, buf, (size_t)(to - from), from);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || memcmp(buf, bytes + (from - at), (size_t)got) != 0)
			return false;
		from += got;
	}
	return true;
}

static bool piece_agrees(const struct stored *s, const unsigned char *bytes, int64_t at, int64_t n,
			 unsigned char *buf)
{
	if (s->ranges == NULL)
		return same(s, bytes, at, n, 0, s->size, buf);
	for (size_t i = 0; i < s->ranges->n; i++)
		if (!same(s, bytes, at, n, s->ranges->v[i].first, s->ranges->v[i].end, buf))
			return false;
	return true;
}

enum err upload_agrees(const struct upload *u, int64_t first, uint32_t number, struct body *body,
		       bool *ret, struct error *error)
{
	CLEAN_FREE unsigned char *bytes = mem_array(2, COMPARE_BYTES);
	struct stored s = {.fd = -1};
	int64_t at = 0;
	ssize_t n = 1;

	if (u->lockless)
		return error_set(error, ERR_LOCKED, "upload %.8s is being put together", u->id);
	if (u->pending) {
		*ret = true;
		return ERR_OK;
	}
	bool agrees = find(u, first, number, body->length, &s);
	while (agrees && s.fd >= 0 && at < body->length &&
	       (n = body->read(body->arg, bytes, COMPARE_BYTES, WAIT_MS)) > 0) {
		agrees = piece_agrees(&s, bytes, s.shift + at, n, bytes + COMPARE_BYTES);
		at += n;
	}
	if (s.fd >= 0)
		(void)close(s.fd);
	if (n <= 0)
		return error_set(error, ERR_IO, "upload %.8s: no bytes to compare", u->id);
	*ret = agrees;
	return ERR_OK;
}
