/*
 * Imports into one dataset, one after the other: of two that come at once both count, and neither
 * works in vain.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "worker/worker.h"
#include "base/clock.h"

#define TRY_MS	200 /* between two looks at the lock */
#define BEAT_MS 1000

enum err work_lock(struct work *work, const char *file, int64_t id)
{
	struct flock l = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1};
	int64_t beaten = clock_mono_ms();

	work->target_fd =
	    openat(work->w->data_fd, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (work->target_fd < 0)
		return error_errno(&work->error, ERR_IO, "%s", file);
	while (fcntl(work->target_fd, F_OFD_SETLK, &l) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return error_errno(&work->error, ERR_IO, "%s", file);
		clock_sleep_ms(TRY_MS);
		if (clock_mono_ms() - beaten < BEAT_MS)
			continue;
		beaten = clock_mono_ms();
		if (!work_beat(work, NULL))
			return error_set(&work->error, ERR_BUSY, "stopped before %s %lld was free",
					 file, (long long)id);
	}
	return ERR_OK;
}

/* Rows are appended to what is there when the job begins, not to what was there when it was queued.
 */
static enum err refresh(struct work *work, json_object *target)
{
	struct viewer all = {.user = "", .admin = true};
	json_object *now = NULL;
	enum err err =
	    catalog_get(work->w->catalog, json_int(target, "dataset", 0), &all, &now, &work->error);

	if (err == ERR_NOT_FOUND)
		problems_add(&work->problems, problem_str(problem_new("dataset_unknown"), "value",
							  json_str(target, "table", "")));
	/* What replaces everything was agreed to for one revision; what adds, for any. */
	if (err == ERR_OK && strcmp(json_str(target, "mode", ""), "append") == 0) {
		json_set_str(target, "file", json_str(now, "file", ""));
		json_set_int(target, "revision", json_int(now, "revision", 1));
	}
	json_object_put(now);
	return err;
}

enum err work_target(struct work *work)
{
	json_object *target = json_obj(work->task, "target");
	enum err err = target == NULL
			   ? ERR_OK
			   : work_lock(work, "locks/datasets", json_int(target, "dataset", 0));

	return err != ERR_OK || target == NULL ? err : refresh(work, target);
}
