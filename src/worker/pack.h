/*
 * Several files as one zip, for downloading a bundle as it came.  The same files always make the
 * same bytes. Source: contracts/datas.md 10.
 */
#ifndef SLIPWAY_WORKER_PACK_H
#define SLIPWAY_WORKER_PACK_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct pack_member {
	char *name; /* inside the zip: UTF-8, no folders */
	char *path; /* of the file, below AT */
};

/*
 * Write MEMBERS, which are sorted by name here, to the new file OUT; fsynced.  Stored, not
 * deflated: geodata is packed for its name and its digest. Errors: ERR_TOO_LARGE: over what a plain
 * zip can say (4 GiB, 65535 files); ERR_IO, ERR_NO_SPACE.
 */
enum err pack_zip(int at, const char *out, struct pack_member *members, size_t n, int64_t *ret_size,
		  char ret_md5[33], struct error *);
/* MD5 and size of a file. */
enum err pack_digest(int at, const char *path, int64_t *ret_size, char ret_md5[33], struct error *);

#endif
