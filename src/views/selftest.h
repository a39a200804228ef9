/*
 * The self-test: what this host can and cannot do.  Half of it is seen from inside (selftest_host),
 * the other half by requests from outside: a page's script or `slipway check --url` sends them, for
 * a CGI program that asked itself could wait for itself. Source: contracts/front-ends.md 5,
 * store.md 11.
 */
#ifndef SLIPWAY_VIEWS_SELFTEST_H
#define SLIPWAY_VIEWS_SELFTEST_H

#include "views/ctx.h"

/*
 * What is seen from inside: [{"id","verdict":"ok|warn|fail","title","message"}], the words in the
 * caller's language. Starts slipway-worker and slipway-geo for a moment. Owns: caller frees.
 */
json_object *selftest_host(struct call *);

/* PATH as an address below the document root that the web server names; NULL: it is not there.
 * Caller frees. */
char *selftest_below_root(const struct call *, const char *path);

#endif
