/*
 * Signatures of the signed APIs: SHA-1 over secret, stamp, visitor and type, and HMAC-SHA256 over
 * the request.  Pure: knows no request and no store. Source: contracts/signed-api.md 2.2-2.6.
 */
#ifndef SLIPWAY_SIGNED_SIGNATURE_H
#define SLIPWAY_SIGNED_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* 1..255 bytes of UTF-8 without control characters: checked before anything is hashed. */
bool signature_text_ok(const char *text, size_t len);
/* Exactly 13 decimal digits. */
bool signature_stamp(const char *text, int64_t *ret_ms);

/* TOKEN (40 hex digits, either case) is right for one of the N secrets; takes the same time
 * whatever is wrong. */
bool signature_sha1_ok(const char *const *secrets, size_t n, const char *stamp, const char *visitor,
		       const char *type, const char *token);
void signature_sha1(const char *secret, const char *stamp, const char *visitor, const char *type,
		    char ret_hex[41]);
/* TOKEN is one of the N secrets itself (unsigned mode). */
bool signature_plain_ok(const char *const *secrets, size_t n, const char *token);

struct hmac_request {
	const char *timestamp, *nonce, *visitor; /* as in the header fields */
	const char *method, *path,
	    *query;		    /* as sent: undecoded, with mount point; query "" = none */
	const char *content_sha256; /* 64 lower-case hex digits */
};
/* The visitor as the header field wants it: percent-encoded where it is not plain.  Caller frees.
 */
char *signature_visitor(const char *name);
/* Nonce: 8..64 of A-Za-z0-9_-; content hash: 64 lower-case hex digits. */
bool signature_hmac_shape_ok(const struct hmac_request *);
void signature_hmac(const char *secret, const struct hmac_request *, char ret_hex[65]);
/* HEADER: "v1=<hex>", several separated by commas, any may match one of the N secrets. */
bool signature_hmac_ok(const char *const *secrets, size_t n, const struct hmac_request *,
		       const char *header);

/* May secret A live beside B (of another account)?  Neither equal nor a prefix of the other. */
bool signature_secrets_apart(const char *a, const char *b);

#endif
