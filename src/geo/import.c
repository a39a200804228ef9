/*
 * The import job: each layer for itself, whatever becomes of the others.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "geo/output.h"
#include "geo/tables.h"

static const struct source *source_of(const struct source_set *set, const json_object *layer)
{
	int64_t bundle = json_int(layer, "bundle", -1);

	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].bundle == bundle)
			return &set->v[i];
	return NULL;
}

static json_object *import_one(struct job *job, const struct source_set *set,
			       const json_object *layer)
{
	const struct source *src = source_of(set, layer);
	const char *kind = json_str(layer, "kind", "");

	/* GDAL says nothing while it reads a large GeoJSON from end to end to open it. */
	job_progress(job, "import", "opening", json_str(layer, "table", ""), 0, 1, 0, true);
	if (strcmp(kind, "raster") == 0 && (src != NULL || set->kind == KIND_ZIP_MOSAIC))
		return raster_import(job, set, src, layer);
	if (src == NULL) {
		(void)job_fail(job, problem_str(problem_new("import_failed"), "layer",
						json_str(layer, "table", "")));
		return NULL;
	}
	/* A layer without geometry of a GeoPackage is a table too, but read through OGR. */
	if (src->kind == KIND_CSV || src->kind == KIND_XLSX || src->kind == KIND_ODS)
		return tables_import(job, src, layer);
	return vector_import(job, src, layer);
}

/* What the worker needs to know of a written file; then what people see of it. */
static void describe(struct job *job, const json_object *layer, json_object *item)
{
	int64_t i = json_int(layer, "i", 0);
	char name[32], path[640];

	(void)snprintf(name, sizeof name, "%lld.%s", (long long)i,
		       strcmp(json_str(layer, "kind", ""), "raster") == 0 ? "tif" : "gpkg");
	if (json_get(item, "file") == NULL)
		json_set_str(item, "file", name);
	job_out(job, json_str(item, "file", name), path, sizeof path);
	job_progress(job, "import", "describing", json_str(layer, "table", ""), 1, 1, 0, true);
	output_describe(job, path, json_str(item, "table", NULL), i, item);
	json_set_int(item, "size", fs_size(AT_FDCWD, path));
}

/* The row report's last line tells how many problems there were. */
static const char *close_report(struct job *job)
{
	if (job->report == NULL)
		return NULL;
	(void)fprintf(job->report, "{\"total\":%lld}\n", (long long)job->report_total);
	if (fclose(job->report) != 0)
		job_warn(job, problem_new("disk_full"));
	job->report = NULL;
	return "report.jsonl";
}

json_object *import_run(struct job *job)
{
	json_object *result, *items, *layer;
	struct source_set set = {0};

	if (source_set_open(job, &set) != ERR_OK) {
		source_set_done(&set);
		return NULL;
	}
	items = json_object_new_array();
	JSON_EACH(layer, json_arr(job->spec, "layers"))
	{
		json_object *item = import_one(job, &set, layer);
		bool imported = item != NULL;

		if (!imported) {
			if (json_len(job->problems) == 0)
				(void)job_fail(job,
					       problem_str(problem_new("import_failed"), "layer",
							   json_str(layer, "table", "")));
			item = json_object_new_object();
		}
		json_set_int(item, "i", json_int(layer, "i", 0));
		json_set_str(item, "status", imported ? "imported" : "failed");
		json_set(item, "problems",
			 job->problems != NULL ? job->problems : json_object_new_array());
		job->problems = NULL;
		if (imported)
			describe(job, layer, item);
		json_object_array_add(items, item);
	}
	source_set_done(&set);
	result = json_set(json_object_new_object(), "layers", items);
	return json_set_str(result, "report", close_report(job));
}
