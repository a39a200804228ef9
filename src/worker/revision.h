/*
 * Folders of a dataset's revisions: "datasets/<id>/<revision>-<who>-<attempt>", two at work at once
 * never share one.
 */
#ifndef SLIPWAY_WORKER_REVISION_H
#define SLIPWAY_WORKER_REVISION_H

#include "worker/worker.h"

/* A file of the job's output, durable, under its name in FOLDER. */
enum err revision_move_in(struct work *, const char *folder, const char *from_name,
			  const char *to_name);
/* "data.tif" or "data.gpkg", by the type of the job's ITEM.  Static. */
const char *revision_data_name(const json_object *item);
/*
 * FOLDER, new and empty, with all files of ITEM but its data: map and thumbnail.
 * What a crashed attempt left there is not ours to keep.
 */
enum err revision_begin(struct work *, const char *folder, const json_object *item);
/*
 * FOLDER is dataset ID's content now.  The revision just REPLACED stays for the sweep, an hour:
 * whoever asked for it a moment ago still reads it.  Those before it go, and what earlier attempts
 * at this one left, whose names begin with ATTEMPTS.
 */
void revision_drop_earlier(struct worker *, int64_t id, int64_t replaced, const char *folder,
			   const char *attempts);

#endif
