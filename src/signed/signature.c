#include "signed/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define SHA1_BYTES   20
#define SHA256_BYTES 32
#define TEXT_MAX     255 /* bytes of a visitor, type, stamp or token */

bool signature_text_ok(const char *text, size_t len)
{
	if (len < 1 || len > TEXT_MAX)
		return false;
	for (size_t at = 0; at < len;) {
		int32_t cp;
		size_t n = text_decode(text + at, len - at, &cp);

		if (n == 0 || cp < 0x20 || (cp >= 0x7F && cp <= 0x9F))
			return false;
		at += n;
	}
	return true;
}

bool signature_stamp(const char *text, int64_t *ret_ms)
{
	/* text_int takes a '-', which thirteen characters have no room for beside 13 digits. */
	return strlen(text) == 13 && *text != '-' && text_int(text, 0, INT64_MAX, ret_ms);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* LEN characters as SIZE bytes; false, and zeros, when they are not 2 * SIZE hex digits. */
static bool decode_hex(const char *text, size_t len, unsigned char *ret, size_t size)
{
	memset(ret, 0, size);
	if (len != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void sha1_of(const char *secret, const char *stamp, const char *visitor, const char *type,
		    unsigned char ret[SHA1_BYTES])
{
	struct digest_run *run = digest_new(DIGEST_SHA1);

	digest_feed(run, secret, strlen(secret));
	digest_feed(run, stamp, strlen(stamp));
	digest_feed(run, visitor, strlen(visitor));
	digest_feed(run, type, strlen(type));
	digest_end(run, ret);
}

void signature_sha1(const char *secret, const char *stamp, const char *visitor, const char *type,
		    char ret_hex[41])
{
	unsigned char sum[SHA1_BYTES];

	sha1_of(secret, stamp, visitor, type, sum);
	token_print_hex(sum, sizeof(sum), ret_hex);
}

bool signature_sha1_ok(const char *const *secrets, size_t n, const char *stamp, const char *visitor,
		       const char *type, const char *token)
{
	unsigned char sum[SHA1_BYTES], given[SHA1_BYTES];
	bool well_formed = decode_hex(token, strlen(token), given, sizeof(given));
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		sha1_of(secrets[i], stamp, visitor, type, sum);
		found |= CRYPTO_memcmp(sum, given, sizeof(sum)) == 0;
	}
	return found && well_formed;
}

bool signature_plain_ok(const char *const *secrets, size_t n, const char *token)
{
	char sum[2 * SHA256_BYTES + 1], given[2 * SHA256_BYTES + 1];
	bool found = false;

	/* Sums are compared: their length says nothing about the secret's. */
	token_sha256_hex(token, strlen(token), given);
	for (size_t i = 0; i < n; i++) {
		token_sha256_hex(secrets[i], strlen(secrets[i]), sum);
		found |= CRYPTO_memcmp(sum, given, sizeof(sum)) == 0;
	}
	return found;
}

char *signature_visitor(const char *name)
{
	char *out = mem_array(strlen(name) + 1, 3), *at = out;

	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;

		at += snprintf(at, 4, plain ? "%c" : "%%%02X", c);
	}
	return out;
}

bool signature_hmac_shape_ok(const struct hmac_request *q)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(q->nonce);
	int64_t ms;

	return n >= 8 && n <= 64 && strspn(q->nonce, alphabet) == n &&
	       token_is_hex(q->content_sha256, 2 * SHA256_BYTES) &&
	       signature_stamp(q->timestamp, &ms);
}

void signature_hmac(const char *secret, const struct hmac_request *q, char ret_hex[65])
{
	CLEAN_FREE char *text =
	    mem_printf("slipway-v1\n%s\n%s\n%s\n%s\n%s\n%s\n%s", q->timestamp, q->nonce, q->visitor,
		       q->method, q->path, q->query, q->content_sha256);

	token_hmac_hex(secret, strlen(secret), text, strlen(text), ret_hex);
}

/* One of the header's signatures, LEN bytes, against every secret's. */
static bool one_matches(char (*sums)[2 * SHA256_BYTES + 1], size_t n, const char *text, size_t len)
{
	unsigned char given[SHA256_BYTES], sum[SHA256_BYTES];
	bool v1 = len > 3 && memcmp(text, "v1=", 3) == 0;
	bool well_formed = v1 && decode_hex(text + 3, len - 3, given, sizeof(given));
	bool found = false;

	if (!well_formed)
		memset(given, 0, sizeof(given));
	for (size_t i = 0; i < n; i++) {
		(void)decode_hex(sums[i], 2 * SHA256_BYTES, sum, sizeof(sum));
		found |= CRYPTO_memcmp(sum, given, sizeof(sum)) == 0;
	}
	return found && well_formed;
}

bool signature_hmac_ok(const char *const *secrets, size_t n, const struct hmac_request *q,
		       const char *header)
{
	char(*sums)[2 * SHA256_BYTES + 1] = mem_array(n > 0 ? n : 1, sizeof(*sums));
	bool found = false;

	for (size_t i = 0; i < n; i++)
		signature_hmac(secrets[i], q, sums[i]);
	while (*header != '\0') {
		size_t len;

		header += strspn(header, " \t,");
		len = strcspn(header, " \t,");
		found |= one_matches(sums, n, header, len);
		header += len;
	}
	free(sums);
	return found;
}

bool signature_secrets_apart(const char *a, const char *b)
{
	return !text_starts(a, b) && !text_starts(b, a);
}
