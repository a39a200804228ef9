/*
 * Tasks of kind "assemble": parts of an upload joined, long files hashed.  No jail: the bytes are
 * copied, not read.
 */
#include "worker/worker.h"

static bool on(void *arg, int64_t done, int64_t total)
{
	struct work *work = arg;
	CLEAN_JSON json_object *progress = json_object_new_object();
	json_set_str(progress, "message", "assembling");
	json_set_int(json_set_int(progress, "done", done), "total", total);
	return !work->w->stop && work_beat(work, progress);
}

void work_assemble(struct work *work)
{
	const char *id = json_str(json_obj(work->task, "spec"), "upload", "");
	enum err err = upload_assemble(work->w->engine, id, on, work, &work->error);

	if (err == ERR_STOPPING || err == ERR_BUSY || err == ERR_SHORT || err == ERR_LOCKED)
		work->lost = true; /* whoever claims it next tries again */
	else if (err == ERR_NO_SPACE || err_is_ours(err))
		problems_add(&work->problems,
			     problem_new(err == ERR_NO_SPACE ? "disk_full" : "internal"));
	/* Deleted meanwhile, or not what was promised: the upload says so itself. */
}
