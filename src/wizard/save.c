#include "wizard/final.h"

#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/fields.h"
#include "wizard/texts.h"

#define KEYWORDS_MAX 50	 /* of one dataset */
#define KEYWORD_MAX  100 /* characters */

static void fail(json_object **errors, const char *code, const char *field, const char *value)
{
	json_object *p = problem_str(problem_new(code), "field", field);

	problems_add(errors, value != NULL ? problem_str(p, "value", value) : p);
}

/* ---- keywords */

/* Bytes of the separator at S, 0 = none. */
static size_t separator(const char *s)
{
	static const char *const wide[] = {"，", "；", "、"};

	if (*s == ',' || *s == ';' || *s == '\n' || *s == '\r')
		return 1;
	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (strncmp(s, wide[i], strlen(wide[i])) == 0)
			return strlen(wide[i]);
	return 0;
}

static bool has_keyword(json_object *folded, const char *word)
{
	return json_get(folded, word) != NULL;
}

static void add_keyword(json_object *list, json_object *folded, const char *s, size_t len,
			json_object **errors)
{
	CLEAN_FREE char *raw = mem_strndup(s, len);
	CLEAN_FREE char *word = text_trim(raw), *key = word != NULL ? text_fold(word) : NULL;

	if (key == NULL) {
		fail(errors, "bad_text", "keywords", NULL);
		return;
	}
	if (*key == '\0' || has_keyword(folded, key))
		return;
	if (fields_length(word) > KEYWORD_MAX) {
		problems_add(
		    errors, problem_arg_int(problem_str(problem_str(problem_new("keyword_too_long"),
								    "field", "keywords"),
							"value", word),
					    "limit", KEYWORD_MAX));
		return;
	}
	json_set_bool(folded, key, true);
	json_object_array_add(list, json_object_new_string(word));
}

json_object *keywords_split(const char *text, json_object **errors)
{
	json_object *list = json_object_new_array();
	CLEAN_JSON json_object *folded = json_object_new_object();
	const char *start = text, *p = text;

	while (*p != '\0') {
		size_t n = separator(p);

		if (n == 0) {
			p++;
			continue;
		}
		add_keyword(list, folded, start, (size_t)(p - start), errors);
		start = p += n;
	}
	add_keyword(list, folded, start, (size_t)(p - start), errors);
	if (json_len(list) > KEYWORDS_MAX)
		problems_add(
		    errors,
		    problem_arg_int(problem_arg_int(problem_str(problem_new("keywords_too_many"),
								"field", "keywords"),
						    "limit", KEYWORDS_MAX),
				    "count", (int64_t)json_len(list)));
	return list;
}

/* keywords and tags are one list, each may be repeated. */
json_object *texts_keywords(const json_object *fields, json_object **errors)
{
	static const char *const names[] = {"keywords", "tags"};
	char *all = NULL;
	json_object *list;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < fields_count(fields, names[k]); i++) {
			const char *s = fields_at(fields, names[k], i);
			char *more;

			if (s == NULL)
				continue;
			more = mem_printf("%s\n%s", all != NULL ? all : "", s);
			free(all);
			all = more;
		}
	if (all == NULL)
		return NULL;
	list = keywords_split(all, errors);
	free(all);
	return list;
}

/* ---- texts */

const char *texts_checked(const json_object *fields, const char *name, size_t max, const char *code,
			  json_object **errors)
{
	const char *s = fields_text(fields, name);

	if (s == NULL)
		return NULL;
	if (!text_is_utf8(s, strlen(s))) {
		fail(errors, "bad_text", name, NULL);
		return NULL;
	}
	if (fields_length(s) > max) {
		CLEAN_FREE char *limit = mem_printf("≤ %zu", max);
		json_object *p = problem_str(problem_new(code), "field", name);

		problem_arg(problem_arg_int(p, "limit", (int64_t)max), "accepted", limit);
		problems_add(errors, p);
		return NULL;
	}
	return s;
}

/* ---- the save step */

static void refuse_paths(const json_object *fields, json_object **errors)
{
	if (fields == NULL)
		return;
	json_object_object_foreach((json_object *)(uintptr_t)fields, name, value)
	{
		(void)value;
		if (text_ends_icase(name, "_file_path"))
			fail(errors, "path_not_allowed", name, NULL);
	}
}

static void put_charset(const json_object *fields, json_object *input, json_object **errors)
{
	const char *s = fields_text(fields, "charset"), *name;

	json_set_str(input, "charset", "");
	if (s == NULL || *s == '\0' || strcmp(s, "undefined") == 0)
		return;
	name = charset_canonical(s);
	if (name == NULL)
		fail(errors, "charset_unknown", "charset", s);
	else if (strcmp(name, "UTF-8") != 0)
		json_set_str(input, "charset", name);
}

static const char *word_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text_ieq(s, *words))
			return *words;
	return NULL;
}

static void put_word(const json_object *fields, const char *name, const char *const *words,
		     json_object *input, json_object **errors)
{
	const char *s = fields_choice(fields, name), *word;

	if (s == NULL)
		return;
	word = word_of(s, words);
	if (word == NULL)
		fail(errors, "time_bad_strategy", name, s);
	else
		json_set_str(input, name, word);
}

