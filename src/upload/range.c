/*
 * Range mode: bytes go straight to their place in a sparse file, which cannot tell what of it is
 * there; so each request commits the list of ranges, after the bytes are durable (store.md 8).
 */
#include "upload/pour.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/mem.h"

/* ---- the list in the record */

static void set_record(json_object *record, const struct ranges *set)
{
	(void)json_set(record, "ranges", ranges_json(set));
	(void)json_set_int(record, "offset", ranges_prefix(set));
	(void)json_set_int(record, "received", ranges_sum(set));
	if (set->n > 0)
		(void)json_set_str(record, "state", state_word(UPLOAD_RECEIVING));
}

/* Our own idea of it, from the record. */
static enum err adopt(struct upload *u, struct error *error)
{
	if (!ranges_read(&u->ranges, json_arr(u->record, "ranges")))
		return error_set(error, ERR_STORE, "upload %.8s: its list of ranges is damaged",
				 u->id);
	u->offset = ranges_prefix(&u->ranges);
	u->received = ranges_sum(&u->ranges);
	if (u->state == UPLOAD_CREATED && u->ranges.n > 0)
		u->state = UPLOAD_RECEIVING;
	return ERR_OK;
}

struct note {
	struct upload *u;
	bool forget;	     /* [first, at) is not to be relied on */
	json_object *record; /* result */
	struct error *error;
};

/* Read, merge and write: others do the same beside us. */
static enum err note_pass(struct pass *p, void *arg)
{
	struct note *n = arg;
	const struct upload *u = n->u;
	struct ranges set = {0};
	json_object *r = NULL;
	enum err e = uploads_get(p, u->id, &r);

	if (e != ERR_OK)
		return e;
	json_object_put(n->record);
	n->record = r;
	if (state_of(r) == UPLOAD_EXPIRED)
		return error_set(n->error, ERR_GONE, "upload is gone");
	if (state_of(r) == UPLOAD_COMPLETE)
		return ERR_OK;
	if (!ranges_read(&set, json_arr(r, "ranges")))
		return error_set(n->error, ERR_STORE, "upload %.8s: damaged list of ranges", u->id);
	if (n->forget)
		ranges_remove(&set, u->span.first, u->span.at);
	else
		ranges_add(&set, u->span.first, u->span.at);
	if (!n->forget && (int64_t)set.n > u->engine->config->upload_max_ranges)
		e = error_set(n->error, ERR_LENGTH, "over upload.max_ranges");
	if (e == ERR_OK) {
		set_record(r, &set);
		e = uploads_put(p, r);
	}
	ranges_done(&set);
	return e;
}

static enum err note(struct upload *u, bool forget, struct error *error)
{
	struct note n = {.u = u, .forget = forget, .error = error};
	enum err e;

	if (u->pending) {
		/* Nobody else knows of it: the record goes with its first commit. */
		if (!forget)
			ranges_add(&u->ranges, u->span.first, u->span.at);
		set_record(u->record, &u->ranges);
		return adopt(u, error);
	}
	e = store_pass(u->engine->store, engine_kind(u->engine), "upload ranges", note_pass, &n,
		       error);
	if (e != ERR_OK) {
		json_object_put(n.record);
		return e;
	}
	json_object_put(u->record);
	u->record = n.record;
	u->state = state_of(u->record);
	hash_expected(u);
	return adopt(u, error);
}

static enum err span_sync(struct upload *u, struct error *error)
{
	enum err e = sync_data(u->engine, u->part, error);

	/* The kernel says this once and then forgets, also of older bytes in this place. */
	if (e != ERR_OK)
		(void)note(u, true, NULL);
	return e;
}

/* Durable, then recorded. */
static enum err span_note(struct upload *u, struct error *error)
{
	enum err e;

	if (u->span.at == u->span.noted || u->state >= UPLOAD_COMPLETE)
		return ERR_OK;
	e = span_sync(u, error);
	if (e == ERR_OK)
		e = note(u, false, error);
	if (e == ERR_OK)
		u->span.noted = u->span.at;
	return e;
}

/* ---- one range */

