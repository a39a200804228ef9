/*
 * Time: text formats, eligible columns, the time step's form.  Source: contracts/wizard.md 12.
 */
#ifndef SLIPWAY_WIZARD_WHEN_H
#define SLIPWAY_WIZARD_WHEN_H

#include "wizard/session.h"

/*
 * A compiled format.  Letters of SimpleDateFormat (y M d H h m s S a Z X D, 'quoted' text) or, when
 * there is a %, of strptime (%Y %y %m %d %H %I %M %S %f %p %z %j %b %B).  In the first kind [ ]
 * encloses an optional part, as in Java's DateTimeFormatter; guessed formats use it where only some
 * values of a column have a time or a zone.
 */
struct when_format;
#define WHEN_FORMAT_MAX 63 /* bytes of a pattern */
/*
 * NULL: *RET_BAD (may be NULL) names the bad letters ("Q"); "" when the pattern is too long, has no
 * year, or a bracket or quote is not closed.  Caller frees *RET_BAD.
 */
struct when_format *when_format_new(const char *pattern, char **ret_bad);
void when_format_free(struct when_format *);
/*
 * Parse all of S (LEN bytes): ms since 1970 UTC, proleptic Gregorian, years may be negative.
 * ZONE_MIN: minutes east of UTC for values without zone.  *RET_LAST (may be NULL) is the last
 * instant of the value's own precision (end of the year, day …).
 */
bool when_parse(const struct when_format *, const char *s, size_t len, int zone_min,
		int64_t *ret_ms, int64_t *ret_last);

/*
 * Any spelling of ISO 8601 that the guess knows (date and datetime columns), without naming the
 * format.
 */
bool when_parse_iso(const char *s, size_t len, int zone_min, int64_t *ret_ms, int64_t *ret_last);
/*
 * A year of a number column: "1900", "-44", "1900.000"; -9999..9999.  *RET_LAST is the year's last
 * instant.
 */
bool when_parse_year(const char *s, size_t len, int64_t *ret_ms, int64_t *ret_last);

/* Guessing over a whole column: feed every non-empty value, then ask. */
struct when_guess;
struct when_guess *when_guess_new(void);
void when_guess_free(struct when_guess *);
void when_guess_feed(struct when_guess *, const char *s, size_t len, int64_t row);
/*
 * The COLUMN "time" object of wizard/message.h, NULL when < 80 % parse by one format.  With
 * "ambiguous" the member
 * "formats" holds both candidates.  "distinct" is exact up to 16384, then stays there.  Caller
 * frees.
 */
json_object *when_guess_end(struct when_guess *);

bool when_zone(const char *s, int *ret_minutes); /* UTC, ±HH:MM */
/* Is this COLUMN (of COUNT rows) eligible (12.1)?  0 no, 'd' date, 't' text, 'y' year. */
char when_eligible(const json_object *column);
bool when_layer_eligible(const json_object *layer);

struct time_form {
	int start, end;		   /* column indexes, -1 = none */
	char start_kind, end_kind; /* 'd' 't' 'y' */
	char start_format[64], end_format[64];
	const char *presentation;   /* LIST DISCRETE_INTERVAL CONTINUOUS_INTERVAL */
	int64_t precision_value;    /* 0 = none */
	const char *precision_step; /* NULL = none */
	int zone_min;
	json_object *errors;   /* owned; NULL = valid */
	json_object *warnings; /* owned */
};
/*
 * Check the time step's fields (12.2, 12.3) against LAYER.  FORM: {name: text or [texts]}, or what
 * time_form_input made;
 * NULL: nothing chosen.  WARNINGS may hold time_bad_rows: HTML asks for the field `confirm` then
 * (the view's business).
 */
void create_time_form(const json_object *layer, const json_object *form, struct time_form *ret);
void time_form_done(struct time_form *);
/*
 * What is stored as input.time: the normalised fields of 12.2 (time_attribute | text_attribute |
 * year_attribute, the same with end_, text_attribute_format, end_text_attribute_format,
 * presentation_strategy, precision_value (int), precision_step, time_zone), only those that say
 * something, and "layer".  create_time_form reads it back.  Caller frees.
 */
json_object *time_form_input(const struct time_form *, const json_object *layer);
/* The time page's model (12.5).  Caller frees. */
json_object *time_model(const struct session *, const json_object *layer, const json_object *form);

#endif
