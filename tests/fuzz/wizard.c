/*
 * Goal: whatever a jail found in a file and whatever forms a client posts, in whatever order: the
 * steps judge them without a fault, give a reason for what they refuse, and what they store or show
 * is JSON a reader of ours takes.
 * The input's first line is a jail's result; each further one a step's first letter (c, s, t, f; w:
 * save) and its form, urlencoded.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/problem.h"
#include "wizard/columns.h"
#include "wizard/final.h"
#include "wizard/message.h"
#include "wizard/srs.h"
#include "wizard/when.h"

#define FILES 3
#define FORMS 12

static const struct json_limits limits = {16 << 20, 64, 1000000};

/* Takes O: it is text that is read back as the same. */
static void check_json(json_object *o)
{
	json_object *again = NULL;
	size_t len;
	char *text;

	if (o != NULL) {
		text = json_print(o, &len);
		fuzz_check(json_read(text, len, &limits, &again) == ERR_OK && json_equal(o, again));
		free(text);
	}
	json_object_put(again);
	json_object_put(o);
}

static json_object *form(const char *text, size_t len)
{
	json_object *fields = json_object_new_object();
	struct pairs pairs = {0};
	struct error error = {0};

	if (pairs_decode(&pairs, text, len, 1000, &error) == ERR_OK)
		for (size_t i = 0; i < pairs.n; i++) {
			json_object *old = json_get(fields, pairs.v[i].name),
				    *value = json_object_new_string(pairs.v[i].value);

			if (old == NULL) {
				json_set(fields, pairs.v[i].name, value);
			} else if (json_object_is_type(old, json_type_array)) {
				json_object_array_add(old, value);
			} else {
				json_object *all = json_object_new_array();

				json_object_array_add(all, json_object_get(old));
				json_object_array_add(all, value);
				json_set(fields, pairs.v[i].name, all);
			}
		}
	pairs_done(&pairs);
	return fields;
}

static bool somebody(const char *name, bool group, void *arg)
{
	(void)arg;
	return !group && strcmp(name, "alice") == 0;
}

/* Takes all three: either there is something to store, or a reason why not. */
static void judged(struct session *s, enum step step, json_object *input, json_object *errors,
		   json_object *warnings)
{
	fuzz_check((input != NULL) == (json_len(errors) == 0));
	check_json(errors);
	check_json(warnings);
	if (input == NULL)
		return;
	check_json(json_object_get(input));
	(void)session_set_input(s, step, input);
}

static void post_srs(struct session *s, const json_object *fields)
{
	json_object *plan = NULL, *input = NULL, *errors = NULL, *warnings = NULL;

	srs_check_form(s, fields, NULL, &plan, &errors, &warnings);
	if (plan == NULL) {
		judged(s, STEP_SRS, NULL, errors, warnings);
		return;
	}
	check_json(srs_questions(s, plan));
	srs_check_answers(s, plan, NULL, true, &input, &errors, &warnings);
	judged(s, STEP_SRS, input, errors, warnings);
	json_object_put(plan);
}

static void post_time(struct session *s, const json_object *layer, const json_object *fields)
{
	struct time_form f = {0}, again = {0};
	json_object *input, *twice;

	create_time_form(layer, fields, &f);
	if (f.errors == NULL) {
		input = time_form_input(&f, layer);
		create_time_form(layer, input, &again);
		fuzz_check(again.errors == NULL);
		twice = time_form_input(&again, layer);
		fuzz_check(json_equal(input, twice));
		json_object_put(twice);
		time_form_done(&again);
		judged(s, STEP_TIME, input, NULL, NULL);
	}
	check_json(json_object_get(f.errors));
	time_form_done(&f);
}

static void post(struct session *s, char step, const json_object *fields)
{
	const json_object *layer = session_layer(s, 0);
	json_object *input = NULL, *errors = NULL, *warnings = NULL;

	if (step == 'c' && layer != NULL) {
		columns_check(layer, fields, &input, &errors, &warnings);
		judged(s, STEP_CSV, input, errors, warnings);
	} else if (step == 's') {
		post_srs(s, fields);
	} else if (step == 't' && layer != NULL) {
		post_time(s, layer, fields);
	} else if (step == 'f') {
		final_check(s, fields, somebody, NULL, &input, &errors, &warnings);
		judged(s, STEP_FINAL, input, errors, warnings);
	} else if (step == 'w') {
		save_check(fields, somebody, NULL, &input, &errors, &warnings);
		judged(s, STEP_SAVE, input, errors, warnings);
	}
}

static void show(const struct session *s, const json_object *fields)
{
	const json_object *layer = session_layer(s, 0);

	for (int typed = 0; typed < 2; typed++) {
		const json_object *given = typed ? fields : NULL;

		if (layer != NULL) {
			check_json(columns_model(s, layer, given));
			check_json(time_model(s, layer, given));
		}
		check_json(srs_model(s, given, NULL));
		check_json(final_model(s, given));
	}
	check_json(session_summary(s, NULL));
}

/* The session a worker would make of the result; NULL: a jail's that is refused. */
static struct session *inspected(const char *line, size_t len)
{
	static const char *const members[] = {"bundles", "layers", "warnings"};
	struct error error = {0};
	struct session *s = NULL;
	json_object *result = NULL;
	enum kind kind;

	if (json_read(line, len, &limits, &result) == ERR_OK &&
	    message_check_inspect(result, FILES, &error) == ERR_OK &&
	    kind_by_name(json_str(result, "kind", ""), &kind)) {
		s = session_new("alice", json_str(result, "name", ""), 1000, 2000);
		s->kind = kind;
		s->state = STATE_WAITING;
		(void)session_to_json(s, 1000);
		for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
			json_set(s->doc, members[i], json_object_get(json_get(result, members[i])));
	}
	json_object_put(result);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const char *at = (const char *)input, *end = at + size;
	struct session *s = NULL;

	for (int i = 0; i <= FORMS && at < end; i++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));

		eol = eol != NULL ? eol : end;
		if (i == 0) {
			s = inspected(at, (size_t)(eol - at));
		} else if (s != NULL && eol > at) {
			json_object *fields = form(at + 1, (size_t)(eol - at) - 1);

			post(s, *at, fields);
			show(s, fields);
			json_object_put(fields);
		}
		at = eol + 1;
	}
	session_free(s);
	return 0;
}
