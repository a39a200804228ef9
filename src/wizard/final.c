#include "wizard/final.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/choice.h"
#include "wizard/fields.h"
#include "wizard/names.h"
#include "wizard/srs.h"
#include "wizard/texts.h"

static void fail(json_object **errors, const char *code, const char *field, const char *value)
{
	json_object *p = problem_str(problem_new(code), "field", field);

	problems_add(errors, value != NULL ? problem_str(p, "value", value) : p);
}

/* ---- what holds when nothing is sent */

static void keep(json_object *out, const char *key, const json_object *from, const char *from_key)
{
	json_object *v = json_get(from, from_key);

	if (v != NULL && json_get(out, key) == NULL)
		json_set(out, key, json_copy(v));
}

json_object *final_given(const struct session *s, const char *key)
{
	const json_object *save = session_input(s, STEP_SAVE),
			  *found = json_obj(s->doc, "metadata");
	bool title = strcmp(key, "title") == 0;
	json_object *v = json_get(session_input(s, STEP_FINAL), key);
	json_object *form = json_get(save, title ? "layer_title" : key);

	/* A title of the metadata file is that of one dataset, not of several. */
	if (v == NULL && title) {
		CLEAN_JSON json_object *layers = choice_layers(s);

		found = json_len(layers) == 1 ? found : NULL;
	}
	if (v == NULL && form != NULL && !json_bool(save, "metadata_uploaded_preserve", false))
		v = form;
	if (v == NULL && strcmp(key, "permissions") != 0)
		v = json_get(found, key);
	return v != NULL ? v : form;
}

const char *final_uuid(const struct session *s)
{
	CLEAN_JSON json_object *layers = choice_layers(s);

	return json_len(layers) == 1 ? json_str(json_obj(s->doc, "metadata"), "uuid", NULL) : NULL;
}

static json_object *defaults(const struct session *s)
{
	static const char *const kept[] = {"titles",  "mode",	       "dataset",
					   "names",   "extra_columns", "store_spatial_files",
					   "bad_rows"};
	static const char *const given[] = {"title", "abstract", "keywords", "permissions"};
	const json_object *final = session_input(s, STEP_FINAL),
			  *save = session_input(s, STEP_SAVE);
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		keep(o, kept[i], final, kept[i]);
	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
		if (final_given(s, given[i]) != NULL)
			json_set(o, given[i], json_copy(final_given(s, given[i])));
	keep(o, "store_spatial_files", save, "store_spatial_files");
	if (json_get(o, "keywords") == NULL)
		json_set(o, "keywords", json_object_new_array());
	if (json_get(o, "permissions") == NULL)
		json_set(o, "permissions", permissions_of_access("private"));
	if (json_get(o, "mode") == NULL && json_int(save, "layer_id", 0) > 0) {
		CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(save, "layer_id", 0));

		json_set_str(o, "mode", json_str(save, "mode", "overwrite"));
		json_set_str(o, "dataset", id);
	}
	if (json_get(o, "mode") == NULL && json_bool(save, "append_to_mosaic_opts", false) &&
	    s->kind == KIND_ZIP_MOSAIC) {
		json_set_str(o, "mode", "append");
		json_set_str(o, "dataset", json_str(save, "append_to_mosaic_name", ""));
	}
	if (json_get(o, "mode") == NULL)
		json_set_str(o, "mode", "create");
	if (json_get(o, "extra_columns") == NULL)
		json_set_str(o, "extra_columns", "error");
	if (json_get(o, "store_spatial_files") == NULL)
		json_set_bool(o, "store_spatial_files", true);
	return o;
}

/* ---- fields */

static void fail_choice(json_object **errors, const char *field, const char *value,
			const char *accepted)
{
	json_object *p =
	    problem_str(problem_str(problem_new("bad_choice"), "field", field), "value", value);

	problems_add(errors, problem_arg(p, "accepted", accepted));
}

/* WORDS: "create, overwrite, append", as people are told them. */
static void put_word(const json_object *fields, const char *name, const char *words,
		     json_object *input, json_object **errors)
{
	const char *s = fields_choice(fields, name);

	if (s == NULL)
		return;
	for (const char *p = words; *p != '\0';) {
		size_t n = strcspn(p, ",");
		CLEAN_FREE char *word = mem_strndup(p, n);

		if (text_ieq(s, word)) {
			json_set_str(input, name, word);
			return;
		}
		p += n;
		p += strspn(p, ", ");
	}
	fail_choice(errors, name, s, words);
}

/* "" takes the text back. */
static void put_text(json_object *input, const char *key, const char *text)
{
	CLEAN_FREE char *trimmed = text != NULL ? text_trim(text) : NULL;

	if (trimmed == NULL)
		return;
	if (*trimmed == '\0')
		json_object_object_del(input, key);
	else
		json_set_str(input, key, trimmed);
}

