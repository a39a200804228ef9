/*
 * Which pages of other sites may use which part of the interface from a browser.
 * Source: contracts/transports.md 2; contracts/uploadtasks.md 9; contracts/security.md 3.5.
 */
#ifndef SLIPWAY_VIEWS_CORS_H
#define SLIPWAY_VIEWS_CORS_H

#include "views/ctx.h"

/*
 * What the answer says of that: an origin of cors.origins is echoed, with credentials; for
 * SuperMap's clients any other one is "*" without (compat.cors_any); else nothing.  A preflight's
 * answer, whose Allow stands already, says what may be sent. After the view, errors included.
 */
void cors_answer(struct call *);

#endif
