/*
 * What the two administration pages share.
 */
#ifndef SLIPWAY_VIEWS_ADMIN_H
#define SLIPWAY_VIEWS_ADMIN_H

#include "catalog/item.h"
#include "store/groups.h"
#include "views/wizard.h"

/* One change, for a pass. */
struct admin {
	struct call *call;
	const char *name;         /* of a user */
	const char *group;
	const char *role;
	const char *key;          /* a key's id or name */
	char *hash;               /* of a new password */
	bool flag;                /* disabled, read-only, or join */
	int64_t expires;          /* of a key: ms, 0 = never */
	char token[41];           /* of a new key */
	json_object *user;        /* owned by who asked */
	json_object *list;
	json_object *groups;
};

/* What field "do" may say. */
struct admin_action {
	const char *word;
	bool answers;             /* itself; else the page says that the change is saved */
	enum err (*fn)(struct call *);
};
enum err admin_do(struct call *, const struct admin_action *, size_t n, bool *ret_answers);
enum err admin_fail(struct call *, enum err, const char *code, const char *field, const char *value);
/* The status of a page that says what was wrong. */
int admin_status(enum err);
/* Takes M. */
enum err admin_answer(struct call *, const char *template_name, json_object *m, int status);

#endif
