/*
 * Concat mode: an ordered list of partial uploads, joined when all of them are complete.
 *
 * A partial's record names the finals that wait for it ("finals"), so that its completion completes
 * them and its end ends them, in the same transaction; whatever a crash leaves undone is found by
 * the sweep, since such a final is marked as being assembled.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define BATCH 100 /* partials let go in one pass */

/* ---- what the partials are */

enum err concat_look(struct pass *p, const json_object *ids, const char *owner, struct concat *ret)
{
	const json_object *item;

	*ret = (struct concat){.complete = true};
	JSON_EACH(item, ids)
	{
		CLEAN_JSON json_object *r = NULL;
		enum err e =
		    uploads_get(p, json_object_get_string((json_object *)(uintptr_t)item), &r);
		int64_t length = json_int(r, "length", -1);
		bool usable = e == ERR_OK && json_bool(r, "partial", false) &&
			      state_of(r) != UPLOAD_EXPIRED &&
			      strcmp(json_str(r, "owner", "-"), owner) == 0;

		if (e != ERR_OK && e != ERR_NOT_FOUND)
			return e;
		ret->broken = ret->broken || !usable;
		if (!usable || state_of(r) != UPLOAD_COMPLETE)
			ret->complete = false;
		else if (__builtin_add_overflow(ret->received, length, &ret->received))
			ret->received = INT64_MAX;
		if (length < 0 || ret->length < 0)
			ret->length = -1;
		else if (__builtin_add_overflow(ret->length, length, &ret->length))
			ret->length = INT64_MAX;
	}
	return ERR_OK;
}

struct ask {
	json_object *ids;
	const char *owner;
	struct concat found;
};

static enum err ask_pass(struct pass *p, void *arg)
{
	struct ask *a = arg;

	return concat_look(p, a->ids, a->owner, &a->found);
}

static json_object *ids_json(const struct upload_spec *spec)
{
	json_object *ids = json_object_new_array();

	for (size_t i = 0; i < spec->n_concat; i++)
		json_object_array_add(ids, json_object_new_string(spec->concat[i]));
	return ids;
}

void concat_record(json_object *record, const struct upload_spec *spec)
{
	if (spec->mode == UPLOAD_CONCAT)
		(void)json_set(record, "concat", ids_json(spec));
}

static enum err not_these(struct error *error)
{
	return error_set(error, ERR_CONCAT, "not all of them are partial uploads of this owner");
}

enum err concat_check(struct engine *e, const struct upload_spec *spec, struct concat *ret,
		      struct error *error)
{
	struct ask a = {.owner = spec->owner.owner};
	enum err err;

	if (spec->length >= 0 || spec->n_concat < 1 ||
	    (int64_t)spec->n_concat > e->config->upload_max_concat)
		return error_set(error, ERR_CONCAT, "1 to upload.max_concat partial uploads");
	for (size_t i = 0; i < spec->n_concat; i++)
		if (!token_is_hex(spec->concat[i], ID_LEN))
			return not_these(error);
	a.ids = ids_json(spec);
	err = store_pass(e->store, PASS_READ, "upload partials", ask_pass, &a, error);
	json_object_put(a.ids);
	if (err != ERR_OK)
		return err;
	if (a.found.broken)
		return not_these(error);
	if (a.found.length > e->config->upload_max_size)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	*ret = a.found;
	return ERR_OK;
}

/* ---- links from the partials */

/* Is ID in the list of strings? */
static bool listed(const json_object *list, const char *id)
{
	json_object *item;

	JSON_EACH(item, list)
	if (strcmp(json_object_get_string(item), id) == 0)
		return true;
	return false;
}

static json_object *without(const json_object *list, const char *id)
{
	json_object *rest = json_object_new_array(), *item;

	JSON_EACH(item, list)
	if (strcmp(json_object_get_string(item), id) != 0)
		json_object_array_add(rest, json_object_get(item));
	return rest;
}

enum err concat_link(struct pass *p, const struct upload *u, const json_object *record,
		     struct error *error)
{
	json_object *ids = json_arr(record, "concat"), *item;
	struct concat found;
	enum err e = concat_look(p, ids, json_str(record, "owner", "-"), &found);

