/*
 * The private folder of one `slipway serve`: socket, web server's configuration, pid files.  It
 * goes when its owner ends; what one that was killed left is removed by the next one on the same
 * data.
 */
#ifndef SLIPWAY_ADMIN_SERVE_DIR_H
#define SLIPWAY_ADMIN_SERVE_DIR_H

#include <stddef.h>

#include "base/err.h"

struct serve_dir {
	char path[80]; /* short: a socket's address holds 107 bytes; "" = none */
	char note[16]; /* "serve-XXXXXX" in DATA_DIR/run: locked while its owner lives */
	int lock;
};

#define SERVE_DIR_PLACES 2 /* /tmp, and where that takes nothing, below data_dir */

/*
 * A new one in the place of this number.
 * Errors: ERR_NO_SPACE, ERR_STORE, ERR_IO: it cannot be made there.
 */
enum err serve_dir_make(const char *data_dir, size_t place, struct serve_dir *ret,
			struct error *error);
void serve_dir_remove(const char *data_dir, struct serve_dir *);

/*
 * What owners that are no more left: their folders, and bodies the web server had put aside in
 * DATA_DIR/tmp.
 */
void serve_dir_sweep(const char *data_dir);

#endif
