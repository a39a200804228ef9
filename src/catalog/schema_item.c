/*
 * The tables of data items (contracts/datas.md 11).  A released step is never edited: a change is a
 * further step.
 */
#include "catalog/item_db.h"

/*
 * item            one row an item, imported or not; `vis`: everybody may see it (shared to GUEST
 * and whole); `ready`: its
 *                 file is whole; the *_key columns are folded for sorting; `more`: what is only
 *                 shown, as JSON
 * item_share      who else may do what (1 SEARCH, 2 DOWNLOAD, 3 DELETE), 'u:<user>' or 'g:<group>';
 * GUEST stands in
 *                 item.guest.  `live`: 0 not whole, 1 seen through this row, 2 everybody sees it
 *                 anyway; the columns that lists are sorted by stand here again, so that what is
 *                 shared to somebody is a range, too
 * item_tag        whole tags
 * item_seen       what everybody sees and may download, a bit an item: item_set.h
 * item_count      how many items each owner has, '*' = all, by `vis`: totals without counting
 * item_day        how many were created each day (UTC), by `vis`: a span of time is counted without
 * its rows
 * item_text       the searched fields folded; item_words is made from it and unmade with it
 * directory       a tree of names; item.dir 0 = none
 *
 * What a list shows is a union of disjoint ranges, each in the order of an index: item_v_* for what
 * everybody sees (and for administrators what not), item_o_* for one owner's, item_s_* for what is
 * shared to one subject.  item_scan holds the small columns that are filtered by.
 */
#define ORDERED(family, column, key)                                                               \
	"CREATE INDEX item_v_" #family " ON item (vis, " column ");"                               \
	"CREATE INDEX item_o_" #family " ON item (owner, vis, " column ");"                        \
	"CREATE INDEX item_s_" #family " ON item_share (subject, live, " key ");"
const char catalog_items_tables[] =
    "CREATE TABLE directory ("
    " id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, depth INTEGER NOT NULL,"
    " UNIQUE (parent, name));"
    "CREATE TABLE item ("
    " id INTEGER PRIMARY KEY,"
    " vis INTEGER NOT NULL, ready INTEGER NOT NULL, guest INTEGER NOT NULL,"
    " owner TEXT NOT NULL, owner_key TEXT NOT NULL, nick TEXT NOT NULL, nick_key TEXT NOT NULL,"
    " file_name TEXT NOT NULL, file_key TEXT NOT NULL,"
    " type TEXT NOT NULL, status TEXT NOT NULL, service TEXT NOT NULL,"
    " size INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " downloads INTEGER NOT NULL, dir INTEGER NOT NULL,"
    " md5 TEXT, coord TEXT, description TEXT, storage TEXT NOT NULL, file TEXT, upload TEXT,"
    " api INTEGER NOT NULL, kind TEXT, layer TEXT, thumbnail INTEGER NOT NULL, more TEXT NOT NULL);"
    "CREATE TABLE item_share ("
    " subject TEXT NOT NULL, item INTEGER NOT NULL, level INTEGER NOT NULL, live INTEGER NOT NULL,"
    " owner TEXT NOT NULL, owner_key TEXT NOT NULL, nick_key TEXT NOT NULL, file_key TEXT NOT NULL,"
    " type TEXT NOT NULL, status TEXT NOT NULL, service TEXT NOT NULL,"
    " size INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, downloads INTEGER "
    "NOT NULL,"
    " PRIMARY KEY (subject, item)) WITHOUT ROWID;"
    "CREATE INDEX item_share_by_item ON item_share (item, subject, level, live);"
    "CREATE TABLE item_tag (tag TEXT NOT NULL, vis INTEGER NOT NULL, item INTEGER NOT NULL,"
    " PRIMARY KEY (tag, vis, item)) WITHOUT ROWID;"
    "CREATE INDEX item_tag_by_item ON item_tag (item);"
    "CREATE TABLE item_seen (chunk INTEGER PRIMARY KEY, seen BLOB NOT NULL, open BLOB NOT NULL);"
    "CREATE TABLE item_count (owner TEXT NOT NULL, vis INTEGER NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY (owner, vis)) WITHOUT ROWID;"
    "CREATE TABLE item_text (id INTEGER PRIMARY KEY, file TEXT NOT NULL, description TEXT NOT NULL,"
    " tags TEXT NOT NULL, owner TEXT NOT NULL, nick TEXT NOT NULL);"
    "CREATE VIRTUAL TABLE item_words USING fts5 (file, description, tags, owner, nick,"
    " content='', columnsize=0, detail=column, tokenize='ascii');"
    "CREATE INDEX item_scan ON item (vis, id, type, status, service, owner, dir, created, guest);"
    "CREATE INDEX item_v_id ON item (vis);"
    "CREATE INDEX item_o_id ON item (owner, vis, id, dir);"
    "CREATE INDEX item_s_id ON item_share (subject, live, item);"
    "CREATE INDEX item_by_name ON item (file_name, id);"
    "CREATE INDEX item_by_dir ON item (dir, vis, id);"
    "CREATE INDEX item_unready ON item (owner, id) WHERE vis = 0 AND guest > 0;"
    "CREATE INDEX item_unfilled ON item (created) WHERE status = 'CREATED';";

