#include "wizard/session.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define TITLE_CHARS 64 /* contracts/wizard.md 16.1 */

static const char *const step_names[STEP__MAX] = {
    [STEP_NONE] = "",	[STEP_SAVE] = "save",	[STEP_CSV] = "csv",
    [STEP_SRS] = "srs", [STEP_CHECK] = "check", [STEP_TIME] = "time",
    [STEP_RUN] = "run", [STEP_FINAL] = "final", [STEP_ERROR] = "error",
};

static const char *const kind_names[KIND__MAX] = {
    [KIND_SHP] = "shp",
    [KIND_CSV] = "csv",
    [KIND_XLSX] = "xlsx",
    [KIND_ODS] = "ods",
    [KIND_GEOJSON] = "geojson",
    [KIND_KML] = "kml",
    [KIND_KML_OVERLAY] = "kml-overlay",
    [KIND_GPX] = "gpx",
    [KIND_GML] = "gml",
    [KIND_GPKG] = "gpkg",
    [KIND_FGB] = "fgb",
    [KIND_TIF] = "tif",
    [KIND_ASC] = "asc",
    [KIND_PNG] = "png",
    [KIND_JPG] = "jpg",
    [KIND_ZIP_MOSAIC] = "zip-mosaic",
    [KIND_MULTI] = "multi",
    [KIND_IMG] = "img",
    [KIND_JP2] = "jp2",
    [KIND_NTF] = "ntf",
    [KIND_ZIP] = "zip",
};

static const char *const state_names[STATE__MAX] = {
    [STATE_READY] = "READY",	       [STATE_PENDING] = "PENDING",
    [STATE_WAITING] = "WAITING",       [STATE_RUNNING] = "RUNNING",
    [STATE_COMPLETE] = "COMPLETE",     [STATE_PROCESSED] = "PROCESSED",
    [STATE_INCOMPLETE] = "INCOMPLETE", [STATE_INVALID] = "INVALID",
};

static bool find(const char *const *names, size_t first, size_t end, const char *name, size_t *ret)
{
	for (size_t i = first; name != NULL && i < end; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *step_name(enum step step)
{
	return step_names[step];
}

bool step_by_name(const char *name, enum step *ret)
{
	size_t i;

	if (!find(step_names, STEP_SAVE, STEP_FINAL + 1, name, &i))
		return false;
	*ret = (enum step)i;
	return true;
}

const char *kind_name(enum kind kind)
{
	return kind_names[kind];
}

bool kind_by_name(const char *name, enum kind *ret)
{
	size_t i;

	if (!find(kind_names, 0, KIND__MAX, name, &i))
		return false;
	*ret = (enum kind)i;
	return true;
}

const char *state_name(enum state state)
{
	return state_names[state];
}

bool state_by_name(const char *name, enum state *ret)
{
	size_t i;

	if (!find(state_names, 0, STATE__MAX, name, &i))
		return false;
	*ret = (enum state)i;
	return true;
}

/* ---- the record */

enum err session_from_json(json_object *doc, struct session **ret)
{
	struct session *s = mem_alloc(sizeof(*s));
	size_t completed;

	s->doc = doc;
	s->id = json_int(doc, "id", 0);
	s->rev = json_int(doc, "rev", 0);
	s->created = json_int(doc, "created", 0);
	s->expires = json_int(doc, "expires", 0);
	if (!kind_by_name(json_str(doc, "kind", NULL), &s->kind) ||
	    !state_by_name(json_str(doc, "state", NULL), &s->state) ||
	    !find(step_names, STEP_NONE, STEP__MAX, json_str(doc, "completed", ""), &completed)) {
		session_free(s);
		return ERR_STORE;
	}
	s->completed = (enum step)completed;
	*ret = s;
	return ERR_OK;
}

/* Bytes of the first MAX characters of S, which is UTF-8. */
static size_t first_chars(const char *s, size_t max)
{
	size_t at = 0, len = strlen(s);
	int32_t cp;

	for (size_t i = 0; i < max && at < len; i++) {
		size_t n = text_decode(s + at, len - at, &cp);

		at += n > 0 ? n : 1;
	}
	return at;
}

struct session *session_new(const char *owner, const char *name, int64_t now_ms, int64_t expires_ms)
{
	struct session *s = mem_alloc(sizeof(*s));
	CLEAN_FREE char *title = mem_strndup(name, first_chars(name, TITLE_CHARS));

	s->doc = json_object_new_object();
	s->created = now_ms;
	s->expires = expires_ms;
	s->kind = KIND_ZIP;
	s->state = STATE_READY;
	s->completed = STEP_NONE;
	json_set_str(s->doc, "owner", owner);
	json_set_str(s->doc, "name", title);
	json_set_str(s->doc, "code", "");
	json_set(s->doc, "uploads", json_object_new_array());
	json_set(s->doc, "input", json_object_new_object());
	(void)session_to_json(s, now_ms);
	return s;
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	json_object_put(s->doc);
	free(s);
}

json_object *session_to_json(struct session *s, int64_t now_ms)
{
	json_set_int(s->doc, "id", s->id);
	json_set_int(s->doc, "rev", s->rev);
	json_set_int(s->doc, "created", s->created);
	json_set_int(s->doc, "changed", now_ms);
	json_set_int(s->doc, "expires", s->expires);
	json_set_str(s->doc, "kind", kind_name(s->kind));
	json_set_str(s->doc, "state", state_name(s->state));
	json_set_str(s->doc, "completed", step_name(s->completed));
	return s->doc;
}

const char *session_owner(const struct session *s)
{
	return json_str(s->doc, "owner", "");
}

const char *session_title(const struct session *s)
{
	return json_str(s->doc, "name", "");
}

json_object *session_layers(const struct session *s)
{
	return json_arr(s->doc, "layers");
}

json_object *session_layer(const struct session *s, int64_t i)
{
	json_object *layer;

	JSON_EACH(layer, session_layers(s))
	if (json_int(layer, "i", -1) == i)
		return layer;
	return NULL;
}

bool session_inspected(const struct session *s)
{
	/* READY with layers: they are of the reading before the one that is under way. */
	return session_layers(s) != NULL && s->state != STATE_READY;
}

/* ---- inputs */

json_object *session_input(const struct session *s, enum step step)
{
	return json_obj(json_obj(s->doc, "input"), step_name(step));
}

bool session_has_input(const struct session *s, enum step step)
{
	const json_object *input = session_input(s, step);

	return input != NULL && !json_bool(input, "stale", false);
}

json_object *session_table_input(const struct session *s, int64_t i)
{
	json_object *input = session_input(s, STEP_CSV), *layers = json_obj(input, "layers");
	char key[24];

	if (layers == NULL)
		return input;
	(void)snprintf(key, sizeof(key), "%lld", (long long)i);
	return json_obj(layers, key);
}

/* Members that are not input: the form's machinery and what we keep beside it. */
static bool is_input(const char *key)
{
	static const char *const other[] = {"hash", "stale", "rev", "nonce", "csrfmiddlewaretoken"};

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (strcmp(key, other[i]) == 0)
			return false;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Print O with sorted keys, so that the order of a form's fields says nothing. */
static void print_sorted(FILE *f, json_object *o, bool is_top)
{
	const char **keys;
	size_t n = 0;

	if (json_object_is_type(o, json_type_array)) {
		json_object *item;

		fputc('[', f);
		JSON_EACH(item, o)
		{
			print_sorted(f, item, false);
			fputc(',', f);
		}
		fputc(']', f);
		return;
	}
	if (!json_object_is_type(o, json_type_object)) {
		fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), f);
		return;
	}
	keys = mem_array((size_t)json_object_object_length(o) + 1, sizeof(*keys));
	json_object_object_foreach(o, key, member)
	{
		(void)member;
		if (!is_top || is_input(key))
			keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_name);
	fputc('{', f);
	for (size_t i = 0; i < n; i++) {
		json_object *name = json_object_new_string(keys[i]);

		fprintf(f, "%s:", json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN));
		json_object_put(name);
		print_sorted(f, json_get(o, keys[i]), false);
		fputc(',', f);
	}
	fputc('}', f);
	free(keys);
}

