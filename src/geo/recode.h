/*
 * XML in encodings expat (and so GDAL) does not read, GB2312 above all, and JSON that is no UTF-8,
 * made UTF-8.
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

/*
 * The same for JSON that is not valid UTF-8 when a charset was chosen, or else its mark or its
 * bytes tell UTF-16 or GB18030.  Of other bytes that do not fit UTF-8 a warning tells.
 */
enum err recode_json(struct job *, struct source *);

#endif
