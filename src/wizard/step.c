#include "wizard/step.h"

#include <string.h>
#include "wizard/choice.h"
#include "wizard/srs.h"
#include "wizard/step_table.h"
#include "wizard/when.h"

#define LIST_MAX 6

static bool csv_holds(const struct session *s);
static bool srs_holds(const struct session *s);
static bool time_holds(const struct session *s);

struct item {
	enum step step;			       /* STEP_NONE ends the list */
	bool (*holds)(const struct session *); /* NULL: always in the effective list */
};

/* clang-format off */
#define SRS_MAYBE  { STEP_SRS, srs_holds }
#define TIME_MAYBE { STEP_TIME, time_holds }
#define IMPORT     { STEP_RUN, NULL }, { STEP_FINAL, NULL }
#define TABLE      { { STEP_CSV, NULL }, SRS_MAYBE, { STEP_CHECK, NULL }, TIME_MAYBE, IMPORT }
#define VECTOR     { SRS_MAYBE, TIME_MAYBE, IMPORT }
#define RASTER     { SRS_MAYBE, IMPORT }
/* clang-format on */

/* The map of the wizard: contracts/wizard.md 5.1. */
static const struct item lists[KIND__MAX][LIST_MAX + 1] = {
    [KIND_SHP] = {{STEP_SRS, NULL}, {STEP_CHECK, NULL}, TIME_MAYBE, IMPORT},
    [KIND_CSV] = TABLE,
    [KIND_XLSX] = TABLE,
    [KIND_ODS] = TABLE,
    [KIND_GEOJSON] = VECTOR,
    [KIND_KML] = VECTOR,
    [KIND_KML_OVERLAY] = {IMPORT},
    [KIND_GPX] = VECTOR,
    [KIND_GML] = VECTOR,
    [KIND_GPKG] = VECTOR,
    [KIND_FGB] = VECTOR,
    [KIND_TIF] = RASTER,
    [KIND_ASC] = RASTER,
    [KIND_PNG] = RASTER,
    [KIND_JPG] = RASTER,
    [KIND_ZIP_MOSAIC] = RASTER,
    [KIND_MULTI] = {{STEP_CSV, csv_holds}, SRS_MAYBE, TIME_MAYBE, IMPORT},
    [KIND_IMG] = RASTER,
    [KIND_JP2] = RASTER,
    [KIND_NTF] = RASTER,
    [KIND_ZIP] = {{STEP_CHECK, NULL}, IMPORT},
};

static bool is_table_kind(enum kind kind)
{
	return kind == KIND_CSV || kind == KIND_XLSX || kind == KIND_ODS;
}

/* The kinds whose save answer names the first step, whatever its GET then says. */
static bool names_first(enum kind kind)
{
	return kind == KIND_SHP || is_table_kind(kind);
}

/* ---- layers */

static bool has_geometry(const struct session *s, const json_object *layer)
{
	/* Not asked yet: most tables that are sent here hold places. */
	if (step_is_table(layer) && session_table_input(s, json_int(layer, "i", -1)) == NULL)
		return true;
	return srs_layer_has_geometry(s, layer);
}

/* Does nothing but a person know LAYER's reference system? */
static bool lacks_srs(const struct session *s, const json_object *layer)
{
	char buf[48];

	return has_geometry(s, layer) && *choice_file_srs(s, layer, buf) == '\0';
}

bool step_is_table(const json_object *layer)
{
	return json_obj(layer, "dialect") != NULL || json_arr(layer, "sheets") != NULL;
}

/* ---- conditions */

static bool csv_holds(const struct session *s)
{
	json_object *layer;

	if (is_table_kind(s->kind))
		return true;
	JSON_EACH(layer, session_layers(s))
	if (step_is_table(layer) && srs_layer_chosen(s, layer))
		return true;
	return false;
}

static bool srs_holds(const struct session *s)
{
	json_object *layer;

	/* EPSG:4326 by definition. */
	if (s->kind == KIND_KML || s->kind == KIND_KML_OVERLAY || s->kind == KIND_GPX)
		return false;
	if (session_layers(s) == NULL)
		return is_table_kind(s->kind);
	JSON_EACH(layer, session_layers(s))
	if (srs_layer_chosen(s, layer) && lacks_srs(s, layer))
		return true;
	return false;
}

/* input.save.time carries the site's time_enabled too. */
static bool time_holds(const struct session *s)
{
	json_object *layer;

	if (!json_bool(session_input(s, STEP_SAVE), "time", false))
		return false;
	JSON_EACH(layer, session_layers(s))
	if (srs_layer_chosen(s, layer) && strcmp(json_str(layer, "kind", ""), "raster") != 0 &&
	    when_layer_eligible(layer))
		return true;
	return false;
}

/* ---- the effective list */

size_t step_list(const struct session *s, enum step out[STEP__MAX])
{
	size_t n = 0;

	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++)
		if (i->holds == NULL || i->holds(s))
			out[n++] = i->step;
	return n;
}

enum step get_next_step(const struct session *s, int offset)
{
	enum step list[STEP__MAX];
	int n = (int)step_list(s, list), i = -1;

	if (s->completed == STEP_ERROR)
		return STEP_ERROR;
	/* A step outside the list (5.3) stands where it would be, by the enum's order. */
	while (i + 1 < n && s->completed > STEP_SAVE && list[i + 1] <= s->completed)
		i++;
	i += offset;
	return list[i < 0 ? 0 : i >= n ? n - 1 : i];
}

enum step get_previous_step(const struct session *s, const char *post_to)
{
	enum step list[STEP__MAX];
	size_t n = step_list(s, list);

