/*
 * One upload task: what it looks like, and the door to its file.
 */
#include <string.h>
#include "base/mem.h"
#include "views/uploadtask.h"

static const char *const words[TASK_STATE__MAX] = {
    [TASK_NEW] = "NEW",
    [TASK_UPLOADING] = "UPLOADING",
    [TASK_UPLOADING_ERROR] = "UPLOADING_ERROR",
    [TASK_COMPLETED] = "COMPLETED",
    [TASK_ERROR] = "ERROR",
};

static enum err look_view(struct call *call)
{
	struct uploadtask t = {0};
	struct task_look look;
	enum err err = uploadtask_load(call, true, &t);

	if (err == ERR_OK)
		err = uploadtask_look(&t, true, &look);
	if (err == ERR_OK) {
		json_object *m = uploadtask_model(&t, &look);

		json_set_str(m, "md5", json_str(t.record, "md5", NULL));
		json_set_str(m, "state", words[look.state]);
		json_set(m, "uploadedByteCount",
			 look.count < 0 ? NULL : json_object_new_int64(look.count));
		json_set_str(m, "uploadedDataMD5", *look.md5 != '\0' ? look.md5 : NULL);
		err = supermap_answer(call, 200, "UploadTaskInfo", m);
	}
	uploadtask_done(&t);
	return err;
}

enum err uploadtask_view(struct call *call)
{
	return call->req->method == METHOD_POST ? uploadtask_send(call) : look_view(call);
}
