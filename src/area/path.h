/*
 * The root rule of the file area: what a client calls a path becomes names below one directory, or
 * is refused.  Pure.
 * Source: contracts/uploadtasks.md 7.
 */
#ifndef SLIPWAY_AREA_PATH_H
#define SLIPWAY_AREA_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define AREA_PATH_MAX 1024 /* bytes of a path as given */
#define AREA_NAME_MAX 255  /* bytes of one name */
#define AREA_HIDDEN   ".slipway"
#define AREA_WORD     "${fileManagerWorkDir}"

/*
 * May a file or folder have this NAME?  DENIED: extensions with their dots, separated by blanks.
 * Errors: ERR_BAD_REQUEST, code "area_path" (too long, ours) or "area_denied" (a kind that web
 *         servers run).
 */
enum err area_name_check(const char *name, const char *denied, struct error *);

/*
 * The names below the root that GIVEN means, joined by slashes: "" = the root itself.  REAL (NULL =
 * none): the root's own path, dropped in front.
 * Owns:   caller frees *RET.
 * Errors: ERR_BAD_REQUEST, code "area_path" or "area_denied".
 */
enum err area_map(const char *given, const char *real, const char *denied, char **ret,
		  struct error *);

/*
 * NAME with number N (from 0) put in front of its extension, of a FOLDER behind its end.  Caller
 * frees.
 */
char *area_number(const char *name, bool folder, int n);

/* Does NAME fit one of FILTERS ("*.smwu;*.csv", any case)?  NULL and "" let everything through. */
bool area_filter(const char *filters, const char *name);

#endif
