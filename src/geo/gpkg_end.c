#include "geo/gpkg_db.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

/* %1 table, %2 geometry column, %3 fid: OGC 12-128r18, Annex F.3, word for word as GDAL writes
 * them. */
struct trigger {
	const char *name;
	const char *event;
	const char *when;
	const char *body;
};

#define BOX                                                                                        \
	"(NEW.\"@f\",ST_MinX(NEW.\"@g\"), ST_MaxX(NEW.\"@g\"),ST_MinY(NEW.\"@g\"), "               \
	"ST_MaxY(NEW.\"@g\"))"
#define PUT  "INSERT OR REPLACE INTO \"rtree_@t_@g\" VALUES " BOX ";"
#define SOME "(NEW.\"@g\" NOTNULL AND NOT ST_IsEmpty(NEW.\"@g\"))"
#define NONE "(NEW.\"@g\" ISNULL OR ST_IsEmpty(NEW.\"@g\"))"
#define DROP "DELETE FROM \"rtree_@t_@g\" WHERE id = OLD.\"@f\";"

static const struct trigger triggers[] = {
    {"insert", "AFTER INSERT ON \"@t\"", "(new.\"@g\" NOT NULL AND NOT ST_IsEmpty(NEW.\"@g\"))",
     PUT},
    {"update1", "AFTER UPDATE OF \"@g\" ON \"@t\"", "OLD.\"@f\" = NEW.\"@f\" AND " SOME, PUT},
    {"update2", "AFTER UPDATE OF \"@g\" ON \"@t\"", "OLD.\"@f\" = NEW.\"@f\" AND " NONE, DROP},
    {"update3", "AFTER UPDATE ON \"@t\"", "OLD.\"@f\" != NEW.\"@f\" AND " SOME, DROP " " PUT},
    {"update4", "AFTER UPDATE ON \"@t\"", "OLD.\"@f\" != NEW.\"@f\" AND " NONE,
     "DELETE FROM \"rtree_@t_@g\" WHERE id IN (OLD.\"@f\", NEW.\"@f\");"},
    {"delete", "AFTER DELETE ON \"@t\"", "old.\"@g\" NOT NULL", DROP},
};

/* Replace @t, @g, @f by the names, quotes doubled. */
static void fill(sqlite3_str *out, const char *text, const struct gpkg *g)
{
	for (; *text != '\0'; text++) {
		if (*text != '@') {
			sqlite3_str_appendchar(out, 1, *text);
			continue;
		}
		text++;
		sqlite3_str_appendf(out, "%w",
				    *text == 't'   ? g->table
				    : *text == 'g' ? g->geom
						   : g->fid);
	}
}

static enum err write_triggers(struct gpkg *g, struct error *error)
{
	enum err err = ERR_OK;

	for (size_t i = 0;
	     g->geom != NULL && i < sizeof triggers / sizeof triggers[0] && err == ERR_OK; i++) {
		sqlite3_str *s = sqlite3_str_new(NULL);

		sqlite3_str_appendf(s, "CREATE TRIGGER \"rtree_%w_%w_%s\" ", g->table, g->geom,
				    triggers[i].name);
		fill(s, triggers[i].event, g);
		sqlite3_str_appendall(s, " WHEN ");
		fill(s, triggers[i].when, g);
		sqlite3_str_appendall(s, " BEGIN ");
		fill(s, triggers[i].body, g);
		sqlite3_str_appendall(s, " END");
		err = gpkg_run(g, sqlite3_str_finish(s), error);
	}
	if (err != ERR_OK)
		return err;
	return gpkg_run(
	    g,
	    sqlite3_mprintf(
		"CREATE TRIGGER \"trigger_insert_feature_count_%w\" AFTER INSERT ON \"%w\" BEGIN "
		"UPDATE gpkg_ogr_contents SET"
		" feature_count = feature_count + 1 WHERE lower(table_name) = lower(%Q); END;"
		"CREATE TRIGGER \"trigger_delete_feature_count_%w\" AFTER DELETE ON \"%w\" BEGIN "
		"UPDATE gpkg_ogr_contents SET"
		" feature_count = feature_count - 1 WHERE lower(table_name) = lower(%Q); END",
		g->table, g->table, g->table, g->table, g->table, g->table),
	    error);
}

