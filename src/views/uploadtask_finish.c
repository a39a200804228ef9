/*
 * The file of an upload task is whole: checked, then placed or unpacked, or given up.
 * Source: contracts/uploadtasks.md 6.4, 6.5.
 */
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/upload_tasks.h"
#include "views/uploadtask.h"

void uploadtask_give_up(struct uploadtask *t, struct upload *u, const char *md5)
{
	struct call *call = t->call;
	CLEAN_FREE char *old = mem_strdup(json_str(t->record, "upload", NULL));
	struct error why = call->error;

	/* The record first: a crash in between leaves bytes that the sweep finds. */
	json_set_str(t->record, "state", "error");
	json_set_str(t->record, "upload", NULL);
	json_set_str(t->record, "md5_real", md5);
	json_set(t->record, "partial", NULL);
	json_set_int(t->record, "expires", clock_now_ms() + TASK_KEEP_MS(call->ctx->config));
	call->error = (struct error){0};
	if (uploadtask_store(t, PASS_DELETE, old) != ERR_OK)
		log_line(LOG_LEVEL_ERROR, call->req->id, "upload task: %s", call->error.text);
	if (u != NULL)
		(void)upload_remove(u, UPLOAD_INVALID, NULL);
	call->error = why;
}

/* ---- the end of a good one */

struct finish {
	json_object *record;
	const char *upload;
};

static enum err finish_pass(struct pass *p, void *arg)
{
	struct finish *f = arg;
	enum err err = upload_tasks_put(p, f->record, f->upload);

	/* The bytes have their own name now. */
	if (err == ERR_OK)
		err = upload_drop(p, f->upload);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err settle(struct uploadtask *t, const char *path, bool folder, int64_t bytes,
		       const char *md5)
{
	struct call *call = t->call;
	CLEAN_FREE char *upload = mem_strdup(json_str(t->record, "upload", ""));
	struct finish f = {t->record, upload};
	enum err err;

	/* "upload" stays: a slow starter that still believes in "none" must not find it again. */
	json_set_str(t->record, "state", "completed");
	json_set_str(t->record, "path", path);
	json_set_bool(t->record, "folder", folder);
	json_set_int(t->record, "bytes", bytes);
	json_set_str(t->record, "md5_real", md5);
	json_set(t->record, "partial", NULL);
	json_set_int(t->record, "expires", clock_now_ms() + TASK_KEEP_MS(call->ctx->config));
	err = store_pass(call->ctx->store, PASS_SYNC, "upload task done", finish_pass, &f,
			 &call->error);
	if (err == ERR_OK)
		upload_release(call->ctx->engine, upload);
	return err;
}

static enum err answer(struct uploadtask *t, int64_t bytes)
{
	json_object *m = json_object_new_object();
	const char *path = json_str(t->record, "path", ""), *slash = strrchr(path, '/');
	bool folder = json_bool(t->record, "folder", false);
	CLEAN_FREE char *shown = uploadtask_shown(t, path);

	json_set_str(m, "fileName", slash != NULL ? slash + 1 : path);
	json_set_str(m, "filePath", shown);
	json_set_int(m, "fileSize", folder ? 0 : bytes);
	json_set_bool(m, "isDirectory", folder);
	return supermap_answer(t->call, 200, "FileInfo", m);
}

/* ---- placing */

/* The folder that an archive named PATH becomes.  NULL: none. */
static char *folder_of(const char *path)
{
	size_t len = strlen(path), cut = text_ends_icase(path, ".zip") ? len - 4 : len;

	return cut == 0 || path[cut - 1] == '/' ? NULL : mem_strndup(path, cut);
}

static enum err place_folder(struct call *call, struct area_work *work,
			     const struct upload_info *info, const struct task_file *file,
			     char **ret)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *name = folder_of(file->path);
	CLEAN_FREE char *path = NULL;
	enum err err;

	if (name == NULL)
		return error_code(&call->error,
				  error_set(&call->error, ERR_BAD_REQUEST, "no folder's name"),
				  "area_path");
	/* Without its ending it may be a name that is denied. */
	err = area_target(work->area, name, true, &path, &call->error);
	if (err == ERR_OK)
		err = unpack_archive(call, work, info, file->path);
	return err == ERR_OK ? area_place_tree(work, "out/tree", path, file->overwrite,
					       c->zip_max_entries * (c->zip_depth + 1),
					       c->iserver_unzip_bytes, ret, &call->error)
			     : err;
}

static enum err place(struct call *call, const struct area *area, const struct upload_info *info,
		      const struct task_file *file, char **ret)
{
	CLEAN_FD int data = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	struct area_work work;
	enum err err;

	if (data < 0)
		return error_errno(&call->error, ERR_IO, "data_dir");
	area_sweep(area);
	err = area_work_begin(area, info->id, &work, &call->error);
	if (err != ERR_OK)
		return err;
	err = file->unzip ? place_folder(call, &work, info, file, ret)
			  : area_place_file(&work, data, info->path, file->path, file->overwrite,
					    ret, &call->error);
	area_work_end(&work);
	return err;
}

static enum err check_md5(struct uploadtask *t, struct upload *u, char md5[33])
{
	const char *want = json_str(t->record, "md5", NULL);
	enum err err = upload_md5(u, md5, &t->call->error);

	if (err != ERR_OK || want == NULL || token_equal(md5, want))
		return err;
	uploadtask_give_up(t, u, md5);
	return supermap_fail(t->call, ERR_DIGEST, "upload_task_md5", NULL);
}

enum err uploadtask_finish(struct uploadtask *t, struct upload *u, const struct area *area,
			   const struct task_file *file)
{
	struct call *call = t->call;
	struct upload_info info = {0};
	CLEAN_FREE char *path = NULL;
	char md5[33] = "";
	enum err err = check_md5(t, u, md5);

	/*
	 * Until here the bytes stay whatever goes wrong; from here on the task ends one way or the
	 * other.
	 */
	if (err == ERR_OK)
		err = upload_push_end(u, true, &call->error);
	if (err == ERR_OK)
		err = upload_get(call->ctx->engine, upload_id(u), NULL, &info, &call->error);
	if (err != ERR_OK)
		return err;
	err = place(call, area, &info, file, &path);
	/* When we end before the work does, the client asks again: the bytes are all there. */
	if (err != ERR_OK && err != ERR_STOPPING)
		uploadtask_give_up(t, u, NULL);
	else if (err == ERR_OK)
		err = settle(t, path, file->unzip, info.length, md5);
	if (err == ERR_OK)
		err = answer(t, info.length);
	upload_info_done(&info);
	return err;
}
