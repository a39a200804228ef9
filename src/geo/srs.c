#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cpl_conv.h>
#include "base/mem.h"
#include "geo/source.h"
#include "geo/srs_fit.h"
#include "geo/srs_match.h"

#define FAVOURITES "EPSG:3857 EPSG:4490 EPSG:4214 EPSG:4610" /* the configuration's default */
#define MAX_WKT	   65000 /* bytes: longer ones are no definitions but attacks */
#define SURE	   90	 /* confidence of a match that is taken without a word */
#define PERHAPS	   70	 /* … that is taken and said */
#define SHOWN	   5	 /* candidates listed */

/*
 * AUTHORITY:CODE of letters, digits, '_', '-' and '.': nothing that could be a file or URL for OGR.
 */
static bool is_code(const char *s)
{
	const char *colon = strchr(s, ':');

	return colon != NULL && colon != s && colon[1] != '\0' && strlen(s) < 48 &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
		   (size_t)(colon - s) &&
	       strspn(colon + 1,
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
		   strlen(colon + 1);
}

OGRSpatialReferenceH srs_of(const char *text)
{
	OGRSpatialReferenceH srs;
	OGRErr e = OGRERR_UNSUPPORTED_SRS;
	int epsg = 0, used = 0;

	if (text == NULL || text[0] == '\0')
		return NULL;
	srs = OSRNewSpatialReference(NULL);
	if (sscanf(text, "EPSG:%9d%n", &epsg, &used) == 1 && text[used] == '\0') {
		e = OSRImportFromEPSG(srs, epsg);
	} else if (is_code(text)) {
		e = OSRSetFromUserInput(srs, text);
	} else if (strchr(text, '[') != NULL || strchr(text, '(') != NULL) {
		char *p, *copy = mem_strdup(text);

		p = copy;
		/* Old ESRI texts are WKT too, with names of their own. */
		e = OSRImportFromWkt(srs, &p);
		if (e == OGRERR_NONE && strstr(text, "AUTHORITY[") == NULL &&
		    strstr(text, "ID[") == NULL)
			(void)OSRMorphFromESRI(srs);
		free(copy);
	} else if (strstr(text, "+proj=") != NULL) {
		e = OSRImportFromProj4(srs, text);
	}
	if (e != OGRERR_NONE) {
		OSRRelease(srs);
		return NULL;
	}
	OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
	return srs;
}

/*
 * WKT 1 where it can say it (what other programs read), else WKT 2.  Owns: caller frees with
 * CPLFree.
 */
static char *wkt_of(OGRSpatialReferenceH srs)
{
	static const char *const wkt1[] = {"FORMAT=WKT1_GDAL", NULL}, *const wkt2[] = {
									  "FORMAT=WKT2_2019", NULL};
	char *wkt = NULL;

	if (OSRExportToWktEx(srs, &wkt, wkt1) != OGRERR_NONE || wkt == NULL || wkt[0] == '\0') {
		CPLFree(wkt);
		wkt = NULL;
		(void)OSRExportToWktEx(srs, &wkt, wkt2);
	}
	return wkt;
}

json_object *srs_json(OGRSpatialReferenceH srs)
{
	json_object *o = json_object_new_object();
	char code[48];
	char *wkt = wkt_of(srs);

	json_set_str(o, "code", srs_own_code(srs, code) ? code : NULL);
	job_set_name(o, "name", OSRGetName(srs));
	json_set_str(o, "wkt", wkt != NULL && strlen(wkt) <= MAX_WKT ? wkt : NULL);
	CPLFree(wkt);
	return o;
}

bool srs_wgs84_bounds(OGRSpatialReferenceH srs, const double extent[4], double ret[4])
{
	OGRSpatialReferenceH wgs84;
	OGRCoordinateTransformationH t;
	double b[4];
	bool fine;

	if (srs == NULL || extent == NULL || !srs_is_coordinate(extent[0]) ||
	    !srs_is_coordinate(extent[1]) || !srs_is_coordinate(extent[2]) ||
	    !srs_is_coordinate(extent[3]))
		return false;
	wgs84 = srs_of("EPSG:4326");
	t = OCTNewCoordinateTransformation(srs, wgs84);
	fine = t != NULL &&
	       OCTTransformBounds(t, extent[0], extent[1], extent[2], extent[3], &b[0], &b[1],
				  &b[2], &b[3], 21) &&
	       isfinite(b[0] + b[1] + b[2] + b[3]);
	OCTDestroyCoordinateTransformation(t);
	OSRRelease(wgs84);
	if (fine)
		memcpy(ret, b, sizeof(b));
	return fine;
}

static json_object *suggestion(OGRSpatialReferenceH srs, const char *code, const double *extent)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "code", code);
	job_set_name(o, "name", OSRGetName(srs));
	json_set_str(o, "fit", srs_fit_name(srs_fit(srs, extent, NULL)));
	return o;
}

