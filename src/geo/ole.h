/*
 * Compound files (OLE2), the file system inside an old Office document: one of its streams, read by
 * offset.  Source: [MS-CFB].
 */
#ifndef SLIPWAY_GEO_OLE_H
#define SLIPWAY_GEO_OLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ole;

/*
 * Open the compound file at PATH and read its directory.
 * Owns: caller ends it with ole_close.  NULL: it is none, or damaged.
 */
struct ole *ole_open(const char *path);
void ole_close(struct ole *);
/* Is there a storage or stream of this ASCII name, without regard to case? */
bool ole_has(const struct ole *, const char *name);
/* From now on ole_read reads this stream; false: not there, or damaged. */
bool ole_stream(struct ole *, const char *name);
/* LEN bytes at offset AT of the stream; false when it does not hold them. */
bool ole_read(struct ole *, int64_t at, void *buf, size_t len);

/* The numbers of these files are little endian. */
static inline uint16_t ole_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ole_u32(const unsigned char *p)
{
	return ole_u16(p) | (uint32_t)ole_u16(p + 2) << 16;
}

#endif
