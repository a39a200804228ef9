/*
 * Base64 of RFC 4648, section 4: the standard alphabet, padded.
 */
#ifndef SLIPWAY_BASE_BASE64_H
#define SLIPWAY_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The bytes that LEN characters at S stand for; nothing else may be among them, and the padding
 * must be there. Owns:   caller frees *RET, which has a NUL behind its *RET_LEN bytes. Errors:
 * false: malformed.
 */
bool base64_decode(const char *s, size_t len, char **ret, size_t *ret_len);
/* Owns: caller frees. */
char *base64_encode(const void *p, size_t n);

#endif
