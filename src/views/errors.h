/*
 * How an error is told: every family of clients reads its own form.
 */
#ifndef SLIPWAY_VIEWS_ERRORS_H
#define SLIPWAY_VIEWS_ERRORS_H

#include "views/ctx.h"

/*
 * Print ERR into CALL->reply.  DETAILS: what is wrong as problem_details made it, at least one item
 * with
 * "code" and "message"; borrowed.
 */
typedef void error_printer(struct call *, enum err err, const json_object *details);

/* The product's own form: wizard.md 6.3 as JSON, or a page. */
error_printer errors_print_model;

/*
 * Make CALL's answer an error's: by the style of its route's row (the wizard's without one), with
 * X-Slipway-Error, Retry-After and WWW-Authenticate.
 */
void errors_answer(struct call *, enum err err);

/*
 * The headers alone, of an answer that has its own form.  QUIET: never ask for a password by a box
 * of the browser.
 */
void errors_headers(struct call *, enum err err, bool quiet);

#endif
