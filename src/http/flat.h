/*
 * The members of one flat object, as JSON or MessagePack tells it, without a tree: text and bytes
 * stay where they arrived, so a chunk of a file costs its own length and no more.
 * Source: contracts/transports.md 5.
 */
#ifndef SLIPWAY_HTTP_FLAT_H
#define SLIPWAY_HTTP_FLAT_H

#include <stdbool.h>
#include "base/json.h"

#define FLAT_DEPTH   16 /* arrays and objects open at once */
#define FLAT_MEMBERS 64 /* of the object itself */

enum flat_type {
	FLAT_NULL,
	FLAT_BOOL,
	FLAT_INT,   /* number */
	FLAT_FLOAT, /* also an integer over int64 */
	FLAT_TEXT,  /* UTF-8, NUL characters too */
	FLAT_BYTES,
	FLAT_LIST, /* undecoded: see flat_list_bytes */
	FLAT_OBJECT,
	FLAT__MAX
};

struct flat_member {
	const char *name; /* UTF-8, borrowed from the body, no NUL at its end */
	size_t name_len;
	enum flat_type type;
	int64_t number;
	char *p;    /* of TEXT, BYTES and LIST, borrowed from the body */
	size_t len; /* bytes */
};

struct flat {
	struct flat_member v[FLAT_MEMBERS];
	size_t n;
	bool msgpack; /* how a LIST is written */
};

/*
 * Read the LEN bytes of BODY, which are unescaped in place and must stay while RET is used.
 * Errors: ERR_BAD_REQUEST: not one whole object, a key twice at any level, bad UTF-8, over
 * FLAT_DEPTH or
 *         FLAT_MEMBERS; JSON with anything behind the object.  Bytes behind a MessagePack object
 *         are ignored.
 */
enum err flat_json(char *body, size_t len, struct flat *ret);
enum err flat_msgpack(char *body, size_t len, struct flat *ret);
/*
 * As flat_json for who reads what is inside lists and objects himself, keys that stand twice there
 * included.
 */
enum err flat_json_top(char *body, size_t len, struct flat *ret);

/* NULL = not there. */
struct flat_member *flat_find(struct flat *flat, const char *name);

/*
 * A LIST of integers 0..255 becomes BYTES, in place; false: something else is in it, and BODY is
 * spoilt.
 */
bool flat_list_bytes(const struct flat *flat, struct flat_member *m);

#endif
