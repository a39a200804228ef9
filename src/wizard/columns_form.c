#include "wizard/columns_form.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/fields.h"
#include "wizard/names.h"

static const char *const types[] = {"text", "integer", "real", "date", "datetime", "boolean"};

/* The POST being judged. */
struct form {
	const json_object *layer, *fields, *columns;
	json_object *input;
	json_object **errors, **warnings;
};

static const json_object *column_at(const json_object *columns, int i)
{
	return json_object_array_get_idx(columns, (size_t)i);
}

/* What the user calls column C. */
static const char *label_of(const json_object *c)
{
	const char *original = json_str(c, "original", "");

	return *original != '\0' ? original : json_str(c, "name", "");
}

int columns_find(const json_object *layer, const char *name)
{
	static const char *const members[] = {"name", "original"};
	json_object *columns = json_arr(layer, "columns"), *c;
	CLEAN_FREE char *trimmed = text_trim(name);
	CLEAN_FREE char *low = text_fold(trimmed != NULL ? trimmed : name);

	for (size_t m = 0; m < 2; m++) {
		int i = 0;

		JSON_EACH(c, columns)
		{
			if (strcmp(json_str(c, members[m], ""), name) == 0)
				return i;
			i++;
		}
	}
	for (size_t m = 0; m < 2 && low != NULL && *low != '\0'; m++) {
		int i = 0;

		JSON_EACH(c, columns)
		{
			CLEAN_FREE char *own = text_trim(json_str(c, members[m], ""));
			CLEAN_FREE char *own_low = text_fold(own != NULL ? own : "");

			if (own_low != NULL && strcmp(own_low, low) == 0)
				return i;
			i++;
		}
	}
	return -1;
}

bool columns_is_numeric(const json_object *c)
{
	int64_t values = json_int(c, "values", 0);

	return values > 0 && json_int(c, "numeric", 0) * 10 >= values * 9;
}

/* The first of the fields NAMES that names something; "None" only where a column is called so. */
static const char *first_of(const json_object *layer, const json_object *fields,
			    const char *const *names)
{
	for (; *names != NULL; names++) {
		const char *s = fields_text(fields, *names);

		if (s != NULL && *s != '\0' &&
		    (fields_choice(fields, *names) != NULL || columns_find(layer, s) >= 0))
			return s;
	}
	return NULL;
}

void columns_choice(const json_object *layer, const json_object *fields, struct columns_choice *ret)
{
	static const char *const lat[] = {"lat", "latitude", "y", NULL};
	static const char *const lng[] = {"lng", "lon", "longitude", "x", NULL};
	static const char *const geometry[] = {"geom_column", NULL};
	static const char *const modes[] = {"latlng", "column", "none"};
	const char *mode = fields_text(fields, "geometry");

	*ret = (struct columns_choice){0};
	ret->lat = first_of(layer, fields, lat);
	ret->lng = first_of(layer, fields, lng);
	ret->geometry = first_of(layer, fields, geometry);
	for (size_t i = 0; i < 3; i++)
		if (mode != NULL && text_ieq(mode, modes[i]))
			ret->mode = modes[i];
	if (ret->mode == NULL && (mode == NULL || *mode == '\0'))
		ret->mode = ret->geometry != NULL && ret->lat == NULL && ret->lng == NULL
				? "column"
				: "latlng";
}

/* ---- problems */

static json_object *problem_at(const struct form *f, const char *code, const char *field,
			       const json_object *column)
{
	json_object *p = problem_str(problem_new(code), "field", field);

	problem_str(p, "file", json_str(f->layer, "file", NULL));
	problem_str(p, "layer", json_str(f->layer, "name", NULL));
	if (column != NULL)
		problem_str(p, "column", label_of(column));
	return p;
}

/* With the place of the first cell that is wrong. */
static json_object *place(json_object *p, const json_object *bad)
{
	if (bad == NULL)
		return p;
	problem_int(p, "row", json_int(bad, "row", 0));
	if (json_get(bad, "line") != NULL && json_int(bad, "line", 0) != json_int(bad, "row", 0))
		problem_int(p, "line", json_int(bad, "line", 0));
	return problem_str(p, "value", json_str(bad, "value", ""));
}

/* The names of all columns, for the sentence. */
static char *names_of(const json_object *columns)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_object *c;
	bool first = true;

	if (f == NULL)
		mem_die();
	JSON_EACH(c, columns)
	{
		fprintf(f, "%s%s", first ? "" : ", ", label_of(c));
		first = false;
	}
	if (fclose(f) != 0)
		mem_die();
	return text;
}

/* ---- geometry: contracts/wizard.md 9.7, in its order */

/* The column NAME of FIELD, -1 with the error told. */
static int resolve(struct form *f, const char *field, const char *name)
{
	int i = columns_find(f->layer, name);

	if (i < 0) {
		CLEAN_FREE char *names = names_of(f->columns);
		json_object *p = problem_at(f, "csv_column_unknown", field, NULL);

		problems_add(f->errors,
			     problem_arg(problem_str(p, "value", name), "columns", names));
	}
	return i;
}

