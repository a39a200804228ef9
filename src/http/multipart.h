/*
 * A streaming multipart/form-data parser: consumes bytes, answers events; neither reads nor
 * allocates per byte.
 * Source: RFC 7578, RFC 2046; security.md 8.
 */
#ifndef SLIPWAY_HTTP_MULTIPART_H
#define SLIPWAY_HTTP_MULTIPART_H

#include <stddef.h>
#include "base/config.h"

enum multipart_event {
	MULTIPART_MORE, /* give more bytes */
	MULTIPART_PART, /* a part begins: see multipart_part */
	MULTIPART_DATA, /* bytes of the part */
	MULTIPART_PART_END,
	/* closing delimiter seen (the epilogue is checked until the input ends) */
	MULTIPART_END,
	MULTIPART_BAD,	 /* malformed: 400 */
	MULTIPART_LARGE, /* over a limit: 413; multipart_limit names it */
};

struct multipart_part {
	const char *name;     /* UTF-8; all three borrowed until the next part's head */
	const char *filename; /* NULL = a field; "" = a file input left empty */
	const char *type;     /* Content-Type, NULL = none */
};

struct multipart;
/* BOUNDARY without dashes, 1..200 bytes. */
struct multipart *multipart_new(const char *boundary, const struct config *limits);
void multipart_free(struct multipart *);
/*
 * Consume from [*P, END): advances *P; for MULTIPART_DATA, DATA and DATA_LEN point into the
 * caller's bytes or the parser's.
 */
enum multipart_event multipart_next(struct multipart *, const char **p, const char *end,
				    const char **data, size_t *data_len);
const struct multipart_part *multipart_part(const struct multipart *);
/* The limit of MULTIPART_LARGE, or what is wrong after MULTIPART_BAD, for the log.  Static. */
const char *multipart_limit(const struct multipart *);
/* The problem's code of either: that of a limit, "part.encoded", else "bad_body".  Static. */
const char *multipart_code(const struct multipart *);
/* closing delimiter seen, nothing wrong after it */
bool multipart_done(const struct multipart *);

#endif