/* How a mosaic's time is presented (8.1). */
static void put_presentation(const json_object *fields, json_object *input, json_object **errors)
{
	static const char *const strategies[] = {"LIST", "DISCRETE_INTERVAL", "CONTINUOUS_INTERVAL",
						 NULL};
	static const char *const defaults[] = {"MINIMUM", "MAXIMUM", "NEAREST", "FIXED", NULL};
	const char *res = fields_choice(fields, "time_presentation_res"), *reference, *value;
	int64_t ms;

	put_word(fields, "time_presentation", strategies, input, errors);
	put_word(fields, "time_presentation_default_value", defaults, input, errors);
	if (res != NULL && text_int(res, 0, INT64_C(1) << 53, &ms))
		json_set_int(input, "time_presentation_res", ms);
	else if (res != NULL)
		fail(errors, "time_bad_precision", "time_presentation_res", res);
	reference =
	    texts_checked(fields, "time_presentation_reference_value", 100, "bad_choice", errors);
	if (reference != NULL && *reference != '\0')
		json_set_str(input, "time_presentation_reference_value", reference);
	value = json_str(input, "time_presentation_default_value", "");
	if ((strcmp(value, "NEAREST") == 0 || strcmp(value, "FIXED") == 0) &&
	    (reference == NULL || *reference == '\0'))
		fail(errors, "time_precision_missing", "time_presentation_reference_value", NULL);
}

static void put_texts(const json_object *fields, json_object *input, json_object **errors)
{
	static const struct {
		const char *name;
		size_t max; /* characters */
		const char *code;
	} texts[] = {
	    {"layer_title", TITLE_MAX, "title_too_long"},
	    {"abstract", ABSTRACT_MAX, "abstract_too_long"},
	    {"append_to_mosaic_name", 255, "bad_choice"},
	    {"mosaic_time_regex", 200, "bad_choice"},
	    {"mosaic_time_value", 200, "bad_choice"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *s =
		    texts_checked(fields, texts[i].name, texts[i].max, texts[i].code, errors);

		if (s != NULL && *s != '\0')
			json_set_str(input, texts[i].name, s);
	}
}

static void put_booleans(const json_object *fields, json_object *input, json_object **errors)
{
	static const struct {
		const char *name;
		bool def;
	} booleans[] = {
	    {"time", false},
	    {"non_interactive", false},
	    {"store_spatial_files", true},
	    {"metadata_uploaded_preserve", false},
	    {"mosaic", false},
	    {"append_to_mosaic_opts", false},
	};
	static const char *const unsupported[] = {"metadata_upload_form", "style_upload_form"};

	for (size_t i = 0; i < sizeof(booleans) / sizeof(*booleans); i++)
		json_set_bool(input, booleans[i].name,
			      fields_bool(fields, booleans[i].name, booleans[i].def, errors));
	for (size_t i = 0; i < 2; i++)
		if (fields_bool(fields, unsupported[i], false, errors))
			fail(errors, "mode_unsupported", unsupported[i], NULL);
}

static void put_rest(const json_object *fields, subject_fn *exists, void *arg, json_object *input,
		     json_object **errors, json_object **warnings)
{
	const char *permissions = fields_text(fields, "permissions"),
		   *layer = fields_choice(fields, "layer_id"),
		   *mode = fields_choice(fields, "mode");
	static const char *const modes[] = {"overwrite", "append", NULL};
	json_object *keywords = texts_keywords(fields, errors), *rights = NULL;
	int64_t id;

	if (keywords != NULL)
		json_set(input, "keywords", keywords);
	if (permissions != NULL && *permissions != '\0') {
		permissions_check(permissions, exists, arg, &rights, errors, warnings);
		if (rights != NULL)
			json_set(input, "permissions", rights);
	}
	if (text_id(layer, INT64_C(1) << 53, &id))
		json_set_int(input, "layer_id", id);
	else if (layer != NULL)
		fail(errors, "dataset_unknown", "layer_id", layer);
	if (mode != NULL && word_of(mode, modes) == NULL)
		problems_add(errors, problem_arg(problem_str(problem_str(problem_new("bad_choice"),
									 "field", "mode"),
							     "value", mode),
						 "accepted", "overwrite, append"));
	else if (mode != NULL && layer != NULL)
		json_set_str(input, "mode", word_of(mode, modes));
}

void save_check(const json_object *fields, subject_fn *exists, void *arg, json_object **ret_input,
		json_object **errors, json_object **warnings)
{
	json_object *input = json_object_new_object(), *found = NULL, *p;

	refuse_paths(fields, &found);
	put_charset(fields, input, &found);
	put_booleans(fields, input, &found);
	put_texts(fields, input, &found);
	put_presentation(fields, input, &found);
	put_rest(fields, exists, arg, input, &found, warnings);
	*ret_input = NULL;
	if (found == NULL) {
		*ret_input = input;
		return;
	}
	JSON_EACH(p, found)
	problems_add(errors, json_object_get(p));
	json_object_put(found);
	json_object_put(input);
}
