/*
 * Who may do what with a dataset, as its model says:
 * {"users":{"<name>":["see","download"]},"groups":{…}}; "AnonymousUser" is everybody.  GeoNode's
 * words (contracts/wizard.md 13.1) are understood too.
 */
#ifndef SLIPWAY_CATALOG_SHARE_H
#define SLIPWAY_CATALOG_SHARE_H

#include "catalog/catalog.h"

#define RIGHT(r)   (1u << (r))
#define RIGHTS_ALL ((1u << DATASET_RIGHT__MAX) - 1)
#define EVERYBODY  "AnonymousUser"

/* The bits of a list of words.  Whoever may do anything may see. */
unsigned share_rights(const json_object *words);
/*
 * Make "permissions" and "access" of MODEL agree.  ACCESS_WINS: everybody's rights become those of
 * "access", else "access" is what everybody's rights amount to; a missing member follows the other.
 * Errors: ERR_BAD_REQUEST for another word or shape.
 */
enum err share_normalise(json_object *model, bool access_wins, struct error *error);

#endif
