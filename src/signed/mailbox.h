/*
 * Addresses that result mails go to.
 * Source: contracts/signed-api.md 7.4.
 */
#ifndef SLIPWAY_SIGNED_MAILBOX_H
#define SLIPWAY_SIGNED_MAILBOX_H

#include <stdbool.h>
#include "base/json.h"

/*
 * One "@" between two texts, at most 254 bytes of UTF-8; no control characters, blanks or <>,;:".
 * DOMAINS: the only ones allowed, separated by blanks; "" = any.
 */
bool mailbox_ok(const char *address, const char *domains);
/*
 * Add the addresses of a comma-separated LIST to an array, each once, blanks around them taken
 * away. False: one is wrong, or the array holds more than MAX then.
 */
bool mailbox_list(const char *list, const char *domains, size_t max, json_object *array);

#endif
