/*
 * From file names (and first bytes) to bundles: which files belong together, what they are, what is
 * missing.
 * Pure; used by the front for loose files and by the jail for the members of a zip.
 * Source: contracts/wizard.md 5.1, 8.3.
 */
#ifndef SLIPWAY_WIZARD_BUNDLE_H
#define SLIPWAY_WIZARD_BUNDLE_H

#include "wizard/session.h"

struct bundle_file {
	const char *name; /* display name, or path inside the zip */
	int64_t size;	  /* bytes */
	const char *head; /* first bytes (up to 64 KiB), NULL = not looked at */
	size_t head_len;
	int role;   /* out: 0 unused, 1 main file, 2 side file */
	int bundle; /* out: index of its bundle, -1 = none */
};

struct bundle {
	enum kind kind;
	char *stem;  /* as written */
	size_t main; /* index of the main file */
};

struct bundle_set {
	struct bundle *v;
	size_t n;
	enum kind kind; /* of the whole: a single bundle's kind, KIND_MULTI, KIND_ZIP … */
	/* errors: bundle_incomplete, bundle_stem_mismatch, kind_unsupported … or NULL */
	json_object *problems;
	json_object *warnings;
};

/*
 * Sort FILES into bundles.  IN_ZIP: members of an archive (folders separate, junk ignored, archives
 * inside refused).
 * EXTRA_DRIVERS as in the configuration.  Sets role and bundle of each file.  Files of a bundle
 * that have a head are checked with bundle_check_content.
 * Owns: caller calls bundle_set_done.
 */
void bundle_sort(struct bundle_file *files, size_t n, bool in_zip, const char *extra_drivers,
		 struct bundle_set *ret);
void bundle_set_done(struct bundle_set *);

/*
 * What the first bytes are: "zip gzip pdf tiff png jpeg sqlite fgb shp dbf xml json text binary
 * empty ole …".  Static.
 */
const char *bundle_magic(const char *head, size_t len);
/*
 * Does the content (magic) agree with the extension of NAME?  A problem (content_mismatch,
 * file_empty) or NULL.
 */
json_object *bundle_check_content(const char *name, int64_t size, const char *head, size_t len);

/* Is a file of this name a source, or something that goes beside one? */
bool bundle_is_accepted(const char *name, const char *extra_drivers);

/*
 * What systems and open documents leave in folders: ".DS_Store", "Thumbs.db", "~$book.xlsx", "a/" …
 */
bool bundle_is_junk(const char *name);

/*
 * The spelling of a world file's extension that GDAL looks for ("jpegw" → "jgw"); other ones as
 * they are.
 */
const char *bundle_world_ext(const char *ext);

/* Kinds as the save page lists them (8.7 "kinds").  Caller frees. */
json_object *bundle_kinds(const char *extra_drivers);
/* All accepted extensions ".shp, .zip, …" for messages and <input accept>.  Caller frees. */
char *bundle_extensions(const char *extra_drivers);

#endif
