/*
 * The text encoding of a dBASE file.
 * Source: contracts/wizard.md 17.2.
 */
#ifndef SLIPWAY_GEO_ENCODING_H
#define SLIPWAY_GEO_ENCODING_H

#include "geo/source.h"

struct encoding {
	const char *charset; /* canonical; static */
	const char *source;  /* "user", "cpg", "dbf", or as charset_guess_end; static */
	/* what was declared but does not decode the bytes; NULL = nothing; static */
	const char *overruled;
	size_t bad; /* values the charset does not decode either */
};

/*
 * CHOSEN: a literal choice of the user, NULL = none.  CPG may be NULL.
 */
void encoding_of_dbf(const char *dbf, const char *cpg, const char *chosen, struct encoding *ret);
/* What GDAL's converter calls CHARSET.  Static. */
const char *encoding_for_gdal(const char *charset);

#endif
