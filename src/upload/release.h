/*
 * The references a consumer holds on its uploads, given back together.
 */
#ifndef SLIPWAY_UPLOAD_RELEASE_H
#define SLIPWAY_UPLOAD_RELEASE_H

#include "upload/upload.h"

/*
 * Inside the consumer's pass: give back LIST's references, items {"id","own":bool,"released":bool}.
 * Uploads the consumer made itself go with their last reference; others wait for another use.
 * Released ones are passed over.
 * Unknown ones are no error: they have gone already.
 */
enum err release_pass(struct pass *, const json_object *list);
/* After that commit: remove the files of those nobody holds any more. */
void release_files(struct engine *, const json_object *list);

#endif
