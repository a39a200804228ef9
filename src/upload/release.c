#include "upload/release.h"

enum err release_pass(struct pass *p, const json_object *list)
{
	json_object *u = NULL;

	JSON_EACH(u, list)
	{
		const char *id = json_str(u, "id", "");

		if (json_bool(u, "released", false))
			continue;
		enum err err =
		    json_bool(u, "own", false) ? upload_drop(p, id) : upload_hold(p, id, -1);
		if (err != ERR_OK && err != ERR_NOT_FOUND)
			return err;
	}
	return ERR_OK;
}

void release_files(struct engine *e, const json_object *list)
{
	json_object *u = NULL;

	JSON_EACH(u, list)
	{
		/* One of its owner's that he deleted meanwhile goes too. */
		if (!json_bool(u, "released", false))
			upload_release(e, json_str(u, "id", ""));
	}
}
