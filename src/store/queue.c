#include "store/queue.h"

/*
 * Queue TASK for SESSION: the task gets the session's id, the session's member "task" becomes
 * {"id","kind"}.
 * The session's record is not stored here.  Neither is kept.
 */
static enum err queue_task(struct pass *p, json_object *session, json_object *task)
{
	int64_t id = 0;
	json_set_int(task, "session", json_int(session, "id", 0));
	enum err err = tasks_add(p, task, &id);
	if (err != ERR_OK)
		return err;
	json_object *ref = json_object_new_object();
	json_set_int(ref, "id", id);
	json_set_str(ref, "kind", json_str(task, "kind", ""));
	json_set(session, "task", ref);
	return ERR_OK;
}

enum err queue_create(struct pass *p, json_object *session, const char *nonce, json_object *task,
		      int64_t *ret_id)
{
	int64_t id = 0;
	enum err err = sessions_create(p, session, nonce, &id);
	if (err == ERR_CONFLICT)
		*ret_id = id;
	if (err != ERR_OK)
		return err;
	err = queue_put(p, session, -1, task);
	if (err == ERR_OK)
		*ret_id = id;
	return err;
}

enum err queue_put(struct pass *p, json_object *session, int64_t expected_rev, json_object *task)
{
	if (task != NULL) {
		enum err err = queue_task(p, session, task);
		if (err != ERR_OK)
			return err;
	}
	return sessions_put(p, session, expected_rev);
}
