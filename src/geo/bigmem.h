/*
 * A growing block of memory that moves into an unlinked file once it is big: what must be kept per
 * feature then costs address space and disk, which have limits, and not the machine's memory.
 */
#ifndef SLIPWAY_GEO_BIGMEM_H
#define SLIPWAY_GEO_BIGMEM_H

#include <stddef.h>
#include "base/err.h"

#define BIGMEM_BOUND ((size_t)96 << 20) /* bytes kept in ordinary memory */

struct bigmem {
	void *p;	  /* the block; moves when it grows */
	size_t cap;	  /* bytes usable */
	int fd;		  /* its file, -1 = ordinary memory */
	const char *path; /* where the file would be made; borrowed */
};

/* PATH: a name that may be created beside the output; it is unlinked at once.  Nothing is taken
 * yet. */
void bigmem_init(struct bigmem *, const char *path);
/*
 * Make at least SIZE bytes usable; new bytes are zero in a file, undefined otherwise.
 * Errors: ERR_NO_SPACE, ERR_IO; the block stays as it was.
 */
enum err bigmem_reserve(struct bigmem *, size_t size, struct error *);
void bigmem_done(struct bigmem *);

#endif
