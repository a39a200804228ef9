/*
 * A small XML body as JSON:
 * <Object><fileName>a.csv</fileName><tags><string>x</string></tags></Object> becomes
 * {"fileName":"a.csv","tags":["x"]}.  All values are text; an empty element is null.
 */
#ifndef SLIPWAY_HTTP_XMLBODY_H
#define SLIPWAY_HTTP_XMLBODY_H

#include "base/json.h"

/*
 * A root called "list" is an array, every other one an object; below it the children's names
 * decide: those of values ("string", "int", …) and of classes ("DataItem") make an array, others
 * are members; text alone is a string. Attributes are ignored. Owns:   caller frees *RET. Errors:
 * ERR_BAD_REQUEST: not well-formed, a DOCTYPE or an entity of one's own, a member twice;
 *         ERR_TOO_LARGE over LIMITS.
 */
enum err xmlbody_read(const char *text, size_t len, const struct json_limits *limits,
		      json_object **ret);

#endif
