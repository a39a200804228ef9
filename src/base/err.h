/*
 * What can go wrong, as one enum, and the place a library puts it.  Libraries fill a struct error;
 * only the edge (front, worker, command line) logs it.
 */
#ifndef SLIPWAY_BASE_ERR_H
#define SLIPWAY_BASE_ERR_H

#include <stdbool.h>

enum err {
	ERR_OK = 0,
	ERR_BAD_REQUEST, /* 400: the caller's input is wrong */
	ERR_AUTH,	 /* 401: who are you? */
	ERR_FORBIDDEN,	 /* 403: known, but not allowed */
	ERR_NOT_FOUND,	 /* 404: unknown, or not yours to know */
	ERR_METHOD,	 /* 405 */
	ERR_FORMAT,	 /* 406: the resource has no such representation */
	ERR_CONFLICT,	 /* 409: state, revision or key differs */
	ERR_GONE,	 /* 410: was there, expired or deleted */
	ERR_NEED_LENGTH, /* 411: the end of the body cannot be known */
	ERR_VERSION,	 /* 412 */
	ERR_TOO_LARGE,	 /* 413: over a named limit */
	ERR_URI_LONG,	 /* 414 */
	ERR_TYPE,	 /* 415: media type */
	ERR_LOCKED,	 /* 423: another request holds the upload */
	ERR_RATE,	 /* 429: too many */
	ERR_HEADERS,	 /* 431: header fields too large */
	ERR_OFFSET,	 /* 409: not the upload's offset */
	ERR_LENGTH,	 /* 400: length, part number or range makes no sense */
	ERR_EXCEEDED,	 /* 413: more bytes than declared */
	ERR_QUOTA,	 /* 413: the owner's quota */
	ERR_NO_SPACE,	 /* 507: disk, inodes or file-system quota */
	ERR_CUT,	 /* 400: the body ended early */
	ERR_DISPLACED,	 /* 400: a newer request took the upload over */
	ERR_INCOMPLETE,	 /* 409: bytes or parts are missing */
	ERR_FINAL,	 /* 403: not to be written */
	ERR_ALGORITHM,	 /* 400: unknown digest algorithm */
	ERR_CHECKSUM,	 /* 400: digest of this body differs */
	ERR_DIGEST,	 /* 400: digest of the whole file differs */
	ERR_METADATA,	 /* 400 */
	ERR_CONCAT,	 /* 400 */
	ERR_STOPPING,	 /* 503: this process ends */
	ERR_BUSY,	 /* 503: try again in a second */
	ERR_SHORT,	 /* 503: no descriptor, memory or process is left just now */
	ERR_STORE,	 /* 503: the store cannot work (recovery failed, DB_CONFIG, too new) */
	ERR_UNAVAILABLE, /* 503: the jail or another part cannot work here */
	ERR_TIMEOUT,	 /* 504 */
	ERR_IO,		 /* 500: the operating system said no */
	ERR_INTERNAL,	 /* 500: our bug */
	ERR__MAX
};

/* An error on its way to the edge.  Start as `= {0}`. */
struct error {
	enum err err;	/* ERR_OK = none */
	char code[48];	/* stable lower-case code for users ("zip_ratio"), or "" */
	char text[256]; /* for the log only: never shown to a client */
};

/*
 * The row of the error table.
 * Owns: static text, nothing to free.  NAME is "ERR_LOCKED"; CODE is the wizard's word ("busy").
 */
const char *err_name(enum err err);
const char *err_code(enum err err);
int err_status(enum err err);
bool err_is_ours(enum err err); /* log level: our fault (true) or the client's */

/*
 * What NUMBER, an errno, means for everybody: no space, nothing may be written, something is short;
 * else OTHERWISE.
 */
enum err err_of_errno(int number, enum err otherwise);

/*
 * Fill ERROR (may be NULL) and return ERR, so that `return error_set(e, ERR_IO, "…")` reads well.
 * The first error stands: a second call on a filled ERROR changes nothing.
 */
enum err error_set(struct error *error, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno's text appended; ERR as err_of_errno has it. */
enum err error_errno(struct error *error, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Give a filled ERROR the user's code. */
enum err error_code(struct error *error, enum err err, const char *code);

#endif
