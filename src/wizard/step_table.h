/*
 * Tables among layers: what the csv step is about.
 */
#ifndef SLIPWAY_WIZARD_STEP_TABLE_H
#define SLIPWAY_WIZARD_STEP_TABLE_H

#include "wizard/step.h"

/* Is LAYER delimited text or a sheet, so that the csv step is about it? */
bool step_is_table(const json_object *layer);

#endif
