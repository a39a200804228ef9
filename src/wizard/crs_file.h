/*
 * Layout of the CRS index: written by geo/crs_export.c, mapped by wizard/crs_index.c.  One
 * machine's byte order; numbers are 32-bit, texts are offsets into one block that begins and ends
 * with NUL (offset 0 is the empty text).
 *
 *   header | areas | entries, sorted by authority, number, code | texts
 */
#ifndef SLIPWAY_WIZARD_CRS_FILE_H
#define SLIPWAY_WIZARD_CRS_FILE_H

#include <stdint.h>

#define CRS_FILE_MAGIC	 "SLIPCRS"   /* with its NUL: 8 bytes */
#define CRS_FILE_VERSION 0x00010001U /* read with the wrong byte order it is another number */

struct crs_file_header {
	char magic[8];
	uint32_t version;
	uint32_t n_entries;
	uint32_t n_areas;
	uint32_t texts_bytes;
	uint32_t source;   /* text: "PROJ 9.1.1, EPSG v10.076" */
	uint32_t reserved; /* 0 */
};

enum crs_kind {
	CRS_GEOGRAPHIC,
	CRS_PROJECTED,
	CRS_COMPOUND,
	CRS_VERTICAL,
	CRS_GEOCENTRIC,
	CRS_OTHER,
	CRS_KIND__MAX
};

struct crs_file_entry {
	uint32_t code;	      /* text "EPSG:4326" */
	uint32_t number;      /* 4326; UINT32_MAX when the code is no number */
	uint32_t name;	      /* text */
	uint32_t folded;      /* text: name, folded for searching */
	uint32_t aliases;     /* text: aliases, folded, each between two \n; "" = none */
	uint32_t unit;	      /* text: "metre" */
	uint32_t replaced_by; /* text: code, "" = none */
	uint32_t area;	      /* index of an area */
	uint8_t authority;    /* order of authorities: crs_authorities[] */
	uint8_t kind;	      /* enum crs_kind */
	uint8_t deprecated;   /* 0, 1 */
	uint8_t three_d;      /* 1: geographic 3D, which comes after the 2D one of the same name */
};

struct crs_file_area {
	uint32_t name;	   /* text */
	uint32_t folded;   /* text, for searching */
	uint32_t has_bbox; /* 0, 1 */
	uint32_t reserved; /* 0 */
	double bbox[4];	   /* west, south, east, north in degrees */
};

/* In the order in which hits are shown; an authority that is not here is not in the file. */
static const char *const crs_authorities[] = {"EPSG", "ESRI", "OGC", "IGNF", "IAU_2015"};
#define CRS_N_AUTHORITIES (sizeof(crs_authorities) / sizeof(*crs_authorities))

#endif
