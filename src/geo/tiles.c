#include "geo/tiles.h"

#include <sqlite3.h>
#include <string.h>
#include "base/mem.h"
#include "geo/member.h"

#define MAX_TABLES 100 /* as many as layers are ever offered */

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db = NULL;

	/* Our own path: "in/1.gpkg" or "out/work/0.gpkg". */
	CLEAN_FREE char *uri = mem_printf("file:%s?immutable=1", path);

	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK) {
		(void)sqlite3_close(db);
		return NULL;
	}
	return db;
}

static void add_table(struct source_set *set, size_t parent, const char *table)
{
	struct source *src = source_add(set, KIND_GPKG, table, set->v[parent].file);
	json_object *o = json_object_new_object(), *files = json_object_new_array();

	src->path = mem_strdup(set->v[parent].path);
	src->driver = set->v[parent].driver;
	src->in_zip = set->v[parent].in_zip;
	src->raster_table = mem_strdup(table);
	json_object_array_add(files, json_object_new_string(src->file));
	json_set_int(o, "i", src->bundle);
	json_set_str(o, "kind", kind_name(src->kind));
	json_set_str(o, "stem", table);
	json_object_array_add(set->bundles, json_set(o, "files", files));
}

static void add_tables(struct source_set *set, size_t parent)
{
	sqlite3 *db = open_db(set->v[parent].path);
	sqlite3_stmt *st = NULL;
	size_t tables = 0, others = 0;

	if (db != NULL &&
	    sqlite3_prepare_v2(db,
			       "SELECT table_name, data_type IN ('tiles', '2d-gridded-coverage') "
			       "FROM gpkg_contents",
			       -1, &st, NULL) == SQLITE_OK)
		while (sqlite3_step(st) == SQLITE_ROW && tables < MAX_TABLES) {
			const char *table = (const char *)sqlite3_column_text(st, 0);

			if (sqlite3_column_int(st, 1) == 0 || table == NULL) {
				others++;
			} else {
				tables++;
				add_table(set, parent, table);
			}
		}
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	if (tables > 0 && others == 0) {
		free(set->v[parent].path);
		set->v[parent].path = NULL;
	}
}

void tiles_add(struct source_set *set)
{
	size_t n = set->n;

	for (size_t i = 0; i < n; i++)
		if (set->v[i].kind == KIND_GPKG && set->v[i].path != NULL)
			add_tables(set, i);
}
