/*
 * What the pages of the signed APIs' administration share: datasets (receivers), accounts, log.
 * Source: contracts/signed-api.md 6.
 */
#ifndef SLIPWAY_VIEWS_ADMIN_DATASETS_H
#define SLIPWAY_VIEWS_ADMIN_DATASETS_H

#include "signed/manage.h"
#include "signed/receiver.h"
#include "views/admin.h"

struct manage datasets_manage(const struct call *);
/* ERR of a change as the answer's problem: FIELD is the form's, NAME what it was about. */
enum err datasets_fail(struct call *, const struct manage *, enum err err, const char *field,
		       const char *name);
/* A field as text: of a form, or of a JSON body, where it may be an object or array.  NULL: absent.
 * Caller frees. */
char *datasets_field(const struct call *, const char *name);
/* The same as a JSON object; else a problem is told of FIELD. */
enum err datasets_object(struct call *, const char *field, json_object **ret);
/* ?name=, or the form's. */
const char *datasets_name(const struct call *);
typedef enum err datasets_page(struct call *, int status);
/* GET shows PAGE.  POST does one of ACTIONS: then JSON gets PAGE, a person is sent on to PATH. */
enum err datasets_do(struct call *, const struct admin_action *actions, size_t n, const char *path,
		     const char *name, datasets_page *page);
/* REMOVE what the page is about; the list of all answers. */
enum err datasets_remove(struct call *, enum err (*remove)(struct manage *, const char *name));

/* An account, or the journal's entries, as a page or program may see them.  Caller frees. */
json_object *datasets_account(const json_object *record);
json_object *datasets_log(const struct call *, const char *name);

/*
 * dataset_example.c: what a program has to send to this dataset.  {"url","path","ds":example,"py":
 * {…},"sh":{…}}: the last two are literals of those languages.  ACCOUNT: who sends.  Caller frees.
 */
json_object *dataset_example(const struct call *, const json_object *record, const char *account);

#endif
