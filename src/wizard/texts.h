/*
 * Text fields that save and final share, with their limits (wizard.md 8.1, 13.1).
 */
#ifndef SLIPWAY_WIZARD_TEXTS_H
#define SLIPWAY_WIZARD_TEXTS_H

#include "base/json.h"

#define TITLE_MAX    255   /* characters */
#define ABSTRACT_MAX 10000 /* characters */

/* The field, when it was sent, is UTF-8 and has at most MAX characters (else CODE); NULL. Borrowed.
 */
const char *texts_checked(const json_object *fields, const char *name, size_t max, const char *code,
			  json_object **errors);
/* keywords and tags as one list; NULL when neither was sent.  Caller frees. */
json_object *texts_keywords(const json_object *fields, json_object **errors);

#endif
