/*
 * What may be known of an upload, and how consumers reach its file.
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

#define COMPARE_BYTES (64 * KIB)

void upload_info_done(struct upload_info *info)
{
	if (info == NULL)
		return;
	free(info->name);
	free(info->rel_path);
	free(info->path);
	free(info->meta);
	free(info->media_type);
	*info = (struct upload_info){0};
}

static void fill(struct upload_info *info, const struct upload *u)
{
	const json_object *r = u->record;
	enum upload_mode mode = UPLOAD_APPEND;
	char place[40];

	*info = (struct upload_info){0};
	(void)snprintf(info->id, sizeof(info->id), "%s", json_str(r, "id", ""));
	(void)snprintf(info->owner, sizeof(info->owner), "%s", json_str(r, "owner", "-"));
	(void)snprintf(info->adapter, sizeof(info->adapter), "%s", json_str(r, "adapter", ""));
	(void)snprintf(info->md5, sizeof(info->md5), "%s", json_str(r, "md5", ""));
	(void)snprintf(info->sha1, sizeof(info->sha1), "%s", json_str(r, "sha1", ""));
	(void)snprintf(info->sha256, sizeof(info->sha256), "%s", json_str(r, "sha256", ""));
	id_place(info->id, place);
	info->name = mem_strdup(json_str(r, "name", "upload"));
	info->rel_path = mem_strdup(json_str(r, "rel_path", NULL));
	info->meta = mem_strdup(json_str(r, "meta", NULL));
	info->media_type = mem_strdup(json_str(r, "media_type", NULL));
	info->path = mem_printf("uploads/%s/data", place);
	(void)mode_by_name(json_str(r, "mode", ""), &mode);
	info->mode = mode;
	info->partial = json_bool(r, "partial", false);
	info->by_mark = u->by_mark;
	info->parts = u->parts;
	info->n_concat = json_len(json_arr(r, "concat"));
	info->length = u->length;
	info->offset = u->offset;
	info->received = u->received;
	info->stored = u->received;
	info->state = u->state;
	if (info->state == UPLOAD_CREATED && u->received > 0)
		info->state = UPLOAD_RECEIVING;
	info->reason = reason_of(r);
	info->assembling = u->assembling;
	info->created = json_int(r, "created", 0);
	info->expires = expires_at(u->engine, r, touched_at(u));
}

/* What is going on just now, durable or not. */
static void fill_live(struct upload_info *info, const struct upload *u)
{
	struct stat st;

	if (u->state > UPLOAD_COMPLETE || u->dir < 0)
		return;
	/* A complete one, too: its writer may not have said so yet, or be at work with it. */
	info->writing = u->lock >= 0 && lock_held(u->lock);
	if (u->state == UPLOAD_COMPLETE)
		return;
	if (fstatat(u->dir, "part", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	/* A sparse file's length says nothing; its blocks come near the truth. */
	if (u->mode == mode_of(UPLOAD_RANGE) && (int64_t)st.st_blocks * 512 < st.st_size)
		st.st_size = (int64_t)st.st_blocks * 512;
	if (!u->assembling && st.st_size > info->stored)
		info->stored = st.st_size;
}

void look_append(struct upload *u)
{
	int64_t size = fs_size(u->dir, "part"), durable = 0;
	bool dirty = true;

	if (size < 0)
		size = fs_size(u->dir, "data");
	/*
	 * Without a note, or while bytes are coming, only what the note and the record promise is
	 * sure to last.
	 */
	if (mark_read(u->lock, &durable, &dirty) && !dirty)
		durable = size;
	if (durable > size)
		durable = size;
	if (durable > u->offset)
		u->offset = durable;
	u->received = u->offset;
}

enum err status_look(struct upload *u, struct error *error)
{
	int64_t end = expires_at(u->engine, u->record, touched_at(u));

	if (end != 0 && end < clock_now_ms())
		return error_set(error, ERR_GONE, "upload has expired");
	if (u->state < UPLOAD_COMPLETE && u->dir >= 0)
		u->mode->look(u);
	return ERR_OK;
}

enum err upload_status(struct engine *e, const char *id, const struct principal *who,
		       struct upload_info *ret, struct error *error)
{
	struct upload *u;
	enum err err = upload_open(e, id, who, UPLOAD_WANT_STATUS, &u, error);

	if (err != ERR_OK)
		return err;
	fill(ret, u);
	fill_live(ret, u);
	upload_close(u);
	return ERR_OK;
}

struct list {
	const char *owner;
	size_t skip, max;
	json_object *records;
};

static enum err list_pass(struct pass *p, void *arg)
{
	struct list *l = arg;

	json_object_put(l->records);
	l->records = NULL;
	return uploads_list(p, l->owner, l->skip, l->max, &l->records);
}

enum err uploads_of(struct engine *e, const char *owner, size_t skip, size_t max,
		    struct upload_info **ret, size_t *ret_n, struct error *error)
{
	struct list l = {.owner = owner, .skip = skip, .max = max};
	enum err err = store_pass(e->store, PASS_READ, "upload list", list_pass, &l, error);
	struct upload_info *v;
	size_t n = 0;

	if (err != ERR_OK)
		return err;
	v = mem_array(json_len(l.records) + 1, sizeof(*v));
	for (size_t i = 0; i < json_len(l.records); i++) {
		struct upload *u = upload_from(e, json_object_get(json_at(l.records, i)));

		if (u == NULL)
			continue; /* of a newer program */
		/* Tombstones are told too: as past, not as an error. */
		if (status_look(u, NULL) != ERR_OK)
			u->state = UPLOAD_EXPIRED;
		fill(&v[n], u);
		fill_live(&v[n++], u);
		upload_close(u);
	}
	json_object_put(l.records);
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}

/* Is all of it there though nobody said so: the crash came just before the commit? */
static bool nearly_complete(const struct upload *u)
{
	/* Of parts the last one says nothing, so asking for the file is the word. */
	bool said = !u->by_mark || u->mode == mode_of(UPLOAD_PARTS);

	return fs_size(u->dir, "data") >= 0 || (u->length >= 0 && said && u->mode->whole(u));
}

/* For consumers "gone" and "not yours" are the same: there is no such upload. */
static enum err not_there(enum err e, struct error *error)
{
	if (e != ERR_GONE)
		return e;
	if (error != NULL)
		error->err = ERR_NOT_FOUND;
	return ERR_NOT_FOUND;
}

enum err upload_get(struct engine *e, const char *id, const struct principal *who,
		    struct upload_info *ret, struct error *error)
{
	struct upload *u;
	enum err err = upload_open(e, id, who, UPLOAD_WANT_STATUS, &u, error);

	if (err == ERR_OK && u->state < UPLOAD_COMPLETE && u->dir >= 0 && nearly_complete(u)) {
		/* Opening for writing completes it; who may read it here is its owner. */
		upload_close(u);
		err = upload_open(e, id, NULL, UPLOAD_WANT_WRITE, &u, error);
		if (err == ERR_OK && u->state < UPLOAD_COMPLETE && u->mode->whole(u)) {
			err = upload_finish(u, error);
			if (err != ERR_OK)
				upload_close(u);
		}
	}
	if (err != ERR_OK)
		return not_there(err, error);
	if (json_bool(u->record, "partial", false) ||
	    (who != NULL && may_open(u->record, who, UPLOAD_WANT_WRITE, NULL) == ERR_NOT_FOUND))
		err = error_set(error, ERR_NOT_FOUND, "no such upload");
	else if (u->state != UPLOAD_COMPLETE && u->state != UPLOAD_EXPIRED)
		err = error_set(error, ERR_INCOMPLETE, "upload %.8s is not complete", u->id);
	else if (u->dir < 0 || fs_size(u->dir, "data") != u->length)
		err = error_set(error, ERR_NOT_FOUND, "upload %.8s has lost its file", u->id);
	else
		fill(ret, u);
	upload_close(u);
	return err;
}

size_t upload_head(struct engine *e, const struct upload_info *info, void *buf, size_t size)
{
	CLEAN_FD int fd = fs_open_read(e->data, info->path);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (len < size && (n = read(fd, (char *)buf + len, size - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return 0;
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

bool upload_same_content(const struct upload *a, const struct upload *b)
{
	CLEAN_FREE char *x = mem_array(2, COMPARE_BYTES);
	char *y = x + COMPARE_BYTES;
	int64_t at = 0;

	if (a->offset != b->offset || a->part < 0 || b->part < 0)
		return false;
	while (at < a->offset) {
		ssize_t n = pread(a->part, x, COMPARE_BYTES, at);

		/*
		 * Not every read of a regular file is full, but one that differs in length proves
		 * nothing: say "differ".
		 */
		if (n <= 0 || pread(b->part, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n) != 0)
			return false;
		at += n;
	}
	return true;
}
