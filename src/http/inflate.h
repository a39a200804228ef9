/*
 * A body under Content-Encoding: gzip, unpacked in memory.  The only file that knows zlib.
 * Source: RFC 1952, RFC 9110 8.4.1.3.
 */
#ifndef SLIPWAY_HTTP_INFLATE_H
#define SLIPWAY_HTTP_INFLATE_H

#include <stddef.h>
#include "base/err.h"

/*
 * Unpack LEN bytes of gzip, one member or several.
 * Owns:   caller frees *RET; a NUL follows its *RET_LEN bytes.
 * Errors: ERR_BAD_REQUEST: no gzip, damaged or cut; ERR_TOO_LARGE: more than MAX bytes, of which no
 * more are made.
 */
enum err inflate_gzip(const void *bytes, size_t len, size_t max, char **ret, size_t *ret_len);

#endif
