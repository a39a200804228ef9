/*
 * Accounts and receivers: key = name.  receivers_by_id: id, 8 bytes big-endian; value: the name.
 */
#include "store/accounts.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/entry.h"

#define MINUTE_MS	60000
#define DAY_MS		(24 * 3600 * 1000LL)
#define CODE_DAYS	40 /* days a column's counters are kept: a clock set back repeats nothing */
#define RATE_CALLS	"calls"
#define RATE_MAILS	"mails"
#define RATE_UNSIGNED	"unsigned"
#define RATE_SIGNATURES "signatures"

/* A record under its name, with its times. */
static enum err put_named(struct pass *p, enum table table, json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	const char *name = json_str(record, "name", "");
	int64_t now_ms = clock_now_ms();
	enum err err;

	if (name[0] == '\0')
		return error_set(p->error, ERR_BAD_REQUEST, "a record without a name");
	err = record_get(p, table, name, strlen(name), &old);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	json_set_int(record, "created", json_int(old, "created", now_ms));
	json_set_int(record, "changed", now_ms);
	return record_replace(p, table, name, strlen(name), record);
}

static enum err get_named(struct pass *p, enum table table, const char *name, json_object **ret)
{
	size_t len = strlen(name);

	return len > 0 && len <= STORE_KEY_MAX ? record_get(p, table, name, len, ret)
					       : ERR_NOT_FOUND;
}

/* ---- accounts */

enum err accounts_get(struct pass *p, const char *name, json_object **ret)
{
	return get_named(p, TABLE_ACCOUNTS, name, ret);
}

enum err accounts_put(struct pass *p, json_object *record)
{
	return put_named(p, TABLE_ACCOUNTS, record);
}

enum err accounts_delete(struct pass *p, const char *name)
{
	return record_delete(p, TABLE_ACCOUNTS, name, strlen(name));
}

enum err accounts_list(struct pass *p, size_t max, json_object **ret)
{
	return record_list(p, TABLE_ACCOUNTS, max, ret);
}

/* ---- receivers */

static struct key id_key(const json_object *receiver)
{
	struct key k = {0};

	key_number(&k, (uint64_t)json_int(receiver, "id", 0));
	return k;
}

enum err receivers_index(struct pass *p, json_object *record, bool add)
{
	struct key k = id_key(record);

	return add ? entry_put_text(p, TABLE_RECEIVERS_BY_ID, &k, json_str(record, "name", ""))
		   : entry_delete(p, TABLE_RECEIVERS_BY_ID, &k);
}

static enum err name_of(struct pass *p, int64_t id, char *name, size_t size)
{
	unsigned char value[INDEX_HEAD + STORE_KEY_MAX], key[8];
	size_t len;
	enum err err;

	key_u64((uint64_t)id, key);
	err = index_get(p, TABLE_RECEIVERS_BY_ID, key, sizeof(key), value, sizeof(value), &len);
	if (err != ERR_OK)
		return err;
	if (len < INDEX_HEAD || len - INDEX_HEAD >= size)
		return ERR_NOT_FOUND;
	memcpy(name, value + INDEX_HEAD, len - INDEX_HEAD);
	name[len - INDEX_HEAD] = '\0';
	return ERR_OK;
}

enum err receivers_get(struct pass *p, const char *type, json_object **ret)
{
	char name[STORE_KEY_MAX + 1];
	int64_t id;
	enum err err;

	/* A name has something else than digits, so the two cannot be confused. */
	if (type[strspn(type, "0123456789")] != '\0')
		return get_named(p, TABLE_RECEIVERS, type, ret);
	if (!text_id(type, INT64_MAX, &id))
		return ERR_NOT_FOUND;
	err = name_of(p, id, name, sizeof(name));
	return err == ERR_OK ? get_named(p, TABLE_RECEIVERS, name, ret) : err;
}

enum err receivers_add(struct pass *p, json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	int64_t id;
	enum err err = get_named(p, TABLE_RECEIVERS, json_str(record, "name", ""), &old);

	if (err == ERR_OK)
		return ERR_CONFLICT;
	if (err != ERR_NOT_FOUND)
		return err;
	err = counter_next(p, "receiver", &id);
	if (err != ERR_OK)
		return err;
	json_set_int(record, "id", id);
	err = put_named(p, TABLE_RECEIVERS, record);
	return err == ERR_OK ? receivers_index(p, record, true) : err;
}

enum err receivers_put(struct pass *p, json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = get_named(p, TABLE_RECEIVERS, json_str(record, "name", ""), &old);

	if (err != ERR_OK)
		return err;
	/* The id is not the caller's to change: what was signed for it stays with this receiver. */
	json_set_int(record, "id", json_int(old, "id", 0));
	return put_named(p, TABLE_RECEIVERS, record);
}

