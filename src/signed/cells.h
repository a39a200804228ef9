/*
 * The cells of one row out of JSON text, without a tree: an array's or an object's members.  Text
 * without escapes stays where it is, other text is decoded into one buffer.  Knows rows, not what
 * they stand in. Source: RFC 8259; contracts/signed-api.md 3.1, 3.3.
 */
#ifndef SLIPWAY_SIGNED_CELLS_H
#define SLIPWAY_SIGNED_CELLS_H

#include "signed/rows.h"

#define CELLS_MAX	  2000	    /* of a row: what SQLite takes; PostgreSQL takes fewer */
#define CELLS_NUMBER_MAX  1000	    /* characters of a number */
#define CELLS_NESTED_MAX  (1 << 20) /* bytes of an array or object in a cell */
#define CELLS_NESTED_KEYS 10000	    /* of one object in it */

struct cells {
	const char *text; /* borrowed */
	size_t len, at;
	int depth;    /* levels an array or object in a cell may have */
	bool checked; /* this text went through once: what costs time is not done again */
	size_t n;     /* cells of the row read last */
	struct value *values, *names; /* N each; names of an object only */
	size_t room;
	char *buf; /* decoded text of the row */
	size_t buf_len, buf_room;
	char why[256]; /* of the last failure */
};

void cells_done(struct cells *);

/* The next character that is no white space, '\0' at the end. */
char cells_peek(struct cells *);
/* The same, consumed if it is C. */
bool cells_take(struct cells *, char c);
/*
 * Read the array (or object) that begins at the next character.
 * Owns:   values, names and buffer stand until the next call.
 * Errors: false: WHY says what is wrong.
 */
bool cells_array(struct cells *);
bool cells_object(struct cells *);
/* Two of N names are equal: the index of the second of them, else N. */
size_t cells_twice(const struct value *names, size_t n);

#endif
