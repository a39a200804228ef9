/*
 * Completion in the order of transports.md 1.8, and the one commit that several uploads and their
 * consumer share.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

/* ---- alone with it */

bool upload_ends(const struct upload *u)
{
	return !u->by_mark && u->mode->whole(u);
}

enum err upload_alone(struct upload *u, struct error *error)
{
	struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	enum err e;

	if (u->exclusive || u->pending || u->state >= UPLOAD_COMPLETE)
		return ERR_OK;
	if (!lock_try(u->lock, true)) {
		/* Two that wait for each other to leave would wait for ever. */
		(void)fcntl(u->lock, F_OFD_SETLK, &none);
		e = lock_displace(u, error);
		if (e != ERR_OK)
			return e;
	}
	u->exclusive = true;
	e = upload_load(u, NULL, false, error);
	if (e != ERR_OK || u->state >= UPLOAD_COMPLETE)
		return e;
	/* What was found before may have got another name meanwhile. */
	if (u->part >= 0)
		(void)close(u->part);
	u->part = -1;
	u->staged = false;
	return u->mode->recover(u, error);
}

enum err upload_end(struct upload *u, bool stored, struct error *error)
{
	struct error why = {0};
	enum err e;

	if (u->state >= UPLOAD_COMPLETE || u->lockless)
		return ERR_OK;
	e = upload_alone(u, &why);
	if (e == ERR_OK && u->state < UPLOAD_COMPLETE && (u->staged || upload_ends(u)))
		e = uploads_commit(u->engine, &u, 1, NULL, NULL, &why);
	if (e == ERR_LOCKED && stored)
		return ERR_OK;
	return e == ERR_OK ? e : error_set(error, e, "%s", why.text);
}

/* ---- before the commit */

static enum err name_data(struct upload *u, struct error *error)
{
	char prefix[3] = {u->id[0], u->id[1], '\0'};
	CLEAN_FD int above = -1;
	enum err e;

	if (!u->staged && !u->named && renameat(u->dir, "part", u->dir, "data") != 0)
		return error_errno(error, ERR_IO, "name upload's data");
	u->staged = true;
	e = sync_fd(u->engine, u->dir, "upload's directory", error);
	if (e != ERR_OK || !u->pending || !u->engine->sync)
		return e;
	above = fs_open_dir(u->engine->dir, prefix);
	if (above < 0)
		return error_errno(error, ERR_IO, "open upload's parent");
	return sync_fd(u->engine, above, "upload's parent", error);
}

/* Everything before the commit (1.8, steps 1-5). */
static enum err upload_stage(struct upload *u, struct error *error)
{
	struct stat st;
	enum err e = ERR_OK;

	if (u->staged)
		return name_data(u, error);
	if (u->pending)
		e = upload_place(u, 0, error);
	if (e == ERR_OK)
		e = u->mode->join != NULL ? u->mode->join(u, error) : receive_sync(u, error);
	if (e != ERR_OK)
		return e;
	if (u->length < 0)
		u->length = u->offset;
	if (u->offset != u->length)
		return error_set(error, ERR_INCOMPLETE, "upload %.8s: %lld of %lld bytes", u->id,
				 (long long)u->offset, (long long)u->length);
	if (fstat(u->part, &st) != 0 || st.st_size != u->length)
		return error_set(error, ERR_IO, "upload %.8s is not as long as it was", u->id);
	e = hash_check(u, error);
	if (e == ERR_DIGEST && !u->pending)
		(void)upload_remove(u, UPLOAD_INVALID, NULL);
	return e == ERR_OK ? name_data(u, error) : e;
}

/* ---- the commit */

struct commit {
	struct engine *engine;
	struct upload **v;
	json_object **records; /* what is stored for each; NULL = nothing */
	size_t n;
	pass_fn *with;
	void *arg;
	bool agreed; /* the last run ended well: a failure after that is a doubt */
	json_object
	    *finals; /* result: ids of uploads that waited for one of them; owned, NULL = none */
	struct tally_uploads sums; /* result */
	struct error *error;
};

/* A stored record changes; what others may have written into it meanwhile stays. */
static enum err put_beside(struct pass *p, const struct upload *u, json_object *record)
{
	static const char *const theirs[] = {"finals", "ranges", "offset", "received"};
	CLEAN_JSON json_object *old = NULL;
	enum err e = uploads_get(p, u->id, &old);
	size_t n = 1;

	if (e != ERR_OK)
		return e;
	if (state_of(old) == UPLOAD_EXPIRED)
		return ERR_GONE;
	/* Only writers of ranges share more than the first. */
	if (!u->exclusive && u->mode == mode_of(UPLOAD_RANGE))
		n = sizeof(theirs) / sizeof(theirs[0]);
	for (size_t i = 0; i < n; i++) {
		if (json_get(old, theirs[i]) != NULL)
			(void)json_set(record, theirs[i],
				       json_object_get(json_get(old, theirs[i])));
	}
	return uploads_put(p, record);
}

