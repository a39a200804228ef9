/*
 * Does what is derived from items and datasets agree with them?  One row a kind of disagreement:
 * how many there are, and what makes it right.
 */
#include "catalog/item_set.h"

static const struct {
	const char *name;
	const char *count;  /* one number */
	const char *repair; /* statements; NULL: nothing makes it right but a backup */
} checks[] = {
    {"items counted",
     "WITH counted AS (SELECT owner, vis, count(*) FROM item GROUP BY owner, vis UNION ALL"
     "  SELECT '*', vis, count(*) FROM item GROUP BY vis),"
     " kept AS (SELECT owner, vis, n FROM item_count WHERE n <> 0)"
     " SELECT (SELECT count(*) FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted))"
     " + (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept))",
     "DELETE FROM item_count;"
     "INSERT INTO item_count SELECT owner, vis, count(*) FROM item GROUP BY owner, vis;"
     "INSERT INTO item_count SELECT '*', vis, count(*) FROM item GROUP BY vis;"},
    {"items counted by day",
     "WITH counted AS (SELECT vis, created / 86400000, count(*) FROM item GROUP BY 1, 2)"
     " SELECT (SELECT count(*) FROM (SELECT * FROM item_day EXCEPT SELECT * FROM counted))"
     " + (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT * FROM item_day))",
     "DELETE FROM item_day;"
     "INSERT INTO item_day SELECT vis, created / 86400000, count(*) FROM item GROUP BY 1, 2;"},
    {"tags of no item",
     "SELECT count(*) FROM item_tag t WHERE NOT EXISTS (SELECT 1 FROM item WHERE id = t.item)",
     "DELETE FROM item_tag WHERE item NOT IN (SELECT id FROM item);"},
    {"tags out of step",
     "SELECT count(*) FROM item_tag t JOIN item i ON i.id = t.item WHERE t.vis <> i.vis",
     "UPDATE item_tag SET vis = (SELECT vis FROM item WHERE id = item_tag.item);"},
    {"shares of no item",
     "SELECT count(*) FROM item_share s WHERE NOT EXISTS (SELECT 1 FROM item WHERE id = s.item)",
     "DELETE FROM item_share WHERE item NOT IN (SELECT id FROM item);"},
    {"shares out of step",
     "SELECT count(*) FROM item_share s JOIN item i ON i.id = s.item WHERE s.owner <> i.owner OR "
     "s.live <>"
     " CASE WHEN i.ready = 0 THEN 0 WHEN i.vis = 1 THEN 2 ELSE 1 END",
     "UPDATE item SET vis = vis;" /* the trigger writes their columns */},
    {"searched texts of no item",
     "SELECT count(*) FROM item_text t WHERE NOT EXISTS (SELECT 1 FROM item WHERE id = t.id)",
     NULL},
    {"items without searched text",
     "SELECT count(*) FROM item i WHERE NOT EXISTS (SELECT 1 FROM item_text WHERE id = i.id)",
     NULL},
    {"datasets without item",
     "SELECT count(*) FROM dataset d WHERE NOT EXISTS (SELECT 1 FROM item WHERE id = d.id)", NULL},
};

/* What the rows say everybody sees and may download. */
static enum err sets_of_rows(struct conn *conn, struct item_sets *ret, struct error *error)
{
	sqlite3_stmt *stmt;
	bool row;
	enum err e = conn_prepare(conn, "SELECT id, guest FROM item WHERE vis = 1", &stmt, error);

	while (e == ERR_OK && (e = conn_step(conn, stmt, &row, error)) == ERR_OK && row) {
		int64_t id = sqlite3_column_int64(stmt, 0);

		set_add(&ret->seen, id);
		if (sqlite3_column_int(stmt, 1) >= ITEM_DOWNLOAD)
			set_add(&ret->open, id);
	}
	return e;
}

static int64_t differences(const struct id_set *a, const struct id_set *b)
{
	int64_t limit = a->limit > b->limit ? a->limit : b->limit, n = 0;

	for (int64_t id = 0; id < limit; id++)
		n += set_has(a, id) != set_has(b, id);
	return n;
}

static enum err write_seen(struct conn *conn, const struct item_sets *sets, struct error *error)
{
	enum err e = conn_by_id(conn, "DELETE FROM item_seen WHERE chunk >= ?1", 0, error);

	for (int64_t id = 0; e == ERR_OK && id < sets->seen.limit; id++)
		if (set_has(&sets->seen, id))
			e = item_seen_write(conn, id, true, set_has(&sets->open, id), error);
	return e;
}

/* item_seen holds a bit for what each row says. */
static enum err look_at_seen(struct conn *conn, bool repair, int64_t *ret, struct error *error)
{
	struct item_sets kept = {0}, rows = {0};
	enum err e = sets_load(conn, &kept, error);

	if (e == ERR_OK)
		e = sets_of_rows(conn, &rows, error);
	*ret = differences(&kept.seen, &rows.seen) + differences(&kept.open, &rows.open);
	if (e == ERR_OK && repair && *ret > 0)
		e = write_seen(conn, &rows, error);
	sets_done(&kept);
	sets_done(&rows);
	return e;
}

static enum err look(struct conn *conn, bool repair, catalog_finding *say, void *arg,
		     struct error *error)
{
	int64_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < sizeof(checks) / sizeof(*checks); i++) {
		bool mend = repair && checks[i].repair != NULL;

		e = conn_number_of(conn, checks[i].count, &n, error);
		if (e != ERR_OK || n == 0)
			continue;
		say(arg, checks[i].name, n, mend);
		if (mend && sqlite3_exec(conn->db, checks[i].repair, NULL, NULL, NULL) != SQLITE_OK)
			e = conn_error(conn, sqlite3_errcode(conn->db), error);
	}
	n = 0;
	if (e == ERR_OK)
		e = look_at_seen(conn, repair, &n, error);
	if (e == ERR_OK && n > 0)
		say(arg, "items whose visibility is out of step", n, repair);
	return e;
}

/* SQLite's own look at its pages.  Beside those who write: it takes its time. */
static enum err look_at_pages(struct catalog *c, struct error *error)
{
	struct conn *conn;
	int64_t n = 0;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = conn_number_of(conn,
			   "SELECT count(*) FROM pragma_integrity_check"
			   " WHERE integrity_check <> 'ok'",
			   &n, error);
	conn_give(c, conn);
	if (e == ERR_OK && n > 0)
		e = error_set(error, ERR_STORE, "catalogue damaged in %lld places, restore needed",
			      (long long)n);
	return e;
}

enum err catalog_check(struct catalog *c, bool repair, catalog_finding *say, void *arg,
		       struct error *error)
{
	struct conn *conn;
	/* Nothing is mended by what a damaged file says. */
	enum err e = look_at_pages(c, error);

	/* One transaction: what others write meanwhile is not taken for a disagreement. */
	if (e == ERR_OK)
		e = conn_take_write(c, &conn, error);
	if (e == ERR_OK)
		e = conn_give_write(c, conn, look(conn, repair, say, arg, error), error);
	return e;
}
