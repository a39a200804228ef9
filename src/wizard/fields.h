/*
 * Fields of a form as the steps get them: {name: text or [texts]}.  A JSON body's numbers and
 * booleans count as their text, so that one set of rules serves all encodings.
 */
#ifndef SLIPWAY_WIZARD_FIELDS_H
#define SLIPWAY_WIZARD_FIELDS_H

#include "base/problem.h"

/* The field's (last) text, NULL when it was not sent.  Borrowed. */
const char *fields_text(const json_object *fields, const char *name);
/* The same; empty, "None" and "<None>" are NULL. */
const char *fields_choice(const json_object *fields, const char *name);
/* How often it was sent, and the I-th text (NULL when it is no scalar). */
size_t fields_count(const json_object *fields, const char *name);
const char *fields_at(const json_object *fields, const char *name, size_t i);
/* A boolean field, DEF when it was not sent; adds bad_boolean to *ERRORS. */
bool fields_bool(const json_object *fields, const char *name, bool def, json_object **errors);
/* Characters (code points) of S. */
size_t fields_length(const char *s);

/* The numbers of a box as an array, each printed as short as possible (41.46,
 * not 41.460000000000001).  Caller frees. */
json_object *fields_box(const double v[4]);

#endif
