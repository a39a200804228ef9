#include "wizard/message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/charset.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/bundle.h"
#include "wizard/choice.h"
#include "wizard/final.h"
#include "wizard/names.h"
#include "wizard/srs.h"
#include "wizard/when.h"

#define EXT_MAX 24 /* bytes of "shp.xml", "tif.aux.xml" */

static json_object *copy_of(const json_object *o, const char *key)
{
	json_object *v = json_get(o, key);

	return v != NULL ? json_copy(v) : NULL;
}

/* ---- names of the files inside the jail */

static bool is_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)s[i]) || !isalnum((unsigned char)s[i]))
			return false;
	return n > 0 && n <= 8;
}

/* Extensions in front of a second one that belong to it: roads.shp.xml, dem.tif.aux.xml,
 * dem.tif.ovr. */
static bool is_inner(const char *s, size_t n)
{
	static const char *const inner[] = {"shp", "tif",  "tiff", "geotif", "geotiff", "png",
					    "jpg", "jpeg", "asc",  "grd",    "aux",	"img",
					    "jp2", "ntf",  "kml",  "csv",    "gml"};

	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++)
		if (strlen(inner[i]) == n && strncasecmp(inner[i], s, n) == 0)
			return true;
	return false;
}

/* The extension of NAME, lower case and of our characters only, into EXT; returns the length of the
 * stem. */
static size_t split_name(const char *name, char ext[EXT_MAX])
{
	size_t len = strlen(name), end = len, stem = len;

	for (int part = 0; part < 3; part++) {
		size_t dot = end;

		while (dot > 0 && name[dot - 1] != '.')
			dot--;
		if (dot <= 1 || !is_plain(name + dot, end - dot) ||
		    (part > 0 && !is_inner(name + dot, end - dot)))
			break;
		if (len - dot >= EXT_MAX)
			break;
		stem = end = dot - 1;
	}
	if (stem == len) {
		(void)snprintf(ext, EXT_MAX, "bin");
		return len;
	}
	for (size_t i = stem + 1; i <= len; i++)
		ext[i - stem - 1] = (char)tolower((unsigned char)name[i]);
	return stem;
}

/* The number of the first file whose stem is that of file N (from 1): GDAL finds side files by
 * equal stems. */
static int64_t stem_number(json_object *uploads, size_t n, const char *folded)
{
	for (size_t k = 0; k < n; k++) {
		const char *name = json_str(json_object_array_get_idx(uploads, k), "name", "");
		char ext[EXT_MAX];
		CLEAN_FREE char *stem = mem_strndup(name, split_name(name, ext));
		CLEAN_FREE char *other = text_fold(stem);

		if (other != NULL && strcmp(other, folded) == 0)
			return (int64_t)k + 1;
	}
	return (int64_t)n + 1;
}

static bool is_taken(json_object *files, const char *path)
{
	json_object *f;

	JSON_EACH(f, files)
	if (strcmp(json_str(f, "path", ""), path) == 0)
		return true;
	return false;
}

static json_object *files_of(const struct session *s)
{
	json_object *uploads = json_arr(s->doc, "uploads"), *files = json_object_new_array();

	for (size_t k = 0; k < json_len(uploads); k++) {
		const json_object *u = json_object_array_get_idx(uploads, k);
		const char *name = json_str(u, "name", "");
		char ext[EXT_MAX], path[EXT_MAX + 24];
		CLEAN_FREE char *stem = mem_strndup(name, split_name(name, ext));
		CLEAN_FREE char *folded = text_fold(stem);
		json_object *f = json_object_new_object();

		(void)snprintf(
		    path, sizeof(path), "%lld.%s",
		    (long long)(folded != NULL ? stem_number(uploads, k, folded) : (int64_t)k + 1),
		    bundle_world_ext(ext));
		/* Two files of one name: the second stands alone under its own number. */
		if (is_taken(files, path))
			(void)snprintf(path, sizeof(path), "%zu.%s", k + 1, ext);
		json_set_str(json_set_int(f, "n", (int64_t)k + 1), "name", name);
		json_set_int(json_set_str(f, "path", path), "size", json_int(u, "size", 0));
		json_object_array_add(files, f);
	}
	return files;
}

