/*
 * One body appended to an upload (transports.md 1.5, 1.9).
 */
#include "upload/pour.h"

#include "base/mem.h"

/* A checksummed body up to this is verified before it is appended. */
#define CHECKED_BYTES (8 * MIB)
#define COPY_BYTES    (64 * KIB)

/* Compare without telling by the time taken where the difference is.  Ends the run. */
static bool digest_is(struct digest_run **run, const struct checksum *want)
{
	unsigned char got[64] = {0}, differ = 0;

	digest_end(*run, got);
	*run = NULL;
	for (size_t i = 0; i < digest_size(want->algorithm); i++)
		differ |= (unsigned char)(got[i] ^ want->value[i]);
	return differ == 0;
}

static enum err checked(struct pour *p, enum err e, const struct checksum *want)
{
	if (e == ERR_OK && !digest_is(&p->run, want))
		e = error_set(p->error, ERR_CHECKSUM, "upload %.8s: the body's checksum differs",
			      p->u->id);
	return e;
}

static enum err append_plain(struct pour *p)
{
	enum err e = pour_judge(p, pour(p));
	enum err kept = receive_end(p->u, e == ERR_OK ? p->error : NULL);
	/* What was not made durable counts for more than why the body ended. */
	return kept != ERR_OK ? kept : e;
}

/*
 * A checksummed body into a file of its own first: the upload never holds a byte that was not
 * verified.
 */
static enum err append_aside(struct pour *p, const struct checksum *want)
{
	struct upload *u = p->u;
	CLEAN_FREE unsigned char *buf = mem_array(1, COPY_BYTES);
	enum err e;
	ssize_t n;

	e = upload_mark(u, true, p->error); /* a mark makes the next opener look for such files */
	if (e == ERR_OK)
		e = aside_begin(u, p->error);
	if (e != ERR_OK)
		return e;
	p->sink = aside_put;
	e = checked(p, pour_judge(p, pour(p)), want);
	for (off_t at = 0; e == ERR_OK && (n = pread(u->aside, buf, COPY_BYTES, at)) != 0; at += n)
		e = n < 0 ? error_errno(p->error, ERR_IO, "read a body back")
			  : receive(u, buf, (size_t)n, p->error);
	aside_drop(u);
	if (e != ERR_OK && receive_cut(u, u->durable, NULL) != ERR_OK)
		return e;
	return e == ERR_OK ? receive_end(u, p->error) : e;
}

/*
 * A checksummed body too long for that: written past the offset, which the record remembers
 * meanwhile, and cut back when it was not what it should be.
 */
static enum err append_tentative(struct pour *p, const struct checksum *want)
{
	struct upload *u = p->u;
	int64_t before = u->offset;
	enum err e = ERR_OK, undone;

	if (!u->pending) {
		(void)json_set_int(u->record, "tentative", before);
		e = upload_store(u, engine_kind(u->engine), "upload tentative", p->error);
	}
	if (e == ERR_OK)
		e = checked(p, pour_judge(p, pour(p)), want);
	if (e == ERR_OK)
		e = receive_end(u, p->error);
	undone = e == ERR_OK || u->offset == before ? ERR_OK : receive_cut(u, before, NULL);
	(void)json_set_int(u->record, "tentative", -1);
	/* Completion stores the record anyhow. */
	if (u->pending || undone != ERR_OK || (e == ERR_OK && upload_ends(u)))
		return e;
	undone = upload_store(u, engine_kind(u->engine), "upload verified",
			      e == ERR_OK ? p->error : NULL);
	if (undone != ERR_OK && e == ERR_OK) {
		/* The store may still call it tentative: then it must be gone. */
		(void)receive_cut(u, before, NULL);
		e = undone;
	}
	return e;
}

static enum err check(struct upload *u, int64_t offset, const struct body *body, bool finish,
		      struct error *error)
{
	const struct config *c = u->engine->config;
	bool bytes = body->length > 0 || (body->length < 0 && body->chunked);
	int64_t room;
	enum err full;