static json_object *map_of(json_object *input, const char *key)
{
	json_object *o = json_obj(input, key);

	if (o == NULL) {
		o = json_object_new_object();
		json_set(input, key, o);
	}
	return o;
}

/* title_<i> and name_<i> of the chosen layers. */
static void put_per_layer(const struct session *s, const json_object *fields, json_object *input,
			  json_object **errors)
{
	CLEAN_JSON json_object *layers = choice_layers(s);
	json_object *layer;

	JSON_EACH(layer, layers)
	{
		char field[32], key[24];
		const char *text;

		(void)snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
		(void)snprintf(field, sizeof(field), "title_%s", key);
		text = texts_checked(fields, field, TITLE_MAX, "title_too_long", errors);
		if (text != NULL)
			put_text(map_of(input, "titles"), key, text);
		(void)snprintf(field, sizeof(field), "name_%s", key);
		text = texts_checked(fields, field, TITLE_MAX, "title_too_long", errors);
		if (text != NULL && *text != '\0') {
			CLEAN_FREE char *name = name_dataset(text);

			json_set_str(map_of(input, "names"), key, name);
		} else if (text != NULL) {
			json_object_object_del(map_of(input, "names"), key);
		}
	}
}

static void put_permissions(const json_object *fields, subject_fn *exists, void *arg,
			    json_object *input, json_object **errors, json_object **warnings)
{
	const char *json = fields_text(fields, "permissions"),
		   *access = fields_choice(fields, "access");
	json_object *rights = NULL;

	if (json != NULL && *json != '\0') {
		permissions_check(json, exists, arg, &rights, errors, warnings);
	} else if (access != NULL) {
		rights = permissions_of_access(access);
		if (rights == NULL)
			fail_choice(errors, "access", access, "private, view, download");
	}
	if (rights != NULL)
		json_set(input, "permissions", rights);
}

static void check_target(const struct session *s, const json_object *fields, json_object *input,
			 json_object **errors)
{
	const char *dataset = fields_choice(fields, "dataset");
	CLEAN_JSON json_object *layers = choice_layers(s);

	put_word(fields, "mode", "create, overwrite, append", input, errors);
	dataset = dataset != NULL ? dataset : fields_choice(fields, "layer_id");
	if (dataset != NULL && strlen(dataset) <= 255)
		json_set_str(input, "dataset", dataset);
	else if (dataset != NULL)
		fail(errors, "dataset_unknown", "dataset", NULL);
	if (strcmp(json_str(input, "mode", ""), "create") == 0) {
		json_object_object_del(input, "dataset");
		return;
	}
	if (json_str(input, "dataset", NULL) == NULL)
		fail(errors, "dataset_unknown", "dataset", NULL);
	/* One dataset takes one layer: which of several would be a guess. */
	if (json_len(layers) > 1)
		problems_add(errors, problem_arg_int(problem_str(problem_new("target_one_layer"),
								 "field", "mode"),
						     "count", (int64_t)json_len(layers)));
}

