/*
 * The gate GeoJSON passes before GDAL sees it: what the top-level objects are, how deep they go,
 * whether they end. One pass over the bytes in constant memory; values themselves are GDAL's
 * business.
 */
#ifndef SLIPWAY_GEO_JSONGATE_H
#define SLIPWAY_GEO_JSONGATE_H

#include <stdbool.h>
#include <stdint.h>

#define JSON_CRS_NAME 64  /* "http://www.opengis.net/def/crs/EPSG/0/4326" */
#define JSON_FOREIGN  200 /* bytes of names of members */

struct json_facts {
	const char *code;    /* NULL = fine, or "content_mismatch", "format_unreadable" */
	int64_t objects;     /* top-level ones; more than one = newline-delimited */
	bool crs_link;	     /* "crs":{"type":"link"…}: would send GDAL to a URL */
	int64_t crs_link_at; /* byte offset of that word "link", inside its quotes */
	bool crs_text;	     /* "crs":"…", which GDAL passes over */
	/* "crs":{…,"properties":{"name":"…"}}; empty = none, or longer than names are */
	char crs_name[JSON_CRS_NAME];
	/*
	 * features whose "id" is a number, which GDAL takes for a row's, or stands beside a
	 * property "id"
	 */
	int64_t lost_ids;
	int64_t huge;			/* whole numbers beyond 64 bits, which it clamps */
	char huge_first[JSON_CRS_NAME]; /* the first of them, maybe cut */
	int64_t measures; /* positions of more than three numbers, of which it reads three */
	int64_t foreign;  /* members besides RFC 7946's, which it passes over */
	char foreign_names[JSON_FOREIGN]; /* the first of them, "a, b" */
};

void json_gate_file(const char *path, struct json_facts *ret);

#endif
