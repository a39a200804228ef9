/*
 * Inside the catalogue: the rows of data items.  All calls but those that say so run inside a
 * transaction of the caller's.
 */
#ifndef SLIPWAY_CATALOG_ITEM_DB_H
#define SLIPWAY_CATALOG_ITEM_DB_H

#include "catalog/db.h"
#include "catalog/item.h"

#define ITEM_DAY_MS 86400000LL /* a day of table item_day */

extern const char catalog_items_tables[], catalog_items_orders[],
    catalog_items_days[]; /* steps of the schema */

/* What happened to a dataset, so that its item follows. */
enum item_event {
	ITEM_MADE,    /* published: a new row, or an API item that is imported now */
	ITEM_META,    /* title, abstract, keywords, permissions */
	ITEM_CONTENT, /* replaced */
};

/*
 * The row of item ID as item.h's model plus "guest" (0..3) and "api" (made by the API); without
 * "permission" and "may_share".  Caller frees.  Errors: ERR_NOT_FOUND.
 */
enum err item_load(struct conn *, int64_t id, json_object **ret, struct error *);
/* Write it: row, tags, searched text.  INSERT: it is new. */
enum err item_save(struct conn *, int64_t id, const json_object *model, bool insert,
		   struct error *);
enum err item_remove(struct conn *, int64_t id, struct error *); /* nothing there is fine */
/*
 * The model in a row that `item_columns` was selected from: of item i and what `item_downloads`
 * joins to it.  BRIEF as in item.h.  NULL: damaged.
 */
extern const char item_columns[], item_downloads[];
json_object *item_of_row(struct conn *, sqlite3_stmt *, bool brief);
enum { ITEM_COLUMN_GUEST = 1, ITEM_COLUMN_LEVEL = 24 }; /* the latter follows item_columns */

/* Let the item of dataset ID follow its MODEL. */
enum err item_follow(struct conn *, int64_t id, const json_object *model, enum item_event,
		     struct error *);
/* What the item says that MODEL, which is about to be published under its id, takes over.  False:
 * there is no such item. */
enum err item_give(struct conn *, int64_t id, json_object *model, bool *ret_found, struct error *);
/* Items for all datasets of a catalogue that had none. */
enum err item_fill(struct conn *, struct error *);

/* Replace the shares of item ID.  ENTITIES are checked.  Sets "guest" of MODEL, which the caller
 * saves first and after. */
enum err item_share_write(struct conn *, int64_t id, const char *owner, const json_object *entities,
			  struct error *);
enum err item_share_read(struct conn *, int64_t id, json_object *to, struct error *);
enum err item_share_check(const json_object *entities, struct error *);
/* GUEST's level in entities; and entities out of a dataset's "permissions", and back. */
int64_t item_share_guest(const json_object *entities);
json_object *item_share_of_permissions(const json_object *permissions);
json_object *item_share_to_permissions(const json_object *entities);

/* What VIEWER may do with ITEM (of item_load): SUBJECTS are his, as JSON text. */
enum item_permission item_level(struct conn *, const json_object *item, const struct viewer *,
				struct error *);
/* ["u:ann","g:staff"]: caller frees. */
json_object *item_subjects(const struct viewer *);

/* [a-z0-9]{8}_[a-z0-9]{8}_ and a UUID with underscores, random. */
void item_storage_id(char out[55]);

/* One statement with an id as its only value. */
enum err conn_by_id(struct conn *, const char *sql, int64_t id, struct error *);
/* The first N columns of the only row of such a statement, all NULL without one.
 * Owns: caller frees each. */
enum err conn_texts(struct conn *, const char *sql, int64_t id, char *ret[], int n, struct error *);
/* With an id and N texts behind it; TERMS (may be NULL) tells what is bound in place of each. */
enum err conn_by_texts(struct conn *, const char *sql, int64_t id, char *const texts[], int n,
		       char *(*terms)(const char *text), struct error *);

#endif
