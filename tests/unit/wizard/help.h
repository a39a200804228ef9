/*
 * Sessions and forms for tests, written as JSON with single quotes.
 */
#ifndef SLIPWAY_TESTS_WIZARD_HELP_H
#define SLIPWAY_TESTS_WIZARD_HELP_H

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "wizard/session.h"

static inline json_object *help_json(const char *text)
{
	json_object *o = NULL;
	CLEAN_FREE char *s = mem_strdup(text);

	for (char *p = s; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	if (json_read(s, strlen(s), &json_limits_job, &o) != ERR_OK)
		fail_msg("the test's own JSON is wrong: %s", text);
	return o;
}

/* A session waiting for a person, with these members over the usual ones. */
static inline struct session *help_session(const char *kind, const char *members)
{
	struct session *s = session_new("ann", "roads", 1000, 2000);
	CLEAN_JSON json_object *more = help_json(members);

	assert_true(kind_by_name(kind, &s->kind));
	s->state = STATE_WAITING;
	(void)session_to_json(s, 1000);
	json_object_object_foreach(more, key, value) json_set(s->doc, key, json_copy(value));
	return s;
}

/* The I-th problem's code, "" = there is none. */
static inline const char *help_code(const json_object *problems, size_t i)
{
	return i < json_len(problems) ? problem_code(json_object_array_get_idx(problems, i)) : "";
}

static inline json_object *help_problem(const json_object *problems, size_t i)
{
	return i < json_len(problems) ? json_object_array_get_idx(problems, i) : NULL;
}

#endif
