/*
 * One body appended to an upload (transports.md 1.5, 1.9).
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define BUFFER   (256 * KIB)
#define FLUSH_MS 1000 /* bytes of a slow client wait at most this long in memory */
/* A checksummed body up to this is verified before it is appended. */
#define CHECKED_BYTES (8 * MIB)

enum end {
	END_FULL,    /* as many bytes as may come */
	END_EOF,     /* the input ended */
	END_LOST,    /* connection lost, or silent for upload.body_idle */
	END_STOPPED, /* displaced, or the process ends: pour.err says which */
	END_FAILED,  /* a write failed: pour.err */
};

/* A body on its way. */
struct pour {
	struct upload *u;
	struct body *body;
	int to;                 /* -1: the upload itself; else a file of its own */
	int64_t limit, got;     /* bytes */
	struct digest_run *run; /* of this body; NULL = nobody asked */
	unsigned char *buf;
	size_t len;      /* bytes in it */
	int64_t flushed; /* monotonic ms */
	enum err err;
	struct error *error;
};

static bool pour_flush(struct pour *p)
{
	if (p->len > 0 && p->run != NULL)
		digest_feed(p->run, p->buf, p->len);
	if (p->len > 0)
		p->err = p->to < 0 ? receive(p->u, p->buf, p->len, p->error)
				   : fs_write_all(p->to, p->buf, p->len, p->error);
	p->len = 0;
	p->flushed = clock_mono_ms();
	return p->err == ERR_OK;
}

static bool pour_stopped(struct pour *p)
{
	if (engine_stopping())
		p->err = error_set(p->error, ERR_STOPPING, "stopping");
	else if (lock_wanted(p->u))
		p->err = error_set(
		    p->error, ERR_DISPLACED, "upload %.8s: a newer request goes on", p->u->id);
	return p->err != ERR_OK;
}

/*
 * Until LIMIT, the end of the input or something worse; what was read is written except after
 * END_FAILED.
 */
static enum end pour(struct pour *p)
{
	int64_t heard = clock_mono_ms(), idle = p->u->engine->config->upload_body_idle_s * 1000;
	enum end end = END_FULL;

	p->flushed = heard;
	while (p->got < p->limit) {
		size_t want = BUFFER - p->len;
		int64_t now;
		ssize_t n;

		if ((int64_t)want > p->limit - p->got)
			want = (size_t)(p->limit - p->got);
		n = p->body->read(p->body->arg, p->buf + p->len, want, POLL_MS);
		now = clock_mono_ms();
		if (n > 0) {
			heard = now;
			p->len += (size_t)n;
			p->got += n;
		} else if (n == 0 || n == -2 || now - heard >= idle) {
			end = n == 0 ? END_EOF : END_LOST;
			break;
		}
		if ((p->len == BUFFER || now - p->flushed >= FLUSH_MS) && !pour_flush(p))
			return END_FAILED;
		/* A body that is whole needs no excuse. */
		if (p->got < p->limit && pour_stopped(p)) {
			end = END_STOPPED;
			break;
		}
	}
	if (end == END_STOPPED) {
		enum err why = p->err;

		if (!pour_flush(p))
			return END_FAILED;
		p->err = why;
		return end;
	}
	return pour_flush(p) ? end : END_FAILED;
}

/* Without CONTENT_LENGTH: does the input go on past what may come? */
static bool more_comes(struct pour *p)
{
	int64_t until = clock_mono_ms() + p->u->engine->config->upload_body_idle_s * 1000;
	ssize_t n;

	do {
		n = p->body->read(p->body->arg, p->buf, 1, POLL_MS);
	} while (n == -1 && clock_mono_ms() < until && !engine_stopping() && !lock_wanted(p->u));
	return n > 0;
}

/* How it ended: ERR_OK when the body was whole. */
static enum err judge(struct pour *p, enum end end)
{
	const struct upload *u = p->u;
	enum err full;

