/*
 * The step table: which kind has which steps, when a step has no page, what comes next.  Pure
 * functions.
 * Source: contracts/wizard.md 5.
 */
#ifndef SLIPWAY_WIZARD_STEP_H
#define SLIPWAY_WIZARD_STEP_H

#include "wizard/session.h"

/* How the client speaks: decides pages and status conventions (3.1). */
enum mode { MODE_HTML, MODE_STRICT, MODE_COMPAT, MODE__MAX };

/* The effective list of S into OUT; returns its length. */
size_t step_list(const struct session *s, enum step out[STEP__MAX]);
enum step get_next_step(const struct session *s, int offset);
/* STEP_ERROR when POST_TO is not in the list. */
enum step get_previous_step(const struct session *s, const char *post_to);
bool step_is_async(const struct session *s, bool async_configured);

/* May this step's URL be used for this session at all (5.3)? */
bool step_usable(const struct session *s, enum step step);
/* Must a person fill STEP (table of 5.1), as things stand? */
bool step_needs_input(const struct session *s, enum step step, enum mode mode);
/*
 * Does STEP have required input that is still missing?  First such step before LIMIT, STEP_NONE =
 * nothing missing.
 */
enum step step_missing_before(const struct session *s, enum step limit);
/*
 * Where the client is sent now: the next step that has a page or is a real stop in this mode, after
 * `completed`.
 * Covers "the save answer in JSON always names the first step" and "compat: always ready → final".
 */
enum step step_next_stop(const struct session *s, enum mode mode);
/*
 * The same as if AFTER were the last step completed: where a GET of AFTER goes that needs no input,
 * and the answer to a POST of AFTER that changed nothing.
 */
enum step step_stop_after(const struct session *s, enum step after, enum mode mode);

/*
 * The step list shown on pages: [{"step","state":"done|current|todo|skipped","url":bool}].  Caller
 * frees.
 */
json_object *step_trail(const struct session *s, enum step current);

/*
 * May S be imported without asking anybody (9.5, non_interactive)?  Fills inputs for certain
 * guesses; adds warnings.
 */
bool step_fill_certain(struct session *s);

#endif
