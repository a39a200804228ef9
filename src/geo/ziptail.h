/*
 * The end of a zip: where its directory lies.  One end record, nothing between it and the
 * directory.
 * Source: PKWARE APPNOTE 6.3.9, 4.3.14-4.3.16.
 */
#ifndef SLIPWAY_GEO_ZIPTAIL_H
#define SLIPWAY_GEO_ZIPTAIL_H

#include <stdint.h>
#include "base/err.h"

struct zip_tail {
	int64_t entries;  /* as counted by the end record */
	int64_t dir_at;	  /* offset of the central directory */
	int64_t dir_size; /* bytes; at most 1 KiB per entry and 64 MiB */
};

/* Errors: ERR_BAD_REQUEST, code zip_invalid or zip_entries. */
enum err zip_tail_read(int fd, struct zip_tail *ret, struct error *);

static inline uint32_t zip_le16(const unsigned char *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}
static inline uint32_t zip_le32(const unsigned char *p)
{
	return zip_le16(p + 2) << 16 | zip_le16(p);
}
static inline uint64_t zip_le64(const unsigned char *p)
{
	return (uint64_t)zip_le32(p + 4) << 32 | zip_le32(p);
}

#endif
