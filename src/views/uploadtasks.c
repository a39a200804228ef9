/*
 * The upload tasks of a caller: what is not finished, and a new one.
 */
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "store/upload_tasks.h"
#include "views/uploadtask.h"

#define LIST_MAX 1000

/* ---- GET */

struct list {
	const char *owner; /* NULL: everybody's */
	char installation[33];
	json_object *records;
};

static enum err list_pass(struct pass *p, void *arg)
{
	struct list *l = arg;
	enum err err = installation_id(p, false, l->installation);

	json_object_put(l->records);
	l->records = NULL;
	return err == ERR_OK ? upload_tasks_list(p, l->owner, LIST_MAX, &l->records) : err;
}

static enum err list_view(struct call *call)
{
	struct list l = {.owner = call->who.admin ? NULL : call->who.owner};
	json_object *list, *record;
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "upload tasks", list_pass, &l, &call->error);

	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	list = json_object_new_array();
	JSON_EACH(record, l.records)
	{
		struct uploadtask t = {.call = call, .record = record};
		struct task_look look;

		(void)snprintf(t.name, sizeof(t.name), "%s_%s", l.installation,
			       json_str(record, "id", ""));
		/* One that has just expired is none. */
		if (uploadtask_look(&t, false, &look) == ERR_OK)
			json_object_array_add(list, uploadtask_model(&t, &look));
	}
	json_object_put(l.records);
	json_object_put(call->problems);
	call->problems = NULL;
	call->error = (struct error){0};
	return supermap_answer(call, 200, "list/UploadTaskInfo", list);
}

/* ---- POST */

/* What the body says. */
struct wish {
	char md5[33]; /* "" = none */
	int64_t size; /* -1 = not told */
	char *path;   /* below the area; owned; NULL = none */
};

static bool read_md5(const char *given, char out[33])
{
	if (strlen(given) != 32 || strspn(given, "0123456789abcdefABCDEF") != 32)
		return false;
	for (size_t i = 0; i <= 32; i++)
		out[i] = (char)(given[i] >= 'A' && given[i] <= 'F' ? given[i] + 32 : given[i]);
	return true;
}

static enum err read_wish(struct call *call, const struct area *area, struct wish *w)
{
	CLEAN_JSON json_object *body = NULL;
	const char *md5 = NULL, *path = NULL;
	enum err err =
	    supermap_object(call, call->ctx->config->json_body_bytes, "limits.json_body", &body);

	/* Too long for what it can say, not for the site. */
	if (err == ERR_TOO_LARGE)
		err = ERR_BAD_REQUEST;
	if (err == ERR_OK)
		err = supermap_member_text(call, body, "md5", &md5);
	if (err == ERR_OK && md5 != NULL && !read_md5(md5, w->md5))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "md5");
	if (err == ERR_OK)
		err = supermap_member_int(call, body, "fileSize", 0, INT64_MAX, -1, &w->size);
	if (err == ERR_OK)
		err = supermap_member_text(call, body, "path", &path);
	if (err == ERR_OK && path != NULL &&
	    area_target(area, path, true, &w->path, &call->error) != ERR_OK)
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "path");
	return err;
}

enum err uploadtask_room(struct call *call, const struct area *area, int64_t size)
{
	struct fs_space space;
	struct stat a, b;
	int64_t want;
	enum err err;

	/* In the uploads' own file system the engine has reckoned. */
	if (size < 0 || fstat(area->root, &a) != 0 || stat(call->ctx->config->data_dir, &b) != 0 ||
	    a.st_dev == b.st_dev)
		return ERR_OK;
	err = fs_space(area->root, &space, &call->error);
	if (err != ERR_OK)
		return err;
	if (__builtin_add_overflow(size, call->ctx->config->upload_min_free, &want) ||
	    space.bytes < want)
		return error_set(&call->error, ERR_NO_SPACE, "file area under upload.min_free");
	return ERR_OK;
}

enum err uploadtask_create_upload(struct call *call, const char *path, int64_t size,
				  struct upload **ret)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	struct upload_spec spec = {
	    .owner = call->who,
	    .adapter = "iserver",
	    .mode = UPLOAD_APPEND,
	    .name = slash != NULL  ? slash + 1
		    : path != NULL ? path
				   : "upload",
	    /* A length of nothing would be complete before anybody sent it. */
	    .length = size > 0 ? size : -1,
	    .hash = 1U << DIGEST_MD5,
	    .by_mark = true,
	    .address = call->req->address};

	return upload_create(call->ctx->engine, &spec, ret, &call->error);
}

struct add {
	json_object *record;
	char installation[33];
};

static enum err add_pass(struct pass *p, void *arg)
{
	struct add *a = arg;
	enum err err = installation_id(p, true, a->installation);

	return err == ERR_OK ? upload_tasks_add(p, a->record) : err;
}

int64_t uploadtask_end(const struct call *call, int64_t now)
{
	/* Its upload ends before: this is for the record alone. */
	return now + call->ctx->config->upload_max_ttl_s * 1000 + TASK_KEEP_MS(call->ctx->config);
}

static enum err add_task(struct call *call, const struct wish *w, struct add *a)
{
	json_object *r = json_object_new_object();
	int64_t now = clock_now_ms();
	struct upload *u = NULL;
	char id[33];
	enum err err = uploadtask_create_upload(call, w->path, w->size, &u);

	a->record = r;
	if (err != ERR_OK)
		return err;
	token_hex(id, 32);
	json_set_str(r, "id", id);
	json_set_str(r, "owner", call->who.owner);
	json_set_str(r, "path", w->path);
	json_set_str(r, "md5", *w->md5 != '\0' ? w->md5 : NULL);
	json_set_int(r, "size", w->size);
	json_set_int(r, "total", -1);
	json_set_str(r, "upload", upload_id(u));
	json_set_str(r, "state", "open");
	json_set_int(r, "created", now);
	json_set_int(r, "expires", uploadtask_end(call, now));
	err = store_pass(call->ctx->store, PASS_SYNC, "upload task", add_pass, a, &call->error);
	if (err != ERR_OK)
		(void)upload_remove(u, UPLOAD_DELETED, NULL);
	upload_close(u);
	return err;
}

static enum err create_view(struct call *call)
{
	struct area area = {0};
	struct wish w = {.size = -1};
	struct add a = {0};
	enum err err = area_open(call->ctx->config, call->who.name, &area, &call->error);

	if (err == ERR_OK)
		err = read_wish(call, &area, &w);
	if (err == ERR_OK)
		err = uploadtask_room(call, &area, w.size);
	if (err == ERR_OK)
		err = add_task(call, &w, &a);
	if (err == ERR_OK) {
		json_object *m = json_object_new_object();
		CLEAN_FREE char *id =
		    mem_printf("%s_%s", a.installation, json_str(a.record, "id", ""));
		CLEAN_FREE char *url =
		    supermap_url(call, "/iserver/manager/filemanager/uploadtasks/%s.%s", id,
				 supermap_suffix(call));

		json_set_str(m, "newResourceID", id);
		json_set_str(m, "newResourceLocation", url);
		json_set_str(m, "postResultType", "CreateChild");
		json_set_bool(m, "succeed", true);
		reply_header(call->reply, "Location", url);
		err = supermap_answer(call, 201, NULL, m);
	}
	json_object_put(a.record);
	free(w.path);
	area_close(&area);
	return err;
}

enum err uploadtasks_view(struct call *call)
{
	return call->req->method == METHOD_POST ? create_view(call) : list_view(call);
}
