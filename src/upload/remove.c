/*
 * Deletion, and the references that put it off.
 */
#include "upload/engine.h"

#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

void files_remove(const struct engine *e, const char *id)
{
	char place[40];

	/* The sweep finds what a backup needs until it has it. */
	if (store_keeps_files(e->store))
		return;
	id_place(id, place);
	/* What stays behind after an error is found by the sweep. */
	(void)fs_remove_tree(e->dir, place, NULL);
}

void record_expire(const struct engine *e, json_object *record, enum upload_reason reason,
		   int64_t now)
{
	(void)json_set_str(record, "state", state_word(UPLOAD_EXPIRED));
	(void)json_set_str(record, "reason", reason_word(reason));
	(void)json_set_int(record, "expires", now + e->config->upload_tombstone_ttl_s * 1000);
}

/* ---- the commit of a removal */

struct removal {
	struct upload *upload;
	enum upload_reason reason;
	bool unused;		   /* result: nobody holds its bytes */
	json_object *broken;	   /* result: ids of those that waited for it; owned */
	struct tally_uploads sums; /* result */
};

static enum err removal_pass(struct pass *p, void *arg)
{
	struct removal *r = arg;
	const struct engine *engine = r->upload->engine;
	CLEAN_JSON json_object *record = NULL;
	enum err e = uploads_get(p, r->upload->id, &record);

	json_object_put(r->broken);
	r->broken = NULL;
	r->sums = (struct tally_uploads){0};
	r->unused = e == ERR_NOT_FOUND || json_int(record, "refs", 0) <= 0;
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK || state_of(record) == UPLOAD_EXPIRED)
		return e;
	count(&r->sums, r->reason == UPLOAD_DELETED ? TALLY_TERMINATED : TALLY_EXPIRED, record);
	record_expire(engine, record, r->reason, clock_now_ms());
	e = uploads_put(p, record);
	return e == ERR_OK ? concat_partial_gone(p, engine, record, &r->broken, &r->sums) : e;
}

enum err upload_remove(struct upload *u, enum upload_reason reason, struct error *error)
{
	struct removal r = {.upload = u, .reason = reason};
	enum err err;

	if (u->pending && u->doubtful)
		return ERR_OK; /* its record may be there, and a consumer's: the sweep finds out */
	if (u->pending) {
		files_remove(u->engine, u->id);
		u->pending = false;
		u->state = UPLOAD_EXPIRED;
		return ERR_OK;
	}
	if (u->state == UPLOAD_EXPIRED)
		return ERR_OK;
	err = store_pass(u->engine->store, PASS_DELETE, "upload remove", removal_pass, &r, error);
	if (err == ERR_OK) {
		u->state = UPLOAD_EXPIRED;
		if (r.unused)
			files_remove(u->engine, u->id);
		tally_add_uploads(u->engine->tally, &r.sums);
		concat_remove(u->engine, r.broken);
	}
	json_object_put(r.broken);
	return err;
}

/* ---- references */

static enum err refer(struct pass *p, const char *id, int by, bool drop)
{
	CLEAN_JSON json_object *r = NULL;
	int64_t now = clock_now_ms(), refs;
	enum err e = uploads_get(p, id, &r);

	if (e != ERR_OK)
		return e;
	if (by > 0 && state_of(r) != UPLOAD_COMPLETE)
		return ERR_NOT_FOUND;
	refs = json_int(r, "refs", 0) + by;
	(void)json_set_int(r, "refs", refs > 0 ? refs : 0);
	if (refs <= 0 && drop && state_of(r) == UPLOAD_COMPLETE) {
		(void)json_set_str(r, "state", state_word(UPLOAD_EXPIRED));
		(void)json_set_str(r, "reason", reason_word(UPLOAD_DELETED));
	}
	if (refs <= 0)
		(void)json_set_int(r, "expires",
				   now + json_int(r,
						  state_of(r) == UPLOAD_COMPLETE ? "complete_ttl"
										 : "tombstone_ttl",
						  86400 * 1000));
	return uploads_put(p, r);
}

enum err upload_hold(struct pass *p, const char *id, int by)
{
	return refer(p, id, by, false);
}

enum err upload_drop(struct pass *p, const char *id)
{
	return refer(p, id, -1, true);
}

struct release {
	const char *id;
	bool unused;
};

static enum err release_pass(struct pass *p, void *arg)
{
	struct release *r = arg;
	CLEAN_JSON json_object *record = NULL;
	enum err e = uploads_get(p, r->id, &record);

	r->unused =
	    e == ERR_OK && state_of(record) == UPLOAD_EXPIRED && json_int(record, "refs", 0) <= 0;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void upload_release(struct engine *e, const char *id)
{
	struct release r = {.id = id};

	if (id != NULL && token_is_hex(id, ID_LEN) &&
	    store_pass(e->store, PASS_READ, "upload release", release_pass, &r, NULL) == ERR_OK &&
	    r.unused)
		files_remove(e, id);
}
