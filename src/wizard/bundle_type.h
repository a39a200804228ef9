/*
 * What file names mean: main files of each kind and the files beside them.  Shared by the
 * bundle_*.c files.
 */
#ifndef SLIPWAY_WIZARD_BUNDLE_TYPE_H
#define SLIPWAY_WIZARD_BUNDLE_TYPE_H

#include "wizard/bundle.h"

struct main_type {
	const char *ext; /* lower case, without dot */
	enum kind kind;
	const char *driver; /* only when the administrator enabled this driver, NULL = always */
	const char *magic;  /* what the first bytes may be, separated by blanks */
};

struct side_type {
	const char *ext;
	uint32_t kinds; /* 1 << KIND_…: whose bundles it may belong to */
	bool required;
	bool any_stem;	   /* belongs to the only bundle whatever its stem */
	const char *magic; /* NULL = not looked at */
};

/* A name taken apart.  All owned but the types. */
struct name_parts {
	char *folder;		      /* "" or "a/b/", folded */
	char *stem;		      /* as written */
	char *key;		      /* folder and folded stem: equal = same bundle */
	char *ext;		      /* lower case, "" = none */
	const struct main_type *main; /* NULL = not one */
	const struct side_type *side; /* NULL = not one */
};

void name_parts_init(const char *name, const char *extra_drivers, struct name_parts *ret);
void name_parts_done(struct name_parts *);

extern const struct side_type bundle_sides[]; /* ends with ext NULL */

/* ".shp, .csv, …" without side files: what a sentence can hold.  Caller frees. */
char *bundle_main_extensions(const char *extra_drivers);
/* For a format we do not read: the one to save as ("xlsx"), NULL = unknown format. */
const char *bundle_save_as(const char *ext);
/* Is EXT an archive other than those we treat as documents? */
bool bundle_is_archive(const char *ext);

#endif