/*
 * The narrowest type that fits every row: one type met → that; a single type and its multi type →
 * the multi type, the single rows rewritten; else GEOMETRY.
 */
static enum err settle_type(struct gpkg *g, int *ret_kind, struct error *error)
{
	int found = 0, n = 0;
	enum err err = ERR_OK;

	for (int k = 0; k < GPKG_KINDS; k++)
		if (g->kinds[k]) {
			found = k;
			n++;
		}
	*ret_kind = n == 0 ? g->declared : n == 1 ? found : 0;
	if (n == 1 && g->declared != 0 && g->declared == found)
		return ERR_OK;
	for (int k = 1; k <= 3 && n == 2; k++) {
		if (!g->kinds[k] || !g->kinds[k + 3])
			continue;
		*ret_kind = k + 3;
		if ((err = gpkg_geom_functions(g, error)) == ERR_OK)
			err = gpkg_run(
			    g,
			    sqlite3_mprintf("UPDATE \"%w\" SET \"%w\" = slipway_multi(\"%w\") "
					    "WHERE \"%w\" IS NOT NULL",
					    g->table, g->geom, g->geom, g->geom),
			    error);
	}
	return err;
}

/*
 * Change the table's definition in place: the geometry type and AUTOINCREMENT say nothing about how
 * rows are stored (the procedure of sqlite.org/lang_altertable.html, "making other kinds of schema
 * changes").
 */
static enum err settle_definition(struct gpkg *g, int kind, struct error *error)
{
	enum err err = ERR_OK;

	if (!g->append)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"CREATE TABLE slipway_seq (i INTEGER PRIMARY KEY AUTOINCREMENT);"
			"DROP TABLE slipway_seq; INSERT INTO sqlite_sequence VALUES (%Q, %lld)",
			g->table, (long long)g->row),
		    error);
	else
		err = gpkg_run(
		    g,
		    sqlite3_mprintf("UPDATE sqlite_sequence SET seq = %lld WHERE name = %Q",
				    (long long)g->row, g->table),
		    error);
	if (err == ERR_OK)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf("PRAGMA writable_schema = ON;"
				    "UPDATE sqlite_master SET sql = replace(sql, '(\"fid\" INTEGER "
				    "PRIMARY KEY NOT NULL',"
				    " '(\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL') WHERE "
				    "type = 'table' AND name = %Q",
				    g->table),
		    error);
	if (err == ERR_OK && g->geom != NULL && kind != g->declared)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"UPDATE sqlite_master SET sql = replace(sql, '\"%w\" %s', '\"%w\" %s')"
			" WHERE type = 'table' AND name = %Q",
			g->geom, gpkg_kind_name(g->declared), g->geom, gpkg_kind_name(kind),
			g->table),
		    error);
	if (err == ERR_OK)
		err = gpkg_run(g, sqlite3_mprintf("PRAGMA writable_schema = RESET"), error);
	if (err == ERR_OK && g->geom != NULL)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"UPDATE gpkg_geometry_columns SET geometry_type_name = %Q, z = %d, m = %d"
			" WHERE table_name = %Q",
			gpkg_kind_name(kind),
			!g->with_z     ? 0
			: g->without_z ? 2
				       : 1,
			!g->with_m     ? 0
			: g->without_m ? 2
				       : 1,
			g->table),
		    error);
	g->declared = kind;
	return err;
}

static enum err write_index(struct gpkg *g, struct error *error)
{
	char *name = mem_printf("rtree_%s_%s", g->table, g->geom);
	enum err err = rtree_write(g->tree, g->db, name, error);

	free(name);
	if (err != ERR_OK)
		return err;
	return gpkg_run(
	    g,
	    sqlite3_mprintf(
		"INSERT OR IGNORE INTO gpkg_extensions VALUES (%Q, %Q, 'gpkg_rtree_index',"
		" 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
		g->table, g->geom),
	    error);
}

static enum err time_indexes(struct gpkg *g, struct error *error)
{
	static const char *const names[] = {"_time_start", "_time_end"};
	enum err err = ERR_OK;

