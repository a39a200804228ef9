/*
 * Questions to slipway-geo that need no file of the user's: definitions of CRSs, how they fit an
 * extent, a preview in WGS 84.  The front starts it, asks and ends it, within seconds.  A user who
 * asks many at once waits for his own; of those that wait there may be few, too.
 */
#ifndef SLIPWAY_VIEWS_GEO_ASK_H
#define SLIPWAY_VIEWS_GEO_ASK_H

#include "views/ctx.h"

/*
 * One question (taken); *RET_ANSWER: its "result" frame, caller frees.  ERR_UNAVAILABLE,
 * ERR_TIMEOUT, ERR_RATE: too many of this user.
 */
enum err geo_ask(struct call *, json_object *question, json_object **ret_answer);
/*
 * All codes and definitions of a srs plan (wizard/srs.h); *RET: the array "answers" plus "target".
 * Caller frees.
 */
enum err geo_ask_plan(struct call *, const struct session *, const json_object *plan,
		      json_object **ret);
/* Add "fit" to each of FOUND's results for the session's first layer; best effort. */
void geo_ask_fit(struct call *, const struct session *, json_object *found);

#endif