static enum err commit_one(struct pass *p, struct commit *c, struct upload *u, json_object *record)
{
	struct admission a = {.engine = c->engine,
			      .owner = json_str(record, "owner", "-"),
			      .address = u->address,
			      .create = true,
			      .commit = true,
			      .length = json_int(record, "length", -1),
			      .parts = json_int(record, "part_count", 0),
			      .error = c->error};
	enum err e;

	if (!u->pending) {
		e = put_beside(p, u, record);
		if (e == ERR_OK && state_of(record) == UPLOAD_COMPLETE)
			e = concat_partial_done(p, c->engine, record, &c->finals);
	} else {
		/*
		 * Again, inside the transaction: others may have come in since, and earlier files
		 * of this request.
		 */
		e = admit_pass(p, &a);
		if (e == ERR_OK)
			e = key_take(p, u, record);
		u->key_taken = e == ERR_CONFLICT;
		if (e == ERR_OK)
			e = concat_link(p, u, record, c->error);
		if (e == ERR_OK)
			e = uploads_create(p, record);
		count(&c->sums, TALLY_CREATED, record);
	}
	if (u->staged)
		count(&c->sums, TALLY_COMPLETED, record);
	return e;
}

static enum err commit_pass(struct pass *p, void *arg)
{
	struct commit *c = arg;
	enum err e = ERR_OK;

	c->agreed = false;
	json_object_put(c->finals);
	c->finals = NULL;
	c->sums = (struct tally_uploads){0};
	for (size_t i = 0; e == ERR_OK && i < c->n; i++)
		if (c->records[i] != NULL)
			e = commit_one(p, c, c->v[i], c->records[i]);
	if (e == ERR_OK && c->with != NULL)
		e = c->with(p, c->arg);
	c->agreed = e == ERR_OK;
	return e;
}

/* Records of V[i] become RECORDS[i] in one commit; takes them. */
static enum err commit(struct commit *c, enum pass_kind kind, const char *name)
{
	enum err e = store_pass(c->engine->store, kind, name, commit_pass, c, c->error);

	if (e == ERR_OK)
		tally_add_uploads(c->engine->tally, &c->sums);
	for (size_t i = 0; i < c->n; i++) {
		struct upload *u = c->v[i];

		if (c->records[i] == NULL)
			continue;
		if (e != ERR_OK) {
			u->doubtful = u->doubtful || (u->pending && c->agreed);
			json_object_put(c->records[i]);
			continue;
		}
		json_object_put(u->record);
		u->record = c->records[i];
		u->state = state_of(u->record);
		/* Written only where it changes: whoever reads a body ahead looks at it. */
		if (u->pending)
			u->pending = false;
	}
	return e;
}

enum err upload_store(struct upload *u, enum pass_kind kind, const char *name, struct error *error)
{
	json_object *record = json_object_get(u->record);
	struct commit c = {
	    .engine = u->engine, .v = &u, .records = &record, .n = 1, .error = error};
	enum err e = commit(&c, kind, name);

	json_object_put(c.finals);
	return e;
}

static json_object *completed(const struct upload *u, int64_t now)
{
	static const char *const unfinished[] = {"ranges", "received", "tentative", "assembling",
						 "boot_id"};
	json_object *r = json_new(json_object_object_length(u->record));

	/* What is set below takes the place of what they share; nothing deeper changes. */
	json_object_object_foreach(u->record, key, value) json_set(r, key, json_object_get(value));
	(void)json_set_str(r, "state", state_word(UPLOAD_COMPLETE));
	(void)json_set_int(r, "length", u->length < 0 ? u->offset : u->length);
	(void)json_set_int(r, "offset", u->offset);
	(void)json_set_int(r, "touched", now);
	(void)json_set_int(r, "expires", now + u->engine->config->upload_complete_ttl_s * 1000);
	for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++)
		json_object_object_del(r, unfinished[i]);
	return r;
}

/* Everything before the commit, for one of those that are to be committed. */
static enum err prepare(struct upload *u, bool alone, bool *ret_later, struct error *error)
{
	enum err e = u->lockless ? ERR_OK : upload_alone(u, error);

	if (e != ERR_OK)
		return e;
	if (u->state == UPLOAD_EXPIRED)
		return error_set(error, ERR_GONE, "upload is gone");
	if (u->refused != ERR_OK)
		return error_set(error, u->refused, "upload %.8s was refused before", u->id);
	if (u->state == UPLOAD_COMPLETE)
		return ERR_OK;
	*ret_later = u->lockless || (alone && assemble_later(u));
	if (u->lockless && !alone)
		return error_set(error, ERR_INCOMPLETE, "upload %.8s is being assembled", u->id);
	return *ret_later ? ERR_OK : upload_stage(u, error);
}

/* What follows a completion and may be lost. */
static void tidy_up(struct upload *u)
{
	u->received = u->length = u->offset;
	u->assembling = false;
	if (u->mode->join == parts_join)
		parts_remove(u->dir);
	if (u->mode->join == concat_join)
		concat_leave(u);
}

