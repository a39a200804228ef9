/*
 * Reading the small languages inside header fields: escapes, parameters, cookies, addresses.
 */
#ifndef SLIPWAY_HTTP_FIELD_H
#define SLIPWAY_HTTP_FIELD_H

#include "http/request.h"

/* Fill ERROR (may be NULL) with the user's CODE and the log's text, unless an error stands there
 * already. */
enum err field_fail(struct error *error, enum err err, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Undo percent-encoding once; with PLUS, '+' is a space.
 * Owns:   caller frees *RET.
 * Errors: ERR_BAD_REQUEST: broken escape, not UTF-8, NUL.
 */
enum err field_unescape(const char *s, size_t len, bool plus, char **ret);

/* The same for bytes of any kind: false for a broken escape.  *RET has *RET_LEN bytes and a NUL;
 * caller frees. */
bool field_unescape_bytes(const char *s, size_t len, bool plus, char **ret, size_t *ret_len);

/*
 * The next parameter of "type; name=value; name=\"value\"" at *P, which stands behind the type or
 * the last one. Names become lower case; in quotes a backslash quotes '"' and '\' only, as browsers
 * write Windows paths. Returns 1 found, 0 none left, -1 malformed. Owns: caller frees *RET_NAME and
 * *RET_VALUE.
 */
int field_param(const char **p, char **ret_name, char **ret_value);

/* The media type at the head of VALUE in lower case; caller frees.  *RET_REST stands behind it. */
char *field_type(const char *value, const char **ret_rest);

/*
 * The boundary of a multipart Content-Type: 1..MAX bytes.
 * Owns:   caller frees *RET.
 * Errors: ERR_BAD_REQUEST: none, two, too long, or bytes that no boundary has.
 */
enum err field_boundary(const char *content_type, size_t max, char **ret, struct error *error);

/* A Cookie header into pairs.  ERR_BAD_REQUEST over the limits. */
enum err cookies_parse(struct pairs *, const char *header, const struct config *,
		       struct error *error);

/* The client's address and scheme as the wire and trusted proxies tell them. */
void address_find(struct wire *, const struct config *, char out[64], bool *ret_https);

/*
 * Is ADDRESS (as address_find writes it) RANGE, or in it: "192.0.2.1", "192.0.2.0/24",
 * "2001:db8::/32"?
 */
bool address_in(const char *address, const char *range);
/* The same of one of the ranges in LIST, with blanks or commas between them. */
bool address_listed(const char *address, const char *list);

#endif
