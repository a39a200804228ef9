/*
 * Bytes that a parser of a multipart body hands over piece by piece.
 */
#include "upload/engine.h"

enum err upload_push(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	enum err e = ERR_OK;

	if (u->refused != ERR_OK)
		return error_set(error, u->refused, "upload %.8s was refused before", u->id);
	if (u->mode != mode_of(UPLOAD_APPEND) || u->want != UPLOAD_WANT_WRITE ||
	    u->state >= UPLOAD_COMPLETE)
		e = error_set(error, ERR_FINAL, "upload %.8s is not appended to", u->id);
	else if (engine_stopping())
		e = error_set(error, ERR_STOPPING, "stopping");
	else if (lock_wanted(u))
		e = error_set(error, ERR_DISPLACED, "upload %.8s: a newer request goes on", u->id);
	else
		e = receive(u, bytes, n, error);
	u->refused = e;
	return e;
}

enum err upload_push_end(struct upload *u, bool complete, struct error *error)
{
	enum err e = ERR_OK;

	if (u->state >= UPLOAD_COMPLETE)
		return u->state == UPLOAD_COMPLETE ? ERR_OK
						   : error_set(error, ERR_FINAL, "upload is gone");
	/* Nobody is told of a pending upload before its commit, which flushes it. */
	if (!u->pending)
		e = receive_end(u, error);
	if (u->refused != ERR_OK)
		return error_set(error, u->refused, "upload %.8s was refused before", u->id);
	if (e == ERR_OK && (complete || (!u->pending && u->mode->whole(u))))
		e = upload_finish(u, error);
	return e;
}
