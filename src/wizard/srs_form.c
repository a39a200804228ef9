#include "wizard/srs.h"

#include <stdio.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/choice.h"
#include "wizard/crs_index.h"
#include "wizard/fields.h"

#define WKT_BYTES   (16 * 1024)
#define SHOWN_BYTES 80 /* of a definition that is refused */

/* One run over the form: where errors go and what is looked up. */
struct check {
	const struct session *s;
	const json_object *fields;
	const struct crs_index *ix;
	json_object **errors;
	size_t n_geometry; /* chosen layers with geometry */
	bool sent;	   /* any source at all */
};

static json_object *fail(struct check *c, const char *code, const char *field, const char *value,
			 const json_object *layer)
{
	json_object *p = problem_str(problem_new(code), "field", field);

	if (value != NULL)
		problem_str(p, "value", value);
	if (layer != NULL)
		problem_str(p, "layer", json_str(layer, "name", ""));
	problems_add(c->errors, p);
	return p;
}

/* ---- which layers */

static json_object *layer_by_text(const struct session *s, const char *text)
{
	json_object *layer;
	int64_t i;

	JSON_EACH(layer, session_layers(s))
	if (strcmp(json_str(layer, "name", ""), text) == 0)
		return layer;
	return text_int(text, 0, INT32_MAX, &i) ? session_layer(s, i) : NULL;
}

static bool contains(json_object *list, const json_object *layer)
{
	json_object *item;

	JSON_EACH(item, list)
	if (item == layer)
		return true;
	return false;
}

/* The chosen layers (borrowed ones in a new array). */
static json_object *chosen_layers(struct check *c)
{
	json_object *list = json_object_new_array(), *layer;
	size_t n = fields_count(c->fields, "layer");

	for (size_t i = 0; i < n; i++) {
		const char *text = fields_at(c->fields, "layer", i);

		if (text == NULL || *text == '\0')
			continue;
		layer = layer_by_text(c->s, text);
		if (layer == NULL)
			fail(c, "layer_unknown", "layer", text, NULL);
		else if (!contains(list, layer))
			json_object_array_add(list, json_object_get(layer));
	}
	if (n == 0)
		JSON_EACH(layer, session_layers(c->s))
	if (json_bool(layer, "selected", true))
		json_object_array_add(list, json_object_get(layer));
	if (json_len(list) == 0 && *c->errors == NULL)
		fail(c, "layer_none", "layer", NULL, NULL);
	return list;
}

/* ---- which CRS */

/* Three near codes as one text, for "did you mean". */
static void add_nearest(struct check *c, json_object *p, const char *code)
{
	CLEAN_JSON json_object *near = crs_index_nearest(c->ix, code, 3);
	json_object *item;
	char text[128] = "";

	JSON_EACH(item, near)
	{
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "",
			       json_object_get_string(item));
	}
	problem_arg(p, "nearest", text);
}

/*
 * Is TEXT a CRS data can be in?  Codes are srs_… or target_….  What the index does not know may
 * still be known to the jail only when there is no index.
 */
static bool check_code(struct check *c, const char *text, const char *field,
		       const json_object *layer, char out[48])
{
	bool target = strcmp(field, "target") == 0;
	const struct crs_file_entry *e;
	json_object *p;

	if (srs_is_offset_system(text)) {
		fail(c, target ? "target_invalid" : "srs_offset_system", field, text, layer);
		return false;
	}
	if (!srs_spelling(text, out)) {
		fail(c, target ? "target_invalid" : "srs_invalid", field, text, layer);
		return false;
	}
	if (c->ix == NULL)
		return true;
	e = crs_index_find(c->ix, out);
	if (e == NULL) {
		p = fail(c, target ? "target_unknown" : "srs_unknown", field, out, layer);
		add_nearest(c, p, out);
		return false;
	}
	if (!crs_is_searchable(e)) {
		p = fail(c, target ? "target_kind" : "srs_kind", field, out, layer);
		problem_arg(p, "name", crs_index_text(c->ix, e->name));
		problem_arg(p, "kind", crs_kind_name(e->kind));
		return false;
	}
	return true;
}

/* WKT 1/2, ESRI WKT or PROJ text: whether it can be read is the jail's word. */
static bool looks_like_definition(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > WKT_BYTES || !text_is_utf8(s, n))
		return false;
	return strchr(s, '[') != NULL || strchr(s, '(') != NULL || strstr(s, "+proj=") != NULL;
}

