#include "wizard/srs.h"

#include <stdio.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "wizard/choice.h"
#include "wizard/columns.h"
#include "wizard/fields.h"

static const char *layer_name(const struct session *s, const json_object *item)
{
	return json_str(session_layer(s, json_int(item, "i", -1)), "name", "");
}

/* Answers come per layer as results; a single result, or its list of answers, is understood too. */
static const json_object *result_at(const json_object *answers, size_t k)
{
	const json_object *o;

	if (!json_object_is_type(answers, json_type_array))
		return answers;
	o = k < json_len(answers) ? json_object_array_get_idx(answers, k) : NULL;
	return json_arr(o, "answers") != NULL ? o : NULL;
}

static const json_object *answer_of(const json_object *answers, size_t k, const char *code)
{
	const json_object *result = result_at(answers, k);
	json_object *list = json_arr(result, "answers"), *item;

	if (list == NULL && json_object_is_type(answers, json_type_array))
		list = (json_object *)(uintptr_t)answers;
	if (code != NULL)
		JSON_EACH(item, list)
	if (strcmp(json_str(item, "code", ""), code) == 0)
		return item;
	/* A definition's answer is the last one. */
	item = json_len(list) > 0 ? json_object_array_get_idx(list, json_len(list) - 1) : NULL;
	return json_get(item, "found") != NULL && (code == NULL || json_len(list) == 1) ? item
											: NULL;
}

static bool is_usable_kind(const char *kind)
{
	return strcmp(kind, "geographic") == 0 || strcmp(kind, "projected") == 0 ||
	       strcmp(kind, "compound") == 0;
}

static json_object *problem_at(const struct session *s, const json_object *item, const char *code,
			       const char *value)
{
	json_object *p = problem_new(code);
	char field[32];

	(void)snprintf(field, sizeof(field), "source_%lld", (long long)json_int(item, "i", 0));
	problem_str(problem_str(p, "field", json_len(session_layers(s)) > 1 ? field : "source"),
		    "layer", layer_name(s, item));
	return problem_str(p, "value", value);
}

static json_object *arg_number(json_object *p, const char *name, double v)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%.2f", v);
	return problem_arg(p, name, text);
}

static json_object *implausible(const struct session *s, const json_object *item,
				const json_object *answer, const char *shown)
{
	json_object *p = problem_at(s, item, "crs_implausible", shown),
		    *place = json_arr(answer, "place");
	static const char *const edges[] = {"minx", "miny", "maxx", "maxy"};
	double extent[4];

	problem_arg(p, "fit", json_str(answer, "fit", ""));
	problem_arg(p, "name", json_str(answer, "name", ""));
	problem_arg(p, "area", json_str(answer, "area", ""));
	if (json_len(place) == 2) {
		arg_number(p, "lon", json_object_get_double(json_object_array_get_idx(place, 0)));
		return arg_number(p, "lat",
				  json_object_get_double(json_object_array_get_idx(place, 1)));
	}
	/* Where no transformation reaches there is no place: the data's own numbers show why. */
	if (!srs_layer_extent(s, session_layer(s, json_int(item, "i", -1)), extent))
		return problem_arg(problem_arg(p, "lon", "?"), "lat", "?");
	for (size_t i = 0; i < 4; i++)
		arg_number(p, edges[i], extent[i]);
	return problem_arg(p, "reason", "reach");
}

struct outcome {
	json_object *errors, *warnings;
	bool html, confirmed;
};

/* What the jail said about one layer's CRS. */
static void judge(const struct session *s, const json_object *item, const json_object *answer,
		  const char *target, const char *shown, struct outcome *out)
{
	const char *kind = json_str(answer, "kind", "projected"),
		   *fit = json_str(answer, "fit", "unknown");
	json_object *p;

	if (!json_bool(answer, "found", true)) {
		problems_add(
		    &out->errors,
		    problem_at(s, item,
			       json_str(item, "wkt", NULL) != NULL ? "srs_invalid" : "srs_unknown",
			       shown));
		return;
	}
	if (!is_usable_kind(kind)) {
		p = problem_arg(problem_at(s, item, "srs_kind", shown), "name",
				json_str(answer, "name", ""));
		problems_add(&out->errors, problem_arg(p, "kind", kind));
		return;
	}
	if (json_bool(answer, "deprecated", false)) {
		p = problem_at(s, item, "crs_deprecated", shown);
		problems_add(&out->warnings,
			     problem_arg(p, "replaced_by", json_str(answer, "replaced_by", "")));
	}
	if (*target != '\0' && !json_bool(answer, "transform", true)) {
		p = problem_at(s, item, "srs_transform", shown);
		problem_arg(p, "source", shown);
		problems_add(&out->errors, problem_arg(p, "target", target));
		return;
	}
	if (strcmp(fit, "impossible") == 0 || strcmp(fit, "outside") == 0)
		problems_add(out->html && !out->confirmed ? &out->errors : &out->warnings,
			     implausible(s, item, answer, shown));
}

