/*
 * An upload is made, opened, let go.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

/*
 * Whole files in one request: nobody is told of them before they are complete, so one commit does
 * for both.
 */
static bool in_one_request(const struct upload_spec *spec)
{
	return spec->late || strcmp(spec->adapter, "form") == 0 || strcmp(spec->adapter, "put") == 0;
}

static struct upload *upload_new(struct engine *e, const char *id, enum upload_want want)
{
	struct upload *u = mem_alloc(sizeof(*u));

	u->engine = e;
	u->want = want;
	u->dir = u->lock = u->part = -1;
	u->length = -1;
	if (id != NULL)
		memcpy(u->id, id, ID_LEN);
	return u;
}

void upload_close(struct upload *u)
{
	if (u == NULL)
		return;
	/* Never committed, so nobody knows it. */
	if (u->pending && !u->doubtful)
		files_remove(u->engine, u->id);
	digest_free(u->run);
	if (u->part >= 0)
		(void)close(u->part);
	if (u->lock >= 0)
		(void)close(u->lock); /* and with it the lock */
	if (u->dir >= 0)
		(void)close(u->dir);
	json_object_put(u->record);
	free(u->address);
	free(u);
}

const char *upload_id(const struct upload *u)
{
	return u->id;
}

int64_t upload_offset(const struct upload *u)
{
	return u->offset;
}

int64_t upload_length(const struct upload *u)
{
	return u->length;
}

bool upload_is_complete(const struct upload *u)
{
	return u->state == UPLOAD_COMPLETE;
}

int64_t upload_expires(const struct upload *u)
{
	return expires_at(u->engine, u->record, touched_at(u));
}

/* ---- create */

static json_object *digest_json(const struct checksum *digest)
{
	char hex[129];

	if (digest == NULL)
		return NULL;
	for (size_t i = 0; i < digest_size(digest->algorithm); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest->value[i]);
	return json_set_str(
	    json_set_str(json_object_new_object(), "algorithm", digest_name(digest->algorithm)),
	    "value", hex);
}

static json_object *record_new(const struct upload *u, const struct upload_spec *spec)
{
	const struct config *c = u->engine->config;
	json_object *r = json_object_new_object();
	int64_t now = clock_now_ms();

	(void)json_set_str(r, "id", u->id);
	(void)json_set_str(r, "owner", spec->owner.owner);
	(void)json_set_str(r, "adapter", spec->adapter);
	(void)json_set_str(r, "mode", u->mode->name);
	(void)json_set_str(r, "state", state_word(UPLOAD_CREATED));
	(void)json_set_str(
	    r, "name", spec->name != NULL && spec->name[0] != '\0' ? spec->name : "upload");
	(void)json_set_str(r, "rel_path", spec->rel_path);
	(void)json_set_str(r, "media_type", spec->media_type);
	(void)json_set_str(r, "meta", spec->meta);
	(void)json_set_int(r, "length", spec->length);
	(void)json_set_int(r, "offset", 0);
	(void)json_set(r, "digest", digest_json(spec->digest));
	(void)json_set_int(r, "created", now);
	(void)json_set_int(r, "touched", now);
	(void)json_set_str(r, "boot_id", u->engine->boot_id);
	(void)json_set_int(r, "tentative", -1);
	(void)json_set_bool(r, "assembling", false);
	(void)json_set_bool(r, "partial", spec->partial);
	(void)json_set_int(r, "refs", 0);
	/* What a reference's end needs to know inside a pass, where no configuration is at hand. */
	(void)json_set_int(r, "complete_ttl", c->upload_complete_ttl_s * 1000);
	(void)json_set_int(r, "tombstone_ttl", c->upload_tombstone_ttl_s * 1000);
	(void)json_set_int(r, "expires", expires_at(u->engine, r, now));
	return r;
}

