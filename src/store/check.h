/*
 * The parts of `check`.  Private to store/.
 */
#ifndef SLIPWAY_STORE_CHECK_H
#define SLIPWAY_STORE_CHECK_H

#include <stdarg.h>
#include <stdio.h>

#include "store/maintain.h"
#include "store/tables.h"

#define CHECK_FAMILIES 8

struct check {
	struct store *store;
	struct env copy;  /* what the store holds */
	struct env fresh; /* what should follow from its records */
	FILE *out;	  /* one line a finding */
	bool repair;
	int findings;
	bool rebuild[CHECK_FAMILIES];
};

/* Print a finding and count it. */
void check_say(struct check *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Every log file has the length it was made with. */
void check_logs(struct check *);
/*
 * Every table that was made has its file, and what was written in it: looked for in the data
 * directory and in COPY.
 */
void check_tables(struct check *, const char *copy);
/*
 * Give up the files of damaged tables that follow from others, so that they are made anew, and
 * rebuilt; and what a log that is cut has lost.
 */
enum err check_give_up(struct check *, struct error *);

/* Sessions, tasks and uploads name each other rightly. */
enum err check_references(struct check *, struct error *);
/*
 * Every upload has its file, with its size; every folder of uploads/ its record.  Mends with
 * check->repair.
 */
enum err check_files(struct check *, struct error *);

#endif
