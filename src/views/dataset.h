/*
 * The pages of one dataset, between the views that share them.
 */
#ifndef SLIPWAY_VIEWS_DATASET_H
#define SLIPWAY_VIEWS_DATASET_H

#include "views/wizard.h"

/*
 * The dataset of the route's "id", if the caller may see it: else ERR_NOT_FOUND with its problem.
 * Caller frees.
 */
enum err dataset_find(struct call *, json_object **ret);
/* Its page.  EDITING: with the forms open.  Takes D. */
enum err dataset_page(struct call *, json_object *d, int status, bool editing);
/*
 * What the forms of the page need, as "edit" and "directory" of the page's MODEL; D still has its
 * permissions.
 */
void dataset_edit_model(struct call *, const json_object *d, json_object *model);

#endif