/* How far may it reach, and what is the word for more? */
static int64_t limit(const struct upload *u, int64_t first, enum err *ret_full)
{
	int64_t size = u->engine->config->upload_max_size;
	int64_t quota = u->room.quota + json_int(u->record, "received", 0);

	*ret_full = ERR_LENGTH;
	if (u->length >= 0)
		return u->length;
	*ret_full = ERR_TOO_LARGE;
	if (quota < size - first) {
		*ret_full = ERR_QUOTA;
		return first + quota;
	}
	return size;
}

static enum err span_begin(struct upload *u, int64_t first, int64_t len, struct error *error)
{
	enum err full, e;
	int64_t end = 0;

	if (u->mode != mode_of(UPLOAD_RANGE) || u->want == UPLOAD_WANT_STATUS ||
	    u->want == UPLOAD_WANT_REMOVE || u->state == UPLOAD_EXPIRED)
		return error_set(error, ERR_FINAL, "upload %.8s does not take ranges", u->id);
	if (first < 0 || len < -1 || (len > 0 && __builtin_add_overflow(first, len, &end)))
		return error_set(error, ERR_LENGTH, "upload %.8s: no such range", u->id);
	u->span = (struct span){.first = first, .at = first, .noted = first};
	u->span.end = limit(u, first, &full);
	if (len >= 0 && first + len > u->span.end)
		return error_set(error, full, "upload %.8s: range past its end", u->id);
	if (len < 0 && first > u->span.end)
		return error_set(error, ERR_LENGTH, "upload %.8s: range past its end", u->id);
	if (len >= 0)
		u->span.end = first + len;
	/* A list that is full still takes what closes or widens a gap. */
	if ((int64_t)u->ranges.n > u->engine->config->upload_max_ranges)
		return error_set(error, ERR_LENGTH, "over upload.max_ranges");
	e = admit_space(u->engine, 0, 1, u->room.promised, error);
	return e;
}

