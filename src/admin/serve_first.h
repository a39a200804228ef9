/*
 * A link for whoever sees the terminal of `slipway serve`, while there is no user at all.
 */
#ifndef SLIPWAY_ADMIN_SERVE_FIRST_H
#define SLIPWAY_ADMIN_SERVE_FIRST_H

#include <stdbool.h>

#include "base/config.h"
#include "base/err.h"

struct serve_first {
	char token[33]; /* of the link */
	bool needed;
};

/*
 * Is it needed?  Then its token is noted in the store.
 * Errors: of store_open and of a pass.
 */
enum err serve_first(const struct config *config, struct serve_first *ret, struct error *error);

#endif