/* Of a new upload nobody knows before its client does, who is told when it is on disk. */
static enum pass_kind commit_kind(const struct engine *e, struct upload *const *v, size_t n)
{
	return e->sync && n == 1 && v[0]->pending ? PASS_SYNC_SHARED : engine_kind(e);
}

enum err uploads_commit(struct engine *e, struct upload *const *v, size_t n, pass_fn *with,
			void *arg, struct error *error)
{
	CLEAN_FREE struct upload **list = mem_array(n + 1, sizeof(struct upload *));
	CLEAN_FREE json_object **records = mem_array(n + 1, sizeof(json_object *));
	struct commit c = {.engine = e,
			   .v = list,
			   .records = records,
			   .n = n,
			   .with = with,
			   .arg = arg,
			   .error = error};
	size_t todo = 0;
	enum err err = ERR_OK;

	for (size_t i = 0; i < n; i++) {
		bool later = false;

		list[i] = v[i];
		err = prepare(list[i], n == 1 && with == NULL, &later, error);
		if (err != ERR_OK)
			return err;
		if (later)
			return list[i]->lockless ? ERR_OK : assemble_queue(list[i], error);
		todo += list[i]->state != UPLOAD_COMPLETE;
	}
	if (todo == 0 && with == NULL)
		return ERR_OK;
	for (size_t i = 0; i < n; i++)
		if (list[i]->state != UPLOAD_COMPLETE)
			records[i] = completed(list[i], clock_now_ms());
	err = commit(&c, commit_kind(e, v, n), "upload commit");
	for (size_t i = 0; err == ERR_OK && i < n; i++)
		if (records[i] != NULL)
			tidy_up(list[i]);
	if (err == ERR_OK)
		concat_wake(e, c.finals);
	json_object_put(c.finals);
	return err;
}

/* What is missing is known before anybody is displaced for it. */
static enum err missing(struct upload *u, struct error *error)
{
	if (u->staged || (u->length < 0 && u->mode == mode_of(UPLOAD_APPEND)))
		return ERR_OK;
	if (u->mode == mode_of(UPLOAD_RANGE) && u->length < 0)
		return ranges_cover(&u->ranges, 0, ranges_end(&u->ranges))
			   ? ERR_OK
			   : error_set(error, ERR_INCOMPLETE, "upload %.8s has gaps", u->id);
	return u->mode->whole(u)
		   ? ERR_OK
		   : error_set(error, ERR_INCOMPLETE, "upload %.8s: %lld of %lld bytes", u->id,
			       (long long)(u->mode->shared ? u->received : u->offset),
			       (long long)u->length);
}

enum err upload_finish(struct upload *u, struct error *error)
{
	enum err e;

	if (u->state == UPLOAD_COMPLETE || u->lockless)
		return ERR_OK;
	e = missing(u, error);
	if (e == ERR_OK)
		e = upload_alone(u, error);
	if (e != ERR_OK || u->state == UPLOAD_COMPLETE)
		return e;
	/* Somebody may have begun anew meanwhile. */
	e = missing(u, error);
	if (e != ERR_OK)
		return e;
	if (u->mode == mode_of(UPLOAD_RANGE) && u->length < 0)
		u->length = ranges_end(&u->ranges);
	return uploads_commit(u->engine, &u, 1, NULL, NULL, error);
}

enum err upload_set_length(struct upload *u, int64_t length, struct error *error)
{
	enum err e, full;

	if (u->length == length)
		return ERR_OK;
	if (u->length >= 0 || length < u->offset || length < ranges_end(&u->ranges) ||
	    u->state >= UPLOAD_COMPLETE || u->lockless)
		return error_set(error, ERR_LENGTH, "upload %.8s: length %lld", u->id,
				 (long long)length);
	if (length > u->engine->config->upload_max_size)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	if (length - u->offset > receive_room(u, &full))
		return error_set(error, full, "upload %.8s: length %lld", u->id, (long long)length);
	e = admit_space(u->engine, length - u->offset, u->mode->copies, u->room.promised, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_int(u->record, "length", length);
	if (!u->pending)
		e = upload_store(u, engine_kind(u->engine), "upload length", error);
	if (e == ERR_OK)
		u->length = length;
	else
		(void)json_set_int(u->record, "length", -1);
	return e;
}

enum err upload_set_by_mark(struct upload *u, struct error *error)
{
	enum err e = ERR_OK;

	if (u->by_mark || u->state >= UPLOAD_COMPLETE)
		return ERR_OK;
	(void)json_set_bool(u->record, "by_mark", true);
	if (!u->pending)
		e = upload_store(u, engine_kind(u->engine), "upload mark", error);
	if (e == ERR_OK)
		u->by_mark = true;
	else
		(void)json_set_bool(u->record, "by_mark", false);
	return e;
}
