/*
 * Sets of data items in memory, a bit each, for statements that would else look at every item's
 * row: what a viewer may see, and what passes the filters.  SQL asks them with item_visible(id),
 * item_open(id), item_in(id).
 *
 * What everybody sees, and what everybody may download, is kept in table item_seen, 8192 items a
 * row.
 */
#ifndef SLIPWAY_CATALOG_ITEM_SET_H
#define SLIPWAY_CATALOG_ITEM_SET_H

#include "catalog/item_db.h"

struct id_set {
	unsigned char *bits; /* owned */
	int64_t limit;	     /* ids below it have a bit */
};

struct item_sets {
	struct id_set seen;   /* item_visible: everybody's, and the viewer's own */
	struct id_set open;   /* item_open: everybody may download */
	struct id_set filter; /* item_in */
	bool loaded;	      /* seen and open are */
};

void sets_done(struct item_sets *);
void set_add(struct id_set *, int64_t id);
bool set_has(const struct id_set *, int64_t id);
size_t set_count(const struct id_set *);
/* Read what everybody sees.  Once for a question. */
enum err sets_load(struct conn *, struct item_sets *, struct error *);
/* Add the ids that STMT yields. */
enum err sets_collect(struct conn *, sqlite3_stmt *, struct id_set *, struct error *);

/* Keep item_seen: everybody sees (may download) item ID, or no longer.  Inside a transaction. */
enum err item_seen_write(struct conn *, int64_t id, bool seen, bool open, struct error *);

/* The three functions for a connection, which ask conn->sets. */
enum err sets_register(struct conn *, struct error *);

#endif
