#include "wizard/when.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/fields.h"
#include "wizard/time_form.h"

#define PRECISION_MAX 1000000
#define EXAMPLES_MAX  5

static const struct choice {
	const char *field;
	char kind;
} choices[2][3] = {
    {{"time_attribute", 'd'}, {"text_attribute", 't'}, {"year_attribute", 'y'}},
    {{"end_time_attribute", 'd'}, {"end_text_attribute", 't'}, {"end_year_attribute", 'y'}},
};
static const char *const format_fields[2] = {"text_attribute_format", "end_text_attribute_format"};

const char *const time_strategies[] = {"LIST", "DISCRETE_INTERVAL", "CONTINUOUS_INTERVAL", NULL};
const char *const time_steps[] = {"years", "months",  "weeks",	 "days",
				  "hours", "minutes", "seconds", NULL};

static void fail(struct time_form *f, const char *code, const char *field, const char *value)
{
	json_object *p = problem_str(problem_new(code), "field", field);

	if (value != NULL)
		problem_str(p, "value", value);
	problems_add(&f->errors, p);
}

static json_object *column_at(const json_object *layer, int i)
{
	json_object *columns = json_arr(layer, "columns");

	return i >= 0 && (size_t)i < json_len(columns)
		   ? json_object_array_get_idx(columns, (size_t)i)
		   : NULL;
}

/* Which column, by its name or by the name in the file; -1 = not in the list of KIND. */
static int find_column(const json_object *layer, const char *name, char kind)
{
	json_object *columns = json_arr(layer, "columns");

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < json_len(columns); i++) {
			json_object *c = json_object_array_get_idx(columns, i);

			if (strcmp(json_str(c, pass == 0 ? "name" : "original", ""), name) == 0 &&
			    when_eligible(c) == kind)
				return (int)i;
		}
	return -1;
}

/* The start (WHICH 0) or end (1) column. */
static void pick(const json_object *layer, const json_object *form, size_t which,
		 struct time_form *f)
{
	int *index = which == 0 ? &f->start : &f->end;
	const char *chosen = NULL, *field = NULL;
	char kind = 0;
	int n = 0;

	for (size_t i = 0; i < 3; i++) {
		const char *name = fields_choice(form, choices[which][i].field);

		if (name == NULL)
			continue;
		chosen = name;
		field = choices[which][i].field;
		kind = choices[which][i].kind;
		n++;
	}
	if (n == 0)
		return;
	if (n > 1) {
		fail(f, which == 0 ? "time_multiple_start" : "time_multiple_end", field, chosen);
		return;
	}
	*index = find_column(layer, chosen, kind);
	if (*index < 0) {
		fail(f, "time_bad_column", field, chosen);
		return;
	}
	*(which == 0 ? &f->start_kind : &f->end_kind) = kind;
}

/* ---- values that the front can see: the samples and the preview rows */

static json_object *preview_cell(const json_object *layer, const json_object *row, int i)
{
	json_object *names = json_arr(json_obj(layer, "preview"), "columns"),
		    *cells = json_arr(row, "cells");
	const char *name = json_str(column_at(layer, i), "name", "");
	size_t at = (size_t)i;

	for (size_t k = 0; k < json_len(names); k++) {
		const char *s = json_object_get_string(json_object_array_get_idx(names, k));

		if (s != NULL && strcmp(s, name) == 0)
			at = k;
	}
	return at < json_len(cells) ? json_object_array_get_idx(cells, at) : NULL;
}

static bool parse_cell(json_object *cell, char kind, const struct when_format *f, int zone,
		       int64_t *ms, int64_t *last)
{
	const char *s = cell != NULL ? json_object_get_string(cell) : NULL;
	size_t len = s != NULL ? strlen(s) : 0;

	if (len == 0)
		return false;
	if (kind == 't')
		return f != NULL && when_parse(f, s, len, zone, ms, last);
	return kind == 'y' ? when_parse_year(s, len, ms, last)
			   : when_parse_iso(s, len, zone, ms, last);
}

