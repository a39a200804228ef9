/*
 * What judging the csv step's form and showing its page share.
 */
#ifndef SLIPWAY_WIZARD_COLUMNS_FORM_H
#define SLIPWAY_WIZARD_COLUMNS_FORM_H

#include "wizard/columns.h"

/* The form's coordinate fields: the first of each field's spellings that is filled, NULL = none. */
struct columns_choice {
	const char *mode; /* "latlng", "column", "none"; NULL = not said */
	const char *lat, *lng, *geometry;
};
void columns_choice(const json_object *layer, const json_object *fields,
		    struct columns_choice *ret);

/* The column called NAME (its name, its original name, then either without case), -1 = none. */
int columns_find(const json_object *layer, const char *name);

/* Are at least 90 % of COLUMN's values numbers? */
bool columns_is_numeric(const json_object *column);

/*
 * The dialect fields in FIELDS as they are stored: {"charset","delimiter" (the character
 * itself),"header","decimal", "sheet"}; what is absent or "auto" is left out.  Adds what is wrong
 * to *ERRORS (NULL: nobody wants to know).  Caller frees.
 */
json_object *columns_dialect(const json_object *layer, const json_object *fields,
			     json_object **errors);

/* "tab", "TAB" → TAB, "space" → " ", one character → itself, else "".  OUT is NUL-terminated. */
void columns_delimiter(const char *s, char out[5]);

#endif
