/*
 * An upload is made, and let go.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define TINY_BYTES     (64 * KIB)
#define RECORD_MEMBERS 32 /* about as many as a record has when it is complete */

/*
 * Whole files in one request: nobody is told of them before they are complete, so one commit does
 * for both.
 */
static bool in_one_request(const struct upload_spec *spec)
{
	return spec->late || strcmp(spec->adapter, "form") == 0 ||
	       strcmp(spec->adapter, "put") == 0;
}

struct upload *upload_new(struct engine *e, const char *id, enum upload_want want)
{
	struct upload *u = mem_alloc(sizeof(*u));

	u->engine = e;
	u->want = want;
	u->dir = u->lock = u->part = u->direct = u->aside = u->sizes = -1;
	u->length = -1;
	if (id != NULL)
		memcpy(u->id, id, ID_LEN);
	return u;
}

void upload_close(struct upload *u)
{
	if (u == NULL)
		return;
	/* A push without an end: a range keeps what came, a part does not. */
	if (u->pushing == PUSH_RANGE && !u->pending)
		(void)range_end(u, false, NULL);
	aside_drop(u);
	/* Never committed, so nobody knows it. */
	if (u->pending && !u->doubtful)
		files_remove(u->engine, u->id);
	hash_free(u);
	ranges_done(&u->ranges);
	if (u->sizes >= 0)
		(void)close(u->sizes);
	if (u->part >= 0)
		(void)close(u->part);
	if (u->direct >= 0)
		(void)close(u->direct);
	if (u->lock >= 0)
		(void)close(u->lock); /* and with it the lock */
	if (u->dir >= 0)
		(void)close(u->dir);
	json_object_put(u->record);
	json_object_put(u->expected);
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

#define TYPE_MOST 127 /* characters of a media type */

/* What a record need not say: what is absent, or as it is for most. */
static void set_given(json_object *r, const char *name, const char *value)
{
	if (value != NULL)
		(void)json_set_str(r, name, value);
}

/* A type is only ever shown: what is none is left out, lest a record hold what is no text. */
static const char *type_given(const char *type)
{
	size_t len = type != NULL ? strlen(type) : 0;

	for (size_t i = 0; i < len; i++)
		if (type[i] < ' ' || type[i] >= 0x7F)
			return NULL;
	return len > 0 && len <= TYPE_MOST ? type : NULL;
}

static json_object *record_new(const struct upload *u, const struct upload_spec *spec)
{
	const struct config *c = u->engine->config;
	json_object *r = json_new(RECORD_MEMBERS);
	int64_t now = clock_now_ms();

	(void)json_set_str(r, "id", u->id);
	(void)json_set_str(r, "owner", spec->owner.owner);
	(void)json_set_str(r, "adapter", spec->adapter);
	(void)json_set_str(r, "mode", u->mode->name);
	(void)json_set_str(r, "state", state_word(UPLOAD_CREATED));
	(void)json_set_str(r, "name",
			   spec->name != NULL && spec->name[0] != '\0' ? spec->name : "upload");
	set_given(r, "rel_path", spec->rel_path);
	set_given(r, "media_type", type_given(spec->media_type));
	set_given(r, "meta", spec->meta);
	(void)json_set_int(r, "length", u->length);
	(void)json_set_int(r, "offset", 0);
	if (spec->mode == UPLOAD_PARTS) {
		(void)json_set_int(r, "part_count", spec->parts);
		(void)json_set_int(r, "copies", u->mode->copies);
	}
	if (spec->digest != NULL)
		(void)json_set(r, "digest", digests_json(spec->digest, spec->n_digests));
	if (spec->hash != 0)
		(void)json_set_int(r, "hash", spec->hash);
	if (spec->by_mark)
		(void)json_set_bool(r, "by_mark", true);
	if (spec->partial)
		(void)json_set_bool(r, "partial", true);
	key_record(r, spec);
	concat_record(r, spec);
	(void)json_set_int(r, "created", now);
	(void)json_set_int(r, "touched", now);
	(void)json_set_str(r, "boot_id", u->engine->boot_id);
	/* What a reference's end needs to know inside a pass, where no configuration is at hand. */
	(void)json_set_int(r, "complete_ttl", c->upload_complete_ttl_s * 1000);
	(void)json_set_int(r, "tombstone_ttl", c->upload_tombstone_ttl_s * 1000);
	(void)json_set_int(r, "expires", expires_at(u->engine, r, now));
	return r;
}

static enum err check_spec(const struct engine *e, const struct upload_spec *spec,
			   struct error *error)
{
	if (mode_of(spec->mode) == NULL)
		return error_set(error, ERR_UNAVAILABLE, "uploads cannot be filled that way");
	if (spec->owner.read_only)
		return error_set(error, ERR_FORBIDDEN, "a read-only key creates no upload");
	if (spec->length < -1)
		return error_set(error, ERR_LENGTH, "upload of negative length");
	if (spec->length > e->config->upload_max_size)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	if (spec->mode == UPLOAD_PARTS &&
	    (spec->parts < 1 || spec->parts > e->config->upload_max_parts))
		return error_set(error, ERR_LENGTH, "parts: 1 to upload.max_parts");
	return ERR_OK;
}

/* The directory of a new upload. */
static enum err make_dir(struct upload *u, struct error *error)
{
	char place[40], prefix[3] = {u->id[0], u->id[1], '\0'};
	int made;

	id_place(u->id, place);
	made = mkdirat(u->engine->dir, place, 0700);
	if (made != 0 && errno == ENOENT) {
		/* The first with this prefix. */
		enum err e = ERR_OK;

		made = mkdirat(u->engine->dir, prefix, 0700);
		if (made == 0 || errno == EEXIST) {
			e = sync_fd(u->engine, u->engine->dir, "uploads", error);
			made = mkdirat(u->engine->dir, place, 0700);
		}
		if (e != ERR_OK)
			return e;
	}
	if (made != 0)
		return error_errno(error, ERR_IO, "make upload's directory");
	u->dir = fs_open_dir(u->engine->dir, place);
	return u->dir < 0 ? error_errno(error, ERR_IO, "open upload's directory") : ERR_OK;
}

static int make_file(const struct upload *u, const char *name)
{
	return openat(u->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The file that tells others whether somebody is at it. */
static enum err make_lock(struct upload *u, struct error *error)
{
	u->lock = make_file(u, "lock");
	if (u->lock < 0 || !lock_try(u->lock, true))
		return error_errno(error, ERR_IO, "make upload's lock file");
	u->exclusive = true;
	return ERR_OK;
}

/* The directory and files of a new upload, and its lock. */
static enum err make_files(struct upload *u, struct error *error)
{
	enum err e = make_dir(u, error);
	int file;

	if (e == ERR_OK)
		e = make_lock(u, error);
	if (e != ERR_OK)
		return e;
	file = make_file(u, u->mode->file);
	*(u->mode == mode_of(UPLOAD_PARTS) ? &u->sizes : &u->part) = file;
	return file < 0 ? error_errno(error, ERR_IO, "make upload's files") : ERR_OK;
}

enum err upload_place(struct upload *u, int64_t bytes, struct error *error)
{
	enum err e;

	if (u->dir >= 0)
		return ERR_OK;
	e = make_dir(u, error);
	if (e != ERR_OK)
		return e;
	u->named = bytes == u->length;
	u->part = make_file(u, u->named ? "data" : u->mode->file);
	if (u->part < 0 || !lock_try(u->part, true))
		return error_errno(error, ERR_IO, "make upload's file");
	u->exclusive = true;
	return ERR_OK;
}

/* One that was to be over with its request is not: later ones find what they look for. */
static enum err keep_files(struct upload *u, struct error *error)
{
	if (u->dir < 0)
		return make_files(u, error);
	/* Its bytes came, but no file for them could be made. */
	if (u->part < 0 && u->mode == mode_of(UPLOAD_APPEND)) {
		u->named = false;
		u->part = make_file(u, u->mode->file);
		if (u->part < 0)
			return error_errno(error, ERR_IO, "make upload's file");
	}
	if (u->named && !u->staged && renameat(u->dir, "data", u->dir, u->mode->file) != 0)
		return error_errno(error, ERR_IO, "name upload's file");
	u->named = u->staged;
	return u->lock < 0 ? make_lock(u, error) : ERR_OK;
}

/* The names of a new upload's files are durable, and whoever opens it finds a note. */
static enum err sync_names(struct upload *u, struct error *error)
{
	char prefix[3] = {u->id[0], u->id[1], '\0'};
	CLEAN_FD int above = u->engine->sync ? fs_open_dir(u->engine->dir, prefix) : -1;
	enum err e;

	u->kept = true;
	e = upload_mark(u, u->marked, error);
	if (e == ERR_OK)
		e = sync_fd(u->engine, u->dir, "upload's directory", error);

	if (e != ERR_OK || !u->engine->sync)
		return e;
	if (above < 0)
		return error_errno(error, ERR_IO, "open upload's parent");
	return sync_fd(u->engine, above, "upload's parent", error);
}

/* Make the record outlive us now: the upload is filled by later requests. */
static enum err create_now(struct upload *u, struct error *error)
{
	enum err e;

	if (upload_ends(u) && u->received <= u->engine->config->upload_assemble_inline)
		return uploads_commit(u->engine, &u, 1, NULL, NULL, error);
	e = sync_names(u, error);
	if (e == ERR_OK)
		e = upload_store(u, engine_kind(u->engine), "upload create", error);
	if (e == ERR_OK && upload_ends(u))
		e = upload_end(u, true, error);
	if (e == ERR_OK && u->mode->shared)
		lock_ease(u);
	return e;
}

enum err upload_keep(struct upload *u, struct error *error)
{
	enum err e;

	if (!u->pending)
		return ERR_OK;
	e = keep_files(u, error);
	if (e == ERR_OK)
		e = receive_sync(u, error);
	if (e == ERR_OK)
		e = sync_names(u, error);
	if (e != ERR_OK)
		return e;
	(void)json_set_int(u->record, "offset", u->offset);
	if (u->offset > 0 || u->received > 0)
		(void)json_set_str(u->record, "state", state_word(UPLOAD_RECEIVING));
	e = upload_store(u, engine_kind(u->engine), "upload create", error);
	if (e == ERR_OK && u->mode->shared)
		lock_ease(u);
	return e;
}

enum err upload_make(struct engine *e, const struct upload_spec *spec, const char *replaces,
		     struct upload **ret, bool *ret_taken, struct error *error)
{
	struct admission a = {.engine = e,
			      .owner = spec->owner.owner,
			      .address = spec->address,
			      .create = true,
			      .length = spec->length,
			      .parts = spec->mode == UPLOAD_PARTS ? spec->parts : 0,
			      .error = error};
	struct concat concat = {.length = spec->length};
	struct upload *u;
	enum err err = check_spec(e, spec, error);

	if (err == ERR_OK && spec->mode == UPLOAD_CONCAT)
		err = concat_check(e, spec, &concat, error);
	if (err != ERR_OK)
		return err;
	a.length = concat.length;
	sweep_sometimes(e);
	/* What is over in a moment is admitted by the transaction that makes it. */
	if (!(spec->late && spec->mode == UPLOAD_APPEND && a.length >= 0 && a.length <= TINY_BYTES))
		err = store_pass(e->store, PASS_READ, "upload admit", admit_pass, &a, error);
	if (err == ERR_OK)
		err = admit_space(e, a.length, mode_of(spec->mode)->copies, a.room.promised, error);
	if (err != ERR_OK)
		return err;
	u = upload_new(e, NULL, UPLOAD_WANT_WRITE);
	token_hex(u->id, ID_LEN);
	u->mode = mode_of(spec->mode);
	u->length = a.length;
	u->room = a.room;
	u->pending = true;
	(void)snprintf(u->replaces, sizeof(u->replaces), "%s", replaces);
	u->record = record_new(u, spec);
	if (spec->address != NULL)
		u->address = mem_strdup(spec->address);
	u->by_mark = spec->by_mark;
	u->parts = spec->parts;
	u->partials_complete = concat.complete;
	u->received = concat.received;
	hash_begin(u, spec);
	/* Bytes that come at once bring their files with them: upload_place. */
	if (!(spec->late && spec->mode == UPLOAD_APPEND))
		err = make_files(u, error);
	if (err == ERR_OK && !in_one_request(spec))
		err = create_now(u, error);
	if (err != ERR_OK) {
		*ret_taken = u->key_taken;
		upload_close(u);
		return err;
	}
	*ret = u;
	return ERR_OK;
}

enum err upload_create(struct engine *e, const struct upload_spec *spec, struct upload **ret,
		       struct error *error)
{
	bool taken = false;

	return upload_make(e, spec, "", ret, &taken, error);
}
