/*
 * A file in a request's body as SuperMap's clients send it: the one file of a multipart form, or
 * the raw body.  Streamed in pieces of at most 64 KiB; knows nothing of uploads.
 * Source: contracts/uploadtasks.md 6.1, 6.2.
 */
#ifndef SLIPWAY_VIEWS_FILE_BODY_H
#define SLIPWAY_VIEWS_FILE_BODY_H

#include "views/ctx.h"

/* Where its bytes go.  Any error ends the reading with that error. */
struct file_sink {
	/*
	 * The file begins: BODY has the fields in front of it and its filename.  What is refused
	 * here has touched nothing.
	 */
	enum err (*begin)(void *arg, struct error *);
	enum err (*data)(void *arg, const void *bytes, size_t n, struct error *);
	/* No byte for half a second: is it still wanted? */
	enum err (*idle)(void *arg, struct error *);
	void *arg;
	bool sized; /* the file's length is known: a raw body may come in chunks */
};

struct file_body {
	struct pairs fields; /* text fields of the form, in order */
	char *filename;	     /* as sent, UTF-8; NULL = none */
	bool begun;	     /* sink.begin was called */
};

/*
 * Read the whole body.  With ERR_OK it was whole: its declared length, its closing delimiter, or
 * (raw and chunked) the end of input, of which only the file's own length can tell whether it is
 * the right one.
 * Owns:   caller calls file_body_done, also after an error.
 * Errors: ERR_BAD_REQUEST (no file, two files, bad form); ERR_CUT: what came is in the sink;
 *         ERR_NEED_LENGTH; ERR_TOO_LARGE (a text field); ERR_STOPPING; the sink's.
 */
enum err file_body_read(struct call *, const struct file_sink *, struct file_body *,
			struct error *);
void file_body_done(struct file_body *);

/* A parameter of the request: query, else text field; NULL: absent or empty.  Borrowed. */
const char *file_body_param(const struct call *, const struct file_body *, const char *name);

#endif
