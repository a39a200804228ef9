#include "http/records.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"

#define HEAD_BYTES    8U
#define VERSION_1     1U
#define ABORT_REQUEST 2U /* FCGI_ABORT_REQUEST */
#define STDIN_RECORD  5U /* FCGI_STDIN */

void records_init(struct records *r, int fd, int idle_ms)
{
	/* Not the held bytes: clearing them would touch pages for nothing. */
	memset(r, 0, offsetof(struct records, head));
	r->fd = fd;
	r->idle_ms = idle_ms;
}

bool records_wait(int fd, int wait_ms)
{
	int64_t until = clock_mono_ms() + wait_ms;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, wait_ms);
		if (n >= 0)
			return n > 0;
		if (errno != EINTR)
			return true; /* the read will tell what is wrong */
		int64_t left = until - clock_mono_ms();
		wait_ms = left > 0 ? (int)left : 0;
	}
}

/* Receive into IOV without waiting: bytes, -1 nothing there, -2 lost. */
static ssize_t receive(struct records *r, struct iovec *iov, size_t n_iov)
{
	for (;;) {
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = n_iov};
		ssize_t n = recvmsg(r->fd, &m, MSG_DONTWAIT);
		if (n > 0)
			return n;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -1;
		r->lost = true;
		return -2;
	}
}

/* More held bytes: 1, -1 nothing there, -2 lost. */
static int hold_more(struct records *r)
{
	if (r->start > 0) {
		memmove(r->held, r->held + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	struct iovec iov = {r->held + r->end, sizeof(r->held) - r->end};
	ssize_t n = receive(r, &iov, 1);
	if (n < 0)
		return (int)n;
	r->end += (size_t)n;
	return 1;
}

/* Read the head of the next record: 1 done, -1 not all there, -2 lost. */
static int take_head(struct records *r)
{
	while (r->end - r->start < HEAD_BYTES) {
		int rc = hold_more(r);
		if (rc < 0)
			return rc;
	}
	memcpy(r->head, r->held + r->start, HEAD_BYTES);
	r->start += HEAD_BYTES;
	if (r->head[0] != VERSION_1) {
		r->lost = true;
		return -2;
	}
	r->type = r->head[1];
	r->id = (unsigned)r->head[2] << 8 | r->head[3];
	r->content = (size_t)r->head[4] << 8 | r->head[5];
	r->padding = r->head[6];
	r->state = RECORDS_CONTENT;
	return 1;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

ssize_t records_raw(struct records *r, void *buf, size_t size)
{
	int rc;

	while (r->state == RECORDS_HEAD) {
		rc = take_head(r);
		if (rc == 1) {
			r->head_left = HEAD_BYTES;
		} else if (rc == -2) {
			return 0;
		} else if (!records_wait(r->fd, r->idle_ms)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	size_t n = 0;
	if (r->head_left > 0) {
		n = least(r->head_left, size);
		memcpy(buf, r->head + HEAD_BYTES - r->head_left, n);
		r->head_left -= n;
	}
	size_t rest = r->content + r->padding;
	if (r->head_left == 0 && rest > 0 && n < size) {
		while (r->start == r->end) {
			if (n > 0)
				return (ssize_t)n;
			rc = hold_more(r);
			if (rc == -2)
				return 0;
			if (rc == -1 && !records_wait(r->fd, r->idle_ms)) {
				errno = ETIMEDOUT;
				return -1;
			}
		}
		size_t m = least(least(rest, size - n), r->end - r->start);
		memcpy((char *)buf + n, r->held + r->start, m);
		r->start += m;
		n += m;
		size_t content = least(m, r->content);
		r->content -= content;
		r->padding -= m - content;
	}
	if (r->head_left == 0 && r->content == 0 && r->padding == 0)
		r->state = RECORDS_HEAD;
	return (ssize_t)n;
}

/* Content of a STDIN record: held bytes first, else from the socket directly, with the next head
 * behind it. */
static ssize_t take_content(struct records *r, void *buf, size_t size)
{
	size_t want = least(size, r->content);

	if (r->start < r->end) {
		size_t n = least(want, r->end - r->start);
		memcpy(buf, r->held + r->start, n);
		r->start += n;
		r->content -= n;
		return (ssize_t)n;
	}
	/*
	 * With the whole content wanted, what follows it is read along.  Behind large records that
	 * is only padding and the next head, so that the next content needs no copy; small ones are
	 * read ahead.
	 */
	size_t ahead = 0;
	if (want == r->content)
		ahead = want < RECORDS_HELD ? sizeof(r->held) : r->padding + HEAD_BYTES;
	struct iovec iov[2] = {{buf, want}, {r->held, ahead}};
	ssize_t n = receive(r, iov, ahead > 0 ? 2 : 1);
	if (n < 0)
		return n;
	r->start = r->end = 0;
	if ((size_t)n > want) {
		r->end = (size_t)n - want;
		n = (ssize_t)want;
	}
	r->content -= (size_t)n;
	return n;
}

/* Skip content nobody wants, and padding: true when the record is behind us, else *RET_WHY = -1 or
 * -2. */
static bool skip_rest(struct records *r, size_t *left, int *ret_why)
{
	while (*left > 0) {
		if (r->start == r->end) {
			int rc = hold_more(r);
			if (rc < 0) {
				*ret_why = rc;
				return false;
			}
		}
		size_t n = least(*left, r->end - r->start);
		r->start += n;
		*left -= n;
	}
	return true;
}

/* As records_body, without waiting. */
static ssize_t body_now(struct records *r, unsigned id, void *buf, size_t size)
{
	int why;

	for (;;) {
		if (r->ended)
			return 0;
		if (r->lost)
			return -2;
		if (r->state == RECORDS_HEAD) {
			int rc = take_head(r);
			if (rc < 0)
				return rc;
			if (r->id == id && r->type == ABORT_REQUEST) {
				r->lost = true;
				return -2;
			}
			r->ended = r->id == id && r->type == STDIN_RECORD && r->content == 0;
			continue;
		}
		if (r->content > 0 && r->id == id && r->type == STDIN_RECORD)
			return take_content(r, buf, size);
		if (!skip_rest(r, &r->content, &why) || !skip_rest(r, &r->padding, &why))
			return why;
		r->state = RECORDS_HEAD;
	}
}

ssize_t records_body(struct records *r, unsigned id, void *buf, size_t size, int wait_ms)
{
	int64_t until = wait_ms > 0 ? clock_mono_ms() + wait_ms : 0;

	for (;;) {
		ssize_t n = body_now(r, id, buf, size);
		if (n != -1 || wait_ms <= 0)
			return n;
		if (!records_wait(r->fd, wait_ms))
			return -1;
		/* Bytes may have come without body bytes among them: wait on, but not longer than
		 * asked. */
		int64_t left = until - clock_mono_ms();
		wait_ms = left > 0 ? (int)left : 0;
	}
}
