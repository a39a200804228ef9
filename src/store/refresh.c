#include <string.h>
#include "store/accounts.h"
#include "store/tasks.h"

/*
 * Will TASK still read the table, or does it read it again?  One that runs may have read it before
 * this write: it is asked to have a successor, so that no two are at one dataset.
 */
static enum err is_coming(struct pass *p, int64_t task, bool *ret)
{
	CLEAN_JSON json_object *record = NULL;
	enum err err = task <= 0 ? ERR_NOT_FOUND : tasks_get(p, task, &record);
	const char *state = json_str(record, "state", "");
	bool running = strcmp(state, "running") == 0;

	*ret = err == ERR_OK && (running || strcmp(state, "queued") == 0);
	if (err == ERR_OK && running && !json_bool(record, "again", false))
		err = tasks_put(p, json_set_bool(record, "again", true));
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err queue(struct pass *p, const json_object *receiver, int64_t *ret_id)
{
	CLEAN_JSON json_object *task = json_object_new_object();

	json_set_str(task, "kind", "refresh-table");
	json_set_str(task, "owner", "-");
	json_set_str(task, "receiver", json_str(receiver, "name", ""));
	json_set_int(task, "receiver_id", json_int(receiver, "id", 0));
	return tasks_add(p, task, ret_id);
}

enum err tasks_refresh(struct pass *p, const json_object *receiver)
{
	CLEAN_JSON json_object *now = NULL;
	int64_t id = 0;
	bool coming = false;
	enum err err;

	if (!json_bool(json_obj(receiver, "config"), "catalogue", false))
		return ERR_OK;
	/* The record as it is now: the caller's may be older. */
	err = receivers_get(p, json_str(receiver, "name", ""), &now);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = is_coming(p, json_int(now, "refresh", 0), &coming);
	if (err != ERR_OK || coming)
		return err;
	err = queue(p, now, &id);
	if (err == ERR_OK)
		err = receivers_put(p, json_set_int(now, "refresh", id));
	return err;
}
