/*
 * Bytes that a parser of a multipart body hands over piece by piece.
 */
#include "upload/engine.h"

/* Does what comes have no effect: complete, or being put together? */
static bool is_past(const struct upload *u)
{
	return u->mode->shared && (u->state == UPLOAD_COMPLETE || u->lockless);
}

static enum err push_bytes(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	int64_t most = u->engine->config->upload_max_request;

	u->pushed += (int64_t)n;
	if (most > 0 && u->pushed > most)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_request");
	switch (u->pushing) {
	case PUSH_RANGE:
		return range_put(u, bytes, n, error);
	case PUSH_PART:
		return part_put(u, bytes, n, error);
	case PUSH_NONE:
		break;
	}
	return u->mode == mode_of(UPLOAD_APPEND)
		   ? receive(u, bytes, n, error)
		   : error_set(error, ERR_FINAL, "upload %.8s is not appended to", u->id);
}

enum err upload_push(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	enum err e = ERR_OK;

	if (u->refused != ERR_OK)
		return error_set(error, u->refused, "upload %.8s was refused before", u->id);
	if (is_past(u))
		return ERR_OK;
	if (u->want == UPLOAD_WANT_STATUS || u->want == UPLOAD_WANT_REMOVE ||
	    u->state >= UPLOAD_COMPLETE)
		e = error_set(error, ERR_FINAL, "upload %.8s is not appended to", u->id);
	else if (engine_stopping())
		e = error_set(error, ERR_STOPPING, "stopping");
	else if (lock_wanted(u))
		e = error_set(error, ERR_DISPLACED, "upload %.8s: a newer request goes on", u->id);
	else
		e = push_bytes(u, bytes, n, error);
	u->refused = e;
	return e;
}

/* The end of a push into a range or a part. */
static enum err push_end_placed(struct upload *u, struct error *error)
{
	enum push pushing = u->pushing;
	enum err e = ERR_OK, refused = u->refused;

	u->pushing = PUSH_NONE;
	u->refused = ERR_OK;
	if (is_past(u))
		return ERR_OK;
	if (pushing == PUSH_RANGE)
		e = range_end(u, refused == ERR_OK, error);
	else if (refused == ERR_OK)
		e = part_end(u, error);
	aside_drop(u);
	if (e != ERR_OK || u->state == UPLOAD_COMPLETE || refused == ERR_OK)
		return e;
	return error_set(error, refused, "upload %.8s was refused before", u->id);
}

enum err upload_push_end(struct upload *u, bool complete, struct error *error)
{
	enum err e = ERR_OK;

	if (u->pushing != PUSH_NONE)
		return push_end_placed(u, error);
	if (u->state >= UPLOAD_COMPLETE)
		return u->state == UPLOAD_COMPLETE ? ERR_OK
						   : error_set(error, ERR_FINAL, "upload is gone");
	/* Nobody is told of a pending upload before its commit, which flushes it. */
	if (!u->pending)
		e = receive_end(u, error);
	if (u->refused != ERR_OK)
		return error_set(error, u->refused, "upload %.8s was refused before", u->id);
	if (e == ERR_OK && (complete || (!u->pending && upload_ends(u))))
		e = upload_finish(u, error);
	return e;
}