	if (strcmp(post_to, "undefined") == 0)
		post_to = step_name(STEP_FINAL);
	for (size_t i = 0; i < n; i++)
		if (strcmp(step_name(list[i]), post_to) == 0)
			return i == 0 ? STEP_SAVE : list[i - 1];
	return STEP_ERROR;
}

bool step_is_async(const struct session *s, bool async_configured)
{
	return async_configured && get_next_step(s, 2) == STEP_RUN;
}

/* ---- who must fill what */

static bool srs_usable(const struct session *s)
{
	json_object *layer;

	if (session_layers(s) == NULL)
		return s->kind != KIND_ZIP;
	JSON_EACH(layer, session_layers(s))
	if (has_geometry(s, layer))
		return true;
	/* The page also chooses layers. */
	return json_len(session_layers(s)) > 1;
}

static bool time_usable(const struct session *s)
{
	json_object *layer;

	JSON_EACH(layer, session_layers(s))
	if (srs_layer_chosen(s, layer) && strcmp(json_str(layer, "kind", ""), "raster") != 0 &&
	    when_layer_eligible(layer))
		return true;
	return false;
}

bool step_usable(const struct session *s, enum step step)
{
	switch (step) {
	case STEP_SAVE:
	case STEP_CHECK:
	case STEP_RUN:
	case STEP_FINAL:
		return true;
	case STEP_CSV:
		return csv_holds(s);
	case STEP_SRS:
		return srs_usable(s);
	case STEP_TIME:
		return time_usable(s);
	case STEP_NONE:
	case STEP_ERROR:
	case STEP__MAX:
		break;
	}
	return false;
}

static bool csv_missing(const struct session *s)
{
	json_object *layer;

	if (!csv_holds(s))
		return false;
	if (!session_has_input(s, STEP_CSV))
		return true;
	JSON_EACH(layer, session_layers(s))
	if (step_is_table(layer) && srs_layer_chosen(s, layer) &&
	    session_table_input(s, json_int(layer, "i", -1)) == NULL)
		return true;
	return false;
}

bool step_needs_input(const struct session *s, enum step step, enum mode mode)
{
	switch (step) {
	case STEP_CSV:
		return csv_missing(s);
	case STEP_SRS:
		if (session_has_input(s, STEP_SRS))
			return false;
		return srs_holds(s) || (mode == MODE_HTML && json_len(session_layers(s)) > 1);
	case STEP_TIME:
		return time_holds(s) && !session_has_input(s, STEP_TIME);
	case STEP_FINAL:
		return mode == MODE_HTML && session_editable(s);
	case STEP_SAVE:
	case STEP_CHECK:
	case STEP_RUN:
	case STEP_NONE:
	case STEP_ERROR:
	case STEP__MAX:
		break;
	}
	return false;
}

enum step step_missing_before(const struct session *s, enum step limit)
{
	/* Time is asked but never required: final goes on without. */
	static const enum step required[] = {STEP_CSV, STEP_SRS};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (required[i] < limit && step_needs_input(s, required[i], MODE_STRICT))
			return required[i];
	return STEP_NONE;
}

enum step step_stop_after(const struct session *s, enum step after, enum mode mode)
{
	bool json = mode != MODE_HTML;
	bool first = after == STEP_NONE || after == STEP_SAVE;
	enum step missing;

	if (after == STEP_ERROR)
		return STEP_ERROR;
	if (json && first && names_first(s->kind))
		return lists[s->kind][0].step;
	if (!session_inspected(s))
		return STEP_CHECK;
	/* G2's scripts expect ready → final at once; final tells what is missing. */
	if (mode == MODE_COMPAT && !names_first(s->kind) && (first || after == STEP_CHECK))
		return STEP_FINAL;
	/* AFTER itself too: in kind multi one table's columns do not answer for the others. */
	missing = step_missing_before(s, after + 1);
	if (missing != STEP_NONE)
		return missing;
	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++) {
		if (i->step <= after)
			continue;
		if (i->step == STEP_CHECK && json && names_first(s->kind))
			return STEP_CHECK;
		if (i->step != STEP_FINAL && step_needs_input(s, i->step, mode))
			return i->step;
	}
	return STEP_FINAL;
}

enum step step_next_stop(const struct session *s, enum mode mode)
{
	return step_stop_after(s, s->completed, mode);
}

/* ---- pages */

static const char *trail_state(const struct session *s, enum step step, enum step current)
{
	if (step == current)
		return "current";
	if (step == STEP_SAVE)
		return "done";
	if (step == STEP_FINAL)
		return session_editable(s) ? "todo" : "done";
	if (session_has_input(s, step) && !step_needs_input(s, step, MODE_HTML))
		return "done";
	return !session_inspected(s) || step_needs_input(s, step, MODE_HTML) ? "todo" : "skipped";
}

static void trail_add(json_object *trail, const struct session *s, enum step step,
		      enum step current)
{
	json_object *item = json_object_new_object();
	const char *state = trail_state(s, step, current);
	/* Passed steps can be looked at again; save has no page of its own any more. */
	bool url = step != STEP_SAVE && step != current && strcmp(state, "todo") != 0 &&
		   session_editable(s) && step_usable(s, step);

	json_set_str(item, "step", step_name(step));
	json_set_str(item, "state", state);
	json_set_bool(item, "url", url);
	json_object_array_add(trail, item);
}

json_object *step_trail(const struct session *s, enum step current)
{
	json_object *trail = json_object_new_array();

	trail_add(trail, s, STEP_SAVE, current);
	for (const struct item *i = lists[s->kind]; i->step != STEP_NONE; i++) {
		if (i->step == STEP_CHECK || i->step == STEP_RUN)
			continue;
		/* A question nobody could answer is not shown as passed. */
		if (i->step != current && session_inspected(s) && !step_usable(s, i->step))
			continue;
		trail_add(trail, s, i->step, current);
	}
	return trail;
}
