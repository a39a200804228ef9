#include "base/child.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

#define FRAME_MAX     (16 << 20) /* bytes of JSON */
#define WRITE_WAIT_MS 30000	 /* a reader that takes nothing for so long is dead */

/* Wait until FD is ready for EVENTS.  UNTIL as of clock_mono_ms, -1: for ever. */
static enum err wait_ready(int fd, short events, int64_t until, struct error *error)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = until < 0 ? -1 : until - clock_mono_ms();
		int n;

		if (until >= 0 && left < 0)
			left = 0;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return ERR_OK;
		if (n == 0)
			return error_set(error, ERR_TIMEOUT, "the other side of a pipe is silent");
		if (errno != EINTR)
			return error_errno(error, ERR_IO, "poll");
	}
}

static enum err write_bytes(int fd, const char *p, size_t n, struct error *error)
{
	enum err e;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done >= 0) {
			p += done;
			n -= (size_t)done;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE)
			return error_errno(error, ERR_CUT, "write of a frame");
		if (errno != EAGAIN)
			return error_errno(error, ERR_IO, "write of a frame");
		e = wait_ready(fd, POLLOUT, clock_mono_ms() + WRITE_WAIT_MS, error);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err frame_write(int fd, const json_object *message, struct error *error)
{
	size_t len;
	CLEAN_FREE char *text = json_print(message, &len);
	char head[4];
	enum err e;

	if (len > FRAME_MAX)
		return error_set(error, ERR_TOO_LARGE, "a frame of %zu bytes", len);
	for (int i = 0; i < 4; i++)
		head[i] = (char)(len >> (24 - 8 * i) & 255);
	e = write_bytes(fd, head, sizeof(head), error);
	return e == ERR_OK ? write_bytes(fd, text, len, error) : e;
}

/* Read into P until F has WANT bytes, FIRST of them not in P. */
static enum err read_bytes(int fd, struct frame *f, void *p, size_t first, size_t want,
			   int64_t until, struct error *error)
{
	while (f->have < want) {
		enum err e = wait_ready(fd, POLLIN, until, error);
		ssize_t got;

		if (e != ERR_OK)
			return e;
		got = read(fd, (char *)p + (f->have - first), want - f->have);
		if (got == 0)
			return error_set(error, ERR_CUT, "end of input");
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return error_errno(error, ERR_IO, "read of a frame");
		if (got > 0)
			f->have += (size_t)got;
	}
	return ERR_OK;
}

void frame_done(struct frame *f)
{
	free(f->text);
	*f = (struct frame){0};
}

enum err frame_read_on(int fd, struct frame *f, int timeout_ms, json_object **ret,
		       struct error *error)
{
	int64_t until = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
	const unsigned char *head = f->head;
	size_t len;
	enum err e = read_bytes(fd, f, f->head, 0, sizeof(f->head), until, error);

	if (e != ERR_OK)
		return e;
	len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (len > FRAME_MAX)
		return error_set(error, ERR_BAD_REQUEST, "a frame of %zu bytes", len);
	if (f->text == NULL)
		f->text = mem_alloc(len + 1);
	e = read_bytes(fd, f, f->text, sizeof(f->head), sizeof(f->head) + len, until, error);
	if (e == ERR_OK && json_read(f->text, len, &json_limits_job, ret) != ERR_OK)
		e = error_set(error, ERR_BAD_REQUEST, "a frame that is not JSON");
	if (e != ERR_TIMEOUT)
		frame_done(f);
	return e;
}

enum err frame_read(int fd, int timeout_ms, json_object **ret, struct error *error)
{
	struct frame f = {0};
	enum err e = frame_read_on(fd, &f, timeout_ms, ret, error);

	frame_done(&f);
	return e;
}
