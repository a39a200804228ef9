/*
 * What is going on with an upload task: its record says what was decided, the engine's upload the
 * rest.
 */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/upload_tasks.h"
#include "views/uploadtask.h"

#define ID_LEN 32
#define ALMOST 9999 /* hundredths of a percent: the most before COMPLETED */

/* ---- the record */

struct load {
	const char *id;
	char installation[33];
	json_object *record;
};

static enum err load_pass(struct pass *p, void *arg)
{
	struct load *l = arg;
	enum err err = installation_id(p, false, l->installation);

	json_object_put(l->record);
	l->record = NULL;
	return err == ERR_OK ? upload_tasks_get(p, l->id, &l->record) : err;
}

static enum err unknown(struct call *call)
{
	return supermap_fail(call, ERR_NOT_FOUND, "upload_task_unknown", NULL);
}

static enum err load(struct call *call, const char *id, struct load *l)
{
	enum err err;

	*l = (struct load){.id = id};
	err = store_pass(call->ctx->store, PASS_READ, "upload task", load_pass, l, &call->error);
	return err == ERR_NOT_FOUND ? unknown(call) : err;
}

enum err uploadtask_load(struct call *call, bool look, struct uploadtask *ret)
{
	const char *name = pairs_get(&call->params, "task");
	struct load l;
	enum err err;

	if (strlen(name) != 2 * ID_LEN + 1 || name[ID_LEN] != '_' ||
	    !token_is_hex(name + ID_LEN + 1, ID_LEN))
		return unknown(call);
	err = load(call, name + ID_LEN + 1, &l);
	if (err != ERR_OK)
		return err;
	/* Somebody else's is no more there than one that never was. */
	bool own = strcmp(json_str(l.record, "owner", ""), call->who.owner) == 0;
	if (strncmp(name, l.installation, ID_LEN) != 0 || !(own || (look && call->who.admin)) ||
	    json_int(l.record, "expires", 0) <= clock_now_ms()) {
		json_object_put(l.record);
		return unknown(call);
	}
	*ret = (struct uploadtask){.call = call, .record = l.record};
	memcpy(ret->name, name, sizeof(ret->name));
	return ERR_OK;
}

void uploadtask_done(struct uploadtask *t)
{
	json_object_put(t->record);
	t->record = NULL;
}

enum err uploadtask_reload(struct uploadtask *t)
{
	struct load l;
	enum err err = load(t->call, t->name + ID_LEN + 1, &l);

	if (err != ERR_OK)
		return err;
	json_object_put(t->record);
	t->record = l.record;
	return ERR_OK;
}

struct store_put {
	json_object *record;
	const char *expected;
};

static enum err put_pass(struct pass *p, void *arg)
{
	struct store_put *s = arg;

	return upload_tasks_put(p, s->record, s->expected);
}

enum err uploadtask_store(struct uploadtask *t, enum pass_kind kind, const char *expected)
{
	struct store_put s = {t->record, expected};

	return store_pass(t->call->ctx->store, kind, "upload task", put_pass, &s, &t->call->error);
}

/* ---- the upload behind it */

static int64_t progress_of(const struct uploadtask *t, int64_t received)
{
	int64_t total = json_int(t->record, "size", -1);

	if (total < 0)
		total = json_int(t->record, "total", -1);
	if (total <= 0 || received <= 0)
		return 0;
	if (received >= total)
		return ALMOST;
	/* Truncated, and in a width no file size fills. */
	return (int64_t)((__uint128_t)received * 10000 / (__uint128_t)total);
}

/*
 * What a killed writer left is made sure of, so that what is told now is what a resume will find.
 */
static void settle(struct uploadtask *t, const char *id)
{
	struct upload *u = NULL;

	if (upload_open(t->call->ctx->engine, id, NULL, UPLOAD_WANT_TAKEOVER, &u, NULL) == ERR_OK)
		upload_close(u);
}

/*
 * The digest of *COUNT bytes: as noted when they stopped coming, else read once (of as many as
 * there are) and noted.
 */
static enum err find_md5(struct uploadtask *t, const char *id, int64_t *count, char out[33])
{
	struct call *call = t->call;
	json_object *partial = json_obj(t->record, "partial");
	struct upload *u = NULL;
	enum err err;

