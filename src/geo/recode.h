/*
 * XML in encodings expat (and so GDAL) does not read, GB2312 above all, made UTF-8.
 */
#ifndef SLIPWAY_GEO_RECODE_H
#define SLIPWAY_GEO_RECODE_H

#include "geo/source.h"

/*
 * When the document SRC->path declares such an encoding, SRC->path becomes a copy in UTF-8 below
 * out/work/.
 * Errors: job->problems filled; a document that declares nothing, or what nobody knows, is left
 *         alone.
 */
enum err recode_xml(struct job *, struct source *);

#endif
