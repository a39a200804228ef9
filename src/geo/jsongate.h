/*
 * The gate GeoJSON passes before GDAL sees it: what the top-level objects are, how deep they go,
 * whether they end. One pass over the bytes in constant memory; values themselves are GDAL's
 * business.
 */
#ifndef SLIPWAY_GEO_JSONGATE_H
#define SLIPWAY_GEO_JSONGATE_H

#include <stdbool.h>
#include <stdint.h>

#define JSON_CRS_NAME 64        /* "http://www.opengis.net/def/crs/EPSG/0/4326" */

struct json_facts {
	const char *code;       /* NULL = fine, or "content_mismatch", "format_unreadable" */
	int64_t objects;        /* top-level ones; more than one = newline-delimited */
	bool crs_link;          /* "crs":{"type":"link"…}: would send GDAL to a URL */
	int64_t crs_link_at;    /* byte offset of that word "link", inside its quotes */
	bool crs_text;          /* "crs":"…", which GDAL passes over */
	/* "crs":{…,"properties":{"name":"…"}}; empty = none, or longer than names are */
	char crs_name[JSON_CRS_NAME];
	int64_t number_ids;     /* features whose "id" is a number: GDAL takes it for a row's number */
	int64_t huge;           /* whole numbers beyond 64 bits, which it clamps */
	char huge_first[JSON_CRS_NAME]; /* the first of them, maybe cut */
};

void json_gate_file(const char *path, struct json_facts *ret);

#endif
