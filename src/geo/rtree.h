/*
 * A packed R-tree for SQLite's rtree module: bounding boxes are collected while rows are written,
 * then sorted (sort-tile-recursive) and written as complete nodes in one pass. Source: SQLite 3.40
 * ext/rtree/rtree.c (node format, node size); Leutenegger et al. 1997 (STR).
 */
#ifndef SLIPWAY_GEO_RTREE_H
#define SLIPWAY_GEO_RTREE_H

#include <sqlite3.h>
#include <stdint.h>
#include "base/err.h"

struct rtree;

/* SPILL_PATH: where a file may be made when there are very many boxes; copied. */
struct rtree *rtree_new(const char *spill_path);
void rtree_free(struct rtree *);
/*
 * Remember the box of row ID.  ENV is minx, maxx, miny, maxy, all finite; rounded outward to
 * floats. IDs are cheapest in growing order.
 */
enum err rtree_add(struct rtree *, int64_t id, const double env[4], struct error *);
int64_t rtree_count(const struct rtree *);
/*
 * Create the virtual table NAME (id, minx, maxx, miny, maxy) in DB and fill it with everything
 * collected. Runs inside the caller's transaction.
 */
enum err rtree_write(struct rtree *, sqlite3 *db, const char *name, struct error *);

#endif
