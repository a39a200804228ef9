/*
 * Which registered CRS a file's own definition is.
 * Source: contracts/wizard.md 10.2.
 */
#ifndef SLIPWAY_GEO_SRS_MATCH_H
#define SLIPWAY_GEO_SRS_MATCH_H

#include <ogr_srs_api.h>
#include <stdbool.h>

#define SRS_CANDIDATES 8

struct srs_candidate {
	OGRSpatialReferenceH srs; /* traditional axis order */
	char code[48];		  /* "EPSG:2230" */
	int confidence;		  /* 0..100 */
};

struct srs_match {
	bool usable;  /* places coordinates on earth */
	bool by_code; /* the definition's own authority code holds */
	size_t n;     /* candidates, best first */
	struct srs_candidate v[SRS_CANDIDATES];
};

/*
 * Owns: caller calls srs_match_done; keeps nothing of SRS.  SRS may be NULL: not usable.
 */
void srs_match(OGRSpatialReferenceH srs, struct srs_match *ret);
void srs_match_done(struct srs_match *);
/* Authority and code of the root as "EPSG:4326"; false: it names none. */
bool srs_own_code(OGRSpatialReferenceH srs, char out[48]);

#endif