static bool check_numeric(struct form *f, const char *field, int i)
{
	const json_object *c = column_at(f->columns, i);
	json_object *p;

	if (columns_is_numeric(c))
		return true;
	p = place(problem_at(f, "csv_not_numeric", field, c), json_obj(c, "first_bad"));
	problem_arg_int(p, "count", json_int(c, "values", 0) - json_int(c, "numeric", 0));
	problems_add(f->errors, p);
	return false;
}

/* Some bad cells: a warning, or with bad_rows=fail an error. */
static void check_bad_rows(struct form *f, const char *field, int i, int64_t ok,
			   const json_object *first_bad)
{
	const json_object *c = column_at(f->columns, i);
	int64_t bad = json_int(c, "values", 0) - ok;
	bool fail = strcmp(json_str(f->input, "bad_rows", ""), "fail") == 0;

	if (bad > 0)
		problems_add(
		    fail ? f->errors : f->warnings,
		    problem_arg_int(place(problem_at(f, "csv_bad_rows", field, c), first_bad),
				    "count", bad));
}

/* Degrees only: in projected coordinates everything is "outside". */
static void check_range(struct form *f, int lat, int lng)
{
	const json_object *y = column_at(f->columns, lat), *x = column_at(f->columns, lng);
	int64_t numeric = json_int(y, "numeric", 0), outside = numeric - json_int(y, "lat_ok", 0);

	if (outside <= 0 || json_int(y, "lng_ok", 0) * 10 < numeric * 9 ||
	    json_int(x, "lng_ok", 0) * 10 < json_int(x, "numeric", 0) * 9)
		return;
	problems_add(f->warnings, problem_arg_int(problem_at(f, "csv_out_of_range", "lat", y),
						  "count", outside));
}

/* What the guess knows about the pair that was chosen. */
static void check_guess(struct form *f, int lat, int lng)
{
	struct column_guess g;

	columns_guess(f->layer, &g);
	if (g.crs[0] != '\0' && g.lat == lat && g.lng == lng)
		json_set_str(f->input, "crs_guess", g.crs);
	if (g.swapped && g.lat == lng && g.lng == lat)
		problems_add(f->warnings,
			     problem_at(f, "latlng_swapped", "lat", column_at(f->columns, lat)));
}

static void check_latlng(struct form *f, const struct columns_choice *choice)
{
	const json_object *y, *x;
	int lat, lng;

	if (choice->lat == NULL || choice->lng == NULL) {
		problems_add(f->errors, problem_at(f, "csv_columns_missing",
						   choice->lat == NULL ? "lat" : "lng", NULL));
		return;
	}
	lat = resolve(f, "lat", choice->lat);
	lng = resolve(f, "lng", choice->lng);
	if (lat < 0 || lng < 0)
		return;
	if (lat == lng) {
		problems_add(f->errors,
			     problem_at(f, "csv_same_column", "lng", column_at(f->columns, lng)));
		return;
	}
	if (!check_numeric(f, "lat", lat) | !check_numeric(f, "lng", lng))
		return;
	y = column_at(f->columns, lat);
	x = column_at(f->columns, lng);
	check_bad_rows(f, "lat", lat, json_int(y, "numeric", 0), json_obj(y, "first_bad"));
	check_bad_rows(f, "lng", lng, json_int(x, "numeric", 0), json_obj(x, "first_bad"));
	check_range(f, lat, lng);
	json_set_str(f->input, "lat", json_str(y, "name", ""));
	json_set_str(f->input, "lng", json_str(x, "name", ""));
	json_set_int(f->input, "lat_i", lat);
	json_set_int(f->input, "lng_i", lng);
	json_set_bool(f->input, "dms", json_bool(y, "dms", false) || json_bool(x, "dms", false));
	check_guess(f, lat, lng);
}

static void check_geometry_column(struct form *f, const struct columns_choice *choice)
{
	const json_object *c, *geom, *bad;
	int64_t values, ok;
	int i;

	if (choice->geometry == NULL) {
		problems_add(f->errors, problem_at(f, "csv_columns_missing", "geom_column", NULL));
		return;
	}
	i = resolve(f, "geom_column", choice->geometry);
	if (i < 0)
		return;
	c = column_at(f->columns, i);
	geom = json_obj(c, "geom");
	values = json_int(c, "values", 0);
	ok = json_int(geom, "ok", 0);
	bad = json_obj(geom, "first_bad");
	if (values == 0 || ok * 10 < values * 9) {
		/* Where nothing was a geometry, the first text is as good an example. */
		bad = bad != NULL ? bad : json_obj(c, "first_bad");
		problems_add(f->errors,
			     place(problem_at(f, "csv_geometry_bad", "geom_column", c), bad));
		return;
	}
	check_bad_rows(f, "geom_column", i, ok, bad);
	json_set_str(f->input, "geom_column", json_str(c, "name", ""));
	json_set_int(f->input, "geom_i", i);
	json_set_str(f->input, "geom_format", json_str(geom, "format", "WKT"));
}

/* ---- columns */

