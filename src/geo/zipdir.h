/*
 * The directory of a zip, checked whole before the first member is read: ends, local heads,
 * overlaps, names, sizes. Knows nothing of GDAL or of decompression.
 * Source: PKWARE APPNOTE 6.3.9; contracts/wizard.md 8.4; contracts/security.md A07-A12.
 */
#ifndef SLIPWAY_GEO_ZIPDIR_H
#define SLIPWAY_GEO_ZIPDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct zip_limits {
	int64_t entries;    /* members */
	int64_t bytes;	    /* sum of the declared sizes */
	int64_t ratio;	    /* declared size : packed size, for members over 1 MiB */
	int64_t name_bytes; /* of a member's name */
	int64_t depth;	    /* folders in a name */
	const char *names;  /* charset of names that are not UTF-8; NULL = GB18030 */
	bool backslash;	    /* is a slash, as in archives made on Windows; else refused */
};

struct zip_member {
	char *name;	/* UTF-8, for people and for bundles: never a path of ours */
	int64_t packed; /* bytes in the archive */
	int64_t size;	/* bytes, declared */
	int64_t at;	/* offset of the local head */
	int64_t end;	/* offset behind the packed bytes */
	uint32_t crc;
	uint16_t flags;
	uint16_t method; /* of compression: 0 stored, 8 deflated */
	bool folder;
};

struct zip_dir {
	struct zip_member *v;
	size_t n;
};

/*
 * Read and check the directory of the archive on FD.
 * Owns:   caller frees with zip_dir_done; nothing to free on error.
 * Errors: ERR_BAD_REQUEST with one of the codes zip_invalid zip_encrypted zip_entries zip_path
 *         zip_link zip_too_big zip_ratio, or zip_invalid.twice for two members of one name; the
 *         text names the member.
 */
enum err zip_dir_read(int fd, const struct zip_limits *, struct zip_dir *ret, struct error *);
void zip_dir_done(struct zip_dir *);

/* The name as people read it: UTF-8, CHARSET (NULL = GB18030) or CP437.  Owns: caller frees. */
char *zip_name_decode(const char *raw, size_t len, bool utf8_flag, const char *charset);
/*
 * A name that leads nowhere else: relative, no "..", no backslash, drive, NUL; not too long or
 * deep.
 */
bool zip_name_is_safe(const char *name, const struct zip_limits *);

#endif
