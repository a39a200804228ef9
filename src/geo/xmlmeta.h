/*
 * Title, abstract, keywords and identifier from a metadata file: ISO 19139, FGDC CSDGM, Dublin
 * Core.
 */
#ifndef SLIPWAY_GEO_XMLMETA_H
#define SLIPWAY_GEO_XMLMETA_H

#include "base/json.h"

/*
 * {"title","abstract","keywords":[…],"uuid"} with what was found; NULL: nothing.  Owns: caller
 * frees.
 */
json_object *xmlmeta_read(const char *path);

#endif
