/*
 * May it come in?  Limits, quota, rate and space (transports.md 1.11, store.md 10).
 */
#include "upload/engine.h"

#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define RATE_PREFIX "rate.upload."
#define RATE_SHIFT  20 /* a rate's counter holds minute << 20 | creations */

static bool is_user(const char *owner)
{
	return strncmp(owner, "u:", 2) == 0;
}

/*
 * Creations of this minute, per user, else per address: an anonymous owner is made anew by dropping
 * a cookie.
 */
static enum err rate(struct pass *p, const struct admission *a)
{
	const char *subject = is_user(a->owner) || a->address == NULL ? a->owner : a->address;
	int64_t minute = clock_now_ms() / 60000, value = 0, n;
	char hash[65], name[64];
	enum err e;

	token_sha256_hex(subject, strlen(subject), hash);
	(void)snprintf(name, sizeof(name), RATE_PREFIX "%.32s", hash);
	e = counter_add(p, name, 0, &value);
	if (e != ERR_OK)
		return e;
	n = value >> RATE_SHIFT == minute ? value & ((1 << RATE_SHIFT) - 1) : 0;
	if (n >= a->engine->config->upload_create_rate) {
		(void)error_set(a->error, ERR_RATE, "over upload.create_rate");
		return error_code(a->error, ERR_RATE, "rate");
	}
	return a->commit ? counter_add(p, name, ((minute << RATE_SHIFT) | (n + 1)) - value, NULL)
			 : ERR_OK;
}

enum err admit_pass(struct pass *p, void *arg)
{
	struct admission *a = arg;
	const struct config *c = a->engine->config;
	int64_t quota = is_user(a->owner) ? c->upload_quota : c->upload_anonymous_quota;
	struct uploads_usage usage = {0};
	enum err e = uploads_usage(p, a->owner, &usage);

	if (e == ERR_OK)
		e = uploads_promised(p, &a->room.promised);
	if (e != ERR_OK)
		return e;
	a->room.quota = quota > usage.bytes ? quota - usage.bytes : 0;
	if (!a->create)
		return ERR_OK;
	if (usage.open >= c->upload_max_open) {
		(void)error_set(a->error, ERR_RATE, "over upload.max_open");
		return error_code(a->error, ERR_RATE, "rate");
	}
	if (a->length > a->room.quota || (a->length < 0 && a->room.quota == 0))
		return error_set(a->error, ERR_QUOTA,
				 is_user(a->owner) ? "over upload.quota"
						   : "over upload.anonymous_quota");
	if (a->parts > 0 && a->parts > c->upload_part_files - usage.parts)
		return error_set(a->error, ERR_QUOTA, "over upload.part_files");
	return rate(p, a);
}

enum err admit_space(const struct engine *e, int64_t length, int copies, int64_t promised,
		     struct error *error)
{
	int64_t inodes = e->config->upload_min_inodes, want = length < 0 ? 0 : length;
	struct fs_space space;
	enum err err = fs_space(e->dir, &space, error);

	if (err != ERR_OK)
		return err;
	if (space.inodes_total > 0 && space.inodes_total < 100000)
		inodes = space.inodes_total / 100;
	if (__builtin_mul_overflow(want, copies, &want) ||
	    __builtin_add_overflow(want, promised, &want) ||
	    __builtin_add_overflow(want, e->config->upload_min_free, &want) || space.bytes < want)
		return error_set(error, ERR_NO_SPACE, "under upload.min_free");
	if (space.inodes < inodes)
		return error_set(error, ERR_NO_SPACE, "under upload.min_inodes");
	return ERR_OK;
}

/* ---- old counters */

struct old_rates {
	int64_t minute; /* rates of earlier ones go */
	char names[64][64];
	size_t n;
};

static bool old_rate(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct old_rates *old = arg;

	/* A counter: four bytes of head, eight of value. */
	if (len == 12 && key_len < sizeof(old->names[0]) &&
	    (int64_t)key_to_u64((const unsigned char *)value + 4) >> RATE_SHIFT < old->minute) {
		memcpy(old->names[old->n], key, key_len);
		old->names[old->n++][key_len] = '\0';
	}
	return old->n < sizeof(old->names) / sizeof(old->names[0]);
}

enum err rates_sweep(struct pass *p, int64_t now_ms, size_t max)
{
	struct old_rates old = {.minute = now_ms / 60000 - 1};
	enum err e = record_walk(p, TABLE_COUNTERS, RATE_PREFIX, strlen(RATE_PREFIX), RATE_PREFIX,
				 strlen(RATE_PREFIX), max, old_rate, &old);

	for (size_t i = 0; e == ERR_OK && i < old.n; i++)
		e = index_delete(p, TABLE_COUNTERS, old.names[i], strlen(old.names[i]));
	return e;
}
