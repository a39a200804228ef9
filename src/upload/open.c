/*
 * An upload is opened: by whom, with which lock, and what is found there.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

static bool want_writes(enum upload_want want)
{
	return want == UPLOAD_WANT_WRITE || want == UPLOAD_WANT_TAKEOVER;
}

enum err may_open(const json_object *record, const struct principal *who, enum upload_want want,
		  struct error *error)
{
	const char *owner = json_str(record, "owner", "-");
	bool own = who == NULL || strcmp(owner, "-") == 0 || strcmp(owner, who->owner) == 0;

	/* An administrator may look and delete, but not write into somebody's file. */
	if (!own && !(who->admin && !want_writes(want)))
		return error_set(error, ERR_NOT_FOUND, "no such upload");
	/* A consumer of ours keeps what it holds though its owner deleted it. */
	if (state_of(record) == UPLOAD_EXPIRED &&
	    !(who == NULL && want == UPLOAD_WANT_STATUS && json_int(record, "refs", 0) > 0))
		return error_set(error, ERR_GONE, "upload is gone");
	if (who != NULL && who->read_only && want != UPLOAD_WANT_STATUS)
		return error_set(error, ERR_FORBIDDEN, "a read-only key changes no upload");
	return ERR_OK;
}

struct load {
	struct admission admission; /* first: admit_pass gets it */
	const char *id;
	bool figures;	      /* fill admission.room too */
	struct concat concat; /* of an unfinished list of partials */
	json_object *record;  /* result */
};

static enum err load_pass(struct pass *p, void *arg)
{
	struct load *l = arg;
	json_object *record = NULL;
	enum err e = uploads_get(p, l->id, &record);

	if (e != ERR_OK)
		return e;
	json_object_put(l->record);
	l->record = record;
	l->admission.owner = json_str(record, "owner", "-");
	if (json_arr(record, "concat") != NULL && state_of(record) < UPLOAD_COMPLETE)
		e = concat_look(p, json_arr(record, "concat"), l->admission.owner, &l->concat);
	if (e != ERR_OK)
		return e;
	return l->figures ? admit_pass(p, &l->admission) : ERR_OK;
}

/* What the record says, as fields. */
static enum err adopt(struct upload *u, json_object *record, struct error *error)
{
	json_object_put(u->record);
	u->record = record;
	u->state = state_of(record);
	u->length = json_int(record, "length", -1);
	u->offset = u->durable = json_int(record, "offset", 0);
	u->received = json_int(record, "received", u->offset);
	u->by_mark = json_bool(record, "by_mark", false);
	u->assembling = u->state < UPLOAD_COMPLETE && json_bool(record, "assembling", false);
	u->parts = (uint32_t)json_int(record, "part_count", 0);
	hash_expected(u);
	if (!ranges_read(&u->ranges, json_arr(record, "ranges")))
		return error_set(error, ERR_STORE, "upload %.8s: its list of ranges is damaged",
				 u->id);
	return ERR_OK;
}

enum err upload_load(struct upload *u, const struct principal *who, bool figures,
		     struct error *error)
{
	struct load l = {
	    .admission = {.engine = u->engine, .error = error}, .id = u->id, .figures = figures};
	enum upload_mode mode;
	enum err e = store_pass(u->engine->store, PASS_READ, "upload open", load_pass, &l, error);

	if (e == ERR_NOT_FOUND)
		(void)error_set(error, e, "no such upload");
	if (e == ERR_OK)
		e = may_open(l.record, who, u->want, error);
	if (e == ERR_OK && !mode_by_name(json_str(l.record, "mode", ""), &mode))
		e = error_set(error, ERR_UNAVAILABLE, "upload of an unknown mode");
	if (e != ERR_OK) {
		json_object_put(l.record);
		return e;
	}
	if (figures)
		u->room = l.admission.room;
	u->mode = mode_of(mode);
	e = adopt(u, l.record, error);
	if (u->mode->join == concat_join && u->state < UPLOAD_COMPLETE) {
		u->partials_complete = l.concat.complete;
		u->received = l.concat.received;
		u->length = l.concat.length;
	}
	return e;
}

/*
 * The upload's folder and lock file.  ERR_NOT_FOUND only when the folder is really missing: a
 * process short of descriptors must not take an upload for lost.
 */
static enum err open_files(struct upload *u, struct error *error)
{
	bool status = u->want == UPLOAD_WANT_STATUS;
	char place[40];

	id_place(u->id, place);
	u->dir = fs_open_dir(u->engine->dir, place);
	if (u->dir < 0)
		return errno == ENOENT ? ERR_NOT_FOUND
				       : error_errno(error, ERR_IO, "open upload's directory");
	u->lock = lock_open(u->dir);
	if (u->lock < 0 && errno == ENOENT && !status)
		u->lock = openat(u->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* The folder was removed after it was opened. */
	if (u->lock < 0 && errno == ENOENT && !status)
		return ERR_NOT_FOUND;
	if (u->lock < 0 && errno != ENOENT)
		return error_errno(error, ERR_IO, "open upload's lock file");
	return ERR_OK;
}

struct upload *upload_from(struct engine *e, json_object *record)
{
	struct upload *u;
	enum upload_mode mode;