enum err range_put(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	const unsigned char *p = bytes;
	int64_t room = u->span.end - u->span.at;
	size_t take = (int64_t)n > room ? (size_t)room : n;
	enum err full;

	while (take > 0) {
		ssize_t w = pwrite(u->part, p, take, u->span.at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return error_errno(error, ERR_IO, "write upload");
		u->span.at += w;
		p += w;
		take -= (size_t)w;
		n -= (size_t)w;
	}
	if (n > 0) {
		(void)limit(u, u->span.first, &full);
		return error_set(error, full, "upload %.8s: more bytes than the range", u->id);
	}
	return u->span.at - u->span.noted >= u->engine->config->upload_checkpoint
		   ? span_note(u, error)
		   : ERR_OK;
}

/* Would what is being written make it whole? */
static bool nearly_whole(const struct upload *u)
{
	int64_t first = u->span.first, at = u->span.at;

	return u->length >= 0 && !u->by_mark && ranges_cover(&u->ranges, 0, first) &&
	       ranges_cover(&u->ranges, at, u->length);
}

/*
 * When nobody else writes, the last range and the completion are one commit.  *RET_DONE: so it was.
 */
static enum err end_at_once(struct upload *u, bool *ret_done, struct error *error)
{
	enum err e;

	*ret_done = false;
	if (!nearly_whole(u) || (!u->exclusive && !lock_try(u->lock, true)))
		return ERR_OK;
	u->exclusive = true;
	e = span_sync(u, error);
	if (e == ERR_OK && !u->pending)
		e = upload_load(u, NULL, false, error);
	if (e == ERR_OK)
		e = adopt(u, error);
	if (e != ERR_OK || u->state >= UPLOAD_COMPLETE)
		return e;
	ranges_add(&u->ranges, u->span.first, u->span.at);
	set_record(u->record, &u->ranges);
	e = adopt(u, error);
	if (e != ERR_OK || !upload_ends(u))
		return e;
	e = upload_end(u, true, error);
	*ret_done = e == ERR_OK;
	return e;
}

enum err range_end(struct upload *u, bool whole, struct error *error)
{
	int64_t asked = u->span.end - u->span.first, came = u->span.at - u->span.first;
	bool done = false;
	enum err e = ERR_OK;

	u->pushing = PUSH_NONE;
	if (whole && came > 0 && u->span.noted == u->span.first)
		e = end_at_once(u, &done, error);
	if (done)
		return ERR_OK;
	if (e == ERR_OK)
		e = span_note(u, error);
	if (e == ERR_OK && whole && u->span_exact && came < asked)
		e = error_set(error, ERR_LENGTH, "upload %.8s: %lld of %lld bytes came", u->id,
			      (long long)came, (long long)asked);
	return e == ERR_OK && upload_ends(u) ? upload_end(u, true, error) : e;
}

enum err upload_push_range(struct upload *u, int64_t first, int64_t len, struct error *error)
{
	enum err e = ERR_OK;

	u->refused = ERR_OK;
	u->pushing = PUSH_NONE;
	u->pushed = 0;
	u->span_exact = len >= 0;
	if (u->mode != mode_of(UPLOAD_RANGE) || (u->state != UPLOAD_COMPLETE && !u->lockless))
		e = span_begin(u, first, len, error);
	if (e == ERR_OK)
		u->pushing = PUSH_RANGE;
	else
		u->refused = e;
	return e;
}

/* ---- a whole body */

static enum err check_body(const struct upload *u, int64_t len, const struct body *body,
			   struct error *error)
{
	int64_t most = u->engine->config->upload_max_request;

	if (body->length < 0 && (!body->chunked || len < 0))
		return body->chunked ? error_set(error, ERR_NEED_LENGTH,
						 "the end of the body cannot be known")
				     : ERR_OK;
	if (len >= 0 && body->length >= 0 && body->length != len)
		return error_set(error, ERR_LENGTH, "%lld bytes for a range of %lld",
				 (long long)body->length, (long long)len);
	if (most > 0 && (body->length > most || len > most))
		return error_set(error, ERR_TOO_LARGE, "over upload.max_request");
	return ERR_OK;
}

enum err upload_put_range(struct upload *u, int64_t first, int64_t len, struct body *body,
			  struct error *error)
{
	struct pour p = {.u = u,
			 .body = body,
			 .sink = range_put,
			 .first = first,
			 .full = ERR_LENGTH,
			 .error = error};
	int64_t bytes = len >= 0 ? len : body->length;
	enum err e, kept;

	if (u->mode == mode_of(UPLOAD_RANGE) && (u->state == UPLOAD_COMPLETE || u->lockless))
		return ERR_OK;
	e = check_body(u, len, body, error);
	/* Neither length nor mark: nothing comes. */
	if (body->length < 0 && !body->chunked)
		bytes = 0;
	if (e == ERR_OK && len > 0 && bytes == 0)
		e = error_set(error, ERR_LENGTH, "no bytes for a range of %lld", (long long)len);
	if (e == ERR_OK)
		e = span_begin(u, first, bytes, error);
	if (e != ERR_OK)
		return e;
	u->span_exact = true;
	p.limit = bytes;
	if (bytes > 0)
		e = pour_judge(&p, pour(&p));
	kept = range_end(u, e == ERR_OK, e == ERR_OK ? error : NULL);
	/* What was not made durable counts for more than why the body ended. */
	if (kept != ERR_OK)
		return e == ERR_OK ? kept : error_set(error, kept, "upload %.8s", u->id);
	/* Displaced by who completes it: with other copies of these very bytes. */
	return e == ERR_DISPLACED && ranges_cover(&u->ranges, first, first + bytes) ? ERR_OK : e;
}

/* ---- what is there */

bool range_whole(const struct upload *u)
{
	return u->length >= 0 && ranges_cover(&u->ranges, 0, u->length);
}

void look_range(struct upload *u)
{
	u->offset = ranges_prefix(&u->ranges);
	u->received = ranges_sum(&u->ranges);
}

enum err recover_range(struct upload *u, struct error *error)
{
	int64_t size = 0;
	enum err e;

	if (u->exclusive) {
		(void)unlinkat(u->dir, "stop", 0);
		remove_bodies(u);
	}
	e = recover_part(u, ranges_end(&u->ranges), &size, error);
	if (e != ERR_OK)
		return e;
	look_range(u);
	if (u->staged)
		u->offset = size;
	return ERR_OK;
}

bool upload_covers(const struct upload *u, int64_t first, int64_t len)
{
	int64_t end;

	if (first < 0 || len < 0 || __builtin_add_overflow(first, len, &end))
		return false;
	if (u->state == UPLOAD_COMPLETE)
		return end <= u->length;
	if (u->mode == mode_of(UPLOAD_RANGE))
		return ranges_cover(&u->ranges, first, end);
	return u->mode == mode_of(UPLOAD_APPEND) && end <= u->offset;
}