static bool is_empty(json_object *cell)
{
	const char *s = cell != NULL ? json_object_get_string(cell) : NULL;

	return s == NULL || *s == '\0';
}

/* Bad rows on their way to one warning. */
struct bad_rows {
	int64_t count;
	json_object *examples;
};

static void add_example(struct bad_rows *b, int64_t row, const char *value)
{
	json_object *e;

	JSON_EACH(e, b->examples)
	if (json_int(e, "row", 0) == row)
		return;
	if (json_len(b->examples) < EXAMPLES_MAX)
		problems_add(&b->examples,
			     json_set_str(json_set_int(json_object_new_object(), "row", row),
					  "value", value));
}

static void warn_bad_rows(struct time_form *f, const char *field, const char *column,
			  struct bad_rows *b)
{
	json_object *p;

	if (b->count == 0)
		return;
	p = problem_str(problem_str(problem_new("time_bad_rows"), "field", field), "column",
			column);
	if (json_len(b->examples) > 0) {
		const json_object *first = json_object_array_get_idx(b->examples, 0);

		problem_int(p, "row", json_int(first, "row", 0));
		problem_str(p, "value", json_str(first, "value", ""));
	}
	problem_arg_int(p, "count", b->count);
	json_set(p, "examples", b->examples);
	b->examples = NULL;
	problems_add(&f->warnings, p);
}

/* ---- formats of text columns */

static bool is_guessed(const json_object *time, const char *format)
{
	json_object *item;

	if (strcmp(json_str(time, "format", ""), format) == 0)
		return true;
	JSON_EACH(item, json_arr(time, "formats"))
	if (strcmp(json_object_get_string(item), format) == 0)
		return true;
	return false;
}

/*
 * A format of the user's own was not tried on all rows by the jail: judge it by the values at hand.
 * The rest is told by the import's report.
 */
static void try_own(const json_object *layer, int i, const struct when_format *format, size_t which,
		    struct time_form *f)
{
	const json_object *column = column_at(layer, i);
	struct bad_rows bad = {0};
	json_object *item;
	const char *value = NULL;
	int64_t ms, ok = 0;

	JSON_EACH(item, json_arr(column, "samples"))
	ok += parse_cell(item, 't', format, 0, &ms, NULL);
	JSON_EACH(item, json_arr(json_obj(layer, "preview"), "rows"))
	{
		json_object *cell = preview_cell(layer, item, i);

		if (is_empty(cell))
			continue;
		if (parse_cell(cell, 't', format, 0, &ms, NULL)) {
			ok++;
			continue;
		}
		bad.count++;
		value = value != NULL ? value : json_object_get_string(cell);
		add_example(&bad, json_int(item, "row", 0), json_object_get_string(cell));
	}
	if (ok == 0) {
		fail(f, "time_no_value_parses", format_fields[which], value);
		problem_str(json_object_array_get_idx(f->errors, json_len(f->errors) - 1), "column",
			    json_str(column, "name", ""));
	} else {
		warn_bad_rows(f, format_fields[which], json_str(column, "name", ""), &bad);
	}
	json_object_put(bad.examples);
}

/* A guessed format: the jail has counted all rows. */
static void take_guess(const json_object *column, size_t which, struct time_form *f)
{
	const json_object *time = json_obj(column, "time"), *first = json_obj(time, "first_bad");
	struct bad_rows bad = {.count = json_int(time, "bad", 0)};

	if (bad.count > 0 && first != NULL)
		add_example(&bad, json_int(first, "row", 0), json_str(first, "value", ""));
	warn_bad_rows(f, choices[which][1].field, json_str(column, "name", ""), &bad);
	json_object_put(bad.examples);
}

static void fail_ambiguous(const json_object *time, size_t which, struct time_form *f)
{
	json_object *p =
	    problem_str(problem_new("time_ambiguous_format"), "field", format_fields[which]);
	json_object *formats = json_arr(time, "formats");

	if (json_len(formats) >= 2) {
		problem_arg(p, "first",
			    json_object_get_string(json_object_array_get_idx(formats, 0)));
		problem_arg(p, "second",
			    json_object_get_string(json_object_array_get_idx(formats, 1)));
	}
	problems_add(&f->errors, p);
}