	if (u->mode != mode_of(UPLOAD_APPEND) || u->want == UPLOAD_WANT_STATUS ||
	    u->want == UPLOAD_WANT_REMOVE || u->state == UPLOAD_EXPIRED)
		return error_set(error, ERR_FINAL, "upload %.8s is not appended to", u->id);
	if (offset != u->offset)
		return error_set(error, ERR_OFFSET, "upload %.8s: offset %lld, not %lld", u->id,
				 (long long)u->offset, (long long)offset);
	if (c->upload_max_request > 0 && body->length > c->upload_max_request)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_request");
	room = u->state == UPLOAD_COMPLETE ? 0 : receive_room(u, &full);
	if (u->state == UPLOAD_COMPLETE)
		full = ERR_EXCEEDED;
	if (body->length > room)
		return error_set(error, full, "upload %.8s: %lld bytes more than may come", u->id,
				 (long long)(body->length - room));
	if (u->state == UPLOAD_COMPLETE)
		return ERR_OK;
	if (finish && u->length < 0 && body->length < 0 && body->chunked)
		return error_set(error, ERR_NEED_LENGTH, "the end of the body cannot be known");
	/* One that this request made was admitted with its length a moment ago. */
	if (!bytes || (u->pending && u->length >= 0))
		return ERR_OK;
	return admit_space(u->engine, u->length < 0 && body->length > 0 ? body->length : 0,
			   u->mode->copies, u->room.promised, error);
}

static enum err append_body(struct upload *u, struct body *body, const struct checksum *sum,
			    struct error *error)
{
	int64_t request = u->engine->config->upload_max_request, room;
	struct pour p = {.u = u, .body = body, .sink = receive, .first = u->offset, .error = error};
	enum err e;

	room = receive_room(u, &p.full);
	p.limit = body->length >= 0 ? body->length : room;
	if (request > 0 && p.limit > request) {
		p.limit = request;
		p.full = ERR_TOO_LARGE;
	}
	receive_begin(u, p.limit);
	if (sum == NULL) {
		p.ends_whole = !u->by_mark;
		return append_plain(&p);
	}
	p.run = digest_new(sum->algorithm);
	e = body->length >= 0 && body->length <= CHECKED_BYTES && !u->pending
		? append_aside(&p, sum)
		: append_tentative(&p, sum);
	digest_free(p.run);
	return e;
}

/* Behind the end of a complete upload: only what turns out to be no byte at all. */
static enum err append_nothing(struct upload *u, struct body *body, struct error *error)
{
	struct pour p = {.u = u, .body = body, .full = ERR_EXCEEDED, .error = error};

	return pour_judge(&p, END_FULL);
}

enum err upload_append(struct upload *u, int64_t offset, struct body *body,
		       const struct checksum *sum, bool finish, int64_t *ret_offset,
		       struct error *error)
{
	enum err e = check(u, offset, body, finish, error), done = ERR_OK;
	bool bytes = body->length > 0 || (body->length < 0 && body->chunked);

	if (e != ERR_OK || u->state == UPLOAD_COMPLETE) {
		*ret_offset = u->offset;
		return e == ERR_OK && bytes ? append_nothing(u, body, error) : e;
	}
	if (bytes)
		e = append_body(u, body, sum, error);
	else if (sum != NULL) {
		struct digest_run *run = digest_new(sum->algorithm);

		if (!digest_is(&run, sum))
			e = error_set(error, ERR_CHECKSUM,
				      "upload %.8s: the body's checksum differs", u->id);
	}
	/*
	 * All bytes are there, whatever came behind them; or the client says that these were all.
	 */
	if (e == ERR_EXCEEDED && upload_ends(u))
		done = upload_finish(u, NULL);
	else if (e == ERR_OK && (finish || upload_ends(u)))
		done = upload_finish(u, error);
	*ret_offset = u->offset;
	return e == ERR_OK ? done : e;
}
