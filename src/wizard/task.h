/*
 * The queue's record of a session's background work (store/tasks.h): the job, and what the worker
 * needs beside it.
 *   "uploads":[ids in file order], "target": the session's target when a dataset is overwritten or
 *   appended to.
 */
#ifndef SLIPWAY_WIZARD_TASK_H
#define SLIPWAY_WIZARD_TASK_H

#include "base/config.h"
#include "wizard/session.h"

/* Inputs are frozen here: later changes of the session do not reach a queued job.  Caller frees. */
json_object *task_inspect(const struct session *, const struct config *);
json_object *task_import(const struct session *, const struct config *);

#endif
