#include "http/records.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/clock.h"

#define HEAD_BYTES    8U
#define VERSION_1     1U
#define ABORT_REQUEST 2U     /* FCGI_ABORT_REQUEST */
#define STDIN_RECORD  5U     /* FCGI_STDIN */
#define EXPECT_MOST   130U   /* pieces of one read: 64 records of 8 KiB are 512 KiB */
#define GAP_MOST      16U    /* padding and a head between records that are read along */
#define LONG_RECORD   65000U /* lighttpd's have 65,535 bytes, nginx's and Apache's far fewer */
#define NAP_BYTES     (128U * 1024)
#define NAP_NS	      60000
#define GAPS_BYTES    (255U + HEAD_BYTES + EXPECT_MOST / 2 * GAP_MOST)

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

/* Receive into IOV, waiting at most WAIT_MS: bytes, -1 nothing there, -2 lost. */
static ssize_t receive(struct records *r, struct iovec *iov, size_t n_iov, int wait_ms)
{
	/* The socket itself waits: with poll(2) before each read a long body takes a third longer.
	 */
	if (wait_ms > 0 && wait_ms != r->waits_ms) {
		struct timeval t = {wait_ms / 1000, wait_ms % 1000 * 1000};
		(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		r->waits_ms = wait_ms;
	}
	for (;;) {
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = n_iov};
		ssize_t n = recvmsg(r->fd, &m, wait_ms > 0 ? 0 : MSG_DONTWAIT);
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

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* More held bytes, waiting at most WAIT_MS: 1, -1 nothing there, -2 lost. */
static int hold_more(struct records *r, int wait_ms)
{
	if (r->start > 0) {
		memmove(r->held, r->held + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	struct iovec iov = {r->held + r->end, sizeof(r->held) - r->end};
	ssize_t n = receive(r, &iov, 1, wait_ms);
	if (n < 0)
		return (int)n;
	r->end += (size_t)n;
	return 1;
}

/* The head is whole: what follows it. */
static void begin_record(struct records *r)
{
	r->lost = r->head[0] != VERSION_1;
	r->type = r->head[1];
	r->id = (unsigned)r->head[2] << 8 | r->head[3];
	r->content = (size_t)r->head[4] << 8 | r->head[5];
	r->padding = r->head[6];
	if (r->type == STDIN_RECORD && r->content > r->longest)
		r->longest = r->content;
	r->head_got = 0;
	r->state = RECORDS_CONTENT;
}

/* Bytes of content and padding are behind us. */
static void pass(struct records *r, size_t content, size_t padding)
{
	r->content -= content;
	r->padding -= padding;
	if (r->content == 0 && r->padding == 0)
		r->state = RECORDS_HEAD;
}

/* Read the head of the next record: 1 done, -1 not all there, -2 lost. */
static int take_head(struct records *r)
{
	while (r->end - r->start < HEAD_BYTES) {
		int rc = hold_more(r, 0);
		if (rc < 0)
			return rc;
	}
	memcpy(r->head, r->held + r->start, HEAD_BYTES);
	r->start += HEAD_BYTES;
	begin_record(r);
	return r->lost ? -2 : 1;
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
			rc = hold_more(r, 0);
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
	if (r->head_left == 0)
		pass(r, 0, 0);
	return (ssize_t)n;
}

/* ---- the body */

/* Where body bytes go. */
struct room {
	unsigned id; /* of the request */
	unsigned char *to, *end;
};

/* A head's bytes: how many of them were taken. */
static size_t take_head_bytes(struct records *r, const struct room *room, const unsigned char *p,
			      size_t n)
{
	n = least(n, HEAD_BYTES - r->head_got);
	memcpy(r->head + r->head_got, p, n);
	r->head_got += n;
	if (r->head_got < HEAD_BYTES)
		return n;
	begin_record(r);
	if (r->id == room->id && r->type == ABORT_REQUEST)
		r->lost = true;
	/* The end of a body is no end in a record that is not FastCGI. */
	r->ended = !r->lost && r->id == room->id && r->type == STDIN_RECORD && r->content == 0;
	return n;
}

/*
 * The next N bytes of the connection, until there is no room for content: how many were taken.
 * Content that lies already where it belongs is not moved.
 */
static size_t take(struct records *r, struct room *room, const unsigned char *p, size_t n)
{
	size_t at = 0;

	while (at < n && !r->ended && !r->lost) {
		if (r->state == RECORDS_HEAD) {
			at += take_head_bytes(r, room, p + at, n - at);
			if (r->state == RECORDS_CONTENT)
				pass(r, 0, 0);
			continue;
		}
		size_t content = least(n - at, r->content), padding = 0;
		if (content > 0 && r->id == room->id && r->type == STDIN_RECORD) {
			content = least(content, (size_t)(room->end - room->to));
			if (content == 0)
				break;
			if (room->to != p + at)
				memmove(room->to, p + at, content);
			room->to += content;
		}
		if (content == r->content)
			padding = least(n - at - content, r->padding);
		pass(r, content, padding);
		at += content + padding;
	}
	return at;
}

/*
 * Where the next bytes belong, if the records after this one are as long as any before: contents
 * side by side into ROOM, what is between them into GAPS.  A gap counts as room, so that what comes
 * fits however wrong this is.
 */
static size_t expect(const struct records *r, const struct room *room, unsigned char *gaps,
		     struct iovec *iov)
{
	size_t left = (size_t)(room->end - room->to), gap = r->padding + HEAD_BYTES, n = 0;
	unsigned char *to = room->to;

	iov[n++] = (struct iovec){to, least(left, r->content)};
	if (left < r->content)
		return n;
	to += r->content;
	left -= r->content;
	iov[n++] = (struct iovec){gaps, gap};
	while (n + 2 <= EXPECT_MOST && gap <= GAP_MOST && left >= r->longest + gap) {
		gaps += gap;
		iov[n++] = (struct iovec){to, r->longest};
		iov[n++] = (struct iovec){gaps, gap};
		to += r->longest;
		left -= r->longest + gap;
	}
	return n;
}

/* Are this content and the gap behind it those of the record that has begun? */
static bool as_expected(const struct records *r, const struct room *room, const struct iovec *iov)
{
	return r->state == RECORDS_CONTENT && r->type == STDIN_RECORD && r->id == room->id &&
	       r->content == iov[0].iov_len && r->padding + HEAD_BYTES == iov[1].iov_len;
}

/* Lay the LEFT bytes in IOV[0], IOV[1], … side by side, in this order, from where IOV[0] is. */
static unsigned char *close_up(const struct iovec *iov, size_t left)
{
	size_t n = 0, before = 0;

	while (left > before + iov[n].iov_len)
		before += iov[n++].iov_len;
	for (size_t len = left - before;; len = iov[n].iov_len) {
		memmove((unsigned char *)iov->iov_base + before, iov[n].iov_base, len);
		if (n == 0)
			return iov->iov_base;
		before -= iov[--n].iov_len;
	}
}

/*
 * From the connection into ROOM, in large reads, which make a body half as fast again, waiting at
 * most WAIT_MS: 1 something came, -1 nothing there, -2 lost.
 */
static int pour_in(struct records *r, struct room *room, int wait_ms)
{
	unsigned char gaps[GAPS_BYTES];
	struct iovec iov[EXPECT_MOST];

	if (r->state == RECORDS_HEAD || r->type != STDIN_RECORD || r->content == 0)
		return hold_more(r, wait_ms);
	size_t n_iov = expect(r, room, gaps, iov);
	ssize_t n = receive(r, iov, n_iov, wait_ms);
	if (n < 0)
		return (int)n;
	size_t left = (size_t)n;
	for (size_t i = 0; left > 0; i++) {
		size_t len = least(left, iov[i].iov_len);
		if (i > 0 && i % 2 == 0 && !as_expected(r, room, iov + i)) {
			(void)take(r, room, close_up(iov + i, left), left);
			break;
		}
		(void)take(r, room, iov[i].iov_base, len);
		left -= len;
	}
	return 1;
}

/* As records_body, but once something has come there is no more waiting. */
static ssize_t body_now(struct records *r, unsigned id, void *buf, size_t size, int wait_ms)
{
	struct room room = {id, buf, (unsigned char *)buf + size};

	for (;; wait_ms = 0) {
		r->start += take(r, &room, r->held + r->start, r->end - r->start);
		if (room.to > (unsigned char *)buf)
			return room.to - (unsigned char *)buf;
		if (r->ended)
			return 0;
		if (r->lost)
			return -2;
		int rc = pour_in(r, &room, wait_ms);
		if (rc < 0)
			return rc;
	}
}

/*
 * lighttpd hands on 64 KiB at a time, and each time has to wake who waits for them.  A moment later
 * it has handed on two or three: a fifth less time for a long body.
 */
static void gather(const struct records *r, size_t got)
{
	static const struct timespec moment = {.tv_nsec = NAP_NS};

	if (r->settled && r->longest >= LONG_RECORD && got <= NAP_BYTES)
		(void)nanosleep(&moment, NULL);
}

ssize_t records_body(struct records *r, unsigned id, void *buf, size_t size, int wait_ms)
{
	int64_t until = wait_ms > 0 ? clock_mono_ms() + wait_ms : 0;

	for (;;) {
		ssize_t n = body_now(r, id, buf, size, wait_ms);

		if (n > 0 && (size_t)n < size)
			gather(r, (size_t)n);
		if (n != -1 || wait_ms <= 0)
			return n;
		/* Bytes may have come without body bytes among them: wait on, but not longer than
		 * asked. */
		int64_t left = until - clock_mono_ms();
		if (left <= 0)
			return -1;
		wait_ms = (int)left;
	}
}

/* ---- a thread that only reads */

void records_settle(struct records *r)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	cpu_set_t cpus;

	r->settled = true;
	/* Over TCP, or from another name space, there is no process. */
	if (getsockopt(r->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0 &&
	    sched_getaffinity(peer.pid, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1)
		(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}
