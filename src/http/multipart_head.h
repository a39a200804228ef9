/*
 * The head lines of one multipart part.
 * Source: RFC 7578, 4.2-4.8; security.md 8, rows 21-39.
 */
#ifndef SLIPWAY_HTTP_MULTIPART_HEAD_H
#define SLIPWAY_HTTP_MULTIPART_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct multipart_head {
	bool has_disposition;
	bool has_coding;
	char *name;	/* owned, UTF-8 */
	char *filename; /* owned; NULL = a field */
	char *type;	/* owned; NULL = none */
	size_t n_lines;
};

/* Read one line without its end.  NULL when it is right, else what is wrong with it (static). */
const char *multipart_head_line(struct multipart_head *, const char *line, size_t len);
/* Forget the part. */
void multipart_head_reset(struct multipart_head *);

#endif
