/*
 * Time: text formats, eligible columns, the time step's form.  Source: contracts/wizard.md 12.
 */
#ifndef SLIPWAY_WIZARD_WHEN_H
#define SLIPWAY_WIZARD_WHEN_H

#include "wizard/session.h"

/* A compiled format. */
struct when_format;
/* Compile SimpleDateFormat letters or strptime letters (with %).  NULL: *RET_BAD names the bad letters (caller frees). */
struct when_format *when_format_new(const char *pattern, char **ret_bad);
void when_format_free(struct when_format *);
/*
 * Parse all of S (LEN bytes): ms since 1970 UTC, proleptic Gregorian, years may be negative.  ZONE_MIN: minutes east of UTC for values without
 * zone.  *RET_LAST (may be NULL) is the last instant of the value's own precision (end of the year, day …).
 */
bool when_parse(const struct when_format *, const char *s, size_t len, int zone_min, int64_t *ret_ms, int64_t *ret_last);

/* Guessing over a whole column: feed every non-empty value, then ask. */
struct when_guess;
struct when_guess *when_guess_new(void);
void when_guess_free(struct when_guess *);
void when_guess_feed(struct when_guess *, const char *s, size_t len, int64_t row);
/* The COLUMN "time" object of wizard/message.h, NULL when < 80 % parse by one format.  Caller frees. */
json_object *when_guess_end(struct when_guess *);

bool when_zone(const char *s, int *ret_minutes);       /* UTC, ±HH:MM */
/* Is this COLUMN (of COUNT rows) eligible (12.1)?  0 no, 'd' date, 't' text, 'y' year. */
char when_eligible(const json_object *column);
bool when_layer_eligible(const json_object *layer);

struct time_form {
	int start, end;               /* column indexes, -1 = none */
	char start_kind, end_kind;    /* 'd' 't' 'y' */
	char start_format[64], end_format[64];
	const char *presentation;     /* LIST DISCRETE_INTERVAL CONTINUOUS_INTERVAL */
	int64_t precision_value;      /* 0 = none */
	const char *precision_step;   /* NULL = none */
	int zone_min;
	json_object *errors;          /* owned; NULL = valid */
	json_object *warnings;        /* owned */
};
/* FORM NULL: only the choices (for the page). */
void create_time_form(const json_object *layer, const json_object *form, struct time_form *ret);
void time_form_done(struct time_form *);
/* What is stored as input.time; caller frees. */
json_object *time_form_input(const struct time_form *, const json_object *layer);
/* The time page's model (12.5).  Caller frees. */
json_object *time_model(const struct session *, const json_object *layer, const json_object *form);

#endif