static void judge_target(const json_object *answers, size_t n, const char *target,
			 struct outcome *out)
{
	const json_object *t = NULL;
	json_object *p;

	for (size_t k = 0; k < n && t == NULL; k++)
		t = json_obj(result_at(answers, k), "target");
	if (*target == '\0' || t == NULL)
		return;
	if (!json_bool(t, "found", true) || !is_usable_kind(json_str(t, "kind", "projected"))) {
		p = problem_str(
		    problem_new(json_bool(t, "found", true) ? "target_kind" : "target_unknown"),
		    "field", "target");
		problem_arg(problem_str(p, "value", target), "name", json_str(t, "name", ""));
		problems_add(&out->errors, problem_arg(p, "kind", json_str(t, "kind", "")));
	} else if (json_bool(t, "deprecated", false)) {
		p = problem_str(problem_str(problem_new("crs_deprecated"), "field", "target"),
				"value", target);
		problems_add(&out->warnings,
			     problem_arg(p, "replaced_by", json_str(t, "replaced_by", "")));
	}
}

static json_object *stored(const struct session *s, const json_object *item,
			   const json_object *answer)
{
	const json_object *crs = json_obj(session_layer(s, json_int(item, "i", -1)), "crs");
	const char *source = json_str(item, "source", NULL), *wkt = json_str(item, "wkt", NULL);
	bool file = source != NULL && strcmp(source, "file") == 0;
	json_object *o = json_set_int(json_object_new_object(), "i", json_int(item, "i", 0));

	json_set_str(o, "source", source != NULL ? source : wkt);
	json_set_str(o, "code",
		     json_str(answer, "code", file ? json_str(crs, "code", NULL) : source));
	json_set_str(o, "name",
		     json_str(answer, "name", file ? json_str(crs, "name", NULL) : source));
	json_set_str(o, "wkt", json_str(answer, "wkt", file ? json_str(crs, "wkt", NULL) : wkt));
	return json_set_str(o, "fit", json_str(answer, "fit", NULL));
}

static void append(json_object **list, json_object *from)
{
	json_object *p;

	JSON_EACH(p, from)
	problems_add(list, json_object_get(p));
	json_object_put(from);
}

void srs_check_answers(const struct session *s, const json_object *plan, const json_object *answers,
		       bool html, json_object **ret_input, json_object **errors,
		       json_object **warnings)
{
	struct outcome out = {.html = html, .confirmed = json_bool(plan, "confirm", false)};
	json_object *input = json_object_new_object(), *layers = json_object_new_array(),
		    *selected = json_object_new_array();
	json_object *items = json_arr(plan, "layers");
	const char *target = json_str(plan, "target", "");
	char buf[48];

	for (size_t k = 0; k < json_len(items); k++) {
		const json_object *item = json_object_array_get_idx(items, k), *answer = NULL;
		const char *source = json_str(item, "source", NULL), *shown;
		bool needed = source != NULL || json_str(item, "wkt", NULL) != NULL;

		if (source != NULL && strcmp(source, "file") == 0)
			source = choice_file_srs(s, session_layer(s, json_int(item, "i", -1)), buf);
		if (needed && answers != NULL)
			answer = answer_of(answers, k, source);
		shown = source != NULL && strlen(source) < sizeof(buf)
			    ? source
			    : json_str(answer, "name", "");
		if (answer != NULL)
			judge(s, item, answer, target, shown, &out);
		json_object_array_add(layers, stored(s, item, answer));
		json_object_array_add(selected, json_object_new_int64(json_int(item, "i", 0)));
	}
	if (answers != NULL)
		judge_target(answers, json_len(items), target, &out);
	json_set_str(json_set(json_set(input, "layers", layers), "selected", selected), "target",
		     target);
	if (json_str(plan, "charset", NULL) != NULL)
		json_set_str(input, "charset", json_str(plan, "charset", NULL));
	*ret_input = NULL;
	if (out.errors == NULL)
		*ret_input = input;
	else
		json_object_put(input);
	append(errors, out.errors);
	append(warnings, out.warnings);
}
