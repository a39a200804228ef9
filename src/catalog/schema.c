/*
 * The catalogue's tables.  A released step is never edited: a change is a further step.
 */
#include "catalog/item_db.h"

/*
 * dataset         one row a dataset; `brief` is its model as JSON without the bulky members
 * dataset_detail  those: columns, rows, the CRS as WKT
 * dataset_share   who may do what: subject '' = everybody, 'u:<name>', 'g:<name>'; `rights` has bit
 *                 1 <<
 *                 enum dataset_right; the owner has a row too.  `public` repeats whether everybody
 *                 may see it, so that what a user sees is two disjoint ranges of the key; `type`
 *                 saves the filter a join
 * dataset_uuid    which dataset carries the identifier of a metadata file
 * scope           how many rows each such range has, '*' all datasets: totals without counting
 * published       which dataset a layer of a session became: publishing twice is publishing once
 * dataset_text    the searched fields folded; dataset_words is made from it and unmade with it
 */
static const char first[] =
    "CREATE TABLE sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO sequence VALUES ('dataset', 0);"
    "CREATE TABLE dataset ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " owner TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " title TEXT NOT NULL,"
    " access TEXT NOT NULL,"
    " file TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " revision INTEGER NOT NULL,"
    " created INTEGER NOT NULL,"
    " changed INTEGER NOT NULL,"
    " brief TEXT NOT NULL);"
    "CREATE INDEX dataset_by_owner ON dataset (owner, id);"
    "CREATE INDEX dataset_by_type ON dataset (type, id);"
    "CREATE TABLE dataset_detail (id INTEGER PRIMARY KEY, detail TEXT NOT NULL);"
    "CREATE TABLE dataset_downloads (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
    "CREATE TABLE published ("
    " session INTEGER NOT NULL, layer INTEGER NOT NULL, dataset INTEGER NOT NULL,"
    " PRIMARY KEY (session, layer)) WITHOUT ROWID;"
    "CREATE TABLE dataset_share ("
    " subject TEXT NOT NULL, public INTEGER NOT NULL, dataset INTEGER NOT NULL,"
    " type TEXT NOT NULL, rights INTEGER NOT NULL,"
    " PRIMARY KEY (subject, public, dataset)) WITHOUT ROWID;"
    "CREATE INDEX dataset_share_by_dataset ON dataset_share (dataset, subject, rights);"
    "CREATE INDEX dataset_share_editable ON dataset_share (subject, dataset)"
    " WHERE (rights & 4) <> 0;"
    "CREATE INDEX dataset_share_by_type ON dataset_share (subject, public, type, dataset);"
    "CREATE TABLE scope ("
    " subject TEXT NOT NULL, public INTEGER NOT NULL, type TEXT NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY (subject, public, type)) WITHOUT ROWID;"
    "CREATE TRIGGER dataset_share_more AFTER INSERT ON dataset_share BEGIN"
    " INSERT INTO scope VALUES (new.subject, new.public, new.type, 1)"
    "  ON CONFLICT (subject, public, type) DO UPDATE SET n = n + 1;"
    "END;"
    "CREATE TRIGGER dataset_share_less AFTER DELETE ON dataset_share BEGIN"
    " UPDATE scope SET n = n - 1"
    "  WHERE subject = old.subject AND public = old.public AND type = old.type;"
    " DELETE FROM scope"
    "  WHERE subject = old.subject AND public = old.public AND type = old.type AND n <= 0;"
    "END;"
    "CREATE TRIGGER dataset_more AFTER INSERT ON dataset BEGIN"
    " INSERT INTO scope VALUES ('*', 0, new.type, 1)"
    "  ON CONFLICT (subject, public, type) DO UPDATE SET n = n + 1;"
    "END;"
    "CREATE TRIGGER dataset_less AFTER DELETE ON dataset BEGIN"
    " UPDATE scope SET n = n - 1 WHERE subject = '*' AND public = 0 AND type = old.type;"
    "END;"
    "CREATE TABLE dataset_text ("
    " id INTEGER PRIMARY KEY, title TEXT NOT NULL, name TEXT NOT NULL, abstract TEXT NOT NULL,"
    " keywords TEXT NOT NULL, files TEXT NOT NULL, owner TEXT NOT NULL);"
    "CREATE VIRTUAL TABLE dataset_words USING fts5 ("
    " title, name, abstract, keywords, files, owner,"
    " content='', columnsize=0, detail=column, tokenize='ascii');";

/* The identifiers of metadata files: asked for before another dataset may carry one. */
static const char second[] =
    "CREATE TABLE dataset_uuid (uuid TEXT PRIMARY KEY, dataset INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX dataset_uuid_by_dataset ON dataset_uuid (dataset);";

const char *const catalog_migrations[] = {first, second, catalog_items_tables, catalog_items_orders,
					  catalog_items_days};
const int catalog_version = (int)(sizeof(catalog_migrations) / sizeof(catalog_migrations[0]));
