/*
 * Received byte ranges of one upload: sorted, apart from each other.  Knows offsets, not files.
 */
#ifndef SLIPWAY_UPLOAD_RANGES_H
#define SLIPWAY_UPLOAD_RANGES_H

#include "base/json.h"

struct range {
	int64_t first; /* offset of its first byte */
	int64_t end;   /* offset behind its last byte, > first */
};

/* Starts as {0}. */
struct ranges {
	struct range *v; /* owned */
	size_t n;
};
void ranges_done(struct ranges *);

/* Bytes [FIRST, END) have arrived; touching and overlapping ranges become one.  END > FIRST >= 0.
 */
void ranges_add(struct ranges *, int64_t first, int64_t end);
/* Bytes [FIRST, END) are not to be relied on any more. */
void ranges_remove(struct ranges *, int64_t first, int64_t end);
/* Is all of [FIRST, END) there?  An empty range is. */
bool ranges_cover(const struct ranges *, int64_t first, int64_t end);
int64_t ranges_prefix(const struct ranges *); /* bytes from 0 without a gap */
int64_t ranges_sum(const struct ranges *);    /* bytes in all */
int64_t ranges_end(const struct ranges *);    /* behind the last byte */

/* As [first, end, first, end, …].  Owns: caller frees. */
json_object *ranges_json(const struct ranges *);
/* Replace SET by that; false, and SET empty, when ARRAY is no such list.  NULL is the empty list.
 */
bool ranges_read(struct ranges *, const json_object *array);

#endif