static void suggest(json_object *list, const char *code, const double *extent)
{
	OGRSpatialReferenceH srs;
	json_object *o;

	JSON_EACH(o, list)
	if (strcmp(json_str(o, "code", ""), code) == 0)
		return;
	srs = srs_of(code);
	if (srs == NULL)
		return;
	o = suggestion(srs, code, extent);
	OSRRelease(srs);
	if (strcmp(json_str(o, "fit", ""), "impossible") == 0)
		json_object_put(o);
	else
		json_object_array_add(list, o);
}

/* Chinese surveying: eastings of 8 digits begin with the zone.  Source: contracts/wizard.md 9.4. */
static int survey_zone(const double e[4])
{
	int z = (int)(e[0] / 1e6);

	if (e[0] < 1e7 || e[2] >= 1e8 || (int)(e[2] / 1e6) != z || e[1] < 2.0e6 || e[3] > 6.0e6)
		return 0;
	return z >= 25 && z <= 45 ? 4513 + z - 25 : z >= 13 && z <= 23 ? 4491 + z - 13 : 0;
}

/* What to offer when the file says nothing: LAST, the user's last one, before all. */
static json_object *suggestions(const double *extent, const char *last, const char *favourites)
{
	json_object *list = json_object_new_array();
	CLEAN_FREE char *words = mem_strdup(favourites);
	char *rest = NULL;

	if (*last != '\0')
		suggest(list, last, extent);
	if (extent != NULL && survey_zone(extent) != 0) {
		char code[16];

		(void)snprintf(code, sizeof(code), "EPSG:%d", survey_zone(extent));
		suggest(list, code, extent);
	}
	if (extent == NULL ||
	    (extent[0] >= -180 && extent[2] <= 180 && extent[1] >= -90 && extent[3] <= 90))
		suggest(list, "EPSG:4326", extent);
	for (char *w = strtok_r(words, " ,", &rest); w != NULL; w = strtok_r(NULL, " ,", &rest))
		suggest(list, w, extent);
	return list;
}

static json_object *crs_of_match(OGRSpatialReferenceH srs, const struct srs_match *m)
{
	const struct srs_candidate *best =
	    m->n > 0 && m->v[0].confidence >= PERHAPS ? &m->v[0] : NULL;
	json_object *crs;

	if (srs == NULL) {
		crs = json_object_new_object();
		json_set_str(crs, "code", NULL);
		json_set_str(crs, "name", NULL);
		json_set_str(crs, "wkt", NULL);
	} else {
		crs = srs_json(best != NULL ? best->srs : srs);
		/* A code the definition does not live up to is not repeated. */
		json_set_str(crs, "code", best != NULL ? best->code : NULL);
	}
	json_set_str(crs, "source",
		     !m->usable	    ? "none"
		     : best == NULL ? "definition"
		     : m->by_code   ? "file"
				    : "match");
	json_set_int(crs, "confidence", best != NULL ? best->confidence : 0);
	json_set_bool(crs, "usable", m->usable);
	return crs;
}

void srs_describe(struct job *job, OGRSpatialReferenceH srs, const double extent[4],
		  const char *favourites, json_object *layer)
{
	json_object *candidates = json_object_new_array();
	struct srs_match m;

	srs_match(srs, &m);
	json_set(layer, "crs", crs_of_match(srs, &m));
	if (srs != NULL && json_get(layer, "native_crs") == NULL) {
		char *wkt = wkt_of(srs);

		json_set_str(layer, "native_crs",
			     wkt != NULL && strlen(wkt) <= MAX_WKT ? wkt : NULL);
		CPLFree(wkt);
	}
	for (size_t i = 0; i < m.n && i < SHOWN; i++) {
		json_object *o = suggestion(m.v[i].srs, m.v[i].code, extent);

		json_set_int(o, "confidence", m.v[i].confidence);
		json_object_array_add(candidates, o);
	}
	json_set(layer, "candidates", candidates);
	if (favourites == NULL)
		favourites = json_str(job->spec, "favourites", FAVOURITES);
	json_set(layer, "supported",
		 suggestions(extent, json_str(job->spec, "last_crs", ""), favourites));
	if (m.n > 0 && m.v[0].confidence >= PERHAPS && m.v[0].confidence < SURE) {
		json_object *p = problem_new("crs_uncertain"),
			    *list = json_object_get(json_arr(layer, "warnings"));

		problem_arg(p, "name", OSRGetName(m.v[0].srs));
		problem_arg_int(problem_arg(p, "crs", m.v[0].code), "confidence",
				m.v[0].confidence);
		problems_add(&list, problem_str(p, "layer", json_str(layer, "name", NULL)));
		json_set(layer, "warnings", list);
	}
	srs_match_done(&m);
}
