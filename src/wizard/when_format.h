/*
 * Inside of time parsing, for the guess: which optional parts of a format a value used.
 */
#ifndef SLIPWAY_WIZARD_WHEN_FORMAT_H
#define SLIPWAY_WIZARD_WHEN_FORMAT_H

#include "wizard/when.h"

struct when_match {
	int64_t ms;        /* instant, ms UTC */
	int64_t last;      /* last instant of the value's precision */
	unsigned used;     /* bit i: the i-th [ of the pattern was needed */
};

bool when_format_match(const struct when_format *, const char *s, size_t len, int zone_min, struct when_match *ret);

#endif