	if (e == ERR_OK && found.broken)
		e = not_these(error);
	/* Joined already: there is nothing to wait for. */
	if (e != ERR_OK || u->staged)
		return e;
	JSON_EACH(item, ids)
	{
		CLEAN_JSON json_object *r = NULL;
		json_object *finals;

		e = uploads_get(p, json_object_get_string(item), &r);
		if (e != ERR_OK)
			return e;
		finals = json_arr(r, "finals");
		if (finals == NULL) {
			finals = json_object_new_array();
			(void)json_set(r, "finals", finals);
		}
		if (listed(finals, u->id))
			continue;
		json_object_array_add(finals, json_object_new_string(u->id));
		e = uploads_put(p, r);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err concat_partial_done(struct pass *p, const struct engine *e, const json_object *partial,
			     json_object **ready)
{
	json_object *item;

	JSON_EACH(item, json_arr(partial, "finals"))
	{
		CLEAN_JSON json_object *r = NULL;
		const char *id = json_object_get_string(item);
		struct concat found;
		enum err err = uploads_get(p, id, &r);

		if (err == ERR_NOT_FOUND || (err == ERR_OK && state_of(r) >= UPLOAD_COMPLETE))
			continue;
		if (err == ERR_OK)
			err = concat_look(p, json_arr(r, "concat"), json_str(r, "owner", "-"),
					  &found);
		if (err != ERR_OK)
			return err;
		if (*ready == NULL)
			*ready = json_object_new_array();
		json_object_array_add(*ready, json_object_get(item));
		if (!found.complete)
			continue;
		assemble_mark(e, r);
		err = uploads_put(p, r);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

void concat_wake(struct engine *e, const json_object *finals)
{
	json_object *item;

	JSON_EACH(item, finals)
	{
		const char *id = json_object_get_string(item);
		CLEAN_FREE char *part = mem_printf("%.2s/%s/part", id, id);
		struct upload *u = NULL;

		/* Bytes for one of its partials are bytes for it. */
		(void)utimensat(e->dir, part, NULL, AT_SYMLINK_NOFOLLOW);
		/* Opening completes it when nothing is missing.  When that fails the sweep does. */
		if (upload_open(e, id, NULL, UPLOAD_WANT_WRITE, &u, NULL) == ERR_OK)
			upload_close(u);
	}
}

enum err concat_partial_gone(struct pass *p, const struct engine *e, const json_object *partial,
			     json_object **broken, struct tally_uploads *sums)
{
	json_object *item;

	JSON_EACH(item, json_arr(partial, "finals"))
	{
		CLEAN_JSON json_object *r = NULL;
		enum err err = uploads_get(p, json_object_get_string(item), &r);

		if (err == ERR_NOT_FOUND || (err == ERR_OK && state_of(r) >= UPLOAD_COMPLETE))
			continue;
		if (err == ERR_OK) {
			record_expire(e, r, UPLOAD_INVALID, clock_now_ms());
			count(sums, TALLY_EXPIRED, r);
			err = uploads_put(p, r);
		}
		if (err != ERR_OK)
			return err;
		if (*broken == NULL)
			*broken = json_object_new_array();
		json_object_array_add(*broken, json_object_get(item));
	}
	return ERR_OK;
}

void concat_remove(const struct engine *e, const json_object *broken)
{
	json_object *item;

	JSON_EACH(item, broken)
	files_remove(e, json_object_get_string(item));
}

/* ---- partials of a complete final */

struct leave {
	const struct engine *engine;
	const char *final;
	const json_object *ids;
	size_t from;
};

static enum err leave_pass(struct pass *p, void *arg)
{
	const struct leave *l = arg;
	size_t end = l->from + BATCH < json_len(l->ids) ? l->from + BATCH : json_len(l->ids);

	for (size_t i = l->from; i < end; i++) {
		CLEAN_JSON json_object *r = NULL;
		json_object *rest;
		enum err e = uploads_get(p, json_object_get_string(json_at(l->ids, i)), &r);

		if (e == ERR_NOT_FOUND || (e == ERR_OK && !listed(json_arr(r, "finals"), l->final)))
			continue;
		if (e != ERR_OK)
			return e;
		rest = without(json_arr(r, "finals"), l->final);
		(void)json_set(r, "finals", rest);
		if (json_len(rest) == 0 && state_of(r) == UPLOAD_COMPLETE)
			(void)json_set_int(r, "expires",
					   clock_now_ms() +
					       l->engine->config->upload_partial_ttl_s * 1000);
		e = uploads_put(p, r);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

void concat_leave(const struct upload *u)
{
	struct leave l = {
	    .engine = u->engine, .final = u->id, .ids = json_arr(u->record, "concat")};

	/* What is lost here costs room for a while: complete partials end some day anyhow. */
	for (; l.from < json_len(l.ids); l.from += BATCH)
		(void)store_pass(u->engine->store, PASS_WRITE_NOSYNC, "upload partials end",
				 leave_pass, &l, NULL);
}

/* ---- the mode */

bool concat_whole(const struct upload *u)
{
	return u->partials_complete;
}

void look_concat(struct upload *u)
{
	u->offset = 0;
}

enum err recover_concat(struct upload *u, struct error *error)
{
	struct stat st;

	(void)unlinkat(u->dir, "stop", 0);
	if (u->part < 0)
		u->part = openat(u->dir, "data", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	u->offset = 0;
	if (u->part < 0)
		return ERR_OK;
	if (fstat(u->part, &st) != 0)
		return error_errno(error, ERR_IO, "open upload's file");
	u->staged = true;
	u->offset = st.st_size;
	return ERR_OK;
}

static int open_partial(const struct upload *u, size_t i)
{
	char place[40];
	CLEAN_FREE char *path = NULL;

	id_place(json_object_get_string(json_at(json_arr(u->record, "concat"), i)), place);
	path = mem_printf("%s/data", place);
	return fs_open_read(u->engine->dir, path);
}

/* It may be longer than could be known when it was made. */
static enum err admit(struct upload *u, struct error *error)
{
	int64_t known = json_int(u->record, "length", -1);

	if (u->length > u->engine->config->upload_max_size)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_size");
	if (known < 0 && u->length > u->room.quota)
		return error_set(error, ERR_QUOTA, "over upload.quota");
	return admit_space(u->engine, u->length, 1, 0, error);
}

enum err concat_join(struct upload *u, struct error *error)
{
	size_t n = json_len(json_arr(u->record, "concat"));
	enum err e = admit(u, error);

	if (e != ERR_OK)
		return e;
	if (u->part >= 0)
		(void)close(u->part);
	u->offset = 0;
	u->part = openat(u->dir, "part", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->part < 0)
		return error_errno(error, ERR_IO, "make upload's file");
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		CLEAN_FD int from = open_partial(u, i);

		if (from < 0)
			e = errno == ENOENT ? error_set(error, ERR_CONCAT,
							"upload %.8s: a partial one is gone", u->id)
					    : error_errno(error, ERR_IO, "open a partial upload");
		else
			e = assemble_copy(u, from, error);
	}
	if (e == ERR_OK)
		e = sync_data(u->engine, u->part, error);
	/* What was joined so far takes room until the next try. */
	if (e != ERR_OK && ftruncate(u->part, 0) != 0)
		return error_errno(error, ERR_IO, "empty upload's file");
	return e;
}