static enum err check_spec(
    const struct engine *e, const struct upload_spec *spec, struct error *error)
{
	if (mode_of(spec->mode) == NULL)
		return error_set(error, ERR_UNAVAILABLE, "uploads cannot be filled that way");
	if (spec->owner.read_only)
		return error_set(error, ERR_FORBIDDEN, "a read-only key creates no upload");
	if (spec->length < -1)
		return error_set(error, ERR_LENGTH, "upload of negative length");
	if (spec->length > e->config->upload_max_size)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	return ERR_OK;
}

/* The directories and files of a new upload, and its lock. */
static enum err make_files(struct upload *u, struct error *error)
{
	char place[40], prefix[3] = {u->id[0], u->id[1], '\0'};

	id_place(u->id, place);
	if (mkdirat(u->engine->dir, prefix, 0700) == 0) {
		enum err e = sync_fd(u->engine, u->engine->dir, "uploads", error);

		if (e != ERR_OK)
			return e;
	} else if (errno != EEXIST) {
		return error_errno(error, ERR_IO, "make upload's directory");
	}
	if (mkdirat(u->engine->dir, place, 0700) != 0)
		return error_errno(error, ERR_IO, "make upload's directory");
	u->dir = fs_open_dir(u->engine->dir, place);
	if (u->dir < 0)
		return error_errno(error, ERR_IO, "open upload's directory");
	u->lock = openat(u->dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	u->part = openat(u->dir, "part", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->lock < 0 || u->part < 0 || !lock_try(u->lock, true))
		return error_errno(error, ERR_IO, "make upload's files");
	return upload_mark(u, false, error);
}

/* The names of a new upload's files are durable. */
static enum err sync_names(struct upload *u, struct error *error)
{
	char prefix[3] = {u->id[0], u->id[1], '\0'};
	CLEAN_FD int above = u->engine->sync ? fs_open_dir(u->engine->dir, prefix) : -1;
	enum err e = sync_fd(u->engine, u->dir, "upload's directory", error);

	if (e != ERR_OK || !u->engine->sync)
		return e;
	if (above < 0)
		return error_errno(error, ERR_IO, "open upload's parent");
	return sync_fd(u->engine, above, "upload's parent", error);
}

/* Make the record outlive us now: the upload is filled by later requests. */
static enum err create_now(struct upload *u, const struct upload_spec *spec, struct error *error)
{
	enum err e;

	if (spec->length == 0 && u->mode->whole(u))
		return uploads_commit(u->engine, &u, 1, NULL, NULL, error);
	e = sync_names(u, error);
	return e == ERR_OK ? upload_store(u, engine_kind(u->engine), "upload create", error) : e;
}

enum err upload_keep(struct upload *u, struct error *error)
{
	enum err e;

	if (!u->pending)
		return ERR_OK;
	e = receive_sync(u, error);
	if (e == ERR_OK)
		e = sync_names(u, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_int(u->record, "offset", u->offset);
	if (u->offset > 0)
		(void)json_set_str(u->record, "state", state_word(UPLOAD_RECEIVING));
	return upload_store(u, engine_kind(u->engine), "upload create", error);
}

enum err upload_create(
    struct engine *e, const struct upload_spec *spec, struct upload **ret, struct error *error)
{
	struct admission a = {.engine = e,
	    .owner = spec->owner.owner,
	    .address = spec->address,
	    .create = true,
	    .length = spec->length,
	    .error = error};
	struct upload *u;
	enum err err = check_spec(e, spec, error);