static void hash_input(json_object *fields, char out[65])
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		mem_die();
	print_sorted(f, fields, true);
	if (fclose(f) != 0)
		mem_die();
	token_sha256_hex(text, len, out);
	free(text);
}

bool session_set_input(struct session *s, enum step step, json_object *fields)
{
	json_object *inputs = json_obj(s->doc, "input");
	char hash[65];

	hash_input(fields, hash);
	if (session_has_input(s, step) && s->completed != STEP_ERROR &&
	    strcmp(json_str(session_input(s, step), "hash", ""), hash) == 0) {
		json_object_put(fields);
		return false;
	}
	if (inputs == NULL) {
		inputs = json_object_new_object();
		json_set(s->doc, "input", inputs);
	}
	json_set_str(fields, "hash", hash);
	json_object_object_del(fields, "stale");
	json_set(inputs, step_name(step), fields);
	for (enum step later = step + 1; later <= STEP_FINAL; later++)
		if (session_input(s, later) != NULL)
			json_set_bool(session_input(s, later), "stale", true);
	s->completed = step;
	return true;
}

/* ---- states */

int session_percent(const struct session *s, const json_object *progress)
{
	static const int fixed[STATE__MAX] = {
	    [STATE_PENDING] = 33,
	    [STATE_WAITING] = 50,
	    [STATE_COMPLETE] = 90,
	    [STATE_PROCESSED] = 100,
	};
	int64_t done = json_int(progress, "done", 0), total = json_int(progress, "total", -1);
	int64_t told = json_int(progress, "percent", 0);
	int64_t percent = 80;

	if (s->state != STATE_RUNNING)
		return fixed[s->state];
	if (total > 0) {
		double share = done < 0 ? 0 : done > total ? 1 : (double)done / (double)total;

		percent = 50 + (int64_t)(40 * share);
	}
	/* What the worker says counts: it knows all layers, and what it said before. */
	if (told > 0)
		percent = told < 90 ? told : 90;
	return (int)percent;
}

bool session_editable(const struct session *s)
{
	return s->state == STATE_READY || s->state == STATE_WAITING ||
	       s->state == STATE_INCOMPLETE || s->state == STATE_INVALID;
}

bool session_retryable(const struct session *s)
{
	json_object *u;

	if (s->state != STATE_INVALID && s->state != STATE_INCOMPLETE)
		return false;
	if (strcmp(json_str(s->doc, "code", ""), "session_expired") == 0)
		return false;
	JSON_EACH(u, json_arr(s->doc, "uploads"))
	if (json_bool(u, "released", false))
		return false;
	return true;
}
