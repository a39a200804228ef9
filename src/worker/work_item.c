#include "worker/work_item.h"

#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item.h"
#include "wizard/choice.h"
#include "wizard/columns.h"
#include "wizard/srs.h"
#include "wizard/step_table.h"

int64_t work_item_of(const struct session *s)
{
	return json_int(s->doc, "item", 0);
}

/* ---- answers */

/* The column that the item's words name, by name or by index; NULL = none. */
static const char *column_named(const json_object *layer, const json_object *hints,
				const char *field, const char *index)
{
	const char *name = json_str(hints, field, "");
	int64_t i = -1;

	if (*name != '\0')
		return name;
	if (json_get(hints, index) == NULL ||
	    !text_int(json_object_get_string(json_get(hints, index)), 0, INT32_MAX, &i))
		return NULL;
	return json_str(json_at(json_arr(layer, "columns"), (size_t)i), "name", NULL);
}

/* Where a table's coordinates are: as told, X and Y; NULL: it has none. */
static void fill_table(struct session *s, const json_object *layer, const char *x, const char *y)
{
	CLEAN_JSON json_object *fields = json_object_new_object();
	json_object *input = NULL, *errors = NULL, *warnings = NULL;

	if (x != NULL) {
		json_set_str(fields, "lat", y);
		json_set_str(fields, "lng", x);
	} else {
		json_set_str(fields, "geometry", "none");
	}
	columns_check(layer, fields, &input, &errors, &warnings);
	if (input != NULL)
		(void)session_set_input(s, STEP_CSV, input);
	json_object_put(errors);
	json_object_put(warnings);
}

/* The tables that have no answer yet: with TOLD only those whose columns are told. */
static void fill_tables(struct session *s, bool told)
{
	const json_object *hints = json_obj(s->doc, "hints");
	json_object *layer = NULL;

	JSON_EACH(layer, session_layers(s))
	{
		bool open = step_is_table(layer) && srs_layer_chosen(s, layer) &&
			    s->kind != KIND_MULTI &&
			    session_table_input(s, json_int(layer, "i", -1)) == NULL;
		const char *x = column_named(layer, hints, "xField", "xIndex"),
			   *y = column_named(layer, hints, "yField", "yIndex");
		bool pair = x != NULL && y != NULL;
		if (open && pair == told)
			fill_table(s, layer, pair ? x : NULL, pair ? y : NULL);
	}
}

static const char *code_of(const struct session *s)
{
	static const struct {
		const char *coord, *code;
	} codes[] = {{"WGS84", "EPSG:4326"}, {"CGCS2000", "EPSG:4490"}, {"MACTOR", "EPSG:3857"}};
	const char *coord = json_str(json_obj(s->doc, "hints"), "coordType", "");

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		if (strcmp(codes[i].coord, coord) == 0)
			return codes[i].code;
	}
	return NULL;
}

/* Layers without a system of their own have the one that was told; degrees in a table are WGS 84.
 */
static void fill_srs(struct session *s)
{
	const char *told = code_of(s);
	json_object *input = json_object_new_object(), *layers = json_object_new_array(),
		    *selected = json_object_new_array();
	json_object *layer = NULL;
	bool good = true;

	json_set(input, "layers", layers);
	json_set(input, "selected", selected);
	json_set_str(input, "target", "");
	JSON_EACH(layer, session_layers(s))
	{
		char buf[48];
		const char *own = choice_file_srs(s, layer, buf);
		bool pair = strcmp(choice_geometry(s, layer), "latlng") == 0;
		const char *code = told != NULL ? told : pair ? "EPSG:4326" : NULL;
		if (!srs_layer_chosen(s, layer))
			continue;
		json_object_array_add(selected, json_object_new_int64(json_int(layer, "i", 0)));
		if (!srs_layer_has_geometry(s, layer))
			continue;
		json_object *item = json_object_new_object(), *crs = json_obj(layer, "crs");
		good = good && (*own != '\0' || code != NULL);
		json_set_int(item, "i", json_int(layer, "i", 0));
		json_set_str(item, "source", *own != '\0' ? "file" : code);
		json_set(item, "code",
			 *own != '\0' ? json_copy(json_get(crs, "code"))
				      : json_object_new_string(code != NULL ? code : ""));
		json_set(item, "name",
			 *own != '\0' ? json_copy(json_get(crs, "name"))
				      : json_object_new_string(code != NULL ? code : ""));
		json_set(item, "wkt", *own != '\0' ? json_copy(json_get(crs, "wkt")) : NULL);
		json_object_array_add(layers, item);
	}
	if (good)
		(void)session_set_input(s, STEP_SRS, input);
	else
		json_object_put(input);
}

void work_item_fill(struct session *s)
{
	fill_tables(s, true);
	(void)step_fill_certain(s);
	fill_tables(s, false);
	if (step_needs_input(s, STEP_SRS, MODE_STRICT))
		fill_srs(s);
}

/* ---- what the item says of it */

static void set_check(json_object *changes, const json_object *model, const char *status,
		      const char *message)
{
	json_object *check = json_copy(json_obj(model, "dataCheckResult")),
		    *info = json_obj(check, "dataCheckInfo");

	if (info != NULL) {
		json_set_str(info, "checkStatus", status);
		json_set_str(info, "checkMsg", message);
		json_set(changes, "dataCheckResult", json_object_get(check));
	}
	json_object_put(check);
}

/* Why it stopped, as a code: words are the front's business. */
static const char *reason_of(const struct session *s)
{
	const char *code = json_str(s->doc, "code", "");

	return *code != '\0'		   ? code
	       : s->state == STATE_WAITING ? "item_needs_answers"
					   : "import_failed";
}

void work_item_follow(struct work *work, const struct session *s)
{
	struct catalog *catalog = work->w->catalog;
	struct viewer all = {.user = "", .admin = true};
	CLEAN_JSON json_object *model = NULL;
	CLEAN_JSON json_object *changes = json_object_new_object();
	bool going_on =
	    s->state == STATE_PENDING || s->state == STATE_RUNNING || s->state == STATE_COMPLETE;
	struct error error = {0};
	int64_t id = work_item_of(s);

	if (id == 0 || work->lost)
		return;
	enum err err = catalog_item_get(catalog, id, &all, &model, &error);
	if (err == ERR_NOT_FOUND)
		return; /* deleted meanwhile */
	/* Another try, or another file, is what the item waits for by now. */
	if (err == ERR_OK && json_int(json_obj(model, "work"), "session", 0) != s->id)
		return;
	if (err == ERR_OK && session_inspected(s))
		set_check(changes, model, "SUCCESS", NULL);
	else if (err == ERR_OK && !going_on)
		set_check(changes, model, "FAILED", reason_of(s));
	if (err == ERR_OK && !going_on) {
		json_object *notes = json_copy(json_obj(model, "work"));
		bool done = s->state == STATE_PROCESSED;
		json_set_str(notes, "error", done ? NULL : reason_of(s));
		json_set(changes, "work", notes);
		json_set_str(changes, "serviceStatus", done ? "PUBLISHED" : "PUBLISH_FAILED");
	}
	if (err == ERR_OK)
		err = catalog_item_change(catalog, id, changes, NULL, &error);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		log_line(LOG_LEVEL_ERROR, NULL, "data item %lld: %s", (long long)id, error.text);
}
