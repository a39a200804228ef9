/*
 * OpenSSL's plain digests: EVP would first set up a provider and its tables of names, which costs
 * every plain CGI request a millisecond.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define DIGEST_READ_BYTES (1U << 20)

void token_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* Nothing that needs a secret may go on without one. */
			perror("slipway: getrandom");
			_exit(71); /* EX_OSERR */
		}
		at += got;
		n -= (size_t)got;
	}
}

void token_print_hex(const unsigned char *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

void token_hex(char *out, size_t hex_len)
{
	unsigned char raw[32];

	for (size_t left = hex_len / 2; left > 0;) {
		size_t n = left < sizeof(raw) ? left : sizeof(raw);

		token_bytes(raw, n);
		token_print_hex(raw, n, out);
		out += 2 * n;
		left -= n;
	}
	*out = '\0';
	OPENSSL_cleanse(raw, sizeof(raw));
}

void token_letters(char *out, size_t len)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char raw[64];
	size_t have = 0;

	for (size_t i = 0; i < len;) {
		if (have == 0) {
			token_bytes(raw, sizeof(raw));
			have = sizeof(raw);
		}
		have--;
		/* 248 = 4 * 62: the bytes above would favour the first letters. */
		if (raw[have] < 248)
			out[i++] = letters[raw[have] % 62];
	}
	out[len] = '\0';
	OPENSSL_cleanse(raw, sizeof(raw));
}

static void sum_sha256(const void *p, size_t n, unsigned char out[SHA256_DIGEST_LENGTH])
{
	SHA256_CTX c;

	if (SHA256_Init(&c) != 1 || SHA256_Update(&c, p, n) != 1 || SHA256_Final(out, &c) != 1)
		mem_die();
}

void token_sha256_hex(const void *p, size_t n, char out[65])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	sum_sha256(p, n, sum);
	token_print_hex(sum, sizeof(sum), out);
}

/* One of HMAC's two passes (RFC 2104). */
static void hmac_pass(const unsigned char key[SHA256_CBLOCK], unsigned char pad, const void *p,
		      size_t n, unsigned char out[SHA256_DIGEST_LENGTH])
{
	unsigned char block[SHA256_CBLOCK];
	SHA256_CTX c;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	if (SHA256_Init(&c) != 1 || SHA256_Update(&c, block, sizeof(block)) != 1 ||
	    SHA256_Update(&c, p, n) != 1 || SHA256_Final(out, &c) != 1)
		mem_die();
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(&c, sizeof(c));
}

void token_hmac_hex(const void *key, size_t key_len, const void *p, size_t n, char out[65])
{
	unsigned char block[SHA256_CBLOCK] = {0}, sum[SHA256_DIGEST_LENGTH];

	if (key_len > sizeof(block))
		sum_sha256(key, key_len, block);
	else if (key_len > 0)
		memcpy(block, key, key_len);
	hmac_pass(block, 0x36, p, n, sum);
	hmac_pass(block, 0x5c, sum, sizeof(sum), sum);
	OPENSSL_cleanse(block, sizeof(block));
	token_print_hex(sum, sizeof(sum), out);
}

bool token_equal(const char *a, const char *b)
{
	size_t b_len;
	bool same_length;

	if (a == NULL || b == NULL)
		return false;
	b_len = strlen(b);
	same_length = strlen(a) == b_len;
	/* With another length B is compared with itself, so that the work is the same. */
	return CRYPTO_memcmp(same_length ? a : b, b, b_len) == 0 && same_length;
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool token_hex_bytes(const char *s, unsigned char *ret, size_t n)
{
	if (!token_is_hex(s, 2 * n))
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (unsigned char)(nibble(s[2 * i]) << 4 | nibble(s[2 * i + 1]));
	return true;
}

bool token_is_hex(const char *s, size_t len)
{
	if (s == NULL || strlen(s) != len)
		return false;
	return strspn(s, "0123456789abcdef") == len;
}

/* ---- digests of a stream */

static const struct {
	const char *name;  /* as tus spells it */
	const char *other; /* as RFC 9530 spells it */
	size_t size;	   /* bytes */
} kinds[DIGEST__MAX] = {
    [DIGEST_MD5] = {"md5", "md5", MD5_DIGEST_LENGTH},
    [DIGEST_SHA1] = {"sha1", "sha", SHA_DIGEST_LENGTH},
    [DIGEST_SHA256] = {"sha256", "sha-256", SHA256_DIGEST_LENGTH},
    [DIGEST_SHA512] = {"sha512", "sha-512", SHA512_DIGEST_LENGTH},
    [DIGEST_CRC32] = {"crc32", "crc32", 4},
};

struct digest_run {
	enum digest kind;
	union {
		MD5_CTX md5;
		SHA_CTX sha1;
		SHA256_CTX sha256;
		SHA512_CTX sha512;
		struct {
			uint32_t sum;		/* inverted, as it runs */
			uint32_t table[8][256]; /* [k][b]: byte b followed by k zero bytes */
		} crc;
	} as;
};

const char *digest_name(enum digest kind)
{
	return kinds[kind].name;
}

bool digest_by_name(const char *name, enum digest *ret)
{
	for (size_t i = 0; i < DIGEST__MAX; i++) {
		if (text_ieq(name, kinds[i].name) || text_ieq(name, kinds[i].other)) {
			*ret = (enum digest)i;
			return true;
		}
	}
	return false;
}

size_t digest_size(enum digest kind)
{
	return kinds[kind].size;
}

/* CRC-32 of ISO 3309 (zip, PNG), eight bytes a step; the table costs 2 microseconds a stream. */
static void crc_table(struct digest_run *run)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t c = b;

		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ ((c & 1) ? 0xEDB88320U : 0);
		run->as.crc.table[0][b] = c;
	}
	for (size_t k = 1; k < 8; k++)
		for (size_t b = 0; b < 256; b++) {
			uint32_t c = run->as.crc.table[k - 1][b];

			run->as.crc.table[k][b] = (c >> 8) ^ run->as.crc.table[0][c & 255];
		}
}

