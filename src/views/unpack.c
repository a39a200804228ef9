/*
 * An archive for the file area unpacked by slipway-geo in its jail: the front starts it, waits, and
 * believes nothing it says but that it ended well.
 * Source: contracts/uploadtasks.md 6.5.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "views/uploadtask.h"
#include "wizard/message.h"

#define READY_MS 15000 /* loading GDAL takes a tenth of a second on an idle machine */
#define FRAME_MS 10000 /* for the rest of a frame that has begun */
#define SLICE_MS 500   /* between two looks whether we are to stop */
#define SLOT_MS	 50    /* between two tries for a slot */
#define FILE_IN	 "in/1.zip"

static enum err fail(struct call *call, enum err err, const char *code)
{
	return call_fail(call, err, problem_new(code));
}

/* The job's folder: in/ with the archive, out/ for what comes of it. */
static enum err make_folder(struct call *call, struct area_work *work,
			    const struct upload_info *info)
{
	CLEAN_FD int data = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);

	/* What an attempt before a crash left. */
	(void)fs_remove_tree(work->dir, "in", NULL);
	(void)fs_remove_tree(work->dir, "out", NULL);
	if (data < 0 || mkdirat(work->dir, "in", 0700) != 0 || mkdirat(work->dir, "out", 0700) != 0)
		return error_errno(&call->error, ERR_IO, "make a job's folder");
	return fs_link_or_copy(data, info->path, work->dir, FILE_IN, &call->error);
}

static json_object *job_of(const struct config *c, const struct upload_info *info,
			   const char *label)
{
	json_object *job = json_object_new_object(), *files = json_object_new_array();
	json_object *file = json_object_new_object(), *limits = json_object_new_object();
	const char *slash = strrchr(label, '/');

	json_set_int(file, "n", 1);
	json_set_str(file, "name", slash != NULL ? slash + 1 : label);
	json_set_str(file, "path", "1.zip");
	json_set_int(file, "size", info->length);
	json_object_array_add(files, file);
	json_set_int(limits, "zip_max_entries", c->zip_max_entries);
	json_set_int(limits, "zip_max_bytes", c->iserver_unzip_bytes);
	json_set_int(limits, "zip_max_ratio", c->zip_max_ratio);
	json_set_int(limits, "zip_name_bytes", c->zip_name_bytes);
	json_set_int(limits, "zip_depth", c->zip_depth);
	json_set_int(limits, "upload_min_free", c->upload_min_free);
	json_set_int(limits, "jail_memory", c->jail_memory);
	json_set_int(limits, "iserver_unzip_s", c->iserver_unzip_s);
	json_set_int(limits, "output_max_bytes", c->iserver_unzip_bytes);
	json_set_str(job, "type", "job");
	json_set_str(job, "task", "unpack");
	json_set(job, "files", files);
	json_set_str(job, "names", c->iserver_zip_names);
	json_set_str(job, "denied", c->iserver_denied);
	return json_set(job, "limits", limits);
}

/* How the job says that the archive will not do. */
static enum err refused(struct call *call, json_object *frame)
{
	static const struct {
		const char *code;
		enum err err;
	} codes[] = {
	    {"zip_entries", ERR_TOO_LARGE}, {"zip_too_big", ERR_TOO_LARGE},
	    {"zip_ratio", ERR_TOO_LARGE},   {"disk_full", ERR_NO_SPACE},
	    {"inspect_failed", ERR_IO},
	};
	json_object *problem;

	if (message_check_failed(frame, &call->error) != ERR_OK)
		return fail(call, ERR_INTERNAL, "unzip_failed");
	problem = json_at(json_arr(frame, "problems"), 0);
	if (problem == NULL)
		return fail(call, ERR_INTERNAL, "unzip_failed");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(problem_code(problem), codes[i].code) == 0)
			return codes[i].err == ERR_IO
				   ? fail(call, ERR_IO, "unzip_failed")
				   : call_fail(call, codes[i].err, json_object_get(problem));
	return call_fail(call, ERR_BAD_REQUEST, json_object_get(problem));
}

/* ---- slots: as many jobs at once, in all processes, as the site gives its worker */

/*
 * A lock on a byte of locks/unpack, which ends with its process; -1: UNTIL came first, or our own
 * end.
 */
