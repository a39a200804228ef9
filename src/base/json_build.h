/*
 * json-c's objects out of a text that json_scan has passed, sooner than by json-c's own parser.
 */
#ifndef SLIPWAY_BASE_JSON_BUILD_H
#define SLIPWAY_BASE_JSON_BUILD_H

#include "base/json.h"

/*
 * The value of TEXT, LEN bytes from its first character; the grammar is taken for granted.  Members
 * named WITHOUT (NULL: none) are passed over wherever they are.
 * Owns:   caller frees *RET; NULL is the word null.
 * Errors: ERR_BAD_REQUEST when an object has two members of one name: all that json_scan lets by.
 */
enum err json_build(const char *text, size_t len, const char *without, json_object **ret);

#endif
