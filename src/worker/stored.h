/*
 * The stored file of a dataset, as its data item tells it.
 */
#ifndef SLIPWAY_WORKER_STORED_H
#define SLIPWAY_WORKER_STORED_H

#include "worker/worker.h"

/*
 * {"name","size","md5","file"} for a dataset whose files stand in FOLDER (below the data
 * directory), DATA being the result's name there; makes the zip of a bundle.  NULL: its one source
 * is it, or it could not be made.  Caller frees.
 */
json_object *stored_of(struct worker *, const char *folder, const char *data,
		       const json_object *model);

#endif
