/*
 * Signing identities ("visitors") and the receivers they may write to.
 *   account  {"v","name","token","host":[…]|absent,"limit","log","cors","modes":[…],"window",
 *   "replay":"on|off",
 *             "oldToken","oldUntil":ms,"user","receivers":[…],"mailMax","disabled"?,"created",
 *             "changed"}
 *   receiver {"v","id","name","enabled","config":{…},"dataset":N|absent,"created","changed"}
 * Key: the name; a receiver is found by its id as well.
 * Source: contracts/signed-api.md 1, 4.
 */
#ifndef SLIPWAY_STORE_ACCOUNTS_H
#define SLIPWAY_STORE_ACCOUNTS_H

#include "store/record.h"

enum err accounts_get(struct pass *, const char *name, json_object **ret);
/* As record_put; sets "created", "changed". */
enum err accounts_put(struct pass *, json_object *record);
enum err accounts_delete(struct pass *, const char *name);
enum err accounts_list(struct pass *, size_t max, json_object **ret);

/* TYPE: a name, or an id in decimal. */
enum err receivers_get(struct pass *, const char *type, json_object **ret);
/* A new one gets its id here ("id" in RECORD): ERR_CONFLICT when the name is taken. */
enum err receivers_add(struct pass *, json_object *record);
enum err receivers_put(struct pass *, json_object *record);
enum err receivers_delete(struct pass *, const char *name);
enum err receivers_list(struct pass *, size_t max, json_object **ret);

/*
 * One more call of the minute NOW_MS lies in, of at most LIMIT, over all processes: ERR_RATE when
 * they are used up.
 * One more result mail of the day: the same with mails_take.
 */
enum err accounts_call(struct pass *, const char *name, int64_t limit, int64_t now_ms);
/* Would it be granted?  Counts nothing. */
enum err accounts_may_call(struct pass *, const char *name, int64_t limit, int64_t now_ms);
/* The account's secret came in the clear: is it the first time today? */
enum err accounts_unsigned(struct pass *, const char *name, int64_t now_ms, bool *ret_first);
enum err mails_take(struct pass *, const char *name, int64_t max, int64_t now_ms);
/* Failed signatures of an address: are there fewer than MAX in this minute?  And one more. */
enum err signed_failures_check(struct pass *, const char *address, int64_t max, int64_t now_ms,
			       bool *ret_allowed);
enum err signed_failures_note(struct pass *, const char *address, int64_t now_ms);
/* The next number of an autoCode column, from 1 on each DAY ("20260131"). */
enum err codes_next(struct pass *, int64_t receiver, const char *column, const char *day, int64_t n,
		    int64_t *ret_first);
/* The same in a pass of its own, flushed: what was given is never given again. */
enum err codes_take(struct store *, int64_t receiver, const char *column, const char *day,
		    int64_t n, int64_t *ret_first, struct error *);

#endif
