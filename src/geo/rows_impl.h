/*
 * Inside of rows: what each kind of table brings.
 */
#ifndef SLIPWAY_GEO_ROWS_IMPL_H
#define SLIPWAY_GEO_ROWS_IMPL_H

#include "geo/rows.h"

struct rows_kind {
	enum rows_result (*next)(struct rows *, const struct cell **, size_t *);
	int64_t (*row)(const struct rows *);
	int64_t (*line)(const struct rows *);
	int64_t (*estimate)(const struct rows *);
	void (*free)(struct rows *);
};

struct rows {
	const struct rows_kind *kind;
	struct job *job;
	const struct source *src;
	bool bad_text;
};

/* Length of the longest valid UTF-8 prefix of S. */
size_t rows_utf8_valid(const char *s, size_t len);

#endif
