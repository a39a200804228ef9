/*
 * What the files of /chunks share.
 */
#ifndef SLIPWAY_VIEWS_CHUNKS_H
#define SLIPWAY_VIEWS_CHUNKS_H

#include "views/chunk_dialect.h"
#include "views/ctx.h"

/* ---- chunks_request.c */

/* Is PATH one of ours?  Then its errors are, before a row of the route table is found. */
bool chunks_owns_path(const char *path);

/* A call as the dialects see it; PATH_NAME of PUT /chunks/<name> points into the call. */
struct chunk_request chunks_request(const struct call *);
/* What /chunks/… says behind the dialect: "" = nothing; borrowed. */
const char *chunks_tail(const struct call *);
/* ERR with what chunk_read found wrong. */
enum err chunks_refuse(struct call *, enum err err, const struct chunk *);

/* ---- chunks_receive.c */

/* What a request brought. */
struct chunks_result {
	enum chunk_dialect dialect;
	enum chunk_kind kind;
	char (*ids)[33]; /* the uploads, N of them; owned */
	size_t n;
	int64_t upto; /* Content-Range: tell of no byte from here on; -1 = of all */
};
void chunks_result_done(struct chunks_result *);

/*
 * POST, PUT, PATCH with bytes, or FilePond's wish for an id.  After an error nothing is left but
 * what came of a piece that was cut. Owns: caller calls chunks_result_done on success.
 */
enum err chunks_receive(struct call *, struct chunks_result *ret);

/* ---- chunks_answer.c */

/* How an upload stands, in the form its dialect reads. */
enum err chunks_answer(struct call *, const struct chunks_result *);
/* JSON, or the same as text for clients that cannot take it.  Takes MODEL. */
void chunks_answer_model(struct call *, int status, json_object *model);

/* The error style of these routes. */
void chunks_print_error(struct call *, enum err err, const json_object *details);

#endif
