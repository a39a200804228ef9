#include "upload/pour.h"

#include <pthread.h>
#include "base/clock.h"
#include "base/mem.h"

#define FLUSH_MS     1000 /* bytes of a slow client wait at most this long in memory */
#define READER_STACK ((size_t)256 * KIB)

struct piece {
	unsigned char *bytes; /* PIECE bytes, or as many as may come */
	size_t len;
	enum end end; /* what the reader met behind it */
};

/* ---- reading */

/* Does somebody want this body to end here?  A body that is whole needs no excuse. */
static bool unwanted(struct pour *p)
{
	return p->got < p->limit && (engine_stopping() || lock_wanted(p->u));
}

/*
 * How much the next piece holds: pieces end where whole pages do, and become smaller towards the
 * end, because nothing is read any more while the last one is written.
 */
static size_t room_of(const struct pour *p)
{
	int64_t left = p->limit - p->got, room = left / 2;

	if (room > (int64_t)p->piece)
		room = (int64_t)p->piece;
	if (room < PIECE_LEAST)
		room = PIECE_LEAST;
	room -= (p->first + p->got + room) % PIECE_LEAST;
	return (size_t)(room < left ? room : left);
}

/* The next piece: full, or what came in FLUSH_MS, or the last one. */
static void fill(struct pour *p, struct piece *piece)
{
	int64_t begun = clock_mono_ms(), heard = begun, now = begun;
	int64_t idle = p->u->engine->config->upload_body_idle_s * 1000;
	size_t room = room_of(p);

	piece->len = 0;
	piece->end = END_NOT_YET;
	while (piece->len < room && (piece->len == 0 || now - begun < FLUSH_MS) && !p->failed) {
		ssize_t n = p->body->read(p->body->arg, piece->bytes + piece->len,
					  room - piece->len, POLL_MS);

		now = clock_mono_ms();
		if (n > 0) {
			heard = now;
			piece->len += (size_t)n;
			p->got += n;
		} else if (n == 0 || n == -2 || now - heard >= idle) {
			piece->end = n == 0 ? END_EOF : END_LOST;
			return;
		}
		if (unwanted(p)) {
			piece->end = END_STOPPED;
			return;
		}
	}
	if (p->got == p->limit)
		piece->end = END_FULL;
}

/* ---- writing */

/* Hand it on: how it goes on. */
static enum end empty(struct pour *p, const struct piece *piece)
{
	if (piece->len > 0 && p->run != NULL)
		digest_feed(p->run, piece->bytes, piece->len);
	if (piece->len > 0)
		p->err = p->sink(p->u, piece->bytes, piece->len, p->error);
	p->failed = p->err != ERR_OK;
	return p->failed ? END_FAILED : piece->end;
}

/* ---- both at once */

/* Two pieces go round: the reader fills them in turn, the writer empties them in turn. */
struct round {
	struct pour *pour;
	struct piece pieces[2];
	unsigned filled, emptied; /* so far */
	pthread_mutex_t mutex;
	pthread_cond_t turned;
};

static void *read_ahead(void *arg)
{
	struct round *r = arg;
	const struct body *body = r->pour->body;
	enum end end = END_NOT_YET;

	if (body->settle != NULL)
		body->settle(body->arg);
	for (unsigned i = 0; end == END_NOT_YET && !r->pour->failed; i++) {
		(void)pthread_mutex_lock(&r->mutex);
		while (r->filled - r->emptied == 2)
			(void)pthread_cond_wait(&r->turned, &r->mutex);
		(void)pthread_mutex_unlock(&r->mutex);
		fill(r->pour, &r->pieces[i % 2]);
		end = r->pieces[i % 2].end;
		(void)pthread_mutex_lock(&r->mutex);
		r->filled++;
		(void)pthread_cond_signal(&r->turned);
		(void)pthread_mutex_unlock(&r->mutex);
	}
	return NULL;
}

static enum end write_behind(struct round *r)
{
	enum end end = END_NOT_YET;

	for (unsigned i = 0; end == END_NOT_YET; i++) {
		(void)pthread_mutex_lock(&r->mutex);
		while (r->filled == i)
			(void)pthread_cond_wait(&r->turned, &r->mutex);
		(void)pthread_mutex_unlock(&r->mutex);
		end = empty(r->pour, &r->pieces[i % 2]);
		(void)pthread_mutex_lock(&r->mutex);
		r->emptied++;
		(void)pthread_cond_signal(&r->turned);
		(void)pthread_mutex_unlock(&r->mutex);
	}
	return end;
}

static bool reader_start(struct round *r, pthread_t *ret)
{
	pthread_attr_t attr;
	int rc;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, READER_STACK);
	rc = pthread_create(ret, &attr, read_ahead, r);
	(void)pthread_attr_destroy(&attr);
	return rc == 0;
}

enum end pour(struct pour *p)
{
	struct round r = {
	    .pour = p, .mutex = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};
	bool two = p->limit > PIECE_LEAST;
	struct pieces *pieces = &p->u->engine->pieces;
	unsigned char *bytes = two ? pieces_take(pieces, &p->piece) : mem_pages((size_t)p->limit);
	enum end end = END_NOT_YET;
	pthread_t reader;

	r.pieces[0].bytes = bytes;
	if (two)
		r.pieces[1].bytes = bytes + p->piece;
	if (two && reader_start(&r, &reader)) {
		end = write_behind(&r);
		(void)pthread_join(reader, NULL);
	}
	while (end == END_NOT_YET) {
		fill(p, &r.pieces[0]);
		end = empty(p, &r.pieces[0]);
	}
	if (two)
		pieces_give(pieces, bytes);
	else
		free(bytes);
	return end;
}

/* ---- the end */

/* Without CONTENT_LENGTH: does the input go on past what may come? */
static bool more_comes(struct pour *p)
{
	int64_t until = clock_mono_ms() + p->u->engine->config->upload_body_idle_s * 1000;
	char byte;
	ssize_t n;

	do {
		n = p->body->read(p->body->arg, &byte, 1, POLL_MS);
	} while (n == -1 && clock_mono_ms() < until && !engine_stopping() && !lock_wanted(p->u));
	return n > 0;
}

enum err pour_judge(struct pour *p, enum end end)
{
	const struct upload *u = p->u;

	switch (end) {
	case END_FAILED:
		return p->err;
	case END_STOPPED:
		return engine_stopping() ? error_set(p->error, ERR_STOPPING, "stopping")
					 : error_set(p->error, ERR_DISPLACED,
						     "upload %.8s: a newer request goes on", u->id);
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
	case END_NOT_YET:
		break;
	}
	return ERR_INTERNAL;
}
