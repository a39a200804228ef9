/*
 * What a dataset's content was made with, kept with it: when new content comes for it, the pages
 * show those answers first.  A dataset's "answers", and a session's "earlier":
 *   {"geometry":"native|latlng|column|none","lat","lng","geom_column": original
 * names,"columns":[{"original","name",
 *    "type","use"}],"source":"EPSG:4326","time":{input.time}|null}
 * Nothing here decides anything: what no longer fits the file is passed over.
 */
#ifndef SLIPWAY_WIZARD_EARLIER_H
#define SLIPWAY_WIZARD_EARLIER_H

#include "wizard/columns_form.h"
#include "wizard/session.h"

/* The answers that ORDER, a layer of an import job, stands for.  Caller frees. */
json_object *earlier_answers(const struct session *, const json_object *order);

/* How LAYER gets its geometry and from which columns; false: nothing known, or the columns are not
 * there. */
bool earlier_choice(const struct session *, const json_object *layer, struct columns_choice *ret);
/* What was said about COLUMN of a file; NULL = nothing.  Borrowed. */
const json_object *earlier_column(const struct session *, const json_object *column);
/* The reference system of the coordinates; "" = not known.  Borrowed. */
const char *earlier_source(const struct session *);
/* The time step's input, when LAYER has its columns; NULL = none.  Borrowed. */
const json_object *earlier_time(const struct session *, const json_object *layer);

#endif
