/*
 * Where a request points: the mount, and the path below it.
 * Source: front-ends.md 3; the variable SLIPWAY_MOUNT says the same as server.mount.
 */
#ifndef SLIPWAY_HTTP_PATH_H
#define SLIPWAY_HTTP_PATH_H

#include "http/request.h"

/*
 * Find mount, path and raw path from what the web server says.
 * Owns:   caller frees the three, also after an error: they are never NULL.
 * Errors: ERR_BAD_REQUEST: "..", NUL, broken escapes; ERR_NOT_FOUND outside server.mount;
 *         ERR_INTERNAL when only server.mount could tell.
 */
enum err path_find(struct wire *, const struct config *, char **ret_mount, char **ret_path,
		   char **ret_raw, struct error *error);

/* Merge "//", drop "."; false for "..".  In place. */
bool path_normalise(char *path);

#endif
