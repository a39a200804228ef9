#include "wizard/choice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "wizard/columns.h"
#include "wizard/srs.h"

const json_object *choice_csv(const struct session *s, const json_object *layer)
{
	const json_object *input = session_input(s, STEP_CSV), *layers = json_obj(input, "layers");
	char key[24];

	if (input == NULL || layers == NULL)
		return input;
	(void)snprintf(key, sizeof(key), "%lld", (long long)json_int(layer, "i", 0));
	return json_obj(layers, key);
}

static bool is_kind(const json_object *layer, const char *kind)
{
	return strcmp(json_str(layer, "kind", ""), kind) == 0;
}

void choice_columns(const struct session *s, const json_object *layer, struct choice_columns *ret)
{
	const json_object *csv = choice_csv(s, layer);
	struct column_guess guess;

	*ret = (struct choice_columns){-1, -1, -1};
	if (!is_kind(layer, "table"))
		return;
	if (csv == NULL) {
		columns_guess(layer, &guess);
		ret->geometry = guess.geometry;
		if (guess.geometry < 0) {
			ret->lat = guess.lat;
			ret->lng = guess.lng;
		}
	} else if (strcmp(json_str(csv, "geometry", ""), "latlng") == 0) {
		ret->lat = (int)json_int(csv, "lat_i", -1);
		ret->lng = (int)json_int(csv, "lng_i", -1);
	} else if (strcmp(json_str(csv, "geometry", ""), "column") == 0) {
		ret->geometry = (int)json_int(csv, "geom_i", -1);
	}
}

const char *choice_geometry(const struct session *s, const json_object *layer)
{
	struct choice_columns c;

	/* A raster has no geometry type, and yet a place on earth. */
	if (is_kind(layer, "raster"))
		return "native";
	if (!is_kind(layer, "table"))
		return strcmp(json_str(layer, "geometry", ""), "None") == 0 ? "none" : "native";
	choice_columns(s, layer, &c);
	return c.geometry >= 0 ? "column" : c.lat >= 0 && c.lng >= 0 ? "latlng" : "none";
}

bool srs_layer_has_geometry(const struct session *s, const json_object *layer)
{
	return strcmp(choice_geometry(s, layer), "none") != 0;
}

const json_object *choice_srs(const struct session *s, const json_object *layer)
{
	json_object *item;

	JSON_EACH(item, json_arr(session_input(s, STEP_SRS), "layers"))
	if (json_int(item, "i", -1) == json_int(layer, "i", 0))
		return item;
	return NULL;
}

const char *choice_file_srs(const struct session *s, const json_object *layer, char buf[48])
{
	const json_object *crs = json_obj(layer, "crs"), *geom;
	const char *code = json_str(crs, "code", "");
	struct choice_columns c;
	int64_t srid;

	if (json_bool(crs, "usable", false))
		return *code != '\0' ? code : json_str(crs, "wkt", "");
	choice_columns(s, layer, &c);
	if (c.geometry < 0)
		return "";
	geom = json_obj(json_object_array_get_idx(json_arr(layer, "columns"), (size_t)c.geometry),
			"geom");
	srid = json_int(geom, "srid", 0);
	if (srid > 0 && srid < 1000000) {
		(void)snprintf(buf, 48, "EPSG:%lld", (long long)srid);
		return buf;
	}
	return strcmp(json_str(geom, "format", ""), "GeoJSON") == 0 ? "EPSG:4326" : "";
}

const char *srs_layer_source(const struct session *s, const json_object *layer, char buf[48])
{
	const json_object *chosen = choice_srs(s, layer);
	const char *source = json_str(chosen, "source", "");

	if (*source != '\0' && strcmp(source, "file") != 0)
		return source;
	return choice_file_srs(s, layer, buf);
}

bool srs_layer_chosen(const struct session *s, const json_object *layer)
{
	json_object *selected = json_arr(session_input(s, STEP_SRS), "selected"), *i;

	if (selected == NULL)
		return json_bool(layer, "selected", true);
	JSON_EACH(i, selected)
	if (json_object_get_int64(i) == json_int(layer, "i", 0))
		return true;
	return false;
}

static bool number_of(const json_object *column, const char *key, double *ret)
{
	json_object *v = json_get(column, key);

	if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
		return false;
	*ret = json_object_get_double(v);
	return true;
}

/* Are nine in ten of the column's numbers among those that COUNT counts? */
static bool mostly(const json_object *column, const char *count)
{
	return json_int(column, count, 0) * 10 >= json_int(column, "numeric", 0) * 9;
}

/*
 * Where columns hold degrees, a row beyond the poles gets no place (csv_out_of_range): such a slip
 * of the pen does not say where the others lie.
 */
static void keep_to_degrees(const json_object *x, const json_object *y, double e[4])
{
	if (!mostly(x, "lng_ok") || !mostly(y, "lat_ok"))
		return;
	e[0] = fmax(e[0], -180);
	e[1] = fmax(e[1], -90);
	e[2] = fmin(e[2], 360);
	e[3] = fmin(e[3], 90);
}

bool srs_layer_extent(const struct session *s, const json_object *layer, double ret[4])
{
	json_object *extent = json_arr(layer, "extent"), *columns = json_arr(layer, "columns");
	const json_object *x, *y;
	struct choice_columns c;
	double e[4];

	choice_columns(s, layer, &c);
	if (c.lat >= 0 && c.lng >= 0) {
		x = json_object_array_get_idx(columns, (size_t)c.lng);
		y = json_object_array_get_idx(columns, (size_t)c.lat);
		if (!number_of(x, "min", &e[0]) || !number_of(y, "min", &e[1]) ||
		    !number_of(x, "max", &e[2]) || !number_of(y, "max", &e[3]))
			return false;
		keep_to_degrees(x, y, e);
	} else {
		if (json_len(extent) != 4)
			return false;
		for (size_t i = 0; i < 4; i++)
			e[i] = json_object_get_double(json_object_array_get_idx(extent, i));
	}
	memcpy(ret, e, sizeof(e));
	return true;
}

json_object *choice_layers(const struct session *s)
{
	json_object *list = json_object_new_array(), *layer;

	JSON_EACH(layer, session_layers(s))
	if (srs_layer_chosen(s, layer))
		json_object_array_add(list, json_object_get(layer));
	return list;
}

const char *choice_name(const struct session *s, const json_object *layer)
{
	const char *title = session_title(s);

	/* A zip's or a file's stem names what it holds, if that is one thing (8.4). */
	if (title != NULL && *title != '\0' && json_len(session_layers(s)) == 1)
		return title;
	return json_str(layer, "name", "layer");
}
