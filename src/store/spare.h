/*
 * Descriptors kept in reserve for Berkeley DB, so that none is missing inside the gate: there it
 * would sleep for twelve seconds in front of everybody, and then fail in the middle of a pass.
 */
#ifndef SLIPWAY_STORE_SPARE_H
#define SLIPWAY_STORE_SPARE_H

#include "base/err.h"

/*
 * Before the first handle of this process: its opens take from the reserve, its closes give back.
 */
void spare_init(void);

/*
 * Outside the gate, before a pass: as many as it may need, whatever else this process has open.
 * Errors: ERR_SHORT: they are not to be had; enter nothing.
 */
enum err spare_fill(struct error *);

/* Inside, before a handle is opened: some for what we open ourselves. */
void spare_lend(void);

#endif
