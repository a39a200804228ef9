/*
 * What the file area's own files share.  Private to area/.
 */
#ifndef SLIPWAY_AREA_INSIDE_H
#define SLIPWAY_AREA_INSIDE_H

#include "area/area.h"

#define AREA_FOLDER_MODE 0750
#define AREA_FILE_MODE	 0640
#define AREA_NUMBERS	 10000 /* tried for a free name */

/* fsync, unless the site does without (upload.sync = none). */
enum err area_sync(const struct area *, int fd, struct error *);
/* A refusal with a code of ours. */
enum err area_refuse(struct error *, enum err err, const char *code);
/* The last name of PATH, borrowed; *RET_FOLDER: what is in front of it, caller frees. */
const char *area_split(const char *path, char **ret_folder);

/* Take NAME for PLACE, atomically; ERR_CONFLICT: somebody has it. */
typedef enum err area_claim_fn(void *place, const char *name);
/*
 * Claim NAME, else the first free one of its numbered names (area_number).
 * Owns: caller frees *RET_NAME.  Errors: ERR_CONFLICT with code area_full; CLAIM's.
 */
enum err area_claim_free(area_claim_fn *claim, void *place, const char *name, bool folder,
			 char **ret_name, struct error *error);

#endif
