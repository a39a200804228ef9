/*
 * What the administration pages share, and those of a user's own keys.
 */
#ifndef SLIPWAY_VIEWS_ADMIN_H
#define SLIPWAY_VIEWS_ADMIN_H

#include "catalog/item.h"
#include "store/groups.h"
#include "views/wizard.h"

/* One change, for a pass. */
struct admin {
	struct call *call;
	const char *name; /* of a user */
	const char *group;
	const char *role;
	const char *key;   /* a key's id or name */
	char *hash;	   /* of a new password */
	bool flag;	   /* disabled, read-only, or join */
	int64_t expires;   /* of a key: ms, 0 = never */
	char token[41];	   /* of a new key */
	json_object *user; /* owned by who asked */
	json_object *list;
	json_object *groups;
};

/* What field "do" may say. */
struct admin_action {
	const char *word;
	bool answers; /* itself; else the page says that the change is saved */
	enum err (*fn)(struct call *);
};
enum err admin_do(struct call *, const struct admin_action *, size_t n, bool *ret_answers);
enum err admin_fail(struct call *, enum err, const char *code, const char *field,
		    const char *value);
/* The status of a page that says what was wrong. */
int admin_status(enum err);
/* Whose page this is: the user an administrator asks for, or the one who asks for his own. */
const char *admin_subject(struct call *);
/* A change to that user: FN in a pass of its own, what it may refuse becomes a problem. */
enum err admin_user_run(struct call *, pass_fn *fn, struct admin *);

/* keys.c: keys as a page shows them; making one (PAGE shows its token once) and revoking one. */
typedef enum err admin_page(struct call *, int status, const char *token);
json_object *keys_shown(const json_object *keys);
enum err key_add(struct call *, admin_page *page);
enum err key_delete(struct call *);

/* Takes M. */
enum err admin_answer(struct call *, const char *template_name, json_object *m, int status);

#endif