static void check_format(const json_object *layer, const json_object *form, size_t which,
			 struct time_form *f)
{
	int i = which == 0 ? f->start : f->end;
	char *out = which == 0 ? f->start_format : f->end_format;
	const json_object *column = column_at(layer, i), *time = json_obj(column, "time");
	const char *own = fields_choice(form, format_fields[which]);
	CLEAN_FREE char *letters = NULL;
	struct when_format *format;

	if (own == NULL && json_bool(time, "ambiguous", false)) {
		fail_ambiguous(time, which, f);
		return;
	}
	if (own == NULL)
		own = json_str(time, "format", "");
	format = when_format_new(own, &letters);
	if (format == NULL) {
		fail(f, "time_bad_format", format_fields[which], own);
		problem_arg(json_object_array_get_idx(f->errors, json_len(f->errors) - 1),
			    "letters", letters != NULL && *letters != '\0' ? letters : own);
		return;
	}
	memcpy(out, own, strlen(own) + 1); /* compiled, so at most WHEN_FORMAT_MAX bytes */
	if (is_guessed(time, own))
		take_guess(column, which, f);
	else
		try_own(layer, i, format, which, f);
	when_format_free(format);
}

/* ---- presentation, precision, zone */

static const char *find_word(const char *const *words, const char *s)
{
	for (; *words != NULL; words++)
		if (text_ieq(*words, s))
			return *words;
	return NULL;
}

static void check_presentation(const json_object *form, struct time_form *f)
{
	const char *strategy = fields_choice(form, "presentation_strategy");
	const char *value = fields_choice(form, "precision_value"),
		   *step = fields_choice(form, "precision_step");
	const char *zone = fields_choice(form, "time_zone");

	f->presentation =
	    strategy == NULL ? time_strategies[0] : find_word(time_strategies, strategy);
	if (f->presentation == NULL) {
		f->presentation = time_strategies[0];
		fail(f, "time_bad_strategy", "presentation_strategy", strategy);
	}
	if (value != NULL && !text_int(value, 1, PRECISION_MAX, &f->precision_value))
		fail(f, "time_bad_precision", "precision_value", value);
	if (step != NULL && (f->precision_step = find_word(time_steps, step)) == NULL)
		fail(f, "time_bad_precision", "precision_step", step);
	if ((value == NULL || step == NULL) && strcmp(f->presentation, "DISCRETE_INTERVAL") == 0)
		fail(f, "time_precision_missing",
		     value == NULL ? "precision_value" : "precision_step", NULL);
	else if ((value == NULL) != (step == NULL))
		fail(f, "time_bad_precision", value == NULL ? "precision_value" : "precision_step",
		     NULL);
	if (zone != NULL && !when_zone(zone, &f->zone_min))
		fail(f, "time_bad_zone", "time_zone", zone);
}

/* ---- start against end */

struct range {
	int64_t first, last; /* ms: smallest instant, largest last instant */
};

static bool column_range(const json_object *column, char kind, const char *format,
			 struct range *ret)
{
	const json_object *time = json_obj(column, "time");
	int64_t ignored;

	if (kind == 't') {
		if (time == NULL || strcmp(json_str(time, "format", ""), format) != 0)
			return false;
		ret->first = json_int(time, "min", INT64_MIN);
		ret->last = json_int(time, "max", INT64_MAX);
		return true;
	}
	return parse_cell(json_get(column, "min"), kind, NULL, 0, &ret->first, &ignored) &&
	       parse_cell(json_get(column, "max"), kind, NULL, 0, &ignored, &ret->last);
}