void final_check(const struct session *s, const json_object *fields, subject_fn *exists, void *arg,
		 json_object **ret_input, json_object **errors, json_object **warnings)
{
	json_object *input = defaults(s), *found = NULL, *keywords, *p;
	const char *title;

	title = texts_checked(fields, "title", TITLE_MAX, "title_too_long", &found);
	if (title == NULL)
		title = texts_checked(fields, "layer_title", TITLE_MAX, "title_too_long", &found);
	put_text(input, "title", title);
	put_text(input, "abstract",
		 texts_checked(fields, "abstract", ABSTRACT_MAX, "abstract_too_long", &found));
	put_per_layer(s, fields, input, &found);
	keywords = texts_keywords(fields, &found);
	if (keywords != NULL)
		json_set(input, "keywords", keywords);
	put_permissions(fields, exists, arg, input, &found, warnings);
	check_target(s, fields, input, &found);
	put_word(fields, "extra_columns", "error, ignore", input, &found);
	put_word(fields, "bad_rows", "keep, skip, fail", input, &found);
	json_set_bool(input, "store_spatial_files",
		      fields_bool(fields, "store_spatial_files",
				  json_bool(input, "store_spatial_files", true), &found));
	(void)fields_bool(fields, "confirm", false, &found);
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

/* ---- the page */

static const char *typed(const json_object *fields, const char *name, const char *stored)
{
	const char *s = fields_text(fields, name);

	return s != NULL ? s : stored;
}

static json_object *layer_items(const struct session *s, const json_object *fields,
				const json_object *input)
{
	CLEAN_JSON json_object *layers = choice_layers(s);
	json_object *list = json_object_new_array(), *layer;

	JSON_EACH(layer, layers)
	{
		char key[24], field[32];
		json_object *o =
		    json_set_int(json_object_new_object(), "i", json_int(layer, "i", 0));
		const char *title = json_len(layers) == 1 ? json_str(input, "title", NULL) : NULL,
			   *name;
		CLEAN_FREE char *derived = name_dataset(choice_name(s, layer));

		(void)snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
		name = json_str(json_obj(input, "names"), key, derived);
		title = json_str(json_obj(input, "titles"), key,
				 title != NULL ? title : choice_name(s, layer));
		(void)snprintf(field, sizeof(field), "name_%s", key);
		json_set_str(o, "name", typed(fields, field, name));
		(void)snprintf(field, sizeof(field), "title_%s", key);
		json_set_str(o, "title",
			     typed(fields, field,
				   json_len(layers) == 1 ? typed(fields, "title", title) : title));
		json_object_array_add(list, o);
	}
	return list;
}

/* Renamed columns of all chosen layers, old → new. */
static json_object *renamed(const struct session *s)
{
	CLEAN_JSON json_object *layers = choice_layers(s);
	json_object *info = json_object_new_object(), *layer, *c;

	JSON_EACH(layer, layers)
	{
		json_object *chosen = json_arr(choice_csv(s, layer), "columns");

		JSON_EACH(c, chosen != NULL ? chosen : json_arr(layer, "columns"))
		{
			const char *old = json_str(c, "original", ""),
				   *name = json_str(c, "name", "");

			if (*old != '\0' && strcmp(old, name) != 0)
				json_set_str(info, old, name);
		}
	}
	return info;
}

static json_object *summary(const struct session *s)
{
	CLEAN_JSON json_object *layers = choice_layers(s);
	const json_object *layer =
	    json_len(layers) > 0 ? json_object_array_get_idx(layers, 0) : NULL;
	json_object *o = json_object_new_object(), *item;
	int64_t rows = 0;
	char buf[48];

	JSON_EACH(item, layers)
	rows += json_int(item, "count", 0) > 0 ? json_int(item, "count", 0) : 0;
	json_set_int(o, "rows", rows);
	json_set_str(o, "kind", kind_name(s->kind));
	json_set_int(o, "layers", (int64_t)json_len(layers));
	json_set_str(o, "crs", NULL);
	if (layer != NULL && srs_layer_has_geometry(s, layer)) {
		const char *crs = srs_layer_source(s, layer, buf),
			   *code = json_str(choice_srs(s, layer), "code", crs);

		/* A definition is no name: say how the file calls it. */
		json_set_str(o, "crs",
			     strlen(code) < sizeof(buf)
				 ? code
				 : json_str(json_obj(layer, "crs"), "name", ""));
	}
	json_set_str(o, "target", json_str(session_input(s, STEP_SRS), "target", ""));
	return o;
}

/* {"old":"new"} as [{"from","to"}], for pages. */
static json_object *pairs_of(json_object *info)
{
	json_object *list = json_object_new_array();

	if (info == NULL)
		return list;
	json_object_object_foreach(info, old, now)
	{
		json_object *o = json_set_str(json_object_new_object(), "from", old);

		json_object_array_add(list, json_set_str(o, "to", json_object_get_string(now)));
	}
	return list;
}

json_object *final_model(const struct session *s, const json_object *fields)
{
	CLEAN_JSON json_object *input = defaults(s);
	json_object *o = json_object_new_object(), *keywords, *errors = NULL;
	const json_object *time = session_input(s, STEP_TIME),
			  *permissions = json_obj(input, "permissions");
	const char *access = typed(fields, "access", permissions_access(permissions));

	json_set(o, "layers", layer_items(s, fields, input));
	json_set_str(o, "abstract", typed(fields, "abstract", json_str(input, "abstract", "")));
	keywords = texts_keywords(fields, &errors);
	json_object_put(errors);
	json_set(o, "keywords",
		 keywords != NULL ? keywords : json_copy(json_arr(input, "keywords")));
	json_set(o, "permissions", json_copy(permissions));
	json_set_str(o, "access", access);
	json_set_str(o, "mode", typed(fields, "mode", json_str(input, "mode", "create")));
	json_set_str(o, "dataset", typed(fields, "dataset", json_str(input, "dataset", "")));
	json_set_str(o, "extra_columns",
		     typed(fields, "extra_columns", json_str(input, "extra_columns", "error")));
	json_set_bool(o, "store_spatial_files", json_bool(input, "store_spatial_files", true));
	json_set_str(o, "bad_rows",
		     typed(fields, "bad_rows",
			   json_str(input, "bad_rows",
				    json_str(session_input(s, STEP_CSV), "bad_rows", "keep"))));
	json_set(o, "info", renamed(s));
	json_set(o, "renamed", pairs_of(json_obj(o, "info")));
	json_set(o, "time",
		 time != NULL && session_has_input(s, STEP_TIME) ? json_copy(time) : NULL);
	return json_set(o, "summary", summary(s));
}
