/*
 * The catalogue of datasets.  One header, one implementation (SQLite); a second one is a second
 * file.
 * A dataset's model is one JSON object (members below); what is sorted or filtered by is a column
 * too.
 *
 *   {"id","owner","name","title","abstract","type":"vector|raster|table","geometry","crs":{"code",
 *   "name","wkt"}|null,
 *    "bbox":[minx,miny,maxx,maxy]|null,"bbox_wgs84":[…]|null,"count","columns":[{"name","original",
 *    "type","nulls",
 *    "min","max","samples":[…]}],"rows":[[…] first 20],"raster":{"width","height","bands","dtype",
 *    "nodata","pixel"},
 *    "time":{"attribute","end_attribute","presentation","precision_value","precision_step","start",
 *    "end","positions"}|null,
 *    "source":[{"name","size","md5","sha256"}],"keywords":[…],"permissions":{"users":{…},
 *    "groups":{…}},"access":"private|
 *    view|download","session","layer","file":"<path below data_dir/datasets>","size","revision",
 *    "created","changed",
 *    "downloads":n,"warnings":[…],"originals":bool,"uuid"|absent,"answers":wizard/earlier.h|absent}
 *
 * Data items (what iPortal clients list) are the same records seen from outside: catalog/item.h.
 */
#ifndef SLIPWAY_CATALOG_CATALOG_H
#define SLIPWAY_CATALOG_CATALOG_H

#include "base/config.h"
#include "base/json.h"

/* one per process; many threads (a connection each, opened when first needed) */
struct catalog;

enum dataset_right {
	DATASET_SEE,
	DATASET_DOWNLOAD,
	DATASET_EDIT,
	DATASET_DELETE,
	DATASET_SHARE,
	DATASET_RIGHT__MAX
};

/*
 * Who looks: a user name ("" = nobody), whether everything is allowed, and the groups he belongs
 * to.  Borrowed.
 */
struct viewer {
	const char *user;
	bool admin;
	const char *groups; /* names, one a line; NULL = none */
};

enum err catalog_open(const struct config *, struct catalog **ret, struct error *);
void catalog_close(struct catalog *);

/* A fresh dataset id, never reused; known before the files are moved into place. */
enum err catalog_reserve(struct catalog *, int64_t *ret_id, struct error *);
/*
 * Publish: insert the model under its id.  Idempotent by (session, layer): if that pair has a
 * dataset, nothing changes and *RET_ID is its id.  "name" is made unique here (_2, _3 …) and set in
 * MODEL, as are "revision", "created", "changed", "access" and "permissions" (which follow each
 * other; "permissions" wins).  Rights are in force with the row.  A model without "session" has no
 * such pair; one without "id" gets one here.
 * Errors: ERR_BAD_REQUEST (type, name, access, shapes); ERR_CONFLICT: the id is taken.
 */
enum err catalog_publish(struct catalog *, json_object *model, int64_t *ret_id, struct error *);
/*
 * The dataset that (session, layer) made or replaced, 0 = none; told also when it was deleted
 * since.
 */
enum err catalog_by_session(struct catalog *, int64_t session, int64_t layer, int64_t *ret_id,
			    struct error *);
/* The dataset whose metadata carries UUID, 0 = none. */
enum err catalog_by_uuid(struct catalog *, const char *uuid, int64_t *ret_id, struct error *);
/*
 * Replace content: file, columns, count, … of dataset ID in one transaction; "revision" must be
 * EXPECTED and grows by one.  id, owner, name, title, abstract, keywords, permissions, access and
 * created stay whatever MODEL says.  Idempotent by (session, layer) as catalog_publish.
 * Errors: ERR_NOT_FOUND; ERR_CONFLICT: another revision or type.
 */
enum err catalog_replace(struct catalog *, int64_t id, json_object *model, int64_t expected,
			 struct error *);
/*
 * Change title, abstract, keywords, permissions, access.  With "access" alone everybody's rights
 * become those of the word; with "permissions" the word follows.  Errors: ERR_NOT_FOUND;
 * ERR_BAD_REQUEST for any other member.
 */
enum err catalog_update(struct catalog *, int64_t id, const json_object *changes, struct error *);
/* The model, if the viewer may see it (DATASET_SEE), else ERR_NOT_FOUND.  Caller frees. */
enum err catalog_get(struct catalog *, int64_t id, const struct viewer *, json_object **ret,
		     struct error *);
enum err catalog_get_by_name(struct catalog *, const char *name, const struct viewer *,
			     json_object **ret, struct error *);
bool catalog_may(const json_object *model, const struct viewer *, enum dataset_right);
enum err catalog_delete(struct catalog *, int64_t id, struct error *);
enum err catalog_count_download(struct catalog *, int64_t id, struct error *);

struct catalog_query {
	struct viewer viewer;
	const char *owner; /* NULL = any */
	const char *type;  /* NULL = any */
	/* NULL = none: every word must occur; two Chinese characters are found */
	const char *keyword;
	bool editable; /* only what the viewer may edit */
	size_t skip, max;
};
/* Newest first: array of short models (without columns, rows, wkt).  Caller frees. */
enum err catalog_list(struct catalog *, const struct catalog_query *, json_object **ret,
		      size_t *ret_total, struct error *);
/*
 * Do counts, tags, shares and the sets of what everybody sees agree with the items?  SAY is told of
 * each kind of disagreement, how many there are, and whether they were mended.
 * Errors: ERR_STORE when the file itself is damaged; then nothing is mended.
 */
typedef void catalog_finding(void *arg, const char *what, int64_t n, bool mended);
enum err catalog_check(struct catalog *, bool repair, catalog_finding *say, void *arg,
		       struct error *);
enum err catalog_backup(struct catalog *, const char *path, struct error *);
/*
 * The same for any other SQLite database: FROM, which others may be writing, becomes the new file
 * TO.
 */
enum err catalog_copy_database(const char *from, const char *to, struct error *);

#endif