static void check_order(const json_object *layer, struct time_form *f)
{
	const json_object *preview = json_obj(layer, "preview");
	struct when_format *sf =
	    f->start_kind == 't' ? when_format_new(f->start_format, NULL) : NULL;
	struct when_format *ef = f->end_kind == 't' ? when_format_new(f->end_format, NULL) : NULL;
	struct bad_rows bad = {0};
	struct range start, end;
	json_object *row;
	int64_t both = 0;
	bool all = false;

	JSON_EACH(row, json_arr(preview, "rows"))
	{
		int64_t a, b, last, ignored;

		if (!parse_cell(preview_cell(layer, row, f->start), f->start_kind, sf, f->zone_min,
				&a, &ignored) ||
		    !parse_cell(preview_cell(layer, row, f->end), f->end_kind, ef, f->zone_min, &b,
				&last))
			continue;
		both++;
		/* The end of a period is its last instant: 2017 to 2017 is a year. */
		if (last >= a)
			continue;
		bad.count++;
		add_example(&bad, json_int(row, "row", 0),
			    json_object_get_string(preview_cell(layer, row, f->end)));
	}
	if (both > 0 && bad.count == both &&
	    json_int(preview, "total_rows", INT64_MAX) <=
		(int64_t)json_len(json_arr(preview, "rows")))
		all = true;
	if (column_range(column_at(layer, f->start), f->start_kind, f->start_format, &start) &&
	    column_range(column_at(layer, f->end), f->end_kind, f->end_format, &end) &&
	    end.last < start.first)
		all = true;
	if (all)
		fail(f, "time_end_before_start",
		     choices[1][f->end_kind == 'd'   ? 0
				: f->end_kind == 't' ? 1
						     : 2]
			 .field,
		     json_str(column_at(layer, f->end), "name", ""));
	else
		warn_bad_rows(f, "end_time_attribute",
			      json_str(column_at(layer, f->end), "name", ""), &bad);
	json_object_put(bad.examples);
	when_format_free(sf);
	when_format_free(ef);
}

void create_time_form(const json_object *layer, const json_object *form, struct time_form *ret)
{
	*ret = (struct time_form){.start = -1, .end = -1, .presentation = time_strategies[0]};
	if (form == NULL)
		return;
	pick(layer, form, 0, ret);
	pick(layer, form, 1, ret);
	if (ret->end >= 0 && ret->start < 0 && ret->errors == NULL)
		fail(ret, "time_end_without_start",
		     choices[1][ret->end_kind == 'd'   ? 0
				: ret->end_kind == 't' ? 1
						       : 2]
			 .field,
		     NULL);
	check_presentation(form, ret);
	if (ret->start_kind == 't')
		check_format(layer, form, 0, ret);
	if (ret->end_kind == 't')
		check_format(layer, form, 1, ret);
	if (ret->errors == NULL && ret->start >= 0 && ret->end >= 0)
		check_order(layer, ret);
}

void time_form_done(struct time_form *f)
{
	json_object_put(f->errors);
	json_object_put(f->warnings);
	f->errors = f->warnings = NULL;
}

static void put_column(json_object *o, size_t which, const json_object *layer, int i, char kind,
		       const char *format)
{
	if (i < 0)
		return;
	for (size_t k = 0; k < 3; k++)
		if (choices[which][k].kind == kind)
			json_set_str(o, choices[which][k].field,
				     json_str(column_at(layer, i), "name", ""));
	if (kind == 't')
		json_set_str(o, format_fields[which], format);
}

json_object *time_form_input(const struct time_form *f, const json_object *layer)
{
	json_object *o = json_object_new_object();
	char zone[16];

	json_set_int(o, "layer", json_int(layer, "i", 0));
	if (f->start < 0)
		return o;
	put_column(o, 0, layer, f->start, f->start_kind, f->start_format);
	put_column(o, 1, layer, f->end, f->end_kind, f->end_format);
	json_set_str(o, "presentation_strategy", f->presentation);
	if (f->precision_value > 0 && f->precision_step != NULL) {
		json_set_int(o, "precision_value", f->precision_value);
		json_set_str(o, "precision_step", f->precision_step);
	}
	(void)time_zone_text(f->zone_min, zone);
	return json_set_str(o, "time_zone", zone);
}