	for (size_t i = 0; i < 2 && err == ERR_OK; i++) {
		if (gpkg_ask(g,
			     sqlite3_mprintf(
				 "SELECT count(*) FROM pragma_table_info(%Q) WHERE name = %Q",
				 g->table, names[i]),
			     0) == 1)
			err = gpkg_run(
			    g,
			    sqlite3_mprintf("CREATE INDEX \"idx_%w_%w\" ON \"%w\" (\"%w\")",
					    g->table, names[i], g->table, names[i]),
			    error);
	}
	return err;
}

static enum err contents(struct gpkg *g, struct error *error)
{
	char now[32];
	enum err err;

	clock_iso(clock_now_ms(), now);
	err = gpkg_run(
	    g,
	    sqlite3_mprintf(
		"UPDATE gpkg_contents SET last_change = '%.19s.000Z' WHERE table_name = %Q;"
		"INSERT OR REPLACE INTO gpkg_ogr_contents VALUES (%Q, %lld)",
		now, g->table, g->table, (long long)g->count),
	    error);
	if (err == ERR_OK && g->has_extent)
		err = gpkg_run(
		    g,
		    sqlite3_mprintf(
			"UPDATE gpkg_contents SET min_x = %!.17g, min_y = %!.17g, max_x = %!.17g,"
			" max_y = %!.17g WHERE table_name = %Q",
			g->extent[0], g->extent[1], g->extent[2], g->extent[3], g->table),
		    error);
	return err;
}

/* What a wrong index would show first: a box too many or too few.  Everything else is sorted
 * arithmetic. */
static enum err check_index(struct gpkg *g, struct error *error)
{
	int64_t n = gpkg_ask(
	    g, sqlite3_mprintf("SELECT count(*) FROM \"rtree_%w_%w_rowid\"", g->table, g->geom),
	    -1);

	if (n == rtree_count(g->tree))
		return ERR_OK;
	return error_set(error, ERR_INTERNAL, "spatial index has %lld of %lld boxes", (long long)n,
			 (long long)rtree_count(g->tree));
}

int64_t gpkg_time(struct gpkg *g, bool with_end, int64_t *ret_first, int64_t *ret_last)
{
	const char *end = with_end ? "_time_end" : "_time_start";

	*ret_first =
	    gpkg_ask(g, sqlite3_mprintf("SELECT min(_time_start) FROM \"%w\"", g->table), 0);
	*ret_last = gpkg_ask(g, sqlite3_mprintf("SELECT max(\"%w\") FROM \"%w\"", end, g->table),
			     *ret_first);
	return gpkg_ask(
	    g,
	    sqlite3_mprintf("SELECT count(*) FROM (SELECT DISTINCT _time_start%s FROM \"%w\""
			    " WHERE _time_start IS NOT NULL)",
			    with_end ? ", _time_end" : "", g->table),
	    0);
}

enum err gpkg_close_rows(struct gpkg *g, struct error *error)
{
	int kind = 0;
	enum err err = ERR_OK;

	sqlite3_finalize(g->insert);
	g->insert = NULL;
	if (g->geom != NULL && (err = settle_type(g, &kind, error)) != ERR_OK)
		return err;
	if ((err = settle_definition(g, kind, error)) != ERR_OK)
		return err;
	if (g->geom != NULL &&
	    ((err = write_index(g, error)) != ERR_OK || (err = check_index(g, error)) != ERR_OK))
		return err;
	if ((err = time_indexes(g, error)) != ERR_OK || (err = contents(g, error)) != ERR_OK)
		return err;
	return write_triggers(g, error);
}

const char *gpkg_geometry(const struct gpkg *g)
{
	return g->geom == NULL ? NULL : gpkg_kind_name(g->declared);
}

enum err gpkg_finish(struct gpkg *g, double ret_extent[4], int64_t *ret_count, struct error *error)
{
	enum err err = g->insert == NULL ? ERR_OK : gpkg_close_rows(g, error);

	if (err == ERR_OK)
		err = gpkg_run(g, sqlite3_mprintf("COMMIT"), error);
	if (err != ERR_OK) {
		gpkg_abort(g);
		return err;
	}
	if (ret_extent != NULL && g->has_extent)
		memcpy(ret_extent, g->extent, sizeof g->extent);
	if (ret_count != NULL)
		*ret_count = g->count;
	if (sqlite3_close(g->db) != SQLITE_OK)
		err = error_set(error, ERR_INTERNAL, "statements left open");
	gpkg_free(g);
	return err;
}
