#include "base/problem.h"

#include <string.h>
#include "base/mem.h"

json_object *problem_new(const char *code)
{
	return json_set_str(json_object_new_object(), "code", code);
}

json_object *problem_str(json_object *p, const char *member, const char *value)
{
	return json_set_str(p, member, value);
}

json_object *problem_int(json_object *p, const char *member, int64_t value)
{
	return json_set_int(p, member, value);
}

static json_object *args_of(json_object *p)
{
	json_object *args = json_obj(p, "args");

	if (args == NULL) {
		args = json_object_new_object();
		json_set(p, "args", args);
	}
	return args;
}

json_object *problem_arg(json_object *p, const char *name, const char *value)
{
	json_set_str(args_of(p), name, value);
	return p;
}

json_object *problem_arg_int(json_object *p, const char *name, int64_t value)
{
	json_set_int(args_of(p), name, value);
	return p;
}

void problems_add(json_object **list, json_object *p)
{
	if (*list == NULL)
		*list = json_object_new_array();
	if (json_object_array_add(*list, p) != 0)
		mem_die();
}

const char *problem_code(const json_object *p)
{
	return json_str(p, "code", "");
}

bool problems_have(const json_object *list, const char *code)
{
	json_object *p;

	JSON_EACH(p, list)
	if (strcmp(problem_code(p), code) == 0)
		return true;
	return false;
}
