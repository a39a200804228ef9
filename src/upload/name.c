/*
 * The name of an upload whose client tells it only with the bytes.
 */
#include <string.h>
#include "upload/engine.h"

struct naming {
	const char *id, *name;
};

/* Read, change and store in one transaction: other writers change the record meanwhile. */
static enum err name_pass(struct pass *p, void *arg)
{
	const struct naming *n = arg;
	CLEAN_JSON json_object *record = NULL;
	enum err e = uploads_get(p, n->id, &record);

	if (e != ERR_OK || state_of(record) >= UPLOAD_COMPLETE)
		return e;
	(void)json_set_str(record, "name", n->name);
	return uploads_put(p, record);
}

enum err upload_set_name(struct upload *u, const char *name, struct error *error)
{
	struct naming n = {u->id, name};
	enum err e = ERR_OK;

	if (u->state >= UPLOAD_COMPLETE || strcmp(json_str(u->record, "name", ""), name) == 0)
		return ERR_OK;
	if (!u->pending)
		e = store_pass(u->engine->store, engine_kind(u->engine), "upload name", name_pass,
			       &n, error);
	if (e == ERR_OK)
		(void)json_set_str(u->record, "name", name);
	return e;
}
