/*
 * An answer too long for memory, printed piece by piece into a file without a name, then sent from
 * there.
 */
#ifndef SLIPWAY_VIEWS_DATAS_PRINT_H
#define SLIPWAY_VIEWS_DATAS_PRINT_H

#include "views/datas.h"

struct printing {
	struct call *call;
	FILE *out;
	bool xml, indent;
	const char *callback; /* of a script, NULL = none; borrowed */
	bool more;	      /* a member or item stands before the next one on this level */
	int depth;
};

/* Begin the object; XML_ROOT is its name there. */
enum err printing_begin(struct call *, const char *xml_root, struct printing *ret);
/* A member: NAME and the value's bytes (NULL: null, which XML leaves out). */
void printing_text(struct printing *, const char *name, const char *value);
void printing_int(struct printing *, const char *name, int64_t value);
/* A member that is a text of many pieces. */
void printing_long_begin(struct printing *, const char *name);
void printing_long(struct printing *, const char *s, size_t len);
void printing_long_end(struct printing *, const char *name);
/* A member that is an object or a list; in a list NAME is the item's in XML. */
void printing_open(struct printing *, const char *name, char bracket);
void printing_close(struct printing *, const char *name, char bracket);
/* An item of a list of texts. */
void printing_item(struct printing *, const char *s, size_t len);
/* A member NAME, or with ITEM an item of a list (then NAME is its class), that is small enough to
 * stand in memory. */
void printing_model(struct printing *, const char *name, bool item, const json_object *model);
/* End the object and make it CALL's answer. */
enum err printing_end(struct printing *, const char *xml_root);
/* Not to be answered: what was printed goes. */
void printing_drop(struct printing *);

#endif
