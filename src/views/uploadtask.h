/*
 * One upload task of SuperMap's file manager in the hands of a request: shared by its views.
 * Source: contracts/uploadtasks.md.
 *
 *   uploadtasks.c         the collection: list, create       uploadtask.c       one: look, send
 *   uploadtask_state.c    what is going on with it           uploadtask_send.c  its file arrives
 *   uploadtask_finish.c   the file is whole: placed, unpacked, or given up
 */
#ifndef SLIPWAY_VIEWS_UPLOADTASK_H
#define SLIPWAY_VIEWS_UPLOADTASK_H

#include "area/area.h"
#include "views/file_body.h"
#include "views/views.h"

#define TASK_KEEP_MS(config) ((config)->iserver_task_keep_s * 1000)

struct uploadtask {
	struct call *call;
	char name[66];	     /* as clients know it: installation id, '_', own id */
	json_object *record; /* as stored; owned */
};

/*
 * The task that the path names, for the caller alone (an administrator may LOOK at everybody's).
 * Owns:   caller calls uploadtask_done.
 * Errors: ERR_NOT_FOUND with its problem; the store's.
 */
enum err uploadtask_load(struct call *, bool look, struct uploadtask *ret);
void uploadtask_done(struct uploadtask *);
/* Read the record again: somebody else changed it. */
enum err uploadtask_reload(struct uploadtask *);
/* Store the record when "upload" is still EXPECTED in the store: ERR_CONFLICT otherwise. */
enum err uploadtask_store(struct uploadtask *, enum pass_kind, const char *expected);

/* ---- what is going on */

enum task_state {
	TASK_NEW,	      /* no byte yet */
	TASK_UPLOADING,	      /* bytes come, or it is being placed */
	TASK_UPLOADING_ERROR, /* interrupted: to be resumed */
	TASK_COMPLETED,
	TASK_ERROR, /* to be started anew */
	TASK_STATE__MAX
};

struct task_look {
	enum task_state state;
	int64_t count;	  /* bytes received, -1 = not to be told */
	char md5[33];	  /* of them, "" = not to be told */
	int64_t progress; /* hundredths of a percent */
};

/*
 * MD5: the digest of an interrupted file, too, which after a crash is read once.
 * Errors: ERR_NOT_FOUND: its upload has expired; the engine's.
 */
enum err uploadtask_look(struct uploadtask *, bool md5, struct task_look *ret);
/* Members path, progress, taskID. */
json_object *uploadtask_model(const struct uploadtask *, const struct task_look *);

/* ---- made and made anew (uploadtasks.c) */

/* The engine's upload for a task; owns as upload_create. */
enum err uploadtask_create_upload(struct call *, const char *path, int64_t size,
				  struct upload **ret);
/* Room for SIZE bytes (-1 = not known) in an area with a file system of its own?  ERR_NO_SPACE. */
enum err uploadtask_room(struct call *, const struct area *, int64_t size);
/* When the record of an open task may go. */
int64_t uploadtask_end(const struct call *, int64_t now);

/* ---- a file arrives */

view_fn uploadtask_send; /* POST of one: uploadtask_send.c */

/* What the request says about it. */
struct task_file {
	char *path; /* target below the area; owned */
	bool overwrite, unzip;
};

/*
 * The bytes of U are whole: size and digest, then placed as FILE says; the answer stands in the
 * reply.  The caller holds U's lock and closes it.
 * Errors: ERR_CUT: fewer bytes than announced, all kept; others: the task is in state ERROR, its
 *         bytes are gone.
 */
enum err uploadtask_finish(struct uploadtask *, struct upload *u, const struct area *,
			   const struct task_file *);
/* State ERROR; the bytes of U (may be NULL) go.  MD5: what they really had, NULL = not known. */
void uploadtask_give_up(struct uploadtask *, struct upload *u, const char *md5);

/*
 * The archive INFO unpacked in the jail into WORK's "out/tree".
 * Errors: ERR_BAD_REQUEST, ERR_TOO_LARGE, ERR_NO_SPACE with the job's problem; ERR_IO after
 *         iserver.unzip_timeout; ERR_UNAVAILABLE.
 */
enum err unpack_archive(struct call *, struct area_work *, const struct upload_info *,
			const char *label);

/* How the client is told PATH, or where the file lies.  Caller frees. */
char *uploadtask_shown(const struct uploadtask *, const char *path);

#endif
