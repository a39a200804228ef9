/*
 * The time step's word lists, shared by its form and its model.
 */
#ifndef SLIPWAY_WIZARD_TIME_FORM_H
#define SLIPWAY_WIZARD_TIME_FORM_H

#include "wizard/when.h"

extern const char *const time_strategies[]; /* NULL-terminated; the first is the default */
extern const char *const time_steps[];	    /* NULL-terminated */

/* "UTC" or "+08:00"; returns OUT. */
const char *time_zone_text(int minutes, char out[16]);

#endif