	if (!token_is_hex(json_str(record, "id", ""), ID_LEN) ||
	    !mode_by_name(json_str(record, "mode", ""), &mode)) {
		json_object_put(record);
		return NULL;
	}
	u = upload_new(e, json_str(record, "id", ""), UPLOAD_WANT_STATUS);
	u->mode = mode_of(mode);
	(void)open_files(u, NULL);
	(void)adopt(u, record, NULL);
	return u;
}

/* Past its end, though no sweep came by yet? */
static bool is_over(const struct upload *u)
{
	int64_t end = expires_at(u->engine, u->record, touched_at(u));

	return end != 0 && end < clock_now_ms();
}

/* Under the lock: what is on the disk, seen through the record. */
static enum err settle(struct upload *u, struct error *error)
{
	enum err e;

	if (u->state == UPLOAD_COMPLETE)
		return ERR_OK;
	if (is_over(u))
		return error_set(error, ERR_GONE, "upload has expired");
	e = u->mode->recover(u, error);
	/* A crash between the last byte and the commit: nobody may have to send anything again. */
	if (e == ERR_OK && (u->staged || upload_ends(u)))
		e = upload_end(u, false, error);
	if (e == ERR_OK && u->mode->shared && u->state < UPLOAD_COMPLETE)
		lock_ease(u);
	return e;
}

/*
 * A client that tells a lost connection from a slow one itself displaces only a writer that got
 * nothing for a while: what arrives changes the file, and whoever opens it the lock file.
 */
static enum err may_take_over(const struct upload *u, struct error *error)
{
	int64_t idle = clock_now_ms() - u->engine->config->iserver_takeover_s * 1000;
	int64_t heard = touched_at(u);
	struct stat st;

	if (fstat(u->lock, &st) == 0 && mtime_ms(&st) > heard)
		heard = mtime_ms(&st);
	return heard > idle ? error_set(error, ERR_LOCKED, "upload %.8s is being written", u->id)
			    : ERR_OK;
}

/* The lock that somebody had when it was tried, and what the record says after the wait. */
static enum err wait_for_lock(struct upload *u, const struct principal *who, struct error *error)
{
	bool share = u->mode->shared && want_writes(u->want);
	enum err e = ERR_OK;

	/* Not even the newest writer has anything to add while it is put together. */
	if (u->assembling && !u->assembler && want_writes(u->want)) {
		u->lockless = true;
		return ERR_OK;
	}
	if (u->want == UPLOAD_WANT_TAKEOVER && !share)
		e = may_take_over(u, error);
	if (e == ERR_OK)
		e = share ? lock_share(u, false, error) : lock_displace(u, error);
	return e == ERR_OK ? upload_load(u, who, want_writes(u->want), error) : e;
}

/*
 * The lock first when it is free, so that one pass does; when somebody has it, the record decides
 * first whether WHO may displace him, and is read again afterwards.
 */
enum err open_locked(struct upload *u, const struct principal *who, struct error *error)
{
	bool locked = false;
	enum err files = open_files(u, error), e = files;

	if (files == ERR_OK && want_writes(u->want) && lock_is_shared_kind(u->lock))
		locked = lock_share(u, true, NULL) == ERR_OK;
	else if (files == ERR_OK)
		locked = u->exclusive = lock_try(u->lock, true);
	if (files == ERR_OK || files == ERR_NOT_FOUND)
		e = upload_load(u, who, want_writes(u->want), error);
	if (e != ERR_OK)
		return e;
	if (files == ERR_NOT_FOUND)
		return upload_lost(u, error);
	if (!locked)
		e = wait_for_lock(u, who, error);
	if (e == ERR_OK && u->want == UPLOAD_WANT_TAKEOVER && !u->lockless)
		(void)futimens(u->lock, NULL);
	if (e == ERR_OK && want_writes(u->want) && !u->lockless)
		e = settle(u, error);
	return e;
}

enum err upload_open(struct engine *e, const char *id, const struct principal *who,
		     enum upload_want want, struct upload **ret, struct error *error)
{
	struct upload *u;
	enum err err;

	if (id == NULL || !token_is_hex(id, ID_LEN))
		return error_set(error, ERR_NOT_FOUND, "no such upload");
	u = upload_new(e, id, want);
	if (want == UPLOAD_WANT_STATUS) {
		err = open_files(u, error);
		if (err == ERR_OK || err == ERR_NOT_FOUND)
			err = upload_load(u, who, false, error);
		if (err == ERR_OK)
			err = status_look(u, error);
	} else {
		err = open_locked(u, who, error);
	}
	if (err != ERR_OK) {
		upload_close(u);
		return err;
	}
	*ret = u;
	return ERR_OK;
}
