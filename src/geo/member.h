/*
 * Sources inside archives: members of a zip, the document of a KMZ.  Unpacked under names of ours.
 */
#ifndef SLIPWAY_GEO_MEMBER_H
#define SLIPWAY_GEO_MEMBER_H

#include "geo/archive.h"
#include "geo/kml.h"
#include "geo/source.h"

struct members {
	struct archive archive;
	struct bundle_file *files; /* one for each member, in the archive's order */
	size_t n;
};

/*
 * Open the archive at PATH (LABEL: its display name, borrowed).  Owns: caller calls members_close.
 */
enum err members_open(struct job *, const char *path, const char *label, struct members *ret);
void members_close(struct members *);
/*
 * Sort into bundles, by names and, for what may be a source, by its first bytes.  Owns: caller
 * calls bundle_set_done.
 */
enum err members_sort(struct job *, struct members *, const char *drivers, struct bundle_set *ret);
/*
 * Unpack bundle BUNDLE, whose main file is member MAIN, to out/work/ and pass it through the
 * content gate.
 */
enum err member_unpack(struct job *, struct members *, struct source *, int bundle, size_t main);
/*
 * Pass SRC, whose path is set, through the gate of its kind; a KMZ becomes the KML inside.  FIND as
 * in kml.h.
 */
enum err member_settle(struct job *, struct source *, kml_find_image *find, void *user);
/* A timeregex.properties among the members counts as the form's field when that is empty. */
void member_time_regex(struct job *, struct members *);

/* source.c's, for the above. */
enum source_side source_side_of(const char *name);
struct source *source_add(struct source_set *, enum kind, const char *stem, const char *file);

#endif
