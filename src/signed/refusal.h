/*
 * What the signed APIs answer when they refuse: a status and a text that are part of their wire
 * format (existing clients compare them), never words for a page. Source:
 * contracts/signed-api.md 3.6.
 */
#ifndef SLIPWAY_SIGNED_REFUSAL_H
#define SLIPWAY_SIGNED_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

enum refuse {
	REFUSE_NOTHING,	    /* no refusal */
	REFUSE_BAD,	    /* 400 "bad request: <what>" */
	REFUSE_AUTH,	    /* 401 "auth failed": one text for every reason */
	REFUSE_FORBIDDEN,   /* 403 "forbidden" */
	REFUSE_UNKNOWN,	    /* 404 "dataset not found" */
	REFUSE_BUSY,	    /* 409 "busy" */
	REFUSE_LARGE,	    /* 413 "too large" */
	REFUSE_RATE,	    /* 429 "too many requests" */
	REFUSE_DATABASE,    /* 500 "database error: <what>": "constraint in row 3" */
	REFUSE_UNREACHABLE, /* 503 "database not reachable" */
	REFUSE_SPACE,	    /* 507 "no space" */
	REFUSE_FILE,	    /* 400 "unsupported file: <what>" (file API) */
	REFUSE_NO_FILE,	    /* 404 "no such file" (file API) */
	REFUSE__MAX
};

struct refusal {
	enum refuse code;
	char
	    what[512]; /* of the client's input: valid UTF-8, no SQL, no library texts; "" = none */
	char reason[256]; /* for the log only */
};

/* The number in the body's "status". */
int refusal_status(enum refuse);
/* The whole text: "bad request: row 2: 3 cells for 2 columns".  Returns BUF. */
const char *refusal_text(const struct refusal *, char *buf, size_t size);
/*
 * Fill R (the first one stands; cut at whole characters) and return false, so that
 * `return refuse(r, REFUSE_BAD, "no ds")` reads well.
 */
bool refuse(struct refusal *r, enum refuse code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
