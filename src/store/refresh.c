#include <string.h>
#include "store/accounts.h"
#include "store/tasks.h"

/* Does TASK wait for a worker?  One that runs may have read the table before this write. */
static enum err is_waiting(struct pass *p, int64_t task, bool *ret)
{
	CLEAN_JSON json_object *record = NULL;
	enum err err = task <= 0 ? ERR_NOT_FOUND : tasks_get(p, task, &record);

	*ret = err == ERR_OK && strcmp(json_str(record, "state", ""), "queued") == 0;
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
	bool waiting = false;
	enum err err;

	if (!json_bool(json_obj(receiver, "config"), "catalogue", false))
		return ERR_OK;
	/* The record as it is now: the caller's may be older. */
	err = receivers_get(p, json_str(receiver, "name", ""), &now);
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = is_waiting(p, json_int(now, "refresh", 0), &waiting);
	if (err != ERR_OK || waiting)
		return err;
	err = queue(p, now, &id);
	if (err == ERR_OK)
		err = receivers_put(p, json_set_int(now, "refresh", id));
	return err;
}
