/*
 * One SQL statement of preSql or postSql: what it may be, and its "$username", "$visitor", "$stamp"
 * and "$rows" as bound parameters.  A lexer, no parser: it knows quotes, comments and dollar
 * quoting, the database knows the rest. Source: contracts/signed-api.md 4.
 */
#ifndef SLIPWAY_SIGNED_STATEMENT_H
#define SLIPWAY_SIGNED_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include "signed/refusal.h"

enum statement_dialect { STATEMENT_SQLITE, STATEMENT_POSTGRES };

enum statement_value {
	STATEMENT_USERNAME, /* text: the account's name, as STATEMENT_VISITOR */
	STATEMENT_VISITOR,
	STATEMENT_STAMP, /* integer: milliseconds of the request */
	STATEMENT_ROWS,	 /* integer: rows written so far (0 in preSql) */
	STATEMENT__MAX
};

struct statement {
	char *text; /* for the database: markers ?1, ?2 … or $1, $2 …, no ';' at the end */
	enum statement_value
	    *values; /* n_values: what is bound to marker 1, 2 …; one an occurrence */
	size_t n_values;
};

/*
 * Read SQL as it stands in a configuration.  "truncate [table] t" becomes DELETE FROM "t" for
 * SQLite.  A literal that is nothing but '$username' counts as $username, as clients of the
 * original write it.
 * Owns:   caller ends *RET with statement_done.
 * Errors: false: R: another $name, more than one statement, transaction control, ATTACH, DETACH,
 *         PRAGMA, VACUUM, COPY, LOAD, SET of more than the transaction, an open quote or comment,
 *         nothing at all.
 */
bool statement_read(const char *sql, enum statement_dialect, struct statement *ret,
		    struct refusal *r);
void statement_done(struct statement *);

#endif
