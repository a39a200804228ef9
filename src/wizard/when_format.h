/*
 * Inside of time parsing: a pattern compiled to operations, and which optional parts of it a value
 * used.
 */
#ifndef SLIPWAY_WIZARD_WHEN_FORMAT_H
#define SLIPWAY_WIZARD_WHEN_FORMAT_H

#include "wizard/when.h"

#define WHEN_YEAR_DIGITS  8 /* more would not fit into ms in 64 bits */
#define WHEN_OPTIONAL_MAX 8 /* brackets of one pattern: with and without each is tried */

enum when_field {
	F_YEAR,
	F_YEAR2,
	F_MONTH,
	F_MONTH_NAME,
	F_DAY,
	F_DAY_OF_YEAR,
	F_HOUR,
	F_HOUR12,
	F_MINUTE,
	F_SECOND,
	F_FRACTION,
	F_AMPM,
	F_ZONE,
	F__MAX
};

enum when_op_kind { OP_LITERAL, OP_FIELD, OP_OPTIONAL, OP_END };

struct when_op {
	enum when_op_kind kind;
	enum when_field field; /* OP_FIELD */
	unsigned char min;     /* digits */
	unsigned char max;
	char literal;	   /* OP_LITERAL: one byte */
	unsigned char id;  /* OP_OPTIONAL: which bracket */
	unsigned char end; /* OP_OPTIONAL: index of its OP_END */
};

struct when_format {
	size_t n;
	struct when_op op[WHEN_FORMAT_MAX + 1];
};

struct when_match {
	int64_t ms;    /* instant, ms UTC */
	int64_t last;  /* last instant of the value's precision */
	unsigned used; /* bit i: the i-th [ of the pattern was needed */
};

bool when_format_match(const struct when_format *, const char *s, size_t len, int zone_min,
		       struct when_match *ret);

#endif
