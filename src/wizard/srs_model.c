#include "wizard/srs.h"

#include <stdio.h>
#include <string.h>
#include "base/charset.h"
#include "wizard/choice.h"
#include "wizard/columns.h"
#include "wizard/earlier.h"
#include "wizard/fields.h"

static json_object *copy_of(const json_object *o, const char *key)
{
	json_object *v = json_get(o, key);

	return v != NULL ? json_copy(v) : NULL;
}

/* Was LAYER ticked: in what was typed, else as stored, else as preselected. */
static bool is_ticked(const struct session *s, const json_object *layer, const json_object *fields)
{
	size_t n = fields_count(fields, "layer");
	char index[24];

	if (n == 0)
		return srs_layer_chosen(s, layer);
	(void)snprintf(index, sizeof(index), "%lld", (long long)json_int(layer, "i", 0));
	for (size_t i = 0; i < n; i++) {
		const char *text = fields_at(fields, "layer", i);

		if (text != NULL &&
		    (strcmp(text, index) == 0 || strcmp(text, json_str(layer, "name", "")) == 0))
			return true;
	}
	return false;
}

/* The CRS that holds for LAYER: the user's, else the file's. */
static json_object *crs_of(const struct session *s, const json_object *layer)
{
	const json_object *chosen = choice_srs(s, layer), *crs = json_obj(layer, "crs");
	const char *source = json_str(chosen, "source", "file"),
		   *word = json_str(crs, "source", "none");
	json_object *o = json_object_new_object();

	if (strcmp(source, "file") != 0) {
		json_set(o, "code", copy_of(chosen, "code"));
		json_set(o, "name", copy_of(chosen, "name"));
		json_set(o, "wkt", copy_of(chosen, "wkt"));
		json_set(o, "fit", copy_of(chosen, "fit"));
		return json_set_int(json_set_str(o, "source", "user"), "confidence", 100);
	}
	json_set(o, "code", copy_of(crs, "code"));
	json_set(o, "name", copy_of(crs, "name"));
	json_set(o, "wkt", copy_of(crs, "wkt"));
	/* The page's words are four; a definition by the format itself is the file's word too. */
	json_set_str(o, "source", strcmp(word, "definition") == 0 ? "file" : word);
	return json_set_int(o, "confidence", json_int(crs, "confidence", 0));
}

/* What LAYER's own field shows first: typed, stored, the file's, a proposal from the table's
 * columns, or "". */
static const char *source_of(const struct session *s, const json_object *layer,
			     const json_object *fields, char buf[48])
{
	const json_object *chosen = choice_srs(s, layer);
	struct choice_columns c;
	struct column_guess guess;
	const char *typed;
	char field[32];

	(void)snprintf(field, sizeof(field), "source_%lld", (long long)json_int(layer, "i", 0));
	typed = fields_text(fields, field);
	if (typed == NULL)
		typed = fields_text(fields, "source");
	if (typed == NULL)
		typed = fields_text(fields, "srs");
	if (typed != NULL)
		return typed;
	if (json_str(chosen, "source", NULL) != NULL)
		return json_str(chosen, "code", json_str(chosen, "source", ""));
	typed = choice_file_srs(s, layer, buf);
	if (*typed != '\0')
		return strlen(typed) < 48 ? typed : "file";
	if (*earlier_source(s) != '\0')
		return earlier_source(s);
	choice_columns(s, layer, &c);
	if (c.lat < 0)
		return "";
	columns_guess(layer, &guess);
	if (guess.crs[0] != '\0' && guess.lat == c.lat && guess.lng == c.lng) {
		(void)snprintf(buf, 48, "%s", guess.crs);
		return buf;
	}
	/* "lat" and "lon" are degrees; "x" and "y" can be anything. */
	return is_latitude(
		   json_str(json_object_array_get_idx(json_arr(layer, "columns"), (size_t)c.lat),
			    "original", "")) >= 2
		   ? "EPSG:4326"
		   : "";
}