static int take_slot(struct call *call, int64_t until)
{
	const struct config *c = call->ctx->config;
	int64_t n = c->tasks_total > 0 ? c->tasks_total : sysconf(_SC_NPROCESSORS_ONLN);
	CLEAN_FREE char *path = mem_printf("%s/locks/unpack", c->data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	while (fd >= 0 && fs_lock_one(fd, 0, n > 0 ? n : 1) < 0) {
		if (clock_mono_ms() >= until || transport_stopping()) {
			(void)close(fd);
			return -1;
		}
		clock_sleep_ms(SLOT_MS);
	}
	return fd;
}

/* ---- what the job says */

static int left_ms(int64_t until)
{
	int64_t left = until - clock_mono_ms();

	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

/* The jail stands and is as tight as the site wants it. */
static enum err wait_ready(struct call *call, struct child *child)
{
	CLEAN_JSON json_object *frame = NULL;
	enum err err = child_receive(child, READY_MS, &frame, &call->error);

	if (err == ERR_OK && strcmp(json_str(frame, "type", ""), "ready") == 0 &&
	    json_int(frame, "level", 0) >= call->ctx->config->jail_min_level)
		return ERR_OK;
	return fail(call, ERR_UNAVAILABLE, "jail_unavailable");
}

/* The job has something to say.  ERR_STOPPING: it is not waited for any longer. */
static enum err wait_frame(struct call *call, const struct child *child, int64_t until)
{
	struct pollfd p = {.fd = child->from, .events = POLLIN};

	for (;;) {
		int left = left_ms(until);

		if (poll(&p, 1, left < SLICE_MS ? left : SLICE_MS) > 0)
			return ERR_OK;
		if (transport_stopping())
			return error_set(&call->error, ERR_STOPPING, "stopping");
		if (left == 0)
			return ERR_TIMEOUT;
	}
}

/* One frame; *RET_MORE: it was not the last. */
static enum err take_frame(struct call *call, struct child *child, int64_t until, bool *ret_more)
{
	CLEAN_JSON json_object *frame = NULL;
	enum err err = wait_frame(call, child, until);

	if (err == ERR_OK)
		err = child_receive(child, FRAME_MS, &frame, &call->error);
	const char *type = err == ERR_OK ? json_str(frame, "type", "") : "";

	*ret_more = strcmp(type, "progress") == 0;
	if (err != ERR_OK || *ret_more || strcmp(type, "result") == 0)
		return err;
	return strcmp(type, "failed") == 0 ? refused(call, frame)
					   : fail(call, ERR_INTERNAL, "unzip_failed");
}

/* From "ready" to the result. */
static enum err talk(struct call *call, struct child *child, const json_object *job, int64_t until)
{
	enum err err = wait_ready(call, child);
	bool more = true;

	if (err == ERR_OK)
		err = child_send(child, job, &call->error);
	while (err == ERR_OK && more)
		err = take_frame(call, child, until, &more);
	/* Silent for too long, or killed at its own limit of seconds. */
	if (err == ERR_TIMEOUT || (err == ERR_CUT && left_ms(until) == 0))
		return fail(call, ERR_IO, "unzip_timeout");
	return err == ERR_CUT ? fail(call, ERR_IO, "unzip_failed") : err;
}

enum err unpack_archive(struct call *call, struct area_work *work, const struct upload_info *info,
			const char *label)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *program = mem_printf("%s/slipway-geo", c->program_dir);
	CLEAN_FREE char *folder = area_work_path(work);
	CLEAN_JSON json_object *job = job_of(c, info, label);
	char option[] = "--job";
	char *argv[] = {program, option, folder, NULL};
	int64_t until = clock_mono_ms() + c->iserver_unzip_s * 1000;
	struct child child;
	enum err err = make_folder(call, work, info);
	CLEAN_FD int slot = err == ERR_OK ? take_slot(call, until) : -1;

	if (err == ERR_OK && slot < 0)
		err = transport_stopping() ? error_set(&call->error, ERR_STOPPING, "stopping")
					   : fail(call, ERR_IO, "unzip_timeout");
	if (err == ERR_OK)
		err = child_start(program, argv, false, &child, &call->error);
	if (err != ERR_OK)
		return err;
	err = talk(call, &child, job, until);
	if (err == ERR_OK)
		child_finish(&child, 1000, NULL);
	else
		child_end(&child, NULL);
	return err;
}
