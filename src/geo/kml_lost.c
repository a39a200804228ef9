/*
 * What LIBKML does not make of a file it reads: data under a name that is taken or not declared,
 * years alone, values that do not fit the type a Schema declares for them.
 */
#include <cpl_error.h>
#include <stdio.h>
#include <string.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/kml.h"
#include "geo/layer.h"
#include "geo/ogrvalue.h"

#define VALUE_MOST 200 /* bytes of a value or column that is told */

/* The fields LIBKML makes whatever the file holds, and what numbers say that were not told. */
static const struct {
	const char *name;
	double none;
	bool is_time;
} fields[] = {
    {"Name", 0, false},	       {"Description", 0, false}, {"timestamp", 0, true},
    {"begin", 0, true},	       {"end", 0, true},	  {"altitudeMode", 0, false},
    {"tessellate", -1, false}, {"extrude", 0, false},	  {"visibility", -1, false},
    {"drawOrder", 0, false},   {"icon", 0, false},	  {"snippet", 0, false},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static size_t own_field(const char *name)
{
	size_t i = 0;

	while (i < N_FIELDS && strcmp(fields[i].name, name) != 0)
		i++;
	return i;
}

void kml_drop_columns(json_object *layer)
{
	json_object *c;

	JSON_EACH(c, json_arr(layer, "columns"))
	{
		size_t i = own_field(json_str(c, "original", ""));
		bool number = strcmp(json_str(c, "type", ""), "integer") == 0;

		if (i < 2 || i == N_FIELDS)
			continue;
		if (json_int(c, "values", 0) == 0 ||
		    (number && json_num(c, "min", 1) == fields[i].none &&
		     json_num(c, "max", 1) == fields[i].none))
			json_set_bool(c, "use", false);
	}
}

/* ---- values that do not fit */

struct odd {
	int64_t count, row;
	char value[VALUE_MOST + 1];
};

struct pass {
	const char *layer; /* its name */
	OGRFeatureDefnH defn;
	struct odd *odd; /* one for each field */
	int64_t row;
	int64_t values, moments; /* that came in */
};

/* "Value '5.7' of field layer.pop parsed incompletely to integer 5." */
static void CPL_STDCALL on_message(CPLErr level, CPLErrorNum n, const char *text)
{
	struct pass *p = CPLGetErrorHandlerUserData();
	const char *value = text + 7, *of = strstr(text, "' of field "), *name, *end;
	CLEAN_FREE char *column = NULL;
	struct odd *o;
	int i;

	(void)n;
	if (level != CE_Warning || strncmp(text, "Value '", 7) != 0 || of == NULL)
		return;
	name = of + 11;
	if (strncmp(name, p->layer, strlen(p->layer)) == 0 && name[strlen(p->layer)] == '.')
		name += strlen(p->layer) + 1;
	if ((end = strstr(name, " parsed incompletely")) == NULL)
		return;
	column = mem_strndup(name, (size_t)(end - name));
	if ((i = OGR_FD_GetFieldIndex(p->defn, column)) < 0)
		return;
	o = &p->odd[i];
	if (o->count++ > 0)
		return;
	o->row = p->row;
	(void)snprintf(o->value, sizeof(o->value), "%.*s",
		       (int)text_cut(value, (size_t)(of - value), VALUE_MOST), value);
}

static void tell_odd(struct job *job, const struct source *src, const struct pass *p)
{
	for (int i = 0; i < OGR_FD_GetFieldCount(p->defn); i++) {
		const struct odd *o = &p->odd[i];
		json_object *w;

		if (o->count == 0)
			continue;
		CLEAN_FREE char *column = ogrvalue_name(OGR_FD_GetFieldDefn(p->defn, i));
		CLEAN_FREE char *value =
		    charset_decode("UTF-8", o->value, strlen(o->value), NULL, NULL);

		column[text_cut(column, strlen(column), VALUE_MOST)] = '\0';
		w = problem_str(problem_str(problem_new("values_odd"), "file", src->file), "column",
				column);
		problem_int(problem_str(w, "value", value), "row", o->row);
		job_warn(job, problem_arg_int(problem_arg(w, "reason", "cell"), "count", o->count));
	}
}

/* ---- values that are missing */

static void count_values(struct pass *p, OGRFeatureH f)
{
	for (int i = 0; i < OGR_FD_GetFieldCount(p->defn); i++) {
		size_t own = own_field(OGR_Fld_GetNameRef(OGR_FD_GetFieldDefn(p->defn, i)));
		const char *s;

		if (!OGR_F_IsFieldSetAndNotNull(f, i))
			continue;
		s = OGR_F_GetFieldAsString(f, i);
		if (own == N_FIELDS)
			p->values += s[strspn(s, " \t\r\n")] != '\0';
		else
			p->moments += fields[own].is_time;
	}
}

static void look_at(struct job *job, const struct source *src, OGRLayerH layer, struct pass *p)
{
	OGRFeatureH f;

	p->layer = OGR_L_GetName(layer);
	p->defn = OGR_L_GetLayerDefn(layer);
	p->odd = mem_array((size_t)OGR_FD_GetFieldCount(p->defn) + 1, sizeof(*p->odd));
	p->row = 1;
	CPLPushErrorHandlerEx(on_message, p);
	OGR_L_ResetReading(layer);
	while ((f = OGR_L_GetNextFeature(layer)) != NULL) {
		count_values(p, f);
		OGR_F_Destroy(f);
		p->row++;
	}
	OGR_L_ResetReading(layer);
	CPLPopErrorHandler();
	CPLErrorReset();
	tell_odd(job, src, p);
	free(p->odd);
}

static void warn_skipped(struct job *job, const struct source *src, const char *elements, int64_t n)
{
	json_object *p;

	if (n <= 0)
		return;
	p = problem_str(problem_new("elements_skipped"), "file", src->file);
	job_warn(job, problem_arg_int(problem_arg(p, "elements", elements), "count", n));
}

void kml_tell_lost(struct job *job, const struct source *src, GDALDatasetH ds)
{
	struct pass p = {.values = 0};
	struct kml_survey s;

	if (kml_survey(src->path, &s) == ERR_OK) {
		for (int i = 0; i < GDALDatasetGetLayerCount(ds); i++)
			look_at(job, src, GDALDatasetGetLayer(ds, i), &p);
		warn_skipped(job, src, "ExtendedData/*", s.foreign);
		warn_skipped(job, src, "ExtendedData", s.values - p.values);
		/* Of a track LIBKML tells the first and the last moment there. */
		warn_skipped(job, src, "TimeSpan, TimeStamp",
			     s.tracks > 0 ? 0 : s.moments - p.moments);
	}
	kml_survey_done(&s);
}
