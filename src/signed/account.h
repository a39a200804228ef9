/*
 * An account's settings: what each may be, and the secret.  Pure: knows no store; the record is
 * that of store/accounts.h. Source: contracts/signed-api.md 1.
 */
#ifndef SLIPWAY_SIGNED_ACCOUNT_H
#define SLIPWAY_SIGNED_ACCOUNT_H

#include "base/json.h"
#include "signed/refusal.h"

#define ACCOUNT_GRACE_S (7 * 86400) /* a replaced secret holds this long */

/* 1 to 255 bytes of text without control characters, as requests may carry it. */
bool account_name_ok(const char *name);

/*
 * A record of NAME from SETTINGS (keys of the contract; NULL = none), the rest with its defaults.
 * SmartChart's spellings are taken with COMPAT: flags as booleans, one host as a text; without
 * "receivers" such an account may write to all.
 * Owns:   caller frees *RET.
 * Errors: false: R names the key.
 */
bool account_new(const char *name, const json_object *settings, bool compat, json_object **ret,
		 struct refusal *r);
/* Set KEY of ACCOUNT; VALUE NULL: back to its default.  Keeps nothing of the caller's. */
bool account_set(json_object *account, const char *key, json_object *value, struct refusal *r);
/* Give ACCOUNT a new secret; the old one holds until UNTIL_MS (0 = no longer). */
void account_rotate(json_object *account, int64_t until_ms);
/*
 * May ACCOUNT live beside the OTHERS (array of records, itself left out by name)?  Secrets must
 * differ in more than an ending; those that are over at NOW_MS do not count.
 */
bool account_fits(const json_object *account, json_object *others, int64_t now_ms,
		  struct refusal *r);

/* What may be shown: no secrets; "rotating" tells that an old one still holds.  Caller frees. */
json_object *account_shown(const json_object *account, int64_t now_ms);
/* Settings an operator is warned of: an array of words ("unsigned", "no_receivers").  Caller frees.
 */
json_object *account_warnings(const json_object *account);

#endif
