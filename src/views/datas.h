/*
 * Data items of iPortal's clients: their words, their question, their look.  Shared by datas*.c and
 * mycontent*.c. Source: contracts/datas.md.
 */
#ifndef SLIPWAY_VIEWS_DATAS_H
#define SLIPWAY_VIEWS_DATAS_H

#include "catalog/item.h"
#include "views/ctx.h"

#define DATAS_ID_MAX   INT32_MAX
#define DATAS_LIST_MAX 1000 /* elements of one array, ids of one batch */

/* ---- datas_words.c: what things are called */

enum datas_enum {
	DATAS_TYPE,
	DATAS_STATUS,
	DATAS_SERVICE_STATUS,
	DATAS_COORD_TYPE,
	DATAS_PERMISSION,
	DATAS_ORDER_BY,
	DATAS_ORDER_TYPE,
	DATAS_SCOPE,
	DATAS_FIELD,
	DATAS_SERVICE_TYPE,
	DATAS_ENUM__MAX
};
/* WORD as it is spelled in the list, NULL: not in it.  Any case. */
const char *datas_word(enum datas_enum, const char *word);
/* Can such an item be made, or only be asked for? */
bool datas_type_creatable(const char *type);
/* Can files of this type be imported?  They are as the wizard takes them. */
bool datas_type_importable(const char *type, const char *file_name);
/* By its extension. */
const char *datas_type_of(const char *file_name);
/* As the site tells it: iportal.types = classic knows fewer. */
const char *datas_type_told(const struct call *, const char *type);

/* ---- datas_query.c: what is asked */

struct datas_query {
	struct item_query q;
	json_object *echo; /* owned: "searchParameter" */
	int64_t page, size;
	bool services; /* hasServices */
	char from[11]; /* the page's own days of creation: "2026-01-31", "" = none */
	char to[11];
	void *blocks[16]; /* owned: the lists */
	size_t n_blocks;
};
/*
 * Read query and body.  MINE: mycontent.  Owns: caller calls datas_query_done, also after an error.
 * Errors: ERR_BAD_REQUEST naming the parameter; the body's.
 */
enum err datas_query_read(struct call *, bool mine, struct datas_query *);
void datas_query_done(struct datas_query *);

/* ---- datas_page.c */

/* The list M (frame and content) as a page; takes M. */
enum err datas_page(struct call *, const struct datas_query *, bool mine, json_object *m);

/* ---- datas_item.c: one item */

/* Who looks; ERR_AUTH when the site shows nothing to strangers.  Borrowed from CALL. */
enum err datas_viewer(struct call *, struct viewer *ret);
/*
 * The item that the path's "id" names, for somebody with at least WANTED on it.  A key for certain
 * items sees those. Owns:   caller frees *RET. Errors: ERR_NOT_FOUND: unknown or not to be seen;
 * ERR_AUTH: too little.
 */
enum err datas_find(struct call *, enum item_permission wanted, json_object **ret);
/* The body of a request, as supermap_body reads it; NULL: none. */
enum err datas_body(struct call *, json_object **ret);
/* A catalogue model becomes what clients read.  SERVICES: list them; else MODEL is brief.  Changes
 * MODEL. */
enum err datas_item_tell(struct call *, json_object *model, bool services);
/* [{"serviceID":…},…] of MODEL: what the site offers of an imported item.  Caller frees. */
json_object *datas_services(struct call *, const json_object *model);
/* Entities as clients read them; takes ENTITIES. */
json_object *datas_entities_tell(struct call *, json_object *entities);
/* Is this id among those a restricted key may read?  True without such a key. */
bool datas_key_allows(const struct call *, int64_t id);

#endif
