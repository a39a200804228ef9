/*
 * One list of data items on its way: counted in item_count.c, its page found in item_page.c, read
 * in item_query.c. Private to those.
 */
#ifndef SLIPWAY_CATALOG_ITEM_PAGE_H
#define SLIPWAY_CATALOG_ITEM_PAGE_H

#include "catalog/item_ask.h"
#include "catalog/item_set.h"

struct page {
	struct item_sets sets;
	const struct catalog *catalog;
	struct conn *conn;
	struct ask_plan *plan;
	struct error *error;
	int64_t total;
	int64_t seen;	   /* items in the branches that are filtered */
	int64_t skip, max; /* from the nearer end */
	bool descending;   /* there */
};

/* The number in the only row of a statement. */
enum err page_number(struct conn *, struct ask_text *, int64_t *ret, struct error *);
/* total, seen, and n of each branch; the sets that rights are asked of. */
enum err page_count(struct page *);
/*
 * A statement of the page's rows, when skip, max and descending are known: item_columns, then what
 * the viewer was given of each.  Borrowed as conn_prepare's.
 */
enum err page_find(struct page *, sqlite3_stmt **ret);
/* The one filter, if it is one that an index of branch SEEN leads with; NULL. */
const char *page_only_filter(const struct ask_plan *);
/* Fill the set of ids that pass the filters of item_scan, of those with this vis (-1: any). */
enum err page_fill_filter(struct page *, int vis);

#endif
