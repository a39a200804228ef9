/*
 * Where the store may live: the data directory, the place of the regions, and the tests both must
 * pass. Private to store/.  Source: contracts/store.md 3, 11.
 */
#ifndef SLIPWAY_STORE_PLACE_H
#define SLIPWAY_STORE_PLACE_H

#include "base/config.h"

struct place {
	char *data_dir;	  /* owned: real path */
	char *regions;	  /* owned: the environment home */
	bool region_init; /* on a disk: fill them when made, lest ENOSPC ends in SIGBUS */
};

/*
 * Make the data directory where missing, open it and check it.
 * Owns:   caller closes *RET_DIR and calls place_done.
 * Errors: ERR_STORE with a sentence for the log.
 */
enum err place_open(const struct config *, struct place *ret, int *ret_dir, struct error *);
void place_done(struct place *);

/*
 * Choose the regions again (they may vanish or be squatted at any time) and make the directory.
 * *RET_CHANGED: it is another one than before.
 */
enum err place_regions(struct place *, const struct config *, bool *ret_changed, struct error *);

/* ERR_STORE when a DB_CONFIG lies in the regions: it would silently override our settings. */
enum err place_no_db_config(const struct place *, struct error *);

/*
 * Locks and shared memory work between processes here?  The result is remembered in
 * <data_dir>/selftest for this boot and these file systems, so that a CGI start stays cheap.
 */
enum err place_selftest(const struct place *, int dir, struct error *);

#endif