/* ---- what inspect and import share */

static json_object *limits_of(const struct config *c)
{
	json_object *o = json_object_new_object();

#define X(field, section, key, def, least, most)                                                   \
	if (strcmp(section, "jail") == 0)                                                          \
		json_set_int(o, #field, c->field);
	LIMITS(X)
#undef X
	return o;
}

/* Charset of save ("UTF-8" there means "find out"), or of the srs page, which is meant. */
static const char *charset_of(const struct session *s)
{
	const char *chosen = json_str(session_input(s, STEP_SRS), "charset", NULL);
	const char *save = json_str(session_input(s, STEP_SAVE), "charset", "");

	if (chosen != NULL)
		return charset_canonical(chosen);
	return *save == '\0' || text_ieq(save, "UTF-8") ? NULL : charset_canonical(save);
}

static json_object *mosaic_of(const struct session *s)
{
	const json_object *save = session_input(s, STEP_SAVE);
	json_object *o =
	    json_set_bool(json_object_new_object(), "wanted", json_bool(save, "mosaic", false));

	json_set_str(o, "regex", json_str(save, "mosaic_time_regex", NULL));
	return json_set_str(o, "value", json_str(save, "mosaic_time_value", NULL));
}

static json_object *job_new(const struct session *s, const struct config *c, const char *task)
{
	json_object *job =
	    json_set_str(json_set_str(json_object_new_object(), "type", "job"), "task", task);

	json_set(job, "files", files_of(s));
	json_set_str(job, "charset", charset_of(s));
	json_set(job, "mosaic", mosaic_of(s));
	json_set_str(job, "drivers", c->extra_drivers != NULL ? c->extra_drivers : "");
	return json_set(job, "limits", limits_of(c));
}

/* Overrides of the csv page: those stored with the step, then those being tried. */
static json_object *dialects_of(const struct session *s)
{
	const json_object *csv = session_input(s, STEP_CSV), *tried = json_obj(s->doc, "dialects");
	json_object *o = json_object_new_object();

	if (json_obj(csv, "layers") != NULL) {
		json_object_object_foreach(json_obj(csv, "layers"), key,
					   value) if (json_obj(value, "dialect") != NULL)
		    json_set(o, key, copy_of(value, "dialect"));
	} else if (json_obj(csv, "dialect") != NULL) {
		json_set(o, "*", copy_of(csv, "dialect"));
	}
	if (tried != NULL) {
		json_object_object_foreach((json_object *)(uintptr_t)tried, key,
					   value) if (json_object_is_type(value, json_type_object))
		    json_set(o, key, json_copy(value));
	}
	return o;
}

json_object *message_inspect(const struct session *s, const struct config *c)
{
	json_object *job = job_new(s, c, "inspect");
	const char *last = json_str(s->doc, "last_crs", ""),
		   *site = c->crs_favourites != NULL ? c->crs_favourites : "";
	CLEAN_FREE char *favourites = mem_printf("%s%s%s", last, *last != '\0' ? " " : "", site);

	json_set_str(job, "favourites", favourites);
	json_set_str(job, "last_crs", last);
	json_set(job, "dialects", dialects_of(s));
	return json_set_bool(job, "digests", true);
}

/* ---- import */

static json_object *columns_of(const json_object *layer, const json_object *csv)
{
	json_object *list = json_object_new_array(), *all = json_arr(layer, "columns"),
		    *chosen = json_arr(csv, "columns");

	for (size_t i = 0; i < json_len(all); i++) {
		const json_object *c = json_object_array_get_idx(all, i), *own = c;
		json_object *o = json_object_new_object(), *item;

		JSON_EACH(item, chosen)
		if (json_int(item, "i", -1) == (int64_t)i)
			own = item;
		json_set_int(o, "i", (int64_t)i);
		json_set_str(o, "name", json_str(own, "name", json_str(c, "name", "")));
		json_set_str(o, "original", json_str(c, "original", json_str(c, "name", "")));
		json_set_str(o, "type", json_str(own, "type", json_str(c, "type", "text")));
		json_set_bool(o, "use", json_bool(own, "use", json_bool(c, "use", true)));
		json_object_array_add(
		    list, json_set_bool(o, "decimal_comma", json_bool(c, "decimal_comma", false)));
	}
	return list;
}

static json_object *geometry_of(const struct session *s, const json_object *layer)
{
	json_object *columns = json_arr(layer, "columns"), *o = json_object_new_object();
	struct choice_columns c;

	choice_columns(s, layer, &c);
	json_set_str(o, "mode", choice_geometry(s, layer));
	json_set_int(o, "lat", c.lat);
	json_set_int(o, "lng", c.lng);
	json_set_int(o, "column", c.geometry);
	return json_set_bool(
	    o, "dms",
	    c.lat >= 0 && c.lng >= 0 &&
		(json_bool(json_object_array_get_idx(columns, (size_t)c.lat), "dms", false) ||
		 json_bool(json_object_array_get_idx(columns, (size_t)c.lng), "dms", false)));
}

static json_object *time_end(int column, char kind, const char *format)
{
	json_object *o;

	if (column < 0)
		return NULL;
	o = json_set_int(json_object_new_object(), "column", column);
	json_set_str(o, "kind", kind == 'd' ? "date" : kind == 't' ? "text" : "year");
	return json_set_str(o, "format", format);
}

/* A stale answer is none: the columns may have changed since. */
static json_object *time_of(const struct session *s, const json_object *layer)
{
	const json_object *input = session_input(s, STEP_TIME);
	json_object *o = NULL;
	struct time_form f;
	char zone[8];

	if (input == NULL || json_bool(input, "stale", false))
		return NULL;
	create_time_form(layer, input, &f);
	if (f.start >= 0 && f.errors == NULL) {
		int m = f.zone_min < 0 ? -f.zone_min : f.zone_min;

		(void)snprintf(zone, sizeof(zone), "%c%02d:%02d", f.zone_min < 0 ? '-' : '+',
			       m / 60 % 24, m % 60);
		o = json_set(json_object_new_object(), "start",
			     time_end(f.start, f.start_kind, f.start_format));
		json_set(o, "end", time_end(f.end, f.end_kind, f.end_format));
		json_set_str(o, "zone", m == 0 ? "UTC" : zone);
	}
	time_form_done(&f);
	return o;
}

static json_object *srs_of_layer(const struct session *s, const json_object *layer)
{
	char buf[48];

	if (!srs_layer_has_geometry(s, layer))
		return NULL;
	return json_set_str(
	    json_set_str(json_object_new_object(), "source", srs_layer_source(s, layer, buf)),
	    "target", json_str(session_input(s, STEP_SRS), "target", ""));
}

static const char *of_layer(const json_object *final, const char *map, const json_object *layer)
{
	char key[24];

	(void)snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
	return json_str(json_obj(final, map), key, NULL);
}

static const char *title_of(const struct session *s, const json_object *layer, bool single)
{
	const json_object *final = session_input(s, STEP_FINAL);
	const char *title = of_layer(final, "titles", layer);

	if (title == NULL && single) {
		title = json_object_get_string(final_given(s, "title"));
	}
	return title != NULL ? title : choice_name(s, layer);
}

/* "roads", "roads_2" …: unique within this import; the catalogue makes it unique for all. */
static char *table_of(const struct session *s, const json_object *layer, json_object *done)
{
	const char *own = of_layer(session_input(s, STEP_FINAL), "names", layer);
	CLEAN_FREE char *base = name_dataset(own != NULL ? own : choice_name(s, layer));
	char *name = mem_strdup(base);

	for (int n = 2;; n++) {
		json_object *item;
		bool taken = false;

		JSON_EACH(item, done)
		taken = taken || text_ieq(json_str(item, "table", ""), name);
		if (!taken)
			return name;
		free(name);
		name = mem_printf("%.*s_%d", (int)text_cut(base, strlen(base), 58), base, n);
	}
}

static void add_target(const struct session *s, const json_object *layer, json_object *item)
{
	const json_object *final = session_input(s, STEP_FINAL),
			  *target = json_obj(s->doc, "target");
	const char *mode = json_str(final, "mode", "create");
	char file[40];

	json_set_str(item, "mode", mode);
	json_set(item, "target", NULL);
	json_set_str(item, "extra_columns", json_str(final, "extra_columns", "error"));
	if (strcmp(mode, "append") != 0)
		return;
	(void)snprintf(file, sizeof(file), "target-%lld.%s", (long long)json_int(layer, "i", 0),
		       strcmp(json_str(layer, "kind", ""), "raster") == 0 ? "tif" : "gpkg");
	json_set(item, "target",
		 json_set_str(json_set_str(json_object_new_object(), "file", file), "table",
			      json_str(target, "table", json_str(target, "name", ""))));
}

static json_object *import_item(const struct session *s, const json_object *layer,
				json_object *done, bool single)
{
	static const char *const kept[] = {"i",	      "bundle",	 "driver", "source_layer",
					   "file",    "member",	 "kind",   "sheet",
					   "dialect", "overlay", "mosaic"};
	const json_object *csv = choice_csv(s, layer), *final = session_input(s, STEP_FINAL);
	json_object *item = json_object_new_object();
	const char *decimal = json_str(json_obj(layer, "dialect"), "decimal", NULL);
	CLEAN_FREE char *table = table_of(s, layer, done);
	const char *charset = json_str(session_input(s, STEP_SRS), "charset", NULL);

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		json_set(item, kept[i], copy_of(layer, kept[i]));
	if (charset == NULL)
		charset = json_str(json_obj(layer, "encoding"), "charset",
				   json_str(json_obj(layer, "dialect"), "charset", NULL));
	json_set_str(item, "table", table);
	json_set_str(item, "title", title_of(s, layer, single));
	json_set(item, "srs", srs_of_layer(s, layer));
	json_set_str(item, "charset", charset);
	json_set(item, "geometry", geometry_of(s, layer));
	json_set(item, "columns", columns_of(layer, csv));
	json_set_str(item, "bad_rows",
		     json_str(final, "bad_rows", json_str(csv, "bad_rows", "keep")));
	json_set_str(item, "decimal",
		     decimal != NULL && (*decimal == '.' || *decimal == ',') ? decimal : NULL);
	json_set(item, "time", time_of(s, layer));
	add_target(s, layer, item);
	return item;
}

/* Did an earlier attempt import LAYER? */
static bool is_imported(const struct session *s, const json_object *layer)
{
	json_object *d;

	JSON_EACH(d, json_arr(s->doc, "datasets"))
	if (json_int(d, "layer", json_int(d, "i", -1)) == json_int(layer, "i", 0) &&
	    strcmp(json_str(d, "status", "imported"), "imported") == 0)
		return true;
	return false;
}

json_object *message_import(const struct session *s, const struct config *c)
{
	json_object *job = job_new(s, c, "import"), *items = json_object_new_array(), *layer;
	CLEAN_JSON json_object *layers = choice_layers(s);

	json_set_str(job, "kind", kind_name(s->kind));
	JSON_EACH(layer, layers)
	if (!is_imported(s, layer))
		json_object_array_add(items, import_item(s, layer, items, json_len(layers) == 1));
	return json_set(job, "layers", items);
}
