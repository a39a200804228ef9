/*
 * The description of a dataset that rows were appended to.
 */
#ifndef SLIPWAY_WORKER_APPEND_H
#define SLIPWAY_WORKER_APPEND_H

#include "base/json.h"

/* M describes the new revision by what the job told of ITEM: make it speak of OLD's rows as well.
 */
void append_model(json_object *m, const json_object *old, const json_object *item);

#endif
