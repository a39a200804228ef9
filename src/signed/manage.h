/*
 * Administration of receivers and accounts: the rules that the command line, programs and the page
 * share, each change in one pass.  The only part of signed/ that knows the store.
 * Source: contracts/signed-api.md 1, 4, 6.
 *
 * Each returns ERR_OK, or ERR_BAD_REQUEST with the refusal that says what is wrong, ERR_NOT_FOUND,
 * ERR_CONFLICT (the name is taken), or what the store answers.
 * Owns:   caller frees *RET (may be NULL where nothing is wanted back).
 */
#ifndef SLIPWAY_SIGNED_MANAGE_H
#define SLIPWAY_SIGNED_MANAGE_H

#include "store/store.h"
#include "signed/refusal.h"

#define MANAGE_LIST_MAX 10000

/* Who changes what: filled by the caller, the last two by these functions. */
struct manage {
	struct store *store;
	struct refusal refusal;
	struct error error;
};

/* All, by name; a receiver that cannot be used has "problem". */
enum err manage_receivers(struct manage *, json_object **ret);
enum err manage_accounts(struct manage *, json_object **ret);
/* NAME or id. */
enum err manage_receiver(struct manage *, const char *name, json_object **ret);
enum err manage_account(struct manage *, const char *name, json_object **ret);

/* CONFIG: the whole configuration, kept only if it is right. */
enum err manage_receiver_add(struct manage *, const char *name, const json_object *config,
			     json_object **ret);
enum err manage_receiver_replace(struct manage *, const char *name, const json_object *config,
				 json_object **ret);
/* Some keys of it: {"key":value}; null takes a key away. */
enum err manage_receiver_set(struct manage *, const char *name, const json_object *changes,
			     json_object **ret);
enum err manage_receiver_enable(struct manage *, const char *name, bool enabled);
/* The table stays; accounts lose their right to the name. */
enum err manage_receiver_remove(struct manage *, const char *name);

/* SETTINGS NULL: defaults, no receivers. */
enum err manage_account_add(struct manage *, const char *name, const json_object *settings,
			    json_object **ret);
enum err manage_account_set(struct manage *, const char *name, const json_object *changes,
			    json_object **ret);
enum err manage_account_rotate(struct manage *, const char *name, int64_t grace_s,
			       json_object **ret);
enum err manage_account_remove(struct manage *, const char *name);
/*
 * SmartChart's settings object {"user":{"token":…,"host":…}}: all or none.  *RET: array of the
 * records; the refusal names the account.
 */
enum err manage_account_import(struct manage *, const json_object *settings, json_object **ret);

#endif
