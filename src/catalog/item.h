/*
 * Data items: every dataset of the catalogue and every file a client put beside it, one integer id
 * for both.  An item's model is one JSON object (all members always present, null where nothing is
 * known):
 *
 *   {"id","fileName","type":DataItemType,"size","MD5","status":Status,"userName","nickname",
 *   "createTime"
 * (ms), "lastModfiedTime" (ms; spelled so on the
 * wire),"description","tags":[…],"coordType","dataMetaInfo":{…}|null,
 *    "dataCheckResult":{…}|null,"serviceStatus":ServiceStatus,"dirId":n|null,"downloadCount",
 *    "storageId","thumbnail":bool,
 *    not for clients: "file":"<path of the stored file below data_dir>"|null,"upload":"<id of the
 * upload that holds it>"|null, "work":{…}|null (the caller's own notes: task numbers, error
 * texts),"dataset":"vector|raster|table"|null (imported), "layer":"<the dataset's
 * name>"|null,"public":bool,"permission":"SEARCH|DOWNLOAD|DELETE" (the viewer's), "may_share":bool
 * (owner, administrator)}
 *
 * Words (types, states) are stored as given: whoever calls has checked them against the lists of
 * contracts/datas.md 6. Source: contracts/datas.md 3-8, 11.
 */
#ifndef SLIPWAY_CATALOG_ITEM_H
#define SLIPWAY_CATALOG_ITEM_H

#include "catalog/catalog.h"

enum item_permission {
	ITEM_NOTHING,
	ITEM_SEARCH,
	ITEM_DOWNLOAD,
	ITEM_DELETE,
	ITEM_PERMISSION__MAX
};

enum item_order {
	ITEM_BY_ID,
	ITEM_BY_CREATETIME,
	ITEM_BY_DOWNLOADCOUNT,
	ITEM_BY_FILENAME,
	ITEM_BY_LASTMODIFIEDTIME, /* UPDATETIME is the same */
	ITEM_BY_NICKNAME,
	ITEM_BY_SERVICESTATUS,
	ITEM_BY_SIZE,
	ITEM_BY_STATUS,
	ITEM_BY_TYPE,
	ITEM_BY_USERNAME,
	ITEM_ORDER__MAX
};

enum item_scope {
	ITEM_SCOPE_ALL,
	ITEM_SCOPE_PUBLIC, /* shared to GUEST */
	ITEM_SCOPE_MINE,
	ITEM_SCOPE_MYGROUPS, /* shared to a group of the viewer's */
	ITEM_SCOPE_SHARED,   /* shared to the viewer by name, not own */
	ITEM_SCOPE_NONE	     /* MYDEPARTMENT_RES: always empty */
};

/* Bits of item_query.fields. */
enum item_field {
	ITEM_FIELD_FILENAME = 1,
	ITEM_FIELD_USERNAME = 2,
	ITEM_FIELD_NICKNAME = 4,
	ITEM_FIELD_DESCRIPTION = 8,
	ITEM_FIELD_TAGS = 16,
	ITEM_FIELD_ALL = 31
};

/* Texts or numbers of one filter; n 0 = no filter.  Borrowed. */
struct item_texts {
	const char *const *v;
	size_t n;
};
struct item_numbers {
	const int64_t *v;
	size_t n;
};

/* One question; {0} with .max asks for all the viewer may see, by id.  Members are combined with
 * AND, lists with OR. */
struct item_query {
	struct viewer viewer;
	bool mine; /* mycontent: the viewer's own items only */
	struct item_numbers ids;
	struct item_texts tags;	  /* any of them, whole, as spelled */
	struct item_texts owners; /* userNames and userName */
	struct item_texts types;  /* types and type */
	struct item_texts statuses;
	struct item_texts service_statuses;
	struct item_numbers dirs;
	struct item_texts
	    keywords;	       /* EVERY one occurs in one of the fields; empty ones are dropped */
	unsigned fields;       /* enum item_field, 0 = all that there are; NO_FIELD below = none */
	const char *file_name; /* NULL = any */
	bool sub_dirs;	       /* with dirs: and below them */
	bool not_in_dir;
	bool is_public; /* only what is shared to GUEST */
	enum item_scope scope;
	enum item_permission permission; /* at least; ITEM_NOTHING = SEARCH */
	bool with_created_from, with_created_to;
	int64_t created_from, created_to; /* ms, both inclusive */
	enum item_order order;
	bool descending;
	size_t skip, max;
	/* Models without what is not for clients, but for "dataset" and "may_share", and null or
	 * not there for false. */
	bool brief;
};
#define ITEM_NO_FIELD 0x100u /* filterFields that match nothing (LINKPAGE, PROXIEDURL) alone */

/*
 * A page of models, in order, and how many match in all (never NULL).
 * Owns: caller frees *RET.
 */
enum err catalog_items(struct catalog *, const struct item_query *, json_object **ret,
		       size_t *ret_total, struct error *);
