/*
 * A dataset's model in the catalogue's tables: all its rows are written, read and removed together
 * here.
 */
#ifndef SLIPWAY_CATALOG_MODEL_H
#define SLIPWAY_CATALOG_MODEL_H

#include "catalog/db.h"

/*
 * Write all rows of dataset ID from its MODEL, whose members must be complete and checked; INSERT:
 * it is new.  Inside a transaction.
 */
enum err model_write(struct conn *, int64_t id, const json_object *model, bool insert,
		     struct error *);
/* The same for content that replaces another. */
enum err model_write_content(struct conn *, int64_t id, const json_object *model, struct error *);
/* A fresh id, never reused. */
enum err model_next_id(struct conn *, int64_t *ret, struct error *);
/* By ID (> 0), else by NAME.  Owns: caller frees *RET.  Errors: ERR_NOT_FOUND. */
enum err model_read(struct conn *, int64_t id, const char *name, json_object **ret, struct error *);
enum err model_remove(struct conn *, int64_t id, struct error *);
/* One row's JSON text with its downloads: NULL when it is damaged.  Caller frees. */
json_object *model_brief(sqlite3_stmt *, int brief_column, int downloads_column);

#endif
