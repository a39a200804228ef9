/*
 * Joining parts and hashing files: at once, or by the worker when a request would wait too long
 * (transports.md 1.8).
 */
#include "upload/engine.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/tasks.h"

#define COPY_AT_ONCE (64 * MIB)	 /* between two looks at who waits */
#define SYNC_BYTES   (512 * MIB) /* between two flushes */
#define COPY_BUFFER  (256 * KIB)
#define BEAT_MS	     1000

enum err assemble_beat(struct upload *u, int64_t done, struct error *error)
{
	int64_t now;

	if (!u->assembler)
		return ERR_OK;
	if (engine_stopping())
		return error_set(error, ERR_STOPPING, "stopping");
	/* Only a deletion waits for the lock of an upload that is being assembled. */
	if (lock_wanted(u))
		return error_set(error, ERR_DISPLACED, "upload %.8s: a newer request goes on",
				 u->id);
	now = clock_mono_ms();
	if (u->beat == NULL || now - u->beaten < BEAT_MS)
		return ERR_OK;
	u->beaten = now;
	return u->beat(u->beat_arg, done, u->length)
		   ? ERR_OK
		   : error_set(error, ERR_STOPPING, "told to stop");
}

/* Where the kernel cannot copy by itself. */
static enum err copy_by_hand(struct upload *u, int from, struct error *error)
{
	CLEAN_FREE char *buf = mem_array(1, COPY_BUFFER);
	ssize_t n;
	enum err e = ERR_OK;

	while (e == ERR_OK && (n = read(from, buf, COPY_BUFFER)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, ERR_IO, "read a part");
		e = fs_write_all(u->part, buf, (size_t)n, error);
		if (e == ERR_OK) {
			u->offset += n;
			e = assemble_beat(u, u->offset, error);
		}
	}
	return e;
}

enum err assemble_copy(struct upload *u, int from, struct error *error)
{
	enum err e = ERR_OK;
	ssize_t n = 0;

	/* The first file may share its blocks: others are joined at odd places. */
	if (u->offset == 0 && ioctl(u->part, FICLONE, from) == 0) {
		u->offset = lseek(u->part, 0, SEEK_END);
		return u->offset < 0 ? error_errno(error, ERR_IO, "look at upload's file") : ERR_OK;
	}
	do {
		n = copy_file_range(from, NULL, u->part, NULL, COPY_AT_ONCE, 0);
		if (n > 0) {
			u->offset += n;
			e = assemble_beat(u, u->offset, error);
		}
		/* In pieces: one flush of it all could outlast the task's heartbeat. */
		if (e == ERR_OK && u->offset - u->checkpoint >= SYNC_BYTES) {
			u->checkpoint = u->offset;
			e = sync_data(u->engine, u->part, error);
		}
	} while (e == ERR_OK && (n > 0 || (n < 0 && errno == EINTR)));
	if (e == ERR_OK && n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
		return error_errno(error, ERR_IO, "join parts");
	/* Also after 0: some file systems say so too early.  Both offsets stand where it stopped.
	 */
	return e == ERR_OK ? copy_by_hand(u, from, error) : e;
}

bool assemble_later(const struct upload *u)
{
	int64_t bytes = u->mode->join != NULL ? u->received : u->offset;

	return !u->assembler && !u->staged && !u->pending &&
	       bytes > u->engine->config->upload_assemble_inline &&
	       ((u->mode->join != NULL && u->parts != 1) || hash_must_read(u));
}

/* ---- the task */

void assemble_mark(const struct engine *e, json_object *record)
{
	(void)e;
	(void)json_set_bool(record, "assembling", true);
	(void)json_set_str(record, "state", state_word(UPLOAD_RECEIVING));
	/* So the sweep looks whether anybody is at it. */
	(void)json_set_int(record, "expires", clock_now_ms() + ASSEMBLE_LOOK_MS);
}

bool assemble_alive(struct pass *p, const json_object *record, enum err *ret)
{
	int64_t id = json_int(record, "task", 0);
	CLEAN_JSON json_object *task = NULL;
	const char *state;

	*ret = ERR_OK;
	if (id <= 0)
		return false;
	*ret = tasks_get(p, id, &task);
	if (*ret == ERR_NOT_FOUND)
		*ret = ERR_OK;
	state = json_str(task, "state", "");
	return strcmp(state, "queued") == 0 || strcmp(state, "running") == 0;
}

enum err assemble_task(struct pass *p, struct engine *e, json_object *record)
{
	CLEAN_JSON json_object *task = json_object_new_object();
	json_object *spec = json_object_new_object();
	int64_t id = 0;
	enum err err;

