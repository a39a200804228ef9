#include "upload/pour.h"

#include "base/clock.h"

#define FLUSH_MS 1000 /* bytes of a slow client wait at most this long in memory */

static bool pour_flush(struct pour *p)
{
	if (p->len > 0 && p->run != NULL)
		digest_feed(p->run, p->buf, p->len);
	if (p->len > 0)
		p->err = p->sink(p->u, p->buf, p->len, p->error);
	p->len = 0;
	p->flushed = clock_mono_ms();
	return p->err == ERR_OK;
}

static bool pour_stopped(struct pour *p)
{
	if (engine_stopping())
		p->err = error_set(p->error, ERR_STOPPING, "stopping");
	else if (lock_wanted(p->u))
		p->err = error_set(p->error, ERR_DISPLACED, "upload %.8s: a newer request goes on",
				   p->u->id);
	return p->err != ERR_OK;
}

enum end pour(struct pour *p)
{
	int64_t heard = clock_mono_ms(), idle = p->u->engine->config->upload_body_idle_s * 1000;
	enum end end = END_FULL;

	p->flushed = heard;
	while (p->got < p->limit) {
		size_t want = POUR_BYTES - p->len;
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
		if ((p->len == POUR_BYTES || now - p->flushed >= FLUSH_MS) && !pour_flush(p))
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

enum err pour_judge(struct pour *p, enum end end)
{
	const struct upload *u = p->u;

	switch (end) {
	case END_FAILED:
	case END_STOPPED:
		return p->err;
	case END_FULL:
		if (p->body->length >= 0 || !more_comes(p))
			return ERR_OK;
		return error_set(p->error, p->full, "upload %.8s: more bytes than may come", u->id);
	case END_EOF:
		if (p->body->length < 0)
			return ERR_OK;
		return error_set(p->error, ERR_CUT, "%lld of %lld bytes came", (long long)p->got,
				 (long long)p->body->length);
	case END_LOST:
		/* A declared length tells its end without the client's help. */
		if (p->ends_whole && p->body->length < 0 && p->run == NULL && u->mode->whole(u))
			return ERR_OK;
		return error_set(p->error, ERR_CUT, "the connection was cut after %lld bytes",
				 (long long)p->got);
	}
	return ERR_INTERNAL;
}
