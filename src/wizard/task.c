#include "wizard/task.h"
#include <string.h>
#include "wizard/message.h"

static json_object *task_new(const struct session *s, const char *kind, json_object *spec)
{
	json_object *task = json_object_new_object(), *ids = json_object_new_array(), *u = NULL;

	JSON_EACH(u, json_arr(s->doc, "uploads"))
	json_object_array_add(ids, json_object_new_string(json_str(u, "id", "")));
	json_set_str(task, "kind", kind);
	json_set_str(task, "owner", session_owner(s));
	json_set(task, "uploads", ids);
	return json_set(task, "spec", spec);
}

json_object *task_inspect(const struct session *s, const struct config *c)
{
	return task_new(s, "inspect", message_inspect(s, c));
}

json_object *task_import(const struct session *s, const struct config *c)
{
	json_object *task = task_new(s, "import", message_import(s, c));
	const char *mode = json_str(session_input(s, STEP_FINAL), "mode", "create");

	/*
	 * A target of an earlier try of the final page counts only while the mode still asks for
	 * one.
	 */
	if (strcmp(mode, "create") != 0)
		json_set(task, "target", json_copy(json_obj(s->doc, "target")));
	return task;
}