	(void)json_set_str(spec, "upload", json_str(record, "id", ""));
	(void)json_set_str(task, "kind", "assemble");
	(void)json_set_str(task, "owner", json_str(record, "owner", "-"));
	(void)json_set(task, "spec", spec);
	err = tasks_add(p, task, &id);
	if (err != ERR_OK)
		return err;
	(void)json_set_int(record, "task", id);
	assemble_mark(e, record);
	atomic_store(&e->queued, true);
	return uploads_put(p, record);
}

struct queue {
	struct upload *u;
	json_object *record; /* to be stored; owned */
	struct error *error;
};

static enum err queue_pass(struct pass *p, void *arg)
{
	struct queue *q = arg;
	CLEAN_JSON json_object *old = NULL;
	enum err e = uploads_get(p, q->u->id, &old);

	if (e != ERR_OK)
		return e;
	if (state_of(old) == UPLOAD_EXPIRED)
		return error_set(q->error, ERR_GONE, "upload is gone");
	if (assemble_alive(p, old, &e) || e != ERR_OK)
		return e;
	if (json_get(old, "finals") != NULL)
		(void)json_set(q->record, "finals", json_object_get(json_get(old, "finals")));
	return assemble_task(p, q->u->engine, q->record);
}

enum err assemble_queue(struct upload *u, struct error *error)
{
	struct queue q = {.u = u, .record = json_copy(u->record), .error = error};
	enum err e;

	(void)json_set_int(q.record, "length", u->length);
	(void)json_set_int(q.record, "offset", u->offset);
	e = store_pass(u->engine->store, engine_kind(u->engine), "upload assemble", queue_pass, &q,
		       error);
	if (e == ERR_OK) {
		json_object_put(u->record);
		u->record = json_object_get(q.record);
		u->assembling = u->lockless = true;
	}
	json_object_put(q.record);
	return e;
}

bool engine_wants_worker(struct engine *e)
{
	return atomic_exchange(&e->queued, false);
}

/* ---- the worker's part */

static enum err give_up_pass(struct pass *p, void *arg)
{
	const char *id = arg;
	CLEAN_JSON json_object *r = NULL;
	enum err e = uploads_get(p, id, &r);

	if (e != ERR_OK || state_of(r) >= UPLOAD_COMPLETE)
		return e;
	(void)json_set_bool(r, "assembling", false);
	json_object_object_del(r, "task");
	return uploads_put(p, r);
}

/* It cannot be done now: what came is kept, and whoever opens or finishes it next tries again. */
static void give_up(struct engine *e, const char *id, enum err why)
{
	struct upload *u = NULL;
	bool never = why == ERR_TOO_LARGE || why == ERR_QUOTA || why == ERR_CONCAT;

	if (never && upload_open(e, id, NULL, UPLOAD_WANT_REMOVE, &u, NULL) == ERR_OK) {
		(void)upload_remove(u, UPLOAD_INVALID, NULL);
		upload_close(u);
		return;
	}
	(void)store_pass(e->store, PASS_DELETE, "upload give up", give_up_pass,
			 (void *)(uintptr_t)id, NULL);
}

enum err upload_assemble(struct engine *e, const char *id,
			 bool (*beat)(void *arg, int64_t done, int64_t total), void *arg,
			 struct error *error)
{
	struct upload *u;
	enum err err;

	if (id == NULL || !token_is_hex(id, ID_LEN))
		return error_set(error, ERR_NOT_FOUND, "no such upload");
	u = upload_new(e, id, UPLOAD_WANT_WRITE);
	u->assembler = true;
	u->beat = beat;
	u->beat_arg = arg;
	u->beaten = clock_mono_ms();
	/* Opening what is whole completes it. */
	err = open_locked(u, NULL, error);
	if (err == ERR_OK && u->state < UPLOAD_COMPLETE)
		err = upload_finish(u, error);
	upload_close(u);
	/* Done, gone, or to be tried again by whoever has the task next. */
	if (err != ERR_OK && err != ERR_DIGEST && err != ERR_GONE && err != ERR_NOT_FOUND &&
	    err != ERR_DISPLACED && err != ERR_STOPPING && err != ERR_BUSY && err != ERR_SHORT &&
	    err != ERR_LOCKED)
		give_up(e, id, err);
	return err;
}
