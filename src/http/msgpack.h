/*
 * MessagePack: a cursor over the sender's bytes, and a printer of json-c models.
 *
 * The cursor is ours and copies nothing.  libmsgpack-c, which prints, would make a tree of 24 bytes
 * an item and reserve an array by its announced length before it has seen an item: five bytes could
 * ask for 96 GiB.
 * Source: the MessagePack specification; contracts/transports.md 5.
 */
#ifndef SLIPWAY_HTTP_MSGPACK_H
#define SLIPWAY_HTTP_MSGPACK_H

#include <stdbool.h>
#include "base/json.h"

#define MSGPACK_DEPTH 16   /* arrays and maps open at once */
#define MSGPACK_KEYS  1000 /* of all maps of a message together */

enum msgpack_type {
	MSGPACK_NIL,
	MSGPACK_BOOL,  /* number: 0 or 1 */
	MSGPACK_INT,   /* number; what is over int64 is INT64_MAX and BIG */
	MSGPACK_FLOAT, /* real */
	MSGPACK_STR,   /* bytes, len */
	MSGPACK_BIN,   /* bytes, len */
	MSGPACK_ARRAY, /* count items follow */
	MSGPACK_MAP,   /* count keys follow, each with its value */
	MSGPACK__MAX
};

struct msgpack_value {
	enum msgpack_type type;
	int64_t number;
	bool big; /* INT: more than int64 holds */
	double real;
	const char *bytes; /* borrowed from the input */
	size_t len;	   /* bytes */
	uint32_t count;
};

struct msgpack_reader {
	const unsigned char *at, *end;
};

/*
 * The value at READER->at, which moves behind it; of an array or map only the head is taken.
 * False: cut, ext, or 0xc1; the reader stays where it was.
 */
bool msgpack_next(struct msgpack_reader *reader, struct msgpack_value *ret);

/*
 * Check that BYTES begin with one whole value: text is UTF-8, keys are text and none stands twice
 * in a map, within MSGPACK_DEPTH and MSGPACK_KEYS.  *RET_USED: its length; what follows is not
 * looked at.
 * Errors: ERR_BAD_REQUEST.
 */
enum err msgpack_check(const void *bytes, size_t len, size_t *ret_used);

/* Move behind the value at READER->at, which msgpack_check has seen. */
void msgpack_skip(struct msgpack_reader *reader);

/* MODEL as MessagePack in the shortest forms, members in their order.  Owns: caller frees. */
char *msgpack_print(const json_object *model, size_t *ret_len);

#endif
