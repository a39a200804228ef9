/*
 * Values of OGR features in our terms: field types by name, dates as ISO text, text that is UTF-8
 * for sure.
 */
#ifndef SLIPWAY_GEO_OGRVALUE_H
#define SLIPWAY_GEO_OGRVALUE_H

#include <ogr_api.h>
#include <stdbool.h>
#include <stddef.h>

/* "integer", "real", "text", "date", "datetime", "boolean", "time" or "binary".  Static. */
const char *ogrvalue_type(OGRFieldDefnH);
/* The field's name as UTF-8; caller frees. */
char *ogrvalue_name(OGRFieldDefnH);
#define OGRVALUE_ISO 48
/*
 * Any field as text.  *RET_LEN bytes, borrowed from the feature, from BUF, or from *OWN (freed and
 * set by this call; the caller frees the last one).  *RET_BAD: bytes that are not UTF-8 were
 * replaced.
 */
const char *ogrvalue_text(OGRFeatureH, int field, char buf[OGRVALUE_ISO], char **own,
			  size_t *ret_len, bool *ret_bad);

#endif
