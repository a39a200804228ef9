#include "signed/sqlite_auth.h"

#include <sqlite3.h>
#include <stddef.h>
#include <strings.h>

/* Functions that reach outside the file, or into SQLite itself. */
static int function_allowed(const char *name)
{
	static const char *const never[] = {"load_extension", "fts3_tokenizer", "readfile",
					    "writefile", "edit"};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (name != NULL && strcasecmp(name, never[i]) == 0)
			return SQLITE_DENY;
	return SQLITE_OK;
}

static int is_marks(const char *table)
{
	return table != NULL && strcasecmp(table, SQLITE_MARKS) == 0;
}

/* Rows and tables, indexes and views; no triggers, no virtual tables, no other files. */
static int theirs_allowed(int action, const char *a, const char *b)
{
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return function_allowed(b);
	case SQLITE_READ:
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
	case SQLITE_CREATE_TABLE:
	case SQLITE_CREATE_TEMP_TABLE:
	case SQLITE_DROP_TABLE:
	case SQLITE_DROP_TEMP_TABLE:
	case SQLITE_CREATE_VIEW:
	case SQLITE_CREATE_TEMP_VIEW:
	case SQLITE_DROP_VIEW:
	case SQLITE_DROP_TEMP_VIEW:
	case SQLITE_ANALYZE:
		return is_marks(a) ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_CREATE_INDEX:
	case SQLITE_CREATE_TEMP_INDEX:
	case SQLITE_DROP_INDEX:
	case SQLITE_DROP_TEMP_INDEX:
	case SQLITE_ALTER_TABLE: /* a: the database, b: the table */
		return is_marks(a) || is_marks(b) ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_REINDEX:
		return SQLITE_OK;
	default: /* not an enum: whatever SQLite learns later is refused */
		return SQLITE_DENY;
	}
}

int sqlite_auth(void *who, int action, const char *a, const char *b, const char *database,
		const char *trigger)
{
	(void)database;
	(void)trigger;
	switch (*(const enum sqlite_who *)who) {
	case SQLITE_SETUP:
		return action == SQLITE_ATTACH ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_OURS:
		if (action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT || is_marks(a) ||
		    is_marks(b))
			return SQLITE_OK;
		return theirs_allowed(action, a, b);
	case SQLITE_THEIRS:
		break;
	}
	return theirs_allowed(action, a, b);
}
