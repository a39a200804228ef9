#include <fcntl.h>
#include <string.h>
#include "views/geo_ask.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

/* longest wait for one answer: PROJ's slowest search takes well under a second */
#define ASK_MS 8000
/* questions of one user, on the whole host: each is a process that takes a processor … */
#define AT_ONCE 3
#define WAITING 8 /* … and those that wait for them: each takes a thread of the front */
#define LOOK_MS 30

/*
 * ---- turns: bytes of locks/ask, AT_ONCE + WAITING for each user, locked by whoever asks or waits
 */

/*
 * May the user ask now?  Somebody who asks for a hundred previews at once must not have all
 * processors and threads.
 */
static enum err turn_take(struct call *call, int *ret_fd)
{
	CLEAN_FREE char *path = mem_printf("%s/locks/ask", call->ctx->config->data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int64_t until = clock_mono_ms() + ASK_MS;
	uint32_t hash = 2166136261U; /* FNV-1a: whose are equal share */
	bool waits = false;

	if (fd < 0)
		return error_errno(&call->error, ERR_UNAVAILABLE, "%s", path);
	for (const char *p = call->who.owner; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	off_t mine = (off_t)hash * (AT_ONCE + WAITING);
	while (fs_lock_one(fd, mine, AT_ONCE) < 0) {
		waits = waits || fs_lock_one(fd, mine + AT_ONCE, WAITING) >= 0;
		if (!waits || clock_mono_ms() > until || transport_stopping()) {
			(void)close(fd);
			return error_set(&call->error, ERR_RATE,
					 "too many questions of one user at once");
		}
		clock_sleep_ms(LOOK_MS);
	}
	*ret_fd = fd;
	return ERR_OK;
}

/* ---- a question */

/* A running slipway-geo with its "ready" said. */
static enum err ask_begin(struct call *call, struct child *child)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *program = mem_printf("%s/slipway-geo", c->program_dir);
	char *argv[] = {program, NULL};
	json_object *ready = NULL;

	enum err err = child_start(program, argv, false, child, &call->error);
	if (err != ERR_OK)
		return ERR_UNAVAILABLE;
	err = child_receive(child, ASK_MS, &ready, &call->error);
	if (err == ERR_OK && (strcmp(json_str(ready, "type", ""), "ready") != 0 ||
			      json_int(ready, "level", 0) < c->jail_min_level)) {
		err = error_set(&call->error, ERR_UNAVAILABLE, "the jail's level is too low");
		problems_add(&call->problems, problem_new("jail_unavailable"));
	}
	json_object_put(ready);
	if (err != ERR_OK) {
		child_end(child, NULL);
		return err == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
	}
	return ERR_OK;
}

/* One question (taken) to a running child. */
static enum err ask_one(struct call *call, struct child *child, json_object *question,
			json_object **ret)
{
	json_object *answer = NULL;
	enum err err = child_send(child, question, &call->error);
	json_object_put(question);
	if (err == ERR_OK)
		err = child_receive(child, ASK_MS, &answer, &call->error);
	if (err == ERR_OK && strcmp(json_str(answer, "type", ""), "result") != 0)
		err = error_set(&call->error, ERR_INTERNAL, "slipway-geo: no result");
	if (err != ERR_OK) {
		json_object_put(answer);
		return err;
	}
	*ret = answer;
	return ERR_OK;
}

/* Ask all of QUESTIONS; their answers are added to ANSWERS. */
static enum err ask_all(struct call *call, const json_object *questions, json_object *answers)
{
	json_object *q = NULL;
	struct child child;
	CLEAN_FD int turn = -1;
	enum err err = turn_take(call, &turn);

	if (err == ERR_OK)
		err = ask_begin(call, &child);
	if (err != ERR_OK)
		return err;
	JSON_EACH(q, questions)
	{
		json_object *a = NULL;
		if (q != NULL && err == ERR_OK)
			err = ask_one(call, &child, json_object_get(q), &a);
		json_object_array_add(answers, a);
	}
	child_finish(&child, 1000, NULL);
	return err;
}

/* He who asks too much is told when to come again. */
static enum err told(struct call *call, enum err err)
{
	if (err == ERR_RATE)
		reply_header(call->reply, "Retry-After", "1");
	return err;
}

static enum err ask(struct call *call, json_object *question, json_object **ret)
{
	CLEAN_JSON json_object *questions = json_object_new_array(),
			       *answers = json_object_new_array();

	json_object_array_add(questions, question);
	enum err err = ask_all(call, questions, answers);
	if (err == ERR_OK)
		*ret = json_object_get(json_at(answers, 0));
	return err;
}

enum err geo_ask(struct call *call, json_object *question, json_object **ret)
{
	return told(call, ask(call, question, ret));
}

enum err geo_ask_plan(struct call *call, const struct session *s, const json_object *plan,
		      json_object **ret)
{
	json_object *questions = srs_questions(s, plan), *answers = json_object_new_array();
	enum err err = ask_all(call, questions, answers);
	json_object_put(questions);
	if (err != ERR_OK) {
		json_object_put(answers);
		return told(call, err);
	}
	*ret = answers;
	return ERR_OK;
}

/* The first layer with a known extent: what a search's hits are held against. */
static bool first_extent(const struct session *s, double ret[4])
{
	json_object *layer = NULL;
	JSON_EACH(layer, session_layers(s))
	{
		if (srs_layer_chosen(s, layer) && srs_layer_extent(s, layer, ret))
			return true;
	}
	return false;
}

void geo_ask_fit(struct call *call, const struct session *s, json_object *found)
{
	double e[4];
	json_object *results = json_arr(found, "results"), *r = NULL, *answer = NULL;

	if (json_len(results) == 0 || !first_extent(s, e))
		return;
	json_object *question = json_object_new_object(), *codes = json_object_new_array(),
		    *extent = json_object_new_array();
	JSON_EACH(r, results)
	json_object_array_add(codes, json_object_new_string(json_str(r, "code", "")));
	for (size_t i = 0; i < 4; i++)
		json_object_array_add(extent, json_object_new_double(e[i]));
	json_set_str(question, "type", "job");
	json_set_str(question, "task", "srs");
	json_set(question, "codes", codes);
	json_set(question, "extent", extent);
	if (ask(call, question, &answer) != ERR_OK) {
		/* Only the hint is missing: the search itself stands. */
		log_line(LOG_LEVEL_WARN, call->req->id, "fit: %s", call->error.text);
		call->error = (struct error){0};
		return;
	}
	json_object *answers = json_arr(answer, "answers");
	JSON_EACH(r, results)
	json_set_str(r, "fit", json_str(json_at(answers, json_i_r), "fit", "unknown"));
	json_object_put(answer);
}
