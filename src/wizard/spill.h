/*
 * A session's record is at most 1 MiB in the store; what inspection found of wide or many layers is
 * larger.  Then the layers stand in a file beside the session, and the record names it.
 * Source: contracts/store.md 5 ("long lists go to files").
 */
#ifndef SLIPWAY_WIZARD_SPILL_H
#define SLIPWAY_WIZARD_SPILL_H

#include "base/config.h"
#include "wizard/session.h"

/* Bytes of JSON the layers may have inside the record. */
#define SPILL_BYTES (128 * 1024)

/*
 * Write the layers to <data_dir>/sessions/<id>/layers-<n>.json when they are too long; n is new
 * each time.
 */
enum err spill_write(const struct config *, struct session *, struct error *);
/* Put the layers back into the document after it was read. */
enum err spill_load(const struct config *, struct session *, struct error *);
/* The record to store: the document without spilled layers.  Caller frees. */
json_object *spill_record(struct session *, int64_t now_ms);
/* The session's own folder below data_dir: "sessions/7".  Caller frees. */
char *session_folder(int64_t id);

#endif
