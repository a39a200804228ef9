/*
 * Who Slipway runs as: never with root's powers.
 * Source: contracts/security.md 3.9, store.md 11.
 */
#ifndef SLIPWAY_ADMIN_PRIVILEGE_H
#define SLIPWAY_ADMIN_PRIVILEGE_H

#include "base/config.h"

/*
 * When started by root: become the owner of the data directory; for a directory that is root's (or
 * new) and GIVE, hand it to www-data first.  Where that user cannot reach directory or programs,
 * stay uid 0 without any capability:
 * root's own files, and nobody's else.
 * Errors: ERR_IO.
 */
enum err privilege_drop(const struct config *, bool give, struct error *);

#endif