/* The definition that was typed, else the one that is stored for LAYER, else "". */
static const char *definition_of(const struct session *s, const json_object *layer,
				 const json_object *fields)
{
	const char *typed = fields_text(fields, "source_wkt"), *stored;
	char code[48];

	if (typed != NULL || layer == NULL)
		return typed != NULL ? typed : "";
	stored = json_str(choice_srs(s, layer), "source", "");
	return strcmp(stored, "file") == 0 || srs_spelling(stored, code) ? "" : stored;
}

static json_object *layer_model(const struct session *s, const json_object *layer,
				const json_object *fields)
{
	static const char *const kept[] = {"i", "name", "kind", "geometry", "count", "native_crs"};
	json_object *o = json_object_new_object(), *box = NULL;
	double extent[4];
	char buf[48];

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		json_set(o, kept[i], copy_of(layer, kept[i]));
	if (srs_layer_extent(s, layer, extent))
		box = fields_box(extent);
	json_set(o, "extent", box);
	json_set_bool(o, "selected", is_ticked(s, layer, fields));
	json_set_bool(o, "has_geometry", srs_layer_has_geometry(s, layer));
	json_set_bool(o, "needs_crs",
		      srs_layer_has_geometry(s, layer) && *choice_file_srs(s, layer, buf) == '\0');
	json_set(o, "crs", crs_of(s, layer));
	json_set_str(o, "source", source_of(s, layer, fields, buf));
	return json_set(o, "candidates",
			json_arr(layer, "candidates") != NULL ? copy_of(layer, "candidates")
							      : json_object_new_array());
}

/* The srs page of a shapefile corrects the encoding too (17.2). */
static void add_charset(const struct session *s, const json_object *fields, json_object *model)
{
	const json_object *layer = session_layer(s, 0);
	const char *typed = fields_text(fields, "charset");
	const char *const *names = charset_choices();
	json_object *list;

	if (s->kind != KIND_SHP)
		return;
	list = json_object_new_array();
	for (; *names != NULL; names++)
		json_object_array_add(list, json_object_new_string(*names));
	json_set(model, "charsets", list);
	json_set_str(model, "charset",
		     typed != NULL ? typed : json_str(json_obj(layer, "encoding"), "charset", ""));
	json_set(model, "preview", copy_of(layer, "preview"));
}

json_object *srs_model(const struct session *s, const json_object *fields, json_object *search)
{
	json_object *o = json_object_new_object(), *layers = json_object_new_array(), *layer,
		    *supported = NULL;
	const json_object *first = NULL;
	const char *target = fields_text(fields, "target");
	bool required = false;
	char buf[48];

	JSON_EACH(layer, session_layers(s))
	{
		json_object *m = layer_model(s, layer, fields);

		json_object_array_add(layers, m);
		if (!json_bool(m, "selected", false) || !json_bool(m, "has_geometry", false))
			continue;
		required = required || json_bool(m, "needs_crs", false);
		/* One list of suggestions: of the first layer that lacks a CRS, else of the first.
		 */
		if (first == NULL ||
		    (json_bool(m, "needs_crs", false) && *choice_file_srs(s, first, buf) != '\0'))
			first = layer;
	}
	supported = first != NULL ? copy_of(first, "supported") : NULL;
	json_set_str(o, "name", session_title(s));
	json_set(o, "layers", layers);
	json_set(o, "supported_crs", supported != NULL ? supported : json_object_new_array());
	json_set_str(o, "source", first != NULL ? source_of(s, first, fields, buf) : "");
	json_set_str(o, "target",
		     target != NULL ? target : json_str(session_input(s, STEP_SRS), "target", ""));
	json_set_str(o, "source_wkt", definition_of(s, first, fields));
	json_set_bool(o, "required", required);
	json_set(o, "search", search);
	add_charset(s, fields, o);
	return o;
}
