/*
 * The sweep: uploads past their end, folders without a record, what a crash left of complete ones
 * (transports.md 1.10).
 */
#include "upload/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define SWEEP_EVERY_MS 60000 /* lazy sweeps of all processes together */
#define LAZY_BUDGET_MS 50
#define STRAY_MS       3600000 /* a directory without a record is left alone this long */
#define BATCH	       50      /* uploads a pass */

/* ---- uploads and tombstones past their end */

/* One that is due: seen, locked when it has files. */
struct due {
	char id[ID_LEN + 1];
	int lock;	 /* -1: no files */
	bool busy;	 /* somebody writes: not over at all */
	int64_t touched; /* last change of its file, 0 = none */
	bool remove;	 /* result: its files go */
	bool joined;	 /* result: its parts do */
};

struct sweep {
	struct engine *engine;
	int64_t now;   /* wall clock, ms */
	int64_t until; /* monotonic ms */
	struct due due[BATCH];
	size_t n;
	json_object *ids;	   /* of uploads_expired */
	json_object *broken;	   /* finals that waited for one of them */
	struct tally_uploads sums; /* of a batch */
};

static enum err due_pass(struct pass *p, void *arg)
{
	struct sweep *s = arg;

	json_object_put(s->ids);
	s->ids = NULL;
	return uploads_expired(p, s->now, BATCH, &s->ids);
}

/* What cannot be looked at counts as busy: it is not over because we are short of descriptors. */
static void due_look(const struct sweep *s, struct due *d)
{
	char place[40];
	CLEAN_FD int dir = -1;

	id_place(d->id, place);
	dir = fs_open_dir(s->engine->dir, place);
	if (dir < 0) {
		d->busy = errno != ENOENT;
		return;
	}
	d->lock = lock_open(dir);
	/* Of a request that is still at it. */
	if (d->lock < 0 && errno == ENOENT)
		d->lock = openat(dir, "part", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	d->busy = d->lock >= 0 ? !lock_try(d->lock, true) : errno != ENOENT;
	d->touched = touched_in(dir);
}

/* Somebody must be at it, or its task in the queue. */
static enum err settle_assembling(struct pass *p, struct sweep *s, const struct due *d,
				  json_object *r, int64_t end)
{
	enum err e = ERR_OK;

	if (!d->busy && !assemble_alive(p, r, &e))
		return e == ERR_OK ? assemble_task(p, s->engine, r) : e;
	(void)json_set_int(r, "expires",
			   end < s->now + ASSEMBLE_LOOK_MS ? end : s->now + ASSEMBLE_LOOK_MS);
	return uploads_put(p, r);
}

/*
 * What becomes of one record whose time has come; read again here, since a consumer may have taken
 * it meanwhile.
 */
static enum err settle(struct pass *p, struct sweep *s, struct due *d)
{
	CLEAN_JSON json_object *r = NULL;
	enum err e = uploads_get(p, d->id, &r);
	int64_t end;

	d->remove = e == ERR_NOT_FOUND;
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (json_int(r, "refs", 0) > 0)
		return ERR_OK;
	if (state_of(r) == UPLOAD_EXPIRED) {
		d->remove = true;
		return json_int(r, "expires", 0) > s->now ? ERR_OK : uploads_delete(p, d->id);
	}
	end = expires_at(s->engine, r, d->touched > 0 ? d->touched : json_int(r, "created", 0));
	if (d->busy && state_of(r) != UPLOAD_COMPLETE)
		end = s->now +
		      SWEEP_EVERY_MS; /* look again: whoever writes now may leave it for good */
	if (end > s->now && json_bool(r, "assembling", false) && state_of(r) < UPLOAD_COMPLETE)
		return settle_assembling(p, s, d, r, end);
	if (end > s->now) {
		(void)json_set_int(r, "expires", end);
		return uploads_put(p, r);
	}
	d->remove = true;
	count(&s->sums, TALLY_EXPIRED, r);
	record_expire(s->engine, r,
		      state_of(r) == UPLOAD_COMPLETE ? UPLOAD_UNUSED
		      : end ==
			      json_int(r, "created", 0) + s->engine->config->upload_max_ttl_s * 1000
			  ? UPLOAD_AGE
			  : UPLOAD_IDLE,
		      s->now);
	e = uploads_put(p, r);
	return e == ERR_OK ? concat_partial_gone(p, s->engine, r, &s->broken, &s->sums) : e;
}

static enum err settle_pass(struct pass *p, void *arg)
{
	struct sweep *s = arg;
	enum err e = ERR_OK;

	json_object_put(s->broken);
	s->broken = NULL;
	s->sums = (struct tally_uploads){0};
	for (size_t i = 0; e == ERR_OK && i < s->n; i++)
		e = settle(p, s, &s->due[i]);
	return e;
}

/* One batch; *RET_MORE: there may be another. */
static enum err sweep_due(struct sweep *s, bool *ret_more, struct error *error)
{
	json_object *item;
	enum err e = store_pass(s->engine->store, PASS_READ, "upload due", due_pass, s, error);

	*ret_more = false;
	if (e != ERR_OK || json_len(s->ids) == 0)
		return e;
	s->n = 0;
	JSON_EACH(item, s->ids)
	{
		struct due *d = &s->due[s->n++];

		*d = (struct due){.lock = -1};
		(void)snprintf(d->id, sizeof(d->id), "%s", json_object_get_string(item));
		due_look(s, d);
	}
	e = store_pass(s->engine->store, PASS_DELETE, "upload expire", settle_pass, s, error);
	for (size_t i = 0; i < s->n; i++) {
		if (e == ERR_OK && s->due[i].remove)
			files_remove(s->engine, s->due[i].id);
		if (s->due[i].lock >= 0)
			(void)close(s->due[i].lock);
	}
	if (e == ERR_OK) {
		tally_add_uploads(s->engine->tally, &s->sums);
		concat_remove(s->engine, s->broken);
	}
	*ret_more = e == ERR_OK && s->n == BATCH;
	return e;
}

/* ---- directories without a record */

static enum err stray_pass(struct pass *p, void *arg)
{
	struct sweep *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		CLEAN_JSON json_object *r = NULL;
		enum err e = uploads_get(p, s->due[i].id, &r);

		if (e != ERR_OK && e != ERR_NOT_FOUND)
			return e;
		s->due[i].remove = e == ERR_NOT_FOUND ||
				   (state_of(r) == UPLOAD_EXPIRED && json_int(r, "refs", 0) <= 0);
		s->due[i].joined =
		    state_of(r) == UPLOAD_COMPLETE && json_int(r, "part_count", 0) > 0;
	}
	return ERR_OK;
}

