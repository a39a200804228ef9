/*
 * The file area: one directory of placed files, or one for each user.  Everything below it is
 * opened name by name without following links; what is placed appears whole or not at all.
 *
 * Work in progress lies in <root>/.slipway/<id>/ under a lock; folders made by an unzip carry a
 * file ".slipway" with the id of what made them.  Names beginning with ".slipway" are nobody
 * else's, and no name with a dot in front is listed.
 * Source: contracts/uploadtasks.md 6.4, 7.
 */
#ifndef SLIPWAY_AREA_AREA_H
#define SLIPWAY_AREA_AREA_H

#include "area/path.h"
#include "base/config.h"
#include "base/json.h"

struct area {
	int root;   /* its directory */
	char *path; /* absolute */
	const struct config *config;
};

/*
 * The area of USER ("%u" in iserver.root), made when it is missing.
 * Owns:   caller calls area_close.
 * Errors: ERR_UNAVAILABLE, ERR_NO_SPACE; ERR_NOT_FOUND for a USER that can be no folder's name.
 */
enum err area_open(const struct config *, const char *user, struct area *ret, struct error *);
void area_close(struct area *);

/* area_map with the area's own rules; a NEED of true refuses the root. */
enum err area_target(const struct area *, const char *given, bool need, char **ret, struct error *);
/*
 * How clients are told PATH of USER's area: "${fileManagerWorkDir}/…", with a slash behind a
 * FOLDER.  Caller frees.
 */
char *area_shown(const struct config *, const char *user, const char *path, bool folder);

/*
 * Folder PATH below the root ("" = root).
 * Owns:   caller closes *RET.
 * Errors: ERR_NOT_FOUND; ERR_BAD_REQUEST (code "area_link": a link on the way); ERR_CONFLICT
 *         ("area_kind": a file where a folder is needed).
 */
enum err area_folder(const struct area *, const char *path, bool make, int *ret, struct error *);

/*
 * {"name","path" (below the root),"size","folder"} of what PATH holds, or of PATH itself when it is
 * a file: folders first, then bytewise, at most MAX.
 * Owns:   caller frees *RET.
 * Errors: as area_folder.
 */
enum err area_list(const struct area *, const char *path, const char *filters, size_t max,
		   json_object **ret, struct error *);
/* One file, link or tree.  The root: ERR_BAD_REQUEST. */
enum err area_delete(const struct area *, const char *path, struct error *);

/* ---- placing */

/*
 * Work for ID (32 hex) in the area: a folder of its own under a lock.
 * Errors: ERR_LOCKED: somebody is at it.
 */
struct area_work {
	const struct area *area;
	char id[33];
	int dir; /* -1 = none */
	int lock;
};
enum err area_work_begin(const struct area *, const char *id, struct area_work *ret,
			 struct error *);
/* Remove what is left and let go. */
void area_work_end(struct area_work *);
/* Absolute path of the work folder: for a jail's --job.  Caller frees. */
char *area_work_path(const struct area_work *);
/*
 * Remove work folders that nobody holds, untouched for an hour; and those of all areas of a site.
 */
void area_sweep(const struct area *);
void area_sweep_all(const struct config *);

/*
 * The file FROM (below FROM_AT; it stays) becomes PATH, or with a number in its name when that
 * exists and OVERWRITE is false.  A second call for the same FROM after a crash finds what the
 * first one did.
 * Owns:   caller frees *RET, where it lies.
 * Errors: those of area_folder; ERR_CONFLICT: "area_kind", "area_full" (no free number);
 *         ERR_NO_SPACE.
 */
enum err area_place_file(struct area_work *, int from_at, const char *from, const char *path,
			 bool overwrite, char **ret, struct error *);
/*
 * The tree FROM in the work folder, made by an unzip, becomes PATH.  It is gone through first: only
 * files and folders with names that may be, at most MAX_FILES and MAX_BYTES.
 * Errors: those above; ERR_CONFLICT "area_foreign": OVERWRITE would replace a folder that no unzip
 *         made and that is not empty; ERR_BAD_REQUEST, ERR_TOO_LARGE for what is wrong inside.
 */
enum err area_place_tree(struct area_work *, const char *from, const char *path, bool overwrite,
			 int64_t max_files, int64_t max_bytes, char **ret, struct error *);

#endif
