/*
 * What a KML document holds besides the features GDAL reads: overlays, links.  And how a KMZ
 * becomes a KML.
 * Source: OGC 12-007r2; contracts/wizard.md 8.5.
 */
#ifndef SLIPWAY_GEO_KML_H
#define SLIPWAY_GEO_KML_H

#include "geo/source.h"

struct kml_survey {
	int64_t placemarks;
	int64_t overlays;  /* GroundOverlay */
	int64_t links;	   /* NetworkLink, never followed */
	int64_t others;	   /* ScreenOverlay, PhotoOverlay */
	int64_t extended;  /* ExtendedData, which GDAL's plain driver does not read */
	int64_t foreign;   /* elements in it besides Data and SchemaData, which none does */
	int64_t values;	   /* in it that are not blank */
	int64_t times;	   /* TimeSpan and TimeStamp of placemarks: as ExtendedData */
	int64_t moments;   /* in them */
	int64_t addresses; /* address and phoneNumber of placemarks */
	int64_t tracks;	   /* placemarks with a gx:Track and no geometry it reads */
	int64_t bare;	   /* placemarks without any geometry, which it leaves out */
	int64_t spaced;	   /* "1, 2" in coordinates, of which it makes two places */
	int64_t commas;	   /* "1,2, 3,4", of which LIBKML makes one */
	char *href;	   /* Icon/href of the first overlay; owned */
	double box[4];	   /* its west, south, east, north; degrees */
	double rotation;   /* degrees, counter-clockwise */
	bool boxed;	   /* all four sides of BOX were told */
};

/* Read PATH, which has passed the XML gate.  Owns: caller frees with kml_survey_done. */
enum err kml_survey(const char *path, struct kml_survey *ret);
void kml_survey_done(struct kml_survey *);

/* Finds the image an overlay names: a path we may open, or NULL.  Owns: caller frees. */
typedef char *kml_find_image(struct job *, void *user, const char *href);
/*
 * kml_lost.c.  Of LAYER, read by LIBKML: its columns that the file tells nothing for are not to be
 * used.
 */
void kml_drop_columns(json_object *layer);

/* kml_lost.c: warn of what LIBKML, which reads SRC, passes over or changes. */
void kml_tell_lost(struct job *, const struct source *, GDALDatasetH);

/*
 * Decide whether SRC is features or one overlay, and which driver reads all of these; for an
 * overlay sets SRC->kind, overlay and side[SOURCE_IMAGE].
 * Errors: job->problems has kml_overlays, kml_image_missing or content_mismatch.
 */
enum err kml_settle(struct job *, struct source *, kml_find_image *find, void *user);

#endif
