/*
 * A problem is what a user is told: a stable code, where, and the values a sentence needs.  C knows
 * no sentences: they stand in templates/text.<lang> under "problem.<code>" and are filled in at the
 * edge.
 *
 *   {"code":"csv_not_numeric","field":"lat","file":"cities.csv","layer":null,"row":2,"line":2,
 *    "column":"name","value":"Beijing","args":{"count":3}}
 *
 * Members other than code are optional.  Values are the user's own words, raw; escaping is the
 * printer's.
 */
#ifndef SLIPWAY_BASE_PROBLEM_H
#define SLIPWAY_BASE_PROBLEM_H

#include "base/json.h"

/* Owns: caller frees with json_object_put. */
json_object *problem_new(const char *code);

/* Set a member (field, file, layer, column, value: text; row, line: int) and return P. */
json_object *problem_str(json_object *p, const char *member, const char *value);
json_object *problem_int(json_object *p, const char *member, int64_t value);
/* Set a value inside "args" for the sentence's other placeholders, e.g. {count}, {limit}. */
json_object *problem_arg(json_object *p, const char *name, const char *value);
json_object *problem_arg_int(json_object *p, const char *name, int64_t value);

/* Append P to the array *LIST (made when NULL).  Takes P. */
void problems_add(json_object **list, json_object *p);
const char *problem_code(const json_object *p);
bool problems_have(const json_object *list, const char *code);

#endif