	switch (end) {
	case END_FAILED:
	case END_STOPPED:
		return p->err;
	case END_FULL:
		if (p->body->length >= 0 || !more_comes(p))
			return ERR_OK;
		(void)receive_room(u, &full);
		if (p->limit == u->engine->config->upload_max_request)
			full = ERR_TOO_LARGE;
		return error_set(p->error, full, "upload %.8s: more bytes than may come", u->id);
	case END_EOF:
		if (p->body->length < 0)
			return ERR_OK;
		return error_set(p->error, ERR_CUT, "%lld of %lld bytes came", (long long)p->got,
		    (long long)p->body->length);
	case END_LOST:
		/* A declared length tells its end without the client's help. */
		if (p->to < 0 && p->body->length < 0 && p->run == NULL && u->mode->whole(u))
			return ERR_OK;
		return error_set(p->error, ERR_CUT, "the connection was cut after %lld bytes",
		    (long long)p->got);
	}
	return ERR_INTERNAL;
}

/* Compare without telling by the time taken where the difference is.  Ends the run. */
static bool digest_is(struct digest_run **run, const struct checksum *want)
{
	unsigned char got[64] = {0}, differ = 0;

	digest_end(*run, got);
	*run = NULL;
	for (size_t i = 0; i < digest_size(want->algorithm); i++)
		differ |= (unsigned char)(got[i] ^ want->value[i]);
	return differ == 0;
}

static enum err checked(struct pour *p, enum err e, const struct checksum *want)
{
	if (e == ERR_OK && !digest_is(&p->run, want))
		e = error_set(
		    p->error, ERR_CHECKSUM, "upload %.8s: the body's checksum differs", p->u->id);
	return e;
}

static enum err append_plain(struct pour *p)
{
	enum err e = judge(p, pour(p));
	enum err kept = receive_end(p->u, e == ERR_OK ? p->error : NULL);

	/* What was not made durable counts for more than why the body ended. */
	return kept != ERR_OK ? kept : e;
}

/*
 * A checksummed body into a file of its own first: the upload never holds a byte that was not
 * verified.
 */
static enum err append_aside(struct pour *p, const struct checksum *want)
{
	struct upload *u = p->u;
	char name[64], random[17];
	enum err e;
	ssize_t n;

	token_hex(random, 16);
	(void)snprintf(name, sizeof(name), "in.%ld.%s", (long)getpid(), random);
	e = upload_mark(u, true, p->error); /* a mark makes the next opener look for such files */
	if (e != ERR_OK)
		return e;
	p->to = openat(u->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->to < 0)
		return error_errno(p->error, ERR_IO, "make a body's file");
	e = checked(p, judge(p, pour(p)), want);
	for (off_t at = 0; e == ERR_OK && (n = pread(p->to, p->buf, BUFFER, at)) != 0; at += n)
		e = n < 0 ? error_errno(p->error, ERR_IO, "read a body back")
			  : receive(u, p->buf, (size_t)n, p->error);
	(void)close(p->to);
	p->to = -1;
	(void)unlinkat(u->dir, name, 0);
	if (e != ERR_OK && receive_cut(u, u->durable, NULL) != ERR_OK)
		return e;
	return e == ERR_OK ? receive_end(u, p->error) : e;
}

/*
 * A checksummed body too long for that: written past the offset, which the record remembers
 * meanwhile, and cut back when it was not what it should be.
 */
static enum err append_tentative(struct pour *p, const struct checksum *want)
{
	struct upload *u = p->u;
	int64_t before = u->offset;
	enum err e = ERR_OK, undone;

	if (!u->pending) {
		(void)json_set_int(u->record, "tentative", before);
		e = upload_store(u, engine_kind(u->engine), "upload tentative", p->error);
	}
	if (e == ERR_OK)
		e = checked(p, judge(p, pour(p)), want);
	if (e == ERR_OK)
		e = receive_end(u, p->error);
	undone = e == ERR_OK || u->offset == before ? ERR_OK : receive_cut(u, before, NULL);
	(void)json_set_int(u->record, "tentative", -1);
	/* Completion stores the record anyhow. */
	if (u->pending || undone != ERR_OK || (e == ERR_OK && u->mode->whole(u)))
		return e;
	undone = upload_store(
	    u, engine_kind(u->engine), "upload verified", e == ERR_OK ? p->error : NULL);
	if (undone != ERR_OK && e == ERR_OK) {
		/* The store may still call it tentative: then it must be gone. */
		(void)receive_cut(u, before, NULL);
		e = undone;
	}
	return e;
}

