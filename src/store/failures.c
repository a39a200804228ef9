/*
 * Failed attempts in the table counters: key "fail:" and 32 hex digits of SHA-256(name NUL
 * address), and "fail*" with those of the address alone; so no mistyped password lies in the store
 * as a "name". Value behind the head: start of the window, number, refused until; each 8 bytes.
 * Source: contracts/security.md 3.3.
 */
#include "store/users.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/entry.h"

#define WINDOW_MS   (5 * 60 * 1000LL)
#define PER_ADDRESS 100
#define VALUE_BYTES (INDEX_HEAD + 24)

struct failures {
	int64_t start; /* ms: of the window */
	int64_t n;     /* in it */
	int64_t until; /* ms: refused so long, 0 = not */
};

static void failure_key(char key[48], const char *name, const char *address)
{
	size_t name_len = name != NULL ? strlen(name) + 1 : 0, address_len = strlen(address);
	CLEAN_FREE char *both = mem_alloc(name_len + address_len + 1);
	char digest[65];

	if (name != NULL)
		memcpy(both, name, name_len);
	memcpy(both + name_len, address, address_len);
	token_sha256_hex(both, name_len + address_len, digest);
	(void)snprintf(key, 48, "fail%c%.32s", name != NULL ? ':' : '*', digest);
}

static enum err failures_read(struct pass *p, const char *key, int64_t now_ms, struct failures *ret)
{
	unsigned char value[VALUE_BYTES];
	size_t len;
	enum err err = index_get(p, TABLE_COUNTERS, key, strlen(key), value, sizeof(value), &len);

	*ret = (struct failures){.start = now_ms};
	if (err == ERR_NOT_FOUND || (err == ERR_OK && len != sizeof(value)))
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	ret->start = (int64_t)key_to_u64(value + INDEX_HEAD);
	ret->n = (int64_t)key_to_u64(value + INDEX_HEAD + 8);
	ret->until = (int64_t)key_to_u64(value + INDEX_HEAD + 16);
	/* A clock set back must not lock anybody out for long. */
	if (ret->until > now_ms + WINDOW_MS)
		ret->until = 0;
	if (ret->until <= now_ms && (now_ms - ret->start > WINDOW_MS || ret->start > now_ms))
		*ret = (struct failures){.start = now_ms};
	return ERR_OK;
}

static enum err note(struct pass *p, const char *key, int64_t limit, int64_t now_ms)
{
	unsigned char value[VALUE_BYTES];
	struct failures f;
	enum err err = failures_read(p, key, now_ms, &f);

	if (err != ERR_OK)
		return err;
	if (++f.n > limit && f.until == 0)
		f.until = now_ms + WINDOW_MS;
	index_head(value, TABLE_COUNTERS);
	key_u64((uint64_t)f.start, value + INDEX_HEAD);
	key_u64((uint64_t)f.n, value + INDEX_HEAD + 8);
	key_u64((uint64_t)f.until, value + INDEX_HEAD + 16);
	return index_put(p, TABLE_COUNTERS, key, strlen(key), value, sizeof(value));
}

enum err failures_check(struct pass *p, const char *name, const char *address, int64_t now_ms,
			bool *ret_allowed)
{
	char both[48], alone[48];
	struct failures f;
	bool allowed;
	enum err err;

	failure_key(both, name, address);
	failure_key(alone, NULL, address);
	err = failures_read(p, both, now_ms, &f);
	allowed = f.until <= now_ms;
	if (err == ERR_OK)
		err = failures_read(p, alone, now_ms, &f);
	if (err == ERR_OK)
		*ret_allowed = allowed && f.until <= now_ms;
	return err;
}

enum err failures_note(struct pass *p, const char *name, const char *address, int64_t now_ms)
{
	int64_t limit = p->store != NULL && p->store->config->login_failures > 0
			    ? p->store->config->login_failures
			    : 10;
	char both[48], alone[48];
	enum err err;

	failure_key(both, name, address);
	failure_key(alone, NULL, address);
	err = note(p, both, limit, now_ms);
	return err == ERR_OK ? note(p, alone, PER_ADDRESS, now_ms) : err;
}

enum err failures_clear(struct pass *p, const char *name, const char *address)
{
	char both[48];
	enum err err;

	failure_key(both, name, address);
	err = index_delete(p, TABLE_COUNTERS, both, strlen(both));
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

bool failures_stale(const void *value, size_t len, int64_t now_ms)
{
	const unsigned char *v = value;

	return len != VALUE_BYTES ||
	       ((int64_t)key_to_u64(v + INDEX_HEAD) < now_ms - 2 * WINDOW_MS &&
		(int64_t)key_to_u64(v + INDEX_HEAD + 16) <= now_ms);
}
