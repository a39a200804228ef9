/*
 * Jobs that no session asks for: files of signed imports, tables for the catalogue.
 */
#include <string.h>
#include "base/config.h"
#include "wizard/message.h"

static json_object *job_of(const struct config *c, const char *task, const char *name,
			   const char *path)
{
	json_object *job =
	    json_set_str(json_set_str(json_object_new_object(), "type", "job"), "task", task);
	json_object *files = json_object_new_array(), *file = json_object_new_object();
	json_object *limits = json_object_new_object();

	json_set_str(json_set_int(file, "n", 1), "name", name);
	json_object_array_add(files, json_set_str(file, "path", path));
#define X(field, section, key, def, least, most)                                                   \
	if (strcmp(section, "jail") == 0)                                                          \
		json_set_int(limits, #field, c->field);
	LIMITS(X)
#undef X
	return json_set(json_set(job, "files", files), "limits", limits);
}

json_object *message_rows(const struct config *c, const char *name, json_object *columns,
			  const json_object *file, int64_t max_rows)
{
	json_object *job = job_of(c, "rows", name, "1.bin");

	json_set(json_set(job, "columns", columns), "file", json_copy(file));
	return json_set_int(job, "max_rows", max_rows);
}

/* Columns as a layer of an import lists them. */
static json_object *numbered(json_object *columns)
{
	json_object *c = NULL;
	int64_t i = 0;

	JSON_EACH(c, columns)
	{
		json_set_str(c, "original", json_str(c, "name", ""));
		json_set_bool(json_set_int(c, "i", i++), "use", true);
	}
	return columns;
}

json_object *message_table(const struct config *c, const char *table, json_object *columns,
			   json_object *geometry, const char *srs)
{
	json_object *job = job_of(c, "import", "table.csv", "1.csv");
	json_object *layer = json_set_int(json_object_new_object(), "i", 0),
		    *layers = json_object_new_array();
	json_object *dialect = json_object_new_object();

	json_set_str(json_set_str(dialect, "charset", "UTF-8"), "delimiter", ",");
	json_set_str(json_set_str(dialect, "header", "yes"), "decimal", ".");
	json_set_str(json_set_str(job, "kind", "csv"), "drivers", "");
	json_set_str(json_set_str(json_set_int(layer, "bundle", 0), "kind", "table"), "table",
		     table);
	json_set_str(json_set_str(layer, "title", table), "file", "table.csv");
	json_set(json_set(layer, "dialect", dialect), "geometry", geometry);
	if (srs != NULL)
		json_set(layer, "srs",
			 json_set_str(json_set_str(json_object_new_object(), "source", srs),
				      "target", ""));
	json_set_str(json_set_str(layer, "charset", "UTF-8"), "decimal", ".");
	json_set_str(json_set_str(layer, "mode", "create"), "bad_rows", "keep");
	json_set_bool(json_set(layer, "columns", numbered(columns)), "may_be_empty", true);
	json_object_array_add(layers, layer);
	return json_set(job, "layers", layers);
}