	if (err != ERR_OK)
		return err;
	sweep_sometimes(e);
	err = store_pass(e->store, PASS_READ, "upload admit", admit_pass, &a, error);
	if (err == ERR_OK)
		err = admit_space(
		    e, spec->length, mode_of(spec->mode)->copies, a.room.promised, error);
	if (err != ERR_OK)
		return err;
	u = upload_new(e, NULL, UPLOAD_WANT_WRITE);
	token_hex(u->id, ID_LEN);
	u->mode = mode_of(spec->mode);
	u->length = spec->length;
	u->room = a.room;
	u->pending = true;
	u->record = record_new(u, spec);
	if (spec->address != NULL)
		u->address = mem_strdup(spec->address);
	if (spec->digest != NULL)
		u->run = digest_new(spec->digest->algorithm);
	err = make_files(u, error);
	if (err == ERR_OK && !in_one_request(spec))
		err = create_now(u, spec, error);
	if (err != ERR_OK) {
		upload_close(u);
		return err;
	}
	*ret = u;
	return ERR_OK;
}

/* ---- open */

enum err may_open(const json_object *record, const struct principal *who, enum upload_want want,
    struct error *error)
{
	const char *owner = json_str(record, "owner", "-");
	bool own = who == NULL || strcmp(owner, "-") == 0 || strcmp(owner, who->owner) == 0;

	/* An administrator may look and delete, but not write into somebody's file. */
	if (!own && !(who->admin && want != UPLOAD_WANT_WRITE))
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
	bool figures;        /* fill admission.room too */
	json_object *record; /* result */
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
	return l->figures ? admit_pass(p, &l->admission) : ERR_OK;
}

/* The record in one pass, with the figures a writer needs. */
static enum err load(struct upload *u, const struct principal *who, struct error *error)
{
	struct load l = {.admission = {.engine = u->engine, .error = error},
	    .id = u->id,
	    .figures = u->want == UPLOAD_WANT_WRITE};
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
	json_object_put(u->record);
	u->record = l.record;
	u->room = l.admission.room;
	u->mode = mode_of(mode);
	u->state = state_of(u->record);
	u->length = json_int(u->record, "length", -1);
	u->offset = u->durable = json_int(u->record, "offset", 0);
	return ERR_OK;
}

/*
 * The upload's folder and lock file.  ERR_NOT_FOUND only when the folder is really missing: a
 * process short of descriptors must not take an upload for lost.
 */
static enum err open_files(struct upload *u, struct error *error)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (u->want == UPLOAD_WANT_STATUS ? 0 : O_CREAT);
	char place[40];

	id_place(u->id, place);
	u->dir = fs_open_dir(u->engine->dir, place);
	if (u->dir < 0)
		return errno == ENOENT ? ERR_NOT_FOUND
				       : error_errno(error, ERR_IO, "open upload's directory");
	u->lock = openat(u->dir, "lock", flags, 0600);
	if (u->lock < 0 && !(errno == ENOENT && u->want == UPLOAD_WANT_STATUS))
		return error_errno(error, ERR_IO, "open upload's lock file");
	return ERR_OK;
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
	if (e != ERR_OK)
		return e;
	/* A crash between the last byte and the commit: nobody may have to send anything again. */
	if (u->staged || u->mode->whole(u))
		return uploads_commit(u->engine, &u, 1, NULL, NULL, error);
	return ERR_OK;
}

/*
 * The lock first when it is free, so that one pass does; when somebody has it, the record decides
 * first whether WHO may displace him, and is read again afterwards.
 */
static enum err open_locked(struct upload *u, const struct principal *who, struct error *error)
{
	bool exclusive = true;
	enum err files = open_files(u, error), e = files;
	bool locked = files == ERR_OK && lock_try(u->lock, exclusive);

	if (files == ERR_OK || files == ERR_NOT_FOUND)
		e = load(u, who, error);
	if (e != ERR_OK)
		return e;
	if (files == ERR_NOT_FOUND)
		return upload_lost(u, error);
	if (!locked) {
		e = lock_displace(u, exclusive, error);
		if (e == ERR_OK)
			e = load(u, who, error);
	}
	if (e == ERR_OK && u->want == UPLOAD_WANT_WRITE)
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
			err = load(u, who, error);
		if (err == ERR_OK)
			err = status_offset(u, error);
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
