/*
 * Groups of users.  A group: {"v","name","id","created"}; who belongs to it stands in the users'
 * records as "groups":
 * ["<name>",…].  Whoever deletes a group first takes its name out of what is shared
 * (catalog_forget), so that a new group of that name starts with nothing.
 */
#ifndef SLIPWAY_STORE_GROUPS_H
#define SLIPWAY_STORE_GROUPS_H

#include "store/users.h"

/* Inside a pass. */

/* Errors: ERR_BAD_REQUEST (name: as a user's), ERR_CONFLICT. */
enum err groups_add(struct pass *, const char *name, int64_t now_ms);
enum err groups_get(struct pass *, const char *name, json_object **ret); /* caller frees */
enum err groups_by_id(struct pass *, int64_t id, json_object **ret);	 /* caller frees */
/* All, by name: with "members":[names].  Caller frees. */
enum err groups_list(struct pass *, json_object **ret);
/* With its members' memberships.  ERR_NOT_FOUND. */
enum err groups_delete(struct pass *, const char *name);
/*
 * Already so is fine.
 * Errors: ERR_NOT_FOUND: group or user; ERR_TOO_LARGE: GROUPS_PER_USER, or their names together too
 * long.
 */
enum err groups_join(struct pass *, const char *group, const char *user);
enum err groups_leave(struct pass *, const char *group, const char *user);
/* The names in a user's record, one a line, into TO of SIZE bytes: what struct viewer takes. */
void groups_of(const json_object *user, char *to, size_t size);

#define GROUPS_PER_USER 32    /* each is a range of its own in every list (catalog/item_ask.h) */
#define GROUPS_MAX	10000 /* of a site */

#endif
