#include "base/base64.h"

#include <stdint.h>
#include <string.h>
#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0..63, -1 = not of the alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *s, size_t len, char **ret, size_t *ret_len)
{
	size_t pad = 0, n = 0;

	if (len % 4 != 0)
		return false;
	while (pad < 2 && pad < len && s[len - 1 - pad] == '=')
		pad++;
	char *out = mem_alloc(len / 4 * 3 + 1);
	uint32_t bits = 0;
	for (size_t i = 0; i < len - pad; i++) {
		int v = value_of(s[i]);
		if (v < 0) {
			free(out);
			return false;
		}
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xFF);
	}
	out[n] = '\0';
	*ret = out;
	*ret_len = n;
	return true;
}

char *base64_encode(const void *p, size_t n)
{
	const unsigned char *in = p;
	char *out = mem_alloc((n + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(have > 2 ? in[i + 2] : 0);
		for (size_t k = 0; k < 4; k++)
			*o++ = k > have ? '=' : alphabet[bits >> (18 - 6 * k) & 63];
	}
	*o = '\0';
	return out;
}
