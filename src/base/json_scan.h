/*
 * The grammar of RFC 8259, checked before json-c sees the text: json-c 0.16 lets through what
 * attackers send (contracts/security.md, A60).  Builds nothing, allocates nothing.
 */
#ifndef SLIPWAY_BASE_JSON_SCAN_H
#define SLIPWAY_BASE_JSON_SCAN_H

#include "base/json.h"

struct json_scan {
	size_t start;	/* of the value: white space before it is skipped */
	size_t end;	/* behind the value and the white space after it */
	size_t members; /* of all objects together, doubles counted */
};

/*
 * Check that TEXT is one JSON value within LIMITS.
 * Errors: ERR_BAD_REQUEST, ERR_TOO_LARGE (bytes, or memory: eight times the bytes allowed).
 */
enum err json_scan(const char *text, size_t len, const struct json_limits *limits,
		   struct json_scan *ret);
/* The same for readers that tell a string's length by other means than a NUL: \u0000 is taken. */
enum err json_scan_bytes(const char *text, size_t len, const struct json_limits *limits,
			 struct json_scan *ret);

#endif