static const char *column_field(const struct form *f, int i, const char *what, char name[40])
{
	(void)snprintf(name, 40, "col_%d_%s", i, what);
	return fields_text(f->fields, name);
}

static const char *check_type(struct form *f, int i, const json_object *c)
{
	char field[40];
	const char *asked = column_field(f, i, "type", field), *type = json_str(c, "type", "text");
	const json_object *bad;

	if (asked == NULL || *asked == '\0' || text_ieq(asked, type))
		return type;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		if (!text_ieq(asked, types[t]))
			continue;
		bad = json_obj(json_obj(c, "type_bad"), types[t]);
		if (bad != NULL && strcmp(types[t], "text") != 0)
			problems_add(f->errors,
				     problem_arg(place(problem_at(f, "csv_type", field, c), bad),
						 "type", types[t]));
		return types[t];
	}
	problems_add(f->errors,
		     problem_arg(problem_str(problem_at(f, "bad_choice", field, c), "value", asked),
				 "accepted", "text, integer, real, date, datetime, boolean"));
	return type;
}

static void check_columns(struct form *f)
{
	size_t n = json_len(f->columns);
	const char **wanted = mem_array(n > 0 ? n : 1, sizeof(*wanted));
	json_object *list = json_object_new_array();
	char field[40], **names;

	for (size_t i = 0; i < n; i++) {
		const char *name = column_field(f, (int)i, "name", field);

		wanted[i] = name != NULL && *name != '\0'
				? name
				: json_str(column_at(f->columns, (int)i), "name", "");
	}
	names = names_columns(wanted, n);
	for (size_t i = 0; i < n; i++) {
		const json_object *c = column_at(f->columns, (int)i);
		json_object *o = json_set_int(json_object_new_object(), "i", (int64_t)i);

		(void)column_field(f, (int)i, "use", field);
		json_set_str(o, "name", names[i]);
		json_set_str(o, "original", json_str(c, "original", ""));
		json_set_str(o, "type", check_type(f, (int)i, c));
		json_set_bool(o, "use", fields_bool(f->fields, field, true, f->errors));
		json_object_array_add(list, o);
		free(names[i]);
	}
	free(names);
	free(wanted);
	json_set(f->input, "columns", list);
}

/* The bytes did not fit the charset that was asked for: inspection found the place. */
static void check_reading(struct form *f)
{
	const char *charset = fields_text(f->fields, "charset");
	json_object *w;

	if (charset == NULL || *charset == '\0' || text_ieq(charset, "auto"))
		return;
	JSON_EACH(w, json_arr(f->layer, "warnings"))
	if (strcmp(problem_code(w), "csv_encoding") == 0)
		problems_add(f->errors, problem_str(json_copy(w), "field", "charset"));
}

static void check_bad_rows_field(struct form *f)
{
	static const char *const words[] = {"keep", "skip", "fail"};
	const char *s = fields_text(f->fields, "bad_rows");
	json_object *p;

	json_set_str(f->input, "bad_rows", words[0]);
	if (s == NULL || *s == '\0')
		return;
	for (size_t i = 0; i < 3; i++) {
		if (text_ieq(s, words[i])) {
			json_set_str(f->input, "bad_rows", words[i]);
			return;
		}
	}
	p = problem_str(problem_at(f, "bad_choice", "bad_rows", NULL), "value", s);
	problems_add(f->errors, problem_arg(p, "accepted", "keep, skip, fail"));
}

void columns_check(const json_object *layer, const json_object *fields, json_object **ret_input,
		   json_object **errors, json_object **warnings)
{
	json_object *own_errors = NULL, *dialect, *e;
	struct form f = {.layer = layer,
			 .fields = fields,
			 .columns = json_arr(layer, "columns"),
			 .input = json_object_new_object(),
			 .errors = &own_errors,
			 .warnings = warnings};
	struct columns_choice choice;

	*ret_input = NULL;
	dialect = columns_dialect(layer, fields, f.errors);
	check_reading(&f);
	check_bad_rows_field(&f);
	columns_choice(layer, fields, &choice);
	if (choice.mode == NULL)
		problems_add(f.errors,
			     problem_arg(problem_str(problem_at(&f, "bad_choice", "geometry", NULL),
						     "value", fields_text(fields, "geometry")),
					 "accepted", "latlng, column, none"));
	else if (strcmp(choice.mode, "latlng") == 0)
		check_latlng(&f, &choice);
	else if (strcmp(choice.mode, "column") == 0)
		check_geometry_column(&f, &choice);
	check_columns(&f);
	json_set_str(f.input, "geometry", choice.mode);
	json_set_int(f.input, "layer", json_int(layer, "i", 0));
	if (json_object_object_length(dialect) > 0)
		json_set(f.input, "dialect", json_object_get(dialect));
	json_object_put(dialect);
	if (own_errors == NULL) {
		*ret_input = f.input;
		return;
	}
	json_object_put(f.input);
	JSON_EACH(e, own_errors)
	problems_add(errors, json_object_get(e));
	json_object_put(own_errors);
}
