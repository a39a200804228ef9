/*
 * Random ids, digests, signatures, passwords: OpenSSL and libcrypt behind short names.
 */
#ifndef SLIPWAY_BASE_TOKEN_H
#define SLIPWAY_BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* getrandom; ends the process if the kernel cannot */
void token_bytes(void *p, size_t n);
void token_hex(char *out, size_t hex_len); /* HEX_LEN (even) digits and a NUL */
void token_letters(char *out, size_t len); /* [A-Za-z0-9], unbiased, and a NUL */
void token_print_hex(const unsigned char *p, size_t n, char *out); /* 2 N digits and a NUL */
void token_sha256_hex(const void *p, size_t n, char out[65]);
void token_hmac_hex(const void *key, size_t key_len, const void *p, size_t n, char out[65]);
/* constant time in B's length; NULL is unequal */
bool token_equal(const char *a, const char *b);
/* The N bytes that 2 N lower-case hex digits stand for; false: S is something else. */
bool token_hex_bytes(const char *s, unsigned char *ret, size_t n);
/* exactly LEN lower-case hex digits */
bool token_is_hex(const char *s, size_t len);

/* Digests of a stream. */
enum digest { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_CRC32, DIGEST__MAX };
struct digest_run;
const char *digest_name(enum digest);
bool digest_by_name(const char *name, enum digest *ret);
size_t digest_size(enum digest); /* bytes */
struct digest_run *digest_new(enum digest);
void digest_feed(struct digest_run *, const void *p, size_t n);
void digest_end(struct digest_run *, unsigned char *out); /* digest_size bytes; frees the run */
/* the same so far; the run goes on */
void digest_peek(const struct digest_run *, unsigned char *out);
void digest_free(struct digest_run *);
/* Size and SHA-256, in hex, of the file PATH below AT. */
enum err digest_of_file(int at, const char *path, int64_t *ret_size, char ret_hex[65],
			struct error *error);

#endif
