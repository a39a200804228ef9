/*
 * One model, printed as JSON, RJSON (SuperMap's dialect) or XML.  Escaping verbs for every other
 * context.
 */
#ifndef SLIPWAY_HTTP_REPRESENT_H
#define SLIPWAY_HTTP_REPRESENT_H

#include <stdio.h>
#include "http/request.h"

/* Content-Type of a format, with charset. */
const char *represent_type(enum format);
/*
 * ROOT_ELEMENT is for XML: "DataItem"; "list/FileInfo" also names the objects of a bare list.
 * Owns: caller frees; *RET_LEN may be NULL.
 */
char *represent(const json_object *model, enum format, const char *root_element, size_t *ret_len);

/* Escaping verbs, one per context. */
void escape_html(FILE *, const char *s); /* text and double-quoted attribute */
void escape_url(FILE *, const char *s);	 /* one path segment or argument */
void escape_xml(FILE *, const char *s);
void escape_json(FILE *, const char *s); /* inside quotes */
char *escape_url_dup(const char *s);
char *escape_url_path_dup(const char *s); /* a whole path: slashes stay */
/* Content-Disposition: attachment; filename="ascii"; filename*=UTF-8''…  Caller frees. */
char *disposition(const char *name);
/*
 * The file name in a Content-Disposition of any type, as sent: filename* before filename.  Caller
 * frees; NULL: none.
 */
char *disposition_name(const char *value);

#endif