const char catalog_items_orders[] = ORDERED(created, "created, id", "created, item") ORDERED(
    changed, "changed, id", "changed, item") ORDERED(downloads, "downloads, id", "downloads, item")
    ORDERED(file_key, "file_key, id", "file_key, item")
	ORDERED(service, "service, id", "service, item") ORDERED(size, "size, id", "size, item")
	    ORDERED(status, "status, id", "status, item") ORDERED(type, "type, id", "type, item")
		ORDERED(owner_key, "owner_key, id", "owner_key, item") ORDERED(
		    nick_key, "nick_key, id",
		    "nick_key, item") "CREATE TRIGGER item_more AFTER INSERT ON item BEGIN"
				      " INSERT INTO item_count VALUES (new.owner, new.vis, 1), "
				      "('*', new.vis, 1)"
				      "  ON CONFLICT (owner, vis) DO UPDATE SET n = n + 1;"
				      "END;"
				      "CREATE TRIGGER item_less AFTER DELETE ON item BEGIN"
				      " UPDATE item_count SET n = n - 1 WHERE owner IN (old.owner, "
				      "'*') AND vis = old.vis;"
				      " DELETE FROM item_count WHERE owner = old.owner AND vis = "
				      "old.vis AND n <= 0;"
				      " DELETE FROM item_share WHERE item = old.id;"
				      " DELETE FROM item_tag WHERE item = old.id;"
				      "END;"
				      "CREATE TRIGGER item_moved AFTER UPDATE OF owner, vis ON item"
				      " WHEN old.owner <> new.owner OR old.vis <> new.vis BEGIN"
				      " UPDATE item_count SET n = n - 1 WHERE owner IN (old.owner, "
				      "'*') AND vis = old.vis;"
				      " INSERT INTO item_count VALUES (new.owner, new.vis, 1), "
				      "('*', new.vis, 1)"
				      "  ON CONFLICT (owner, vis) DO UPDATE SET n = n + 1;"
				      " DELETE FROM item_count WHERE owner = old.owner AND vis = "
				      "old.vis AND n <= 0;"
				      " UPDATE item_tag SET vis = new.vis WHERE item = new.id;"
				      "END;"
				      "CREATE TRIGGER item_changed AFTER UPDATE ON item BEGIN"
				      " UPDATE item_share SET live = CASE WHEN new.ready = 0 THEN "
				      "0 WHEN new.vis = 1 THEN 2 ELSE 1 END,"
				      "  owner = new.owner, owner_key = new.owner_key, nick_key = "
				      "new.nick_key, file_key = new.file_key,"
				      "  type = new.type, status = new.status, service = "
				      "new.service, size = new.size, created = new.created,"
				      "  changed = new.changed, downloads = new.downloads WHERE "
				      "item = new.id;"
				      "END;";

/* ITEM_DAY_MS of item_db.h stands here as a number. */
const char catalog_items_days[] =
    "CREATE TABLE item_day (vis INTEGER NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY (vis, day)) WITHOUT ROWID;"
    "INSERT INTO item_day SELECT vis, created / 86400000, count(*) FROM item GROUP BY 1, 2;"
    "CREATE TRIGGER item_day_more AFTER INSERT ON item BEGIN"
    " INSERT INTO item_day VALUES (new.vis, new.created / 86400000, 1)"
    "  ON CONFLICT (vis, day) DO UPDATE SET n = n + 1;"
    "END;"
    "CREATE TRIGGER item_day_less AFTER DELETE ON item BEGIN"
    " UPDATE item_day SET n = n - 1 WHERE vis = old.vis AND day = old.created / 86400000;"
    " DELETE FROM item_day WHERE vis = old.vis AND day = old.created / 86400000 AND n <= 0;"
    "END;"
    "CREATE TRIGGER item_day_moved AFTER UPDATE OF vis, created ON item"
    " WHEN old.vis <> new.vis OR old.created <> new.created BEGIN"
    " UPDATE item_day SET n = n - 1 WHERE vis = old.vis AND day = old.created / 86400000;"
    " INSERT INTO item_day VALUES (new.vis, new.created / 86400000, 1)"
    "  ON CONFLICT (vis, day) DO UPDATE SET n = n + 1;"
    " DELETE FROM item_day WHERE vis = old.vis AND day = old.created / 86400000 AND n <= 0;"
    "END;";