enum err receivers_delete(struct pass *p, const char *name)
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = get_named(p, TABLE_RECEIVERS, name, &old);

	if (err == ERR_OK)
		err = receivers_index(p, old, false);
	return err == ERR_OK ? record_delete(p, TABLE_RECEIVERS, name, strlen(name)) : err;
}

enum err receivers_list(struct pass *p, size_t max, json_object **ret)
{
	return record_list(p, TABLE_RECEIVERS, max, ret);
}

/* ---- how often */

static enum err take(struct pass *p, const char *what, const char *name, int64_t window_ms,
		     int64_t max, int64_t now_ms)
{
	int64_t n;
	enum err err = rate_count(p, what, name, window_ms, now_ms, &n);

	if (err == ERR_OK && n >= max)
		return ERR_RATE;
	return err == ERR_OK ? rate_add(p, what, name, window_ms, now_ms) : err;
}

enum err accounts_call(struct pass *p, const char *name, int64_t limit, int64_t now_ms)
{
	return limit > 0 ? take(p, RATE_CALLS, name, MINUTE_MS, limit, now_ms) : ERR_OK;
}

enum err accounts_may_call(struct pass *p, const char *name, int64_t limit, int64_t now_ms)
{
	int64_t n = 0;
	enum err err = limit > 0 ? rate_count(p, RATE_CALLS, name, MINUTE_MS, now_ms, &n) : ERR_OK;

	return err == ERR_OK && limit > 0 && n >= limit ? ERR_RATE : err;
}

enum err accounts_unsigned(struct pass *p, const char *name, int64_t now_ms, bool *ret_first)
{
	enum err err = take(p, RATE_UNSIGNED, name, DAY_MS, 1, now_ms);

	if (err != ERR_OK && err != ERR_RATE)
		return err;
	*ret_first = err == ERR_OK;
	return ERR_OK;
}

enum err mails_take(struct pass *p, const char *name, int64_t max, int64_t now_ms)
{
	return take(p, RATE_MAILS, name, DAY_MS, max, now_ms);
}

enum err signed_failures_check(struct pass *p, const char *address, int64_t max, int64_t now_ms,
			       bool *ret_allowed)
{
	int64_t n;
	enum err err = rate_count(p, RATE_SIGNATURES, address, MINUTE_MS, now_ms, &n);

	if (err == ERR_OK)
		*ret_allowed = n < max;
	return err;
}

enum err signed_failures_note(struct pass *p, const char *address, int64_t now_ms)
{
	return rate_add(p, RATE_SIGNATURES, address, MINUTE_MS, now_ms);
}

/* ---- numbers of autoCode columns */

/* The oldest entry below a prefix, and how many there are. */
struct days {
	char first[128];
	size_t n;
};

static bool note_day(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct days *d = arg;

	(void)value;
	(void)len;
	if (d->n++ == 0 && key_len < sizeof(d->first)) {
		memcpy(d->first, key, key_len);
		d->first[key_len] = '\0';
	}
	return true;
}

static enum err forget_oldest_day(struct pass *p, const char *prefix)
{
	struct days days = {0};
	enum err err = record_walk(p, TABLE_COUNTERS, prefix, strlen(prefix), prefix,
				   strlen(prefix), SIZE_MAX, note_day, &days);

	if (err != ERR_OK || days.n <= CODE_DAYS || days.first[0] == '\0')
		return err;
	return index_delete(p, TABLE_COUNTERS, days.first, strlen(days.first));
}

enum err codes_next(struct pass *p, int64_t receiver, const char *column, const char *day,
		    int64_t n, int64_t *ret_first)
{
	char digest[65], prefix[96], name[112];
	int64_t last;
	enum err err;

	if (n <= 0 || strlen(day) != 8)
		return error_set(p->error, ERR_INTERNAL, "not a day or number of codes");
	token_sha256_hex(column, strlen(column), digest);
	(void)snprintf(prefix, sizeof(prefix), "code:%lld:%.32s:", (long long)receiver, digest);
	(void)snprintf(name, sizeof(name), "%s%.8s", prefix, day);
	err = counter_add(p, name, n, &last);
	if (err == ERR_OK && last == n)
		err = forget_oldest_day(p, prefix);
	if (err == ERR_OK)
		*ret_first = last - n + 1;
	return err;
}

struct codes {
	int64_t receiver;
	const char *column, *day;
	int64_t n, first;
};

static enum err codes_pass(struct pass *p, void *arg)
{
	struct codes *c = arg;

	return codes_next(p, c->receiver, c->column, c->day, c->n, &c->first);
}

enum err codes_take(struct store *store, int64_t receiver, const char *column, const char *day,
		    int64_t n, int64_t *ret_first, struct error *error)
{
	struct codes c = {.receiver = receiver, .column = column, .day = day, .n = n};
	enum err err = store_pass(store, PASS_SYNC, "codes", codes_pass, &c, error);

	if (err == ERR_OK)
		*ret_first = c.first;
	return err;
}
