/*
 * The gate ASCII grids pass before GDAL sees them: it takes words for zeros and whole numbers of
 * any size for 32 bits.  One pass over the bytes in constant memory.
 */
#ifndef SLIPWAY_GEO_GRIDGATE_H
#define SLIPWAY_GEO_GRIDGATE_H

#include <stdbool.h>
#include <stdint.h>

struct grid_facts {
	int64_t expected; /* cells the head promises; 0 = it does not tell */
	int64_t found;	  /* cells that are numbers, up to the first that is none */
	int64_t columns;  /* in a row */
	bool placed;	  /* it tells a corner, or the centre of the cell there */
	char bad[64];	  /* the first cell that is no number; empty = none */
	const char *type; /* GDAL's open option DATATYPE, NULL = its own choice; static */
};

void grid_gate_file(const char *path, struct grid_facts *ret);

#endif