	if (partial != NULL && json_int(partial, "bytes", -1) == *count) {
		(void)snprintf(out, 33, "%s", json_str(partial, "md5", ""));
		return ERR_OK;
	}
	err = upload_open(call->ctx->engine, id, NULL, UPLOAD_WANT_STATUS, &u, &call->error);
	if (err == ERR_OK)
		err = upload_md5(u, out, &call->error);
	if (err == ERR_OK)
		*count = upload_offset(u);
	upload_close(u);
	if (err != ERR_OK || call->ctx->config->read_only || call->who.read_only)
		return err;
	partial = json_object_new_object();
	json_set_int(partial, "bytes", *count);
	json_set_str(partial, "md5", out);
	json_set(t->record, "partial", partial);
	/* It saves time, no more: a failure is nobody's trouble. */
	struct store_put s = {t->record, id};
	(void)store_pass(call->ctx->store, PASS_WRITE_NOSYNC, "upload task", put_pass, &s, NULL);
	return ERR_OK;
}

static enum err look_interrupted(struct uploadtask *t, struct upload_info *info, bool md5,
				 struct task_look *ret)
{
	struct engine *e = t->call->ctx->engine;
	enum err err = ERR_OK;

	if (info->state != UPLOAD_COMPLETE && info->offset < info->stored) {
		settle(t, info->id);
		upload_info_done(info);
		err = upload_status(e, json_str(t->record, "upload", ""), NULL, info,
				    &t->call->error);
		if (err != ERR_OK)
			return err;
	}
	ret->count = info->state == UPLOAD_COMPLETE ? info->length : info->offset;
	if (ret->count == 0 && info->state == UPLOAD_CREATED) {
		ret->state = TASK_NEW;
		return ERR_OK;
	}
	ret->state = TASK_UPLOADING_ERROR;
	return md5 ? find_md5(t, info->id, &ret->count, ret->md5) : ERR_OK;
}

static enum err look_open(struct uploadtask *t, bool md5, struct task_look *ret)
{
	struct upload_info info = {0};
	enum err err = upload_status(t->call->ctx->engine, json_str(t->record, "upload", ""), NULL,
				     &info, &t->call->error);

	if (err == ERR_OK && info.state == UPLOAD_EXPIRED)
		err = ERR_GONE;
	if (err == ERR_OK && info.writing) {
		ret->state = TASK_UPLOADING;
		ret->count = info.state == UPLOAD_COMPLETE ? info.length : info.stored;
	} else if (err == ERR_OK) {
		err = look_interrupted(t, &info, md5, ret);
	}
	upload_info_done(&info);
	if (err == ERR_GONE || err == ERR_NOT_FOUND)
		return unknown(t->call);
	ret->progress = err == ERR_OK ? progress_of(t, ret->count) : 0;
	return err;
}

enum err uploadtask_look(struct uploadtask *t, bool md5, struct task_look *ret)
{
	const char *state = json_str(t->record, "state", "");

	*ret = (struct task_look){.state = TASK_ERROR, .count = -1};
	if (strcmp(state, "open") == 0)
		return look_open(t, md5, ret);
	(void)snprintf(ret->md5, sizeof(ret->md5), "%s", json_str(t->record, "md5_real", ""));
	if (strcmp(state, "completed") == 0) {
		ret->state = TASK_COMPLETED;
		ret->count = json_int(t->record, "bytes", 0);
		ret->progress = 10000;
	}
	return ERR_OK;
}

char *uploadtask_shown(const struct uploadtask *t, const char *path)
{
	const char *owner = json_str(t->record, "owner", "");

	return area_shown(t->call->ctx->config, text_starts(owner, "u:") ? owner + 2 : owner, path,
			  json_bool(t->record, "folder", false));
}

json_object *uploadtask_model(const struct uploadtask *t, const struct task_look *look)
{
	json_object *m = json_object_new_object();
	const char *path = json_str(t->record, "path", NULL);
	CLEAN_FREE char *shown = path == NULL ? NULL : uploadtask_shown(t, path);
	char text[24];

	json_set_str(m, "path", shown);
	/* Two decimals as they are, not as a binary number has them. */
	(void)snprintf(text, sizeof(text), "%d.%02d", (int)(look->progress / 100),
		       (int)(look->progress % 100));
	json_set(m, "progress",
		 look->progress % 100 == 0
		     ? json_object_new_int64(look->progress / 100)
		     : json_object_new_double_s((double)look->progress / 100, text));
	return json_set_str(m, "taskID", t->name);
}
