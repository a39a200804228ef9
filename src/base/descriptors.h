/*
 * How many files a process may have open at once.
 */
#ifndef SLIPWAY_BASE_DESCRIPTORS_H
#define SLIPWAY_BASE_DESCRIPTORS_H

#include <stdint.h>

#include "base/err.h"

#define DESCRIPTORS_OWN	    96 /* store, its reserve, catalogue, sockets: whatever it does */
#define DESCRIPTORS_REQUEST 16 /* for one request, or one task, of a few files */
/* a form with 200 files has 600 open, and there are many threads */
#define DESCRIPTORS_MOST 65536

/*
 * Let this process have as many open as its host allows it, up to DESCRIPTORS_MOST; hosts begin
 * with 1024 and allow far more.  *RET_LIMIT: how many these are.
 * Errors: ERR_SHORT: too few to do anything.
 */
enum err descriptors_allow(int64_t *ret_limit, struct error *);

#endif
