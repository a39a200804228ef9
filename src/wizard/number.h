/*
 * Numbers as people write them in tables: decimals, decimal comma, degrees-minutes-seconds.
 * Source: contracts/wizard.md 9.1, 9.6.
 */
#ifndef SLIPWAY_WIZARD_NUMBER_H
#define SLIPWAY_WIZARD_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * S is not NUL-terminated.  Spaces around are allowed; inf, nan, hex are not numbers.  Fast path
 * for plain decimals.
 */
bool number_parse(const char *s, size_t len, bool decimal_comma, double *ret);
/* ≤ 18 digits, no leading zeros */
bool number_integer(const char *s, size_t len, int64_t *ret);
/*
 * Degrees-minutes-seconds with marks and hemisphere, or a plain number; AXIS 'y' or 'x' restricts
 * the hemisphere.
 */
bool number_angle(const char *s, size_t len, char axis, bool decimal_comma, double *ret);
bool number_is_null_word(const char *s, size_t len); /* NULL null NA N/A nan \N - */

/*
 * What one cell is (dates and times: ISO 8601 with hyphens; booleans: true, false).  Null words are
 * CELL_TEXT: whether they are empty is known only once the column is.  Used to type columns over
 * all rows.
 */
enum cell_type {
	CELL_EMPTY,
	CELL_INTEGER,
	CELL_REAL,
	CELL_DATE,
	CELL_DATETIME,
	CELL_BOOLEAN,
	CELL_TEXT,
	CELL__MAX
};
enum cell_type cell_classify(const char *s, size_t len, bool decimal_comma);

#endif
