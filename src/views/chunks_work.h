/*
 * One request of /chunks on its way from parser to engine.  Private to views/chunks_*.
 */
#ifndef SLIPWAY_VIEWS_CHUNKS_WORK_H
#define SLIPWAY_VIEWS_CHUNKS_WORK_H

#include "views/chunks.h"

/* A file part that waits for the fields behind it. */
struct chunks_part {
	struct spool *spool;
	char *field, *name, *type;
	int64_t size;
};

/* One request. */
struct chunks_work {
	struct call *call;
	struct chunk_request request;
	struct chunk chunk;    /* what the request means, by what is known so far */
	struct upload *upload; /* open for the bytes of a piece */
	bool created;	       /* by this request */
	struct chunks_part *parts;
	size_t n;
};

/* ---- chunks_target.c */

/* Open or create the upload that the piece belongs to; TYPE is its media type, NULL = not told. */
enum err work_open(struct chunks_work *, const char *type);
/* BODY goes where the chunk says. */
enum err work_put(struct chunks_work *, struct body *, const char *type);
/*
 * A piece of somebody without login and cookie, by a name that his neighbours may use, too?  Such a
 * piece is stored as a whole, and only where no other bytes are.
 */
bool work_is_guest(const struct call *, const struct chunk *);
enum err work_put_guest(struct chunks_work *, struct spool *, const char *type);
/* After ERR: an upload that this request began with nothing to keep goes again. */
void work_abandon(struct chunks_work *, enum err err);
/* The request's upload is this one. */
void work_result(struct chunks_result *, const char *id);

/* ---- chunks_form.c */

/* A multipart body. */
enum err work_form(struct chunks_work *, struct chunks_result *);
void work_parts_free(struct chunks_work *);

/* ---- chunks_body.c */

/* A body that is the bytes. */
enum err work_body(struct chunks_work *, struct chunks_result *);

#endif
