/*
 * How often something happened in the minute or day of now, over all processes: key "rate:", what,
 * ':' and 32 hex digits of SHA-256(name), so that no name or address lies in the store longer than
 * it must.  Value behind the head: start of the window, number, its end; each 8 bytes.  Source:
 * contracts/signed-api.md 1, 2.1.
 */
#include <stdio.h>
#include <string.h>

#include "base/token.h"
#include "store/entry.h"

#define VALUE_BYTES (INDEX_HEAD + 24)

static void rate_key(char key[64], const char *what, const char *name)
{
	char digest[65];

	token_sha256_hex(name, strlen(name), digest);
	(void)snprintf(key, 64, "rate:%s:%.32s", what, digest);
}

enum err rate_count(struct pass *p, const char *what, const char *name, int64_t window_ms,
		    int64_t now_ms, int64_t *ret)
{
	unsigned char value[VALUE_BYTES];
	char key[64];
	size_t len;
	enum err err;

	rate_key(key, what, name);
	err = index_get(p, TABLE_COUNTERS, key, strlen(key), value, sizeof(value), &len);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	/* Another window, or a damaged entry: counting starts anew. */
	*ret = 0;
	if (err == ERR_OK && len == sizeof(value) &&
	    (int64_t)key_to_u64(value + INDEX_HEAD) == now_ms - now_ms % window_ms)
		*ret = (int64_t)key_to_u64(value + INDEX_HEAD + 8);
	return ERR_OK;
}

enum err rate_add(struct pass *p, const char *what, const char *name, int64_t window_ms,
		  int64_t now_ms)
{
	unsigned char value[VALUE_BYTES];
	int64_t n, start = now_ms - now_ms % window_ms;
	char key[64];
	enum err err = rate_count(p, what, name, window_ms, now_ms, &n);

	if (err != ERR_OK)
		return err;
	rate_key(key, what, name);
	index_head(value, TABLE_COUNTERS);
	key_u64((uint64_t)start, value + INDEX_HEAD);
	key_u64((uint64_t)n + 1, value + INDEX_HEAD + 8);
	key_u64((uint64_t)(start + window_ms), value + INDEX_HEAD + 16);
	return index_put(p, TABLE_COUNTERS, key, strlen(key), value, sizeof(value));
}

bool rate_stale(const void *value, size_t len, int64_t now_ms)
{
	const unsigned char *v = value;

	return len != VALUE_BYTES || (int64_t)key_to_u64(v + INDEX_HEAD + 16) <= now_ms;
}