static const char *filled(const json_object *fields, const char *name)
{
	const char *s = fields_text(fields, name);

	while (s != NULL && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n'))
		s++;
	return s != NULL && *s != '\0' ? s : NULL;
}

static json_object *plan_item(const json_object *layer, const char *source, const char *wkt)
{
	json_object *o = json_set_int(json_object_new_object(), "i", json_int(layer, "i", 0));

	return json_set_str(json_set_str(o, "source", source), "wkt", wkt);
}

/* The plan's item of LAYER, NULL with an error. */
static json_object *plan_layer(struct check *c, const json_object *layer)
{
	const char *source = filled(c->fields, "source"), *wkt = filled(c->fields, "source_wkt");
	char field[32], code[48], buf[48];
	bool has_own = *choice_file_srs(c->s, layer, buf) != '\0';
	CLEAN_FREE char *start = NULL;
	const char *own;

	if (!srs_layer_has_geometry(c->s, layer))
		return plan_item(layer, NULL, NULL);
	(void)snprintf(field, sizeof(field), "source_%lld", (long long)json_int(layer, "i", 0));
	own = filled(c->fields, field);
	if (own != NULL) {
		source = own;
		wkt = NULL;
	} else {
		(void)snprintf(field, sizeof(field), "source");
		source = source != NULL ? source : filled(c->fields, "srs");
		/* One answer for all is meant for the layers that have none of their own. */
		if (c->n_geometry > 1 && has_own && c->sent)
			source = "file";
	}
	if (source == NULL && wkt == NULL) {
		fail(c, "srs_missing", field, NULL, layer);
		return NULL;
	}
	if (source == NULL) {
		if (looks_like_definition(wkt))
			return plan_item(layer, NULL, wkt);
		start = mem_strndup(wkt, text_cut(wkt, strlen(wkt), SHOWN_BYTES));
		fail(c, "srs_invalid", "source_wkt",
		     text_is_utf8(start, strlen(start)) ? start : NULL, layer);
		return NULL;
	}
	if (text_ieq(source, "file")) {
		if (has_own)
			return plan_item(layer, "file", NULL);
		fail(c, "srs_missing", field, NULL, layer);
		return NULL;
	}
	return check_code(c, source, field, layer, code) ? plan_item(layer, code, NULL) : NULL;
}

static bool anything_sent(const struct check *c, json_object *layers)
{
	json_object *layer;

	if (filled(c->fields, "source") != NULL || filled(c->fields, "srs") != NULL ||
	    filled(c->fields, "source_wkt") != NULL)
		return true;
	JSON_EACH(layer, layers)
	{
		char field[32];

		(void)snprintf(field, sizeof(field), "source_%lld",
			       (long long)json_int(layer, "i", 0));
		if (filled(c->fields, field) != NULL)
			return true;
	}
	return false;
}

static void check_charset(struct check *c, json_object *plan)
{
	const char *charset = filled(c->fields, "charset");
	const char *name = charset != NULL ? charset_canonical(charset) : NULL;

	if (charset != NULL && strcmp(charset, "undefined") == 0)
		charset = NULL;
	if (charset != NULL && name == NULL)
		fail(c, "charset_unknown", "charset", charset, NULL);
	json_set_str(plan, "charset", name);
}

void srs_check_form(const struct session *s, const json_object *fields, const struct crs_index *ix,
		    json_object **ret_plan, json_object **errors, json_object **warnings)
{
	struct check c = {.s = s, .fields = fields, .ix = ix};
	CLEAN_JSON json_object *layers = NULL;
	json_object *layer, *plan = json_object_new_object(), *items = json_object_new_array(),
			    *found = NULL;
	const char *target = filled(fields, "target");
	char code[48] = "";

	(void)warnings; /* what is odd is told once the jail has looked: srs_check_answers */
	c.errors = &found;
	*ret_plan = NULL;
	layers = chosen_layers(&c);
	JSON_EACH(layer, layers)
	c.n_geometry += srs_layer_has_geometry(s, layer);
	c.sent = anything_sent(&c, layers);
	json_set(plan, "layers", items);
	JSON_EACH(layer, layers)
	{
		json_object *item = plan_layer(&c, layer);

		if (item != NULL)
			json_object_array_add(items, item);
	}
	if (target != NULL && !check_code(&c, target, "target", NULL, code))
		code[0] = '\0';
	json_set_str(plan, "target", code);
	json_set_bool(plan, "confirm", fields_bool(fields, "confirm", false, &found));
	check_charset(&c, plan);
	if (found == NULL) {
		*ret_plan = plan;
		return;
	}
	json_object_put(plan);
	JSON_EACH(layer, found)
	problems_add(errors, json_object_get(layer));
	json_object_put(found);
}

/* ---- questions for the jail */

json_object *srs_questions(const struct session *s, const json_object *plan)
{
	json_object *list = json_object_new_array(), *item;

	JSON_EACH(item, json_arr(plan, "layers"))
	{
		const json_object *layer = session_layer(s, json_int(item, "i", -1));
		const char *source = json_str(item, "source", NULL),
			   *wkt = json_str(item, "wkt", NULL);
		json_object *q, *codes, *box = NULL;
		char buf[48], code[48];
		double extent[4];

		if (source == NULL && wkt == NULL) {
			json_object_array_add(list, NULL);
			continue;
		}
		if (source != NULL && strcmp(source, "file") == 0)
			source = choice_file_srs(s, layer, buf);
		if (source != NULL && !srs_spelling(source, code)) {
			wkt = source;
			source = NULL;
		}
		codes = json_object_new_array();
		if (source != NULL)
			json_object_array_add(codes, json_object_new_string(source));
		if (srs_layer_extent(s, layer, extent))
			box = fields_box(extent);
		q = json_set_str(json_set_str(json_object_new_object(), "type", "job"), "task",
				 "srs");
		json_set_str(json_set(q, "codes", codes), "wkt", wkt);
		json_set(json_set(q, "extent", box), "extent_crs", NULL);
		json_object_array_add(list,
				      json_set_str(q, "target", json_str(plan, "target", "")));
	}
	return list;
}
