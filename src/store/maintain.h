/*
 * Looking after the store: backup, restore, check, dump, load.  Source: contracts/store.md 13.
 */
#ifndef SLIPWAY_STORE_MAINTAIN_H
#define SLIPWAY_STORE_MAINTAIN_H

#include <stdio.h>
#include "store/store.h"

/*
 * The store's part of a backup into DIR, which is missing or empty; then MORE (may be NULL) copies
 * what else belongs to it, while no file of a record is unlinked, and says in *RET_TOLD what that
 * is; the manifest comes last.
 * Errors: ERR_CONFLICT, ERR_BUSY (another backup), those of MORE.
 */
typedef enum err backup_more_fn(const char *dir, json_object **ret_told, void *arg, struct error *);
enum err store_backup(struct store *, const char *dir, backup_more_fn *more, void *arg,
		      struct error *);
/* What MORE told of the backup in DIR; NULL = nothing.  Caller frees *RET. */
enum err store_backup_more(const char *dir, json_object **ret, struct error *);
/*
 * Put the store of the backup in DIR in place.  From then on nobody gets into the store, whoever is
 * killed, until store_restored says that what belongs to it is in place as well: half a restore is
 * no site.
 * Errors: ERR_CONFLICT (there is a store, and not REPLACE), those of the backup.
 */
enum err store_restore(const struct config *, const char *dir, bool replace, struct error *);
/*
 * ERR_CONFLICT while a process has the store open: what it has open it would go on with after a
 * restore.
 */
enum err store_unused(const struct config *, struct error *);
enum err store_restored(const struct config *, struct error *);
/* One line each to OUT; *RET_FINDINGS counts.  FLAGS mend. */
enum err store_check(struct store *, bool repair, bool migrate, FILE *out, int *ret_findings,
		     struct error *);
/*
 * JSON Lines, sorted; TABLES NULL = all; digests shown as "***" without SECRETS.  Of a damaged
 * store it prints what can be read, and a line to TOLD (may be NULL) for whatever cannot.
 * Errors: ERR_STORE when something is left out.
 */
enum err store_dump(struct store *, const char *const *tables, bool secrets, FILE *out, FILE *told,
		    struct error *);
/*
 * All or nothing.  REPLACE: whatever store is there is kept aside as db.old-…; killed meanwhile,
 * nobody gets in until it was done again.
 * Errors: ERR_CONFLICT (not empty, in use), ERR_BAD_REQUEST with the line.
 */
enum err store_load(struct store *, FILE *in, bool replace, struct error *);
/*
 * Force a checkpoint, make the ballast again, drop old tombstones and nonces: the sweep of worker
 * and gc.
 */
enum err store_sweep(struct store *, struct error *);

#endif