static enum err check(
    struct upload *u, int64_t offset, const struct body *body, bool finish, struct error *error)
{
	const struct config *c = u->engine->config;
	bool bytes = body->length > 0 || (body->length < 0 && body->chunked);
	int64_t room;
	enum err full;

	if (u->mode != mode_of(UPLOAD_APPEND) || u->want != UPLOAD_WANT_WRITE ||
	    u->state == UPLOAD_EXPIRED)
		return error_set(error, ERR_FINAL, "upload %.8s is not appended to", u->id);
	if (offset != u->offset)
		return error_set(error, ERR_OFFSET, "upload %.8s: offset %lld, not %lld", u->id,
		    (long long)u->offset, (long long)offset);
	if (c->upload_max_request > 0 && body->length > c->upload_max_request)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_request");
	room = u->state == UPLOAD_COMPLETE ? 0 : receive_room(u, &full);
	if (u->state == UPLOAD_COMPLETE)
		full = ERR_EXCEEDED;
	if (body->length > room || (u->state == UPLOAD_COMPLETE && bytes))
		return error_set(error, full, "upload %.8s: %lld bytes more than may come", u->id,
		    (long long)(body->length - room));
	if (finish && u->length < 0 && body->length < 0 && body->chunked)
		return error_set(error, ERR_NEED_LENGTH, "the end of the body cannot be known");
	if (!bytes || u->state == UPLOAD_COMPLETE)
		return ERR_OK;
	return admit_space(u->engine, u->length < 0 && body->length > 0 ? body->length : 0,
	    u->mode->copies, u->room.promised, error);
}

static enum err append_body(
    struct upload *u, struct body *body, const struct checksum *sum, struct error *error)
{
	CLEAN_FREE unsigned char *buf = mem_array(1, BUFFER);
	int64_t request = u->engine->config->upload_max_request;
	enum err full, e;
	struct pour p = {.u = u,
	    .body = body,
	    .to = -1,
	    .buf = buf,
	    .error = error,
	    .limit = body->length >= 0 ? body->length : receive_room(u, &full)};

	if (request > 0 && p.limit > request)
		p.limit = request;
	if (sum == NULL)
		return append_plain(&p);
	p.run = digest_new(sum->algorithm);
	e = body->length >= 0 && body->length <= CHECKED_BYTES && !u->pending
	    ? append_aside(&p, sum)
	    : append_tentative(&p, sum);
	digest_free(p.run);
	return e;
}

enum err upload_append(struct upload *u, int64_t offset, struct body *body,
    const struct checksum *sum, bool finish, int64_t *ret_offset, struct error *error)
{
	enum err e = check(u, offset, body, finish, error), done = ERR_OK;
	bool bytes = body->length > 0 || (body->length < 0 && body->chunked);

	if (e != ERR_OK || u->state == UPLOAD_COMPLETE) {
		*ret_offset = u->offset;
		return e;
	}
	if (bytes)
		e = append_body(u, body, sum, error);
	else if (sum != NULL) {
		struct digest_run *run = digest_new(sum->algorithm);

		if (!digest_is(&run, sum))
			e = error_set(
			    error, ERR_CHECKSUM, "upload %.8s: the body's checksum differs", u->id);
	}
	/*
	 * All bytes are there, whatever came behind them; or the client says that these were all.
	 */
	if (e == ERR_EXCEEDED && u->mode->whole(u))
		done = upload_finish(u, NULL);
	else if (e == ERR_OK && (finish || u->mode->whole(u)))
		done = upload_finish(u, error);
	*ret_offset = u->offset;
	return e == ERR_OK ? done : e;
}
