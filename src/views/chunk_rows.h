/*
 * The words of the upload libraries: one table.
 * Source: contracts/transports.md 6.
 */
#ifndef SLIPWAY_VIEWS_CHUNK_ROWS_H
#define SLIPWAY_VIEWS_CHUNK_ROWS_H

#include "views/chunk_dialect.h"

/*
 * One way to say where bytes belong.  A dialect may have several rows; of all rows the first whose
 * NEEDS are all there is the one.  Fields that a row does not name do not exist for it.
 */
struct chunk_row {
	enum chunk_dialect dialect;
	enum upload_mode mode;
	const char *needs[5];
	const char *number; /* of the chunk, counted from BASE */
	int64_t base;
	const char *count;   /* of chunks */
	const char *size;    /* of a regular chunk */
	const char *current; /* bytes of this chunk */
	const char *first;   /* offset of its first byte */
	const char *total;   /* bytes of the file */
	const char *name, *path;
	const char *key[6];
	bool keeps_key, restarts; /* as in struct chunk */
	bool spools;		  /* a field behind the data may make it another row's */
};

extern const struct chunk_row chunk_rows[];
extern const size_t chunk_n_rows;

#endif
