/*
 * Shapes of JSON that comes from a process nobody trusts: tables say what may be there; the rest is
 * dropped, what does not fit is an error.
 */
#ifndef SLIPWAY_WIZARD_SHAPE_H
#define SLIPWAY_WIZARD_SHAPE_H

#include "base/json.h"

enum shape_type {
	SHAPE_INT,    /* min..max */
	SHAPE_NUMBER, /* finite; any int too */
	SHAPE_BOOL,
	SHAPE_TEXT,    /* at most max bytes */
	SHAPE_WORD,    /* one of words ("a|b|c") */
	SHAPE_KEY,     /* a-z 0-9 _ . only, at most max bytes, not empty */
	SHAPE_SCALAR,  /* number, or text of at most max bytes */
	SHAPE_CELL,    /* text of at most max bytes, number, boolean */
	SHAPE_OBJECT,  /* sub */
	SHAPE_LIST,    /* of objects: sub; at most max items */
	SHAPE_TEXTS,   /* of texts of at most 4096 bytes; at most max items */
	SHAPE_NUMBERS, /* exactly max finite numbers */
	SHAPE_CELLS,   /* list of at most max cells (text of at most 4096 bytes, number, boolean,
	                  null) */
	SHAPE_ROWS,    /* list of at most max such lists */
	SHAPE_MAP,     /* any keys (at most max, 1024 bytes each) to texts of at most 4096 bytes or
	                  numbers */
	SHAPE_MAP_OBJECT, /* any keys to objects: sub */
};

struct shape {
	const char *name; /* NULL ends the table */
	enum shape_type type;
	bool required; /* else it may be missing or null */
	int64_t min, max;
	const char *words;
	const struct shape *sub;
};

/*
 * Check O against the table and drop members that it does not name.
 * Errors: ERR_BAD_REQUEST with the member in ERROR.
 */
enum err shape_check(json_object *o, const struct shape *, struct error *);

#endif
