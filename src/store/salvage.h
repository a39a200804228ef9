/*
 * What is left of a damaged store.  DIR is a copy, which is changed.  Private to store/.
 */
#ifndef SLIPWAY_STORE_SALVAGE_H
#define SLIPWAY_STORE_SALVAGE_H

#include "store/tables.h"

/*
 * Recover the copy without the tables that are damaged, and open it.  REMAINS: of which tables
 * there is nothing but the file: of the damaged ones, or of all (then ENV is not open) when no
 * recovery makes it whole.
 */
enum err salvage_open(struct env *, const char *dir, bool remains[TABLE__MAX], struct error *);

/*
 * FN for each entry on the sound pages of a table's file, in no order.  *RET_PAGES: how many pages
 * are not sound; *RET_ENTRIES: of how many entries a part was there.
 */
enum err salvage_each(const char *dir, enum table, each_fn *fn, void *arg, size_t *ret_pages,
		      size_t *ret_entries, struct error *);

#endif