/* Errors: ERR_NOT_FOUND also for what the viewer may not see.  Caller frees. */
enum err catalog_item_get(struct catalog *, int64_t id, const struct viewer *, json_object **ret,
			  struct error *);

/* "createtime", "UpdateTime" …: false = unknown.  Likewise searchScope (with and without _RES). */
bool item_order_of(const char *word, enum item_order *ret);
bool item_scope_of(const char *word, enum item_scope *ret);
bool item_permission_of(const char *word, enum item_permission *ret); /* READ = DOWNLOAD */
const char *item_permission_word(enum item_permission);

/* DataItemType by extension (contracts/datas.md 6), "UNKNOWN" for the rest; what a .zip holds is
 * for others to say. */
const char *item_type_of_name(const char *file_name);

/* ---- writing.  No call checks rights unless it takes a viewer. */

/*
 * Entities:
 * [{"kind":"USER|GROUP|GUEST","name":"ann"|"staff"|"","permission":"SEARCH|DOWNLOAD|DELETE"},…];
 * the owner's own is implicit and ignored.  Whoever calls has checked that users and groups exist.
 * A second entry for the same entity: the higher one counts.  Errors: ERR_BAD_REQUEST for another
 * word, or GUEST with DELETE.
 */

/*
 * Make an item from MODEL: "userName", "fileName" needed; type, size, MD5, status (CREATED),
 * nickname (= userName), description, tags, coordType, dataMetaInfo, dataCheckResult, serviceStatus
 * (DOES_NOT_INVOLVE), dirId, file, upload, work optional.  createTime, lastModfiedTime, storageId
 * are made here.  ENTITIES may be NULL: private. Errors: ERR_BAD_REQUEST; ERR_NOT_FOUND: dirId.
 */
enum err catalog_item_create(struct catalog *, const json_object *model,
			     const json_object *entities, int64_t *ret_id, struct error *);
/*
 * Change members of item ID: those of catalog_item_create except userName; others: ERR_BAD_REQUEST.
 * A null clears.  lastModfiedTime follows fileName, type, size, MD5, description, tags, coordType,
 * dataMetaInfo, dirId. IF_STATUS (NULL = any): only when the status is one of these words,
 * separated by blanks; else ERR_CONFLICT. An imported dataset's title stays; its abstract and
 * keywords follow description and tags.
 */
enum err catalog_item_change(struct catalog *, int64_t id, const json_object *changes,
			     const char *if_status, struct error *);
/*
 * Delete all of IDS or nothing: the viewer needs DELETE on each.  *RET_GONE: the models of what was
 * deleted, so that their files can go (caller frees; may be NULL).  *RET_BAD: the id an error is
 * about. Errors: ERR_NOT_FOUND (unknown, invisible); ERR_FORBIDDEN.
 */
enum err catalog_items_delete(struct catalog *, const int64_t *ids, size_t n, const struct viewer *,
			      json_object **ret_gone, int64_t *ret_bad, struct error *);
/* Replace the entities of all of IDS or of none; owner of all, or administrator.  Errors as above
 * and as for entities. */
enum err catalog_items_share(struct catalog *, const int64_t *ids, size_t n, const struct viewer *,
			     const json_object *entities, int64_t *ret_bad, struct error *);
/* The entities of item ID, owner's first (as USER with DELETE).  Caller frees. */
enum err catalog_item_entities(struct catalog *, int64_t id, json_object **ret, struct error *);
/* What has SUBJECT "u:<user>" or "g:<group>" in it is shared no longer: before that user or group
 * is removed. */
enum err catalog_forget(struct catalog *, const char *subject, struct error *);

/* One more finished download, in a side table; folded into the items by the worker. */
enum err catalog_item_downloaded(struct catalog *, int64_t id, struct error *);
enum err catalog_fold_downloads(struct catalog *, struct error *);
/* Ids of items still CREATED since before BEFORE_MS, oldest first, at most MAX: array of numbers.
 * Caller frees. */
enum err catalog_items_unfilled(struct catalog *, int64_t before_ms, size_t max, json_object **ret,
				struct error *);

/*
 * An API item is imported with catalog_publish: MODEL's "id" is the item's and "item" is true.  Its
 * file name, tags, description, directory, owner and entities stay and become the dataset's;
 * serviceStatus becomes PUBLISHED. Importing again is catalog_replace.
 */

/* ---- directories: a tree of names */

/* PARENT 0 = top.  Errors: ERR_BAD_REQUEST (name), ERR_NOT_FOUND (parent), ERR_CONFLICT (name
 * taken), ERR_TOO_LARGE (depth). */
enum err catalog_dir_add(struct catalog *, int64_t parent, const char *name, int64_t *ret_id,
			 struct error *);
/* [{"id","parent","name","depth","items"}], parents before children.  Caller frees. */
enum err catalog_dir_list(struct catalog *, json_object **ret, struct error *);
/* Errors: ERR_NOT_FOUND; ERR_CONFLICT: not empty. */
enum err catalog_dir_delete(struct catalog *, int64_t id, struct error *);

#endif
