/*
 * An item and the upload that fills it: the steps between them.  Shared by mycontent_file.c and
 * mycontent_upload.c.
 */
#ifndef SLIPWAY_VIEWS_MYCONTENT_FILE_H
#define SLIPWAY_VIEWS_MYCONTENT_FILE_H

#include "views/mycontent.h"

/* UPLOAD receives the item's file from now on; EXPECTED bytes of it, -1 = unknown.  ERR_CONFLICT:
 * somebody else's does. */
enum err mycontent_note_filling(struct call *, json_object *model, const char *upload,
				int64_t expected);
/* It will not: the item is as it was before. */
enum err mycontent_give_up(struct call *, const json_object *model);
/* No item needs upload ID, which is complete and was held for one. */
void mycontent_let_go(struct call *, const char *id);
/*
 * It is complete and held: it becomes the item's file, the one before goes.  META: the item's
 * dataMetaInfo from now on, NULL: as it is.
 */
enum err mycontent_settle(struct call *, json_object *model, const json_object *meta);

#endif
