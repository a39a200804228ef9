#include "base/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
			_exit(71);   /* EX_OSERR */
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

void token_sha256_hex(const void *p, size_t n, char out[65])
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_Digest(p, n, sum, NULL, EVP_sha256(), NULL) != 1)
		mem_die();
	token_print_hex(sum, 32, out);
}

void token_md5_hex(const void *p, size_t n, char out[33])
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_Digest(p, n, sum, NULL, EVP_md5(), NULL) != 1)
		mem_die();
	token_print_hex(sum, 16, out);
}

void token_hmac_hex(const void *key, size_t key_len, const void *p, size_t n, char out[65])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	size_t sum_len;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key_len > 0 ? key : "", key_len, p, n,
		sum, sizeof(sum), &sum_len) == NULL)
		mem_die();
	token_print_hex(sum, 32, out);
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
	const char *name;            /* as tus spells it */
	const char *other;           /* as RFC 9530 spells it */
	const EVP_MD *(*md)(void);   /* NULL: computed here */
	size_t size;                 /* bytes */
} kinds[DIGEST__MAX] = {
	[DIGEST_MD5] = {"md5", "md5", EVP_md5, 16},
	[DIGEST_SHA1] = {"sha1", "sha", EVP_sha1, 20},
	[DIGEST_SHA256] = {"sha256", "sha-256", EVP_sha256, 32},
	[DIGEST_SHA512] = {"sha512", "sha-512", EVP_sha512, 64},
	[DIGEST_CRC32] = {"crc32", "crc32", NULL, 4},
};

struct digest_run {
	enum digest kind;
	EVP_MD_CTX *ctx;             /* NULL for CRC-32 */
	uint32_t crc;                /* inverted, as it runs */
	uint32_t table[8][256];      /* [k][b]: byte b followed by k zero bytes; CRC-32 only */
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
		run->table[0][b] = c;
	}
	for (size_t k = 1; k < 8; k++)
		for (size_t b = 0; b < 256; b++) {
			uint32_t c = run->table[k - 1][b];

			run->table[k][b] = (c >> 8) ^ run->table[0][c & 255];
		}
}

static void crc_feed(struct digest_run *run, const unsigned char *p, size_t n)
{
	uint32_t(*t)[256] = run->table;
	uint32_t c = run->crc;

	for (; n >= 8; n -= 8, p += 8) {
		c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[3] << 24;
		c = t[7][c & 255] ^ t[6][c >> 8 & 255] ^ t[5][c >> 16 & 255] ^ t[4][c >> 24] ^
		    t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	for (; n > 0; n--, p++)
		c = (c >> 8) ^ t[0][(c ^ *p) & 255];
	run->crc = c;
}

struct digest_run *digest_new(enum digest kind)
{
	struct digest_run *run = mem_alloc(sizeof(*run));

	run->kind = kind;
	if (kinds[kind].md == NULL) {
		run->crc = 0xFFFFFFFFU;
		crc_table(run);
		return run;
	}
	run->ctx = EVP_MD_CTX_new();
	if (run->ctx == NULL || EVP_DigestInit_ex(run->ctx, kinds[kind].md(), NULL) != 1)
		mem_die();
	return run;
}

void digest_feed(struct digest_run *run, const void *p, size_t n)
{
	if (run->ctx == NULL)
		crc_feed(run, p, n);
	else if (EVP_DigestUpdate(run->ctx, p, n) != 1)
		mem_die();
}

void digest_end(struct digest_run *run, unsigned char *out)
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (run->ctx == NULL) {
		uint32_t c = ~run->crc;

		for (int i = 0; i < 4; i++)
			out[i] = (unsigned char)(c >> (24 - 8 * i));
	} else {
		if (EVP_DigestFinal_ex(run->ctx, sum, NULL) != 1)
			mem_die();
		memcpy(out, sum, kinds[run->kind].size);
	}
	digest_free(run);
}

void digest_peek(const struct digest_run *run, unsigned char *out)
{
	struct digest_run *copy = mem_alloc(sizeof(*copy));

	*copy = *run;
	if (run->ctx != NULL) {
		copy->ctx = EVP_MD_CTX_new();
		if (copy->ctx == NULL || EVP_MD_CTX_copy_ex(copy->ctx, run->ctx) != 1)
			mem_die();
	}
	digest_end(copy, out);
}

void digest_free(struct digest_run *run)
{
	if (run == NULL)
		return;
	EVP_MD_CTX_free(run->ctx);
	free(run);
}

enum err digest_of_file(
    int at, const char *path, int64_t *ret_size, char ret_hex[65], struct error *error)
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
