/*
 * Who asks: cookie, bearer token, Basic; and the cross-site gate.
 * Source: contracts/security.md 3.3, 3.4.
 */
#ifndef SLIPWAY_VIEWS_IDENTITY_H
#define SLIPWAY_VIEWS_IDENTITY_H

#include "base/problem.h"
#include "views/ctx.h"

/*
 * Fill CALL->who.  Nobody is not an error.
 * Errors: ERR_AUTH: credentials were given and are wrong; ERR_RATE; the store's.
 */
enum err identity_find(struct call *);

/* Inside a pass: the logins that cookies of either name carry are no more. */
enum err identity_end_logins(struct pass *, const struct req *);
/* They are ended, and their cookies with them. */
enum err identity_logout(struct call *);
/* Is ORIGIN (NULL = none) one of cors.origins? */
bool identity_origin_listed(const struct call *, const char *origin);

/*
 * Before the first upload of an anonymous client: a cookie of its own, so that it alone owns what
 * it sends.
 */
void identity_keep(struct call *);

/*
 * The token for this client's forms into CALL->csrf; the cookie is set when it has none that fits.
 */
void csrf_prepare(struct call *);
/* Checks 1 to 3: does the request come from our own pages?  ERR_FORBIDDEN. */
enum err csrf_origin(struct call *);
/* Check 4: the token in field or header.  ERR_FORBIDDEN with code csrf_failed. */
enum err csrf_token(struct call *);

/* Name and password, with the failure limits; ERR_AUTH, ERR_RATE. */
enum err identity_password(struct call *, const char *name, const char *password,
			   struct principal *ret);

#endif
