/*
 * Rows on their way from a request or a file to a table: one at a time, whatever they came in.
 * Source: contracts/signed-api.md 3.1, 3.3.
 */
#ifndef SLIPWAY_SIGNED_ROWS_H
#define SLIPWAY_SIGNED_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include "signed/refusal.h"

enum value_kind {
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_INTEGER, /* fits int64: number and text */
	VALUE_NUMBER,  /* any other number: text as it stood in the source */
	VALUE_TEXT,
	VALUE_JSON, /* an array or object: its source text */
};

struct value {
	enum value_kind kind;
	const char *text; /* LEN bytes of UTF-8, not ended by NUL; NULL for NULL, FALSE, TRUE */
	size_t len;
	int64_t number; /* INTEGER only */
};

struct row {
	int64_t number;		   /* from 1, a header is not counted */
	size_t n;		   /* cells */
	const struct value *cells; /* borrowed until the next row */
	const struct value *names; /* VALUE_TEXT, one a cell; NULL: by position */
};

enum rows_state { ROWS_MORE, ROWS_OVER, ROWS_WRONG /* the refusal says why */ };

/* Where rows come from.  A source can be read again from its beginning. */
struct row_source {
	enum rows_state (*next)(void *arg, struct row *ret, struct refusal *);
	bool (*rewind)(void *arg);
	void *arg;
};

#endif