/* Parts of a complete upload whose joiner was killed while it tidied up. */
static void remove_parts(const struct sweep *s, const char *id)
{
	char place[40];
	CLEAN_FD int dir = -1;

	id_place(id, place);
	dir = fs_open_dir(s->engine->dir, place);
	if (dir >= 0)
		parts_remove(dir);
}

static enum err stray_batch(struct sweep *s, struct error *error)
{
	enum err e = s->n == 0 ? ERR_OK
			       : store_pass(s->engine->store, PASS_READ, "upload strays",
					    stray_pass, s, error);

	for (size_t i = 0; e == ERR_OK && i < s->n; i++) {
		struct due *d = &s->due[i];

		if (d->joined)
			remove_parts(s, d->id);
		if (!d->remove)
			continue;
		due_look(s, d);
		if (!d->busy)
			files_remove(s->engine, d->id);
		if (d->lock >= 0)
			(void)close(d->lock);
	}
	s->n = 0;
	return e;
}

static enum err sweep_prefix(struct sweep *s, int prefix, struct error *error)
{
	char name[3];
	struct dirent *entry;
	enum err e = ERR_OK;
	DIR *d;
	int fd;

	(void)snprintf(name, sizeof(name), "%02x", (unsigned)prefix & 0xff);
	fd = fs_open_dir(s->engine->dir, name);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return ERR_OK;
	}
	s->n = 0;
	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		struct stat st;

		if (!token_is_hex(entry->d_name, ID_LEN) ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    mtime_ms(&st) > s->now - STRAY_MS)
			continue;
		s->due[s->n] = (struct due){.lock = -1};
		memcpy(s->due[s->n++].id, entry->d_name, ID_LEN + 1);
		if (s->n == BATCH)
			e = stray_batch(s, error);
	}
	(void)closedir(d);
	return e == ERR_OK ? stray_batch(s, error) : e;
}

/* Spools that had a name for a moment and lost their process in it. */
static void sweep_spools(const struct sweep *s)
{
	int fd = openat(s->engine->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, "spool.", 6) == 0 &&
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mtime_ms(&st) <= s->now - STRAY_MS)
			(void)unlinkat(fd, entry->d_name, 0);
	(void)closedir(d);
}

/* ---- the sweep */

static enum err rates_pass(struct pass *p, void *arg)
{
	const struct sweep *s = arg;

	return rates_sweep(p, s->now, 1000);
}

static enum err sweep_strays(struct sweep *s, int coordination, struct error *error)
{
	char text[4] = "";
	int64_t next = 0;
	enum err e = ERR_OK;

	if (pread(coordination, text, 3, 0) > 0)
		(void)text_int(text, 0, 255, &next);
	/* A short budget takes some of the 256 folders and leaves word where to go on. */
	for (int i = 0; i < 256 && e == ERR_OK && clock_mono_ms() < s->until; i++) {
		e = sweep_prefix(s, (int)next, error);
		next = (next + 1) % 256;
	}
	(void)snprintf(text, sizeof(text), "%03d", (int)next & 0xff);
	if (pwrite(coordination, text, 3, 0) != 3)
		return error_errno(error, ERR_IO, "write uploads/sweep");
	return e;
}

enum err upload_sweep(struct engine *e, int budget_ms, struct error *error)
{
	struct flock one = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	CLEAN_FD int fd = openat(e->dir, "sweep", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct sweep *s;
	bool more = true;
	enum err err = ERR_OK;

	if (fd < 0)
		return error_errno(error, ERR_IO, "open uploads/sweep");
	if (fcntl(fd, F_OFD_SETLK, &one) != 0)
		return ERR_OK; /* somebody else is at it */
	(void)futimens(fd, NULL);
	s = mem_alloc(sizeof(*s));
	s->engine = e;
	s->now = clock_now_ms();
	s->until = clock_mono_ms() + budget_ms;
	while (err == ERR_OK && more && clock_mono_ms() < s->until)
		err = sweep_due(s, &more, error);
	if (err == ERR_OK && clock_mono_ms() < s->until)
		err = store_pass(e->store, PASS_DELETE, "upload rates", rates_pass, s, error);
	sweep_spools(s);
	if (err == ERR_OK)
		err = sweep_strays(s, fd, error);
	json_object_put(s->ids);
	json_object_put(s->broken);
	free(s);
	return err;
}

void sweep_sometimes(struct engine *e)
{
	if (!fs_is_fresh(e->dir, "sweep", SWEEP_EVERY_MS))
		(void)upload_sweep(e, LAZY_BUDGET_MS, NULL);
}