static void crc_feed(struct digest_run *run, const unsigned char *p, size_t n)
{
	uint32_t(*t)[256] = run->as.crc.table;
	uint32_t c = run->as.crc.sum;

	for (; n >= 8; n -= 8, p += 8) {
		c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		     (uint32_t)p[3] << 24;
		c = t[7][c & 255] ^ t[6][c >> 8 & 255] ^ t[5][c >> 16 & 255] ^ t[4][c >> 24] ^
		    t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	for (; n > 0; n--, p++)
		c = (c >> 8) ^ t[0][(c ^ *p) & 255];
	run->as.crc.sum = c;
}

struct digest_run *digest_new(enum digest kind)
{
	struct digest_run *run = mem_alloc(sizeof(*run));
	int good = 1;

	run->kind = kind;
	switch (kind) {
	case DIGEST_MD5:
		good = MD5_Init(&run->as.md5);
		break;
	case DIGEST_SHA1:
		good = SHA1_Init(&run->as.sha1);
		break;
	case DIGEST_SHA256:
		good = SHA256_Init(&run->as.sha256);
		break;
	case DIGEST_SHA512:
		good = SHA512_Init(&run->as.sha512);
		break;
	case DIGEST_CRC32:
		run->as.crc.sum = 0xFFFFFFFFU;
		crc_table(run);
		break;
	case DIGEST__MAX:
		good = 0;
		break;
	}
	if (good != 1)
		mem_die();
	return run;
}

void digest_feed(struct digest_run *run, const void *p, size_t n)
{
	int good = 1;

	switch (run->kind) {
	case DIGEST_MD5:
		good = MD5_Update(&run->as.md5, p, n);
		break;
	case DIGEST_SHA1:
		good = SHA1_Update(&run->as.sha1, p, n);
		break;
	case DIGEST_SHA256:
		good = SHA256_Update(&run->as.sha256, p, n);
		break;
	case DIGEST_SHA512:
		good = SHA512_Update(&run->as.sha512, p, n);
		break;
	case DIGEST_CRC32:
		crc_feed(run, p, n);
		break;
	case DIGEST__MAX:
		good = 0;
		break;
	}
	if (good != 1)
		mem_die();
}

static void crc_end(uint32_t c, unsigned char *out)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(c >> (24 - 8 * i));
}

void digest_end(struct digest_run *run, unsigned char *out)
{
	int good = 1;

	switch (run->kind) {
	case DIGEST_MD5:
		good = MD5_Final(out, &run->as.md5);
		break;
	case DIGEST_SHA1:
		good = SHA1_Final(out, &run->as.sha1);
		break;
	case DIGEST_SHA256:
		good = SHA256_Final(out, &run->as.sha256);
		break;
	case DIGEST_SHA512:
		good = SHA512_Final(out, &run->as.sha512);
		break;
	case DIGEST_CRC32:
		crc_end(~run->as.crc.sum, out);
		break;
	case DIGEST__MAX:
		good = 0;
		break;
	}
	if (good != 1)
		mem_die();
	digest_free(run);
}

void digest_peek(const struct digest_run *run, unsigned char *out)
{
	struct digest_run *copy = mem_alloc(sizeof(*copy));

	*copy = *run;
	digest_end(copy, out);
}

void digest_free(struct digest_run *run)
{
	free(run);
}

enum err digest_of_file(int at, const char *path, int64_t *ret_size, char ret_hex[65],
			struct error *error)
{
	CLEAN_FD int fd = fs_open_read(at, path);
	CLEAN_FREE char *buffer = mem_alloc(DIGEST_READ_BYTES);
	struct digest_run *run;
	unsigned char sum[64];
	int64_t size = 0;
	ssize_t n;

	if (fd < 0)
		return error_errno(error, ERR_IO, "%s", path);
	run = digest_new(DIGEST_SHA256);
	while ((n = read(fd, buffer, DIGEST_READ_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0) {
			digest_feed(run, buffer, (size_t)n);
			size += n;
		}
	}
	if (n < 0) {
		digest_free(run);
		return error_errno(error, ERR_IO, "%s", path);
	}
	digest_end(run, sum);
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
	*ret_size = size;
	return ERR_OK;
}
